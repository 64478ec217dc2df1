from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.analysis.compare import (
    jaccards_at_n,
    overlap_at_n,
    overlaps_at_n,
    rank_biased_overlaps,
    rank_moves,
    ranks_in,
)
from recsys.errors import ParameterError

RANKING = st.lists(st.integers(0, 15), unique=True, min_size=1, max_size=9)


def ended(ranking: list[int], length: int) -> np.ndarray:
    return np.array(ranking + [-1] * (length - len(ranking)))


def rank_biased_overlap(left: list[int], right: list[int], p: float = 0.9) -> float:
    return float(rank_biased_overlaps(np.array([left]), np.array([right]), p)[0])


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


def rbo_of_groups(left: list[list[int]], right: list[list[int]], p: float) -> float:
    """The same sum for lists of groups of tied items, a group standing whole at its first rank: agreement is twice what
    is shared over what both hold; the list that ends first goes on sharing as it did."""

    def at(groups: list[list[int]], depth: int) -> set[int]:
        held: set[int] = set()
        for group in groups:
            if len(held) >= depth:
                break
            held |= set(group)
        return held

    s, length = sorted(sum(map(len, groups)) for groups in (left, right))
    x_s, x_l = (len(at(left, d) & at(right, d)) for d in (s, length))
    total = 0.0
    for d in range(1, 2_000):
        held = [at(groups, d) for groups in (left, right)]
        sizes = [max(len(each), d) for each in held]
        shared = len(held[0] & held[1]) + (x_s * (d - s) / s if d > s else 0)
        agreement = 2 * shared / sum(sizes) if d <= length else (x_l - x_s) / length + x_s / s
        total += (1 - p) * p ** (d - 1) * agreement
    return total


@st.composite
def grouped(draw: st.DrawFn) -> list[list[int]]:
    ranking = draw(RANKING)
    cuts = draw(st.lists(st.booleans(), min_size=len(ranking), max_size=len(ranking)))
    groups: list[list[int]] = [[]]
    for item, cut in zip(ranking, cuts, strict=True):
        if cut and groups[-1]:
            groups.append([])
        groups[-1].append(item)
    return groups


def as_rows(many: list[list[list[int]]], length: int) -> tuple[np.ndarray, np.ndarray]:
    lists = np.stack([ended([item for group in groups for item in group], length) for groups in many])
    scores = np.zeros(lists.shape, np.float32)
    for row, groups in enumerate(many):
        flat = [1 - 0.01 * g for g, group in enumerate(groups) for _ in group]
        scores[row, : len(flat)] = flat
    return lists, scores


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
    assert rank_biased_overlap(left, right, p) == pytest.approx(rbo_by_definition(left, right, p), abs=1e-6)


@given(RANKING, RANKING)
def test_rbo_is_symmetric_and_bounded(left: list[int], right: list[int]) -> None:
    value = rank_biased_overlap(left, right)
    assert value == pytest.approx(rank_biased_overlap(right, left))
    assert -1e-9 <= value <= 1 + 1e-9


def test_rbo_of_two_swapped_items_by_hand() -> None:
    # A_1 = 0, A_2 = A_3 = … = 1, so the sum is 1 − (1 − p) = p.
    assert rank_biased_overlap([1, 2], [2, 1], 0.8) == pytest.approx(0.8)


def test_agreement_by_depth_is_that_of_the_paper() -> None:
    # Webber, Moffat & Zobel (2010), section 3: abcdefg against zcavwxy, agreement at each depth and its running mean.
    left, right = (np.array([ord(letter) for letter in word]) for word in ("abcdefg", "zcavwxy"))
    agreement = [overlap_at_n(left, right, depth) for depth in range(1, 8)]
    assert [round(each, 3) for each in agreement] == [0, 0, 0.667, 0.5, 0.4, 0.333, 0.286]
    means = [np.mean(agreement[:depth]) for depth in range(1, 8)]
    assert [round(float(each), 3) for each in means] == [0, 0, 0.222, 0.292, 0.313, 0.317, 0.312]


