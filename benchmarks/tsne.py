"""A t-SNE map from the same vectors: ours from stored neighbour lists through openTSNE, and scikit-learn's.

Both with perplexity 30 over cosine distances. Ours is timed with the lists that it needs, which a build has anyway.
Faithful is the share of an item's true 10 nearest that are among its 10 nearest on the map.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.data import Asked, Size, simulated_log
from benchmarks.neighbours import write_vectors
from benchmarks.paired import Figures, called, compared, in_turn, run
from benchmarks.tutorial import Clock

ITEMS: dict[Size, int] = {"tiny": 150, "small": 3_000, "full": 20_000}
PERPLEXITY, N = 30, 10


def measure(asked: Asked) -> dict[str, Any]:
    vectors = asked.folder / f"als_{asked.size}.npy"
    if not vectors.exists():
        run(called(write_vectors), str(simulated_log(asked.folder, asked.size)), str(vectors))
    items = str(ITEMS[asked.size])
    measured = in_turn(
        {"scikit_learn": called(scikit_learn), "ours": called(ours)}, [str(vectors), items],
        asked.rounds_or(tiny=1, small=2, full=2),
    )  # fmt: skip
    return {"data": {"items": ITEMS[asked.size]}, **compared(measured, "scikit_learn")}


def ours(file: str, items: str) -> Figures:
    from recsys.analysis.neighbours import neighbour_graph
    from recsys.analysis.projection import TsneParams, project

    vectors, clock = _popular(file, items), Clock()
    graph = neighbour_graph(vectors, 3 * PERPLEXITY, np.random.default_rng(0))
    clock.lap("neighbours")
    params = TsneParams(perplexity=PERPLEXITY)
    layout = project(graph.neighbours, graph.similarities, params, np.random.default_rng(0))
    clock.lap("layout")
    return {**clock.figures(), **_quality(vectors, layout)}


def scikit_learn(file: str, items: str) -> Figures:
    from sklearn.manifold import TSNE

    vectors, clock = _popular(file, items), Clock()
    layout = TSNE(perplexity=PERPLEXITY, metric="cosine", n_jobs=-1, random_state=0).fit_transform(vectors)
    clock.lap("layout")
    return {**clock.figures(), **_quality(vectors, layout)}


def _popular(file: str, items: str) -> npt.NDArray[np.float32]:
    """Unit vectors of the items with the most listeners, which come first."""
    from recsys.models.vectors import unit_rows

    return unit_rows(np.load(file, mmap_mode="r")[: int(items)])


def _quality(vectors: npt.NDArray[np.float32], layout: npt.NDArray[np.floating[Any]]) -> Figures:
    from recsys.analysis.faithfulness import faithfulness, rank_quality
    from recsys.analysis.neighbours import exact_neighbours

    true = exact_neighbours(vectors, np.arange(len(vectors)), N).neighbours
    ranks = rank_quality(vectors, layout, np.random.default_rng(1), n=N)
    return {
        "faithfulness": float(np.nanmean(faithfulness(layout, true, N))),
        "trustworthiness": ranks.trustworthiness,
        "continuity": ranks.continuity,
    }
