from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

from recsys.errors import InputError, ParameterError
from recsys.interactions.log import Interactions, Queues, sessions
from recsys.interactions.report import ReadReport


def test_catalogue_goes_by_listeners_then_plays_then_id(hand_log: Interactions) -> None:
    assert hand_log.catalogue["item_id"].tolist() == ["a", "b", "c", "d", "e"]
    assert hand_log.catalogue["listeners"].tolist() == [3, 2, 2, 1, 1]
    assert hand_log.catalogue["plays"].tolist() == [8, 7, 6, 3, 1]


def test_user_items_are_in_catalogue_order(hand_log: Interactions) -> None:
    expected = [[5, 1, 2, 0, 0], [1, 0, 4, 3, 0], [2, 6, 0, 0, 1]]
    assert hand_log.user_items.toarray().tolist() == expected
    assert hand_log.user_items.dtype == np.float32


def test_without_times_a_queue_is_the_listeners_set_most_played_first(hand_log: Interactions) -> None:
    ids = hand_log.catalogue["item_id"].to_numpy(object)
    assert ["".join(ids[queue]) for queue in hand_log.queues] == ["acb", "cda", "bae"]
    assert not hand_log.queues.ordered


def test_filter_takes_items_from_catalogue_matrix_and_queues_alike(hand_log: Interactions) -> None:
    log = hand_log.with_min_listeners(2)
    assert log.catalogue["item_id"].tolist() == ["a", "b", "c"]
    assert log.user_items.toarray().tolist() == [[5, 1, 2], [1, 0, 4], [2, 6, 0]]
    assert [queue.tolist() for queue in log.queues] == [[0, 2, 1], [2, 0], [1, 0]]
    assert log.dropped == {"items": 2, "listeners": 0, "plays": 4, "queues": 0}


def test_filter_that_leaves_one_item_says_what_would_do(hand_log: Interactions) -> None:
    with pytest.raises(InputError, match="1 of 5 items have at least 3 listeners.*--min-listeners 2"):
        hand_log.with_min_listeners(3)


def test_filter_below_one_is_refused(hand_log: Interactions) -> None:
    with pytest.raises(ParameterError, match="min_listeners is 0"):
        hand_log.with_min_listeners(0)


def test_listener_who_loses_every_item_leaves() -> None:
    import pandas as pd

    from recsys.interactions.report import ReadReport

    log = Interactions.from_plays(
        user=np.array([0, 0, 1, 1, 2]), item=np.array([0, 1, 0, 1, 2]), plays=None,
        items=pd.DataFrame({"item_id": ["x", "y", "z"], "name": ["x", "y", "z"]}), n_users=3,
        report=ReadReport(source="by hand", reader="test"),
    ).with_min_listeners(2)  # fmt: skip
    assert log.n_users == 2
    assert log.dropped == {"items": 1, "listeners": 1, "plays": 1, "queues": 1}
    assert len(log.queues) == 2


def test_sessions_are_cut_at_gaps_oldest_first() -> None:
    user = np.array([1, 0, 0, 0, 1])
    item = np.array([9, 3, 2, 1, 8])
    time = np.array([50, 4000, 1800, 0, 10])
    queues = sessions(user, item, time, gap_seconds=1800)
    # The pause of exactly 1,800 s does not end a queue, the one of 2,200 s does.
    assert [queue.tolist() for queue in queues] == [[1, 2], [3], [8, 9]]
    assert queues.ordered


def test_tied_times_keep_the_order_of_a_log_written_oldest_first() -> None:
    user = np.zeros(4, int)
    queues = sessions(user, np.array([1, 2, 3, 4]), np.array([0, 5, 5, 9]), gap_seconds=60)
    assert queues[0].tolist() == [1, 2, 3, 4]


def test_tied_times_are_turned_round_in_a_log_written_newest_first() -> None:
    user = np.zeros(4, int)
    queues = sessions(user, np.array([4, 3, 2, 1]), np.array([9, 5, 5, 0]), gap_seconds=60)
    assert queues[0].tolist() == [1, 2, 3, 4]


@given(
    st.lists(st.lists(st.integers(0, 6), min_size=1, max_size=8), min_size=1, max_size=8), st.sets(st.integers(0, 6))
)
def test_queues_without_some_items_are_what_a_loop_would_make(queues: list[list[int]], gone: set[int]) -> None:
    offsets = np.cumsum([0, *map(len, queues)])
    ragged = Queues(np.array([i for q in queues for i in q], np.int32), offsets, ordered=True)
    row_of = np.array([-1 if i in gone else i + 10 for i in range(7)], np.int32)
    expected = [[i + 10 for i in q if i not in gone] for q in queues]
    assert [q.tolist() for q in ragged.only(row_of)] == [q for q in expected if q]


def test_a_pair_that_comes_again_is_one_listener_of_the_item() -> None:
    plays = np.array([1, 2, 4, 8, 16, 32], np.float32)
    matrix = sp.csr_matrix((plays, np.array([0, 1, 0, 1, 1, 1], np.int32), np.array([0, 3, 5, 6])), shape=(3, 2))
    items = pd.DataFrame({"item_id": ["a", "b"], "name": ["A", "B"]})
    log = Interactions.from_matrix(matrix, items, ReadReport(source="by hand", reader="test"))
    assert log.catalogue["item_id"].tolist() == ["b", "a"]
    assert log.catalogue["listeners"].tolist() == [3, 1]
    assert log.user_items.toarray().tolist() == [[2, 5], [24, 0], [32, 0]]
