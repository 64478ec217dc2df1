"""A disk that is full, read-only or forbidden: each in plain words with what to do, and nothing is lost."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from recsys.artifacts.names import BUILDING
from recsys.artifacts.store import ArtifactSet, verify
from recsys.artifacts.unfinished import Part, kept_parts
from recsys.artifacts.writer import ArtifactWriter
from recsys.bridges.exports import export_vectors
from recsys.cli import main
from recsys.errors import ArtifactError, RecsysError, refusal, writing
from recsys.tuning.kept import Kept
from recsys.tuning.measure import Measured
from recsys.votes.store import Vote, VoteStore
from tests.conftest import ROOT

DISK_BYTES = 4 << 20
FULL = "No space left on device; make room on the disk, or choose a folder on another"


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, of 4 MiB."""
    path = tmp_path / "disk"
    path.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(path)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("no file system can be mounted here")
    yield path
    subprocess.run(["umount", "--lazy", str(path)], check=True)


@pytest.fixture
def set_on_disk(disk: Path, built_once: Path) -> Path:
    return Path(shutil.copytree(built_once, disk / "small"))


def fill(disk: Path, but: int) -> Path:
    """Fill a disk up to so many bytes."""
    space = os.statvfs(disk)
    filler = disk / "filler"
    with filler.open("wb") as stream:
        stream.write(bytes(max(0, space.f_bavail * space.f_frsize - but)))
    return filler


def publish(path: Path, seed: int) -> str:
    """A new build that is the one in use, with an array, a table and a document more."""
    base = ArtifactSet.open(path)
    with ArtifactWriter(path) as writer:
        writer.adopt(base)
        writer.array("more/a", np.arange(30_000, dtype=np.int32))
        writer.table("more/t", pd.DataFrame({"x": np.random.default_rng(seed).random(5_000)}))
        writer.document("more/d", {"words": "x" * 50_000})
        return writer.publish(base.manifest.model_copy(update={"seed": seed, "files": writer.files}))


def refusal_of(work: Callable[[], object]) -> str | None:
    try:
        work()
    except RecsysError as error:
        return str(error)
    return None


def test_a_disk_that_fills_up_at_any_point_of_a_publish_is_named_and_the_set_stays(
    disk: Path, set_on_disk: Path
) -> None:
    before = ArtifactSet.open(set_on_disk).fingerprint
    refused = []
    # The array has 120 kB, the table 40 kB, the document 50 kB and the manifest 10 kB.
    for room in range(0, 400_000, 20_000):
        filler = fill(disk, room)
        said = refusal_of(partial(publish, set_on_disk, 77))
        filler.unlink()
        if said is None:
            break
        refused.append(said)
        assert "make room on the disk, or choose a folder on another, then run the same command" in said
        assert ArtifactSet.open(set_on_disk).fingerprint == before
        assert verify(set_on_disk) == []
        assert len(list(set_on_disk.iterdir())) == 2, "nothing half-written is left to fill the disk further"
    for part in ("a.npy", "t.parquet", "d.json", "requested and"):
        assert any(part in words for words in refused), part
    assert verify(set_on_disk) == []
    assert ArtifactSet.open(set_on_disk).manifest.seed == 77


def test_parts_of_long_work_say_that_the_disk_is_full(disk: Path, set_on_disk: Path) -> None:
    measured = Measured(np.zeros((2, 1, 30)), {"reason": ""})
    with kept_parts(set_on_disk, {"of": 1}, fresh=False) as parts, Kept.beside(set_on_disk, "0" * 12) as points:
        fill(disk, 0)
        with pytest.raises(ArtifactError, match=FULL):
            parts.once("als-0", "ALS", lambda: Part({"x": np.zeros(9_000)}))
        with pytest.raises(ArtifactError, match=FULL):
            points.write((1.2, 0.75), measured)
        (disk / "filler").unlink()
        parts.once("als-0", "ALS", lambda: Part({"x": np.zeros(9_000)}))
        points.write((1.2, 0.75), measured)


def test_an_export_that_does_not_fit_leaves_nothing_behind(disk: Path, built_once: Path) -> None:
    fill(disk, 3_000)
    with pytest.raises(ArtifactError, match="cannot write to .*vectors.txt: No space left on device; make room"):
        export_vectors(ArtifactSet.open(built_once), "als", "word2vec", disk / "vectors.txt")
    assert [path.name for path in disk.iterdir()] == ["filler"]


