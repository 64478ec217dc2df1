"""The text and binary formats of the word2vec program, which gensim and many others read and write."""

from __future__ import annotations

import mmap
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from recsys.bridges.foreign import LONGEST_LABEL, Foreign, checked, refuse_too_many
from recsys.errors import InputError, ParameterError

_HEADER = re.compile(rb"([0-9]{1,12})[ \t]+([0-9]{1,7})[ \t]*\r?\n")
_SPACE = re.compile(r"\s+")


def has_header(start: bytes) -> bool:
    """Whether a file that starts so says how many vectors of which length it holds, as these formats do."""
    return _HEADER.match(start) is not None


def is_text(start: bytes) -> bool:
    """Whether its first vector is written in words: as many numbers after the label as the header says."""
    header = _HEADER.match(start)
    if header is None:
        return False
    numbers = start[header.end() :].partition(b"\n")[0].rstrip().rsplit(b" ", int(header[2]))[1:]
    return bool(numbers) and all(map(_is_number, numbers))


def _is_number(text: bytes) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def read_text(file: Path) -> Foreign:
    """One vector a line: a label, which may hold spaces, and its numbers.

    Raises
    ------
    InputError : the header promises more or fewer than there is, or a line is not a label and numbers.
    """
    with file.open("rb") as stream:
        rows, d = _sizes(stream.readline(64), file)
        # A number and the space before it are two characters at least.
        _refuse_lie(rows, d, rows * 2 * d, file)
        labels: list[str] = []
        vectors = np.empty((rows, d), np.float32)
        longest = LONGEST_LABEL + 64 * d
        while line := stream.readline(longest):
            at = len(labels) + 2
            line = line.rstrip()
            if not line:
                continue
            if len(labels) == rows:
                raise InputError(f"goes on after the {rows:,} vectors that its header promises", file=file, line=at)
            label, *numbers = line.rsplit(b" ", d)
            try:
                if len(numbers) != d:
                    raise ValueError(f"{len(numbers)} numbers")
                with np.errstate(over="ignore"):  # an infinite number is found below, with its label
                    vectors[len(labels)] = [float(number) for number in numbers]
            except ValueError as error:
                raise InputError(f"is not a label and {d} numbers ({error})", file=file, line=at) from error
            labels.append(_label(label, file))
    if len(labels) != rows:
        raise InputError(f"ends after {len(labels):,} of the {rows:,} vectors that its header promises", file=file)
    return checked(labels, vectors, "word2vec text", file)


def read_binary(file: Path) -> Foreign:
    """Labels as text up to a space, numbers as little-endian float32.

    Raises
    ------
    InputError : the header promises more than there is, the file ends within a vector, or goes on after the last.
    """
    with file.open("rb") as stream:
        rows, d = _sizes(start := stream.readline(64), file)
        _refuse_lie(rows, d, rows * (4 * d + 1), file)
        with mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
            labels, vectors = [], np.empty((rows, d), np.float32)
            at = len(start)
            for row in range(rows):
                space = content.find(b" ", at, at + LONGEST_LABEL)
                end = space + 1 + 4 * d
                if space < 0 or end > len(content):
                    raise InputError(
                        f"ends within vector {row + 1:,} of the {rows:,} that its header promises, or is not in the "
                        f"word2vec binary format; fetch it again",
                        file=file,
                    )
                # The original program ends each vector with a line feed, gensim does not.
                labels.append(_label(content[at:space].lstrip(b"\n"), file))
                vectors[row] = np.frombuffer(content[space + 1 : end], "<f4")
                at = end
            if content[at:].strip():
                raise InputError(f"goes on after the {rows:,} vectors that its header promises", file=file)
    return checked(labels, vectors, "word2vec binary", file)


def write(labels: Sequence[str], vectors: npt.NDArray[Any], file: Path, *, binary: bool) -> None:
    """Write vectors so that gensim's `KeyedVectors.load_word2vec_format` reads them; (n_rows, d).

    White space in a label becomes an underscore, because a space ends a label there.

    Raises
    ------
    ParameterError : two labels would be written alike.
    """
    tokens = [_SPACE.sub("_", label) for label in labels]
    if len(set(tokens)) < len(tokens):
        seen: set[str] = set()
        twice = next(token for token in tokens if token in seen or seen.add(token))  # type: ignore[func-returns-value]
        raise ParameterError(
            f"two ids are {twice!r} when spaces are underscores, as this format has them; choose --format parquet"
        )
    single = np.ascontiguousarray(vectors, "<f4")
    with file.open("wb") as stream:
        stream.write(f"{single.shape[0]} {single.shape[1]}\n".encode())
        for token, vector in zip(tokens, single, strict=True):
            stream.write(token.encode("utf-8") + b" ")
            # repr of a float32 is the shortest text that reads back as the same float32.
            stream.write(vector.tobytes() if binary else " ".join(map(str, vector)).encode() + b"\n")


def _sizes(header: bytes, file: Path) -> tuple[int, int]:
    sizes = _HEADER.fullmatch(header)
    if sizes is None:
        raise InputError(f"does not begin with how many vectors of which length it holds ({header[:40]!r})", file=file)
    rows, d = int(sizes[1]), int(sizes[2])
    refuse_too_many(rows, d, file)
    return rows, d


def _refuse_lie(rows: int, d: int, least: int, file: Path) -> None:
    size = file.stat().st_size
    if size < least:
        raise InputError(
            f"has {size:,} bytes, too few for the {rows:,} vectors of {d:,} numbers that its header promises; it was "
            f"cut: fetch it again",
            file=file,
        )


def _label(label: bytes, file: Path) -> str:
    try:
        return label.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"the label {label[:40]!r} is not UTF-8; write the file anew in UTF-8", file=file) from error
