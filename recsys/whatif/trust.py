"""How far the quick answers of a what-if can be trusted: measured against full fits, beside the noise."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from recsys.analysis.compare import overlap_at_n
from recsys.artifacts.manifest import Trust
from recsys.artifacts.store import ArtifactSet
from recsys.whatif.engine import REFINE_ITERATIONS, WhatIfEngine, lists_by
from recsys.whatif.result import WHATIF

SAMPLE = 100
MIN_LISTENERS = 10
TUTORIAL, TEXTBOOK = (100.0, 0.8), (1.2, 0.75)
FAR_FROM_TUTORIAL = 10.0  # K1 below which the tutorial's setting is the far one


def far_setting(k1: float) -> tuple[float, float]:
    """A well-known K1 and B far from this one: where quick answers are hardest."""
    return TUTORIAL if k1 < FAR_FROM_TUTORIAL else TEXTBOOK


def measure_trust(artifacts: ArtifactSet, n: int, on_step: Callable[[int], object] = lambda steps: None) -> Trust:
    """Preview and refine against a full fit with other seeds, at a far setting, over a seeded sample of items.

    on_step : told now and then how many of `trust_steps` are done since.
    """
    engine = WhatIfEngine(artifacts)
    k1, b = far_setting(engine.params.k1)
    rows = _sample(artifacts)
    full = engine.fitted(k1=k1, b=b, on_iteration=lambda done, total: on_step(1))
    refined = engine.trained_on(
        k1=k1, b=b, iterations=REFINE_ITERATIONS, on_iteration=lambda replicate, fit, done: on_step(1)
    )
    overlaps: dict[str, list[float]] = {"nothing": [], "preview": [], "refine": [], "noise_floor": []}
    for row in rows:
        truth = lists_by(full, row, n)
        preview = engine.preview(row, k1=k1, b=b, n=n).view
        lists = {
            "nothing": preview.lists["baseline"]["item_row"].to_numpy(),
            "preview": preview.lists[WHATIF]["item_row"].to_numpy(),
            "refine": lists_by(refined, row, n).rows[0],
        }
        for name, found in lists.items():
            padded = np.pad(found, (0, n - len(found)), constant_values=-1)
            overlaps[name].append(overlap_at_n(padded, truth.rows[0], n))
        if truth.halves:
            overlaps["noise_floor"].append(overlap_at_n(truth.halves[0][0], truth.halves[1][0], n))
        on_step(1)
    means = {name: round(float(np.nanmean(each)), 4) if each else None for name, each in overlaps.items()}
    return Trust(k1=k1, b=b, items=len(rows), n=n, iterations=REFINE_ITERATIONS, **means)


def trust_steps(artifacts: ArtifactSet) -> int:
    """How many steps `measure_trust` takes."""
    entry = artifacts.manifest.models["als"]
    return entry.n_replicates * (int(entry.params["iterations"]) + REFINE_ITERATIONS) + len(_sample(artifacts))


def _sample(artifacts: ArtifactSet) -> list[int]:
    listeners = artifacts.catalogue["listeners"].to_numpy()
    known = np.flatnonzero(listeners >= min(MIN_LISTENERS, int(listeners.max())))
    rng = np.random.default_rng([artifacts.manifest.seed, 4])
    return [int(row) for row in np.sort(rng.choice(known, min(SAMPLE, len(known)), replace=False))]
