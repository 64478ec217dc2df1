"""Which items are named as agreed or disputed."""

from __future__ import annotations

import numpy as np
import pandas as pd

from recsys.analysis.agreement import most_agreed, most_disputed, overlap_distribution, popularity_bands


def test_agreed_items_share_as_much_as_with_themselves_and_can_be_chosen_among() -> None:
    agreement = pd.DataFrame(
        {
            "overlap": [0.9, 0.2, 0.8, 0.8, np.nan],
            "floor_als": [0.8, 0.9, 0.7, 0.8, 0.5],
            "floor_word2vec": [0.9, 0.9, 0.9, 0.8, 0.5],
            "p_value": [0.5, 0.01, 0.5, 0.5, np.nan],
        }
    )
    listeners = np.array([5, 50, 7, 9, 100])
    assert most_agreed(agreement, listeners).tolist() == [0, 3, 2]
    assert most_agreed(agreement, listeners, limit=1).tolist() == [0]
    some = np.array([False, True, True, True, True])
    assert most_agreed(agreement, listeners, among=some).tolist() == [3, 2]
    assert most_disputed(agreement, listeners).tolist() == [1]
    assert most_disputed(agreement, listeners, among=~some).tolist() == []


def test_distribution_counts_the_items_that_share_each_number() -> None:
    agreement = pd.DataFrame(
        {
            "overlap": np.array([0.3, 0.3, 0, 1, np.nan], np.float32),
            "rbo": 0.5,
            "floor_als": np.float32(2 / 3),  # two of three: lists that ended before n
            "floor_word2vec": np.nan,
            "p_value": 0.5,
        }
    )
    table = overlap_distribution(agreement, 10)
    assert sorted(set(table["column"])) == ["floor_als", "overlap"]
    between = table[table["column"] == "overlap"]
    assert between["shared"].tolist() == list(range(11))
    assert between["items"].tolist() == [1, 0, 0, 2, 0, 0, 0, 0, 0, 0, 1]
    assert between["share"].tolist() == [0.25, 0, 0, 0.5, 0, 0, 0, 0, 0, 0, 0.25]
    assert table.loc[table["column"] == "floor_als", "items"].tolist() == [0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0]
    assert overlap_distribution(agreement.head(0), 10).empty


def test_bands_hold_equally_many_items_least_popular_first() -> None:
    assert popularity_bands(np.array([9, 1, 5, 5, 70, 2]), 3).tolist() == [3, 1, 2, 2, 3, 1]
