"""One item's neighbours under another K1 and B: quickly from the stored factors, or by training on from them."""

from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from recsys.analysis.neighbours import top_columns
from recsys.analysis.side_by_side import Lists, compare_lists, stored_lists
from recsys.artifacts.store import ArtifactSet
from recsys.errors import ParameterError, UnsupportedSchema
from recsys.models import als
from recsys.models.als import AlsFit, AlsParams, ItemRefit, go_on, one_blas_thread
from recsys.models.bm25 import Bm25Statistics, bm25_weights, check_bm25, clip, weigh
from recsys.models.vectors import unit_rows
from recsys.plural import counted
from recsys.whatif.result import BASELINE, WHATIF, Mode, WhatIf, setting

Rows = npt.NDArray[np.int64]
# Beyond the stored list, how many of BM25's own item-item neighbours can come in. Together they hold 96 to 100% of what
# a full fit lists on HetRec, whatever K1 and B.
FROM_ITEM_ITEM = 200
# Plays looked at for one refit: 2 M take 0.3 s on 2 cores.
MOST_PLAYS = 2_000_000
REFINE_ITERATIONS = 10
SEEDS_OF_WHAT_IFS = 3  # beside those of the build's own random numbers
OnStep = Callable[[int, int], object]
OnIteration = Callable[[int, int, Callable[[], WhatIf]], object]


