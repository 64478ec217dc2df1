"""Hubness of lists small enough to count by hand."""

from __future__ import annotations

import numpy as np
import pytest

from recsys.analysis.hubness import appearances, hubness
from recsys.errors import ParameterError

# Item 0 stands in every list; 3 in none; 4 has no list and stands in none.
LISTS = np.array([[1, 2], [0, 2], [0, 1], [0, 1], [-1, -1]], np.int32)


def test_appearances_are_counted_within_n() -> None:
    assert appearances(LISTS, 2).tolist() == [3, 3, 2, 0, 0]
    assert appearances(LISTS, 1).tolist() == [3, 1, 0, 0, 0]


def test_hubness_by_hand() -> None:
    found = hubness(LISTS, np.array([10, 4, 4, 2, 1]), 2)
    assert found.never == pytest.approx(1 / 4)
    assert found.head == pytest.approx(3 / 8)
    # Places: three of item 0, three of 1, two of 2; items with a list have five listeners on average.
    assert found.popularity_lift == pytest.approx((3 * 10 + 3 * 4 + 2 * 4) / 8 / 5)


def test_even_lists_favour_nobody() -> None:
    ring = np.array([[(row + 1) % 200] for row in range(200)], np.int32)
    found = hubness(ring, np.full(200, 7), 1)
    assert (found.never, found.head, found.popularity_lift) == (0, pytest.approx(0.01), pytest.approx(1))


def test_nothing_is_known_without_lists_and_n_has_limits() -> None:
    assert np.isnan(hubness(np.full((3, 2), -1), np.ones(3, int), 2).never)
    with pytest.raises(ParameterError, match="n is 3; the lists hold 2"):
        appearances(LISTS, 3)
