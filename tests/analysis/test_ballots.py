from __future__ import annotations

import itertools
import math

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from recsys.analysis.ballots import (
    MOST_ASKED,
    PANEL,
    Preference,
    by_group,
    concord,
    counted,
    items_to_ask,
    popularity_thirds,
    preference,
    verdict,
    votes_needed,
    wilson,
)

Z = 1.959963984540054
ONE, OTHER, BUILD = "1" * 32, "2" * 32, "ab" * 32


def cast(*votes: str, column: str = "choice") -> pd.DataFrame:
    """Votes written as "session item choice"."""
    rows = [vote.split() for vote in votes]
    return pd.DataFrame(rows, columns=["session", "item_id", column])


def alone(first: int, second: int, *more: str) -> pd.DataFrame:
    """So many votes for a and b, no two of one session or item."""
    choices = ["a"] * first + ["b"] * second + list(more)
    return cast(*(f"s{each} i{each} {choice}" for each, choice in enumerate(choices)))


# --- which items are asked about ---


def test_each_third_of_popularity_holds_a_third_of_all_pairs() -> None:
    # 24 pairs: 8 stand before the second item, 16 before the fifth.
    assert popularity_thirds(np.array([8, 4, 2, 2, 3, 2, 1, 1, 1])).tolist() == [0, 1, 1, 1, 2, 2, 2, 2, 2]


@pytest.fixture
def catalogue() -> tuple[np.ndarray, np.ndarray]:
    """Thirds of 40, 100 and 260 items; of each, every fourth item's lists are alike and the last item has none."""
    third = np.repeat([0, 1, 2], [40, 100, 260])
    overlap = np.where(np.arange(400) % 4 == 0, 1.0, 0.3)
    overlap[[39, 139, 399]] = np.nan
    return third, overlap


def test_a_session_is_asked_about_each_item_once_and_never_about_one_without_lists(
    catalogue: tuple[np.ndarray, np.ndarray],
) -> None:
    rows = items_to_ask(*catalogue, BUILD, ONE)
    assert len(rows) == len(set(rows)) == MOST_ASKED
    assert not {39, 139, 399} & set(rows)
    assert rows == items_to_ask(*catalogue, BUILD, ONE)


def test_thirds_come_equally_often_and_items_whose_lists_differ_first(
    catalogue: tuple[np.ndarray, np.ndarray],
) -> None:
    third, overlap = catalogue
    first = np.array(items_to_ask(third, overlap, BUILD, ONE)[: 2 * PANEL])
    assert np.bincount(third[first]).max() - np.bincount(third[first]).min() <= 2
    assert (overlap[first] == 0.3).all()


def test_two_sessions_meet_at_the_panel_and_nowhere_by_design(catalogue: tuple[np.ndarray, np.ndarray]) -> None:
    one, other = (items_to_ask(*catalogue, BUILD, session) for session in (ONE, OTHER))
    assert set(one[: 2 * PANEL : 2]) == set(other[: 2 * PANEL : 2])
    assert one[: 2 * PANEL : 2] != other[: 2 * PANEL : 2]
    assert set(one[1 : 2 * PANEL : 2]) != set(other[1 : 2 * PANEL : 2])
    assert set(items_to_ask(*catalogue, "cd" * 32, ONE)[: 2 * PANEL : 2]) != set(one[: 2 * PANEL : 2])


def test_a_catalogue_smaller_than_the_panel_is_asked_about_whole() -> None:
    rows = items_to_ask(np.array([0, 1, 1, 2, 2]), np.array([0.1, 1, 0.2, 0.4, 0.5]), BUILD, ONE)
    assert sorted(rows) == [0, 1, 2, 3, 4]


# --- shares and intervals ---


def test_wilson_is_what_the_score_test_does_not_reject() -> None:
    for wins, votes in ((0, 4), (3, 4), (8, 10), (11, 11), (70, 120)):
        low, high = wilson(wins, votes)
        shares = np.linspace(0.0005, 0.9995, 1000)
        inside = shares[np.abs(wins / votes - shares) <= Z * np.sqrt(shares * (1 - shares) / votes)]
        assert low == pytest.approx(inside.min(), abs=0.0011)
        assert high == pytest.approx(inside.max(), abs=0.0011)
    assert wilson(0, 0) == (0.0, 1.0)


def test_votes_needed_are_the_first_from_which_on_the_interval_misses_one_half() -> None:
    for share in (0.99, 0.68, 0.4, 0.47):
        needed = votes_needed(share)
        assert needed is not None
        low, high = wilson(share * needed, needed)
        assert low > 0.5 or high < 0.5
        low, high = wilson(share * (needed - 1), needed - 1)
        assert low <= 0.5 <= high
    assert votes_needed(0.5) is None


