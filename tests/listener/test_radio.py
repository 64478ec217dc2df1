"""Sequences that go well together, by hand on a circle and by brute force on the small set."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from recsys.artifacts.store import ArtifactSet
from recsys.errors import ParameterError
from recsys.listener.profile import Profile
from recsys.listener.radio import FOLLOWS, Rules, artist_codes, radio, sequence
from recsys.listener.recommend import Recommender


def circle(*degrees: float) -> np.ndarray:
    angles = np.deg2rad(degrees)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


VECTORS = circle(0, 40, 80, 120, 161, 198)
EAST = circle(0)[0]
RNG = np.random.default_rng


def play(n: int, rules: Rules, **more: object) -> list[int]:
    return sequence(VECTORS, EAST, n, RNG(0), rules, **more).tolist()  # type: ignore[arg-type]


def test_what_follows_the_last_item_walks_round_the_circle() -> None:
    assert play(6, Rules(follows=1.0, among=1), start=0) == [0, 1, 2, 3, 4, 5]


def test_what_follows_the_profile_alone_is_its_ranking() -> None:
    # Cosines with east: 1, .766, .174, −.5, −.946, −.951.
    assert play(6, Rules(follows=0.0, among=1)) == [0, 1, 2, 3, 4, 5]
    # From 161°, half and half: 0 → .027, 1 → .125, 2 → ½(.156 + .174) = .165, 3 → .127, 5 → −.076: what lies between
    # both is nearest; from 80° then 1 → ½(.766 + .766), and so on to the profile.
    assert play(4, Rules(follows=0.5, among=1), start=4) == [4, 2, 1, 0]


def test_an_artist_waits_for_the_gap_and_unknown_artists_never_do() -> None:
    artist = np.array([7, 7, 8, 7, 9, -1])
    assert play(6, Rules(1.0, 1, artist_gap=1), artist=artist, start=0) == [0, 2, 3, 4, 5, 1]
    assert play(6, Rules(1.0, 1, artist_gap=2), artist=artist, start=0) == [0, 2, 4, 5, 3]
    assert play(6, Rules(1.0, 1, artist_gap=0), artist=artist, start=0) == [0, 1, 2, 3, 4, 5]


def test_it_ends_where_the_rules_leave_nothing() -> None:
    artist = np.array([7, 7, 7, 7, 7, 8])
    assert play(6, Rules(1.0, 1, artist_gap=2), artist=artist, start=0) == [0, 5]
    assert play(9, Rules(1.0, 1)) == [0, 1, 2, 3, 4, 5]


def test_unknown_artists_may_follow_each_other() -> None:
    assert play(6, Rules(1.0, 1), artist=np.full(6, -1), start=0) == [0, 1, 2, 3, 4, 5]


def test_each_item_is_drawn_from_the_best_and_the_seed_decides() -> None:
    rules = Rules(follows=1.0, among=2)
    found = {tuple(sequence(VECTORS, EAST, 3, RNG(seed), rules, start=2).tolist()) for seed in range(40)}
    # Beside 80° lie 40° and 120°; beside 40° then 0° and 120°; beside 120° 161° and 198°.
    assert found == {(2, 1, 0), (2, 1, 3), (2, 3, 4), (2, 3, 5)}


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        ({"follows": 1.2}, "between 0 and 1"),
        ({"follows": 0.5, "among": 0}, "at least 1"),
        ({"follows": 0.5, "artist_gap": -1}, "0 or more"),
    ],
)
def test_rules_have_limits(rules: dict[str, float], words: str) -> None:
    with pytest.raises(ParameterError, match=words):
        Rules(**rules)  # type: ignore[arg-type]


@pytest.fixture
def profile(recommender: Recommender) -> Profile:
    return Profile.of_plays({3: 4.0, 40: 9.0, 11: -2.0}, 120)


@pytest.mark.parametrize("model", ["als", "word2vec"])
def test_the_same_seed_plays_the_same_and_another_does_not(
    recommender: Recommender, profile: Profile, model: str
) -> None:
    first, again, other = (radio(recommender, profile, model, n=20, seed=seed) for seed in (5, 5, 6))
    pd.testing.assert_frame_equal(first, again)
    assert first["item_row"].tolist() != other["item_row"].tolist()
    assert first["item_row"].is_unique
    assert 11 not in set(first["item_row"])
    assert first["position"].tolist() == list(range(1, 21))


@pytest.mark.parametrize("model", ["als", "word2vec"])
def test_every_step_is_among_the_best_by_brute_force(recommender: Recommender, profile: Profile, model: str) -> None:
    vectors = recommender.artifacts.array(f"{model}/vectors").astype(np.float64)
    mean = profile.weights @ vectors[profile.rows]
    near = vectors @ mean / np.linalg.norm(mean)
    found = radio(recommender, profile, model, n=25, seed=1)
    rows = found["item_row"].tolist()
    for at, row in enumerate(rows):
        worth = near
        if at:
            steps = vectors @ vectors[rows[at - 1]]
            worth = FOLLOWS[model] * steps + (1 - FOLLOWS[model]) * near
            assert found["to_last"][at] == pytest.approx(steps[row], abs=1e-5)
        worth = worth.copy()
        worth[[*rows[:at], 11]] = -np.inf
        assert row in np.argsort(-worth)[:3]
        assert found["to_profile"][at] == pytest.approx(near[row], abs=1e-5)
    assert np.isnan(found["to_last"][0])


def test_one_item_is_the_seed_that_it_begins_with(recommender: Recommender) -> None:
    seed_item = Profile.of_plays({33: 1.0}, 120)
    for keep_known in (True, False):
        found = radio(recommender, seed_item, "word2vec", n=5, seed=2, keep_known=keep_known)
        assert found["item_row"][0] == 33
    assert found["to_profile"][0] == pytest.approx(1)


def test_own_items_are_played_unless_they_are_to_be_left_out(recommender: Recommender) -> None:
    own = Profile.of_plays({3: 4.0, 40: 9.0}, 120)
    kept, without = (
        set(radio(recommender, own, "als", n=100, seed=0, keep_known=keep)["item_row"]) for keep in (True, False)
    )
    assert {3, 40} <= kept
    assert not {3, 40} & without


def with_tracks(artifacts: ArtifactSet) -> ArtifactSet:
    """The same set as if every third of its items in turn were by the same artist."""
    names = [f"Artist {row % 3} – Track {row}" for row in range(artifacts.manifest.counts.items)]
    config = {**artifacts.manifest.config, "level": "track"}
    tracks = replace(artifacts, manifest=artifacts.manifest.model_copy(update={"config": config}))
    tracks.__dict__["catalogue"] = artifacts.catalogue.assign(name=names)
    return tracks


def test_no_artist_of_tracks_is_heard_again_within_the_gap(recommender: Recommender, profile: Profile) -> None:
    here = Recommender(with_tracks(recommender.artifacts))
    found = radio(here, profile, "word2vec", n=30, seed=0, rules=Rules(0.5, artist_gap=2))
    artists = (found["item_row"] % 3).tolist()
    assert len(artists) == 30
    assert all(len(set(artists[at : at + 3])) == 3 for at in range(28))
    free = radio(here, profile, "word2vec", n=30, seed=0, rules=Rules(0.5, artist_gap=0))
    assert free["item_row"].tolist() != found["item_row"].tolist()


def test_artists_are_those_described_or_else_in_the_names(recommender: Recommender) -> None:
    assert artist_codes(recommender.artifacts, np.arange(4)) is None
    tracks = with_tracks(recommender.artifacts)
    codes = artist_codes(tracks, np.array([0, 3, 1]))
    assert codes is not None
    assert codes.tolist() == [0, 0, 1]
    described = replace(recommender.artifacts)
    artists = ["A", "", "a", None, *["b"] * (len(recommender.artifacts.catalogue) - 4)]
    described.__dict__["catalogue"] = recommender.artifacts.catalogue.assign(artist=artists)
    codes = artist_codes(described, np.arange(5))
    assert codes is not None
    assert codes.tolist() == [0, -1, 0, -1, 1]


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"n": 0, "seed": 0}, "between 1 and 200"),
        ({"n": 201, "seed": 0}, "between 1 and 200"),
        ({"n": 5, "seed": -1}, "the seed is -1"),
    ],
)
def test_what_cannot_be_played_is_refused(
    recommender: Recommender, profile: Profile, asked: dict[str, int], words: str
) -> None:
    with pytest.raises(ParameterError, match=words):
        radio(recommender, profile, "als", **asked)


def test_a_model_that_is_not_there_is_refused(recommender: Recommender, profile: Profile) -> None:
    with pytest.raises(ParameterError, match="no model 'magic' in this artifact set; it has als, word2vec"):
        radio(recommender, profile, "magic", n=5, seed=0)
