from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from recsys.artifacts.manifest import Manifest
from recsys.artifacts.names import BUILDING
from recsys.artifacts.store import ArtifactSet, verify
from recsys.artifacts.writer import ArtifactWriter
from recsys.errors import ArtifactError, ParameterError


def current(small_set: Path) -> Path:
    return ArtifactSet.folder_in_use(small_set)


def test_a_folder_of_other_things_is_not_written_to(tmp_path: Path) -> None:
    (tmp_path / "thesis.doc").write_text("years of work")
    with pytest.raises(ArtifactError, match="holds other files \\(thesis.doc\\)"):
        ArtifactWriter(tmp_path)


def test_objects_cannot_be_stored(tmp_path: Path) -> None:
    with ArtifactWriter(tmp_path / "set") as writer, pytest.raises(ParameterError, match="is object"):
        writer.array("x", np.array([{}]))


def test_two_builds_at_once_are_kept_apart(tmp_path: Path) -> None:
    with ArtifactWriter(tmp_path / "set"), pytest.raises(ArtifactError, match="another build is writing"):
        ArtifactWriter(tmp_path / "set")
    with ArtifactWriter(tmp_path / "set"):
        pass  # the first one let go


def publish_again(small_set: Path, seed: int, **changes: str) -> str:
    """Publish a small build whose fingerprint depends on the seed alone, unless there are other changes."""
    old = ArtifactSet.open(Path(__file__).resolve().parents[2] / "artifacts" / "demo")
    with ArtifactWriter(small_set) as writer:
        writer.table("items", pd.DataFrame({"item_id": ["a", "b"], "name": ["a", "b"]}))
        writer.array("x", np.arange(seed + 3, dtype=np.int32))
        manifest: Manifest = old.manifest.model_copy(update={"seed": seed, "files": writer.files, **changes})
        return writer.publish(manifest)


def test_publish_switches_and_keeps_the_build_before(small_set: Path) -> None:
    first = current(small_set).name
    second = publish_again(small_set, 11)
    assert current(small_set).name == second != first
    third = publish_again(small_set, 12)
    assert sorted(p.name for p in small_set.iterdir()) == sorted(["CURRENT", second, third])


def test_a_clock_that_goes_backwards_decides_nothing(small_set: Path) -> None:
    first = current(small_set).name
    for seed, created in ((11, "2040-01-01T00:00:00+00:00"), (12, "1970-01-01T00:00:00+00:00")):
        build = publish_again(small_set, seed, created=created)
        assert current(small_set).name == build
        # The set was switched before it was last built, if one believes the clock.
        os.utime(small_set / "CURRENT", (0, 0))
        os.utime(small_set / build, (0, 0))
    assert first not in [path.name for path in small_set.iterdir()]
    assert ArtifactSet.open(small_set).manifest.seed == 12


def test_the_same_build_again_changes_nothing(small_set: Path) -> None:
    second = publish_again(small_set, 11)
    before = {path: path.stat().st_mtime_ns for path in small_set.rglob("*.npy")}
    assert publish_again(small_set, 11) == second
    assert {path: path.stat().st_mtime_ns for path in small_set.rglob("*.npy")} == before


def test_a_damaged_build_is_healed_by_building_again(small_set: Path) -> None:
    second = publish_again(small_set, 11)
    (small_set / second / "x.npy").write_bytes(b"damaged")
    healed = publish_again(small_set, 11)
    assert healed.startswith(second)
    assert current(small_set).name == healed
    assert ArtifactSet.open(small_set).problems() == []


@pytest.mark.parametrize("call", ["fsync", "rename", "replace", "mkdir", "open"])
def test_publish_that_fails_at_any_call_leaves_a_whole_set_in_use(
    small_set: Path, tmp_path: Path, call: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = getattr(os, call)
    before = current(small_set).name
    new = publish_again(tmp_path / "elsewhere", 20)
    calls = 0

    def fail_at(*args: object, **more: object) -> object:
        nonlocal calls
        calls += 1
        if calls == failing:
            raise OSError(28, "No space left on device")
        return real(*args, **more)

    for failing in range(1, 100):
        calls = 0
        with monkeypatch.context() as patched:
            patched.setattr(os, call, fail_at)
            with contextlib.suppress(OSError, ArtifactError):
                publish_again(small_set, 20)
        assert current(small_set).name in {before, new}
        assert ArtifactSet.open(small_set).problems() == []
        if calls < failing:
            break  # every call has failed once, and this time none did
    assert failing > 1
    assert current(small_set).name == new
    assert not list(small_set.glob(f"{BUILDING}*"))


@pytest.mark.parametrize("text", ["garbage\n", "", None])
def test_a_damaged_current_is_mended_by_the_next_build(small_set: Path, text: str | None) -> None:
    (small_set / "CURRENT").unlink()
    if text is None:
        (small_set / "CURRENT").mkdir()
    else:
        (small_set / "CURRENT").write_text(text)
    assert publish_again(small_set, 11) == current(small_set).name
    assert ArtifactSet.open(small_set).problems() == []


def test_a_build_that_is_half_removed_does_not_look_like_a_damaged_one(
    small_set: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish_again(small_set, 10)
    publish_again(small_set, 11)
    real = shutil.rmtree

    def killed(path: Path, **more: bool) -> None:
        if path.name.startswith(BUILDING) and not (path / "x.npy").exists():
            return real(path, **more)
        (path / "x.npy").unlink()
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(shutil, "rmtree", killed)
        with pytest.raises(KeyboardInterrupt):
            publish_again(small_set, 12)
    assert ArtifactSet.open(small_set).manifest.seed == 12
    assert verify(small_set) == []


def test_a_failed_build_leaves_no_empty_folder_behind(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), ArtifactWriter(tmp_path / "new"):
        raise RuntimeError
    assert not (tmp_path / "new").exists()
