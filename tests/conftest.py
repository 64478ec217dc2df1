"""Shared data: a hand-worked log, a small built artifact set, and the real data where they are."""

from __future__ import annotations

import functools
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

# Before anything loads OpenMP, whose threads otherwise turn in circles while they wait, on cores that other tests need.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import numpy as np
import pandas as pd
import pytest
from hypothesis import settings
from playwright.sync_api import Browser, sync_playwright
from streamlit.components.v2 import manifest_scanner

from recsys.artifacts.store import ArtifactSet
from recsys.config import BuildConfig
from recsys.interactions.log import Interactions
from recsys.interactions.report import ReadReport
from recsys.interactions.simulate import Simulation
from recsys.interactions.writers import write
from recsys.pipeline import build
from tests.e2e.find_chromium import ARGUMENTS, find_chromium

ROOT = Path(__file__).resolve().parents[1]
QUICK = {"als": {"iterations": 4, "factors": 16}, "word2vec": {"epochs": 4, "vector_size": 16}}


# What takes a file half a minute or more, so that no process is left with one of these at the end, and the others idle.
LONG_FILES = (
    "serving/test_load.py", "test_pipeline.py", "spark/test_build.py", "test_interrupted_builds.py",
    "spark/test_reading.py",
    "security/test_strangers.py", "faults/test_kills.py", "test_benchmarks.py", "e2e/test_whatif.py", "test_demo.py",
    "evaluation/test_run.py", "e2e/test_app.py", "security/test_sign_in.py", "e2e/test_serving.py",
)  # fmt: skip
assert [name for name in LONG_FILES if not (ROOT / "tests" / name).is_file()] == [], "of LONG_FILES these are gone"

# How long an example takes says how busy the machine is.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """One more than there are cores: browsers, servers and locks are waited for."""
    return (os.cpu_count() or 1) + 1


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    order = {ROOT / "tests" / name: place for place, name in enumerate(LONG_FILES)}
    items.sort(key=lambda item: order.get(item.path, len(order)))


class StopsAt:
    """Progress that ends the work in the stage whose words it is given."""

    def __init__(self, words: str) -> None:
        self.words, self.here = words, False

    def stage(self, words: str, total: float | None) -> None:
        self.here = words == self.words

    def advance(self, amount: float) -> None:
        if self.here:
            raise KeyboardInterrupt


@pytest.fixture(scope="session", autouse=True)
def _components_are_looked_for_once() -> Iterator[None]:
    """Every AppTest looks through all installed packages for components, which takes longer than most pages."""
    once = functools.cache(manifest_scanner.scan_component_manifests)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(manifest_scanner, "scan_component_manifests", once)
        yield


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A real Chromium; one a process, because Playwright cannot be begun twice in one."""
    chromium = find_chromium()
    if not chromium:
        pytest.skip("no Chromium here: install one, or name it in CHROMIUM")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        yield opened
        opened.close()


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real listening data; tests that ask for it skip by name without it."""
    folder = os.environ.get("RECSYS_REAL_DATA")
    if not folder:
        pytest.skip("RECSYS_REAL_DATA is not set: no real listening data here")
    return Path(folder)


@pytest.fixture
def hand_log() -> Interactions:
    """Three listeners of five items, rectangular and asymmetric; every number can be checked by eye.

    plays   a   b   c   d   e        listeners a=3 b=2 c=2 d=1 e=1
    ann     5   1   2   .   .
    ben     1   .   4   3   .
    cat     2   6   .   .   1
    """
    played = [
        ("ann", "a", 5), ("ann", "b", 1), ("ann", "c", 2), ("ben", "a", 1), ("ben", "c", 4), ("ben", "d", 3),
        ("cat", "a", 2), ("cat", "b", 6), ("cat", "e", 1),
    ]  # fmt: skip
    users, items = ["ann", "ben", "cat"], ["e", "d", "c", "b", "a"]
    return Interactions.from_plays(
        user=np.array([users.index(u) for u, _, _ in played]),
        item=np.array([items.index(i) for _, i, _ in played]),
        plays=np.array([float(n) for _, _, n in played]),
        items=pd.DataFrame({"item_id": items, "name": [i.upper() for i in items]}),
        n_users=3,
        report=ReadReport(source="by hand", reader="test"),
    )


@pytest.fixture(scope="session")
def small_log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A simulated log of 250 listeners and 120 artists, as CSV with its descriptions beside it."""
    path = tmp_path_factory.mktemp("log") / "small.csv"
    write(Simulation(250, n_items=120, seed=3), path)
    return path


@pytest.fixture(scope="session")
def built_once(small_log: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small artifact set without maps, built once; never changed by a test."""
    out = tmp_path_factory.mktemp("artifacts") / "small"
    build("events", small_log, out, BuildConfig(replicates=4, depth=40, replicate_depth=20, maps=[], **QUICK))
    return out


@pytest.fixture
def small_set(built_once: Path, tmp_path: Path) -> Path:
    """A copy of the small artifact set, to do with as one likes."""
    return Path(shutil.copytree(built_once, tmp_path / "small"))


@pytest.fixture
def small_artifacts(built_once: Path) -> ArtifactSet:
    return ArtifactSet.open(built_once)
