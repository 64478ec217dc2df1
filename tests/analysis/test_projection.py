"""Layouts of small graphs, and two maps brought together whose relation is known."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from pydantic import ValidationError

from recsys.analysis.neighbours import NeighbourGraph, exact_neighbours
from recsys.analysis.projection import (
    LEAST_ITEMS,
    MapParams,
    TsneParams,
    UmapParams,
    aligned,
    project,
    shifts,
)
from recsys.config import validated
from recsys.errors import ParameterError
from recsys.models.vectors import unit_rows

QUICK: list[MapParams] = [UmapParams(n_neighbors=8, epochs=60), TsneParams(perplexity=6, iterations=60)]
GROUP_OF = np.repeat(np.arange(3), 20)
MISSING = [4, 33]


def graph() -> NeighbourGraph:
    """Three far groups of 20 items in 12 dimensions; items 4 and 33 have no vector."""
    rng = np.random.default_rng(5)
    vectors = rng.standard_normal((3, 12))[GROUP_OF] + 0.4 * rng.standard_normal((60, 12))
    vectors[MISSING] = 0
    return exact_neighbours(unit_rows(vectors), np.arange(60), 24)


def points(count: int, seed: int) -> npt.NDArray[np.float64]:
    return np.random.default_rng(seed).standard_normal((count, 2)) * [3, 1]


def mapped(params: MapParams, seed: int = 0, **more: Any) -> npt.NDArray[np.float32]:
    lists = graph()
    return project(lists.neighbours, lists.similarities, params, np.random.default_rng(seed), **more)


@pytest.mark.parametrize("params", QUICK, ids=["umap", "tsne"])
def test_groups_stay_together_and_items_without_a_vector_have_no_place(params: MapParams) -> None:
    done: list[int] = []
    layout = mapped(params, on_step=done.append)
    assert (layout.dtype, layout.shape) == (np.float32, (60, 2))
    assert np.flatnonzero(np.isnan(layout).any(axis=1)).tolist() == MISSING
    assert sum(done) == params.steps(58)
    known = np.delete(np.arange(60), MISSING)
    apart = np.linalg.norm(layout[known, None] - layout[known], axis=2)
    np.fill_diagonal(apart, np.inf)
    assert (GROUP_OF[known][apart.argmin(axis=1)] == GROUP_OF[known]).all()
    np.testing.assert_array_equal(mapped(params), layout)
    assert not np.array_equal(mapped(params, seed=1), layout, equal_nan=True)


@pytest.mark.parametrize("params", QUICK, ids=["umap", "tsne"])
def test_what_the_callback_raises_ends_the_work(params: MapParams) -> None:
    done = 0

    def stop(amount: int) -> None:
        nonlocal done
        done += amount
        if done >= 20:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        mapped(params, on_step=stop)
    assert 20 <= done < 40


def test_a_map_starts_from_the_layout_it_is_given() -> None:
    first = mapped(QUICK[1])
    turned = first[:, ::-1] * [1, -1]
    turned[10] = np.nan  # unknown there: starts amid its neighbours
    again = mapped(QUICK[1], seed=1, initial=turned)
    centres = [
        np.array([np.nanmean(each[np.equal(GROUP_OF, group)], axis=0) for group in range(3)])
        for each in (turned, again)
    ]
    # Without a common start, groups that do not touch may lie anyhow.
    assert (np.sign(centres[0] - centres[0].mean(axis=0)) == np.sign(centres[1] - centres[1].mean(axis=0))).all()
    assert np.isfinite(again[10]).all()


@pytest.mark.parametrize("params", QUICK, ids=["umap", "tsne"])
def test_lists_that_end_early_are_no_hindrance(params: MapParams) -> None:
    lists = graph()
    neighbours, similarities = lists.neighbours.copy(), lists.similarities.copy()
    neighbours[7, 2:], similarities[7, 2:] = -1, np.nan
    neighbours[8], similarities[8] = -1, np.nan  # still in others' lists
    layout = project(neighbours, similarities, params, np.random.default_rng(0))
    assert np.flatnonzero(np.isnan(layout).any(axis=1)).tolist() == MISSING


@pytest.mark.parametrize(
    ("params", "times"),
    [(UmapParams(n_neighbors=10, epochs=150), 1.5), (TsneParams(perplexity=8, iterations=50), 3.0)],
    ids=["umap", "tsne"],
)
def test_one_model_mapped_again_usually_lies_several_times_nearer_than_another_model(
    params: MapParams, times: float
) -> None:
    rng = np.random.default_rng(9)
    centres, own, group = rng.standard_normal((8, 10)), rng.standard_normal((160, 10)), np.arange(160) % 8
    elsewhere = np.where(np.arange(160) < 80, (group + 3) % 8, group)  # half of the items are in another group there
    model, other = (
        exact_neighbours(unit_rows(centres[groups] + 0.6 * own), np.arange(160), 30) for groups in (group, elsewhere)
    )
    # The second map of the model starts from the first, turned by a known angle and reflected.
    turn = np.array([[np.cos(2.1), -np.sin(2.1)], [np.sin(2.1), np.cos(2.1)]]) @ np.diag([1.0, -1.0])
    nearer = []
    for seed in range(9):  # of a single one the processor's rounding decides much: UMAP's went from 0.9 to 7.2
        first = project(model.neighbours, model.similarities, params, np.random.default_rng(100 + seed))
        again = project(model.neighbours, model.similarities, params, np.random.default_rng(seed), initial=first @ turn)
        another = project(other.neighbours, other.similarities, params, np.random.default_rng(seed), initial=first)
        between_seeds = np.median(shifts(aligned(again, first), first))
        assert between_seeds > 0
        unaligned, to_another = np.median(shifts(again, first)), np.median(shifts(aligned(another, first), first))
        nearer.append((unaligned / between_seeds, to_another / between_seeds))
    assert min(np.median(nearer, axis=0)) > times


@pytest.mark.parametrize("params", QUICK, ids=["umap", "tsne"])
def test_items_that_are_all_alike_stand_somewhere(params: MapParams) -> None:
    lists = exact_neighbours(unit_rows(np.ones((40, 3))), np.arange(40), 20)
    layout = project(lists.neighbours, lists.similarities, params, np.random.default_rng(0))
    assert np.isfinite(layout).all()
    assert layout.std() > 0


@pytest.mark.parametrize("depth", [1, 2])
def test_lists_of_one_or_two_make_a_map_by_default(depth: int) -> None:
    lists = graph()
    neighbours, similarities = lists.neighbours[:, :depth], lists.similarities[:, :depth]
    layout = project(neighbours, similarities, TsneParams(iterations=20), np.random.default_rng(0))
    assert np.flatnonzero(np.isnan(layout).any(axis=1)).tolist() == MISSING
    with pytest.raises(ParameterError, match=f"the perplexity is 2; .* hold {depth}, so at most 1: ask for less"):
        project(neighbours, similarities, TsneParams(perplexity=2), np.random.default_rng(0))


def test_parameters_that_need_longer_lists_are_refused_and_defaults_are_cut() -> None:
    with pytest.raises(ParameterError, match="n_neighbors is 30; the stored lists hold 24 neighbours, so at most 25"):
        mapped(UmapParams(n_neighbors=30))
    with pytest.raises(ParameterError, match="perplexity is 9; .* hold 24, so at most 8"):
        mapped(TsneParams(perplexity=9))
    assert UmapParams().within(6).n_neighbors == 7
    assert TsneParams().within(24).perplexity == 8
    assert UmapParams(n_neighbors=25).within(24).n_neighbors == 25
    assert TsneParams(perplexity=8).within(24).perplexity == 8


@pytest.mark.parametrize(
    "wrong", [{"n_neighbors": 1}, {"min_dist": float("nan")}, {"min_dist": -0.1}, {"epochs": 0}, {"spread": 1.0}]
)
def test_parameters_have_limits(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        UmapParams(**wrong)
    with pytest.raises(ParameterError, match=next(iter(wrong))):
        validated(UmapParams, wrong, "command line")


def test_too_few_items_make_no_map() -> None:
    few = LEAST_ITEMS - 1
    lists = exact_neighbours(unit_rows(points(few, 0)), np.arange(few), 3)
    with pytest.raises(ParameterError, match=f"at least {LEAST_ITEMS} items that have neighbours; here are {few}"):
        project(lists.neighbours, lists.similarities, UmapParams(), np.random.default_rng(0))


@pytest.mark.parametrize("reflected", [False, True])
@pytest.mark.parametrize("far", [3.0, 1000.0])
def test_a_known_movement_is_recovered_though_a_fifth_of_the_items_moved(reflected: bool, far: float) -> None:
    reference, angle = points(200, 1), 2.1
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    if reflected:
        turn = turn @ np.diag([1.0, -1.0])
    layout = 7.0 * reference @ turn + [40.0, -3.0]
    # All to one side, so that means are dragged along.
    layout[:40] += 7.0 * far * (1 + np.random.default_rng(2).random((40, 2)))
    found = aligned(layout, reference)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found[40:], reference[40:], atol=1e-4)
    moved = shifts(found, reference)
    assert np.median(moved) < 1e-4
    assert (moved[:40] > 0.5).all()


def test_items_on_one_map_only_are_moved_along_but_not_fitted_to() -> None:
    reference = points(30, 3)
    layout = 2 * reference + 1
    layout[0], reference[1] = np.nan, np.nan
    found = aligned(layout, reference)
    assert np.isnan(found[0]).all()
    np.testing.assert_allclose(found[1], (layout[1] - 1) / 2, atol=1e-5)
    assert np.flatnonzero(np.isnan(shifts(found, reference))).tolist() == [0, 1]


def test_a_map_does_not_shrink_for_resembling_the_other_little() -> None:
    reference, other = points(300, 4), points(300, 5)
    found = aligned(other, reference)
    assert 0.6 < found.std() / reference.std() < 1.6


def test_aligning_takes_three_shared_items() -> None:
    layout = points(6, 6)
    reference = np.full((6, 2), np.nan)
    reference[:2] = 1
    with pytest.raises(ParameterError, match="the two maps share 2 items"):
        aligned(layout, reference)


def test_maps_whose_items_all_stand_in_one_place_stay_finite() -> None:
    assert np.isfinite(aligned(np.ones((5, 2)), points(5, 7))).all()
    assert np.isnan(shifts(np.ones((5, 2)), np.ones((5, 2)))).all()


def test_a_shift_is_in_units_of_the_references_spread() -> None:
    # Each 5 from the middle, so the spread is 5.
    reference = np.array([[3.0, 4.0], [-3.0, -4.0], [4.0, -3.0], [-4.0, 3.0]])
    layout = reference + np.array([[0.0, 0.0], [10.0, 0.0], [3.0, 4.0], [np.nan, 0.0]])
    np.testing.assert_allclose(shifts(layout, reference), [0, 2, 1, np.nan])
