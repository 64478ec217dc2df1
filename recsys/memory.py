"""Freed memory, handed back to the system."""

from __future__ import annotations

import ctypes
import sys


def hand_back() -> None:
    """Hand back what this process has freed; a quarter of what a large log's reading took stays otherwise.

    The C library and Arrow keep freed memory for later; the next stage of a build mostly needs another kind.
    """
    if arrow := sys.modules.get("pyarrow"):
        arrow.default_memory_pool().release_unused()
    if sys.platform == "linux":
        # Other C libraries than glibc have no such function.
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim:
            trim(0)
