"""Vectors as a file of another program holds them, before they are any item's."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from recsys.errors import InputError

# 2 GB as float32: more than that is refused before any of it is read.
MOST_CELLS = 500_000_000
LONGEST_LABEL = 10_000  # bytes
PICKLED = (
    "holds pickled Python objects, and to read those is to run what they say; nothing from a file is ever run here. "
    "Where you trust the file, convert it with what made it"
)


@dataclass(frozen=True)
class Foreign:
    """One file's vectors.

    labels : what the file calls its rows, n_rows of them, none twice. vectors : float32 (n_rows, d), finite.
    form : what kind of file it was, in words.
    """

    labels: list[str]
    vectors: npt.NDArray[np.float32]
    form: str


def checked(labels: list[str], vectors: npt.NDArray[Any], form: str, file: Path) -> Foreign:
    """What was read, once it holds what it must.

    Raises
    ------
    InputError : not one label a row, a label twice, no rows or no dimensions, or a number that is not finite.
    """
    if vectors.ndim != 2 or not vectors.shape[0] or not vectors.shape[1]:
        raise InputError(f"holds an array of shape {vectors.shape}; vectors are (items, dimensions)", file=file)
    if len(labels) != len(vectors):
        raise InputError(
            f"has {len(vectors):,} vectors and {len(labels):,} ids; there must be one id for each vector, in their "
            f"order: check --ids",
            file=file,
        )
    first: dict[str, int] = {}
    for row, label in enumerate(labels):
        if first.setdefault(label, row) != row:
            raise InputError(
                f"the id {label!r} stands at the rows {first[label] + 1:,} and {row + 1:,}; an item has one vector: "
                f"take one out, or choose other ids with --id-column",
                file=file,
            )
    with np.errstate(over="ignore"):
        single = np.ascontiguousarray(vectors, np.float32)
    bad = np.flatnonzero(~np.isfinite(single).all(axis=1))
    if len(bad):
        raise InputError(
            f"the vector of {labels[bad[0]]!r}, and of {len(bad) - 1:,} more, holds a number that is not finite as "
            f"float32; a vector is made of numbers: take it out",
            file=file,
        )
    return Foreign(labels, single, form)


def refuse_too_many(rows: int, dimensions: int, file: Path) -> None:
    """Look at what a file says of its size before memory is taken.

    Raises
    ------
    InputError : more than MOST_CELLS numbers, or less than one row or one dimension.
    """
    if rows < 1 or dimensions < 1:
        raise InputError(f"says that it holds {rows:,} vectors of {dimensions:,} numbers; there is nothing", file=file)
    if rows * dimensions > MOST_CELLS:
        raise InputError(
            f"says that it holds {rows:,} vectors of {dimensions:,} numbers, more than the {MOST_CELLS:,} numbers that "
            f"are read; keep the items of the set alone",
            file=file,
        )
