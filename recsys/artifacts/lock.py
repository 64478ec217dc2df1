"""One process at a time in a folder."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from recsys.errors import ArtifactError, writing


@contextmanager
def held(folder: Path, busy: str) -> Iterator[None]:
    """Hold a folder for this process while the block runs.

    It is held by a lock on the folder itself: that leaves no file behind, and the kernel lets go when the process dies.

    busy : what to say where another process holds it.

    Raises
    ------
    ArtifactError : another process holds it, or the system gives no lock on it.
    """
    with writing(folder):
        lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with writing(folder):
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise ArtifactError(busy) from error
        yield
    finally:
        os.close(lock)
