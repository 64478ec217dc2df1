"""A build: listening data → two models' vectors → neighbour graphs → an artifact set on disk."""

from __future__ import annotations

import hashlib
import os
import platform
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from recsys.analysis.agreement import catalogue_agreement, popularity_percentiles
from recsys.analysis.evaluation import tag_share
from recsys.analysis.neighbours import NeighbourGraph, neighbour_graph, recall_on_sample
from recsys.analysis.stability import noise_floors
from recsys.artifacts.manifest import SCHEMA_VERSION, Counts, Manifest, ModelEntry, Source
from recsys.artifacts.store import ArtifactSet, ArtifactWriter, sha256_of
from recsys.config import BuildConfig, validated
from recsys.errors import RecsysError
from recsys.interactions.inputs import paths_of
from recsys.interactions.log import Interactions
from recsys.interactions.readers import ReadOptions, read
from recsys.models import als, word2vec
from recsys.models.vectors import ItemVectors

SUMMARY_N = 10
SUMMARY_MIN_LISTENERS = 10
LARGE_FROM = 5_000_000  # (listener, item) pairs
MODEL_TITLES = {"als": "ALS", "word2vec": "Word2vec"}
LIBRARIES = ("numpy", "scipy", "pandas", "pyarrow", "implicit", "gensim", "pynndescent")

Result = TypeVar("Result")
Rows = npt.NDArray[np.int32]


class Progress(Protocol):
    """Told what a build is doing."""

    def stage(self, words: str, total: float | None) -> None: ...

    def advance(self, amount: float) -> None: ...


class Silence:
    """Progress that nobody watches."""

    def stage(self, words: str, total: float | None) -> None: ...

    def advance(self, amount: float) -> None: ...


def build(reader: str, source: Path, out: Path, config: BuildConfig, progress: Progress | None = None) -> ArtifactSet:
    """Build an artifact set at `out` from the listening data at `source`, and put it in use.

    Whatever goes wrong, the build that was in use before stays in use.

    Raises
    ------
    InputError, ParameterError, ArtifactError : with what to do about it.
    """
    stages = _Stages(progress or Silence())
    # Mistakes in parameters show before anything is read or trained.
    als_params = validated(als.AlsParams, config.als, "als")
    validated(word2vec.Word2vecParams, config.word2vec, "word2vec")
    with ArtifactWriter(out) as writer:
        interactions, digest = _read(reader, source, config, stages)
        by_data = word2vec.data_defaults(interactions.queues)
        word2vec_params = validated(word2vec.Word2vecParams, {**by_data, **config.word2vec}, "word2vec")
        _keep_interactions(writer, interactions)
        count = config.replicates or default_replicates(interactions)
        als_fits, word2vec_fits = _fit(interactions, als_params, word2vec_params, count, config.seed, stages)
        vectors = {
            "als": ItemVectors.consensus([fit.item_factors for fit in als_fits]),
            "word2vec": ItemVectors.consensus([fit.vectors for fit in word2vec_fits]),
        }
        writer.array("als/user_factors", als_fits[0].user_factors)
        writer.array("als/item_factors", als_fits[0].item_factors)
        graphs, entries, replicates, halves = {}, {}, {}, {}
        for name, params in (("als", als_params), ("word2vec", word2vec_params)):
            graphs[name], entries[name], replicates[name], halves[name] = _graphs(
                name, vectors[name], params.model_dump(), interactions, config, writer, stages
            )
        with stages("agreement", "comparing the models", None):
            agreement = catalogue_agreement(
                {name: graph.neighbours for name, graph in graphs.items()},
                {name: graph.similarities for name, graph in graphs.items()},
                replicates,
                halves,
                _summary_n(config, interactions),
            )
            writer.table("agreement", agreement)
        entries["als"] = entries["als"].model_copy(update={"notes": _clipped_note(als_fits[0], interactions)})
        with stages("write"):
            manifest = Manifest(
                schema_version=SCHEMA_VERSION,
                created=datetime.now(UTC).isoformat(timespec="seconds"),
                source=_source(interactions, digest),
                counts=Counts(
                    items=interactions.n_items,
                    listeners=interactions.n_users,
                    interactions=interactions.user_items.nnz,
                    plays=float(interactions.catalogue["plays"].sum()),
                    queues=len(interactions.queues),
                    queues_ordered=interactions.queues.ordered,
                ),
                dropped=interactions.dropped,
                config=config.model_dump(),
                seed=config.seed,
                depth=graphs["als"].neighbours.shape[1],
                replicate_depth=_replicate_depth(config, interactions),
                versions={"python": platform.python_version(), **{name: version(name) for name in LIBRARIES}},
                models=entries,
                agreement_n=_summary_n(config, interactions),
                agreement=_mean_over_known(agreement["overlap"].to_numpy(np.float64), interactions),
                checks=_checks(interactions, als_fits, vectors, graphs),
                warnings=_warnings(interactions, entries),
                timings=stages.seconds,
                files=writer.files,
            )
        build_id = writer.publish(manifest)
    return ArtifactSet.open(out / build_id)


