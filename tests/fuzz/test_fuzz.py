"""The first few hundred of what `make fuzz` has in hundreds of thousands, in a process that may die of it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fuzz.__main__ import SURFACES

ROOT = Path(__file__).resolve().parents[2]
ENDS = {
    "manifest": {"set", "error"}, "array": {"array", "error"}, "table": {"table", "error"}, "link": {"told", "shown"},
    "name": {"text"}, "command": {"exit 0", "exit 1", "exit 2"}, "upload": {"history", "error"},
}  # fmt: skip


def test_every_surface_has_ways_to_end() -> None:
    assert set(ENDS) == set(SURFACES)


@pytest.mark.parametrize(
    ("cases", "surfaces"),
    [(150, ["manifest", "link", "name", "command", "upload"]), (600, ["array", "table"])],
    ids=["words", "numbers"],
)
def test_harm_ends_as_its_surface_says(cases: int, surfaces: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.fuzz", str(cases), *surfaces], cwd=ROOT, capture_output=True, text=True,
        timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, (done.returncode, done.stderr[-3_000:])
    said = dict(line.split(maxsplit=1) for line in done.stdout.splitlines())
    assert list(said) == surfaces
    for surface, words in said.items():
        counts = {
            how: int(count.replace(",", "")) for count, how in re.findall(r"([\d,]+) ([a-z]+(?: \d)?)[,\b]", words)
        }
        assert counts.pop("cases:", cases) == cases
        # Harm that never or always gets through would test one way only.
        assert set(counts) >= ENDS[surface], words
