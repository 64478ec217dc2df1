"""Other orders of the same candidates, worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from recsys.errors import ParameterError
from recsys.listener.rerank import Wish, measured, rerank

# Five candidates on a circle, by angle; the first two nearly the same.
ANGLES = np.deg2rad([0.0, 5.0, 90.0, 60.0, 180.0])
VECTORS = np.stack([np.cos(ANGLES), np.sin(ANGLES)], axis=1)
SCORES = np.array([0.9, 0.8, 0.7, 0.5, 0.1])
POPULARITY = np.array([90.0, 50.0, 100.0, 10.0, 20.0])


def test_no_wish_leaves_the_order() -> None:
    assert rerank(SCORES, POPULARITY, VECTORS, 3, Wish()).tolist() == [0, 1, 2]


def test_diversity_takes_the_place_of_what_is_nearly_the_same() -> None:
    # Worth, scaled: 1, .875, .75, .5, 0. Half diversity: first 0. Then ½(.875 − cos 5°) = −.061, ½(.75 − 0) = .375,
    # ½(.5 − .5) = 0, ½(0 + 1) = .5: the opposite wins; then 2. Last, 3 is too near to 2: ½(.5 − cos 30°) = −.183; 1 has
    # −.061.
    assert rerank(SCORES, POPULARITY, VECTORS, 4, Wish(diversity=0.5)).tolist() == [0, 4, 2, 1]


def test_a_little_diversity_changes_little() -> None:
    # A tenth: 1 → .9 · .875 − .1 · .996 = .688, 2 → .675, 3 → .4, 4 → .1. Then 2 → .675 − .1 · cos 85° = .666.
    assert rerank(SCORES, POPULARITY, VECTORS, 3, Wish(diversity=0.1)).tolist() == [0, 1, 2]


def test_all_diversity_forgets_the_scores_but_for_ties() -> None:
    # Nothing is placed yet: all gains are 0 and the best candidate comes first; then the most unlike.
    assert rerank(SCORES, POPULARITY, VECTORS, 3, Wish(diversity=1.0)).tolist() == [0, 4, 2]


@pytest.mark.parametrize(
    ("popularity", "order"),
    [
        # Half: worth/2 + percentile/200: .95, .6875, .875, .3, .1.
        (0.5, [0, 2, 1, 3, 4]),
        # Half, 1 − percentile: .55, .6875, .375, .7, .4.
        (-0.5, [3, 1, 0, 4, 2]),
        (1.0, [2, 0, 1, 4, 3]),
        (-1.0, [3, 4, 1, 0, 2]),
    ],
)
def test_popularity_pulls_to_the_head_or_to_the_tail(popularity: float, order: list[int]) -> None:
    assert rerank(SCORES, POPULARITY, VECTORS, 5, Wish(popularity=popularity)).tolist() == order


def test_a_list_is_no_longer_than_its_candidates() -> None:
    assert rerank(SCORES[:2], POPULARITY[:2], VECTORS[:2], 4, Wish(popularity=-1)).tolist() == [1, 0]
    assert rerank(SCORES[:0], POPULARITY[:0], VECTORS[:0], 4, Wish(diversity=1)).tolist() == []


def test_equal_scores_are_ordered_by_the_wish_alone() -> None:
    assert rerank(np.full(5, 0.3), POPULARITY, VECTORS, 2, Wish(popularity=-0.1)).tolist() == [3, 4]


def test_a_list_is_measured_by_means() -> None:
    found = measured(SCORES[[0, 2, 4]], POPULARITY[[0, 2, 4]], VECTORS[[0, 2, 4]])
    assert found.score == pytest.approx(1.7 / 3)
    assert found.popularity == pytest.approx(70)
    # Cosines of the pairs: 0, −1, 0.
    assert found.sameness == pytest.approx(-1 / 3)


def test_one_item_is_like_nothing_and_no_item_is_nothing() -> None:
    one, none = (measured(SCORES[:count], POPULARITY[:count], VECTORS[:count]) for count in (1, 0))
    assert one.score == pytest.approx(0.9)
    assert np.isnan(one.sameness)
    assert np.isnan([none.score, none.popularity, none.sameness]).all()


@pytest.mark.parametrize(
    ("wish", "words"),
    [({"popularity": 1.1}, "-1 and 1"), ({"diversity": -0.1}, "0 and 1"), ({"diversity": np.nan}, "0 and 1")],
)
def test_a_wish_has_limits(wish: dict[str, float], words: str) -> None:
    with pytest.raises(ParameterError, match=words):
        Wish(**wish)
