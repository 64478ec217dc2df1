from __future__ import annotations

import numpy as np
import pytest

from recsys.errors import ParameterError
from recsys.listener.profile import Profile
from recsys.listener.recommend import Recommender


def test_a_listener_of_the_data_is_their_plays(recommender: Recommender) -> None:
    dense = recommender.artifacts.user_items[17].toarray()[0]
    found = Profile.of_listener(recommender.artifacts, 17)
    assert dict(zip(found.rows, found.plays)) == {row: dense[row] for row in np.flatnonzero(dense)}


def test_a_pick_stands_for_as_many_plays_as_are_usual(recommender: Recommender) -> None:
    user_items = recommender.artifacts.user_items
    picked = Profile.of_picks({4: 2.0, 9: -1.0}, recommender.artifacts)
    usual = user_items.data.mean()
    assert usual > 1.5
    np.testing.assert_allclose(picked.plays, [2 * usual, -usual], rtol=1e-5)


@pytest.mark.parametrize("number", [-1, 250])
def test_a_listener_who_is_not_there_is_refused(recommender: Recommender, number: int) -> None:
    with pytest.raises(ParameterError, match=f"no listener {number}; they have the numbers 0 to 249"):
        Profile.of_listener(recommender.artifacts, number)


@pytest.mark.parametrize(
    ("plays", "words"),
    [
        ({}, "no item of the profile has a weight above 0"),
        ({1: -2.0}, "no item of the profile has a weight above 0"),
        ({5: 1.0}, "no item row 5; rows go from 0 to 4"),
        ({-1: 1.0}, "no item row -1"),
        ({1: 0.0}, "a weight is 0"),
        ({1: float("nan")}, "a weight is nan"),
        ({1: 2e9}, "between -1,000,000,000 and 1,000,000,000"),
    ],
)
def test_what_is_no_profile_is_refused(plays: dict[int, float], words: str) -> None:
    with pytest.raises(ParameterError, match=words):
        Profile.of_plays(plays, 5)
