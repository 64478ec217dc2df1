"""A sequence that goes well together: each item near the one before and near the profile."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from recsys.analysis.neighbours import top_columns
from recsys.artifacts.store import ArtifactSet
from recsys.errors import ParameterError
from recsys.listener.matching import artist_and_title, has_tracks
from recsys.listener.profile import Profile
from recsys.listener.recommend import Recommender

FloatArray = npt.NDArray[np.floating[Any]]
LONGEST_RADIO = 200
# Items that are near the profile at all; the sequence stays among them.
POOL = 2_000
# How much the item before counts beside the profile. Word2vec knows what is played after what, ALS who likes what.
FOLLOWS = {"word2vec": 0.6, "als": 0.3}
AMONG = 3
ARTIST_GAP = 5


@dataclass(frozen=True)
class Rules:
    """How a sequence is put together.

    follows : what nearness to the item before counts, [0, 1]; the rest is nearness to the profile.
    among : each item is drawn from so many best, >= 1; 1 leaves nothing to the seed.
    artist_gap : an artist is not played again within so many items, >= 0; where items are artists it says nothing.

    Raises
    ------
    ParameterError : one is outside its limits.
    """

    follows: float
    among: int = AMONG
    artist_gap: int = ARTIST_GAP

    def __post_init__(self) -> None:
        if not 0 <= self.follows <= 1:
            raise ParameterError(f"follows is {self.follows}; it must lie between 0 and 1")
        if self.among < 1:
            raise ParameterError(f"among is {self.among}; each item is drawn from at least 1")
        if self.artist_gap < 0:
            raise ParameterError(f"the gap between an artist's items is {self.artist_gap}; it must be 0 or more")


def sequence(
    vectors: FloatArray,
    query: FloatArray,
    n: int,
    rng: np.random.Generator,
    rules: Rules,
    *,
    artist: npt.NDArray[np.integer[Any]] | None = None,
    start: int | None = None,
) -> npt.NDArray[np.intp]:
    """Rows of `vectors` in the order to play them, none twice.

    Parameters
    ----------
    vectors : (n_candidates, d), unit rows. query : (d,), what all should be near.
    artist : a number for each candidate's artist, -1 where it is not known; None where items are artists.
    start : the first item; None draws it near the query.

    Returns
    -------
    (<= n,); shorter where the rules leave nothing to play.
    """
    near_profile = vectors @ query
    played: list[int] = [] if start is None else [start]
    while len(played) < n:
        worth = near_profile
        if played:
            worth = rules.follows * (vectors @ vectors[played[-1]]) + (1 - rules.follows) * near_profile
        allowed = np.ones(len(vectors), bool)
        allowed[played] = False
        if artist is not None and rules.artist_gap:
            recent = artist[played[-rules.artist_gap :]]
            allowed &= ~np.isin(artist, recent[recent >= 0])
        best, values = top_columns(np.where(allowed, worth, -np.inf)[None], min(rules.among, len(vectors)))
        real = best[0][np.isfinite(values[0])]
        if not len(real):
            break
        played.append(int(rng.choice(real)))
    return np.array(played[:n], np.intp)


def radio(
    recommender: Recommender,
    profile: Profile,
    model: str,
    *,
    n: int,
    seed: int,
    rules: Rules | None = None,
    keep_known: bool = True,
) -> pd.DataFrame:
    """A sequence for a profile by one model; with the same seed and artifact set always the same.

    A profile of one item begins with it. What is disliked is never played.

    Parameters
    ----------
    rules : None for those that suit the model.
    keep_known : whether the profile's own items may be played, except for that first one.

    Returns
    -------
    One row an item: position (from 1), item_row, item_id, name, to_last (cosine with the item before; NaN for the
    first), to_profile (cosine with the weighted mean of the profile), popularity. Empty where the model knows none of
    the profile's items.

    Raises
    ------
    ParameterError : n outside 1 … LONGEST_RADIO, a seed below 0, no such model, or more items than `recommend` takes.
    """
    if not 1 <= n <= LONGEST_RADIO:
        raise ParameterError(f"n is {n}; a radio plays between 1 and {LONGEST_RADIO} items")
    if seed < 0:
        raise ParameterError(f"the seed is {seed}; it must be 0 or more")
    artifacts = recommender.artifacts
    scores, query = recommender.near(profile, model)
    scores[profile.rows[profile.weights < 0]] = -np.inf
    seeded = int(profile.rows[0]) if len(profile) == 1 and np.isfinite(scores[profile.rows[0]]) else None
    if not keep_known:
        scores[[row for row in profile.rows if row != seeded]] = -np.inf
    pool, values = top_columns(scores[None], min(POOL, len(scores)))
    rows = pool[0][np.isfinite(values[0])]
    if seeded is not None:
        rows = np.concatenate([[seeded], rows[rows != seeded]])
    vectors = recommender.space(model).vectors[rows]
    rules = rules or Rules(FOLLOWS.get(model, 0.5))
    found = sequence(
        vectors, query, n, np.random.default_rng(seed), rules,
        artist=artist_codes(artifacts, rows), start=None if seeded is None else 0,
    )  # fmt: skip
    steps = np.einsum("id,id->i", vectors[found[1:]], vectors[found[:-1]]) if len(found) else np.empty(0)
    items = artifacts.catalogue.iloc[rows[found]]
    return pd.DataFrame(
        {
            "position": np.arange(1, len(found) + 1),
            "item_row": rows[found],
            "item_id": items["item_id"].to_numpy(object),
            "name": items["name"].to_numpy(object),
            "to_last": np.concatenate([[np.nan] * min(1, len(found)), steps]),
            "to_profile": (vectors[found] @ query).astype(float),
            "popularity": items["popularity"].to_numpy(float),
        }
    )


def artist_codes(artifacts: ArtifactSet, rows: npt.NDArray[np.integer[Any]]) -> npt.NDArray[np.int64] | None:
    """A number for each item's artist, -1 where it is not known, int64 (n_rows,); None where items are artists."""
    if not has_tracks(artifacts):
        return None
    items = artifacts.catalogue.iloc[rows]
    if "artist" in items:
        artists = items["artist"].fillna("").astype(str)
    else:
        artists = items["name"].map(lambda name: artist_and_title(name)[0])
    codes, _ = pd.factorize(artists.str.casefold().mask(artists == ""))
    return codes.astype(np.int64)
