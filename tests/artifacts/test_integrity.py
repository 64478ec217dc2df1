"""What was changed after it was written is found before a number is taken from it."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from recsys.artifacts import background, files
from recsys.artifacts.background import ContentCheck
from recsys.artifacts.store import ArtifactSet, verify
from recsys.errors import DamagedArtifacts
from tests.faults.every_byte import unnoticed


@pytest.fixture
def digests_taken(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files that are read to be checked, from now on."""
    taken: list[str] = []
    real = files.sha256_of

    def counted(path: Path, on_bytes: Callable[[int], None] | None = None) -> str:
        taken.append(path.name)
        return real(path, on_bytes)

    monkeypatch.setattr(files, "sha256_of", counted)
    return taken


def flip(path: Path, at: int = -1) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(bytes(content))


def long_ago(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the files of a set have been written an hour ago."""
    latest = max(file.stat().st_ctime_ns for file in path.rglob("*"))
    monkeypatch.setattr(files.time, "time_ns", lambda: latest + 3600 * 10**9)


@pytest.mark.parametrize("sampled", [20, pytest.param(60, marks=pytest.mark.long)])
@pytest.mark.parametrize("large", [False, True])
def test_any_changed_byte_of_any_file_is_found(
    small_set: Path, monkeypatch: pytest.MonkeyPatch, large: bool, sampled: int
) -> None:
    """In so many places of each file, and every byte of those that are shorter."""
    if large:
        monkeypatch.setattr(files, "SMALL_BYTES", 2_000)
    rng = random.Random(5)
    written = [file for file in sorted(small_set.rglob("*")) if file.is_file()]
    places = []
    for file in written:
        size = file.stat().st_size
        # In strata, so that head, middle and end are all met.
        count = min(size, sampled)
        places += [(file, rng.randrange(k * size // count, (k + 1) * size // count)) for k in range(count)]
    assert len(places) >= (sampled - 10) * len(written) > 20 * (sampled - 10)
    assert unnoticed(small_set, places, rng, large=large) == []
    assert verify(small_set) == []


def test_large_files_are_left_to_verify_and_the_smallest_come_first(
    small_set: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    artifacts = ArtifactSet.open(small_set)
    assert artifacts.large_files == set()
    sizes = sorted((entry.size, name) for name, entry in artifacts.manifest.files.items())
    monkeypatch.setattr(files, "SMALL_BYTES", sizes[-3][0])
    assert ArtifactSet.open(small_set).large_files == {name for size, name in sizes if size > sizes[-3][0]} != set()
    monkeypatch.setattr(files, "ALL_SMALL_BYTES", sum(size for size, _ in sizes[:5]))
    assert ArtifactSet.open(small_set).large_files == {name for _, name in sizes[5:]}
    large = small_set / artifacts.folder.name / sizes[-1][1]
    flip(large)
    ArtifactSet.open(small_set)
    assert verify(small_set) == [f"{large}: content does not match its digest"]


@pytest.mark.parametrize("name", ["items", "agreement"])
def test_a_table_is_checked_when_it_is_read_however_large_it_is(
    small_set: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(files, "SMALL_BYTES", 0)
    artifacts = ArtifactSet.open(small_set)
    flip(artifacts.folder / f"{name}.parquet", 40)
    with pytest.raises(DamagedArtifacts, match=f"{name}.parquet does not hold what was written"):
        artifacts.table(name)


def test_each_file_is_read_once_until_it_changes(
    small_set: Path, monkeypatch: pytest.MonkeyPatch, digests_taken: list[str]
) -> None:
    long_ago(small_set, monkeypatch)
    names = sorted(Path(name).name for name in ArtifactSet.open(small_set).manifest.files)
    assert sorted(digests_taken) == names
    ArtifactSet.open(small_set)
    len(ArtifactSet.open(small_set).catalogue)
    assert sorted(digests_taken) == names
    path = ArtifactSet.folder_in_use(small_set) / "als" / "vectors.npy"
    before = path.stat()
    flip(path)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))  # as cp -p would leave it
    with pytest.raises(DamagedArtifacts, match="als/vectors.npy does not hold what was written"):
        ArtifactSet.open(small_set)


@pytest.mark.parametrize("now", [0, 10**19])
def test_a_file_that_was_just_written_is_read_again_whatever_the_clock_says(
    small_set: Path, monkeypatch: pytest.MonkeyPatch, digests_taken: list[str], now: int
) -> None:
    """A clock that was put back must not make a changed file pass for one that is known."""
    monkeypatch.setattr(files.time, "time_ns", lambda: now)
    ArtifactSet.open(small_set)
    once = len(digests_taken)
    ArtifactSet.open(small_set)
    assert len(digests_taken) == (2 * once if now == 0 else once)
    path = ArtifactSet.folder_in_use(small_set) / "als" / "similarities.npy"
    flip(path)
    with pytest.raises(DamagedArtifacts, match="similarities.npy does not hold"):
        ArtifactSet.open(small_set)


def test_a_file_that_cannot_be_read_is_no_crash(small_set: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(path: Path, on_bytes: object = None) -> str:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(files, "sha256_of", fails)
    words = "cannot be read: Input/output error; the disk or the connection to it fails"
    with pytest.raises(DamagedArtifacts, match=words):
        ArtifactSet.open(small_set)
    monkeypatch.setattr(files, "SMALL_BYTES", 0)
    problems = verify(small_set)
    assert len(problems) == len(ArtifactSet.open(small_set).manifest.files)
    assert all(words in problem for problem in problems)


def test_too_little_memory_for_a_table_is_not_called_damage(small_set: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object, **__: object) -> None:
        raise files.pa.ArrowMemoryError("malloc of size 64 failed")

    artifacts = ArtifactSet.open(small_set)
    monkeypatch.setattr(files, "_read_parquet", fails)
    with pytest.raises(MemoryError, match="malloc of size 64"):
        _ = artifacts.catalogue


def checked(artifacts: ArtifactSet) -> ContentCheck:
    check = ContentCheck(artifacts)
    check.wait(30)
    assert not check.is_going_on
    return check


def test_the_check_in_the_background_reads_what_opening_left_and_nothing_twice(
    small_set: Path, monkeypatch: pytest.MonkeyPatch, digests_taken: list[str]
) -> None:
    long_ago(small_set, monkeypatch)
    monkeypatch.setattr(files, "SMALL_BYTES", 5_000)
    artifacts = ArtifactSet.open(small_set)
    at_once = digests_taken.copy()
    assert checked(artifacts).damage is None
    assert len(digests_taken) - len(at_once) == len(artifacts.large_files) > 3
    assert len(digests_taken) == len(artifacts.manifest.files)


def test_the_check_in_the_background_names_the_damaged_file_and_what_to_do(
    small_set: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(files, "SMALL_BYTES", 5_000)
    artifacts = ArtifactSet.open(small_set)
    path = artifacts.folder / "word2vec" / "neighbours.npy"
    flip(path)
    check = checked(artifacts)
    assert check.damage == (
        f"{path} does not hold what was written: numbers from it may be wrong; build the set again, or fetch it again"
    )
    assert check.damage in caplog.text
    assert check.still_holds()
    flip(path)
    assert not check.still_holds(), "the file is another one now"


def test_the_check_in_the_background_leaves_the_machine_to_others(
    small_set: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pause after every block that is read."""
    pauses: list[float] = []
    monkeypatch.setattr(files, "SMALL_BYTES", 5_000)
    monkeypatch.setattr(background.time, "sleep", pauses.append)
    artifacts = ArtifactSet.open(small_set)
    checked(artifacts)
    assert pauses == [background.PAUSE] * len(artifacts.large_files)


def test_nothing_is_started_where_there_is_nothing_large(small_set: Path) -> None:
    check = ContentCheck(ArtifactSet.open(small_set))
    assert not check.is_going_on
    check.wait(1)
    assert check.damage is None


def test_a_set_that_is_taken_away_does_not_end_the_check_in_a_crash(
    small_set: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "SMALL_BYTES", 5_000)
    artifacts = ArtifactSet.open(small_set)
    small_set.rename(small_set.with_name("elsewhere"))
    check = checked(artifacts)
    assert "cannot be read: No such file" in str(check.damage)
    assert not check.still_holds()