def default_replicates(interactions: Interactions) -> int:
    """Four fits of each model, which a verdict on a single item needs; two where four would take hours."""
    return 4 if interactions.user_items.nnz < LARGE_FROM else 2


class _Stages:
    """Runs stages by name: tells progress, keeps seconds."""

    def __init__(self, progress: Progress) -> None:
        self.progress = progress
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, key: str, words: str | None = None, total: float | None = None) -> Iterator[None]:
        if words:
            self.progress.stage(words, total)
        start = time.perf_counter()
        yield
        self.seconds[key] = round(self.seconds.get(key, 0.0) + time.perf_counter() - start, 2)


def read_log(reader: str, source: Path, config: BuildConfig, progress: Progress) -> Interactions:
    """The log at `source` as its reader gives it, nothing left out; progress in bytes on disk.

    Raises
    ------
    InputError, ParameterError : with what to do about it.
    """
    progress.stage(f"reading {source.name}", sum(file.stat().st_size for file in paths_of(source)))
    options = ReadOptions(
        session_gap_minutes=config.session_gap_minutes,
        delimiter=config.delimiter,
        max_bad_share=config.max_bad_share,
        level=config.level,
        merge_spellings=config.merge_spellings,
        on_bytes=progress.advance,
    )
    return read(reader, source, options)


def _read(reader: str, source: Path, config: BuildConfig, stages: _Stages) -> tuple[Interactions, str]:
    with stages("read"):
        everything = read_log(reader, source, config, stages.progress)
        interactions = everything.with_min_listeners(config.min_listeners)
        digests = "".join(sorted(sha256_of(file) for file in everything.report.files))
    return interactions, hashlib.sha256(digests.encode()).hexdigest()


def _keep_interactions(writer: ArtifactWriter, interactions: Interactions) -> None:
    catalogue = interactions.catalogue
    popularity = popularity_percentiles(catalogue["listeners"].to_numpy()).astype(np.float32)
    writer.table("items", catalogue.assign(popularity=popularity))
    for part in ("data", "indices", "indptr"):
        writer.array(f"user_items.{part}", getattr(interactions.user_items, part))
    writer.array("queues.items", interactions.queues.items)
    writer.array("queues.offsets", interactions.queues.offsets)


