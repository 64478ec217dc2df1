from __future__ import annotations

import contextlib
import io
import os
import pickle
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from recsys.artifacts import store
from recsys.artifacts.manifest import FileEntry, Manifest
from recsys.artifacts.store import ArtifactSet, ArtifactWriter, artifact_sets, sha256_of, verify
from recsys.errors import ArtifactError, DamagedArtifacts, MissingArtifacts, ParameterError


class Bomb:
    """Leaves a trace when unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return (Path.touch, (self.trace,))


def republish(folder: Path, changed: str, entry: FileEntry) -> None:
    """Write a manifest that vouches for a changed file, as a stranger who made the set could."""
    artifacts = ArtifactSet(folder, store._manifest(folder))
    files = {**artifacts.manifest.files, changed: entry}
    (folder / "manifest.json").write_bytes(
        store.manifests.to_bytes(artifacts.manifest.model_copy(update={"files": files}))
    )


def current(small_set: Path) -> Path:
    return ArtifactSet.folder_in_use(small_set)


def test_a_sound_set_opens_and_verifies(small_set: Path) -> None:
    assert verify(small_set) == []
    artifacts = ArtifactSet.open(small_set)
    assert artifacts.model_names == ["als", "word2vec"]
    assert artifacts.user_items.shape == (artifacts.manifest.counts.listeners, len(artifacts.catalogue))
    assert artifacts.user_items.sum() == artifacts.catalogue["plays"].sum() == len(artifacts.queues.items)


def test_arrays_are_mapped_read_only(small_set: Path) -> None:
    vectors = ArtifactSet.open(small_set).array("als/vectors")
    assert not vectors.flags.writeable
    assert isinstance(vectors.base, np.memmap)


def test_one_changed_byte_of_any_file_is_found(small_set: Path) -> None:
    rng = random.Random(1)
    files = sorted(path for path in small_set.rglob("*") if path.is_file())
    assert {path.suffix for path in files} == {".npy", ".parquet", ".json", ""}
    for path in files:
        content = path.read_bytes()
        places = range(len(content)) if len(content) < 100 else rng.sample(range(len(content)), 3)
        for at in places:
            changed = bytearray(content)
            changed[at] ^= rng.randrange(1, 256)
            path.write_bytes(bytes(changed))
            assert verify(small_set), f"byte {at} of {path.name} changed and nobody noticed"
        path.write_bytes(content)
    assert verify(small_set) == []


@pytest.mark.parametrize("name", ["als/neighbours.npy", "items.parquet", "manifest.json"])
def test_a_cut_or_missing_file_is_named_on_opening(small_set: Path, name: str) -> None:
    path = current(small_set) / name
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DamagedArtifacts, match=path.name):
        ArtifactSet.open(small_set)
    path.unlink()
    with pytest.raises(ArtifactError):
        ArtifactSet.open(small_set)


def test_a_file_that_the_manifest_does_not_list_is_found(small_set: Path) -> None:
    (current(small_set) / "als" / "extra.npy").write_bytes(b"x")
    assert any("not listed" in problem for problem in verify(small_set))


def test_a_linked_file_is_refused(small_set: Path, tmp_path: Path) -> None:
    path = current(small_set) / "als" / "vectors.npy"
    shutil.move(path, tmp_path / "elsewhere.npy")
    path.symlink_to(tmp_path / "elsewhere.npy")
    with pytest.raises(DamagedArtifacts, match="is missing"):
        ArtifactSet.open(small_set)


@pytest.mark.parametrize("name", ["als/vectors.npy", "queues.items.npy"])
def test_a_pickle_in_place_of_an_array_is_not_loaded(small_set: Path, tmp_path: Path, name: str) -> None:
    folder, trace = current(small_set), tmp_path / "executed"
    buffer = io.BytesIO()
    np.save(buffer, np.array([Bomb(trace)], dtype=object), allow_pickle=True)
    for content in (buffer.getvalue(), pickle.dumps(Bomb(trace))):
        (folder / name).write_bytes(content)
        republish(folder, name, FileEntry(
            size=len(content), sha256=sha256_of(folder / name), dtype="float32", shape=[1],
        ))  # fmt: skip
        with pytest.raises(DamagedArtifacts, match="not a plain array"):
            ArtifactSet.open(small_set).array(name.removesuffix(".npy"))
    pickle.loads(pickle.dumps(Bomb(trace)))
    assert trace.exists(), "the bomb itself does not work, so this test shows nothing"
    trace.unlink()


def test_a_pickle_in_place_of_a_table_is_not_loaded(small_set: Path, tmp_path: Path) -> None:
    folder, trace = current(small_set), tmp_path / "executed"
    content = pickle.dumps(Bomb(trace))
    (folder / "items.parquet").write_bytes(content)
    republish(folder, "items.parquet", FileEntry(size=len(content), sha256=sha256_of(folder / "items.parquet")))
    with pytest.raises(DamagedArtifacts, match="not a readable table"):
        len(ArtifactSet.open(small_set).catalogue)
    assert not trace.exists()


def test_package_never_unpickles_nor_evaluates() -> None:
    root = Path(store.__file__).resolve().parents[1]
    sources = {path: path.read_text("utf-8") for path in root.rglob("*.py")}
    for word in ("allow_pickle=True", "pickle.load", "read_pickle", "joblib", "eval(", "exec(", "shell=True"):
        assert [path.name for path, text in sources.items() if word in text] == [], word


def test_an_array_of_another_shape_than_the_manifest_says_is_refused(small_set: Path) -> None:
    folder = current(small_set)
    path = folder / "als" / "similarities.npy"
    entry = store._manifest(folder).files["als/similarities.npy"]
    assert entry.shape is not None
    np.save(path, np.load(path).reshape(entry.shape[1], entry.shape[0]))
    assert path.stat().st_size == entry.size
    with pytest.raises(DamagedArtifacts, match="the manifest says float32"):
        ArtifactSet.open(small_set)


def test_nothing_there_says_how_to_build(tmp_path: Path) -> None:
    with pytest.raises(MissingArtifacts, match="python -m recsys build"):
        ArtifactSet.open(tmp_path / "nothing")


@pytest.mark.parametrize("text", ["", "\n", "../../etc\n", "0123456789ab", "0123456789AB\n", "0123456789ab\n\n", "é\n"])
def test_a_current_that_names_no_build_is_damage(small_set: Path, text: str) -> None:
    (small_set / "CURRENT").write_text(text, "utf-8")
    with pytest.raises(DamagedArtifacts, match="CURRENT"):
        ArtifactSet.open(small_set)
    assert verify(small_set)


def test_sets_are_found_below_a_root_and_at_it(small_set: Path) -> None:
    (small_set.parent / "not-a-set").mkdir()
    assert artifact_sets(small_set.parent) == [small_set]
    assert artifact_sets(small_set) == [small_set]
    assert artifact_sets(small_set.parent / "not-a-set") == []


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
    assert not list(small_set.glob(f"{store.BUILDING}*"))


@pytest.mark.parametrize("text", ["garbage\n", "", None])
def test_a_damaged_current_is_mended_by_the_next_build(small_set: Path, text: str | None) -> None:
    (small_set / "CURRENT").unlink()
    if text is None:
        (small_set / "CURRENT").mkdir()
    else:
        (small_set / "CURRENT").write_text(text)
    assert publish_again(small_set, 11) == current(small_set).name
    assert ArtifactSet.open(small_set).problems() == []


def test_a_header_that_numpy_stumbles_over_is_damage_not_a_crash(small_set: Path) -> None:
    path = current(small_set) / "als" / "vectors.npy"
    content = path.read_bytes()
    rng = random.Random(3)
    for at in range(128):
        path.write_bytes(content[:at] + bytes([content[at] ^ rng.randrange(1, 256)]) + content[at + 1 :])
        with contextlib.suppress(DamagedArtifacts):
            ArtifactSet.open(small_set)
        assert verify(small_set)


def test_a_build_that_is_half_removed_does_not_look_like_a_damaged_one(
    small_set: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish_again(small_set, 10)
    publish_again(small_set, 11)
    real = shutil.rmtree

    def killed(path: Path, **more: bool) -> None:
        if path.name.startswith(store.BUILDING) and not (path / "x.npy").exists():
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
