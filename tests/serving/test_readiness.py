"""Whether a server can serve its sets."""

from __future__ import annotations

import contextlib
import json
import shutil
from pathlib import Path

import pytest
from starlette.requests import Request

from recsys.artifacts import background, files
from recsys.artifacts.store import ArtifactSet
from recsys.errors import DamagedArtifacts
from recsys.serving.readiness import Readiness, readiness
from recsys.ui import monitoring, soundness


def test_a_whole_set_is_served(small_set: Path) -> None:
    assert readiness(small_set.parent, {}) == Readiness(1, {})
    assert readiness(small_set, {}) == Readiness(1, {}), "the root may itself be a set"


def test_one_damaged_set_degrades_and_says_why_and_none_left_is_unavailable(small_set: Path) -> None:
    root = small_set.parent
    torn = Path(shutil.copytree(small_set, root / "torn"))
    next(torn.glob("*/als/neighbours.npy")).write_bytes(b"cut")
    found = readiness(root, {})
    assert (found.status, found.usable, list(found.problems)) == ("degraded", 1, ["torn"])
    assert "neighbours.npy" in found.problems["torn"]
    shutil.rmtree(small_set)
    assert readiness(root, {}).status == "unavailable"


def test_an_empty_folder_or_none_has_nothing_to_serve(tmp_path: Path) -> None:
    assert readiness(tmp_path, {}) == Readiness(0, {})
    assert readiness(tmp_path / "absent", {}).status == "unavailable"


def test_what_the_check_of_a_shown_build_has_found_counts_until_other_files_are_there(
    small_set: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "SMALL_BYTES", 3_000)
    monkeypatch.setattr(background, "PAUSE", 0)
    monkeypatch.setattr(soundness, "_builds", {})
    lists = next(small_set.glob("*/als/neighbours.npy"))
    whole, build = lists.read_bytes(), lists.parents[1]
    sound_copy = Path(shutil.copytree(small_set, small_set.parent / "other"))
    lists.write_bytes(whole[:-4] + whole[-8:-4])
    for folder in (build, ArtifactSet.folder_in_use(sound_copy)):
        with contextlib.suppress(DamagedArtifacts):  # where the check is quicker than this thread
            soundness.sound_build(folder)
    for opened in soundness._builds.values():
        opened.check.wait(30)
    found = readiness(small_set.parent, soundness.known_damage())
    assert (found.status, found.usable, list(found.problems)) == ("degraded", 1, ["small"])
    assert "neighbours.npy does not hold what was written" in found.problems["small"]
    lists.write_bytes(whole)
    assert readiness(small_set.parent, soundness.known_damage()) == Readiness(2, {})


def test_health_tells_of_damage_in_a_shown_build(small_set: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECSYS_ARTIFACTS", str(small_set.parent))
    monkeypatch.setattr(monitoring, "SECONDS_BETWEEN_LOOKS", -1.0)
    monkeypatch.setattr(monitoring, "_last", None)
    asked = Request({"type": "http"})
    assert monitoring._health(asked).status_code == 200
    monkeypatch.setattr(monitoring, "known_damage", lambda: {ArtifactSet.folder_in_use(small_set): "cut"})
    answer = monitoring._health(asked)
    assert answer.status_code == 503
    assert json.loads(bytes(answer.body)) == {"status": "unavailable", "usable": 0, "unusable": 1}
