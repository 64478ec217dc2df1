"""Fits of both models, a replicate each, and what a budget of minutes allows them."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from functools import partial
from typing import TypeVar

import numpy as np
import scipy.sparse as sp

from recsys.artifacts.unfinished import MAKES_ALL, Part, Parts
from recsys.errors import RecsysError
from recsys.interactions.log import Interactions
from recsys.models import als, word2vec
from recsys.models.word2vec_budget import Allowed, allowed
from recsys.plural import counted
from recsys.steps.progress import Stages

PACE_SECONDS = 3.0

Result = TypeVar("Result")


def fit_als(
    user_items: sp.csr_matrix,
    params: als.AlsParams,
    seeds: Sequence[np.random.SeedSequence],
    stages: Stages,
    parts: Parts = MAKES_ALL,
) -> list[als.AlsFit]:
    """One fit a seed; user_items CSR (n_users, n_items) of play counts."""

    def fitted(own: np.random.SeedSequence) -> Part:
        fit = als.fit(user_items, params, np.random.default_rng(own), lambda: stages.progress.advance(1))
        factors = {"item_factors": fit.item_factors, "user_factors": fit.user_factors}
        return Part(factors, {"clipped_weights": fit.clipped_weights})

    words = f"fitting ALS, {counted(len(seeds), 'replicate')}"
    with stages("fit_als", words, len(seeds) * params.iterations):
        found = [
            parts.once(f"als-{r}", f"ALS {r + 1} of {len(seeds)}", lambda own=own: fitted(own))  # type: ignore[misc]
            for r, own in enumerate(seeds)
        ]
    stages.add("fit_als", sum(part.seconds for part in found))
    return [
        als.AlsFit(part.arrays["item_factors"], part.arrays["user_factors"], part.numbers["clipped_weights"])
        for part in found
    ]


def fit_word2vec(
    interactions: Interactions,
    params: word2vec.Word2vecParams,
    seeds: Sequence[np.random.SeedSequence],
    stages: Stages,
    parts: Parts = MAKES_ALL,
) -> list[word2vec.Word2vecFit]:
    """One fit a seed."""
    stop = threading.Event()

    def on_epoch() -> None:
        if stop.is_set():
            raise RecsysError("the build was stopped")
        stages.progress.advance(1)

    def fitted(own: np.random.SeedSequence) -> Part:
        return Part({"vectors": word2vec.fit(interactions, params, np.random.default_rng(own), on_epoch).vectors})

    with stages("fit_word2vec", f"fitting Word2vec, {counted(len(seeds), 'replicate')}", len(seeds) * params.epochs):
        found = _side_by_side(
            [
                lambda r=r, own=own: parts.once(  # type: ignore[misc]
                    f"word2vec-{r}", f"Word2vec {r + 1} of {len(seeds)}", lambda: fitted(own)
                )
                for r, own in enumerate(seeds)
            ],
            workers=_fits_at_once(params),
            stop=stop,
        )
    stages.add("fit_word2vec", sum(part.seconds for part in found) / min(_fits_at_once(params), len(seeds)))
    return [word2vec.Word2vecFit(**part.arrays) for part in found]


def within_budget(
    interactions: Interactions,
    wanted: word2vec.Word2vecParams,
    minutes: float,
    given: Collection[str],
    seeds: Sequence[np.random.SeedSequence],
    stages: Stages,
    parts: Parts,
    *,
    refuse: bool,
) -> tuple[word2vec.Word2vecParams, str]:
    """The wanted parameters with as many epochs, and as wide a window, as the budget allows here; what was chosen, in
    words. An interrupted build's choice stands, however fast the machine is now.

    given : of epochs and window those that stay. seeds : one a fit. refuse : a budget too small, see `allowed`.

    Raises
    ------
    ParameterError : see `allowed`.
    """
    at_once = min(_fits_at_once(wanted), len(seeds))

    def side_by_side(tasks: Sequence[Callable[[], Result]]) -> list[Result]:
        return _side_by_side(tasks, workers=at_once, stop=threading.Event())

    def choose() -> Part:
        stages.progress.stage("measuring how fast Word2vec is here", None)
        streams = [np.random.default_rng(own) for own in seeds[:at_once]]
        # As many at a time as there will be fits: they share caches and cores.
        meters = side_by_side([partial(word2vec.PaceMeter, interactions, wanted, rng) for rng in streams])

        def pace_at(window: int) -> word2vec.Pace:
            paces = side_by_side([partial(meter.at, window, seconds=PACE_SECONDS) for meter in meters])
            return max(paces, key=lambda pace: pace.epoch)

        rounds = -(-len(seeds) // at_once)
        chosen = allowed(wanted, minutes, rounds=rounds, given=given, pace_at=pace_at, refuse=refuse)
        return Part(numbers=asdict(chosen))

    with stages("measure_word2vec"):
        part = parts.once("word2vec-budget", "what the time allows Word2vec", choose)
    chosen = Allowed(**part.numbers)
    stages.progress.stage(f"Word2vec: {chosen.words}", None)
    return wanted.model_copy(update={"window": chosen.window, "epochs": chosen.epochs}), chosen.words


def _fits_at_once(params: word2vec.Word2vecParams) -> int:
    """A fit with one worker is repeatable; replicates side by side keep the other cores busy all the same."""
    return max(1, (os.cpu_count() or 1) // params.workers)


def _side_by_side(tasks: Sequence[Callable[[], Result]], workers: int, stop: threading.Event) -> list[Result]:
    with ThreadPoolExecutor(min(workers, len(tasks))) as pool:
        futures = [pool.submit(task) for task in tasks]
        try:
            return [future.result() for future in futures]
        except BaseException:
            # Ctrl-C reaches this thread only; the fits look at `stop` after every epoch.
            stop.set()
            pool.shutdown(cancel_futures=True, wait=False)
            raise
