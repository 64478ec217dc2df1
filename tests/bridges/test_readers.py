"""Files of other programs: what they hold is read, what they claim is not believed, and nothing in them is run."""

from __future__ import annotations

import io
import pickle
import random
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import gensim.models
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recsys.bridges import foreign
from recsys.bridges.readers import read_vectors
from recsys.bridges.tables import read_ids
from recsys.errors import InputError, ParameterError, RecsysError

IDS = ["b1", "Sigur Rós", "x y z"]
# Three items, two dimensions: a transposed matrix is seen.
VECTORS = np.array([[1.5, -2.0], [0.25, 3.0], [-0.125, 1e-3]], np.float32)
BINARY = b"3 2\n" + b"".join(
    name.replace(" ", "_").encode() + b" " + struct.pack("<2f", *row) for name, row in zip(IDS, VECTORS, strict=True)
)


class Bomb:
    """Leaves a trace when unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return (Path.touch, (self.trace,))


def put(file: Path, content: bytes) -> Path:
    file.write_bytes(content)
    return file


def npz(**members: bytes) -> bytes:
    kept = io.BytesIO()
    with zipfile.ZipFile(kept, "w") as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)
    return kept.getvalue()


def npy(array: np.ndarray, *, allow_pickle: bool = False) -> bytes:
    kept = io.BytesIO()
    np.save(kept, array, allow_pickle=allow_pickle)
    return kept.getvalue()


def test_word2vec_text_is_read_with_spaces_in_its_labels(tmp_path: Path) -> None:
    file = put(tmp_path / "v.txt", "3 2\nb1 1.5 -2\nSigur Rós 0.25 3\nx y z -0.125 1e-3\n".encode())
    read = read_vectors(file)
    assert (read.labels, read.form) == (IDS, "word2vec text")
    np.testing.assert_array_equal(read.vectors, VECTORS)


@pytest.mark.parametrize("end", [b"", b"\n"], ids=["as gensim writes it", "as the original program does"])
def test_word2vec_binary_is_read(tmp_path: Path, end: bytes) -> None:
    rows = (name.replace(" ", "_").encode() + b" " + struct.pack("<2f", *row) + end for name, row in zip(IDS, VECTORS))
    read = read_vectors(put(tmp_path / "v.bin", b"3 2\n" + b"".join(rows)))
    assert (read.labels, read.form) == (["b1", "Sigur_Rós", "x_y_z"], "word2vec binary")
    np.testing.assert_array_equal(read.vectors, VECTORS)


@pytest.mark.parametrize("binary", [False, True])
def test_what_gensim_saves_in_word2vec_format_is_read(tmp_path: Path, binary: bool) -> None:
    vectors = gensim.models.KeyedVectors(2)
    vectors.add_vectors(["b1", "c2", "d3"], VECTORS)
    vectors.save_word2vec_format(str(tmp_path / "v"), binary=binary)
    read = read_vectors(tmp_path / "v")
    assert read.labels == ["b1", "c2", "d3"]
    np.testing.assert_array_equal(read.vectors, VECTORS)


@pytest.mark.parametrize("order", ["C", "F"])
def test_npy_is_read_by_row_whatever_its_order(tmp_path: Path, order: str) -> None:
    file = put(tmp_path / "v.npy", npy(np.array(VECTORS, np.float64, order=order)))  # type: ignore[call-overload]
    ids = put(tmp_path / "ids.txt", "b1\r\nSigur Rós\r\nx y z\r\n".encode())
    read = read_vectors(file, ids)
    assert read.labels == IDS
    np.testing.assert_array_equal(read.vectors, VECTORS)


def test_npz_of_implicit_needs_ids_unless_it_holds_them(tmp_path: Path) -> None:
    users = npy(np.zeros((5, 2), np.float32))
    bare = put(tmp_path / "a.npz", npz(user_factors=users, item_factors=npy(VECTORS)))
    with pytest.raises(ParameterError, match="does not say which item each of its 3 vectors is of.*--ids"):
        read_vectors(bare)
    held = put(tmp_path / "b.npz", npz(item_factors=npy(VECTORS), item_ids=npy(np.array(IDS))))
    for read in (read_vectors(held), read_vectors(bare, put(tmp_path / "i.txt", "\n".join(IDS).encode()))):
        assert read.labels == IDS
        np.testing.assert_array_equal(read.vectors, VECTORS)


@pytest.mark.parametrize("kind", [pa.list_(pa.float32()), pa.list_(pa.float64(), 2)])
def test_parquet_with_a_column_of_lists_is_read(tmp_path: Path, kind: pa.DataType) -> None:
    table = pa.table({"plays": [9, 8, 7], "artist": IDS, "v": pa.array(VECTORS.tolist(), kind)})
    pq.write_table(table, tmp_path / "v.parquet")
    read = read_vectors(tmp_path / "v.parquet", id_column="artist")
    assert read.labels == IDS
    np.testing.assert_array_equal(read.vectors, VECTORS)
    with pytest.raises(InputError, match="no column that is sure to hold ids, but plays, artist, v"):
        read_vectors(tmp_path / "v.parquet")


def test_parquet_with_a_column_a_dimension_leaves_whole_numbers_out(tmp_path: Path) -> None:
    table = pd.DataFrame({"id": [7, 8, 9], "plays": [1, 2, 3], "d0": VECTORS[:, 0], "d1": VECTORS[:, 1]})
    table.to_parquet(tmp_path / "v.parquet")
    read = read_vectors(tmp_path / "v.parquet")
    assert read.labels == ["7", "8", "9"]
    np.testing.assert_array_equal(read.vectors, VECTORS)


def test_the_projectors_two_files_are_read_together(tmp_path: Path) -> None:
    put(tmp_path / "metadata.tsv", 'name\tlisteners\nb1\t4\n"Sigur" Rós\t5\nx y z\t6\n'.encode())
    file = put(tmp_path / "vectors.tsv", b"1.5\t-2\n0.25\t3\n-0.125\t1e-3\n")
    read = read_vectors(file)
    assert read.labels == ["b1", '"Sigur" Rós', "x y z"]
    np.testing.assert_array_equal(read.vectors, VECTORS)
    (tmp_path / "metadata.tsv").unlink()
    with pytest.raises(InputError, match="has no metadata.tsv beside it.*--ids"):
        read_vectors(file)


@pytest.mark.parametrize(
    ("name", "content", "column"),
    [
        ("i.txt", "id\nb1\nSigur Rós\nx y z\n", None),
        ("i.csv", 'name,id\nA,b1\nB,Sigur Rós\n"C, D",x y z\n', None),
        ("i.tsv", "what\tkey\nA\tb1\nB\tSigur Rós\nC\tx y z\n", "key"),
    ],
)
def test_ids_are_a_list_or_a_column(tmp_path: Path, name: str, content: str, column: str | None) -> None:
    assert read_ids(put(tmp_path / name, content.encode()), 3, column) == IDS
    with pytest.raises(InputError, match="no column 'nowhere'.*--id-column"):
        read_ids(tmp_path / name, 3, "nowhere")


REFUSED: dict[str, tuple[str, bytes, str]] = {
    "pickle": ("v.bin", b"\x80\x04K\x01.", "pickled.*numpy.save.*for --ids"),
    "pickled array": ("v.npy", npy(np.array([{}], object), allow_pickle=True), "pickled.*numpy.save"),
    "pickled member": ("v.npz", npz(item_factors=npy(np.array([[{}]], object), allow_pickle=True)), "pickled"),
    "other members": ("v.npz", npz(weights=npy(VECTORS)), "holds the arrays weights.*item_factors"),
    "cut npz": ("v.npz", npz(item_factors=npy(VECTORS))[:-30], "not a sound .npz"),
    "npz header lies": ("v.npz", npz(item_factors=npy(VECTORS)[:-4]), "item_factors says.*was cut"),
    "cut npy": ("v.npy", npy(VECTORS)[:-1], "6 values of 4 bytes, and there are 23 bytes"),
    "npy of text": ("v.npy", npy(np.array([[1j]])), "vectors are real numbers"),
    "huge npy": (
        "v.npy",
        npy(VECTORS).replace(b"(3, 2), }" + b" " * 16, b"(3000000000, 200), }     "),
        "says that it holds 600,000,000,000 values, more than 500,000,000",
    ),
    "cut binary": ("v.bin", BINARY[:-1], "ends within vector 3 of the 3"),
    "binary header lies": ("v.bin", b"9" + BINARY[1:], "too few for the 9 vectors"),
    "binary goes on": ("v.bin", b"2" + BINARY[1:], "goes on after the 2 vectors"),
    "huge header": ("v.txt", b"900000000 900\na 1 2\n", "900,000,000 vectors of 900 numbers, more than"),
    "no vectors": ("v.txt", b"0 2\n", "there is nothing"),
    "text header lies": ("v.txt", b"99 2\na 1 2\n", "too few for the 99 vectors"),
    "cut text": ("v.txt", b"2 2\naaaaaaaaaaaaaaaa 1.5 2\n", "ends after 1 of the 2"),
    "text goes on": ("v.txt", b"1 2\na 1 2\nb 1 2\n", "line 3: goes on after the 1 vectors"),
    "no number": ("v.txt", b"2 2\na 1 2\nb 1 two\n", "line 3: is not a label and 2 numbers"),
    "not a number": ("v.txt", b"2 2\na 1 2\nb nan 2\n", "vector of 'b'.*not finite"),
    "infinite": ("v.txt", b"2 2\na 1 1e39\nb 1 2\n", "vector of 'a'.*not finite as float32"),
    "twice": ("v.txt", b"3 2\na 1 2\nb 1 2\na 3 4\n", "'a' stands at the rows 1 and 3"),
    "not UTF-8": ("v.txt", b"1 2\n\xff 1 2\n", "not UTF-8"),
    "something else": ("v.h5", b"\x89HDF\r\n", "of no known kind.*word2vec text"),
    "cut parquet": ("v.parquet", b"PAR1 and no more", "not readable Parquet"),
    "nothing": ("v.txt", b"", "of no known kind"),
}


@pytest.mark.parametrize(("name", "content", "words"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_trusted_is_refused_in_words(tmp_path: Path, name: str, content: bytes, words: str) -> None:
    ids = put(tmp_path / "ids.txt", "\n".join(IDS).encode()) if name.endswith(("npy", "npz")) else None
    with pytest.raises(InputError, match=rf"(?s){words}"):
        read_vectors(put(tmp_path / name, content), ids)


def test_a_claim_is_looked_at_before_memory_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(foreign, "MOST_CELLS", 5)
    monkeypatch.setattr(np, "empty", lambda *_, **__: pytest.fail("memory was taken"))
    with pytest.raises(InputError, match="3 vectors of 2 numbers, more than the 5"):
        read_vectors(put(tmp_path / "v.bin", BINARY))


def test_every_cut_of_a_file_is_refused_or_read_whole(tmp_path: Path) -> None:
    text = b"3 2\nb1 1.5 -2.0\nc2 0.25 3.0\nd3 -0.125 0.001\n"
    for content in (BINARY, text):
        for end in range(len(content)):
            try:
                read = read_vectors(put(tmp_path / "v", content[:end]))
            except RecsysError:
                continue
            # A number may be cut short and be a number still; a row is never missed.
            assert read.vectors.shape == (3, 2), end


def test_a_pickle_is_never_run_whatever_it_is_called(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    content = pickle.dumps(Bomb(trace))
    held = npy(np.array([[Bomb(trace)]], object), allow_pickle=True)
    ids = put(tmp_path / "ids.txt", b"a\n")
    for name in ("m.kv", "m.model", "m.bin", "m.txt", "m.npy", "m.npz", "m.tsv", "m.parquet"):
        for each in (content, held, npz(item_factors=held)):
            for with_ids in (None, ids):
                with pytest.raises(RecsysError):
                    read_vectors(put(tmp_path / name, each), with_ids)
    with pytest.raises(InputError, match="pickled"):
        read_ids(put(tmp_path / "ids.npy", npy(np.array([Bomb(trace)], object), allow_pickle=True)), 1, None)
    assert not trace.exists()


@pytest.mark.parametrize("what", ["model", "vectors"])
def test_gensims_own_files_are_refused_with_a_command_that_converts_them(tmp_path: Path, what: str) -> None:
    model = gensim.models.Word2Vec([["a", "b", "c"], ["c", "a"]], vector_size=4, min_count=1, epochs=1, seed=1)
    file = tmp_path / "it's mine.model"
    (model if what == "model" else model.wv).save(str(file))
    with pytest.raises(InputError, match="pickled") as refused:
        read_vectors(file)
    command = str(refused.value).splitlines()[-1].replace("python ", f"{sys.executable} ", 1)
    subprocess.run(command, shell=True, check=True, timeout=120)
    read = read_vectors(file.with_suffix(".txt"))
    assert sorted(read.labels) == ["a", "b", "c"]
    np.testing.assert_array_equal(read.vectors[read.labels.index("b")], model.wv["b"])


@pytest.mark.parametrize(
    ("name", "content", "more", "words"),
    [
        ("v.bin", BINARY, {"ids": "ids.txt"}, "holds ids of its own; leave --ids out"),
        ("v.bin", BINARY, {"id_column": "id"}, "has no columns; leave --id-column out"),
    ],
)
def test_options_that_say_nothing_of_a_file_are_refused(
    tmp_path: Path, name: str, content: bytes, more: dict[str, str], words: str
) -> None:
    ids = tmp_path / more["ids"] if "ids" in more else None
    with pytest.raises(ParameterError, match=words):
        read_vectors(put(tmp_path / name, content), ids, more.get("id_column"))


def test_ids_that_are_too_few_are_counted(tmp_path: Path) -> None:
    file = put(tmp_path / "v.npy", npy(VECTORS))
    with pytest.raises(InputError, match="has 3 vectors and 2 ids.*check --ids"):
        read_vectors(file, put(tmp_path / "ids.txt", b"a\nb\n"))


def test_damage_is_refused_in_words_whatever_byte_it_hits(tmp_path: Path) -> None:
    rng = random.Random(3)
    parquet, packed = io.BytesIO(), io.BytesIO()
    pd.DataFrame({"id": IDS, "a": VECTORS[:, 0], "b": VECTORS[:, 1]}).to_parquet(parquet)
    np.savez_compressed(packed, item_factors=VECTORS, item_ids=np.array(IDS))
    whole = {"v.bin": BINARY, "v.npy": npy(VECTORS), "v.npz": packed.getvalue(), "v.parquet": parquet.getvalue()}
    ids = put(tmp_path / "ids.txt", "\n".join(IDS).encode())
    read = 0
    for name, content in whole.items():
        for _ in range(300):
            changed = bytearray(content)
            for at in rng.sample(range(len(content)), rng.randint(1, 4)):
                changed[at] = rng.randrange(256)
            try:
                found = read_vectors(put(tmp_path / name, bytes(changed)), ids if name == "v.npy" else None)
            except RecsysError:
                continue
            read += 1
            assert np.isfinite(found.vectors).all()
            assert len(found.labels) == len(set(found.labels)) == len(found.vectors)
    # Most changes of a number or a letter make another number or letter.
    assert 0 < read < 1200
