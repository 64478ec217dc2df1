"""Tables for spreadsheets, which run whatever begins like a formula."""

from __future__ import annotations

import csv

import pandas as pd

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def no_formula(value: object) -> object:
    """The same, with an apostrophe before text that a spreadsheet would take for a formula.

    Examples
    --------
    >>> no_formula("=1+1"), no_formula(-1.5)
    ("'=1+1", -1.5)

    Source: OWASP, CSV Injection.
    """
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def csv_bytes(table: pd.DataFrame) -> bytes:
    """A table as CSV in UTF-8 with the mark by which spreadsheets know it; names of columns are guarded too.

    Text stands in quotes: outside them a carriage return in a name would begin a row, and that row a formula.
    """
    guarded = table.map(no_formula).rename(columns=lambda name: str(no_formula(str(name))))
    return bytes(guarded.to_csv(index=False, quoting=csv.QUOTE_NONNUMERIC).encode("utf-8-sig"))
