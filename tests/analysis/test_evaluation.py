from __future__ import annotations

import numpy as np
import pytest

from recsys.analysis.evaluation import tag_share

TAGS = [["rock", "pop", "indie", "folk"], ["indie"], ["folk"], [], ["pop", "rock"]]


def test_tag_share_by_hand() -> None:
    neighbours = np.array([[1, 2, 3], [0, 2, 4], [0, 1, 3], [0, 1, 2], [0, 1, -1]])
    # item 0: 1 shares "indie", 2 has "folk", which is only 0's fourth tag, 3 has none → 1/3; item 1: 0 → 1/3;
    # item 2: none → 0; item 3 has no tag and is not asked; item 4: of two neighbours 0 shares → 1/2.
    share = tag_share(neighbours, TAGS, np.full(5, 10), n=3)
    assert share == pytest.approx(np.mean([1 / 3, 1 / 3, 0, 1 / 2]))


def test_only_items_with_enough_listeners_are_asked() -> None:
    neighbours = np.array([[1], [0], [1], [0], [0]])
    assert tag_share(neighbours, TAGS, np.array([9, 9, 10, 10, 9]), n=1) == 0


def test_without_tags_the_share_is_not_known() -> None:
    assert np.isnan(tag_share(np.array([[1], [0]]), [[], []], np.array([10, 10]), n=1))
