from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from recsys.errors import InputError, ParameterError
from recsys.evaluation.split import Split, hold_out, leave_last_out, next_event
from recsys.interactions.log import Interactions
from tests.evaluation.logs import Plays, log_of, some_plays

PROTOCOLS: dict[str, Callable[..., Split]] = {
    "holdout": lambda log, *rest: hold_out(log, 0.2, *rest),
    "leave-last-out": leave_last_out,
    "next-event": next_event,
}
ALL = 10**6


def split_of(protocol: str, log: Interactions, *, min_listeners: int = 1, most: int = ALL, seed: int = 0) -> Split:
    return PROTOCOLS[protocol](log, min_listeners, most, np.random.default_rng(seed))


def right_answers(split: Split, log: Interactions) -> list[set[str]]:
    """The ids of what each list is asked for; items outside the training catalogue are called "outside"."""
    ids = split.train.catalogue["item_id"].tolist()
    return [
        {ids[column] if column < len(ids) else "outside" for column in split.held_out[row].indices.tolist()}
        for row in range(split.held_out.shape[0])
    ]


def what_may_be_learnt(protocol: str, plays: Plays, split: Split, log: Interactions) -> Plays:
    """The plays that are left, by plain loops; listeners and queues without any leave."""
    left: Plays = {}
    held = dict(zip(split.listeners.tolist(), right_answers(split, log), strict=True))
    for listener, queues in plays.items():
        if protocol == "holdout":
            kept = [[item for item in queue if item not in held.get(listener, ())] for queue in queues]
        elif protocol == "next-event":
            kept = [queue[:-1] if len(queue) > 1 else queue for queue in queues]
        else:
            firsts = list(dict.fromkeys(item for queue in queues for item in queue))
            kept, seen_last = [], False
            for queue in queues:
                kept.append([])
                for item in queue:
                    seen_last |= len(firsts) > 1 and item == firsts[-1]
                    if not seen_last:
                        kept[-1].append(item)
        left[listener] = [queue for queue in kept if queue]
    return {listener: queues for listener, queues in left.items() if queues}


@pytest.mark.parametrize("min_listeners", [1, 9])
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_nothing_that_was_held_out_leaves_a_trace_in_what_is_learnt_from(protocol: str, min_listeners: int) -> None:
    plays = some_plays()
    log = log_of(plays)
    # With all items every held-out item has its name, so that the plain loops know what to leave out.
    named = split_of(protocol, log)
    left = what_may_be_learnt(protocol, plays, named, log)
    expected = log_of(left).with_min_listeners(min_listeners)
    found = split_of(protocol, log, min_listeners=min_listeners).train
    # Catalogue, order of ties, counts, matrix and queues: as if the log had never held the rest.
    for column in ("item_id", "listeners", "plays"):
        assert found.catalogue[column].tolist() == expected.catalogue[column].tolist()
    filled = np.flatnonzero(np.diff(found.user_items.indptr))
    assert found.user_items.shape[0] == log.n_users
    assert (found.user_items[filled] != expected.user_items).nnz == 0
    assert [queue.tolist() for queue in found.queues] == [queue.tolist() for queue in expected.queues]
    assert sum(map(len, found.queues)) < 0.95 * sum(map(len, log.queues))


def test_without_order_a_holdout_leaves_no_trace_either() -> None:
    plays = some_plays(1)
    log = log_of(plays, ordered=False)
    split = split_of("holdout", log)
    expected = log_of(what_may_be_learnt("holdout", plays, split, log), ordered=False)
    assert split.train.catalogue["item_id"].tolist() == expected.catalogue["item_id"].tolist()
    assert [queue.tolist() for queue in split.train.queues] == [queue.tolist() for queue in expected.queues]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_same_seed_gives_the_same_split_and_digest_and_others_others(protocol: str) -> None:
    log = log_of(some_plays())
    first, again, other = (split_of(protocol, log, most=30, seed=seed) for seed in (0, 0, 1))
    assert first.digest == again.digest != other.digest
    assert (first.held_out != again.held_out).nnz == 0
    assert first.listeners.tolist() == again.listeners.tolist()
    assert len(first.listeners) == 30