class WhatIfEngine:
    """Answers what-ifs about one artifact set; one serves all sessions.

    Holds, besides what is mapped from disk, the play counts by items and a copy of their places by listeners: 12 bytes
    for each pair of listener and item.

    Raises
    ------
    UnsupportedSchema : the set does not hold the factors of all fits, as one built by an older version.
    """

    def __init__(self, artifacts: ArtifactSet) -> None:
        self.artifacts = artifacts
        entry = artifacts.manifest.models["als"]
        self.params = AlsParams.model_validate(entry.params)
        self._user_factors, self._item_factors = (artifacts.array(f"als/{side}_factors") for side in ("user", "item"))
        counts = artifacts.manifest.counts
        for whose, found, rows in (
            ("listeners", self._user_factors.shape, counts.listeners), ("items", self._item_factors.shape, counts.items)
        ):  # fmt: skip
            if found != (needed := (entry.n_replicates, rows, self.params.factors)):
                raise UnsupportedSchema(
                    f"{artifacts.folder} holds ALS factors of {list(found)}, a what-if needs {list(needed)} (fits, "
                    f"{whose}, factors); build the set again"
                )
        stored = artifacts.user_items
        # implicit does not take arrays that are mapped read-only.
        self._user_items = sp.csr_matrix(
            (stored.data, np.array(stored.indices), np.array(stored.indptr)), shape=stored.shape, copy=False
        )
        self._item_users = self._user_items.T.tocsr()
        self.statistics = Bm25Statistics.of(self._user_items)
        with one_blas_thread():
            self._refits = [ItemRefit(np.asarray(each), self.params.regularization) for each in self._user_factors]

    def plays_of(self, item_row: int) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float64]]:
        """An item's play counts and the idf of the listeners they are from, (n_listeners,) each."""
        own = slice(*self._item_users.indptr[item_row : item_row + 2])
        return self._item_users.data[own], self.statistics.idf[self._item_users.indices[own]]

    def preview(self, item_row: int, *, k1: float, b: float, n: int) -> WhatIf:
        """The listeners' factors as they are, the item and its likely neighbours refitted with the new weights.

        Exact for what it is; that listeners would change too is left out, and the page says how much that costs.

        Raises
        ------
        ParameterError : K1, B, n or the row outside their limits.
        """
        start = time.perf_counter()
        check_bm25(k1, b)
        baseline = stored_lists(self.artifacts, "als", item_row, n=n)
        if (k1, b) == (self.params.k1, self.params.b):
            # A refit would differ a little, which is the preview's error and no effect of K1 and B.
            return self._result(
                "preview", item_row, n, baseline, baseline, k1=k1, b=b, start=start,
                computed="nothing, these are the settings of the set itself", iterations=0, clipped=0, weights=0,
            )  # fmt: skip
        candidates = self._candidates(item_row, k1, b)
        item_users = self._item_users[candidates]
        weights, clipped = clip(self._weigh(item_users, candidates, k1, b))
        item_users = sp.csr_matrix((weights, item_users.indices, item_users.indptr), shape=item_users.shape)

        def cosines(refit: ItemRefit) -> npt.NDArray[np.float32]:
            vectors = unit_rows(refit(item_users))
            result: npt.NDArray[np.float32] = vectors[1:] @ vectors[0]
            return result

        with one_blas_thread():
            found = self._each(cosines, self._refits)
        new = _ranked(candidates[1:], np.stack(found), n)
        words = f"{counted(len(candidates) - 1, 'candidate')} refitted, every listener's factors kept"
        return self._result(
            "preview", item_row, n, baseline, new, k1=k1, b=b, start=start, computed=words, iterations=0,
            clipped=clipped, weights=len(weights),
        )  # fmt: skip

    def refine(
        self,
        item_row: int,
        *,
        k1: float,
        b: float,
        n: int,
        iterations: int = REFINE_ITERATIONS,
        on_iteration: OnIteration | None = None,
    ) -> WhatIf:
        """All fits trained on from the factors they have, with the new weights.

        Parameters
        ----------
        on_iteration : told after each iteration of each fit how many are done, of how many, and how to get at what is
            known by then; what it raises ends the training and comes out here.

        Raises
        ------
        ParameterError : K1, B, n, the row or iterations outside their limits, or a fit does not converge.
        """
        start = time.perf_counter()
        baseline = stored_lists(self.artifacts, "als", item_row, n=n)
        others = np.delete(np.arange(self._item_users.shape[0]), item_row)
        cosines = np.stack([_cosines(factors, item_row) for factors in self._item_factors])
        count, clipped = len(cosines), 0

        def result(done: int) -> WhatIf:
            whole = done == iterations * count
            words = (
                f"{counted(iterations, 'iteration')} of {counted(count, 'fit')}"
                if whole
                else f"{done} of {counted(iterations * count, 'iteration')}"
            )
            return self._result(
                "refine", item_row, n, baseline, _ranked(others, cosines[:, others], n), k1=k1, b=b, start=start,
                computed=f"{words} from the stored factors, listeners and items trained on",
                iterations=done // count, clipped=clipped, weights=self._user_items.nnz,
            )  # fmt: skip

        def told(replicate: int, fit: AlsFit, done: int) -> None:
            nonlocal clipped
            cosines[replicate], clipped = _cosines(fit.item_factors, item_row), fit.clipped_weights
            if on_iteration:
                on_iteration(done, iterations * count, lambda: result(done))

        self.trained_on(k1=k1, b=b, iterations=iterations, on_iteration=told)
        return result(iterations * count)

    def trained_on(
        self, *, k1: float, b: float, iterations: int, on_iteration: Callable[[int, AlsFit, int], object]
    ) -> list[AlsFit]:
        """All fits after some more iterations from the factors they have, with the new weights.

        on_iteration : told which fit has done one, its factors (which the next one changes in place), and how many
            iterations of all fits are done.

        Raises
        ------
        ParameterError : K1, B or iterations outside their limits, or a fit does not converge.
        """
        if not 1 <= iterations <= 1000:
            raise ParameterError(f"iterations is {iterations}; it must be between 1 and 1,000")
        weights = bm25_weights(self._user_items, k1=k1, b=b, statistics=self.statistics)
        params = self.params.model_copy(update={"k1": k1, "b": b, "iterations": iterations})
        done, telling = 0, threading.Lock()

        def train(replicate: int) -> AlsFit:
            def told(fit: AlsFit) -> None:
                nonlocal done
                with telling:
                    done += 1
                    on_iteration(replicate, fit, done)

            begin = AlsFit(self._item_factors[replicate], self._user_factors[replicate], 0)
            return go_on(begin, weights, params, told, threads=self._threads)

        return self._each(train, range(len(self._item_factors)))

    def full(self, item_row: int, *, k1: float, b: float, n: int, on_iteration: OnStep | None = None) -> WhatIf:
        """As many fits as the baseline has, from random factors and other seeds; kept by whoever asks for `fitted`.

        on_iteration : told after each iteration of each fit how many are done, of how many; what it raises ends the
            training and comes out here.

        Raises
        ------
        ParameterError : K1, B, n or the row outside their limits, or a fit does not converge.
        """
        start = time.perf_counter()
        baseline = stored_lists(self.artifacts, "als", item_row, n=n)
        fits = self.fitted(k1=k1, b=b, on_iteration=on_iteration)
        new = lists_by(fits, item_row, n)
        words = _full_words(len(fits), self.params.iterations)
        return self._result(
            "full", item_row, n, baseline, new, k1=k1, b=b, start=start, computed=words,
            iterations=self.params.iterations, clipped=fits[0].clipped_weights, weights=self._user_items.nnz,
        )  # fmt: skip

    def as_kept(self, scenario: ArtifactSet, item_row: int, n: int) -> WhatIf:
        """The full answer that a scenario of this set holds.

        Raises
        ------
        ParameterError : n or the row outside their limits.
        """
        start = time.perf_counter()
        entry = scenario.manifest.models["als"]
        return self._result(
            "full", item_row, n, stored_lists(self.artifacts, "als", item_row, n=n),
            stored_lists(scenario, "als", item_row, n=n), k1=float(entry.params["k1"]), b=float(entry.params["b"]),
            start=start, computed=_full_words(entry.n_replicates, self.params.iterations),
            iterations=self.params.iterations, clipped=None, weights=self._user_items.nnz,
        )  # fmt: skip

    @property
    def seconds_of_refine(self) -> float:
        """About how long a refine takes, going by the build's own fits; not a number where that is not known."""
        fits = self.artifacts.manifest.timings.get("fit_als", math.nan)
        return fits / self.params.iterations * REFINE_ITERATIONS

    def fitted(self, *, k1: float, b: float, on_iteration: OnStep | None = None) -> list[AlsFit]:
        """As many fits as the baseline has, from random factors and other seeds; parameters and errors as of `full`."""
        check_bm25(k1, b)
        params = self.params.model_copy(update={"k1": k1, "b": b})
        count = len(self._item_factors)
        done, telling = 0, threading.Lock()

        def told() -> None:
            nonlocal done
            with telling:
                done += 1
                if on_iteration:
                    on_iteration(done, count * params.iterations)

        def fit(seed: np.random.SeedSequence) -> AlsFit:
            return als.fit(self._user_items, params, np.random.default_rng(seed), told, threads=self._threads)

        # Not the baseline's seeds: what a seed alone would change must not be hidden.
        seeds = np.random.SeedSequence([self.artifacts.manifest.seed, SEEDS_OF_WHAT_IFS])
        return self._each(fit, seeds.spawn(count))

    @property
    def _threads(self) -> int:
        """Of one fit; two are trained at a time: as fast as one with two threads, and steadier beside other work."""
        return 1 if len(self._item_factors) > 1 else 0

    def _each(self, task: Callable[[Any], Any], over: Sequence[Any]) -> list[Any]:
        with ThreadPoolExecutor(min(os.cpu_count() or 1, len(over))) as pool:
            return list(pool.map(task, over))

    def _weigh(self, item_users: sp.csr_matrix, items: Rows, k1: float, b: float) -> npt.NDArray[np.float64]:
        """Weights of the plays in some rows of `_item_users`, not clipped; `items` are those rows."""
        lengths = np.repeat(self.statistics.relative_length[items], np.diff(item_users.indptr))
        return weigh(item_users.data, lengths, self.statistics.idf[item_users.indices], k1=k1, b=b)

    def _candidates(self, item_row: int, k1: float, b: float) -> Rows:
        """The item itself, then by row where its neighbours may come from: from the stored list and from BM25's own
        item-item neighbours, best first in turn, as far as MOST_PLAYS goes."""
        stored = np.asarray(self.artifacts.neighbours("als")[item_row])
        self.artifacts.check_rows(stored)
        by_score = self._item_item(item_row, k1, b)
        length = max(len(stored), len(by_score))
        in_turn = np.full((length, 2), -1)
        in_turn[: len(stored), 0], in_turn[: len(by_score), 1] = stored, by_score
        rows, first = np.unique(in_turn.ravel(), return_index=True)
        rows = rows[np.argsort(first)]
        rows = np.concatenate([[item_row], rows[(rows >= 0) & (rows != item_row)]])
        plays = np.cumsum(np.diff(self._item_users.indptr)[rows])
        rows = rows[: max(2, int(np.searchsorted(plays, MOST_PLAYS, side="right")))]
        return np.concatenate([rows[:1], np.sort(rows[1:])])

    def _item_item(self, item_row: int, k1: float, b: float) -> Rows:
        """The nearest items by the plain product of BM25 weights, best first, at most FROM_ITEM_ITEM."""
        own = self._item_users[[item_row]]
        mine = self._weigh(own, np.array([item_row]), k1, b)
        theirs = self._user_items[own.indices]
        idf = np.repeat(self.statistics.idf[own.indices], np.diff(theirs.indptr))
        weights = weigh(theirs.data, self.statistics.relative_length[theirs.indices], idf, k1=k1, b=b)
        scores = np.bincount(theirs.indices, weights * np.repeat(mine, np.diff(theirs.indptr)), theirs.shape[1])
        scores[item_row] = 0
        count = min(FROM_ITEM_ITEM, len(scores) - 1)
        top = np.argpartition(-scores, count)[:count]
        top = top[scores[top] > 0]
        return top[np.argsort(-scores[top], kind="stable")]

    def _result(
        self, mode: Mode, item_row: int, n: int, baseline: Lists, new: Lists, *, k1: float, b: float, start: float,
        computed: str, iterations: int, clipped: int | None, weights: int,
    ) -> WhatIf:  # fmt: skip
        titles = {BASELINE: setting(self.params.k1, self.params.b), WHATIF: setting(k1, b)}
        view = compare_lists(self.artifacts.catalogue, item_row, {BASELINE: baseline, WHATIF: new}, n=n, titles=titles)
        return WhatIf(
            mode=mode, view=view, k1=k1, b=b, baseline_k1=self.params.k1, baseline_b=self.params.b,
            seconds=time.perf_counter() - start, computed=computed, iterations=iterations, clipped=clipped,
            weights=weights,
        )  # fmt: skip


