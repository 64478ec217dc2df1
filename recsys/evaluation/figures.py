"""What was measured of all models, as means with intervals, differences between each two, and segments."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import numpy as np
import numpy.typing as npt

from recsys.analysis.intervals import interval, resampled_means
from recsys.artifacts.evaluations import Difference, Evaluated, Figure, Findings, Measured, Segment
from recsys.evaluation.candidates import Candidate
from recsys.evaluation.measures import (
    ACTIVITY_THIRDS,
    DECISIVE,
    POPULARITY_THIRDS,
    FloatArray,
    Ground,
    Values,
)
from recsys.evaluation.settings import EvaluationSettings
from recsys.evaluation.split import IntArray
from recsys.evaluation.words import distrust, verdict

BEYOND_ACCURACY = ("popularity", "novelty", "intra_list_similarity", "tag_share", "stability")
DIGITS = 6  # of what is kept


class Means:
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


def evaluated_of(
    settings: EvaluationSettings,
    ground: Ground,
    candidates: dict[str, Candidate],
    measured: dict[str, Values],
    rng: np.random.Generator,
) -> Evaluated:
    """Figures of all candidates, each two of them held against each other, and what that comes to in words.

    measured : by the candidates' names. rng : of the resampling of listeners.
    """
    split = ground.split
    segments = _segments(ground)
    values = {
        name: own.by_measure | {segment.key: segment.of(own) for segment in segments} for name, own in measured.items()
    }
    means = Means(values, split.listeners, rng)
    differences = [
        means.difference(
            left, right, name, _by_seeds(name, [(candidates[each], measured[each]) for each in (left, right)])
        )
        for left, right in combinations(measured, 2)
        for name in ground.accuracy
    ]
    models = {
        name: _of_model(
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
        segments=[segment.kept(means, measured) for segment in segments],
    )
    return Evaluated(**dict(found), verdict=verdict(found), distrust=distrust(found))


def _by_seeds(measure: str, both: Sequence[tuple[Candidate, Values]]) -> float | None:
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


def _of_model(
    candidate: Candidate,
    own: Values,
    figures: dict[str, Figure],
    others: Sequence[tuple[str, bool, bool]],
    candidates: Mapping[str, Candidate],
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
class _Segment:
    """Some of the lists, or some of what was held out.

    where : which lists belong to it, (n_lists,). source : which of their values is meant.
    """

    by: Literal["popularity", "activity"]
    name: str
    lowest: int
    highest: int
    measure: str
    source: str
    where: npt.NDArray[np.bool_]

    @property
    def key(self) -> str:
        """What its values are called among a model's measures."""
        return f"{self.measure} {self.name}"

    def of(self, values: Values) -> FloatArray:
        result: FloatArray = np.where(self.where, values.by_measure[self.source], np.nan)
        return result

    def kept(self, means: Means, measured: Mapping[str, Values]) -> Segment:
        return Segment(
            by=self.by,
            name=self.name,
            lowest=self.lowest,
            highest=self.highest,
            lists=int((~np.isnan(self.of(next(iter(measured.values()))))).sum()),
            measure=self.measure,
            figures={model: means.figure(model, self.key) for model in measured},
        )


def _segments(ground: Ground) -> list[_Segment]:
    """The thirds that hold anything."""
    everybody = np.ones(len(ground.activity), bool)
    listeners = np.zeros(len(ground.item_third), np.int64)
    listeners[: ground.split.train.n_items] = ground.split.train.catalogue["listeners"]
    parts = []
    for third, name in enumerate(POPULARITY_THIRDS):
        here = listeners[ground.item_third == third]
        if len(here):
            low, high = int(here.min()), int(here.max())
            parts.append(_Segment("popularity", name, low, high, "recall", f"recall_{name}", everybody))
    edges = np.quantile(ground.activity, (1 / 3, 2 / 3))
    third_of = np.searchsorted(edges, ground.activity, side="left")
    for third, name in enumerate(ACTIVITY_THIRDS):
        where = third_of == third
        if where.any():
            low, high = int(ground.activity[where].min()), int(ground.activity[where].max())
            parts.append(_Segment("activity", name, low, high, DECISIVE, DECISIVE, where))
    return parts


def _figure(mean: float, between: tuple[float, float]) -> Figure:
    return Figure(mean=_kept(mean), low=_kept(between[0]), high=_kept(between[1]))


def _kept(number: float) -> float | None:
    return None if math.isnan(number) else round(float(number), DIGITS)
