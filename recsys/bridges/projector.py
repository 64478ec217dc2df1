"""The TensorFlow Embedding Projector's two files: vectors.tsv, and metadata.tsv that says what they are of."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from recsys.bridges.foreign import Foreign, checked, refuse_too_many
from recsys.bridges.tables import read_ids
from recsys.errors import InputError

VECTORS, METADATA = "vectors.tsv", "metadata.tsv"


def read_projector(file: Path, ids: Path | None, id_column: str | None) -> Foreign:
    """Numbers between tabs, a line a vector; what they are of stands in another file, by default metadata.tsv beside.

    Raises
    ------
    InputError : a line does not hold as many numbers as the first, or there are no ids for them.
    """
    ids = ids or file.with_name(METADATA)
    if not ids.is_file():
        raise InputError(
            f"has no {METADATA} beside it that says what its vectors are of; name it with --ids", file=file
        )
    with file.open("rb") as stream:
        d = stream.readline().count(b"\t") + 1
        rows = 1 + sum(1 for line in stream if line.strip())
    refuse_too_many(rows, d, file)
    try:
        vectors = np.loadtxt(file, np.float32, delimiter="\t", comments=None, ndmin=2, encoding="utf-8")
    except ValueError as error:
        raise InputError(f"is not numbers between tabs, as many on each line: {error}", file=file) from error
    return checked(read_ids(ids, len(vectors), id_column), vectors, "Embedding Projector", file)


def vectors_tsv(vectors: npt.NDArray[Any]) -> bytes:
    """One row an item, tabs between numbers, no heading; (n_items, d)."""
    kept = io.StringIO()
    pd.DataFrame(np.asarray(vectors, np.float32)).to_csv(kept, sep="\t", header=False, index=False)
    return kept.getvalue().encode()


def metadata_tsv(columns: Mapping[str, Sequence[Any]]) -> bytes:
    """What the same items are, in the same order, under a heading; whatever would end a field is a space."""
    lines = [list(columns), *zip(*columns.values(), strict=True)]
    return "".join("\t".join(" ".join(str(field).split()) for field in line) + "\n" for line in lines).encode()
