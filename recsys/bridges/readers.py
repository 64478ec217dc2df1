"""Which kind of file vectors are in, and what to do about those that only their own program may open."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from recsys.bridges.arrays import read_npy, read_npz
from recsys.bridges.foreign import PICKLED, Foreign, checked
from recsys.bridges.projector import read_projector
from recsys.bridges.tables import read_ids, read_parquet
from recsys.bridges.word2vec_format import has_header, is_text, read_binary, read_text
from recsys.errors import InputError, ParameterError

SNIFFED = 1 << 16
FORMS = "word2vec text or binary, implicit's .npz, .npy, Parquet, the Embedding Projector's vectors.tsv"
_PICKLED_SUFFIXES = (".kv", ".model", ".pkl", ".pt", ".pth")
# The first class that a pickle of gensim's names is what it is of.
_GENSIM = re.compile(rb"gensim\.models\.\w+[^A-Za-z]{1,6}([A-Z]\w+)")


def read_vectors(file: Path, ids: Path | None = None, id_column: str | None = None) -> Foreign:
    """The vectors of a file and what it calls them; which kind of file it is shows in its first bytes.

    Parameters
    ----------
    ids : what the rows are called, for .npy, .npz and the Embedding Projector; other kinds hold it themselves.
    id_column : of `ids`, or of Parquet, where it is no usual name.

    Raises
    ------
    InputError : the file is pickled, of no known kind, cut, or not what its header says.
    ParameterError : ids are missing, or given to a kind that holds its own.
    """
    try:
        with file.open("rb") as stream:
            start = stream.read(SNIFFED)
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}; check --vectors", file=file) from error
    is_npy = start.startswith(b"\x93NUMPY")
    if is_npy or start.startswith(b"PK\x03\x04"):
        vectors, labels = (read_npy(file), None) if is_npy else read_npz(file)
        form = "NumPy .npy" if is_npy else "implicit .npz"
        if labels is None and ids is None:
            raise ParameterError(
                f"{file} does not say which item each of its {len(vectors):,} vectors is of: name a file that does "
                f"with --ids, one id a line, in their order"
            )
        return checked(read_ids(ids, len(vectors), id_column) if ids else labels or [], vectors, form, file)
    is_projected = file.suffix == ".tsv" and not has_header(start)
    if ids is not None and not is_projected:
        raise ParameterError(f"{file} holds ids of its own; leave --ids out")
    if is_projected:
        return read_projector(file, ids, id_column)
    if start.startswith(b"PAR1"):
        return read_parquet(file, id_column)
    if id_column is not None:
        raise ParameterError(f"{file} has no columns; leave --id-column out")
    if has_header(start):
        return read_text(file) if is_text(start) else read_binary(file)
    if _is_pickle(start) or file.suffix in _PICKLED_SUFFIXES:
        raise InputError(f"{PICKLED}, as:\n{_way_out(file, start)}", file=file)
    raise InputError(f"is of no known kind ({start[:16]!r}); vectors are read from {FORMS}", file=file)


def _is_pickle(start: bytes) -> bool:
    return len(start) > 1 and start[0] == 0x80 and start[1] <= 5


def _way_out(file: Path, start: bytes) -> str:
    """The command that turns gensim's own file into one that is read here; it runs nowhere but with the person."""
    named = _GENSIM.search(start)
    if named is None:
        return "numpy.save('vectors.npy', vectors), and what the rows are called in a file for --ids, one a line"
    loader = named[1].decode()
    vectors = "" if loader.endswith("KeyedVectors") else ".wv"
    script = (
        f"from gensim.models import {loader}; {loader}.load({str(file)!r}){vectors}"
        f".save_word2vec_format({str(file.with_suffix('.txt'))!r})"
    )
    return f"python -c {shlex.quote(script)}"
