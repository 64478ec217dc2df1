"""Real data, HetRec Last.fm-2K: how good the neighbours and recommendations of the recipe are, of gensim's, and ours.

Items with at least 5 listeners. Tag share is that of the 10 nearest of items with at least 10 listeners, by the lists
that each would show: annoy's for the recipe, a consensus of 4 fits for `ours_4_fits`. nDCG@10 is of fits to four fifths
of each listener's items, asked for the rest; for Word2vec from the mean of the unit vectors. Seeds differ by round.
Without RECSYS_REAL_DATA it is not measured.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.data import Asked, hetrec
from benchmarks.paired import Figures, called, compared, run
from benchmarks.tutorial import RECIPE, TREES, Clock, N, recall, without_self

SHOWN, LISTENERS_ASKED = 10, 5_000


def measure(asked: Asked) -> dict[str, Any]:
    programs = {name: called(program) for name, program in PROGRAMS.items()}
    measured: dict[str, list[Figures]] = {name: [] for name in programs}
    for seed in range(asked.rounds_or(tiny=1, small=3, full=5)):
        for name, program in programs.items():
            measured[name].append(run(program, str(hetrec()), str(seed)))
    return compared(measured, "recipe")


def recipe(folder: str, seed: str) -> Figures:
    from annoy import AnnoyIndex

    log, split, clock = _read(folder)
    fit = _als(log.user_items, RECIPE, int(seed))
    clock.lap("fit")
    index = AnnoyIndex(fit.item_factors.shape[1], "angular")
    index.set_seed(int(seed) + 1)
    for row, vector in enumerate(fit.item_factors):
        index.add_item(row, vector)
    index.build(TREES)
    lists = without_self([index.get_nns_by_item(row, N + 1) for row in range(log.n_items)], N)
    clock.lap("neighbours")
    return {
        **clock.figures(),
        "recall_at_10": recall(lists, fit.item_factors),
        "tag_share": _tag_share(log, lists),
        "ndcg_at_10": _ndcg(_by_factors(_als(split.train.user_items, RECIPE, int(seed)), split), split),
    }


def ours(folder: str, seed: str) -> Figures:
    return _ours(folder, int(seed), 1)


def ours_4_fits(folder: str, seed: str) -> Figures:
    return _ours(folder, int(seed), 4)


def _ours(folder: str, seed: int, replicates: int) -> Figures:
    from recsys.models.vectors import ItemVectors

    log, split, clock = _read(folder)
    fits = [_als(log.user_items, {}, replicates * seed + replicate) for replicate in range(replicates)]
    clock.lap("fit")
    vectors = ItemVectors.consensus([fit.item_factors for fit in fits]).vectors
    lists = _neighbours(vectors)
    clock.lap("neighbours")
    figures = {**clock.figures(), "recall_at_10": recall(lists, vectors), "tag_share": _tag_share(log, lists)}
    if replicates == 1:
        # A consensus has no factors of listeners to recommend by.
        figures["ndcg_at_10"] = _ndcg(_by_factors(_als(split.train.user_items, {}, seed), split), split)
    return figures


def gensim(folder: str, seed: str) -> Figures:
    from gensim.models import Word2Vec

    from recsys.evaluation.scores import nearest

    def vectors_of(log: Any) -> npt.NDArray[np.float32]:
        sentences = [[str(row) for row in queue] for queue in log.queues]
        model = Word2Vec(sentences, sg=1, min_count=1, vector_size=50, workers=os.cpu_count(), seed=int(seed))
        vectors = np.zeros((log.n_items, 50), np.float32)
        vectors[[int(name) for name in model.wv.index_to_key]] = model.wv.vectors
        return vectors

    log, split, clock = _read(folder)
    vectors = vectors_of(log)
    clock.lap("fit")
    return {
        **clock.figures(),
        "tag_share": _tag_share(log, _neighbours(vectors)),
        "ndcg_at_10": _ndcg(nearest(vectors_of(split.train), split), split),
    }


def ours_word2vec(folder: str, seed: str) -> Figures:
    from recsys.evaluation.scores import nearest
    from recsys.models.word2vec import Word2vecParams, data_defaults, fit

    def vectors_of(log: Any) -> npt.NDArray[np.float32]:
        params = Word2vecParams.model_validate(data_defaults(log.queues))
        return fit(log, params, np.random.default_rng(int(seed))).vectors

    log, split, clock = _read(folder)
    vectors = vectors_of(log)
    clock.lap("fit")
    return {
        **clock.figures(),
        "tag_share": _tag_share(log, _neighbours(vectors)),
        "ndcg_at_10": _ndcg(nearest(vectors_of(split.train), split), split),
    }


PROGRAMS = {
    "recipe": recipe, "ours": ours, "ours_4_fits": ours_4_fits, "gensim": gensim, "ours_word2vec": ours_word2vec
}  # fmt: skip


def _read(folder: str) -> tuple[Any, Any, Clock]:
    """The log, its split into what is learnt and what is asked for, and a clock that starts after both."""
    from recsys.evaluation.split import hold_out
    from recsys.interactions.readers import read

    log = read("lastfm-2k", Path(folder)).with_min_listeners(5)
    return log, hold_out(log, 0.2, 1, LISTENERS_ASKED, np.random.default_rng(0)), Clock()


def _als(user_items: Any, settings: dict[str, Any], seed: int) -> Any:
    from recsys.models import als

    return als.fit(user_items, als.AlsParams.model_validate(settings), np.random.default_rng(seed))


def _neighbours(vectors: npt.NDArray[np.float32]) -> npt.NDArray[np.int32]:
    from recsys.analysis.neighbours import neighbour_graph
    from recsys.models.vectors import unit_rows

    return neighbour_graph(unit_rows(vectors), N, np.random.default_rng(0)).neighbours


def _tag_share(log: Any, lists: npt.NDArray[np.int32]) -> float:
    from recsys.analysis.evaluation import tag_share

    catalogue = log.catalogue
    return tag_share(lists, catalogue["tags"].tolist(), catalogue["listeners"].to_numpy(), n=SHOWN)


def _by_factors(fit: Any, split: Any) -> Any:
    from recsys.analysis.evaluation import by_factors

    return by_factors(fit.user_factors[split.listeners], fit.item_factors)


def _ndcg(scores: Any, split: Any) -> float:
    from recsys.analysis.evaluation import accuracy, top_lists

    return float(np.nanmean(accuracy(top_lists(scores, split.known, SHOWN).items, split.held_out, SHOWN).ndcg))
