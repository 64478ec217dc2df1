from __future__ import annotations

import platform
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

# A freed array of 31 MB makes glibc keep all up to that size on its heap. Every second of the others stays, and pins
# what lies below: smaller things would not do, because they may find room in holes that imports left.
PROGRAM = """
import sys
import numpy as np
from recsys.memory import hand_back, frugal_heap


def held():
    status = open("/proc/self/status").read()
    return int(status.split("VmRSS:")[1].split()[0]) / 1000


if sys.argv[1] == "frugal":
    frugal_heap()
first = np.ones(31_000_000, np.uint8)
del first
before = held()
arrays = [np.ones(2_000_000, np.uint8) for _ in range(100)]
used = held() - before
del arrays[::2]
kept = held() - before - used / 2
hand_back()
print(kept, held() - before - used / 2)
"""


def megabytes_kept(how: str) -> tuple[float, float]:
    """Of 100 MB freed, what the process kept: by itself, and after handing back."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, how], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    by_itself, after = map(float, done.stdout.split())
    return by_itself, after


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries have no such settings")
def test_large_arrays_are_handed_back_as_soon_as_they_are_freed() -> None:
    kept, _ = megabytes_kept("frugal")
    assert kept < 20
    kept_usually, after = megabytes_kept("as usual")
    assert kept_usually > 80
    assert after < 20
