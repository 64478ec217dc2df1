"""Matrix factorisation of BM25-weighted plays by alternating least squares; the only importer of implicit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field
from threadpoolctl import threadpool_limits

from recsys.errors import ParameterError
from recsys.interactions.log import Interactions
from recsys.models.bm25 import bm25_weights


class AlsParams(BaseModel):
    """Parameters of BM25-weighted ALS."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    k1: float = Field(1.2, ge=0, le=1e9, allow_inf_nan=False, description="BM25 saturation of play counts")
    b: float = Field(0.75, ge=0, le=1, description="BM25 normalisation by an item's total plays")
    factors: int = Field(50, ge=1, le=2000, description="length of a factor vector")
    iterations: int = Field(15, ge=1, le=1000, description="passes over listeners and items")
    regularization: float = Field(0.01, ge=0, le=1e9, allow_inf_nan=False, description="weight of the factors' length")


@dataclass(frozen=True)
class AlsFit:
    """One fit. item_factors float32 (n_items, factors), user_factors float32 (n_users, factors)."""

    item_factors: npt.NDArray[np.float32]
    user_factors: npt.NDArray[np.float32]
    clipped_weights: int


def fit(
    interactions: Interactions,
    params: AlsParams,
    rng: np.random.Generator,
    on_iteration: Callable[[], None] | None = None,
) -> AlsFit:
    """Fit ALS; the same `rng` state gives the same bits whatever the number of threads.

    Source: Hu, Koren & Volinsky (2008), Collaborative Filtering for Implicit Feedback Datasets.
    """
    from implicit.cpu.als import AlternatingLeastSquares
    from implicit.recommender_base import ModelFitError

    weights = bm25_weights(interactions.user_items, k1=params.k1, b=params.b)
    # implicit warns of, and suffers badly from, BLAS threads under its own.
    with threadpool_limits(1, "blas"):
        model = AlternatingLeastSquares(
            factors=params.factors,
            iterations=params.iterations,
            regularization=params.regularization,
            random_state=int(rng.integers(2**31 - 1)),
        )
        try:
            model.fit(
                weights.user_items,
                show_progress=False,
                callback=(lambda *_: on_iteration()) if on_iteration else None,
            )
        except ModelFitError as error:
            raise ParameterError(
                f"ALS does not converge with {params.model_dump()}: {error}; "
                "try a smaller K1, another regularization or fewer factors"
            ) from error
    return AlsFit(
        np.asarray(model.item_factors, np.float32), np.asarray(model.user_factors, np.float32), weights.clipped
    )