def _fit(
    interactions: Interactions,
    als_params: als.AlsParams,
    word2vec_params: word2vec.Word2vecParams,
    count: int,
    seed: int,
    stages: _Stages,
) -> tuple[list[als.AlsFit], list[word2vec.Word2vecFit]]:
    # One stream of random numbers a fit: adding replicates leaves the first ones as they were.
    als_seeds, word2vec_seeds = (np.random.SeedSequence([seed, model]).spawn(count) for model in (0, 1))
    advance = stages.progress.advance
    stop = threading.Event()

    def on_epoch() -> None:
        if stop.is_set():
            raise RecsysError("the build was stopped")
        advance(1)

    with stages("fit_als", f"fitting ALS, {count} replicates", count * als_params.iterations):
        als_fits = [
            als.fit(interactions, als_params, np.random.default_rng(own), lambda: advance(1)) for own in als_seeds
        ]
    with stages("fit_word2vec", f"fitting Word2vec, {count} replicates", count * word2vec_params.epochs):
        # A fit with one worker is repeatable; replicates side by side keep the other cores busy all the same.
        word2vec_fits = _side_by_side(
            [
                lambda own=own: word2vec.fit(  # type: ignore[misc]
                    interactions, word2vec_params, np.random.default_rng(own), on_epoch
                )
                for own in word2vec_seeds
            ],
            workers=max(1, (os.cpu_count() or 1) // word2vec_params.workers),
            stop=stop,
        )
    return als_fits, word2vec_fits


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


def _graphs(
    name: str,
    vectors: ItemVectors,
    params: dict[str, Any],
    interactions: Interactions,
    config: BuildConfig,
    writer: ArtifactWriter,
    stages: _Stages,
) -> tuple[NeighbourGraph, ModelEntry, list[Rows], list[Rows]]:
    """Neighbour lists of the consensus, the replicates and the halves, written; and what they tell of the model."""
    rng = np.random.default_rng([config.seed, 2])
    depth = min(config.depth, interactions.n_items - 1)
    shallow = _replicate_depth(config, interactions)
    n = _summary_n(config, interactions)
    title = MODEL_TITLES[name]
    subsets = {str(r): vectors.only([r]) for r in range(vectors.n_replicates)} if vectors.n_replicates > 1 else {}
    if vectors.n_replicates > 1:
        subsets.update(zip(("half_a", "half_b"), vectors.halves(), strict=True))

    def graph_of(each: ItemVectors, list_depth: int) -> NeighbourGraph:
        return neighbour_graph(
            each.vectors, list_depth, rng, exact_below=config.exact_below, on_rows=stages.progress.advance
        )

    with stages(f"neighbours_{name}", f"{title}: neighbours", interactions.n_items * (1 + len(subsets))):
        graph = graph_of(vectors, depth)
        writer.array(f"{name}/vectors", vectors.vectors)
        writer.array(f"{name}/neighbours", graph.neighbours)
        writer.array(f"{name}/similarities", graph.similarities)
        lists: dict[str, Rows] = {}
        for subset, own in subsets.items():
            lists[subset] = graph_of(own, shallow).neighbours
            writer.array(f"{name}/replicates/{subset}", lists[subset])
        exact = interactions.n_items < config.exact_below
        recall = recall_on_sample(graph, vectors.vectors, n, rng)
    singles = [lists[str(r)] for r in range(len(subsets) and vectors.n_replicates)]
    halves = [lists[half] for half in ("half_a", "half_b")] if subsets else []
    tags = interactions.catalogue["tags"]
    share = tag_share(
        graph.neighbours, tags.tolist(), interactions.catalogue["listeners"].to_numpy(),
        n=n, min_listeners=SUMMARY_MIN_LISTENERS,
    )  # fmt: skip
    repeatable, note = _repeatability(name, params, exact)
    entry = ModelEntry(
        title=title,
        params=params,
        n_replicates=vectors.n_replicates,
        repeatable=repeatable,
        repeatable_note=note,
        items_missing=int((~vectors.present).sum()),
        recall=_rounded(recall),
        tag_share=_rounded(share),
        replicate_overlap=_mean_over_known(noise_floors(singles, n), interactions) if singles else None,
        noise_floor=_mean_over_known(noise_floors(halves, n), interactions) if halves else None,
    )
    return graph, entry, singles, halves


def _repeatability(name: str, params: dict[str, Any], exact: bool) -> tuple[bool, str]:
    if name == "word2vec" and params["workers"] > 1:
        return False, f"{params['workers']} threads of one fit race each other; workers = 1 repeats bit by bit"
    if not exact:
        return False, "the same seed gives the same vectors; the approximate graph comes with no such promise"
    return True, "the same seed and library versions give the same bits on the same kind of processor"


def _replicate_depth(config: BuildConfig, interactions: Interactions) -> int:
    return min(config.replicate_depth, config.depth, interactions.n_items - 1)


def _summary_n(config: BuildConfig, interactions: Interactions) -> int:
    return min(SUMMARY_N, _replicate_depth(config, interactions))


def _mean_over_known(per_item: npt.NDArray[np.float64], interactions: Interactions) -> float | None:
    known = per_item[interactions.catalogue["listeners"].to_numpy() >= SUMMARY_MIN_LISTENERS]
    known = known[~np.isnan(known)]
    return _rounded(float(known.mean())) if len(known) else None


def _rounded(share: float) -> float | None:
    return None if np.isnan(share) else round(share, 4)


def _clipped_note(fit: als.AlsFit, interactions: Interactions) -> list[str]:
    total = interactions.user_items.nnz
    return [f"BM25: {fit.clipped_weights:,} of {total:,} weights were zero or less and set to a small positive number"]


def _source(interactions: Interactions, digest: str) -> Source:
    report = interactions.report
    return Source(
        reader=report.reader,
        title=report.title,
        sha256=digest,
        files=[file.name for file in report.files],
        simulated=report.simulated,
        report=report.as_json(),
    )


def _checks(
    interactions: Interactions,
    als_fits: list[als.AlsFit],
    vectors: dict[str, ItemVectors],
    graphs: dict[str, NeighbourGraph],
) -> list[str]:
    """Checks that ran, in words; one that fails is a fault of the program and stops the build."""
    n_users, n_items = interactions.user_items.shape
    passed = []
    for words, holds in {
        "ALS user factors have one row a listener": all(len(fit.user_factors) == n_users for fit in als_fits),
        "ALS item factors have one row an item": all(len(fit.item_factors) == n_items for fit in als_fits),
        "vectors are finite and of length 1 or 0": all(
            np.isfinite(v.vectors).all() and np.allclose(np.linalg.norm(v.vectors[v.present], axis=1), 1, atol=1e-4)
            for v in vectors.values()
        ),
        "no item is its own neighbour": all(
            not (graph.neighbours == np.arange(n_items)[:, None]).any() for graph in graphs.values()
        ),
        "similarities fall along each list": all(
            not (np.diff(graph.similarities, axis=1) > 1e-5).any() for graph in graphs.values()
        ),
    }.items():
        if not holds:
            raise RecsysError(f"the build failed its check “{words}”; nothing was published. Please report this")
        passed.append(words)
    return passed


def _warnings(interactions: Interactions, entries: dict[str, ModelEntry]) -> list[str]:
    words = list(interactions.report.notes)
    if not interactions.queues.ordered:
        words.append(
            "the data have no times: Word2vec was trained on each listener's whole set, not on what follows what"
        )
    if bad := interactions.report.bad.total():
        words.append(f"{bad:,} of {interactions.report.rows:,} rows could not be used")
    for entry in entries.values():
        if entry.items_missing:
            words.append(f"{entry.title} has no vector for {entry.items_missing:,} items")
        if entry.noise_floor is None and entry.n_replicates < 2:
            words.append(f"{entry.title} has one replicate, so its noise is not known: build with 2 or more")
        if entry.recall is not None and entry.recall < 0.95:
            words.append(f"{entry.title}'s neighbour lists hold only {entry.recall:.0%} of the exact top {SUMMARY_N}")
    return words
