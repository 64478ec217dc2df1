"""What a listener would be given by either model, which of their items drove it, and how much of it is noise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import isfinite
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from recsys.analysis.neighbours import top_columns
from recsys.analysis.side_by_side import Lists, SideBySide, compare_lists
from recsys.analysis.stability import stabilities
from recsys.artifacts.store import ArtifactSet
from recsys.errors import ParameterError, UnsupportedSchema
from recsys.listener.profile import Profile
from recsys.listener.rerank import Measured, Price, Wish, measured, rerank
from recsys.models.als import AlsParams, ListenerFoldIn, one_blas_thread
from recsys.models.bm25 import Bm25Statistics, clip, weigh
from recsys.models.vectors import ItemVectors, unit_rows

# How a model is asked: by the mean of vectors, which any has, MODEL_mean; ALS also by folding the listener in.
Way = str
FOLD_IN: Way = "als_fold_in"
_MEAN = "_mean"
LONGEST_LIST = 1_000
# How far beyond n a wish for popularity or diversity looks for candidates: this many times n, and at least so many.
CANDIDATES_A_PLACE, FEWEST_CANDIDATES = 10, 100
SOME_REASONS = 3


def ways(artifacts: ArtifactSet) -> list[Way]:
    """The ways in which the models of a set can be asked."""
    fold_in = [FOLD_IN] if model_of(FOLD_IN) in artifacts.model_names else []
    return [*fold_in, *map(mean_of, artifacts.model_names)]


def mean_of(model: str) -> Way:
    """The way to ask a model by the mean of its vectors."""
    return f"{model}{_MEAN}"


def usual_way(model: str) -> Way:
    """How a model is asked where nobody says otherwise: ALS by folding in, any other by the mean."""
    return FOLD_IN if model == model_of(FOLD_IN) else mean_of(model)


def model_of(way: Way) -> str:
    """The model that is asked in this way."""
    return "als" if way == FOLD_IN else way.removesuffix(_MEAN)


@dataclass(frozen=True)
class Recommended:
    """One model's list for a listener.

    way : how the model was asked. title : that for people. n : length asked for.
    table : at most n rows, best first: rank, item_row, item_id, name, score (a cosine for a mean of vectors, a
        predicted preference for a fold-in), stability (share of replicates with it in their top n; NaN with one
        replicate), listeners, popularity (percentile). Empty where the model knows none of the profile's items.
    contributions : float64 (n_shown, n_own), what each of the profile's items adds to each score; rows sum to it.
    lists : the same list and those of each fit alone and of both halves, for comparisons.
    price : what the wish for another order costs; before and after are the same where there was none.
    """

    way: Way
    title: str
    n: int
    profile: Profile
    table: pd.DataFrame
    contributions: npt.NDArray[np.float64]
    lists: Lists
    price: Price

    def as_json(self, catalogue: pd.DataFrame) -> dict[str, Any]:
        """The list, each item with the profile's items that speak loudest for or against it, and the price."""
        shown = ["rank", "item_id", "name", "score", "stability", "listeners", "popularity"]
        own = catalogue.iloc[self.profile.rows]
        ids, names = own["item_id"].tolist(), own["name"].tolist()
        return {
            "items": [
                {
                    **{key: _known(value) for key, value in row.items()},
                    "because": [
                        {"item_id": ids[at], "name": names[at], "contribution": float(parts[at])}
                        for at in strongest(parts)
                    ],
                }
                for row, parts in zip(self.table[shown].to_dict("records"), self.contributions, strict=True)
            ],
            "price": {when: _json(getattr(self.price, when)) for when in ("before", "after")},
        }