def lists_by(fits: Sequence[AlsFit], item_row: int, n: int) -> Lists:
    """One item's neighbours over the whole catalogue by some fits."""
    others = np.delete(np.arange(len(fits[0].item_factors)), item_row)
    cosines = np.stack([_cosines(fit.item_factors, item_row)[others] for fit in fits])
    return _ranked(others, cosines, n)


def _full_words(fits: int, iterations: int) -> str:
    return f"{counted(fits, 'fit')} of {counted(iterations, 'iteration')} from random factors and other seeds"


def _cosines(factors: npt.NDArray[np.float32], item_row: int) -> npt.NDArray[np.float32]:
    """Cosines of all rows with one of them, (n_items,); 0 for rows of zeros."""
    lengths = np.sqrt(np.einsum("ij,ij->i", factors, factors))
    scale = lengths * lengths[item_row]
    products = factors @ factors[item_row]
    result = np.zeros(len(factors), np.float32)
    np.divide(products, scale, out=result, where=scale > 0)
    return result


def _ranked(rows: Rows, cosines: npt.NDArray[np.float32], n: int) -> Lists:
    """The nearest of `rows` by each fit, by both halves of the fits and by all; cosines (n_fits, n_rows)."""
    count = len(cosines)
    halves = [cosines[: count // 2], cosines[count // 2 :]] if count > 1 else []
    by_all = [cosines.mean(axis=0), *(half.mean(axis=0) for half in halves), *(cosines if halves else ())]
    columns, values = top_columns(np.stack(by_all), min(n, len(rows)))
    missing = (0, 0), (0, max(0, n - len(rows)))
    lists = np.pad(rows[columns].astype(np.int32), missing, constant_values=-1)[:, None]
    similarities = np.pad(values[:1].astype(np.float32), missing)
    return Lists(lists[0], similarities, replicates=list(lists[3:]), halves=list(lists[1:3]))
