from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from recsys.errors import ParameterError
from recsys.interactions.log import Interactions, Queues
from recsys.models import word2vec
from recsys.models.word2vec import Pace, Word2vecParams
from recsys.models.word2vec_budget import Allowed, allowed


def wanted(epochs: int, window: int) -> Word2vecParams:
    return Word2vecParams(epochs=epochs, window=window)


def at(seconds_an_epoch: float, minutes: float, params: Word2vecParams, **more: Any) -> Allowed:
    """An epoch takes so many seconds for each play of the window's width."""
    return allowed(
        params,
        minutes,
        pace_at=lambda window: Pace(20.0, seconds_an_epoch * window),
        **{"rounds": 1, "given": (), **more},
    )


def test_epochs_are_as_many_as_fit_into_nine_tenths_of_the_budget() -> None:
    # 0.9 · 600 s for two rounds are 270 s each, 20 s of them for preparing: 250 / 30 = 8.3
    found = at(6.0, 10, wanted(20, 5), rounds=2)
    assert found == Allowed(5, 8, "epochs 8 of 20: all that 10 minutes allow here")


def test_a_budget_that_is_large_enough_changes_nothing() -> None:
    assert at(6.0, 1000, wanted(20, 5)) == Allowed(5, 20, "epochs 20 of 20: which 1000 minutes allow here")


def test_a_window_too_wide_for_five_epochs_is_halved_until_they_fit() -> None:
    # 54 - 20 = 34 s; a window of 40 allows 0 epochs, 20 1, 10 3, 5 6
    assert at(1.0, 1, wanted(50, 40)) == Allowed(5, 6, "epochs 6 of 50, window 5 of 40: all that 1 minutes allow here")


def test_no_more_epochs_are_demanded_than_are_wanted() -> None:
    assert at(1.0, 1, wanted(3, 10)).window == 10


def test_a_window_of_five_is_halved_no_more_even_for_a_single_epoch() -> None:
    assert at(5.0, 1, wanted(50, 11)) == Allowed(5, 1, "epochs 1 of 50, window 5 of 11: all that 1 minutes allow here")


def test_what_is_given_stays() -> None:
    # 34 s
    assert at(1.0, 1, wanted(50, 20), given=("window",)).window == 20
    assert at(1.0, 1, wanted(50, 20), given=("window",)).epochs == 1
    # ten epochs fit at a window of 3 only, and six at 5
    assert at(1.0, 1, wanted(6, 40), given=("epochs",)) == Allowed(
        5, 6, "epochs 6 of 6, window 5 of 40: all that 1 minutes allow here"
    )


@pytest.mark.parametrize(
    ("epochs", "given", "needed"),
    [(50, (), 2), (10, ("epochs",), 11)],  # (20 + 1 · 55) / 54 = 1.4, (20 + 10 · 55) / 54 = 10.6
)
def test_a_budget_too_small_is_refused_with_what_is_needed(epochs: int, given: tuple[str, ...], needed: float) -> None:
    words = (
        f"--word2vec-minutes is 1; {epochs if given else 1} epochs with a window of 5 take all fits {needed} minutes"
    )
    with pytest.raises(ParameterError, match=words):
        at(11.0, 1, wanted(epochs, 5), given=given)


def test_a_budget_that_nobody_gave_refuses_nothing_and_says_what_it_takes() -> None:
    # (20 + 1 · 55) / 54 = 1.4
    assert at(11.0, 1, wanted(50, 5), refuse=False) == Allowed(
        5, 1, "epochs 1 of 50: the least there is; about 2 minutes here"
    )
    assert at(1.0, 1, wanted(50, 5), refuse=False) == at(1.0, 1, wanted(50, 5))


def test_an_epoch_is_reckoned_from_the_plays_of_a_sample(
    hand_log: Interactions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a clock by which learning from a play takes 10 ms and all else nothing."""
    now, timed = 0.0, []

    def train(model: object, corpus: word2vec._Corpus, epochs: int, callbacks: object) -> None:
        nonlocal now
        timed.append(len(list(corpus)))
        now += epochs * 0.01 * corpus.n_plays

    monkeypatch.setattr(word2vec, "_train", train)
    monkeypatch.setattr(word2vec, "time", SimpleNamespace(perf_counter=lambda: now))
    lengths = np.arange(1000) % 7
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    queues = Queues(np.arange(offsets[-1], dtype=np.int32) % 5, offsets, ordered=True)
    log = Interactions(hand_log.catalogue, hand_log.user_items, queues, hand_log.report)
    plays = int(lengths[lengths >= 2].sum())
    meter = word2vec.PaceMeter(log, Word2vecParams(), np.random.default_rng(0))
    found = meter.at(5, seconds=6.0)
    assert found == Pace(0.0, pytest.approx(0.01 * plays))
    # 64 queues take 2.6 s, 128 5.1 s
    assert timed == [64, 128, 256]
    meter.at(5, seconds=1e9)
    assert timed[-1] == int((lengths >= 2).sum())


def test_a_log_without_queues_of_two_takes_no_time(hand_log: Interactions) -> None:
    alone = Interactions(
        hand_log.catalogue, hand_log.user_items, Queues(np.array([2, 1], np.int32), np.array([0, 1, 2]), ordered=True),
        hand_log.report,
    )  # fmt: skip
    pace = word2vec.PaceMeter(alone, Word2vecParams(), np.random.default_rng(0)).at(5, seconds=1.0)
    assert allowed(wanted(7, 5), 0.01, rounds=3, given=(), pace_at=lambda _: pace).epochs == 7


def test_the_pace_is_that_of_the_window_asked_for(hand_log: Interactions, monkeypatch: pytest.MonkeyPatch) -> None:
    windows, train = [], word2vec._train
    monkeypatch.setattr(word2vec, "_train", lambda model, *more: windows.append(model.window) or train(model, *more))
    meter = word2vec.PaceMeter(hand_log, Word2vecParams(vector_size=4), np.random.default_rng(0))
    paces = [meter.at(window, seconds=0.01) for window in (3, 2)]
    assert windows == [3, 2]
    assert all(0 < pace.epoch < 60 and pace.preparing > 0 for pace in paces)
