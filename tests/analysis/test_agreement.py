"""Which items are named as agreed or disputed."""

from __future__ import annotations

import numpy as np
import pandas as pd

from recsys.analysis.agreement import most_agreed, most_disputed


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