class Recommender:
    """Answers for any profile from one artifact set, by exact search over its whole catalogue; serves all sessions.

    With several replicates a mean of vectors is that of the consensus. A fold-in is one a replicate, because factors of
    different fits do not share their axes; scores, and with them contributions, are the mean over the fits.
    """

    def __init__(self, artifacts: ArtifactSet) -> None:
        self.artifacts = artifacts
        self._spaces: dict[str, _Space] = {}

    def recommend(
        self, profile: Profile, way: Way, *, n: int, keep_known: bool = False, wish: Wish | None = None
    ) -> Recommended:
        """The n items that one model would give this listener.

        Parameters
        ----------
        keep_known : whether the profile's own items may be recommended too.
        wish : another order, also of the lists of single fits, so that noise is that of what is shown.

        Raises
        ------
        ParameterError : n outside 1 … LONGEST_LIST, or no such way.
        UnsupportedSchema : a fold-in is asked of a set without the factors of all fits.
        """
        if way not in ways(self.artifacts):
            there = ", ".join(ways(self.artifacts))
            raise ParameterError(f"there is no way {way!r} to recommend; choose one of {there}")
        if not 1 <= n <= LONGEST_LIST:
            raise ParameterError(f"n is {n}; it must lie between 1 and {LONGEST_LIST:,}")
        wish = wish or Wish()
        space = self.space(model_of(way))
        asked = self._fold_in(profile) if way == FOLD_IN else _Mean(space, profile)
        scores = asked.scores()
        scores[:, ~space.present] = -np.inf
        if not keep_known:
            scores[:, profile.rows] = -np.inf
        deep = n if wish.is_none else max(CANDIDATES_A_PLACE * n, FEWEST_CANDIDATES)
        candidates, values = top_columns(scores, min(deep, scores.shape[1]))
        popularity = self.artifacts.catalogue["popularity"].to_numpy(float)
        found = [(rows[np.isfinite(own)], own[np.isfinite(own)]) for rows, own in zip(candidates, values, strict=True)]
        plain, plain_scores = (each[:n] for each in found[0])
        if wish.is_none:
            found = [(rows[:n], own[:n]) for rows, own in found]
        else:
            orders = [rerank(own, popularity[rows], space.vectors[rows], n, wish) for rows, own in found]
            found = [(rows[order], own[order]) for (rows, own), order in zip(found, orders, strict=True)]
        rows, own = found[0]
        missing = (0, n - len(rows))
        ranked_by = own if wish.is_none else -np.arange(len(own))
        others = [np.pad(each, (0, n - len(each)), constant_values=-1)[None] for each, _ in found[1:]]
        lists = Lists(
            rows=np.pad(rows, missing, constant_values=-1)[None],
            similarities=np.pad(ranked_by.astype(np.float32), missing, constant_values=np.nan)[None],
            replicates=others[2:],
            halves=others[:2],
        )
        return Recommended(
            way=way,
            title=self._title(way),
            n=n,
            profile=profile,
            table=self._table(rows, own, lists.replicates, n),
            contributions=asked.contributions(rows),
            lists=lists,
            price=Price(
                measured(plain_scores, popularity[plain], space.vectors[plain]),
                measured(own, popularity[rows], space.vectors[rows]),
            ),
        )

    def _title(self, way: Way) -> str:
        title = self.artifacts.titles[model_of(way)]
        return f"{title}, mean of vectors" if way == mean_of(model_of(FOLD_IN)) else title

    def near(self, profile: Profile, model: str) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """How near every item is to the weighted mean of a profile's vectors, by the consensus of one model.

        Returns
        -------
        Cosines float32 (n_items,), -inf for items that the model lacks, and the mean, a unit vector float32 (d,).

        Raises
        ------
        ParameterError : the set has no such model.
        """
        space = self.space(model)
        asked = _Mean(space, profile)
        return asked.scores()[0], asked.query

    def space(self, model: str) -> _Space:
        """The vectors of one model, measured once.

        Raises
        ------
        ParameterError : the set has no such model.
        """
        if model not in self.artifacts.model_names:
            known = ", ".join(self.artifacts.model_names)
            raise ParameterError(f"there is no model {model!r} in this artifact set; it has {known}")
        if model not in self._spaces:
            self._spaces[model] = _Space(self.artifacts.vectors(model))
        return self._spaces[model]

    def _fold_in(self, profile: Profile) -> _FoldIn:
        params = AlsParams.model_validate(self.artifacts.manifest.models["als"].params)
        statistics = self._statistics
        liked = profile.weights > 0
        idf = np.log(len(statistics.relative_length)) - np.log1p(liked.sum())
        weights, _ = clip(
            weigh(np.abs(profile.plays), statistics.relative_length[profile.rows], idf, k1=params.k1, b=params.b)
        )
        # A dislike must be surer than of an item never played, whose confidence is 1, or it would speak in favour.
        return _FoldIn(self._factors, self._fold_ins, profile, np.where(liked, weights, -1 - weights))

    @cached_property
    def _statistics(self) -> Bm25Statistics:
        return Bm25Statistics.of(self.artifacts.user_items)

    @cached_property
    def _factors(self) -> npt.NDArray[np.float32]:
        """float32 (n_replicates, n_items, factors)."""
        artifacts = self.artifacts
        entry, counts = artifacts.manifest.models["als"], artifacts.manifest.counts
        expected = [entry.n_replicates, counts.items, entry.params["factors"]]
        stored = artifacts.manifest.files.get("als/item_factors.npy")
        if stored is None or stored.shape != expected:
            raise UnsupportedSchema(
                f"{artifacts.folder} holds ALS item factors of {stored.shape if stored else 'no fit'}, a fold-in needs "
                f"{expected} (fits, items, factors); build the set again"
            )
        return artifacts.array("als/item_factors")

    @cached_property
    def _fold_ins(self) -> list[ListenerFoldIn]:
        regularization = self.artifacts.manifest.models["als"].params["regularization"]
        # OpenBLAS takes ten times as long for these products with two threads beside other work.
        with one_blas_thread():
            return [ListenerFoldIn(each, regularization) for each in self._factors]

    def _table(
        self, rows: npt.NDArray[np.int32], scores: npt.NDArray[Any], replicates: Sequence[npt.NDArray[np.int32]], n: int
    ) -> pd.DataFrame:
        items = self.artifacts.catalogue.iloc[rows]
        return pd.DataFrame(
            {
                "rank": np.arange(1, len(rows) + 1),
                "item_row": rows,
                "item_id": items["item_id"].to_numpy(object),
                "name": items["name"].to_numpy(object),
                "score": scores.astype(float),
                "stability": stabilities(rows, [each[0] for each in replicates], n),
                "listeners": items["listeners"].to_numpy(),
                "popularity": items["popularity"].to_numpy(float),
            }
        )


