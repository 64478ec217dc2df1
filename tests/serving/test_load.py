"""A few people in one server, as `benchmarks.load` has many: nobody meets an error, and nobody waits for a full fit."""

from __future__ import annotations

import asyncio
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from benchmarks.load import ROUND, crowd
from recsys.artifacts.store import ArtifactSet, artifact_sets
from tests.e2e.server import ROOT, running_app


@pytest.fixture
def items() -> list[str]:
    return [str(item) for item in ArtifactSet.open(ROOT / "artifacts" / "demo").catalogue["item_id"]]


def test_people_browse_all_pages_beside_a_full_fit_without_an_error(tmp_path: Path, items: list[str]) -> None:
    root = tmp_path / "sets"
    shutil.copytree(ROOT / "artifacts" / "demo", root / "demo")  # a full fit is kept beside its base
    # In a thread: Playwright, which other tests of the process may have open, holds an event loop in this one.
    with running_app(root, script="serve.py") as address, ThreadPoolExecutor(1) as apart:
        people = crowd([address], items, sessions=6, seconds=6, thinking=(3.0, 6.0))
        seen, memory, fitting = apart.submit(asyncio.run, people).result()
    assert seen.errors == []
    assert set(seen.seconds) == {"", *ROUND}
    assert len(artifact_sets(root)) > 1, "a full fit was kept"
    begun, ended = seen.fits[0]
    assert begun >= fitting
    assert seen.of("neighbours", lambda asked: begun < asked < ended), "others went on while it ran"
    assert max(sessions for _, _, sessions in memory.samples) == 6