@pytest.mark.parametrize(("p", "depth"), [(0.9, 10), (0.98, 50), (0.5, 3)])
def test_the_first_ranks_weigh_what_the_paper_says(p: float, depth: int) -> None:
    # Equation 21. Lists that agree so far and no further score just that.
    weight = 1 - p ** (depth - 1)
    weight += (1 - p) / p * depth * (np.log(1 / (1 - p)) - sum(p**i / i for i in range(1, depth)))
    if (p, depth) == (0.9, 10):
        assert round(weight, 2) == 0.86  # the paper's own figure
    left, right = np.arange(2_000), np.arange(2_000)
    right[depth:] += 5_000
    assert rank_biased_overlap(left.tolist(), right.tolist(), p) == pytest.approx(weight, abs=1e-3)


@given(st.lists(st.tuples(grouped(), grouped()), min_size=1, max_size=5), st.floats(0.5, 0.95))
def test_rbo_with_ties_and_uneven_lengths_is_the_sum_of_the_definition(
    pairs: list[tuple[list[list[int]], list[list[int]]]], p: float
) -> None:
    left, left_scores = as_rows([a for a, _ in pairs], 9)
    right, right_scores = as_rows([b for _, b in pairs], 11)
    values = rank_biased_overlaps(left, right, p, left_scores=left_scores, right_scores=right_scores)
    np.testing.assert_allclose(values, [rbo_of_groups(a, b, p) for a, b in pairs], atol=1e-6)


def test_rbo_with_ties_by_hand() -> None:
    # {a, c} b d against a {b, c} d. Depth 1: one shared of 2 + 1; depth 2: two of 2 + 3; from depth 3 on all.
    left, right = np.array([[0, 2, 1, 3]]), np.array([[0, 1, 2, 3]])
    scores = np.array([[0.9, 0.9, 0.5, 0.1]]), np.array([[0.9, 0.5, 0.5, 0.1]])
    value = rank_biased_overlaps(left, right, 0.9, left_scores=scores[0], right_scores=scores[1])[0]
    assert value == pytest.approx(0.1 * (2 / 3 + 0.9 * 4 / 5) + 0.81)


@given(st.lists(st.tuples(RANKING, RANKING), min_size=1, max_size=6))
def test_rbo_of_many_lists_is_that_of_each(pairs: list[tuple[list[int], list[int]]]) -> None:
    left, right = (np.stack([ended(pair[side], 9) for pair in pairs]) for side in (0, 1))
    expected = [rank_biased_overlap(a, b) for a, b in pairs]
    np.testing.assert_allclose(rank_biased_overlaps(left, right), expected, atol=1e-12)


def test_ranks_and_moves_by_hand() -> None:
    left = np.array([[4, 7, 1, 9], [5, 3, -1, -1]])
    right = np.array([[7, 2, 4, 1, 0], [8, -1, -1, -1, -1]])
    assert ranks_in(left, right).tolist() == [[3, 1, 4, 0], [0, 0, 0, 0]]
    np.testing.assert_array_equal(rank_moves(left, right), [[-2, 1, -1, np.nan], [np.nan] * 4])


def test_jaccard_by_hand() -> None:
    left, right = (
        np.array([[4, 7, 1, 9], [5, 3, -1, -1], [-1] * 4]),
        np.array([[7, 2, 4, 3], [3, 1, 2, -1], [1, 2, 3, 4]]),
    )
    np.testing.assert_allclose(jaccards_at_n(left, right, 4), [2 / 6, 1 / 4, np.nan])
    np.testing.assert_allclose(jaccards_at_n(left, right, 2), [1 / 3, 1 / 3, np.nan])


def test_rbo_weighs_the_top_most() -> None:
    base = np.arange(10)
    top, bottom = base.copy(), base.copy()
    top[0], bottom[9] = 99, 99
    assert rank_biased_overlap(base.tolist(), top.tolist()) < rank_biased_overlap(base.tolist(), bottom.tolist())


def test_rbo_of_nothing_is_not_known() -> None:
    assert np.isnan(rank_biased_overlap([-1], [1]))


def test_rbo_persistence_outside_its_limits_is_refused() -> None:
    with pytest.raises(ParameterError, match="p is 1"):
        rank_biased_overlap([1], [1], 1)