def test_a_vote_that_does_not_fit_is_refused_and_those_before_are_there(disk: Path) -> None:
    store = VoteStore(disk / "votes.sqlite")

    def vote(number: int) -> Vote:
        return Vote(f"{number:032x}", "0" * 64, "x" * 5_000, "als", "word2vec", 10, "left", False, False, "0" * 32)

    assert store.record(vote(0))
    filler = fill(disk, 0)
    said = [refusal_of(partial(store.record, vote(number))) for number in range(1, 20)]
    filler.unlink()
    assert any(
        words and re.match("votes cannot be kept at .*: .*full; see that it .*can be written to", words)
        for words in said
    )
    assert store.record(vote(20))
    assert len(store.votes("0" * 64)) == 2 + said.count(None)
    store.close()


def run_main(monkeypatch: pytest.MonkeyPatch, *arguments: str | Path) -> int:
    monkeypatch.setattr(sys, "argv", ["recsys", *map(str, arguments)])
    with pytest.raises(SystemExit) as stopped:
        main()
    return int(stopped.value.code or 0)


@pytest.mark.parametrize("as_json", [False, True])
def test_commands_on_a_full_disk_end_in_words(
    disk: Path, built_once: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], as_json: bool
) -> None:
    fill(disk, 5_000)
    option = ["--json"] if as_json else []
    for command in (
        ["simulate", "--listeners", "50", "--out", disk / "log.csv"],
        ["report", built_once, "--out", disk / "report.html"],
    ):
        assert run_main(monkeypatch, *command, *option) == 1
        said = "".join(capfd.readouterr())
        assert "No space left on device; make room on the disk" in said
        assert "Traceback" not in said


def test_a_set_on_a_read_only_disk_is_read_and_says_why_it_is_not_written_to(disk: Path, set_on_disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    assert verify(set_on_disk) == []
    words = "Read-only file system; nothing can be written to this disk; choose a folder on another"
    for path in (set_on_disk, disk / "new" / "set"):
        with pytest.raises(ArtifactError, match=words):
            ArtifactWriter(path)
    with pytest.raises(ArtifactError, match=words), Kept.beside(set_on_disk, "0" * 12):
        pass
    with pytest.raises(RecsysError, match="votes cannot be kept at"):
        VoteStore(disk / "votes.sqlite")


def test_a_folder_that_is_forbidden_is_named_with_what_to_do(small_set: Path, small_log: Path) -> None:
    command: list[str] = []
    if os.geteuid() == 0:
        if shutil.which("setpriv") is None:
            pytest.skip("permissions do not bind root, and there is no setpriv to change that")
        command = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]
    small_set.chmod(0o555)
    arguments = ["-m", "recsys", "build", "events", "--input", str(small_log), "--out", str(small_set)]
    done = subprocess.run(
        [*command, sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    small_set.chmod(0o755)
    assert done.returncode == 1
    assert f"cannot write to {small_set}: Permission denied; check its permissions, or choose" in done.stderr
    assert "Traceback" not in done.stderr
    assert verify(small_set) == []


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (28, "make room on the disk"),
        (122, "make room on the disk"),
        (27, "no larger file is allowed here"),
        (30, "nothing can be written to this disk"),
        (13, "check its permissions"),
        (2, "removed or renamed meanwhile"),
        (24, "raise the limit of open files"),
        (5, "the disk or the connection to it fails"),
    ],
)
def test_what_the_system_refuses_is_said_in_its_words_and_what_to_do(number: int, words: str) -> None:
    reason = os.strerror(number)
    with pytest.raises(ArtifactError, match=f"cannot write to here: {reason}; .*{words}"), writing(Path("here")):
        raise OSError(number, reason, "elsewhere")


def test_where_nobody_knows_what_to_do_the_reason_stands_alone() -> None:
    assert refusal(OSError(32, "Broken pipe")) == "Broken pipe"
    assert refusal(OSError("of a library")) == "of a library"


@pytest.mark.parametrize("call", ["unlink", "rmdir", "rename"])
def test_a_set_is_published_even_where_the_builds_before_cannot_be_removed(
    small_set: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    publish(small_set, seed=1)
    real = getattr(os, call)

    def refuse(path: str | Path, *more: object, **options: object) -> object:
        # What is removed with a whole folder, and the build that is to go.
        if "dir_fd" in options if call != "rename" else not Path(path).name.startswith(BUILDING):
            raise OSError(13, "Permission denied")
        return real(path, *more, **options)

    with monkeypatch.context() as patched:
        patched.setattr(os, call, refuse)
        publish(small_set, seed=2)
    assert ArtifactSet.open(small_set).manifest.seed == 2
    assert verify(small_set) == []
    publish(small_set, seed=3)
    assert len(list(small_set.iterdir())) == 3
