"""What another K1 and B change, against brute force with implicit itself."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from implicit.cpu.als import AlternatingLeastSquares

from recsys.artifacts.store import ArtifactSet
from recsys.artifacts.writer import ArtifactWriter
from recsys.errors import ParameterError, UnsupportedSchema
from recsys.models import als
from recsys.models.bm25 import bm25_weights
from recsys.models.vectors import unit_rows
from recsys.whatif.engine import WhatIfEngine
from recsys.whatif.result import MEANINGS, WhatIf, headline
from recsys.whatif.turns import Dropped

N = 6


@pytest.fixture(scope="module")
def engine(built_once: Path) -> WhatIfEngine:
    return WhatIfEngine(ArtifactSet.open(built_once))


def trained_on(artifacts: ArtifactSet, replicate: int, k1: float, b: float) -> AlternatingLeastSquares:
    """implicit with the stored factors of one fit, and the new weights to go on with."""
    params = artifacts.manifest.models["als"].params
    model = AlternatingLeastSquares(
        factors=params["factors"], regularization=params["regularization"], iterations=3, num_threads=1
    )
    model.user_factors = np.array(artifacts.array("als/user_factors")[replicate])
    model.item_factors = np.array(artifacts.array("als/item_factors")[replicate])
    return model


def nearest(per_fit: list[np.ndarray], row: int, n: int, among: np.ndarray) -> list[int]:
    vectors = [unit_rows(each) for each in per_fit]
    cosine = np.mean([each @ each[row] for each in vectors], axis=0)
    others = among[among != row]
    return others[np.argsort(-cosine[others], kind="stable")][:n].tolist()


@pytest.mark.parametrize(("k1", "b"), [(100.0, 0.8), (0.3, 0.1)])
@pytest.mark.parametrize("row", [0, 40, 90])
def test_preview_is_an_exact_refit_with_the_listeners_kept(engine: WhatIfEngine, row: int, k1: float, b: float) -> None:
    artifacts = engine.artifacts
    found = engine.preview(row, k1=k1, b=b, n=N)
    user_items = artifacts.user_items.copy()
    item_users = bm25_weights(user_items, k1=k1, b=b).user_items.T.tocsr()
    refitted = [
        trained_on(artifacts, r, k1, b).recalculate_item(np.arange(item_users.shape[0]), item_users) for r in range(4)
    ]
    scores = (item_users @ item_users[row].T).toarray()[:, 0]
    scores[row] = 0
    likely = np.argsort(-scores, kind="stable")[: min(200, (scores > 0).sum())]
    stored = artifacts.neighbours("als")[row]
    among = np.union1d(likely, stored[stored >= 0])
    table = found.view.lists["whatif"]
    assert table["item_row"].tolist() == nearest(refitted, row, N, among)
    singles = [nearest([each], row, N, among) for each in refitted]
    assert table["stability"].tolist() == [
        np.mean([item in single for single in singles]) for item in table["item_row"]
    ]
    halves = [set(nearest(refitted[half], row, N, among)) for half in (slice(0, 2), slice(2, 4))]
    assert found.view.noise_floor["whatif"] == pytest.approx(len(halves[0] & halves[1]) / N)
    assert found.view.lists["baseline"]["item_row"].tolist() == stored[:N].tolist()
    assert found.mode == "preview"
    assert f"{len(among)} candidates" in found.computed.replace(",", "")


@pytest.mark.parametrize("row", [3, 77])
def test_refine_is_what_implicit_does_from_the_stored_factors(engine: WhatIfEngine, row: int) -> None:
    artifacts = engine.artifacts
    steps: list[tuple[int, int]] = []
    halfway: list[WhatIf] = []

    def watch(done: int, total: int, so_far: Callable[[], WhatIf]) -> None:
        steps.append((done, total))
        halfway.append(so_far())

    found = engine.refine(row, k1=30.0, b=0.2, n=N, iterations=3, on_iteration=watch)
    fits = []
    for replicate in range(4):
        model = trained_on(artifacts, replicate, 30.0, 0.2)
        model.fit(bm25_weights(artifacts.user_items.copy(), k1=30.0, b=0.2).user_items, show_progress=False)
        fits.append(model.item_factors)
    everything = np.arange(artifacts.manifest.counts.items)
    assert found.view.lists["whatif"]["item_row"].tolist() == nearest(fits, row, N, everything)
    assert steps == [(done, 12) for done in range(1, 13)]
    assert halfway[-1].view.lists["whatif"].equals(found.view.lists["whatif"])
    assert found.iterations == 3
    assert found.weights == artifacts.manifest.counts.interactions


def test_full_is_as_many_cold_fits_with_other_seeds(engine: WhatIfEngine) -> None:
    artifacts = engine.artifacts
    steps: list[tuple[int, int]] = []
    found = engine.full(5, k1=20.0, b=0.3, n=N, on_iteration=lambda done, of: steps.append((done, of)))
    params = engine.params.model_copy(update={"k1": 20.0, "b": 0.3})
    user_items = artifacts.user_items.copy()
    seeds = np.random.SeedSequence([artifacts.manifest.seed, 3]).spawn(4)
    again = [als.fit(user_items, params, np.random.default_rng(seed)) for seed in seeds]
    for mine, theirs in zip(engine.fitted(k1=20.0, b=0.3), again, strict=True):
        np.testing.assert_array_equal(mine.item_factors, theirs.item_factors)
    everything = np.arange(artifacts.manifest.counts.items)
    expected = nearest([fit.item_factors for fit in again], 5, N, everything)
    assert found.view.lists["whatif"]["item_row"].tolist() == expected
    assert steps == [(done, 4 * params.iterations) for done in range(1, 4 * params.iterations + 1)]
    stored = artifacts.array("als/item_factors")
    same = als.fit(user_items, engine.params, np.random.default_rng(seeds[0])).item_factors
    assert not any(np.array_equal(same, each) for each in stored)


def test_what_entered_left_and_moved_adds_up(engine: WhatIfEngine) -> None:
    found = engine.preview(12, k1=100.0, b=0.8, n=N)
    before, after = (found.view.lists[name]["item_id"].tolist() for name in ("baseline", "whatif"))
    assert before != after
    assert [row["item_id"] for row in found.entered] == [item for item in after if item not in before]
    assert [row["item_id"] for row in found.left] == [item for item in before if item not in after]
    moved = {row["item_id"]: (row["from"], row["rank"], row["move"]) for row in found.moved}
    assert moved == {
        item: (before.index(item) + 1, after.index(item) + 1, before.index(item) - after.index(item))
        for item in after
        if item in before and before.index(item) != after.index(item)
    }
    document = found.as_json()
    keys = {"mode", "seconds", "baseline", "whatif", "entered", "left", "moved", "overlap", "noise_floor"}
    assert keys <= set(document)
    assert document["overlap"] == pytest.approx(len(set(before) & set(after)) / N)
    assert document["noise_floor"] == min(document["noise_floors"].values())
    assert [row["item_id"] for row in document["whatif"]] == after


def test_the_settings_of_the_set_itself_change_nothing(engine: WhatIfEngine) -> None:
    found = engine.preview(5, k1=engine.params.k1, b=engine.params.b, n=N)
    assert found.view.lists["whatif"].equals(found.view.lists["baseline"])
    assert found.entered == found.left == found.moved == []


def test_a_preview_passes_no_verdict(engine: WhatIfEngine) -> None:
    found = engine.preview(5, k1=100.0, b=0.8, n=N)
    assert found.as_json()["verdict"] == "unknown"
    assert "only part of the change" in headline(found)
    refined = engine.refine(5, k1=100.0, b=0.8, n=N)
    assert refined.as_json()["verdict"] == refined.view.verdict
    assert MEANINGS[refined.view.verdict] in headline(refined)


@pytest.mark.parametrize(("k1", "b"), [(0, 0.5), (1e-12, 0.0), (1e6, 1.0), (1e9, 0.0)])
def test_extreme_settings_give_lists_without_nonsense(engine: WhatIfEngine, k1: float, b: float) -> None:
    for found in (engine.preview(7, k1=k1, b=b, n=N), engine.refine(7, k1=k1, b=b, n=N, iterations=1)):
        table = found.view.lists["whatif"]
        assert len(table) == N
        assert np.isfinite(table["similarity"]).all()
        assert table["similarity"].is_monotonic_decreasing
        assert found.clipped is not None
        assert 0 <= found.clipped <= found.weights


@pytest.mark.parametrize(
    ("k1", "b", "words"),
    [
        (-1, 0.5, "K1 is -1"), (float("nan"), 0.5, "K1 is nan"), (float("inf"), 0.5, "K1 is inf"),
        (1e10, 0.5, "from 0 to 1,000,000,000"), (1, 1.5, "B is 1.5"), (1, -0.1, "B is -0.1"),
        (1, float("nan"), "B is nan"),
    ],
)  # fmt: skip
def test_settings_outside_their_limits_are_refused(engine: WhatIfEngine, k1: float, b: float, words: str) -> None:
    with pytest.raises(ParameterError, match=words):
        engine.preview(0, k1=k1, b=b, n=N)
    with pytest.raises(ParameterError, match=words):
        engine.refine(0, k1=k1, b=b, n=N)
    with pytest.raises(ParameterError, match=words):
        engine.full(0, k1=k1, b=b, n=N)


def test_other_impossible_questions_are_refused(engine: WhatIfEngine) -> None:
    with pytest.raises(ParameterError, match="n is 0"):
        engine.preview(0, k1=1, b=0.5, n=0)
    with pytest.raises(ParameterError, match="no item row 9999"):
        engine.preview(9999, k1=1, b=0.5, n=N)
    with pytest.raises(ParameterError, match="iterations is 0"):
        engine.refine(0, k1=1, b=0.5, n=N, iterations=0)


def test_training_ends_when_nobody_waits_and_leaves_the_stored_factors_alone(engine: WhatIfEngine) -> None:
    before = np.array(engine.artifacts.array("als/item_factors"))

    def leave(done: int, total: int, so_far: Callable[[], WhatIf]) -> None:
        if done >= 2:
            raise Dropped("left")

    with pytest.raises(Dropped):
        engine.refine(0, k1=50.0, b=0.5, n=N, iterations=1000, on_iteration=leave)
    np.testing.assert_array_equal(engine.artifacts.array("als/item_factors"), before)
    assert engine.refine(0, k1=50.0, b=0.5, n=N, iterations=1).iterations == 1


@pytest.mark.parametrize(("side", "whose"), [("user", "listeners"), ("item", "items")])
def test_a_set_without_the_factors_of_all_fits_says_so(small_set: Path, tmp_path: Path, side: str, whose: str) -> None:
    old = ArtifactSet.open(small_set)
    all_fits = old.array(f"als/{side}_factors")
    with ArtifactWriter(tmp_path / "old") as writer:
        writer.adopt(old, but=lambda name: name == f"als/{side}_factors.npy")
        writer.array(f"als/{side}_factors", np.array(all_fits[0]))
        writer.publish(old.manifest.model_copy(update={"files": writer.files}))
    shapes = (re.escape(str(list(shape))) for shape in (all_fits.shape[1:], all_fits.shape))
    words = "holds ALS factors of {}, a what-if needs {}".format(*shapes)
    with pytest.raises(UnsupportedSchema, match=rf"{words} \(fits, {whose}, factors\); build the set again"):
        WhatIfEngine(ArtifactSet.open(tmp_path / "old"))
