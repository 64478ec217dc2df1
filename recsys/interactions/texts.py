"""Columns of text as slices of the bytes they were read from, and their codes.

A listening log repeats few names millions of times. Only a name that was not seen before becomes a string here; every
other row is told by its bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from recsys.errors import InputError
from recsys.interactions.kernels import (
    NO_SLOT,
    Bytes,
    Positions,
    fill_slots,
    find_codes,
    first_bytes,
    whole_numbers,
    words_of,
)  # fmt: skip

Rows = npt.NDArray[np.integer[Any]] | npt.NDArray[np.bool_]

SLACK = 8  # bytes behind the last text, so that eight can be looked at from anywhere in it
_FEWEST_SLOTS = 1 << 10


class Texts:
    """Text in UTF-8: row r is `data[starts[r] : starts[r] + lengths[r]]`, and SLACK bytes follow the last one.

    data : uint8, less than 2 GiB; starts, lengths : int32 (n_rows,); rows lie in `data` in their order.
    """

    def __init__(self, data: Bytes, starts: Positions, lengths: Positions) -> None:
        self.data, self.starts, self.lengths = data, starts, lengths

    @classmethod
    def of(cls, values: pa.Array | pa.ChunkedArray | Sequence[str]) -> Texts:
        """The column of an Arrow array of strings, or of strings."""
        array = values if isinstance(values, pa.Array | pa.ChunkedArray) else pa.array(values, pa.string())
        if isinstance(array, pa.ChunkedArray):
            array = pa.concat_arrays(array.chunks) if array.num_chunks else pa.array([], pa.string())
        if not len(array):
            return cls(np.zeros(SLACK, np.uint8), np.empty(0, np.int32), np.empty(0, np.int32))
        _, offsets, content = array.buffers()
        ends = np.frombuffer(offsets, np.int32)[array.offset : array.offset + len(array) + 1]
        data = np.zeros(int(ends[-1]) + SLACK, np.uint8)
        if content is not None:
            data[: ends[-1]] = np.frombuffer(content, np.uint8)[: ends[-1]]
        return cls(data, ends[:-1], np.diff(ends))

    def __len__(self) -> int:
        return len(self.starts)

    def only(self, rows: Rows) -> Texts:
        """Some rows, in their order: a mask or increasing row numbers."""
        return Texts(self.data, self.starts[rows], self.lengths[rows])

    def arrow(self) -> pa.StringArray:
        """The texts as Arrow strings of their own."""
        if not len(self):
            return pa.array([], pa.string())
        # Each text and what stands between it and the next, in turn, is an array over the bytes as they are.
        offsets = np.empty(2 * len(self), np.int32)
        offsets[0::2], offsets[1::2] = self.starts, self.starts + self.lengths
        buffers = [None, pa.py_buffer(offsets), pa.py_buffer(self.data)]
        with_gaps = pa.Array.from_buffers(pa.string(), 2 * len(self) - 1, buffers)
        return with_gaps.take(pa.array(np.arange(0, 2 * len(self), 2, dtype=np.int32)))

    def to_list(self) -> list[str]:
        texts: list[str] = self.arrow().to_pylist()
        return texts

    def filled(self) -> npt.NDArray[np.bool_]:
        """Whether there is anything but white space, bool (n_rows,)."""
        filled = np.empty(len(self), bool)
        if first_bytes(self.data, self.starts, self.lengths, filled):
            # What begins with a blank, or with a character beyond ASCII that may be one, needs a closer look.
            unsure = np.flatnonzero(~filled & (self.lengths > 0))
            left = pc.not_equal(pc.utf8_trim_whitespace(self.only(unsure).arrow()), "")
            filled[unsure] = left.to_numpy(zero_copy_only=False)
        return filled

    def digits(self) -> tuple[npt.NDArray[np.float64], int]:
        """The value of each row that is one to nine digits and nothing else, NaN for the others, and how many those."""
        values = np.empty(len(self))
        return values, whole_numbers(self.data, self.starts, self.lengths, values)


def refuse_if_larger(n_bytes: int, most_bytes: int | None) -> None:
    """Raise InputError when texts have more bytes than they may; None is no limit."""
    if most_bytes is not None and n_bytes > most_bytes:
        raise InputError(f"different names have more than {most_bytes:,} bytes together; upload a part of it")


class Codes:
    """Texts to dense codes 0, 1, 2 … in the order of their first appearance; a text keeps its code.

    keep_texts : whether `values` will be asked for. most_bytes : what all texts may have together, None for no limit.
    """

    def __init__(self, keep_texts: bool = True, most_bytes: int | None = None) -> None:
        self._keep_texts = keep_texts
        self.most_bytes = most_bytes
        self.clear()

    def clear(self) -> None:
        """Forget every text, and let go of the memory."""
        self._slots = np.full(_FEWEST_SLOTS, NO_SLOT, np.uint64)
        self._known = np.zeros(4 * _FEWEST_SLOTS, np.uint64)
        self._n = 0
        self._n_words = 0
        self._texts: list[pa.Array] = []

    def __len__(self) -> int:
        return self._n

    def values(self, start: int = 0) -> pa.Array:
        """The texts of the codes from `start` on."""
        wanted, end = [pa.array([], pa.string())], self._n
        for texts in reversed(self._texts):
            if end <= start:
                break
            end -= len(texts)
            wanted.append(texts.slice(max(start - end, 0)))
        return pa.concat_arrays(wanted[::-1])

    def add(self, texts: Texts) -> npt.NDArray[np.int32]:
        """The code of each row, int32 (n_rows,), -1 where it is empty; texts not seen before get the next ones."""
        codes = np.empty(len(texts), np.int32)
        words = words_of(texts.data)
        before = self._n
        state = np.array([self._n, self._n_words, 0, 0])
        while not find_codes(words, texts.starts, texts.lengths, self._slots, self._known, state, codes):
            self._n, self._n_words = int(state[0]), int(state[1])
            self._make_room(int(texts.lengths[state[2]]))
        self._n, self._n_words = int(state[0]), int(state[1])
        if self._n > before and self._keep_texts:
            new = np.flatnonzero(codes >= before)
            _, first = np.unique(codes[new], return_index=True)
            self._texts.append(texts.only(new[first]).arrow())
        return codes

    def _make_room(self, length: int) -> None:
        """For one more text at least; a third of the slots stays free."""
        refuse_if_larger(8 * self._n_words + length, self.most_bytes)
        if self._n_words + length // 8 + 2 > len(self._known):
            more = np.empty(len(self._known) // 2 + length // 8 + 2, np.uint64)
            self._known = np.concatenate([self._known, more])
        if 3 * (self._n + 1) > 2 * len(self._slots):
            self._slots = np.full(2 * len(self._slots), NO_SLOT, np.uint64)
            fill_slots(self._known, words_of(self._known.view(np.uint8)), self._n_words, self._slots)
