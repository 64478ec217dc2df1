"""Finished parts of long work on disk, so that what was interrupted goes on where it was."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from recsys.artifacts.files import sha256_of
from recsys.artifacts.lock import held
from recsys.artifacts.names import STAGES
from recsys.errors import writing

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Part:
    """What one part of a build gave.

    arrays : by name. numbers : all the rest, as JSON holds it. seconds : that an interrupted build spent on it.
    """

    arrays: dict[str, Array] = field(default_factory=dict)
    numbers: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0


class Parts:
    """Makes parts and keeps none."""

    def once(self, name: str, words: str, make: Callable[[], Part]) -> Part:
        """The part of this name; `words` say what it is for people."""
        return make()


MAKES_ALL = Parts()


class KeptParts(Parts):
    """Makes parts, keeps them in a folder, and makes none that is there, whole.

    folder : NAME.ARRAY.npy for each array of a part, then NAME.json with their digests and the rest. taken_up : words
    for the parts that were there.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._there = {path.stem: found for path in _oldest_first(folder) if (found := _whole(path)) is not None}
        self.taken_up = [str(found["words"]) for found in self._there.values()]

    def once(self, name: str, words: str, make: Callable[[], Part]) -> Part:
        """As of `Parts`, but what is kept is read back either way: arrays stay on the disk, changes to them private."""
        before = self._there.get(name)
        start = time.perf_counter()
        found = before
        if found is None:
            part = make()
            with writing(self.folder):
                found = self._write(name, words, part, start)
        arrays = {
            # Not read-only, which some libraries do not take.
            each: np.load(self._path(name, each), mmap_mode="c", allow_pickle=False).view(np.ndarray)
            for each in found["arrays"]
        }
        return Part(arrays, found["numbers"], 0.0 if before is None else before["seconds"])

    def _write(self, name: str, words: str, part: Part, start: float) -> dict[str, Any]:
        for each, array in part.arrays.items():
            np.save(self._path(name, each), array, allow_pickle=False)
        document = {
            "words": words,
            "arrays": {each: sha256_of(self._path(name, each)) for each in part.arrays},
            "numbers": part.numbers,
            "seconds": round(time.perf_counter() - start, 2),
        }
        # It comes last and whole: a part is finished when this is there.
        beside = self.folder / f"{name}.part"
        beside.write_bytes(_canonical({**document, "digest": _digest(document)}))
        os.replace(beside, self.folder / f"{name}.json")
        return document

    def _path(self, name: str, array: str) -> Path:
        return self.folder / f"{name}.{array}.npy"


@contextmanager
def unfinished_work(path: Path, name: str, doing: str) -> Iterator[Path]:
    """The folder `name` in the set at `path` where finished parts of long work wait, for one process at a time.

    doing : what another process would be doing to the set, in words: "tuned", "mapped".

    Raises
    ------
    ArtifactError : it cannot be written to, or another process holds it.
    """
    folder = path / name
    with writing(folder):
        folder.mkdir(exist_ok=True)
    with held(folder, f"{path} is being {doing} with the same settings already; wait for it"):
        yield folder


@contextmanager
def kept_parts(out: Path, needs: dict[str, Any], *, fresh: bool) -> Iterator[KeptParts]:
    """Parts of a build of the set at `out` that needs just this, for one process at a time.

    The folder goes when the block ends well, or with nothing in it. Those of builds with other needs go at once: only
    the last interrupted build can be taken up.

    needs : everything that decides what the parts are, as JSON holds it. fresh : begin anew whatever is there.

    Raises
    ------
    ArtifactError : it cannot be written to, or another process builds this.
    """
    key = hashlib.sha256(_canonical(needs)).hexdigest()[:12]
    for path in out.glob(f"{STAGES}*"):
        if fresh or path.name != f"{STAGES}{key}":
            shutil.rmtree(path, ignore_errors=True)
    with unfinished_work(out, f"{STAGES}{key}", "built") as folder:
        try:
            yield KeptParts(folder)
            shutil.rmtree(folder, ignore_errors=True)
        finally:
            if folder.exists() and not any(folder.iterdir()):
                folder.rmdir()


def _oldest_first(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.json"), key=lambda path: (path.stat().st_mtime_ns, path.name))


def _whole(path: Path) -> dict[str, Any] | None:
    """What was written of a part; None where it, or one of its arrays, is not as it was written."""
    try:
        document: dict[str, Any] = json.loads(path.read_bytes())
        digest = document.pop("digest")
        arrays = {path.with_name(f"{path.stem}.{name}.npy"): own for name, own in document["arrays"].items()}
        whole = digest == _digest(document) and all(sha256_of(file) == own for file, own in arrays.items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    return document if whole else None


def _digest(document: dict[str, Any]) -> str:
    return hashlib.sha256(_canonical(document)).hexdigest()


def _canonical(document: dict[str, Any]) -> bytes:
    return json.dumps(document, sort_keys=True).encode()
