from __future__ import annotations

import numpy as np
import pytest

from recsys.analysis.regions import LEAST_ITEMS, LEVELS, regions, tags_of_items

MIDDLES = np.array([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0]])
SIZES = (40, 30, 20)


@pytest.fixture
def layout() -> np.ndarray:
    """Three crowds, of 40, 30 and 20 items, each within 0.3 of its middle; and one item without a place."""
    rng = np.random.default_rng(0)
    crowds = [middle + rng.uniform(-0.3, 0.3, (size, 2)) for middle, size in zip(MIDDLES, SIZES, strict=True)]
    return np.vstack([*crowds, [[np.nan, np.nan]]]).astype(np.float32)


def names(count: int) -> list[str]:
    return [f"item {row}" for row in range(count)]


def test_crowds_are_found_counted_and_named_after_the_tags_that_stand_out(layout: np.ndarray) -> None:
    # Everything is rock: that names nothing. A tag on a tenth of a crowd does not name it either.
    tags = [["rock", own] for own, size in zip(("jazz", "folk", "metal"), SIZES, strict=True) for _ in range(size)]
    tags[:4] = [["rock", "jazz", "rare"]] * 4
    found = regions(layout, tags_of_items([*tags, ["rock"]]), names(len(layout)))
    coarse = found[found["level"] == 0]
    assert coarse["label"].tolist() == ["jazz", "folk", "metal"]
    assert coarse["items"].tolist() == list(SIZES)
    for (x, y), middle in zip(coarse[["x", "y"]].to_numpy(), MIDDLES, strict=True):
        assert np.hypot(x - middle[0], y - middle[1]) < 0.5


def test_without_tags_a_region_is_called_after_its_most_popular_items(layout: np.ndarray) -> None:
    found = regions(layout, tags_of_items([[] for _ in layout]), names(len(layout)))
    assert found[found["level"] == 0]["label"].tolist() == ["item 0, item 1", "item 40, item 41", "item 70, item 71"]


def test_only_an_item_s_first_three_tags_count_and_each_once() -> None:
    tags = tags_of_items([["a", "a", "b"], ["c", "b", "a", "late"], []])
    assert tags.names == ["a", "b", "c"]
    assert tags.has.toarray().tolist() == [[1, 1, 0], [1, 1, 1], [0, 0, 0]]


def test_finer_levels_part_what_coarser_ones_hold_together() -> None:
    rng = np.random.default_rng(1)
    # Two crowds 0.1 apart, beside a far one that makes the map 10 wide: they part where the bandwidth is below 0.1.
    places = [(0.0, 0.0), (0.25, 0.0), (10.0, 0.0)]
    layout = np.vstack([rng.normal(place, 0.02, (60, 2)) for place in places]).astype(np.float32)
    found = regions(layout, tags_of_items([[]] * len(layout)), names(len(layout)))
    assert (found[found["level"] == 0]["items"] >= LEAST_ITEMS).all()
    assert sorted(found[found["level"] == 0]["items"]) == [60, 120]
    assert {60} <= set(found[found["level"] == LEVELS - 2]["items"]) < {*range(61)}


@pytest.mark.parametrize("known", [0, 1, LEAST_ITEMS])
def test_a_map_of_few_items_or_of_one_place_has_no_regions(known: int) -> None:
    layout = np.full((LEAST_ITEMS, 2), np.nan, np.float32)
    layout[:known] = 1.5
    assert len(regions(layout, tags_of_items([["a"]] * len(layout)), names(len(layout)))) == 0
