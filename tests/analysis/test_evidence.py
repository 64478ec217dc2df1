"""Evidence against counting by hand and against plain loops."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.analysis.evidence import played_together, shared_listeners
from recsys.errors import ParameterError
from recsys.interactions.log import Interactions, Queues


def ragged(queues: Sequence[Sequence[int]], ordered: bool = True) -> Queues:
    lengths = [len(queue) for queue in queues]
    items = np.array([item for queue in queues for item in queue], np.int32)
    return Queues(items, np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64), ordered)


def test_shared_listeners_of_the_hand_worked_log(hand_log: Interactions) -> None:
    row = {item: at for at, item in enumerate(hand_log.catalogue["item_id"])}
    # a has 3 listeners, c has 2 of them; with 3 listeners in all, chance alone gives 2.
    found = shared_listeners(hand_log.user_items, row["a"], row["c"])
    assert (found.shared, found.lift, found.share) == (2, pytest.approx(1.0), pytest.approx(2 / 3))
    back = shared_listeners(hand_log.user_items, row["c"], row["a"])
    assert (back.shared, back.lift, back.share) == (2, pytest.approx(1.0), 1.0)
    alone = shared_listeners(hand_log.user_items, row["d"], row["e"])
    assert (alone.shared, alone.lift, alone.share) == (0, 0.0, 0.0)
    # b and d share nobody although both are played; b and e share cat, half of b's listeners.
    half = shared_listeners(hand_log.user_items, row["b"], row["e"])
    assert (half.shared, half.lift, half.share) == (1, pytest.approx(1.5), 0.5)


def test_plays_within_the_window_are_counted_and_shown() -> None:
    queues = ragged([[0, 1, 2, 3, 1], [1, 0], [0], [1], [0, 9, 8, 7, 6, 5, 1]])
    near = played_together(queues, 0, 1, window=1)
    assert (near.times, near.queues) == (2, 2)
    wide = played_together(queues, 0, 1, window=6)
    assert (wide.times, wide.queues) == (4, 3)
    assert [excerpt.items for excerpt in wide.excerpts] == [[0, 1, 2, 3], [1, 0], [0, 9, 8, -1, 6, 5, 1]]
    assert [(excerpt.first, excerpt.second) for excerpt in wide.excerpts] == [(0, 1), (1, 0), (0, 6)]
    turned = played_together(queues, 1, 0, window=6)
    assert (turned.times, turned.queues) == (4, 3)


def test_sets_are_counted_but_have_no_order_to_show() -> None:
    found = played_together(ragged([[0, 1, 2], [2, 1]], ordered=False), 1, 2, window=50)
    assert (found.times, found.queues, found.excerpts) == (2, 2, [])


def test_items_without_plays_have_no_evidence() -> None:
    found = played_together(ragged([[0, 1]]), 0, 7, window=3)
    assert (found.times, found.queues, found.excerpts) == (0, 0, [])


@given(st.lists(st.lists(st.integers(0, 4), min_size=1, max_size=12), min_size=1, max_size=8), st.integers(1, 8))
def test_counts_are_those_of_two_loops(lists: list[list[int]], window: int) -> None:
    queues = ragged(lists)
    found = played_together(queues, 0, 1, window=window)
    pairs = [
        (number, a, b)
        for number, queue in enumerate(lists)
        for a, left in enumerate(queue)
        for b, right in enumerate(queue)
        if left == 0 and right == 1 and abs(a - b) <= window
    ]
    assert found.times == len(pairs)
    assert found.queues == len({number for number, _, _ in pairs})
    assert len(found.excerpts) == min(3, found.queues)
    closest: dict[int, int] = {}
    for number, a, b in pairs:
        closest[number] = min(abs(a - b), closest.get(number, 99))
    shown = []
    for excerpt in found.excerpts:
        assert (excerpt.items[excerpt.first], excerpt.items[excerpt.second]) == (0, 1)
        if -1 not in excerpt.items:
            shown.append(abs(excerpt.first - excerpt.second))
            joined = ",".join(map(str, excerpt.items))
            assert any(joined in ",".join(map(str, queue)) for queue in lists)
    assert shown == sorted(closest.values())[: len(shown)]


def test_wrong_rows_and_windows_are_refused(hand_log: Interactions) -> None:
    with pytest.raises(ParameterError, match="rows go from 0 to 4"):
        shared_listeners(hand_log.user_items, 0, 5)
    with pytest.raises(ParameterError, match="window is 0"):
        played_together(hand_log.queues, 0, 1, window=0)
    with pytest.raises(ParameterError, match="beside itself"):
        played_together(hand_log.queues, 1, 1, window=2)
    with pytest.raises(ParameterError, match="no item row -1"):
        played_together(hand_log.queues, 1, -1, window=2)
