from __future__ import annotations

import contextlib
import io
import pickle
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from recsys.artifacts import store
from recsys.artifacts.files import sha256_of
from recsys.artifacts.manifest import FileEntry
from recsys.artifacts.store import ArtifactSet, artifact_sets, verify
from recsys.errors import ArtifactError, DamagedArtifacts, MissingArtifacts


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


def test_a_header_that_numpy_stumbles_over_is_damage_not_a_crash(small_set: Path) -> None:
    path = current(small_set) / "als" / "vectors.npy"
    content = path.read_bytes()
    rng = random.Random(3)
    for at in range(128):
        path.write_bytes(content[:at] + bytes([content[at] ^ rng.randrange(1, 256)]) + content[at + 1 :])
        with contextlib.suppress(DamagedArtifacts):
            ArtifactSet.open(small_set)
        assert verify(small_set)
