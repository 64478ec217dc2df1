"""Loops over single bytes, compiled: splitting lines into fields, and giving texts their codes.

NumPy and pyarrow need a pass over memory for each step; these take one for all. `data` is the uint8 block, and `words`
the eight bytes at each of its positions as one uint64, the first byte lowest: a view, not a copy.
"""

# mypy: disable-error-code="assignment,arg-type,call-overload,no-any-return,return-value"
# (the compiler types these loops itself; NumPy's scalars are integers to it)

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from numba import njit

Function = TypeVar("Function", bound=Callable[..., Any])

Bytes = npt.NDArray[np.uint8]
Words = npt.NDArray[np.uint64]
Positions = npt.NDArray[np.int32]

NOT_REGULAR, NO_ROOM = -1, -2
NO_SLOT = 2**64 - 1
_BATCH = 64
_EACH_BYTE = np.uint64(0x0101010101010101)
_HIGH_BITS = np.uint64(0x8080808080808080)
_LOW_BITS = np.uint64(0x7F7F7F7F7F7F7F7F)
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
_EMPTY = np.uint64(NO_SLOT)
_LOWER_HALF = np.uint64(0xFFFFFFFF)
_7, _32, _56 = np.uint64(7), np.uint64(32), np.uint64(56)
# Times 1 << 8 k, the highest byte is k.
_WHICH_BYTE = np.uint64(0x0001020304050607)
# The first k bytes of a word.
_FIRST_BYTES = np.array([(1 << 8 * k) - 1 for k in range(8)], np.uint64)
_ABOVE_RETURN = np.uint64((0x7F - 13) * 0x0101010101010101)


def compiled(function: Function) -> Function:
    """On its first call compiled for the types it is called with, and kept on disk for the next process."""
    try:
        return njit(cache=True, nogil=True)(function)
    except RuntimeError:  # no folder that can be written to
        return njit(nogil=True)(function)


def words_of(data: Bytes) -> Words:
    """The eight bytes at each position of `data`."""
    return np.ndarray((len(data) - 7,), np.dtype("<u8"), data, 0, (1,))


@compiled
def _hash(words: Words, start: int, length: int) -> np.uint64:
    h = np.uint64(length) * _MULTIPLIER
    at = np.uint64(start)
    end = at + np.uint64(length & ~7)
    while at < end:
        h = (h ^ words[at]) * _MULTIPLIER
        h ^= h >> _32
        at += np.uint64(8)
    if length & 7:
        h = (h ^ (words[end] & _FIRST_BYTES[np.uint64(length & 7)])) * _MULTIPLIER
        h ^= h >> _32
    return h


@compiled
def _equal(words: Words, start: int, other: int, length: int) -> bool:
    """Whether `length` bytes are the same at both places."""
    a = np.uint64(start)
    b = np.uint64(other)
    end = a + np.uint64(length & ~7)
    while a < end:
        if words[a] != words[b]:
            return False
        a += np.uint64(8)
        b += np.uint64(8)
    tail = _FIRST_BYTES[np.uint64(length & 7)]
    return (words[a] & tail) == (words[b] & tail)


@compiled
def split_fields(data: Bytes, words: Words, size: int, delimiter: int, starts: Positions, lengths: Positions) -> int:
    """Where each field of each line lies: into `starts` and `lengths`, int32 (n_columns, n_rows).

    Returns the number of rows, or NO_ROOM; NOT_REGULAR if some line has another number of fields, is blank, or holds
    NUL or carriage return.
    """
    n_columns, n_rows = starts.shape
    last = n_columns - 1
    wanted = _EACH_BYTE * np.uint64(delimiter)
    row = column = start = 0
    for at in range(0, size, 8):
        word = words[at]
        # The high bit of each byte that is at most 13 (line ends, tab, NUL), or the delimiter; exact, without borrows.
        marks = ~(((word & _LOW_BITS) + _ABOVE_RETURN) | word) & _HIGH_BITS
        if delimiter > 13:
            other = word ^ wanted
            marks |= ~(((other & _LOW_BITS) + _LOW_BITS) | other) & _HIGH_BITS
        while marks:
            lowest = marks & (~marks + np.uint64(1))
            marks ^= lowest
            end = at + np.int64(((lowest >> _7) * _WHICH_BYTE) >> _56)
            if end >= size:
                break
            byte = data[end]
            if byte == delimiter or byte == 10:
                if row == n_rows:
                    return NO_ROOM
                if (byte == 10) != (column == last):
                    return NOT_REGULAR
                starts[column, row] = start
                lengths[column, row] = end - start
                start = end + 1
                column += 1
                if byte == 10:
                    if last == 0 and lengths[0, row] == 0:
                        return NOT_REGULAR
                    column = 0
                    row += 1
            elif byte == 0 or byte == 13:
                return NOT_REGULAR
    return row if start == size else NOT_REGULAR


@compiled
def first_bytes(data: Bytes, starts: Positions, lengths: Positions, filled: npt.NDArray[np.bool_]) -> int:
    """Whether each text begins with a printable ASCII character; returns how many begin with anything else.

    Empty texts are False and not counted.
    """
    others = 0
    for row in range(len(starts)):
        byte = data[starts[row]]
        plain = 32 < byte < 127
        filled[row] = plain and lengths[row] > 0
        others += not plain and lengths[row] > 0
    return others


