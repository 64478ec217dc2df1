"""A small set with a measured grid, and the fits that a tuning asks for."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from recsys.artifacts.names import TUNING
from recsys.artifacts.store import ArtifactSet
from recsys.models import als
from recsys.tuning.grid import full_grid, tune
from recsys.tuning.measure import TuningSettings

GRID = full_grid((0.0, 1.2, 100.0), (0.0, 0.8))


class Fits:
    """What the tuning asked als.fit for; `before` each fit something may be done, or raised."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.points: list[tuple[float, float]] = []
        self.fits: dict[tuple[float, float], list[als.AlsFit]] = {}
        self.before: Callable[[tuple[float, float]], None] = lambda point: None
        self._fit = als.fit
        monkeypatch.setattr(als, "fit", self)

    def __call__(self, user_items: Any, params: als.AlsParams, *rest: Any, **more: Any) -> als.AlsFit:
        point = (params.k1, params.b)
        self.before(point)
        self.points.append(point)
        fit = self._fit(user_items, params, *rest, **more)
        self.fits.setdefault(point, []).append(fit)
        return fit

    def fail_at(self, fit: int) -> None:
        def fail(point: tuple[float, float]) -> None:
            if len(self.points) == fit:
                raise KeyboardInterrupt

        self.before = fail


@pytest.fixture
def fits(monkeypatch: pytest.MonkeyPatch) -> Fits:
    return Fits(monkeypatch)


@pytest.fixture(scope="session")
def tuned_once(built_once: Path, tmp_path_factory: pytest.TempPathFactory) -> ArtifactSet:
    """The small set with GRID measured in one go, one point at a time; never changed by a test."""
    path = Path(shutil.copytree(built_once, tmp_path_factory.mktemp("tuned") / "small"))
    return tune(path, GRID, TuningSettings(jobs=1))


def figures(artifacts: ArtifactSet) -> pd.DataFrame:
    """The measured table."""
    assert artifacts.tuning is not None
    return artifacts.tuning


def work_folders(path: Path) -> list[Path]:
    return list(path.glob(f"{TUNING}*"))
