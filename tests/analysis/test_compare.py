from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.analysis.compare import overlap_at_n, overlaps_at_n, rank_biased_overlap
from recsys.errors import ParameterError

RANKING = st.lists(st.integers(0, 15), unique=True, min_size=1, max_size=9)


def ended(ranking: list[int], length: int) -> np.ndarray:
    return np.array(ranking + [-1] * (length - len(ranking)))


def rbo_by_definition(left: list[int], right: list[int], p: float) -> float:
    """The infinite sum (1 − p) Σ p^(d−1) A_d, agreement extrapolated as the paper does, cut where p^d vanishes."""
    short, long = sorted((left, right), key=len)
    s, length = len(short), len(long)
    total = 0.0
    x_s = len(set(short) & set(long[:s]))
    x_l = len(set(short) & set(long))
    for d in range(1, 2_000):
        if d <= s:
            agreement = len(set(short[:d]) & set(long[:d])) / d
        elif d <= length:
            agreement = (len(set(short) & set(long[:d])) + x_s * (d - s) / s) / d
        else:
            agreement = (x_l - x_s) / length + x_s / s
        total += (1 - p) * p ** (d - 1) * agreement
    return total


def test_overlap_worked_out_by_hand() -> None:
    left, right = np.array([4, 7, 1, 9]), np.array([7, 2, 4, 3])
    assert [overlap_at_n(left, right, n) for n in (1, 2, 3, 4)] == [0, 1 / 2, 2 / 3, 1 / 2]


def test_a_list_that_has_ended_counts_as_the_longer_one_says() -> None:
    assert overlap_at_n(ended([1, 2], 4), np.array([2, 1, 5, 6]), 4) == 2 / 4
    assert np.isnan(overlap_at_n(ended([], 3), np.array([1, 2, 3]), 3))


@given(st.lists(st.tuples(RANKING, RANKING), min_size=1, max_size=6), st.integers(1, 9))
def test_overlaps_are_what_sets_say(pairs: list[tuple[list[int], list[int]]], n: int) -> None:
    left = np.stack([ended(a, 9) for a, _ in pairs])
    right = np.stack([ended(b, 9) for _, b in pairs])
    expected = [len(set(a[:n]) & set(b[:n])) / max(len(a[:n]), len(b[:n])) for a, b in pairs]
    np.testing.assert_allclose(overlaps_at_n(left, right, n), expected)


@pytest.mark.parametrize(("n", "words"), [(0, "n is 0"), (4, "the lists hold 3 and 5 items")])
def test_overlap_of_an_impossible_length_is_refused(n: int, words: str) -> None:
    with pytest.raises(ParameterError, match=words):
        overlap_at_n(np.arange(3), np.arange(5), n)


@given(RANKING, RANKING, st.floats(0.5, 0.95))
def test_rbo_is_the_extrapolated_sum(left: list[int], right: list[int], p: float) -> None:
    assert rank_biased_overlap(np.array(left), np.array(right), p) == pytest.approx(
        rbo_by_definition(left, right, p), abs=1e-6
    )


@given(RANKING, RANKING)
def test_rbo_is_symmetric_and_bounded(left: list[int], right: list[int]) -> None:
    value = rank_biased_overlap(np.array(left), np.array(right))
    assert value == pytest.approx(rank_biased_overlap(np.array(right), np.array(left)))
    assert -1e-9 <= value <= 1 + 1e-9


def test_rbo_of_two_swapped_items_by_hand() -> None:
    # A_1 = 0, A_2 = A_3 = … = 1, so the sum is 1 − (1 − p) = p.
    assert rank_biased_overlap(np.array([1, 2]), np.array([2, 1]), 0.8) == pytest.approx(0.8)


def test_rbo_weighs_the_top_most() -> None:
    base = np.arange(10)
    top, bottom = base.copy(), base.copy()
    top[0], bottom[9] = 99, 99
    assert rank_biased_overlap(base, top) < rank_biased_overlap(base, bottom)


def test_rbo_of_nothing_is_not_known() -> None:
    assert np.isnan(rank_biased_overlap(np.array([-1]), np.array([1])))


def test_rbo_persistence_outside_its_limits_is_refused() -> None:
    with pytest.raises(ParameterError, match="p is 1"):
        rank_biased_overlap(np.array([1]), np.array([1]), 1)
