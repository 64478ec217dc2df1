"""A listener as the models are asked about them: items and how much each counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from recsys.artifacts.store import ArtifactSet
from recsys.errors import ParameterError

LARGEST_WEIGHT = 1e9


@dataclass(frozen=True)
class Profile:
    """Items with weights.

    rows : int64 (n_own,), item rows, none twice. weights : float64 (n_own,), not 0; below 0 for "less like this".
    plays_a_weight : how many plays a weight of 1 stands for, > 0; only a fold-in asks, because BM25 weighs plays.
    """

    rows: npt.NDArray[np.int64]
    weights: npt.NDArray[np.float64]
    plays_a_weight: float = 1.0

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def plays(self) -> npt.NDArray[np.float64]:
        """The weights in plays, float64 (n_own,); below 0 for what is disliked."""
        return self.weights * self.plays_a_weight

    @classmethod
    def of_plays(cls, plays: Mapping[int, float], n_items: int) -> Profile:
        """A history: item rows and how often each was played.

        Raises
        ------
        ParameterError : no item counts for more than 0, a row is none of the catalogue's, or a weight is outside its
            limits.
        """
        rows = np.array(list(plays), np.int64)
        weights = np.array(list(plays.values()), np.float64)
        outside = rows[(rows < 0) | (rows >= n_items)]
        if len(outside):
            raise ParameterError(f"there is no item row {outside[0]}; rows go from 0 to {n_items - 1}")
        bad = weights[~((np.abs(weights) <= LARGEST_WEIGHT) & (weights != 0))]
        if len(bad):
            raise ParameterError(
                f"a weight is {bad[0]:g}; it must lie between -{LARGEST_WEIGHT:,.0f} and {LARGEST_WEIGHT:,.0f} and not "
                f"be 0: leave the item out instead"
            )
        if not (weights > 0).any():
            raise ParameterError("no item of the profile has a weight above 0; name one that the listener likes")
        return cls(rows, weights)

    @classmethod
    def of_picks(cls, weights: Mapping[int, float], artifacts: ArtifactSet) -> Profile:
        """Items chosen by hand: a weight of 1 stands for as many plays as a listener here has of an item on average.

        As one single play, an item that everybody plays often would count for next to nothing.

        Raises
        ------
        ParameterError : as `of_plays`.
        """
        counts = artifacts.manifest.counts
        picked = cls.of_plays(weights, counts.items)
        return cls(picked.rows, picked.weights, counts.plays / counts.interactions)

    @classmethod
    def of_listener(cls, artifacts: ArtifactSet, number: int) -> Profile:
        """A listener of the data by their number, from 0; whose models have seen them.

        Raises
        ------
        ParameterError : there is no such listener.
        """
        n_users = artifacts.manifest.counts.listeners
        if not 0 <= number < n_users:
            raise ParameterError(f"there is no listener {number}; they have the numbers 0 to {n_users - 1:,}")
        own = slice(*artifacts.user_items.indptr[number : number + 2])
        plays = artifacts.user_items.data[own].astype(np.float64)
        return cls(artifacts.user_items.indices[own].astype(np.int64), plays)
