"""Word2vec over sessions: ours, and gensim as one finds it; how well each foretells the next play.

The last play of each queue is held out and asked for from the play before it; both learn from the rest. `gensim` has
its defaults but for skip-gram and vectors of 50, a worker a core, every item in its vocabulary; `gensim_ours` has our
settings and one worker, as ours has. Times are of training from queues in memory.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.data import Asked, simulated_events
from benchmarks.paired import Figures, called, compared, in_turn
from benchmarks.tutorial import Clock

WIDTH, N, QUEUES_ASKED = 50, 10, 5_000


def measure(asked: Asked) -> dict[str, Any]:
    events = simulated_events(asked.folder, asked.size)
    programs = {"gensim": called(gensim), "gensim_ours": called(gensim_ours), "ours": called(ours)}
    measured = in_turn(programs, [str(events)], asked.rounds_or(tiny=1, small=2, full=2))
    return {"data": {"bytes": events.stat().st_size}, **compared(measured, "gensim_ours")}


def gensim(events: str) -> Figures:
    return _gensim(events, {"workers": os.cpu_count()})


def gensim_ours(events: str) -> Figures:
    from recsys.models.word2vec import Word2vecParams, data_defaults

    params = Word2vecParams.model_validate({"vector_size": WIDTH, **data_defaults(_split(events).train.queues)})
    return _gensim(events, params.model_dump())


def _gensim(events: str, settings: dict[str, Any]) -> Figures:
    from gensim.models import Word2Vec

    split = _split(events)
    names = split.train.catalogue["item_id"].tolist()
    clock = Clock()
    sentences = [[names[row] for row in queue] for queue in split.train.queues]
    model = Word2Vec(sentences, **{"sg": 1, "min_count": 1, "vector_size": WIDTH, **settings})
    clock.lap("fit")
    figures = clock.figures()
    vectors = np.zeros((len(names), WIDTH), np.float32)
    for row, name in enumerate(names):
        if name in model.wv:
            vectors[row] = model.wv[name]
    return {**figures, **_quality(vectors, split)}


def ours(events: str) -> Figures:
    from recsys.models.word2vec import Word2vecParams, data_defaults, fit

    split = _split(events)
    clock = Clock()
    params = Word2vecParams.model_validate({"vector_size": WIDTH, **data_defaults(split.train.queues)})
    vectors = fit(split.train, params, np.random.default_rng(0)).vectors
    clock.lap("fit")
    return {**clock.figures(), **_quality(vectors, split)}


def _split(events: str) -> Any:
    from recsys.evaluation.split import next_event
    from recsys.interactions.readers import read

    return next_event(read("events", Path(events)), 1, QUEUES_ASKED, np.random.default_rng(0))


def _quality(vectors: npt.NDArray[np.float32], split: Any) -> Figures:
    from recsys.analysis.evaluation import accuracy, top_lists
    from recsys.evaluation.scores import nearest

    found = accuracy(top_lists(nearest(vectors, split), split.known, N).items, split.held_out, N)
    return {"next_event_ndcg_at_10": float(np.nanmean(found.ndcg)), "next_event_hr_at_10": float(np.nanmean(found.hr))}