def compare(artifacts: ArtifactSet, first: Recommended, second: Recommended) -> SideBySide:
    """Two lists for one listener side by side, with the noise beside the difference; the rule is that of neighbours.

    In the tables, similarity is the score.

    Raises
    ------
    ParameterError : the lists are of different lengths.
    """
    if first.n != second.n:
        raise ParameterError(f"the lists were made for n = {first.n} and n = {second.n}; ask for one length")
    both = (first, second)
    places = artifacts.places([model_of(each.way) for each in both])
    view = compare_lists(
        artifacts.catalogue,
        int(first.profile.rows[0]),
        {each.way: each.lists for each in both},
        n=first.n,
        titles={each.way: each.title for each in both},
    )
    tables: dict[str, pd.DataFrame] = {
        each.way: view.lists[each.way].assign(similarity=each.table["score"]) for each in both
    }
    # The query of the comparison is the listener, who is no item.
    return replace(view, item_row=-1, item_id="", name="This listener", listeners=0, lists=tables, places=places)


def strongest(parts: npt.NDArray[np.float64], limit: int = SOME_REASONS) -> list[int]:
    """Which of the profile's items weigh most for or against one recommendation; parts (n_own,)."""
    order = np.argsort(-np.abs(parts), kind="stable")[:limit]
    return [int(at) for at in order if parts[at] != 0]


