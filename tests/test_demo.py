"""The committed demo artifacts: small, sound, marked as simulated, and what `make demo` makes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from recsys.analysis.compare import overlaps_at_n
from recsys.artifacts.store import ArtifactSet, verify
from recsys.config import load_config
from recsys.interactions.simulate import Simulation
from recsys.interactions.writers import write
from recsys.pipeline import build

ROOT = Path(__file__).resolve().parents[1]
DEMO = ROOT / "artifacts" / "demo"


@pytest.fixture(scope="module")
def rebuilt(tmp_path_factory: pytest.TempPathFactory) -> ArtifactSet:
    folder = tmp_path_factory.mktemp("demo")
    write(Simulation(1600), folder / "demo.parquet")
    config = load_config(ROOT / "artifacts" / "demo.toml", {"maps": [], "measure_whatif": False})
    return build("events", folder / "demo.parquet", folder / "demo", config)


def test_demo_is_sound_small_and_marked_as_simulated() -> None:
    assert verify(DEMO) == []
    assert sum(path.stat().st_size for path in DEMO.rglob("*") if path.is_file()) < 5_000_000
    assert len([path for path in DEMO.iterdir() if path.is_dir()]) == 1
    assert ArtifactSet.open(DEMO).manifest.source.simulated


def test_make_demo_uses_what_this_test_rebuilds() -> None:
    makefile = (ROOT / "Makefile").read_text()
    assert "simulate --listeners 1600 --out .build/demo.parquet" in makefile
    assert "build events --input .build/demo.parquet --config artifacts/demo.toml --out .build/demo" in makefile
    assert "tune .build/demo" in makefile
    assert ArtifactSet.open(DEMO).tuning is not None
    assert load_config(ROOT / "artifacts" / "demo.toml", {}).maps == ["umap", "tsne"]
    assert set(ArtifactSet.open(DEMO).maps) == {"als/umap", "word2vec/umap", "als/tsne", "word2vec/tsne"}


def test_rebuilt_demo_has_the_same_listening_data(rebuilt: ArtifactSet) -> None:
    committed = ArtifactSet.open(DEMO)
    pd.testing.assert_frame_equal(rebuilt.catalogue, committed.catalogue)
    assert (rebuilt.user_items != committed.user_items).nnz == 0
    np.testing.assert_array_equal(rebuilt.queues.items, committed.queues.items)
    np.testing.assert_array_equal(rebuilt.queues.offsets, committed.queues.offsets)


@pytest.mark.parametrize("model", ["als", "word2vec"])
def test_rebuilt_demo_has_the_same_neighbours_but_for_rounding(rebuilt: ArtifactSet, model: str) -> None:
    committed = ArtifactSet.open(DEMO)
    # Bit for bit on one kind of processor; other instruction sets round otherwise, far below the noise of a seed.
    agreement = overlaps_at_n(rebuilt.neighbours(model), committed.neighbours(model), 10).mean()
    noise_floor = committed.manifest.models[model].noise_floor
    assert noise_floor is not None
    assert agreement > 0.5 + noise_floor / 2