def test_equal_and_unknown_are_counted_but_leave_the_share_alone() -> None:
    found = preference(alone(6, 2, "equal", "equal", "unknown"), "a", "b")
    assert (found.first, found.second, found.equal, found.unknown, found.sessions) == (6, 2, 2, 1, 8)
    assert found.share == 0.75
    # The votes stand alone, so they count in full.
    assert found.effective == pytest.approx(8)
    assert (found.low, found.high) == pytest.approx(wilson(6, 8))


def test_votes_of_one_session_or_on_one_item_that_agree_are_worth_one() -> None:
    for votes in ([f"s1 i{each} a" for each in range(9)], [f"s{each} i1 a" for each in range(9)]):
        found = preference(cast(*votes), "a", "b")
        assert found.effective == pytest.approx(1)
        assert (found.low, found.high) == pytest.approx(wilson(1, 1))


def test_the_worth_of_votes_that_are_alike_in_part_by_hand() -> None:
    votes = cast("s1 i1 a", "s1 i2 a", "s2 i1 a", "s3 i3 b")
    # Off Wilson's midpoint m of 3 in 4. By session: (2 − 2m)², (1 − m)², m²; by item the same; single 3(1 − m)² + m².
    m = (3 + Z**2 / 2) / (4 + Z**2)
    clusters, single = (2 - 2 * m) ** 2 + (1 - m) ** 2 + m**2, 3 * (1 - m) ** 2 + m**2
    assert preference(votes, "a", "b").effective == pytest.approx(4 / ((2 * clusters - single) / single))


def test_no_vote_leaves_everything_open() -> None:
    for votes in (alone(0, 0), alone(0, 0, "equal", "unknown")):
        found = preference(votes, "a", "b")
        assert math.isnan(found.share)
        assert (found.low, found.high, found.more, found.decided) == (0.0, 1.0, None, False)


def coverage(sessions: int, items: int, unlike: float, trials: int = 400) -> tuple[float, float]:
    """How often the interval, and a plain Wilson interval, hold the true share: 10 votes a session.

    unlike : how far items and sessions differ in what they prefer, on the scale of the logit, around 0.4.
    """
    rng = np.random.default_rng(5)
    true = expit(0.4 + unlike * np.sqrt(2) * rng.standard_normal(200_000)).mean()
    held, plain = 0, 0
    for _ in range(trials):
        of_item, of_session = unlike * rng.standard_normal(items), unlike * rng.standard_normal(sessions)
        session = np.repeat(np.arange(sessions), 10)
        item = np.concatenate([rng.choice(items, 10, replace=False) for _ in range(sessions)])
        first = rng.random(len(item)) < expit(0.4 + of_item[item] + of_session[session])
        votes = pd.DataFrame({"session": session, "item_id": item, "choice": np.where(first, "a", "b")})
        found = preference(votes, "a", "b")
        held += found.low <= true <= found.high
        low, high = wilson(first.sum(), len(first))
        plain += low <= true <= high
    return held / trials, plain / trials


def test_intervals_hold_the_truth_in_95_of_100_where_votes_are_independent() -> None:
    held, _ = coverage(sessions=15, items=500, unlike=0)
    assert 0.93 <= held <= 0.99


def test_intervals_hold_the_truth_where_people_and_items_differ_and_plain_ones_do_not() -> None:
    held, plain = coverage(sessions=25, items=60, unlike=1)
    assert 0.91 <= held <= 0.98
    assert plain < 0.85


# --- how many more ---


def test_votes_still_to_come_decide_if_they_come_as_before() -> None:
    found = preference(alone(13, 7, "equal", "equal", "unknown", "unknown", "unknown"), "a", "b")
    assert not found.decided
    # A share of 0.65 needs 3.8415 / (4 · 0.15²) = 42.7, so 43; 20 of 25 votes decide: 23 more are 28.75 votes.
    assert votes_needed(0.65) == 43
    assert found.more == 29


def test_votes_that_are_alike_decide_later() -> None:
    votes = pd.concat([alone(13, 7)] * 2, ignore_index=True)
    found = preference(votes, "a", "b")
    # Each vote twice, by the same person on the same item: item, session and pair are one cluster each, of two.
    assert found.effective == pytest.approx(20)
    assert found.more == 2 * preference(alone(13, 7), "a", "b").more == 46


def test_a_share_too_near_one_half_is_called_so() -> None:
    assert preference(alone(10, 10), "a", "b").more is None
    # 0.505 needs 38,415.
    assert preference(alone(101, 99), "a", "b").more is None
    assert preference(alone(40, 10), "a", "b").more == 0


# --- what counts ---


