"""A profile against a log whose every number can be checked by eye."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from recsys.errors import ParameterError
from recsys.interactions.log import Interactions
from recsys.interactions.profile import profile
from recsys.interactions.readers import ReadOptions, read


def test_the_numbers_of_a_log_without_times(hand_log: Interactions) -> None:
    found = profile(hand_log, min_listeners=2)
    assert (found.listeners, found.items, found.pairs, found.plays) == (3, 5, 9, 25)
    assert found.density == pytest.approx(9 / 15)
    assert (found.first, found.last) == (None, None)
    assert found.items_a_listener.median == 3
    assert found.items_a_listener.most == 3
    assert found.listeners_an_item.most == 3
    assert found.kept_items == 3
    assert found.kept_plays == pytest.approx(21 / 25)
    assert found.single_listener_items == pytest.approx(2 / 5)
    assert found.head_plays == pytest.approx(8 / 25)
    assert (found.queues, found.queues_ordered, found.queue_length.most) == (3, False, 3)


def test_three_listeners_feed_neither_model_well(hand_log: Interactions) -> None:
    found = profile(hand_log, min_listeners=2)
    assert found.als.verdict == "poorly"
    assert found.als.why.startswith("3 listeners with two or more of the 3 items that have 2 listeners, ")
    assert found.word2vec.verdict == "poorly"
    nothing = profile(hand_log, min_listeners=4)
    assert (nothing.als.verdict, nothing.word2vec.verdict) == ("not at all", "not at all")
    assert "--min-listeners 1" in nothing.als.why
    with pytest.raises(ParameterError, match="min_listeners is 0"):
        profile(hand_log, min_listeners=0)


def test_one_listener_is_told_of_in_the_singular(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text("user,item,timestamp\nann,a,1600000000\nann,b,1600000100\nann,c,1600000200\n")
    found = profile(read("events", path), min_listeners=1)
    assert found.als.why.startswith("1 listener with two or more of the 3 items that have 1 listener, 3 at the median")
    assert found.word2vec.why.startswith("1 queue of two plays or more, 3 at the median, 1 play an item")


def test_a_log_with_times_feeds_both_and_knows_its_span(small_log: Path) -> None:
    found = profile(read("events", small_log), min_listeners=5)
    assert found.rows == found.rows_used == sum(1 for _ in small_log.open()) - 1
    assert found.first is not None
    assert found.last is not None
    assert "2024-01-" in found.first
    assert found.first < found.last
    assert found.queues_ordered
    assert (found.als.verdict, found.word2vec.verdict) == ("well", "well")
    assert found.queues > found.listeners


def test_without_order_word2vec_falls_back_to_sets_and_says_so(tmp_path: Path) -> None:
    path = tmp_path / "counts.tsv"
    rng = np.random.default_rng(0)
    rows = [
        f"u{user}\ti{item}\t{plays}" for user in range(150) for item in range(20) for plays in rng.integers(1, 9, 1)
    ]
    path.write_text("user\titem\tplays\n" + "\n".join([*rows, "u1\ti1\tmany", ""]))
    found = profile(read("events", path), min_listeners=5)
    assert found.word2vec.verdict == "as sets"
    assert "no order is known" in found.word2vec.why
    assert found.bad_rows == {"play count that is not a number": 1}
    assert "many" in found.bad_examples["play count that is not a number"][0]
    assert found.rows - found.rows_used == 1


def test_single_plays_feed_no_word2vec(tmp_path: Path) -> None:
    path = tmp_path / "far_apart.csv"
    days = [f"u{user},i{user % 3},{1_600_000_000 + 86_400 * user}" for user in range(30)]
    path.write_text("user,item,timestamp\n" + "\n".join(days) + "\n")
    log = read("events", path, ReadOptions())
    found = profile(log, min_listeners=1)
    assert found.single_play_queues == 1
    assert (found.als.verdict, found.word2vec.verdict) == ("not at all", "not at all")
    assert replace(found, rows=0).as_json()["queue_length"]["most"] == 1


def test_the_excerpt_of_lastfm_1k(real_data: Path) -> None:
    found = profile(read("lastfm-1k", real_data / "lastfm-1k-excerpt"), min_listeners=5)
    assert (found.rows, found.rows_used, found.listeners) == (5000, 5000, 2)
    assert found.last == "2009-05-04T23:08:57+00:00"
    assert found.als.verdict == "not at all"
