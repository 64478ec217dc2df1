"""Maps: two-dimensional layouts of the stored neighbour graph by UMAP or t-SNE, and what makes two of them comparable.

The only importer of umap and openTSNE, inside functions: both cost seconds to import.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, Self, TypeAlias

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
from pydantic import BaseModel, ConfigDict, Field

from recsys.errors import ParameterError

Method: TypeAlias = Literal["umap", "tsne"]
METHODS: tuple[Method, ...] = ("umap", "tsne")
METHOD_TITLES: dict[str, str] = {"umap": "UMAP", "tsne": "t-SNE"}
Layout = npt.NDArray[np.float32]
Coordinates = npt.NDArray[np.floating[Any]]
OnStep: TypeAlias = Callable[[int], object]

LEAST_ITEMS = 5
SMALL = 10_000  # items; UMAP's authors give small data more epochs
EXAGGERATED_ITERATIONS = 250
REPORT_EVERY = 10  # iterations of t-SNE; asking more often makes it compute its loss more often
START_NEIGHBOURS = 15
START_STEPS = 100
START_NOISE = 0.01  # of the starting layout's standard deviation
LEAST_SHARED = 3
ALIGNED_SHARE = 0.5
ALIGNED_STEPS = 100


class _Params(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class UmapParams(_Params):
    """Parameters of UMAP. Source: McInnes, Healy & Melville (2018)."""

    n_neighbors: int = Field(15, ge=2, le=1001, description="items that make a neighbourhood, the item itself counted")
    min_dist: float = Field(0.1, ge=0, le=0.99, description="how close points may come")
    epochs: int | None = Field(None, ge=1, le=10_000, description="passes; None: 500, and 200 from 10,000 items on")

    def within(self, depth: int) -> Self:
        """These parameters on lists of `depth` neighbours: a default too long for them is cut to fit.

        Raises
        ------
        ParameterError : n_neighbors was asked for and the lists are shorter.
        """
        if self.n_neighbors <= depth + 1:
            return self
        if "n_neighbors" in self.model_fields_set:
            raise ParameterError(
                f"n_neighbors is {self.n_neighbors}; the stored lists hold {depth} neighbours, so at most {depth + 1} "
                f"with the item itself: ask for less, or build again with a larger depth"
            )
        return self.model_copy(update={"n_neighbors": depth + 1})

    def steps(self, n_items: int) -> int:
        """How many steps a map of so many items takes."""
        return self.epochs or (500 if n_items <= SMALL else 200)


class TsneParams(_Params):
    """Parameters of t-SNE. Source: van der Maaten & Hinton (2008); early exaggeration: van der Maaten (2014)."""

    perplexity: float = Field(30.0, ge=1, le=333, description="effective number of neighbours; three times it are used")
    early_exaggeration: float = Field(12.0, ge=1, le=1000, description="of the first 250 steps of a free start")
    iterations: int = Field(500, ge=1, le=10_000, description="steps after those")

    def within(self, depth: int) -> Self:
        """These parameters on lists of `depth` neighbours: a default too large for them is cut to fit.

        Raises
        ------
        ParameterError : the perplexity was asked for and the lists hold fewer than three times as many.
        """
        if 3 * self.perplexity <= max(depth, 3):  # the least perplexity takes what there is
            return self
        if "perplexity" in self.model_fields_set:
            raise ParameterError(
                f"the perplexity is {self.perplexity:g}; it takes three times as many neighbours and the stored lists "
                f"hold {depth}, so at most {max(1.0, depth / 3):.4g}: ask for less, or build again with a larger depth"
            )
        return self.model_copy(update={"perplexity": max(1.0, depth / 3)})

    def steps(self, n_items: int) -> int:
        """How many steps a map takes, whatever the number of items."""
        return EXAGGERATED_ITERATIONS + self.iterations


MapParams: TypeAlias = UmapParams | TsneParams
PARAMS: dict[Method, type[UmapParams] | type[TsneParams]] = {"umap": UmapParams, "tsne": TsneParams}


def project(
    neighbours: npt.NDArray[np.int32],
    similarities: npt.NDArray[np.float32],
    params: MapParams,
    rng: np.random.Generator,
    *,
    initial: Coordinates | None = None,
    on_step: OnStep = lambda amount: None,
) -> Layout:
    """A map of the items, from their neighbour lists alone: near in the lists, near on the map.

    Parameters
    ----------
    neighbours : int32 (n_items, depth), best first, -1 where a list ended. similarities : cosines, same shape.
    params : decide the method, UMAP or t-SNE.
    initial : (n_items, 2), a map by the same method to go on from, NaN where not known; t-SNE then leaves out its early
        exaggeration. None: a spectral layout of the graph, which is the same for every `rng`. Either is blurred a
        little by `rng`, so that seeds differ.
    on_step : told how many epochs or iterations have just been done, of `params.steps(n_items)`; what it raises ends
        the work and comes out here.

    Returns
    -------
    float32 (n_items, 2); NaN rows for items that have no list and are in none. Same rng state, same bits on one
    machine.

    Raises
    ------
    ParameterError : parameters that need longer lists (see `within`), or fewer than LEAST_ITEMS items with neighbours.
    """
    n_items, depth = neighbours.shape
    params = params.within(depth)
    listed = np.any(neighbours >= 0, axis=1)
    listed[neighbours[neighbours >= 0]] = True
    rows = np.flatnonzero(listed)
    if len(rows) < LEAST_ITEMS:
        raise ParameterError(f"a map needs at least {LEAST_ITEMS} items that have neighbours; here are {len(rows)}")
    used = params.n_neighbors - 1 if isinstance(params, UmapParams) else min(depth, int(3 * params.perplexity))
    position = np.full(n_items, -1, np.int32)
    position[rows] = np.arange(len(rows), dtype=np.int32)
    lists = neighbours[rows, : max(used, min(depth, START_NEIGHBOURS))]
    near = np.where(lists >= 0, position[lists], np.int32(-1))
    cosines = np.clip(np.where(near[:, :used] >= 0, similarities[rows, :used], 0), -1, 1)
    start = _spectral(near[:, :START_NEIGHBOURS]) if initial is None else _filled(initial[rows], near)
    size = max(float(start.std()), 1e-6)
    start = start - start.mean(axis=0) + START_NOISE * size * rng.standard_normal(start.shape)
    layout = np.full((n_items, 2), np.nan, np.float32)
    seed = int(rng.integers(2**31 - 1))
    if isinstance(params, UmapParams):
        layout[rows] = _umap(near[:, :used], cosines, start, params, seed, on_step)
    else:
        unfolded = initial is not None
        # From a wide start t-SNE does not unfold; its authors begin at a standard deviation of 1e-4. A layout that is
        # unfolded already is gone on from as it is: drawn together again, it would come out with another arrangement.
        start *= 1 if unfolded else 1e-4 / size
        exaggeration = 1 if unfolded else params.early_exaggeration
        layout[rows] = _tsne(near[:, :used], cosines, start, params, exaggeration, on_step)
    return layout


class _Rate(float):
    """UMAP's learning rate, which it multiplies by what is left to do once an epoch; that tells how far it is.

    Its progress bar would tell, too, but stopping it from there leaves a lock held that all bars of a process share.
    """

    on_step: OnStep

    def __mul__(self, other: float) -> float:
        self.on_step(1)
        return float(self) * other


def _umap(
    near: npt.NDArray[np.int32],
    cosines: npt.NDArray[np.float32],
    start: Coordinates,
    params: UmapParams,
    seed: int,
    on_step: OnStep,
) -> Coordinates:
    from umap.umap_ import find_ab_params, fuzzy_simplicial_set, simplicial_set_embedding

    state = np.random.RandomState(seed)
    count = len(near)
    indices = np.hstack([np.arange(count, dtype=np.int32)[:, None], near])
    # Where a list has ended: no edge (-1), at the largest cosine distance there is.
    distances = np.where(near >= 0, 1 - cosines, 2).astype(np.float32)
    distances = np.hstack([np.zeros((count, 1), np.float32), distances])
    graph, _, _ = fuzzy_simplicial_set(
        start, params.n_neighbors, state, "cosine", knn_indices=indices, knn_dists=distances
    )
    a, b = find_ab_params(1.0, params.min_dist)
    rate = _Rate(1.0)
    rate.on_step = on_step
    layout, _ = simplicial_set_embedding(
        None, graph, 2, initial_alpha=rate, a=a, b=b, gamma=1.0, negative_sample_rate=5, n_epochs=params.steps(count),
        init=start, random_state=state, metric="cosine", metric_kwds={}, densmap=False, densmap_kwds={},
        output_dens=False, parallel=False,
    )  # fmt: skip
    return np.asarray(layout, np.float32)


def _tsne(
    near: npt.NDArray[np.int32],
    cosines: npt.NDArray[np.float32],
    start: Coordinates,
    params: TsneParams,
    exaggeration: float,
    on_step: OnStep,
) -> Coordinates:
    from openTSNE import TSNE  # type: ignore[import-untyped]
    from openTSNE.affinity import PerplexityBasedNN  # type: ignore[import-untyped]
    from openTSNE.nearest_neighbors import PrecomputedNeighbors  # type: ignore[import-untyped]

    # Threads that wait for each other at every step of a small map gain little, and lose minutes on a busy machine.
    cores = 1 if len(near) < SMALL else os.cpu_count() or 1
    itself = np.arange(len(near), dtype=np.int32)[:, None]
    # Euclidean distance of unit rows. Where a list has ended: the item itself, as far off as can be, draws it nowhere.
    distances = np.where(near >= 0, np.sqrt(2 - 2 * cosines), 2).astype(np.float64)
    index = PrecomputedNeighbors(np.where(near >= 0, near, itself), distances)
    affinities = PerplexityBasedNN(perplexity=params.perplexity, knn_index=index, n_jobs=cores)

    def on_iteration(iteration: int, loss: float, layout: object) -> bool:
        on_step(REPORT_EVERY)
        return False  # go on

    optimiser = TSNE(
        early_exaggeration=exaggeration,
        early_exaggeration_iter=EXAGGERATED_ITERATIONS,
        n_iter=params.iterations,
        n_jobs=cores,
        callbacks=on_iteration,
        callbacks_every_iters=REPORT_EVERY,
    )
    # It warns of every start that is not tiny.
    logging.getLogger("openTSNE").setLevel(logging.ERROR)
    return np.asarray(optimiser.fit(affinities=affinities, initialization=start), np.float32)


def _spectral(near: npt.NDArray[np.int32]) -> npt.NDArray[np.float64]:
    """The two slowest modes of a walk on the graph, by rank along each axis, so that no far corner squeezes the rest.

    A few steps of subspace iteration: never fails to converge, whatever falls apart in the graph. Source: Belkin &
    Niyogi (2003), Laplacian eigenmaps.
    """
    count = len(near)
    linked = near >= 0
    rows = np.broadcast_to(np.arange(count)[:, None], near.shape)[linked]
    graph = sp.csr_matrix((np.ones(len(rows)), (rows, near[linked])), shape=(count, count))
    graph = graph.maximum(graph.T).tocsr()
    roots = np.sqrt(np.asarray(graph.sum(axis=1)).ravel())
    step = sp.diags(1 / roots) @ graph @ sp.diags(1 / roots)
    still = (roots / np.linalg.norm(roots))[:, None]
    # Always the same start: how a graph is laid out must not depend on the seed.
    modes = np.random.default_rng(0).standard_normal((count, min(8, count - 1)))
    for _ in range(START_STEPS):
        modes = (modes + step @ modes) / 2
        modes, _ = np.linalg.qr(modes - still @ (still.T @ modes))
    _, turns = np.linalg.eigh(np.asarray(modes.T @ (step @ modes)))
    slowest = (modes @ turns[:, [-1, -2]]) / roots[:, None]
    ranks: npt.NDArray[np.float64] = slowest.argsort(axis=0, kind="stable").argsort(axis=0).astype(np.float64)
    return ranks


def _filled(initial: Coordinates, near: npt.NDArray[np.int32]) -> npt.NDArray[np.float64]:
    """Points that `initial` does not know start amid those of their neighbours that it does, else in the middle."""
    start = np.array(initial, np.float64)
    known = _known(start)
    if not known.any():
        raise ParameterError("the initial layout knows none of the items; leave it out")
    middle = start[known].mean(axis=0)
    for row in np.flatnonzero(~known):
        around = near[row][(near[row] >= 0) & known[near[row]]]
        start[row] = start[around].mean(axis=0) if len(around) else middle
    return start


@dataclass(frozen=True)
class _Similarity:
    """A scale, a rotation or reflection (2, 2), and a translation."""

    scale: float
    turn: npt.NDArray[np.float64]
    translation: npt.NDArray[np.float64]

    def __call__(self, points: Coordinates) -> npt.NDArray[np.float64]:
        moved: npt.NDArray[np.float64] = self.scale * points @ self.turn + self.translation
        return moved


def aligned(layout: Coordinates, reference: Coordinates) -> Layout:
    """`layout` moved onto `reference` by one translation, one rotation or reflection, and one scale.

    It is fitted to the half of the shared items that it fits best, so that items which moved far do not spoil it:
    begun from medians and directions, then repeated on the half with the least residuals until that half is the same
    (at most ALIGNED_STEPS times). The scale makes both halves equally large, so that a map does not shrink for
    resembling the other little.

    Parameters
    ----------
    layout, reference : (n_items, 2), NaN rows where an item is not on the map.

    Returns
    -------
    float32 (n_items, 2), NaN where `layout` is.

    Raises
    ------
    ParameterError : fewer than LEAST_SHARED items are on both.

    Source: Gower & Dijksterhuis (2004), Procrustes Problems; Rousseeuw & Van Driessen (2006), Computing LTS
    Regression, for the trimming.
    """
    both = _known(layout) & _known(reference)
    shared = int(both.sum())
    if shared < LEAST_SHARED:
        raise ParameterError(f"the two maps share {shared} items; aligning them takes at least {LEAST_SHARED}")
    source, target = layout[both].astype(np.float64), reference[both].astype(np.float64)
    half = max(LEAST_SHARED, int(np.ceil(ALIGNED_SHARE * shared)))
    move, kept = _similarity(source, target, np.median, directions_only=True), np.arange(0)
    for _ in range(ALIGNED_STEPS):
        residuals = np.linalg.norm(move(source) - target, axis=1)
        best = np.sort(np.argsort(residuals, kind="stable")[:half])
        if np.array_equal(best, kept):
            break
        kept = best
        move = _similarity(source[kept], target[kept], np.mean)
    return move(layout.astype(np.float64)).astype(np.float32)


def _similarity(
    source: npt.NDArray[np.float64],
    target: npt.NDArray[np.float64],
    centre: Callable[..., Any],
    *,
    directions_only: bool = False,
) -> _Similarity:
    middles = centre(source, axis=0), centre(target, axis=0)
    arms = [source - middles[0], target - middles[1]]
    lengths = [np.linalg.norm(each, axis=1) for each in arms]
    sizes = [float(np.sqrt(centre(each**2))) for each in lengths]
    scale = sizes[1] / sizes[0] if min(sizes) > 0 else 1.0
    if directions_only:
        arms = [arm / np.where(length > 0, length, 1)[:, None] for arm, length in zip(arms, lengths, strict=True)]
    left, _, right = np.linalg.svd(arms[0].T @ arms[1])
    turn = left @ right
    return _Similarity(scale, turn, middles[1] - scale * middles[0] @ turn)


def shifts(layout: Coordinates, reference: Coordinates) -> npt.NDArray[np.float32]:
    """How far each item stands from where it stands on the reference, the two being aligned already.

    Returns
    -------
    float32 (n_items,), in units of the reference's spread: the root of the mean squared distance of its items from
    their mean. NaN where an item is not on both. Two points picked at random lie 1.4 apart.
    """
    on_map = reference[_known(reference)].astype(np.float64)
    spread = np.sqrt(((on_map - on_map.mean(axis=0)) ** 2).sum(axis=1).mean()) if len(on_map) else np.nan
    apart = np.linalg.norm(layout.astype(np.float64) - reference, axis=1)
    result = np.full(len(layout), np.nan, np.float32)
    np.divide(apart, spread, out=result, where=spread > 0, casting="unsafe")
    return result


def _known(layout: Coordinates) -> npt.NDArray[np.bool_]:
    return np.asarray(np.isfinite(layout).all(axis=1))
