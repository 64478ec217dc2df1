from __future__ import annotations

import errno
import fcntl
from pathlib import Path

import pytest

from recsys.artifacts.lock import held
from recsys.errors import ArtifactError


def test_a_folder_is_held_by_one_at_a_time(tmp_path: Path) -> None:
    with held(tmp_path, "first"), pytest.raises(ArtifactError, match="second"), held(tmp_path, "second is too late"):
        pass
    with held(tmp_path, "third"):
        assert list(tmp_path.iterdir()) == []


def test_a_folder_is_let_go_when_the_work_fails(tmp_path: Path) -> None:
    with pytest.raises(KeyError, match="work"), held(tmp_path, "first"):
        raise KeyError("work")
    with held(tmp_path, "second"):
        pass


def test_a_disk_that_gives_no_locks_is_refused_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", none)
    with pytest.raises(ArtifactError, match=f"cannot write to {tmp_path}: No locks available"), held(tmp_path, "busy"):
        pass
