from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest
import scipy.sparse as sp

from recsys.analysis.beyond_accuracy import (
    coverage,
    gini,
    intra_list_similarity,
    mean_over_list,
    novelties,
    own_tags,
)
from recsys.analysis.evaluation import top_tags

LISTS = np.array([[2, 0, 3], [1, -1, -1], [-1, -1, -1], [3, 2, -1]])


def test_a_mean_over_a_list_leaves_out_places_that_nothing_fills() -> None:
    of_item = np.array([10.0, 20, 40, 80])
    np.testing.assert_allclose(mean_over_list(of_item, LISTS), [130 / 3, 20, np.nan, 60])


def test_novelty_is_the_bits_of_a_chance_listener_knowing_the_item() -> None:
    np.testing.assert_allclose(novelties(np.array([8, 4, 1]), 8), [0, 1, 3])


def test_intra_list_similarity_is_the_mean_cosine_of_all_pairs() -> None:
    plays = sp.csr_matrix([[3, 0, 1, 0], [1, 2, 0, 0], [0, 5, 1, 1], [0, 0, 9, 1], [0, 0, 2, 0]], dtype=np.float32)
    held = plays.toarray() > 0

    def cosine(left: int, right: int) -> float:
        return (held[:, left] & held[:, right]).sum() / math.sqrt(held[:, left].sum() * held[:, right].sum())

    expected = [
        np.mean([cosine(*pair) for pair in combinations(own, 2)]) if len(own) > 1 else np.nan
        for own in ([item for item in row if item >= 0] for row in LISTS.tolist())
    ]
    np.testing.assert_allclose(intra_list_similarity(plays, LISTS), expected)
    # Item 2 has four listeners, item 3 two of them.
    assert expected[3] == pytest.approx(2 / math.sqrt(8))


def test_own_tags_are_the_three_that_most_known_items_have() -> None:
    has_tag = top_tags([["rock", "pop"], ["pop", "indie"], ["pop", "folk"], ["folk", "jazz"], []])
    known = sp.csr_matrix([[9, 1, 1, 1, 0], [0, 0, 0, 0, 1], [0, 1, 0, 0, 0]], dtype=np.float32)
    # First list: pop three times, folk twice, then rock before indie and jazz, for it was seen first.
    found = own_tags(known, has_tag).toarray()
    rock, pop, indie, folk, jazz = range(5)
    assert [np.flatnonzero(row).tolist() for row in found] == [[rock, pop, folk], [], [pop, indie]]
    assert found.shape == (3, jazz + 1)


def test_coverage_is_the_share_of_items_in_any_list() -> None:
    assert coverage(LISTS, 5) == 4 / 5


def test_gini_is_the_mean_difference_of_all_pairs_over_twice_the_mean() -> None:
    counts = np.array([1, 1, 2, 2, 0])
    differences = np.abs(counts[:, None] - counts).mean()
    assert gini(LISTS, 5) == pytest.approx(differences / (2 * counts.mean()))
    assert gini(np.array([[0], [1], [2]]), 3) == 0
    assert gini(np.array([[1], [1]]), 4) == 3 / 4
    assert math.isnan(gini(np.array([[-1]]), 4))
