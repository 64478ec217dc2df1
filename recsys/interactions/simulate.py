"""Invented listeners over a catalogue of real artists, so that the truth behind a log is known.

Listeners belong to an *audience*, which likes several scenes, and to an *era*, the earlier, middle or later third of
each scene; each session has a *context*, one scene or one mood, and plays only from it. So the later artists of two
scenes of one audience are liked by the same people and hardly ever played together: ALS should put them side by side,
Word2vec should not. Popularity falls off like Zipf's law, and each listener has favourites of their own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from recsys.errors import ParameterError

SCENES_FILE = Path(__file__).with_name("scenes.csv")

# Every scene belongs to one audience; the truth that ALS should find.
AUDIENCES: dict[str, tuple[str, ...]] = {
    "explorers": ("art rock", "idm", "post-rock", "modern classical"),
    "headbangers": ("metal", "black metal", "progressive rock"),
    "festival crowd": ("britpop", "indie rock", "synthpop"),
    "dreamers": ("shoegaze", "post-punk", "ambient"),
    "guitar loyalists": ("grunge", "punk", "classic rock"),
    "storytellers": ("folk", "country", "blues"),
    "crate diggers": ("jazz", "mpb", "afrobeat"),
    "groove lovers": ("soul", "funk", "reggae"),
    "beat heads": ("r&b", "hip hop", "trip hop"),
    "clubbers": ("techno", "house", "drum and bass"),
    "chart followers": ("pop", "k-pop", "latin"),
}
# Scenes that are played together whoever listens; with the scene itself the truth that Word2vec should find.
MOODS: dict[str, tuple[str, ...]] = {
    "late night": ("trip hop", "ambient", "jazz"),
    "running": ("techno", "punk", "hip hop"),
    "sunday morning": ("folk", "soul", "modern classical"),
    "party": ("house", "funk", "latin"),
    "rain": ("shoegaze", "post-rock", "blues"),
}
MOOD_SHARE = 0.05
OWN_AUDIENCE_SHARE = 0.85
ERAS = ("earlier", "middle", "later")
OWN_ERA_SHARE = 0.8
FEWEST_ITEMS = len(ERAS) * sum(map(len, AUDIENCES.values()))
ZIPF_EXPONENT = 0.8
START = 1_704_067_200  # 2024-01-01 UTC
LISTENERS_PER_CHUNK = 5_000
MOST_A_PERSON = 1_000


@dataclass(frozen=True)
class Simulation:
    """What to simulate. The same values give the same log, bit for bit.

    n_listeners : how many people, >= 1.
    n_items : size of the catalogue; beyond the hand-written artists invented names are added, scene by scene.
    mean_sessions, mean_plays : averages a listener and a session.
    favourites : how many artists of a scene a listener knows at the most, >= 1.
    seed : of everything random, >= 0.
    """

    n_listeners: int
    n_items: int | None = None
    mean_sessions: float = 14.0
    mean_plays: float = 9.0
    favourites: int = 6
    seed: int = 0

    def __post_init__(self) -> None:
        if self.n_listeners < 1:
            raise ParameterError(f"{self.n_listeners} listeners; there must be at least 1")
        if self.n_items is not None and self.n_items < FEWEST_ITEMS:
            raise ParameterError(f"{self.n_items} items; there must be at least {FEWEST_ITEMS}, one an era and scene")
        for what, mean in (("sessions a listener", self.mean_sessions), ("plays a session", self.mean_plays)):
            if not 2 <= mean <= MOST_A_PERSON:
                raise ParameterError(f"{mean} {what} on average; there must be 2 to {MOST_A_PERSON:,}")
        if self.favourites < 1:
            raise ParameterError(f"{self.favourites} favourites; there must be at least 1")
        if self.seed < 0:
            raise ParameterError(f"seed is {self.seed}; it must be at least 0")


def catalogue(n_items: int | None = None) -> pd.DataFrame:
    """The artists: item_id, name, scene, audience, era, decade, country; most popular first within each scene."""
    artists = pd.read_csv(SCENES_FILE, keep_default_na=False)
    audience_of = {scene: audience for audience, scenes in AUDIENCES.items() for scene in scenes}
    artists["audience"] = artists["scene"].map(audience_of)
    artists["rank"] = artists.groupby("scene").cumcount()
    if n_items is not None and n_items < len(artists):
        artists = artists.sort_values(["rank"], kind="stable").head(n_items).sort_index()
    elif n_items is not None:
        invented = np.arange(n_items - len(artists))
        scenes = artists["scene"].unique()
        scene = scenes[invented % len(scenes)]
        last_rank = artists.groupby("scene")["rank"].max()
        more = pd.DataFrame({"scene": scene, "rank": last_rank[scene].to_numpy() + 1 + invented // len(scenes)})
        more["name"] = [f"{s.title()} Act {r}" for s, r in zip(more["scene"], more["rank"], strict=True)]
        more["audience"] = more["scene"].map(audience_of)
        more["decade"] = 1950 + 10 * (invented % 8)
        more["country"] = ""
        artists = pd.concat([artists, more], ignore_index=True)
    artists = artists.reset_index(drop=True)
    position = artists.sort_values("decade", kind="stable").groupby("scene").cumcount().sort_index()
    size = artists.groupby("scene")["scene"].transform("size")
    artists["era"] = np.array(ERAS)[position * len(ERAS) // size]
    artists.insert(0, "item_id", [f"s{row:06d}" for row in range(len(artists))])
    return artists.drop(columns="rank")


def events(simulation: Simulation) -> Iterator[pa.Table]:
    """Plays as tables with user, item, name, timestamp (seconds since 1970), listener by listener, oldest first.

    Memory is bounded by a few thousand listeners at a time, whatever their number.
    """
    artists = catalogue(simulation.n_items)
    scenes = list(artists["scene"].unique())
    rows_of = [
        np.flatnonzero((artists["scene"] == scene) & (artists["era"] == era)) for scene in scenes for era in ERAS
    ]
    popularity = [_zipf_cdf(len(rows)) for rows in rows_of]
    audiences = [[scenes.index(s) for s in members] for members in AUDIENCES.values()]
    moods = [[scenes.index(s) for s in members] for members in MOODS.values()]
    ids = pa.array(artists["item_id"])
    names = pa.array(artists["name"])
    for first in range(0, simulation.n_listeners, LISTENERS_PER_CHUNK):
        listeners = np.arange(first, min(first + LISTENERS_PER_CHUNK, simulation.n_listeners))
        rng = np.random.default_rng([simulation.seed, first])
        tastes = _tastes(len(listeners), len(scenes), audiences, rng)
        # Half of the mean for everyone, the other half with a long tail.
        n_sessions = np.maximum(
            1, int(simulation.mean_sessions / 2) + rng.geometric(2 / simulation.mean_sessions, len(listeners))
        )
        session_listener = np.repeat(np.arange(len(listeners)), n_sessions)
        n_plays = 2 + rng.poisson(simulation.mean_plays - 2, len(session_listener))
        play_session = np.repeat(np.arange(len(session_listener)), n_plays)
        scene = _contexts(tastes, session_listener, play_session, moods, rng)
        listener = listeners[session_listener[play_session]]
        slot = np.searchsorted(_zipf_cdf(simulation.favourites), rng.random(len(listener)), side="right")
        quantile = _uniform(simulation.seed, listener, scene, slot, 0)
        any_era = (_uniform(simulation.seed, listener, scene, slot, 1) / (1 - OWN_ERA_SHARE) * len(ERAS)).astype(int)
        own_era = (_uniform(simulation.seed, listener, 0, 0, 2) * len(ERAS)).astype(int)
        group = scene * len(ERAS) + np.where(any_era < len(ERAS), any_era, own_era)
        item = np.empty(len(listener), np.int64)
        for code, (rows, cdf) in enumerate(zip(rows_of, popularity, strict=True)):
            here = group == code
            item[here] = rows[np.searchsorted(cdf, quantile[here], side="right")]
        yield pa.table(
            {
                "user": pa.array([f"u{number:07d}" for number in listeners]).take(
                    pa.array(session_listener[play_session])
                ),
                "item": ids.take(pa.array(item)),
                "name": names.take(pa.array(item)),
                "timestamp": pa.array(_times(session_listener, play_session, n_plays, rng)),
            }
        )


def _zipf_cdf(n: int) -> npt.NDArray[np.float64]:
    weights = 1.0 / np.arange(2, n + 2) ** ZIPF_EXPONENT
    cdf: npt.NDArray[np.float64] = np.cumsum(weights) / weights.sum()
    cdf[-1] = 1.0
    return cdf


def _tastes(
    n_listeners: int, n_scenes: int, audiences: list[list[int]], rng: np.random.Generator
) -> npt.NDArray[np.float64]:
    """How much each listener likes each scene, rows sum to 1: mostly the own audience's scenes, and two others."""
    size = np.arange(len(audiences), 0, -1) + 3.0
    audience = rng.choice(len(audiences), n_listeners, p=size / size.sum())
    tastes = np.zeros((n_listeners, n_scenes))
    for code, members in enumerate(audiences):
        here = np.flatnonzero(audience == code)
        tastes[here[:, None], members] = OWN_AUDIENCE_SHARE * rng.dirichlet(np.full(len(members), 5.0), len(here))
    others = rng.random((n_listeners, n_scenes)).argsort(axis=1)[:, :2]
    np.add.at(tastes, (np.arange(n_listeners)[:, None], others), (1 - OWN_AUDIENCE_SHARE) / 2)
    result: npt.NDArray[np.float64] = tastes / tastes.sum(axis=1, keepdims=True)
    return result


