"""Models and baselines fitted to one part of a log and asked for the other; with intervals, by segment, in words."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from recsys.analysis.evaluation import Scores, by_factors, top_lists
from recsys.analysis.intervals import interval, resampled_means
from recsys.artifacts.evaluations import Difference, Evaluated, Figure, Findings, Measured, Segment
from recsys.evaluation import scores
from recsys.evaluation.measures import (
    ACTIVITY_THIRDS,
    DECISIVE,
    POPULARITY_THIRDS,
    FloatArray,
    Ground,
    Values,
    measure,
)
from recsys.evaluation.settings import EvaluationSettings
from recsys.evaluation.split import IntArray, Split, hold_out, leave_last_out, next_event
from recsys.evaluation.words import ELSEWHERE, TRAINED, distrust, verdict
from recsys.interactions.log import Interactions
from recsys.models import als
from recsys.models.bm25 import bm25_weights
from recsys.models.word2vec import Word2vecParams
from recsys.steps import MODEL_TITLES, Progress, Silence, Stages, fit_als, fit_word2vec

BEYOND_ACCURACY = ("popularity", "novelty", "intra_list_similarity", "tag_share", "stability")
DIGITS = 6  # of what is kept


@dataclass(frozen=True)
class Outcome:
    """An evaluation, and what stands behind it.

    by_list : one row a model and list: model, listener, queue (-1 where lists are listeners'), repeats, activity, and
        all that was measured, mean over fits, NaN where there is no value.
    """

    evaluated: Evaluated
    by_list: pd.DataFrame
    seconds: float


@dataclass(frozen=True)
class Imported:
    """A model that was trained elsewhere. replicates : float32 (n_items, d) in the log's catalogue order, one a fit."""

    title: str
    replicates: list[npt.NDArray[np.float32]]


@dataclass(frozen=True)
class _Candidate:
    """One model: what it thinks of all items, once a fit.

    random : whether other seeds would give another model. items_missing : that it knows nothing of.
    """

    title: str
    params: dict[str, Any]
    fits: list[Scores]
    baseline: bool = False
    random: bool = True
    items_missing: int = 0


def evaluate(
    log: Interactions,
    settings: EvaluationSettings,
    als_params: als.AlsParams,
    word2vec_params: Word2vecParams,
    progress: Progress | None = None,
    imported: Mapping[str, Imported] | None = None,
) -> Outcome:
    """Fit both models and the baselines to a part of the log, and measure what they make of the rest.

    Every model recommends from the same items, in lists of the same length, to the same listeners. ALS recommends by
    the factors that it fitted for a listener, Word2vec by the mean of the unit vectors of what the listener knows; for
    next events both by the items nearest to the last but one, by cosine and by Euclidean distance. BM25 item-item has
    the weights that ALS learns from.

    imported : by name, models that were trained elsewhere. They are asked as Word2vec is, by cosine alone, as their
        vectors have no lengths; nothing is fitted, so they may have seen what is held out, which is said with it.

    Same seed, same figures; the kinds of numbers are explained in `artifacts.evaluations`.

    Raises
    ------
    ParameterError : a fit does not converge.
    InputError : nothing can be held out, see `evaluation.split`.
    """
    stages = Stages(progress or Silence())
    split_seed, chance_seed, resampling, als_seed, word2vec_seed = np.random.SeedSequence([settings.seed, 4]).spawn(5)
    with stages("split", "holding out", None):
        split = _split(log, settings, np.random.default_rng(split_seed))
        ground = Ground.of(split, settings.n)
    # One BLAS thread throughout, as in tuning: how a sum is divided decides its last bits.
    with als.one_blas_thread():
        candidates = {
            **_als(split, als_params, settings, als_seed.spawn(settings.replicates), stages),
            **_word2vec(split, word2vec_params, word2vec_seed.spawn(settings.replicates), stages),
            **_imported(split, log, imported or {}),
            **_baselines(split, als_params, settings, chance_seed),
        }
        measured = {}
        with stages("measure", "measuring the lists", sum(len(each.fits) for each in candidates.values())):
            for name, candidate in candidates.items():
                lists = [top_lists(fit, split.known, settings.n) for fit in candidate.fits]
                measured[name] = measure(lists, ground)
                stages.progress.advance(len(lists))
        with stages("intervals", "resampling listeners", None):
            evaluated = _evaluated(settings, ground, candidates, measured, np.random.default_rng(resampling))
    return Outcome(evaluated, _by_list(measured, ground), round(sum(stages.seconds.values()), 2))


def _split(log: Interactions, settings: EvaluationSettings, rng: np.random.Generator) -> Split:
    least, most = settings.min_listeners or 1, settings.listeners
    if settings.protocol == "leave-last-out":
        return leave_last_out(log, least, most, rng)
    if settings.protocol == "next-event":
        return next_event(log, least, most, rng)
    return hold_out(log, settings.held_out, least, most, rng)


def _bm25_settings(params: als.AlsParams, settings: EvaluationSettings) -> dict[str, als.AlsParams]:
    """By the end of a model's name, the parameters' own K1 and B and those beside."""
    own = (params.k1, params.b)
    beside = dict.fromkeys(point for point in settings.beside if point != own)
    return {"": params} | {f"_{k1!r}_{b!r}": params.model_copy(update={"k1": k1, "b": b}) for k1, b in beside}


def _title(name: str, params: als.AlsParams, end: str) -> str:
    return f"{name}, K1 {params.k1:g}, B {params.b:g}" if end else name


def _als(
    split: Split,
    params: als.AlsParams,
    settings: EvaluationSettings,
    seeds: Sequence[np.random.SeedSequence],
    stages: Stages,
) -> dict[str, _Candidate]:
    result = {}
    for end, own in _bm25_settings(params, settings).items():
        fits = fit_als(split.train.user_items, own, seeds, stages)
        title = _title(MODEL_TITLES["als"], own, end)
        if split.queues is None:
            by_listener = [by_factors(fit.user_factors[split.listeners], fit.item_factors) for fit in fits]
            result[f"als{end}"] = _Candidate(title, own.model_dump(), by_listener)
        else:
            result |= _by_vectors(f"als{end}", title, own.model_dump(), [fit.item_factors for fit in fits], split)
    return result


def _word2vec(
    split: Split, params: Word2vecParams, seeds: Sequence[np.random.SeedSequence], stages: Stages
) -> dict[str, _Candidate]:
    vectors = [fit.vectors for fit in fit_word2vec(split.train, params, seeds, stages)]
    return _by_vectors("word2vec", MODEL_TITLES["word2vec"], params.model_dump(), vectors, split)


def _imported(split: Split, log: Interactions, imported: Mapping[str, Imported]) -> dict[str, _Candidate]:
    rows = pd.Index(log.catalogue["item_id"]).get_indexer(pd.Index(split.train.catalogue["item_id"]))
    result = {}
    for name, model in imported.items():
        vectors = [each[rows] for each in model.replicates]
        missing = int((~np.any(vectors[0], axis=1)).sum())
        fits = [scores.nearest(each, split) for each in vectors]
        result[name] = _Candidate(model.title, {TRAINED: ELSEWHERE}, fits, items_missing=missing)
    return result


def _by_vectors(
    name: str, title: str, params: dict[str, Any], vectors: Sequence[npt.NDArray[np.float32]], split: Split
) -> dict[str, _Candidate]:
    """The nearest of what is known by cosine, and of a single item by Euclidean distance too."""
    missing = int((~np.any(vectors[0], axis=1)).sum())
    by_cosine = [scores.nearest(each, split) for each in vectors]
    result = {name: _Candidate(title, params, by_cosine, items_missing=missing)}
    if split.queues is not None:
        by_distance = [scores.nearest_euclidean(each, split) for each in vectors]
        result[f"{name}_euclidean"] = _Candidate(f"{title}, Euclidean", params, by_distance, items_missing=missing)
    return result


def _baselines(
    split: Split, params: als.AlsParams, settings: EvaluationSettings, seed: np.random.SeedSequence
) -> dict[str, _Candidate]:
    train = split.train.user_items
    chance = [scores.chance(split, np.random.default_rng(own)) for own in seed.spawn(settings.replicates)]
    result = {
        "popularity": _Candidate("Popularity", {}, [scores.popularity(split)], baseline=True, random=False),
        "random": _Candidate("Random", {}, chance, baseline=True),
        "co_occurrence": _Candidate("Co-occurrence", {}, [scores.co_occurrence(split)], baseline=True, random=False),
    }
    for end, own in _bm25_settings(params, settings).items():
        weights = bm25_weights(train, k1=own.k1, b=own.b).user_items
        profiles = weights[split.listeners] if split.queues is None else split.known
        result[f"bm25{end}"] = _Candidate(
            _title("BM25 item-item", own, end),
            {"k1": own.k1, "b": own.b},
            [scores.item_item(weights, profiles)],
            baseline=True,
            random=False,
        )
    return result


class _Means:
    """Means over lists and how they vary when listeners are drawn again, the same draws for all models."""

    def __init__(self, values: dict[str, dict[str, FloatArray]], groups: IntArray, rng: np.random.Generator) -> None:
        """values : by model and measure, (n_lists,), NaN where there is none. groups : the listener of each list."""
        self._row = {key: row for row, key in enumerate((name, each) for name in values for each in values[name])}
        stacked = np.stack([each for own in values.values() for each in own.values()])
        known = ~np.isnan(stacked)
        counts = known.sum(axis=1)
        self._means = np.divide(
            np.where(known, stacked, 0.0).sum(axis=1), counts, out=np.full(len(stacked), np.nan), where=counts > 0
        )
        self._drawn = [len(np.unique(groups[own])) for own in known]
        self._resampled = resampled_means(stacked, rng, groups)

    def figure(self, model: str, measure: str) -> Figure:
        row = self._row[model, measure]
        return _figure(self._means[row], interval(self._resampled[:, row], self._drawn[row]))

    def difference(self, left: str, right: str, measure: str, by_seeds: float | None) -> Difference:
        one, other = self._row[left, measure], self._row[right, measure]
        mean = self._means[one] - self._means[other]
        low, high = interval(self._resampled[:, one] - self._resampled[:, other], self._drawn[one])
        return Difference(
            left=left,
            right=right,
            measure=measure,
            difference=_figure(mean, (low, high)),
            by_seeds=None if by_seeds is None else _kept(by_seeds),
            told_apart=bool((low > 0 or high < 0) and abs(mean) >= 2 * (by_seeds or 0)),
        )


def _evaluated(
    settings: EvaluationSettings,
    ground: Ground,
    candidates: dict[str, _Candidate],
    measured: dict[str, Values],
    rng: np.random.Generator,
) -> Evaluated:
    split = ground.split
    segments = _segments(ground)
    values = {
        name: own.by_measure | {f"{segment.measure} {segment.name}": segment.of(own) for segment in segments}
        for name, own in measured.items()
    }
    means = _Means(values, split.listeners, rng)
    differences = [
        means.difference(
            left, right, name, _by_seeds(name, [(candidates[each], measured[each]) for each in (left, right)])
        )
        for left, right in combinations(measured, 2)
        for name in ground.accuracy
    ]
    models = {
        name: _measured(
            candidate,
            measured[name],
            {each: means.figure(name, each) for each in (*ground.accuracy, *BEYOND_ACCURACY)},
            [
                _seen_from(name, each)
                for each in differences
                if each.measure == DECISIVE and name in (each.left, each.right)
            ],
            candidates,
        )
        for name, candidate in candidates.items()
    }
    found = Findings(
        protocol=settings.protocol,
        n=settings.n,
        held_out=settings.held_out if settings.protocol == "holdout" else None,
        seed=settings.seed,
        split=split.digest,
        min_listeners=settings.min_listeners or 1,
        items=split.train.n_items,
        pairs=split.train.user_items.nnz,
        listeners=len(np.unique(split.listeners)),
        lists=len(split.listeners),
        held_out_pairs=split.held_out.nnz,
        unreachable=split.unreachable,
        repeats=int(split.repeats.sum()),
        returns=int(split.returns.sum()),
        ordered=split.train.played is not None,
        models=models,
        differences=differences,
        segments=[
            Segment(
                by=segment.by,
                name=segment.name,
                lowest=segment.lowest,
                highest=segment.highest,
                lists=segment.lists(measured),
                measure=segment.measure,
                figures={name: means.figure(name, f"{segment.measure} {segment.name}") for name in measured},
            )
            for segment in segments
        ],
    )
    return Evaluated(**dict(found), verdict=verdict(found), distrust=distrust(found))


def _by_seeds(measure: str, both: Sequence[tuple[_Candidate, Values]]) -> float | None:
    """The standard error over seeds of the difference of two means."""
    variance = 0.0
    for candidate, values in both:
        fits = values.by_fit.get(measure, np.zeros(2))
        if len(fits) > 1:
            variance += float(fits.var(ddof=1)) / len(fits)
        elif candidate.random:
            return None
    return math.sqrt(variance)


def _seen_from(name: str, difference: Difference) -> tuple[str, bool, bool]:
    """The other model, whether it is told apart, and whether this one is ahead of it."""
    mean = difference.difference.mean or 0.0
    if difference.left == name:
        return difference.right, difference.told_apart, mean > 0
    return difference.left, difference.told_apart, mean < 0


def _measured(
    candidate: _Candidate,
    own: Values,
    figures: dict[str, Figure],
    others: Sequence[tuple[str, bool, bool]],
    candidates: Mapping[str, _Candidate],
) -> Measured:
    baselines = [each for each in others if candidates[each[0]].baseline]
    several = len(candidate.fits) > 1
    return Measured(
        title=candidate.title,
        baseline=candidate.baseline,
        params=candidate.params,
        replicates=len(candidate.fits),
        items_missing=candidate.items_missing,
        figures={each: figure for each, figure in figures.items() if figure.mean is not None},
        between_fits={each: round(float(fits.std(ddof=1)), DIGITS) for each, fits in own.by_fit.items() if several},
        coverage=_kept(own.coverage),
        gini=_kept(own.gini),
        tied=_kept(own.tied),
        below=[other for other, told_apart, ahead in baselines if told_apart and not ahead],
        not_above=[other for other, told_apart, _ in baselines if not told_apart],
    )


@dataclass(frozen=True)
class _Part:
    """A segment; `where` says which lists belong to it, (n_lists,), and `source` which of their values is meant."""

    by: Literal["popularity", "activity"]
    name: str
    lowest: int
    highest: int
    measure: str
    source: str
    where: npt.NDArray[np.bool_]

    def of(self, values: Values) -> FloatArray:
        result: FloatArray = np.where(self.where, values.by_measure[self.source], np.nan)
        return result

    def lists(self, measured: Mapping[str, Values]) -> int:
        return int((~np.isnan(self.of(next(iter(measured.values()))))).sum())


def _segments(ground: Ground) -> list[_Part]:
    """The thirds that hold anything."""
    everybody = np.ones(len(ground.activity), bool)
    listeners = np.zeros(len(ground.item_third), np.int64)
    listeners[: ground.split.train.n_items] = ground.split.train.catalogue["listeners"]
    parts = []
    for third, name in enumerate(POPULARITY_THIRDS):
        here = listeners[ground.item_third == third]
        if len(here):
            low, high = int(here.min()), int(here.max())
            parts.append(_Part("popularity", name, low, high, "recall", f"recall_{name}", everybody))
    edges = np.quantile(ground.activity, (1 / 3, 2 / 3))
    third_of = np.searchsorted(edges, ground.activity, side="left")
    for third, name in enumerate(ACTIVITY_THIRDS):
        where = third_of == third
        if where.any():
            low, high = int(ground.activity[where].min()), int(ground.activity[where].max())
            parts.append(_Part("activity", name, low, high, DECISIVE, DECISIVE, where))
    return parts


def _by_list(measured: Mapping[str, Values], ground: Ground) -> pd.DataFrame:
    split = ground.split
    about = {
        "listener": split.listeners,
        "queue": np.full(len(split.listeners), -1) if split.queues is None else split.queues,
        "repeats": split.repeats,
        "activity": ground.activity,
    }
    tables = [
        pd.DataFrame(
            {"model": name, **about, **{each: own.astype(np.float32) for each, own in values.by_measure.items()}}
        )
        for name, values in measured.items()
    ]
    return pd.concat(tables, ignore_index=True)


def _figure(mean: float, between: tuple[float, float]) -> Figure:
    return Figure(mean=_kept(mean), low=_kept(between[0]), high=_kept(between[1]))


def _kept(number: float) -> float | None:
    return None if math.isnan(number) else round(float(number), DIGITS)
