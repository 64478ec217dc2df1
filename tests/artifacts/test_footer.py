"""What a Parquet file says of itself, beside what Arrow makes of it."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recsys.artifacts import footer
from recsys.artifacts.footer import counted, values_in


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Seven rows in two groups: a text, of which one is missing, a list, a flag and a double each."""
    content = {
        "text": ["a", None, "c", "d", "e", "f", "g"],
        "list": [["x", "y"], [], ["z"], None, ["x"], ["y"], ["z"]],
        "flag": [True, False] * 3 + [True],
        "number": [1.5] * 7,
    }
    path = tmp_path / "table.parquet"
    pq.write_table(pa.table(content).replace_schema_metadata({"a": "b"}), path, row_group_size=4)
    return path


def test_values_are_counted_as_arrow_counts_them(table: Path) -> None:
    metadata = pq.ParquetFile(table).metadata
    assert metadata.num_row_groups == 2
    # An empty list and one that is missing take a place each.
    assert values_in(table) == 7 + 8 + 7 + 7
    assert values_in(table) == sum(
        metadata.row_group(group).column(column).num_values for group in range(2) for column in range(4)
    )


def test_every_changed_byte_of_a_footer_is_a_number_or_a_value_error(table: Path) -> None:
    content = table.read_bytes()
    whole = content[-8 - int.from_bytes(content[-8:-4], "little") : -8]
    refused = 0
    for at in range(len(whole)):
        for byte in (0, 0xFF):
            try:
                assert counted(whole[:at] + bytes([byte]) + whole[at + 1 :]) >= 0
            except ValueError:
                refused += 1
    assert 0 < refused < 2 * len(whole)


@pytest.mark.parametrize(
    ("end", "words"),
    [
        (b"", "footer of 0 bytes"),
        (b"\x01\0\0\0PAR1", "footer of 1 bytes"),
        (b"x\x01\0\0\0PAR2", "footer of 1 bytes"),
        (b"\0\x01\0\0\0PAR1", "KeyError"),
        (b"\x1c" * 40 + b"\x28\0\0\0PAR1", "nested too deeply"),
        (b"\x16" + b"\xff" * 11 + b"\x0c\0\0\0PAR1", "more than 64 bits"),
        (b"\x1d\x01\0\0\0PAR1", "unknown type 13"),
    ],
)
def test_what_is_no_footer_is_refused_in_words(tmp_path: Path, end: bytes, words: str) -> None:
    (tmp_path / "x").write_bytes(end)
    with pytest.raises(ValueError, match=words):
        values_in(tmp_path / "x")


def test_a_footer_of_more_than_a_table_needs_is_not_read(table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(footer, "LARGEST_FOOTER", 100)
    with pytest.raises(ValueError, match=r"footer of [\d,]+ bytes cannot be read"):
        values_in(table)
