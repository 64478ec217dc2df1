"""Finished points of a grid or a search on disk, so that a run that was stopped goes on where it was."""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from recsys.artifacts.names import TUNING
from recsys.artifacts.unfinished import unfinished_work
from recsys.errors import writing
from recsys.tuning.measure import Measured, canonical
from recsys.tuning.region import FloatArray


@dataclass(frozen=True)
class Kept:
    """Finished points on disk: K1-B.npy with the values, then K1-B.json with the numbers and a digest over both.

    A point of a search has more numbers than K1 and B; its files are named after all of them.
    """

    folder: Path

    @classmethod
    @contextmanager
    def beside(cls, path: Path, key: str) -> Iterator[Kept]:
        """The folder of this key in the set at `path`, for one process at a time."""
        with unfinished_work(path, f"{TUNING}{key}", "tuned") as folder:
            yield cls(folder)

    def read(self, point: tuple[float, ...], shape: tuple[int, ...]) -> Measured | None:
        """A point as it was written; None where it was not, or not whole."""
        try:
            content = self._path(point, "npy").read_bytes()
            numbers = json.loads(self._path(point, "json").read_bytes())
        except (FileNotFoundError, ValueError, RecursionError):
            return None
        if not isinstance(numbers, dict) or numbers.pop("digest", None) != _digest(numbers, content):
            return None
        values: FloatArray = np.load(io.BytesIO(content), allow_pickle=False)
        return Measured(values, numbers) if values.shape == shape else None

    def write(self, point: tuple[float, ...], measured: Measured) -> None:
        stream = io.BytesIO()
        np.save(stream, measured.values, allow_pickle=False)
        content = stream.getvalue()
        # The numbers come last: a point is finished when they are there.
        self._replace(self._path(point, "npy"), content)
        signed = {**measured.numbers, "digest": _digest(measured.numbers, content)}
        self._replace(self._path(point, "json"), canonical(signed))

    def _path(self, point: tuple[float, ...], ending: str) -> Path:
        return self.folder / f"{'-'.join(map(repr, point))}.{ending}"

    @staticmethod
    def _replace(path: Path, content: bytes) -> None:
        beside = path.with_name(f"{path.name}.part")
        with writing(path):
            beside.write_bytes(content)
            os.replace(beside, path)


def _digest(numbers: dict[str, Any], content: bytes) -> str:
    return hashlib.sha256(canonical(numbers) + content).hexdigest()