def _contexts(
    tastes: npt.NDArray[np.float64],
    session_listener: npt.NDArray[np.int64],
    play_session: npt.NDArray[np.int64],
    moods: list[list[int]],
    rng: np.random.Generator,
) -> npt.NDArray[np.int64]:
    """The scene of each play: the session's one scene, or for a session in a mood any of the mood's scenes."""
    n_sessions = len(session_listener)
    taste_cdf = np.cumsum(tastes, axis=1)
    scene = (taste_cdf[session_listener] < rng.random(n_sessions)[:, None]).sum(axis=1)
    scene = np.minimum(scene, tastes.shape[1] - 1)
    in_mood = rng.random(n_sessions) < MOOD_SHARE
    mood = rng.integers(len(moods), size=n_sessions)
    width = np.array([len(members) for members in moods])
    members = np.array([list(m) + [m[0]] * (width.max() - len(m)) for m in moods])
    pick = (rng.random(len(play_session)) * width[mood[play_session]]).astype(np.int64)
    result: npt.NDArray[np.int64] = np.where(
        in_mood[play_session], members[mood[play_session], pick], scene[play_session]
    )
    return result


def _times(
    session_listener: npt.NDArray[np.int64],
    play_session: npt.NDArray[np.int64],
    n_plays: npt.NDArray[np.int64],
    rng: np.random.Generator,
) -> npt.NDArray[np.int64]:
    """Seconds since 1970: plays 3 to 5 minutes apart, sessions of one listener 8 to 72 hours."""
    pause = rng.integers(8 * 3600, 72 * 3600, len(session_listener))
    first_session = np.concatenate([[True], np.diff(session_listener) != 0])
    since = np.cumsum(pause)
    start = since - np.maximum.accumulate(np.where(first_session, since - pause, 0))
    gap = rng.integers(180, 300, len(play_session))
    elapsed = np.cumsum(gap)
    first_play = np.concatenate([[0], np.cumsum(n_plays)[:-1]])
    times: npt.NDArray[np.int64] = START + start[play_session] + elapsed - elapsed[first_play][play_session]
    return times


def _uniform(seed: int, *keys: npt.NDArray[np.int64] | int) -> npt.NDArray[np.float64]:
    """A fixed number in [0, 1) for each combination of keys, so that a listener's favourites need no memory.

    Source: the finaliser of SplitMix64, Steele, Lea & Flood (2014).
    """
    state = np.full(np.broadcast_shapes(*map(np.shape, keys)), (seed + 1) * 0x9E3779B97F4A7C15 % 2**64, np.uint64)
    for key in keys:
        state = state + (np.atleast_1d(key).astype(np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
        state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        state = state ^ (state >> np.uint64(31))
    return (state >> np.uint64(11)) / 2.0**53