def test_choices_are_models_whichever_side_they_stood_on() -> None:
    votes = pd.DataFrame(
        [
            ("als", "word2vec", "left", 10, False),
            ("word2vec", "als", "left", 10, False),
            ("als", "word2vec", "right", 10, False),
            ("word2vec", "als", "unknown", 10, False),
            ("als", "word2vec", "equal", 10, False),
            ("als", "word2vec", "left", 5, False),
            ("als", "word2vec", "left", 10, True),
            ("als", "other", "left", 10, False),
        ],
        columns=["left_model", "right_model", "answer", "n", "looked"],
    )
    kept = counted(votes, ("als", "word2vec"), 10)
    assert kept["choice"].tolist() == ["als", "word2vec", "word2vec", "unknown", "equal"]
    assert counted(votes.iloc[:0], ("als", "word2vec"), 10).empty


def test_groups_count_their_items_votes_and_the_most_voted_come_first() -> None:
    votes = cast("s1 x a", "s2 x a", "s3 y b", "s4 z a", "s5 w a")
    tags = pd.Series({"x": ["rock"], "y": ["pop", "rock"], "z": ["jazz", "pop"], "w": []})
    found = by_group(votes, tags, "a", "b")
    assert {name: (each.first, each.second) for name, each in found.items()} == {
        "rock": (2, 1), "pop": (1, 1), "jazz": (1, 0),
    }  # fmt: skip
    assert list(by_group(votes, tags, "a", "b", limit=2)) == ["rock", "pop"]


# --- whether people agree ---


def test_alpha_of_krippendorffs_own_example() -> None:
    # Krippendorff (2011), section C: four observers, twelve units, gaps; alpha 0.743. The fifth value stands for one
    # more category.
    observers = [
        "1 2 3 3 2 1 4 1 2 . . .",
        "1 2 3 3 2 2 4 1 2 5 . 3",
        ". 3 3 3 2 3 4 2 2 5 1 .",
        "1 2 3 3 2 4 4 1 2 5 1 .",
    ]
    votes = [
        f"s{observer} u{unit} {value}"
        for observer, values in enumerate(observers)
        for unit, value in enumerate(values.split())
        if value != "."
    ]
    assert concord(cast(*votes)).alpha == pytest.approx(0.743, abs=0.0005)


def test_pairs_that_agree_are_counted_and_cannot_tell_is_left_out() -> None:
    votes = cast(
        "s1 x a", "s2 x a", "s3 x b", "s4 x unknown", "s1 y equal", "s2 y equal", "s1 z b", "s2 w a", "s3 w unknown"
    )
    by_item = {"x": ["a", "a", "b"], "y": ["equal", "equal"]}
    pairs = [pair for each in by_item.values() for pair in itertools.combinations(each, 2)]
    found = concord(votes)
    assert (found.items, found.pairs) == (2, len(pairs)) == (2, 4)
    assert found.agreeing == sum(one == other for one, other in pairs) / 4 == 0.5
    # Observed: o_ab = o_ba = 1, of 5. Expected: (5² − 2² − 1² − 2²) / 4 = 4.
    assert found.alpha == pytest.approx(1 - 2 / 4)


def test_agreement_that_cannot_be_known_is_not_given() -> None:
    assert concord(cast("s1 x a", "s1 y b")).items == 0
    assert math.isnan(concord(cast("s1 x a", "s2 x a")).alpha)


# --- in words ---


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (preference(alone(0, 0), "a", "b"), "No vote prefers one list yet."),
        (preference(alone(0, 1), "a", "b"), "The only vote that prefers one list prefers Word2vec's."),
        (
            preference(alone(34, 16), "a", "b"),
            "Of 50 votes that prefer one list, 34 prefer ALS's (68%, 95% interval 54% to 79%): that is more "
            "than chance.",
        ),
        (
            preference(alone(7, 13), "a", "b"),
            "Of 20 votes that prefer one list, 13 prefer Word2vec's (65%, 95% interval 43% to 82%): not decided. At "
            "this share it takes about 23 more votes.",
        ),
        (
            preference(alone(10, 10), "a", "b"),
            "Of 20 votes that prefer one list, 10 prefer ALS's (50%, 95% interval 30% to 70%): too near one half to be "
            "decided by votes.",
        ),
        (
            preference(cast(*(f"s1 i{each} b" for each in range(5))), "a", "b"),
            "Of 5 votes that prefer one list, 5 prefer Word2vec's (100%, 95% interval 21% to 100%): all from one "
            "visit, so this is one person's taste.",
        ),
    ],
)
def test_the_verdict_says_what_the_votes_do(found: Preference, words: str) -> None:
    assert verdict(found, "ALS", "Word2vec") == words
