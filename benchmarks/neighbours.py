"""The 20 nearest items of every item, from the same vectors: ours, annoy, hnswlib, and implicit's `similar_items`.

The vectors are the item factors of one ALS fit with our defaults. annoy has the recipe's 25 trees and what it looks
through by default, hnswlib its defaults of 16 links and 200 candidates; implicit is exact. All may use every core.
What of ours is loading is in its seconds, and
beside them. A lookup is of one item in what each has ready: ours reads a row of the stored lists.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.data import Asked, simulated_log
from benchmarks.paired import Figures, called, compared, in_turn, run
from benchmarks.tutorial import TREES, Clock, N, lookup, recall, rows_asked, without_self

CANDIDATES = 100  # that hnswlib's search keeps
LOADED_WITH = 20_000  # items; fewer are searched exactly


def measure(asked: Asked) -> dict[str, Any]:
    vectors = asked.folder / f"als_{asked.size}.npy"
    if not vectors.exists():
        run(called(write_vectors), str(simulated_log(asked.folder, asked.size)), str(vectors))
    programs = {"similar_items": called(similar_items), "annoy": called(annoy), "hnswlib": called(hnswlib)}
    measured = in_turn({**programs, "ours": called(ours)}, [str(vectors)], asked.rounds_or(tiny=1, small=3, full=2))
    return {"data": {"items": len(np.load(vectors, mmap_mode="r"))}, **compared(measured, "ours")}


def write_vectors(log: str, to: str) -> Figures:
    from recsys.interactions.readers import read
    from recsys.models import als

    clock = Clock()
    fit = als.fit(read("lastfm-360k", Path(log)).user_items, als.AlsParams(), np.random.default_rng(0))
    np.save(to, fit.item_factors)
    clock.lap("fit")
    return clock.figures()


def ours(file: str) -> Figures:
    from recsys.analysis.neighbours import neighbour_graph
    from recsys.models.vectors import unit_rows

    vectors = np.load(file)
    clock = Clock()
    # Compiled loops are loaded once a process, and a build makes many such lists in one.
    neighbour_graph(unit_rows(vectors[:LOADED_WITH]), N, np.random.default_rng(0))
    clock.lap("loading")
    graph = neighbour_graph(unit_rows(vectors), N, np.random.default_rng(0))
    clock.lap("neighbours")
    return {
        **clock.figures(),
        "recall_at_10": recall(graph.neighbours, vectors),
        "microseconds_lookup": lookup(lambda row: graph.neighbours[row], rows_asked(len(vectors))),
    }


def annoy(file: str) -> Figures:
    from annoy import AnnoyIndex

    vectors = np.load(file)
    clock = Clock()
    index = AnnoyIndex(vectors.shape[1], "angular")
    for row, vector in enumerate(vectors):
        index.add_item(row, vector)
    index.build(TREES)
    lists = [index.get_nns_by_item(row, N + 1) for row in range(len(vectors))]
    clock.lap("neighbours")
    return {
        **clock.figures(),
        "recall_at_10": recall(without_self(lists, N), vectors),
        "microseconds_lookup": lookup(
            lambda row: index.get_nns_by_item(row, N + 1), rows_asked(len(vectors)).tolist()
        ),
    }  # fmt: skip


def hnswlib(file: str) -> Figures:
    from hnswlib import Index

    vectors = np.load(file)
    clock = Clock()
    index = Index("cosine", vectors.shape[1])
    index.init_index(len(vectors))
    index.add_items(vectors)
    index.set_ef(CANDIDATES)
    lists, _ = index.knn_query(vectors, N + 1)
    clock.lap("neighbours")
    return {
        **clock.figures(),
        "recall_at_10": recall(without_self(lists.astype(np.int64).tolist(), N), vectors),
        "microseconds_lookup": lookup(lambda row: index.knn_query(vectors[row], N + 1), rows_asked(len(vectors))),
    }


def similar_items(file: str) -> Figures:
    from implicit.cpu.als import AlternatingLeastSquares

    from recsys.models.als import one_blas_thread

    vectors = np.load(file)
    with one_blas_thread():
        model = AlternatingLeastSquares(factors=vectors.shape[1])
    model.item_factors = vectors
    clock = Clock()
    lists, _ = model.similar_items(np.arange(len(vectors)), N + 1)
    clock.lap("neighbours")
    return {
        **clock.figures(),
        "recall_at_10": recall(without_self(lists.tolist(), N), vectors),
        "microseconds_lookup": lookup(lambda row: model.similar_items(row, N + 1), rows_asked(len(vectors))[:200]),
    }
