"""How many values a Parquet file says that it holds, read from its footer without Arrow.

Arrow ends the process, where it is asked for a column's metadata and those are damaged. Reading a column raises.

Source: Apache Parquet, File format and parquet.thrift; Apache Thrift, Compact protocol.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

MAGIC = b"PAR1"
LARGEST_FOOTER = 1 << 20  # a build's tables have 10 kB
_DEEPEST = 20
# Numbers of fields in parquet.thrift, from FileMetaData on.
_ROW_GROUPS, _COLUMNS, _META_DATA, _NUM_VALUES = 4, 1, 3, 5
# Types of the compact protocol; the two first are a value by themselves.
_TRUE, _FALSE, _BYTE, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT = 1, 2, 3, 7, 8, 9, 10, 11, 12
_INTEGERS = (4, 5, 6)


def values_in(path: Path) -> int:
    """How many values all columns of a Parquet file have together, those of lists included.

    Raises
    ------
    ValueError : its footer is not what Parquet files have, or larger than LARGEST_FOOTER.
    """
    with path.open("rb") as stream:
        size = stream.seek(0, os.SEEK_END)
        stream.seek(max(size - 8, 0))
        end = stream.read(8)
        length = int.from_bytes(end[:4], "little")
        if end[4:] != MAGIC or not 0 < length <= min(size - 8, LARGEST_FOOTER):
            raise ValueError(f"its footer of {length:,} bytes cannot be read")
        stream.seek(size - 8 - length)
        return counted(stream.read(length))


def counted(footer: bytes) -> int:
    """As `values_in`, of the footer alone."""
    try:
        groups = _Compact(footer).struct()[_ROW_GROUPS]
        counts = [column[_META_DATA][_NUM_VALUES] for group in groups for column in group[_COLUMNS]]
        if min(counts, default=0) < 0:
            raise ValueError(f"a column has {min(counts)} values")
        return sum(counts)
    except (IndexError, KeyError, TypeError) as error:
        raise ValueError(f"its footer cannot be read ({error!r})") from error


class _Compact:
    """Thrift's compact protocol: structs become dictionaries by the numbers of their fields."""

    def __init__(self, content: bytes) -> None:
        self._content, self._at = content, 0

    def struct(self, depth: int = 0) -> dict[int, Any]:
        found: dict[int, Any] = {}
        number = 0
        while head := self._byte():
            number = number + (head >> 4) if head >> 4 else self._integer()
            kind = head & 15
            found[number] = kind == _TRUE if kind in (_TRUE, _FALSE) else self._value(kind, depth + 1)
        return found

    def _value(self, kind: int, depth: int) -> Any:
        if depth > _DEEPEST:
            raise ValueError("its footer is nested too deeply")
        if kind in _INTEGERS:
            return self._integer()
        if kind in (_TRUE, _FALSE, _BYTE):
            return self._byte()
        if kind == _DOUBLE:
            return self._skip(8)
        if kind == _BINARY:
            return self._skip(self._unsigned())
        if kind in (_LIST, _SET):
            head = self._byte()
            count = head >> 4 if head >> 4 < 15 else self._unsigned()
            return [self._value(head & 15, depth + 1) for _ in range(count)]
        if kind == _MAP:
            count = self._unsigned()
            kinds = self._byte() if count else 0
            return [(self._value(kinds >> 4, depth + 1), self._value(kinds & 15, depth + 1)) for _ in range(count)]
        if kind == _STRUCT:
            return self.struct(depth + 1)
        raise ValueError(f"its footer holds a value of the unknown type {kind}")

    def _byte(self) -> int:
        self._at += 1
        return self._content[self._at - 1]

    def _unsigned(self) -> int:
        number = shift = 0
        while True:
            byte = self._byte()
            number |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return number
            if shift > 63:
                raise ValueError("its footer holds a number of more than 64 bits")

    def _integer(self) -> int:
        number = self._unsigned()
        return (number >> 1) ^ -(number & 1)

    def _skip(self, count: int) -> None:
        self._at += count
        if self._at > len(self._content):
            raise IndexError(f"{count:,} bytes are not there")