@compiled
def whole_numbers(data: Bytes, starts: Positions, lengths: Positions, values: npt.NDArray[np.float64]) -> int:
    """The value of each text of one to nine digits and nothing else, NaN for others; returns how many others."""
    others = 0
    for row in range(len(starts)):
        value = 0
        length = lengths[row]
        fits = 0 < length < 10
        for at in range(starts[row], starts[row] + (length if fits else 0)):
            digit = np.int64(data[at]) - 48
            if digit < 0 or digit > 9:
                fits = False
                break
            value = 10 * value + digit
        values[row] = value if fits else np.nan
        others += not fits
    return others


@compiled
def find_codes(
    words: Words,
    starts: Positions,
    lengths: Positions,
    slots: Words,
    known: Words,
    state: npt.NDArray[np.int64],
    codes: npt.NDArray[np.int32],
) -> bool:
    """The code of each text, -1 for an empty one; unknown ones get the next code. False if the room was not enough.

    slots : open addressing, uint64 (2^k,): the upper half of a text's hash, and below it where its record begins.
    known : records one behind the other: code and length in one word, then the text, its last word filled with zeros.
    state : number of codes, words of `known` in use, the first row to look at, and a place to write to.
    """
    mask = np.uint64(len(slots) - 1)
    hashes = np.empty(_BATCH, np.uint64)
    again = np.empty(_BATCH, np.bool_)
    found = np.empty(_BATCH, np.uint64)
    last_word = np.uint64(len(known) - 1)
    touched = np.uint64(0)
    first = state[2]
    while first < len(starts):
        n_batch = min(_BATCH, len(starts) - first)
        for j in range(n_batch):
            row = first + j
            start, length = starts[row], lengths[row]
            # A log sorted by listener names one many times in a row.
            again[j] = row > 0 and length == lengths[row - 1] and _equal(words, start, starts[row - 1], length)
            hashes[j] = hashes[j - 1] if again[j] and j > 0 else _hash(words, start, length)
        # Slots and records lie anywhere in memory. Asked for many at once, they arrive in a third of the time.
        for j in range(n_batch):
            touched ^= slots[hashes[j] & mask]
        for j in range(n_batch):
            slot = hashes[j] & mask
            entry = slots[slot]
            while (entry ^ hashes[j]) > _LOWER_HALF and entry != _EMPTY:
                slot = (slot + np.uint64(1)) & mask
                entry = slots[slot]
            found[j] = slot
            at = min(entry & _LOWER_HALF, last_word)
            end = min(at + np.uint64(lengths[first + j] >> 3), last_word)
            touched ^= known[at] ^ known[end]
        for j in range(n_batch):
            row = first + j
            start, length = starts[row], lengths[row]
            if again[j] or length == 0:
                codes[row] = codes[row - 1] if length else -1
                continue
            full, tail = length >> 3, _FIRST_BYTES[length & 7]
            slot = found[j]
            while True:
                entry = slots[slot]
                if entry == _EMPTY:
                    top = state[1]
                    if 3 * (state[0] + 1) > 2 * len(slots) or top + full + 2 > len(known):
                        state[2] = row
                        return False
                    slots[slot] = (hashes[j] & ~_LOWER_HALF) | np.uint64(top)
                    known[top] = (np.uint64(state[0]) << _32) | np.uint64(length)
                    for i in range(full):
                        known[top + 1 + i] = words[start + 8 * i]
                    if tail:
                        known[top + 1 + full] = words[start + 8 * full] & tail
                    codes[row] = state[0]
                    state[0] += 1
                    state[1] = top + 1 + full + (length & 7 != 0)
                    break
                if (entry ^ hashes[j]) <= _LOWER_HALF:
                    at = entry & _LOWER_HALF
                    same = (known[at] & _LOWER_HALF) == np.uint64(length)
                    p = np.uint64(start)
                    q = at + np.uint64(1)
                    for _ in range(full):
                        same &= known[q] == words[p]
                        p += np.uint64(8)
                        q += np.uint64(1)
                    if tail:
                        same &= known[q] == words[p] & tail
                    if same:
                        codes[row] = np.int64(known[at] >> _32)
                        break
                slot = (slot + np.uint64(1)) & mask
        first += n_batch
        state[2] = first
    state[3] = np.int64(touched)  # or the compiler would leave the loads out
    return True


@compiled
def fill_slots(known: Words, words: Words, n_words: int, slots: Words) -> None:
    """Put every record of `known` into an empty table; `words` are its words at every byte."""
    mask = np.uint64(len(slots) - 1)
    at = 0
    while at < n_words:
        length = np.int64(known[at] & _LOWER_HALF)
        h = _hash(words, 8 * (at + 1), length)
        slot = h & mask
        while slots[slot] != _EMPTY:
            slot = (slot + np.uint64(1)) & mask
        slots[slot] = (h & ~_LOWER_HALF) | np.uint64(at)
        at += 1 + (length + 7) // 8
