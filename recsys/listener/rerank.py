"""The same candidates in another order, and what that order costs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from recsys.errors import ParameterError

FloatArray = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Wish:
    """What a list should have besides what the model thinks best.

    popularity : −1 for the tail, 1 for the head, 0 for as it comes.
    diversity : 0 for as it comes, 1 for items as unlike each other as there are.

    Raises
    ------
    ParameterError : one is outside its limits.
    """

    popularity: float = 0.0
    diversity: float = 0.0

    def __post_init__(self) -> None:
        if not -1 <= self.popularity <= 1:
            raise ParameterError(f"the pull of popularity is {self.popularity}; it must lie between -1 and 1")
        if not 0 <= self.diversity <= 1:
            raise ParameterError(f"diversity is {self.diversity}; it must lie between 0 and 1")

    @property
    def is_none(self) -> bool:
        """Whether the order stays that of the scores."""
        return self.popularity == 0 and self.diversity == 0


@dataclass(frozen=True)
class Measured:
    """What a list amounts to; NaN where it is too short to say.

    score : mean score by the model. popularity : mean percentile. sameness : mean cosine of its pairs.
    """

    score: float
    popularity: float
    sameness: float


@dataclass(frozen=True)
class Price:
    """A list as the model has it, and as it was wished for."""

    before: Measured
    after: Measured


def rerank(scores: FloatArray, popularity: FloatArray, vectors: FloatArray, n: int, wish: Wish) -> npt.NDArray[np.intp]:
    """The n candidates to show, in the order to show them.

    An item's worth is its score, scaled to 0 … 1 over the candidates, and its popularity, in the shares that
    `wish.popularity` says. Each place then goes to the item with the greatest (1 − diversity) · worth − diversity ·
    (greatest cosine with an item already placed); ties to the earlier candidate.

    Parameters
    ----------
    scores : (n_candidates,), best first. popularity : their percentiles, [0, 100].
    vectors : (n_candidates, d), unit rows.

    Returns
    -------
    Positions among the candidates, (min(n, n_candidates),).

    Source: Carbonell & Goldstein (1998), The use of MMR, diversity-based reranking.
    """
    count = min(n, len(scores))
    if wish.is_none or not count:
        return np.arange(count)
    low, high = scores.min(), scores.max()
    worth = (scores - low) / (high - low) if high > low else np.ones(len(scores))
    wanted = popularity / 100 if wish.popularity > 0 else 1 - popularity / 100
    worth = (1 - abs(wish.popularity)) * worth + abs(wish.popularity) * wanted
    chosen = np.empty(count, np.intp)
    nearest = np.zeros(len(scores))
    left = np.ones(len(scores), bool)
    for place in range(count):
        gain = (1 - wish.diversity) * worth - wish.diversity * nearest
        best = int(np.argmax(np.where(left, gain, -np.inf)))
        chosen[place], left[best] = best, False
        cosine = vectors @ vectors[best]
        nearest = np.maximum(nearest, cosine) if place else cosine
    return chosen


def measured(scores: FloatArray, popularity: FloatArray, vectors: FloatArray) -> Measured:
    """What the list of these items amounts to; parameters as of `rerank`."""
    count = len(scores)
    if not count:
        return Measured(np.nan, np.nan, np.nan)
    together = vectors.sum(axis=0, dtype=np.float64)
    pairs = float(together @ together) - float(np.einsum("id,id->", vectors, vectors, dtype=np.float64))
    sameness = pairs / (count * (count - 1)) if count > 1 else np.nan
    return Measured(float(scores.mean()), float(popularity.mean()), sameness)
