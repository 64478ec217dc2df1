"""Every model and baseline that an evaluation asks: fitted to what is left, imported, or counted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from recsys.analysis.evaluation import Scores, by_factors
from recsys.evaluation import scores
from recsys.evaluation.settings import EvaluationSettings
from recsys.evaluation.split import Split
from recsys.evaluation.words import ELSEWHERE, TRAINED
from recsys.interactions.log import Interactions
from recsys.models import als
from recsys.models.bm25 import bm25_weights
from recsys.models.word2vec import Word2vecParams
from recsys.steps.fits import fit_als, fit_word2vec
from recsys.steps.kept import MODEL_TITLES
from recsys.steps.progress import Stages


@dataclass(frozen=True)
class Imported:
    """A model that was trained elsewhere. replicates : float32 (n_items, d) in the log's catalogue order, one a fit."""

    title: str
    replicates: list[npt.NDArray[np.float32]]


@dataclass(frozen=True)
class Candidate:
    """One model: what it thinks of all items, once a fit.

    random : whether other seeds would give another model. items_missing : that it knows nothing of.
    """

    title: str
    params: dict[str, Any]
    fits: list[Scores]
    baseline: bool = False
    random: bool = True
    items_missing: int = 0


def _bm25_settings(params: als.AlsParams, settings: EvaluationSettings) -> dict[str, als.AlsParams]:
    """By the end of a model's name, the parameters' own K1 and B and those beside."""
    own = (params.k1, params.b)
    beside = dict.fromkeys(point for point in settings.beside if point != own)
    return {"": params} | {f"_{k1!r}_{b!r}": params.model_copy(update={"k1": k1, "b": b}) for k1, b in beside}


def _title(name: str, params: als.AlsParams, end: str) -> str:
    return f"{name}, K1 {params.k1:g}, B {params.b:g}" if end else name


def fitted_als(
    split: Split,
    params: als.AlsParams,
    settings: EvaluationSettings,
    seeds: Sequence[np.random.SeedSequence],
    stages: Stages,
) -> dict[str, Candidate]:
    """ALS with its own K1 and B and with those beside: by a listener's factors, or for next events by nearness.

    Raises
    ------
    ParameterError : a fit does not converge.
    """
    result = {}
    for end, own in _bm25_settings(params, settings).items():
        fits = fit_als(split.train.user_items, own, seeds, stages)
        title = _title(MODEL_TITLES["als"], own, end)
        if split.queues is None:
            by_listener = [by_factors(fit.user_factors[split.listeners], fit.item_factors) for fit in fits]
            result[f"als{end}"] = Candidate(title, own.model_dump(), by_listener)
        else:
            result |= _by_vectors(f"als{end}", title, own.model_dump(), [fit.item_factors for fit in fits], split)
    return result


def fitted_word2vec(
    split: Split, params: Word2vecParams, seeds: Sequence[np.random.SeedSequence], stages: Stages
) -> dict[str, Candidate]:
    """Word2vec, by nearness to what is known."""
    vectors = [fit.vectors for fit in fit_word2vec(split.train, params, seeds, stages)]
    return _by_vectors("word2vec", MODEL_TITLES["word2vec"], params.model_dump(), vectors, split)


def imported_models(split: Split, log: Interactions, imported: Mapping[str, Imported]) -> dict[str, Candidate]:
    """Models trained elsewhere, over the training catalogue, by nearness; `log` has the catalogue of their rows."""
    rows = pd.Index(log.catalogue["item_id"]).get_indexer(pd.Index(split.train.catalogue["item_id"]))
    result = {}
    for name, model in imported.items():
        vectors = [each[rows] for each in model.replicates]
        missing = int((~np.any(vectors[0], axis=1)).sum())
        fits = [scores.nearest(each, split) for each in vectors]
        result[name] = Candidate(model.title, {TRAINED: ELSEWHERE}, fits, items_missing=missing)
    return result


def _by_vectors(
    name: str, title: str, params: dict[str, Any], vectors: Sequence[npt.NDArray[np.float32]], split: Split
) -> dict[str, Candidate]:
    """The nearest of what is known by cosine, and of a single item by Euclidean distance too."""
    missing = int((~np.any(vectors[0], axis=1)).sum())
    by_cosine = [scores.nearest(each, split) for each in vectors]
    result = {name: Candidate(title, params, by_cosine, items_missing=missing)}
    if split.queues is not None:
        by_distance = [scores.nearest_euclidean(each, split) for each in vectors]
        result[f"{name}_euclidean"] = Candidate(f"{title}, Euclidean", params, by_distance, items_missing=missing)
    return result


def baselines(
    split: Split, params: als.AlsParams, settings: EvaluationSettings, seed: np.random.SeedSequence
) -> dict[str, Candidate]:
    """Popularity, chance, co-occurrence, and BM25 item-item with each K1 and B that ALS has."""
    train = split.train.user_items
    chance = [scores.chance(split, np.random.default_rng(own)) for own in seed.spawn(settings.replicates)]
    result = {
        "popularity": Candidate("Popularity", {}, [scores.popularity(split)], baseline=True, random=False),
        "random": Candidate("Random", {}, chance, baseline=True),
        "co_occurrence": Candidate("Co-occurrence", {}, [scores.co_occurrence(split)], baseline=True, random=False),
    }
    for end, own in _bm25_settings(params, settings).items():
        weights = bm25_weights(train, k1=own.k1, b=own.b).user_items
        profiles = weights[split.listeners] if split.queues is None else split.known
        result[f"bm25{end}"] = Candidate(
            _title("BM25 item-item", own, end),
            {"k1": own.k1, "b": own.b},
            [scores.item_item(weights, profiles)],
            baseline=True,
            random=False,
        )
    return result
