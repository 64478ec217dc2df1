"""Two settings of K1 and B held against each other."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from recsys.artifacts.manifest import Evaluation
from recsys.artifacts.store import ArtifactSet
from recsys.errors import ParameterError
from recsys.models import als
from recsys.tuning.measure import Ground, Point, TuningSettings, measure
from recsys.tuning.region import best_region


def compare_settings(
    base: ArtifactSet,
    baseline: Point,
    other: Point,
    settings: TuningSettings,
    on_iteration: Callable[[], None] = lambda: None,
) -> Evaluation:
    """How well `other` recommends held-out items, beside `baseline`; as in a grid, see `tuning.grid.tune`.

    on_iteration : told after each iteration of each fit, `replicates` · iterations for each setting; what it raises
        ends the measuring and comes out here.

    Raises
    ------
    ParameterError : K1 or B outside its limits, or a fit does not converge.
    ArtifactError : there is nothing to hold out.
    """
    ground = Ground.of(base, settings)
    with als.one_blas_thread():
        measured = [measure(point, ground, 0, on_iteration) for point in (baseline, other)]
    for each in measured:
        if each.numbers["reason"]:
            raise ParameterError(str(each.numbers["reason"]))
    ndcg = np.stack([each.values[0] for each in measured])
    region = best_region(ndcg)
    # The region says how far each is behind the better one; here it is how far `other` is ahead.
    if region.best == 1:
        difference, low, high = region.behind[0], region.low[0], region.high[0]
    else:
        difference, low, high = -region.behind[1], -region.high[1], -region.low[1]
    means = ndcg.mean(axis=(1, 2))
    return Evaluation(
        n=settings.n,
        held_out=settings.held_out,
        listeners=len(ground.users),
        replicates=settings.replicates,
        ndcg=round(float(means[1]), 4),
        baseline_ndcg=round(float(means[0]), 4),
        difference=round(float(difference), 4),
        difference_low=round(float(low), 4),
        difference_high=round(float(high), 4),
    )
