"""Matrix factorisation of BM25-weighted plays by alternating least squares; the only importer of implicit."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
from pydantic import BaseModel, ConfigDict, Field
from threadpoolctl import OpenBLASController, threadpool_limits

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
    """One fit.

    item_factors : float32 (n_items, factors). user_factors : float32 (n_users, factors). clipped_weights : see
    `bm25.Bm25Weights`.
    """

    item_factors: npt.NDArray[np.float32]
    user_factors: npt.NDArray[np.float32]
    clipped_weights: int


def fit(
    user_items: sp.csr_matrix,
    params: AlsParams,
    rng: np.random.Generator,
    on_iteration: Callable[[], None] | None = None,
    *,
    threads: int = 0,
) -> AlsFit:
    """Fit ALS from random factors; the same `rng` state gives the same bits whatever the number of threads.

    user_items : CSR (n_users, n_items) of play counts > 0.
    threads : 0 for all cores.

    Raises
    ------
    ParameterError : the fit does not converge.

    Source: Hu, Koren & Volinsky (2008), Collaborative Filtering for Implicit Feedback Datasets.
    """
    weights = bm25_weights(user_items, k1=params.k1, b=params.b)
    model = _model(params, random_state=int(rng.integers(2**31 - 1)), num_threads=threads)
    return _alternate(model, weights, params, lambda _: on_iteration and on_iteration())


def go_on(
    start: AlsFit,
    weights: Bm25Weights,
    params: AlsParams,
    on_iteration: Callable[[AlsFit], object],
    *,
    threads: int = 0,
) -> AlsFit:
    """`params.iterations` more iterations from the factors of another fit, with other weights.

    on_iteration : told the factors after each iteration, which the next one changes in place; what it raises ends the
        fit and comes out here.
    threads : 0 for all cores; the result is the same.

    Raises
    ------
    ParameterError : the fit does not converge.
    """
    model = _model(params, num_threads=threads)
    model.user_factors, model.item_factors = np.array(start.user_factors), np.array(start.item_factors)
    return _alternate(model, weights, params, on_iteration)


class ItemRefit:
    """Item factors anew while the listeners' stay as they are: each the exact solution of its least squares.

    user_factors : float32 (n_users, factors).

    implicit's `recalculate_item` solves the same; through BLAS it takes a fifth of the time where items have many
    listeners, and nothing need be compiled or loaded for it.

    Source: Hu, Koren & Volinsky (2008), equation 5.
    """

    def __init__(self, user_factors: npt.NDArray[np.float32], regularization: float) -> None:
        self._user_factors = user_factors
        gram = user_factors.T @ user_factors
        self._gram = gram + np.float32(regularization) * np.eye(len(gram), dtype=np.float32)

    def __call__(self, item_users: sp.csr_matrix) -> npt.NDArray[np.float32]:
        """item_users : CSR (n_chosen, n_users) of BM25 weights; result float32 (n_chosen, factors)."""
        n_chosen, factors = item_users.shape[0], self._user_factors.shape[1]
        left = np.empty((n_chosen, factors, factors), np.float32)
        right = np.empty((n_chosen, factors, 1), np.float32)
        starts = item_users.indptr
        for item in range(n_chosen):
            own = slice(starts[item], starts[item + 1])
            listeners, weights = self._user_factors[item_users.indices[own]], item_users.data[own]
            left[item] = (listeners * (weights - 1)[:, None]).T @ listeners
            right[item, :, 0] = weights @ listeners
        left += self._gram
        return np.linalg.solve(left, right)[:, :, 0]


class ListenerFoldIn:
    """The factors of a listener that the fit has not seen, while the items' stay as they are.

    item_factors : float32 (n_items, factors).

    A weight above 0 is a confidence that the listener likes the item (target 1); a weight below 0 is, negated, a
    confidence that they do not (target 0), which is how implicit reads it. All other items have target 0, confidence 1.

    Source: Hu, Koren & Volinsky (2008), equations 4 and 7.
    """

    def __init__(self, item_factors: npt.NDArray[np.float32], regularization: float) -> None:
        self._item_factors = item_factors
        gram = (item_factors.T @ item_factors).astype(np.float64)
        self._gram = gram + regularization * np.eye(len(gram))

    def __call__(
        self, rows: npt.NDArray[np.integer[Any]], weights: npt.NDArray[np.floating[Any]]
    ) -> npt.NDArray[np.float64]:
        """What each item of the listener adds to their factors, which are the sum of all.

        A liked item adds its own solution as if nothing were disliked; a disliked one takes away, in proportion to
        what the listener is still predicted to think of it. So the parts of a score, too, add up to it exactly.

        rows, weights : (n_own,), no row twice; result float64 (n_own, factors).
        """
        own = self._item_factors[rows].astype(np.float64)
        liked = weights > 0
        likes, dislikes = own[liked], own[~liked]
        left = self._gram + (likes * (weights[liked] - 1)[:, None]).T @ likes
        less = -weights[~liked] - 1
        listener = np.linalg.solve(left + (dislikes * less[:, None]).T @ dislikes, weights[liked] @ likes)
        parts = weights.astype(np.float64)
        parts[~liked] = -less * (dislikes @ listener)
        result: npt.NDArray[np.float64] = np.linalg.solve(left, (own * parts[:, None]).T).T
        return result


class _BlasThreads:
    """One BLAS thread for as long as anybody needs it so: the setting is the whole process's, and fits overlap.

    implicit warns of, and suffers badly from, BLAS threads under its own.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._limits: threadpool_limits | None = None

    @contextmanager
    def __call__(self) -> Iterator[None]:
        # implicit computes by SciPy's own BLAS, which can be held to one thread only once it is loaded.
        import scipy.linalg.cython_blas  # noqa: F401

        with self._lock:
            if self._users == 0:
                # threadpoolctl heeds the first thread that ever set a limit and no other, without a word.
                OpenBLASController.clear_controlling_thread(force=True)
                self._limits = threadpool_limits(1, "blas")
            self._users += 1
        try:
            yield
        finally:
            with self._lock:
                self._users -= 1
                if self._users == 0 and self._limits is not None:
                    OpenBLASController.clear_controlling_thread(force=True)
                    self._limits.restore_original_limits()


one_blas_thread = _BlasThreads()


def _model(params: AlsParams, **more: Any) -> Any:
    from implicit.cpu.als import AlternatingLeastSquares

    with one_blas_thread():
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
        with one_blas_thread():
            model.fit(weights.user_items, show_progress=False, callback=lambda *_: on_iteration(so_far()))
    except ModelFitError as error:
        raise ParameterError(
            f"ALS does not converge with {params.model_dump()}: {error}; "
            "try a smaller K1, another regularization or fewer factors"
        ) from error
    return so_far()
