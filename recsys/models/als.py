"""Matrix factorisation of BM25-weighted plays by alternating least squares; the only importer of implicit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
from pydantic import BaseModel, ConfigDict, Field
from threadpoolctl import threadpool_limits

from recsys.errors import ParameterError
from recsys.models.bm25 import LARGEST_K1, Bm25Weights, bm25_weights


class AlsParams(BaseModel):
    """Parameters of BM25-weighted ALS."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    k1: float = Field(1.2, ge=0, le=LARGEST_K1, allow_inf_nan=False, description="BM25 saturation of play counts")
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
    user_items: sp.csr_matrix,
    params: AlsParams,
    rng: np.random.Generator,
    on_iteration: Callable[[], None] | None = None,
) -> AlsFit:
    """Fit ALS from random factors; the same `rng` state gives the same bits whatever the number of threads.

    user_items : CSR (n_users, n_items) of play counts > 0.

    Raises
    ------
    ParameterError : the fit does not converge.

    Source: Hu, Koren & Volinsky (2008), Collaborative Filtering for Implicit Feedback Datasets.
    """
    weights = bm25_weights(user_items, k1=params.k1, b=params.b)
    model = _model(params, random_state=int(rng.integers(2**31 - 1)))
    return _alternate(model, weights, params, lambda _: on_iteration and on_iteration())


def go_on(
    start: AlsFit,
    weights: Bm25Weights,
    params: AlsParams,
    on_iteration: Callable[[AlsFit], None],
) -> AlsFit:
    """`params.iterations` more iterations from the factors of another fit, with other weights.

    on_iteration : told the factors after each iteration, which the next one changes in place; what it raises ends the
        fit and comes out here.

    Raises
    ------
    ParameterError : the fit does not converge.
    """
    model = _model(params)
    model.user_factors = np.array(start.user_factors)
    model.item_factors = np.array(start.item_factors)
    return _alternate(model, weights, params, on_iteration)


class ItemRefit:
    """Item factors anew while the listeners' stay as they are: each the exact solution of its least squares."""

    def __init__(self, user_factors: npt.NDArray[np.float32], params: AlsParams) -> None:
        self._model = _model(params)
        self._model.user_factors = user_factors

    def __call__(self, item_users: sp.csr_matrix) -> npt.NDArray[np.float32]:
        """item_users : CSR (n_chosen, n_users) of BM25 weights; result float32 (n_chosen, factors)."""
        with threadpool_limits(1, "blas"):
            result: npt.NDArray[np.float32] = self._model.recalculate_item(np.arange(item_users.shape[0]), item_users)
        return result


def _model(params: AlsParams, **more: Any) -> Any:
    from implicit.cpu.als import AlternatingLeastSquares

    return AlternatingLeastSquares(
        factors=params.factors, iterations=params.iterations, regularization=params.regularization, **more
    )


def _alternate(model: Any, weights: Bm25Weights, params: AlsParams, on_iteration: Callable[[AlsFit], object]) -> AlsFit:
    from implicit.recommender_base import ModelFitError

    def so_far() -> AlsFit:
        return AlsFit(
            np.asarray(model.item_factors, np.float32), np.asarray(model.user_factors, np.float32), weights.clipped
        )

    try:
        # implicit warns of, and suffers badly from, BLAS threads under its own.
        with threadpool_limits(1, "blas"):
            model.fit(weights.user_items, show_progress=False, callback=lambda *_: on_iteration(so_far()))
    except ModelFitError as error:
        raise ParameterError(
            f"ALS does not converge with {params.model_dump()}: {error}; "
            "try a smaller K1, another regularization or fewer factors"
        ) from error
    return so_far()
