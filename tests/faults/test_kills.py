"""Killed at any system call; `make kills` does this a thousand times."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.conftest import ROOT

CANNOT_TRACE = "this system lets no process trace another"

# A writer that does all the same but cuts CURRENT and writes it in place.
CARELESS = """
import os, random, sys, tempfile
from pathlib import Path
from tests.faults import kills

real = os.replace

def in_place(source, target):
    if Path(target).name != "CURRENT" or not Path(target).exists():
        return real(source, target)
    with open(target, "r+b", buffering=0) as stream:
        stream.truncate(0)
        for byte in Path(source).read_bytes():  # more calls than there are between two kills
            stream.write(bytes([byte]))
    os.unlink(source)

os.replace = in_place
with tempfile.TemporaryDirectory() as folder:
    work = kills.Publish(Path(folder))
    kills.undisturbed(work.prepare)
    count, _ = kills.traced(lambda: work.do(1))
    torn = False
    # CURRENT is switched near the end, and later where the round before has left much to clear away.
    for number, at in enumerate(range(count * 9 // 10, 2 * count, 7), 2):
        kills.traced(lambda: work.do(number), at)
        if torn := bool(work.problems()):
            break
print(torn)
"""


def run(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=500, check=False
    )
    if CANNOT_TRACE in done.stderr:
        pytest.skip(CANNOT_TRACE)
    assert done.returncode == 0, done.stdout[-1000:] + done.stderr[-3000:]
    return done.stdout


@pytest.mark.parametrize("kills", [12, pytest.param(40, marks=pytest.mark.long)])
def test_kills_at_any_system_call_lose_nothing_and_need_nobody(kills: int) -> None:
    assert f"\n{kills} kills, nothing lost" in run("-m", "tests.faults.kills", str(kills))


def test_a_writer_that_is_careless_is_found_out() -> None:
    assert run("-c", CARELESS) == "True\n"