class _Space:
    """One model's vectors, with the lengths that they have in the consensus, in each half and in each replicate.

    subsets : which replicates each list is of: all, both halves, each alone. With one replicate: all.
    """

    def __init__(self, vectors: ItemVectors) -> None:
        self.vectors, self.n_replicates = vectors.vectors, vectors.n_replicates
        every = list(range(self.n_replicates))
        middle = self.n_replicates // 2
        self.subsets = [every]
        if self.n_replicates > 1:
            self.subsets += [every[:middle], every[middle:], *([each] for each in every)]
        self.width = self.vectors.shape[1] // self.n_replicates
        blocks = self.vectors.reshape(len(self.vectors), self.n_replicates, self.width)
        squares = np.einsum("ird,ird->ir", blocks, blocks)
        self.lengths = np.sqrt(np.stack([squares[:, each].sum(axis=1) for each in self.subsets]))
        self.present = self.lengths[0] > 0

    def columns(self, replicates: list[int]) -> slice:
        """Where the vectors of neighbouring replicates stand."""
        return slice(replicates[0] * self.width, (replicates[-1] + 1) * self.width)


class _Mean:
    """The weighted mean of unit vectors and each item's cosine with it."""

    def __init__(self, space: _Space, profile: Profile) -> None:
        self._space = space
        self._own = space.vectors[profile.rows]
        self._weights = profile.weights
        mean = profile.weights @ self._own
        self._length = float(np.linalg.norm(mean)) or 1.0
        self.query = (mean / self._length).astype(np.float32)

    def scores(self) -> npt.NDArray[np.float32]:
        """Cosines in each of the space's subsets, (n_subsets, n_items); -inf where the mean is nothing."""
        space = self._space
        queries = np.zeros((len(space.subsets), space.vectors.shape[1]), np.float32)
        for query, replicates in zip(queries, space.subsets, strict=True):
            here = space.columns(replicates)
            query[here] = self._weights @ unit_rows(self._own[:, here])
        lengths = np.linalg.norm(queries, axis=1, keepdims=True)
        products = queries @ space.vectors.T
        scale = lengths * space.lengths
        result = np.full(products.shape, -np.inf, np.float32)
        np.divide(products, scale, out=result, where=scale > 0)
        return result

    def contributions(self, rows: npt.NDArray[np.int32]) -> npt.NDArray[np.float64]:
        """(n_rows, n_own)."""
        cosines: npt.NDArray[np.float64] = self._space.vectors[rows].astype(np.float64) @ self._own.T
        return cosines * self._weights / self._length


class _FoldIn:
    """The listener's factors in each fit and each item's dot product with them."""

    def __init__(
        self,
        factors: npt.NDArray[np.float32],
        fold_ins: list[ListenerFoldIn],
        profile: Profile,
        weights: npt.NDArray[np.float64],
    ) -> None:
        self._factors = factors
        self._parts = [fold_in(profile.rows, weights) for fold_in in fold_ins]

    def scores(self) -> npt.NDArray[np.float32]:
        """Means over all fits and over both halves, then each fit's own, (n_subsets, n_items)."""
        single = np.stack(
            [
                factors @ parts.sum(axis=0).astype(np.float32)
                for factors, parts in zip(self._factors, self._parts, strict=True)
            ]
        )
        middle = len(single) // 2
        if not middle:
            return single
        return np.stack([single.mean(axis=0), single[:middle].mean(axis=0), single[middle:].mean(axis=0), *single])

    def contributions(self, rows: npt.NDArray[np.int32]) -> npt.NDArray[np.float64]:
        """(n_rows, n_own)."""
        pairs = zip(self._factors, self._parts, strict=True)
        result: npt.NDArray[np.float64] = np.mean(
            [factors[rows].astype(np.float64) @ parts.T for factors, parts in pairs], axis=0
        )
        return result


def _known(value: Any) -> Any:
    return None if isinstance(value, float) and not isfinite(value) else value


def _json(found: Measured) -> dict[str, Any]:
    return {name: _known(getattr(found, name)) for name in ("score", "popularity", "sameness")}
