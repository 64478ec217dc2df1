"""Freed memory, handed back to the system; what comes next is mostly of another kind."""

from __future__ import annotations

import ctypes
import sys

_MMAP_THRESHOLD, _ARENA_MAX = -3, -8  # mallopt's numbers for them
LARGE_BYTES, HEAPS = 1_000_000, 2


def frugal_heap() -> None:
    """Have arrays from 1 MB on handed back as soon as they are freed, and all threads share two heaps.

    Left to itself, glibc keeps ever larger arrays (up to 32 MB) for later, between others that are still in use: a
    twentieth of what a build takes at Last.fm-360K size. And it gives eight threads a core a heap of their own, where
    every page that a server draws leaves holes.
    """
    if mallopt := _of_glibc("mallopt"):
        mallopt(_MMAP_THRESHOLD, LARGE_BYTES)
        mallopt(_ARENA_MAX, HEAPS)


def hand_back() -> None:
    """Hand back what Arrow and the C library keep of what was freed; a fifth of what reading a large log leaves."""
    if arrow := sys.modules.get("pyarrow"):
        arrow.default_memory_pool().release_unused()
    if trim := _of_glibc("malloc_trim"):
        trim(0)


def _of_glibc(name: str) -> ctypes._NamedFuncPointer | None:
    """A function of the C library, where that is glibc; None elsewhere."""
    return getattr(ctypes.CDLL(None), name, None) if sys.platform == "linux" else None