def test_leave_last_out_asks_for_the_item_a_listener_came_to_last() -> None:
    plays = {0: [["a", "b", "a"], ["c", "a", "b"]], 1: [["b"], ["b", "b"]], 2: [["c", "b"], ["c"]], 3: [["a", "c"]]}
    split = split_of("leave-last-out", log_of(plays))
    # Listener 0 came to c after a and b; what they played after it has left too. Listener 1 knows one item only.
    assert split.listeners.tolist() == [0, 2, 3]
    assert right_answers(split, log_of(plays)) == [{"c"}, {"b"}, {"c"}]
    ids = split.train.catalogue["item_id"].to_numpy()
    assert [ids[queue].tolist() for queue in split.train.queues] == [["a", "b", "a"], ["b"], ["b", "b"], ["c"], ["a"]]
    assert [set(ids[known.indices]) for known in split.known] == [{"a", "b"}, {"c"}, {"a"}]


def test_next_event_asks_for_the_last_item_from_the_one_before_it() -> None:
    plays = {0: [["a", "b", "c"], ["d"]], 2: [["c", "b", "b"], ["b", "a", "b"]], 3: [["d", "e"]]}
    log = log_of(plays)
    split = split_of("next-event", log)
    ids = split.train.catalogue["item_id"].to_numpy()
    assert [ids[known.indices].tolist() for known in split.known] == [["b"], ["b"], ["a"], ["d"]]
    # e is played nowhere else; nobody can recommend it, but it is asked for all the same.
    assert right_answers(split, log) == [{"c"}, {"b"}, {"b"}, {"outside"}]
    assert split.repeats.tolist() == [False, True, False, False]
    assert split.returns.tolist() == [False, False, True, False]
    assert split.listeners.tolist() == [0, 1, 1, 2]
    assert split.queues is not None
    assert split.queues.tolist() == [0, 2, 3, 4]
    assert (split.unreachable, split.pairs) == (1, 4)


def test_items_with_too_few_listeners_in_training_are_misses_and_not_candidates() -> None:
    log = log_of(some_plays())
    wide, narrow = (split_of("holdout", log, min_listeners=least) for least in (1, 12))
    assert narrow.train.n_items < wide.train.n_items
    assert narrow.train.catalogue["listeners"].min() >= 12
    asked = np.isin(wide.listeners, narrow.listeners)
    assert narrow.held_out.nnz == wide.held_out[asked].nnz
    assert narrow.unreachable > wide.unreachable
    assert narrow.known.shape[1] == narrow.train.n_items


def test_who_knows_nothing_in_training_is_not_asked() -> None:
    plays = {0: [["a", "b"]], 1: [["b", "a"]], 2: [["a", "b", "c"]], 3: [["x", "y"]], 4: [["a", "b", "d"]]}
    split = split_of("leave-last-out", log_of(plays), min_listeners=2)
    assert split.listeners.tolist() == [0, 1, 2, 4]
    assert all(np.diff(split.known.indptr) > 0)


@pytest.mark.parametrize("protocol", ["leave-last-out", "next-event"])
def test_without_order_what_came_last_cannot_be_asked_for(protocol: str) -> None:
    with pytest.raises(InputError, match=f"no order of plays is known, and {protocol} asks .* use --protocol holdout"):
        split_of(protocol, log_of(some_plays(), ordered=False))


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_queues_whose_listener_is_not_known_are_refused(protocol: str) -> None:
    log = log_of(some_plays())
    counted = log.user_items.copy()
    counted.data[0] += 1
    with pytest.raises(InputError, match="whose queue is whose is not known; leave out the column of play counts"):
        split_of(protocol, replace(log, user_items=counted))


def test_a_log_that_leaves_too_little_is_refused() -> None:
    log = log_of(some_plays())
    with pytest.raises(InputError, match="0 items have at least 99 listeners in training"):
        split_of("holdout", log, min_listeners=99)
    with pytest.raises(InputError, match="1 of the listeners or queues can be asked"):
        split_of("next-event", log_of({0: [["a", "b"]], 1: [["a"]], 2: [["c"]]}))
    with pytest.raises(ParameterError, match="the share held out is 1"):
        hold_out(log, 1, 1, ALL, np.random.default_rng(0))
