"""Counts in sentences."""

from __future__ import annotations


def counted(count: float, noun: str) -> str:
    """A count, without decimals, and its noun, which is given in the singular.

    Examples
    --------
    >>> counted(1, "listener"), counted(1_892, "listener")
    ('1 listener', '1,892 listeners')
    """
    shown = f"{count:,.0f}"
    return f"{shown} {noun}" if shown == "1" else f"{shown} {noun}s"
