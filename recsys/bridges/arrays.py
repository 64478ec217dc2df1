"""NumPy's .npy and .npz files, of which headers are believed only as far as the file goes."""

from __future__ import annotations

import math
import zipfile
import zlib
from pathlib import Path
from tokenize import TokenError
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from recsys.bridges.foreign import MOST_CELLS, PICKLED
from recsys.errors import InputError

Array = npt.NDArray[Any]
# By what a factor matrix of items is called: implicit's own name first.
ITEM_ARRAYS = ("item_factors", "vectors", "item_vectors", "embeddings")
ID_ARRAYS = ("item_ids", "ids", "labels")
_DAMAGE = (ValueError, EOFError, SyntaxError, TypeError, TokenError, MemoryError, zipfile.BadZipFile, zlib.error)


def read_npy(file: Path) -> Array:
    """The array of a .npy file.

    Raises
    ------
    InputError : it holds pickled objects, is cut, or says it is larger than what is read.
    """
    with file.open("rb") as stream:
        return _array(stream, file, file.stat().st_size)


def read_npz(file: Path) -> tuple[Array, list[str] | None]:
    """The items' vectors of a .npz file, as implicit's `model.save` writes it, and their ids where it holds some.

    Raises
    ------
    InputError : as `read_npy`, or it holds no array that is sure to be the items'.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
            name = next((each for each in ITEM_ARRAYS if each in members), None)
            if name is None:
                raise InputError(
                    f"holds the arrays {', '.join(members) or 'none'}; the items' vectors must be called "
                    f"{' or '.join(ITEM_ARRAYS)}",
                    file=file,
                )
            ids = next((each for each in ID_ARRAYS if each in members), None)
            with archive.open(members[name]) as stream:
                vectors = _array(stream, file, members[name].file_size, name)
            if ids is None:
                return vectors, None
            with archive.open(members[ids]) as stream:
                return vectors, as_labels(_array(stream, file, members[ids].file_size, ids), file)
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, OSError) as error:
        raise InputError(f"is not a sound .npz file: {error}; fetch or write it again", file=file) from error


def as_labels(array: Array, file: Path) -> list[str]:
    """Ids that are an array of text or of whole numbers."""
    if array.ndim != 1 or array.dtype.kind not in "Uiu":
        raise InputError(f"holds ids as {array.dtype} {array.shape}; give text or whole numbers, one a row", file=file)
    return [str(each) for each in array.tolist()]


def _array(stream: IO[bytes], file: Path, size: int, name: str | None = None) -> Array:
    """size : how many bytes there are, header and all."""
    what = f"its array {name}" if name else "it"
    try:
        version = np.lib.format.read_magic(stream)
        read_header = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
        if version not in read_header:
            raise ValueError(f"version {version} of the format")
        shape, by_column, dtype = read_header[version](stream)
    except _DAMAGE as error:
        raise InputError(f"{what} is no plain NumPy array: {error}; write it again", file=file) from error
    if dtype.hasobject:
        raise InputError(
            f"{what} {PICKLED}: numpy.save(FILE, numpy.asarray(array, dtype='float32')) for vectors, dtype=str for ids",
            file=file,
        )
    if dtype.kind not in "fiuU" or min(shape, default=1) < 0:
        raise InputError(f"{what} holds {dtype} {shape}; vectors are real numbers", file=file)
    count = math.prod(shape)
    if count > MOST_CELLS:
        raise InputError(f"{what} says that it holds {count:,} values, more than {MOST_CELLS:,}", file=file)
    start = stream.tell()
    if start + count * dtype.itemsize > size:
        raise InputError(
            f"{what} says that it holds {count:,} values of {dtype.itemsize} bytes, and there are {size - start:,} "
            f"bytes; it was cut: fetch it again",
            file=file,
        )
    try:
        content = stream.read(count * dtype.itemsize)
    except _DAMAGE as error:
        raise InputError(f"{what} cannot be read: {error}; fetch it again", file=file) from error
    if len(content) < count * dtype.itemsize:
        raise InputError(f"{what} ends after {len(content):,} bytes of {count * dtype.itemsize:,}", file=file)
    flat = np.frombuffer(content, dtype)
    return flat.reshape(shape[::-1]).T if by_column else flat.reshape(shape)
