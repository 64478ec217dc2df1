"""Whether a server can serve its sets."""

from __future__ import annotations

import shutil
from pathlib import Path

from recsys.serving.readiness import Readiness, readiness


def test_a_whole_set_is_served(small_set: Path) -> None:
    assert readiness(small_set.parent) == Readiness(1, {})
    assert readiness(small_set) == Readiness(1, {}), "the root may itself be a set"


def test_one_damaged_set_degrades_and_says_why_and_none_left_is_unavailable(small_set: Path) -> None:
    root = small_set.parent
    torn = Path(shutil.copytree(small_set, root / "torn"))
    next(torn.glob("*/als/neighbours.npy")).write_bytes(b"cut")
    found = readiness(root)
    assert (found.status, found.usable, list(found.problems)) == ("degraded", 1, ["torn"])
    assert "neighbours.npy" in found.problems["torn"]
    shutil.rmtree(small_set)
    assert readiness(root).status == "unavailable"


def test_an_empty_folder_or_none_has_nothing_to_serve(tmp_path: Path) -> None:
    assert readiness(tmp_path) == Readiness(0, {})
    assert readiness(tmp_path / "absent").status == "unavailable"
