"""Models and baselines fitted to one part of a log and asked for the other; with intervals, by segment, in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from recsys.analysis.evaluation import top_lists
from recsys.artifacts.evaluations import Evaluated
from recsys.evaluation.candidates import Imported, baselines, fitted_als, fitted_word2vec, imported_models
from recsys.evaluation.figures import evaluated_of
from recsys.evaluation.measures import Ground, Values, measure
from recsys.evaluation.settings import EvaluationSettings
from recsys.evaluation.split import Split, hold_out, leave_last_out, next_event
from recsys.interactions.log import Interactions
from recsys.models import als
from recsys.models.word2vec import Word2vecParams
from recsys.steps.progress import Progress, Silence, Stages


@dataclass(frozen=True)
class Outcome:
    """An evaluation, and what stands behind it.

    by_list : one row a model and list: model, listener, queue (-1 where lists are listeners'), repeats, activity, and
        all that was measured, mean over fits, NaN where there is no value.
    """

    evaluated: Evaluated
    by_list: pd.DataFrame
    seconds: float


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
            **fitted_als(split, als_params, settings, als_seed.spawn(settings.replicates), stages),
            **fitted_word2vec(split, word2vec_params, word2vec_seed.spawn(settings.replicates), stages),
            **imported_models(split, log, imported or {}),
            **baselines(split, als_params, settings, chance_seed),
        }
        measured = {}
        with stages("measure", "measuring the lists", sum(len(each.fits) for each in candidates.values())):
            for name, candidate in candidates.items():
                lists = [top_lists(fit, split.known, settings.n) for fit in candidate.fits]
                measured[name] = measure(lists, ground)
                stages.progress.advance(len(lists))
        with stages("intervals", "resampling listeners", None):
            evaluated = evaluated_of(settings, ground, candidates, measured, np.random.default_rng(resampling))
    return Outcome(evaluated, _by_list(measured, ground), round(sum(stages.seconds.values()), 2))


def _split(log: Interactions, settings: EvaluationSettings, rng: np.random.Generator) -> Split:
    least, most = settings.min_listeners or 1, settings.listeners
    if settings.protocol == "leave-last-out":
        return leave_last_out(log, least, most, rng)
    if settings.protocol == "next-event":
        return next_event(log, least, most, rng)
    return hold_out(log, settings.held_out, least, most, rng)


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
