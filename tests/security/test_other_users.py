"""What another user of the machine can do with what is kept: tried as `nobody`, which needs root."""

from __future__ import annotations

import fcntl
import json
import os
import pwd
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from recsys.artifacts.lock import held
from recsys.config import BuildConfig
from recsys.errors import ArtifactError
from recsys.pipeline import build
from recsys.scenarios import keep_scenario
from recsys.votes.store import VoteStore
from recsys.whatif.engine import WhatIfEngine
from tests.test_pipeline import TINY

pytestmark = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can try what another user can"
)


@pytest.fixture
def shared() -> Iterator[Path]:
    """A folder that everybody may look into: pytest's own are closed to others as a whole."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        yield Path(folder)


@contextmanager
def masked(umask: int) -> Iterator[None]:
    before = os.umask(umask)
    try:
        yield
    finally:
        os.umask(before)


def as_nobody(task: Callable[[], list[str]]) -> list[str]:
    """What the task returns in a process of another user."""
    reader, writer = os.pipe()
    if not (child := os.fork()):
        try:
            other = pwd.getpwnam("nobody")
            os.setgroups([])
            os.setgid(other.pw_gid)
            os.setuid(other.pw_uid)
            os.write(writer, json.dumps(task()).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as stream:
        said = stream.read()
    os.waitpid(child, 0)
    found: list[str] = json.loads(said)
    return found


def done_to(paths: Sequence[Path], attempts: Sequence[tuple[str, Callable[[Path], object]]]) -> list[str]:
    done = []
    for path in paths:
        for what, attempt in attempts:
            try:
                attempt(path)
            except PermissionError:
                continue
            done.append(f"{what} {path.name}")
    return done


def changed(files: Sequence[Path], folders: Sequence[Path]) -> list[str]:
    """What whoever asks can change, by trying; the insides first, because what is moved is not found again."""
    on_both = [
        ("chmod", lambda path: path.chmod(0o777)),
        ("move", lambda path: path.rename(path.with_name(f"{path.name}.moved"))),
    ]
    on_files = [("write", lambda path: path.open("r+b").close()), *on_both]
    on_folders = [("make a file in", lambda path: (path / "new").touch()), *on_both]
    return [*done_to(files, on_files), *done_to(folders[::-1], on_folders)]


def below(folder: Path) -> tuple[list[Path], list[Path]]:
    """Files, and folders before what is in them."""
    everything = sorted(folder.rglob("*"))
    return [path for path in everything if path.is_file()], [path for path in everything if path.is_dir()]


def keep_everything(small_log: Path, folder: Path) -> None:
    """A set as `build` publishes it, a scenario of it and votes, where a server keeps them."""
    base = build("events", small_log, folder / "small", BuildConfig(replicates=2, **TINY))
    keep_scenario(base, folder / "small", "Forty", WhatIfEngine(base).fitted(k1=40.0, b=0.3), k1=40.0, b=0.3)
    VoteStore(folder / "votes.sqlite").close()


@pytest.mark.parametrize(("umask", "is_readable"), [(0o022, True), (0o027, False)])
def test_another_user_changes_nothing_that_is_kept_and_reads_it_as_the_umask_says(
    small_log: Path, shared: Path, umask: int, is_readable: bool
) -> None:
    with masked(umask):
        keep_everything(small_log, shared)
    files, folders = below(shared)
    assert {"manifest.json", "CURRENT", "votes.sqlite", "vectors.npy"} <= {path.name for path in files}
    assert {"small", "small--forty"} <= {path.name for path in folders}
    assert as_nobody(lambda: changed(files, folders)) == []
    read = as_nobody(lambda: done_to(files, [("read", lambda path: path.open("rb").read(1))]))
    assert len(read) == (len(files) if is_readable else 0)


def test_in_an_open_folder_the_same_attempts_succeed(shared: Path) -> None:
    with masked(0):
        (shared / "open").mkdir(0o777)
        (shared / "open" / "file").touch(0o666)
    files, folders = below(shared)
    assert as_nobody(lambda: changed(files, folders)) == ["write file", "move file", "make a file in open"]


def test_who_may_read_a_set_can_keep_builds_from_it(shared: Path) -> None:
    """As docs/threat-model.md says under what is not defended."""
    (shared / "small").mkdir(0o755)

    def take() -> list[str]:
        lock = os.open(shared / "small", os.O_RDONLY)
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        with pytest.raises(ArtifactError, match="busy"), held(shared / "small", "busy"):
            pass
        return ["held"]

    assert as_nobody(take) == ["held"]
