"""From a file of plays to the 20 nearest artists of every artist: the recipe that is passed around, and ours.

The recipe (of many articles, here after the one this project starts from): pandas reads the file, categories make the
matrix, `bm25_weight` with K1 100 and B 0.8, implicit's ALS with 50 factors, regularization 0.01 and 50 iterations,
annoy with 25 trees asked for 20 neighbours. It is kept as it is but for three things that favour it: quotes in names
are read as they stand, implicit gets the one BLAS thread that it asks for, and a lookup by name goes through a dict
(the recipe's runs through all names).

Ours, through the functions that a build calls: no artist is left out, and the lists end as a set on disk that others
can open. `ours` has our defaults (K1 1.2, B 0.75, 15 iterations) with one fit, `ours_two_fits` with two, whose noise
is measured too; `ours_same_settings` has the recipe's. All use every core.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.data import Asked, simulated_log
from benchmarks.paired import ROOT, Figures, called, compared, in_turn, peak_megabytes, run

RECIPE = {"k1": 100.0, "b": 0.8, "factors": 50, "iterations": 50, "regularization": 0.01}
TREES, N, COMPARED = 25, 20, 10
LOOKUPS = 2_000


def measure(asked: Asked) -> dict[str, Any]:
    log, out = simulated_log(asked.folder, asked.size), asked.folder / "tutorial"
    programs = {
        "recipe": called(recipe),
        "ours": called(ours),
        "ours_two_fits": called(ours_two_fits),
        "ours_same_settings": called(ours_same_settings),
    }
    if asked.size != "tiny":
        # Fills the cache of compiled loops.
        run(programs["ours"], str(simulated_log(asked.folder, "tiny")), str(out))
    measured = in_turn(programs, [str(log), str(out)], asked.rounds_or(tiny=1, small=3, full=2))
    shutil.rmtree(out)
    return {"data": {"bytes": log.stat().st_size}, "recipe": RECIPE, **compared(measured, "recipe")}


def recipe(log: str, _: str) -> Figures:
    import csv

    import pandas as pd
    from annoy import AnnoyIndex
    from implicit.cpu.als import AlternatingLeastSquares
    from implicit.nearest_neighbours import bm25_weight
    from scipy.sparse import csr_matrix

    from recsys.models.als import one_blas_thread

    clock = Clock()
    plays = pd.read_table(
        log, usecols=[0, 2, 3], names=["user", "mbid", "artist", "plays"], header=None, na_filter=False,
        quoting=csv.QUOTE_NONE,
    )  # fmt: skip
    plays["user"] = plays["user"].astype("category")
    plays["artist"] = plays["artist"].astype("category")
    matrix = csr_matrix((plays["plays"].astype(float), (plays["user"].cat.codes, plays["artist"].cat.codes)))
    clock.lap("read")
    weights = bm25_weight(matrix.T.tocsr(), K1=RECIPE["k1"], B=RECIPE["b"]).T.tocsr()
    with one_blas_thread():
        model = AlternatingLeastSquares(
            factors=RECIPE["factors"], regularization=RECIPE["regularization"], iterations=RECIPE["iterations"]
        )
        model.fit(weights, show_progress=False)
    clock.lap("fit")
    index = AnnoyIndex(model.item_factors.shape[1], "angular")
    for row, vector in enumerate(model.item_factors):
        index.add_item(row, vector)
    index.build(TREES)
    # The artist itself is among the neighbours, mostly first.
    lists = [index.get_nns_by_item(row, N + 1) for row in range(len(model.item_factors))]
    clock.lap("neighbours")
    figures = clock.figures()
    names = plays["artist"].cat.categories.to_numpy()
    row_of = {name: row for row, name in enumerate(names)}
    asked = names[rows_asked(len(names))]
    return {
        **figures,
        "artists": len(names),
        "recall_at_10": recall(without_self(lists, N), model.item_factors),
        "microseconds_lookup": lookup(lambda name: names[index.get_nns_by_item(row_of[name], N + 1)], asked),
        "microseconds_similar_items": lookup(
            lambda name: names[model.similar_items(row_of[name], N + 1)[0]], asked[:100]
        ),
    }


def ours(log: str, out: str) -> Figures:
    return _ours(log, out, 1, {})


def ours_two_fits(log: str, out: str) -> Figures:
    return _ours(log, out, 2, {})


def ours_same_settings(log: str, out: str) -> Figures:
    return _ours(log, out, 1, RECIPE)


def _ours(log: str, out: str, replicates: int, settings: dict[str, Any]) -> Figures:
    from recsys.analysis.agreement import popularity_percentiles
    from recsys.analysis.neighbours import neighbour_graph
    from recsys.analysis.search import NameIndex
    from recsys.analysis.stability import noise_floors
    from recsys.artifacts.store import ArtifactSet
    from recsys.artifacts.writer import ArtifactWriter
    from recsys.interactions.readers import read
    from recsys.memory import frugal_heap, hand_back
    from recsys.models import als
    from recsys.models.vectors import ItemVectors

    shutil.rmtree(out, ignore_errors=True)
    clock, rng = Clock(), np.random.default_rng(0)
    frugal_heap()
    heard = read("lastfm-360k", Path(log)).with_min_listeners(1)
    hand_back()
    clock.lap("read")
    params = als.AlsParams.model_validate(settings)
    seeds = np.random.SeedSequence(0).spawn(replicates)
    fits = [als.fit(heard.user_items, params, np.random.default_rng(seed)).item_factors for seed in seeds]
    clock.lap("fit")
    vectors = ItemVectors.consensus(fits)
    listeners = heard.catalogue["listeners"].to_numpy()
    counts = {"items": heard.n_items, "listeners": heard.n_users}
    noise = {}
    with ArtifactWriter(Path(out)) as writer:
        popularity = popularity_percentiles(listeners).astype(np.float32)
        writer.table("items", heard.catalogue.assign(popularity=popularity))
        clock.lap("write")
        # From here on a build has the log on the disk only.
        del heard, fits
        hand_back()
        writer.array("als/vectors", vectors.vectors)
        graph = neighbour_graph(vectors.vectors, N, rng)
        writer.array("als/neighbours", graph.neighbours)
        writer.array("als/similarities", graph.similarities)
        del graph
        if replicates > 1:
            # The consensus is on the disk; of each fit only its own vectors are needed, and once.
            left, single = [vectors.only([replicate]).vectors for replicate in range(replicates)], []
            del vectors
            for replicate in range(replicates):
                hand_back()
                own = neighbour_graph(left.pop(0), N, rng).neighbours
                writer.array(f"als/replicates/{replicate}", own)
                single.append(own[:, :COMPARED].copy())
                del own
            noise = {"two_fits_overlap_at_10": float(np.nanmean(noise_floors(single, COMPARED)))}
        clock.lap("neighbours")
        demo = ArtifactSet.open(ROOT / "artifacts" / "demo").manifest
        entry = demo.models["als"].model_copy(update={"params": params.model_dump(), "n_replicates": replicates})
        # Of the manifest only what opening the set needs is true.
        writer.publish(
            demo.model_copy(
                update={
                    "models": {"als": entry}, "counts": demo.counts.model_copy(update=counts), "maps": None,
                    "files": writer.files,
                }
            )
        )  # fmt: skip
    clock.lap("write")
    figures = clock.figures()
    artifacts = ArtifactSet.open(Path(out))
    ids = artifacts.catalogue["item_id"].to_numpy()
    index = NameIndex(ids.tolist(), artifacts.catalogue["name"].tolist())
    lists = artifacts.neighbours("als")
    return {
        **figures,
        "artists": counts["items"],
        "recall_at_10": recall(lists, artifacts.vectors("als").vectors),
        "microseconds_lookup": lookup(lambda item: ids[lists[index.find(item)]], ids[rows_asked(len(ids))]),
        **noise,
    }


class Clock:
    """Seconds by what they were taken for."""

    def __init__(self) -> None:
        self._laps: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, name: str) -> None:
        now = time.perf_counter()
        self._laps[f"seconds_{name}"] = self._laps.get(f"seconds_{name}", 0) + now - self._last
        self._last = now

    def figures(self) -> Figures:
        """Seconds in all, peak memory so far, seconds by lap."""
        return {"seconds": sum(self._laps.values()), "megabytes": peak_megabytes(), **self._laps}


def rows_asked(n_items: int) -> npt.NDArray[np.int64]:
    return np.random.default_rng(2).choice(n_items, min(n_items, LOOKUPS), replace=False)


def lookup(answer: Callable[[Any], object], asked: Sequence[Any]) -> float:
    """Median microseconds of an answer."""
    taken = []
    for each in asked:
        start = time.perf_counter()
        answer(each)
        taken.append(time.perf_counter() - start)
    return 1e6 * float(np.median(taken))


def without_self(lists: Sequence[Sequence[int]], n: int) -> npt.NDArray[np.int32]:
    """Lists of other items, int32 (n_items, n), -1 where there are fewer."""
    result = np.full((len(lists), n), -1, np.int32)
    for row, near in enumerate(lists):
        others = [each for each in near if each != row][:n]
        result[row, : len(others)] = others
    return result


def recall(neighbours: npt.NDArray[np.int32], vectors: npt.NDArray[np.float32]) -> float:
    """Of the exact top 10 by cosine, over a sample of 1,000 items."""
    from recsys.analysis.neighbours import NeighbourGraph, recall_on_sample
    from recsys.models.vectors import unit_rows

    graph = NeighbourGraph(neighbours, np.empty(neighbours.shape, np.float32))
    return recall_on_sample(graph, unit_rows(vectors), COMPARED, np.random.default_rng(1))
