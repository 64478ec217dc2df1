"""Maps of 292,365 items in 64 dimensions: how long each takes, and how much memory.

FOLDER/sets/maps is written; what is there is not made again.

The vectors are drawn: 400 overlapping clusters with sizes by a power law, each wide in a few directions of its own.
Their neighbour lists are real ones, because lists at random have no map. There is nothing to compare with, so these are
times of one machine. t-SNE is stopped by Ctrl-C once its first layout is done, and asked for again.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from benchmarks.data import Asked
from benchmarks.paired import ROOT, run
from recsys.analysis.agreement import popularity_percentiles
from recsys.analysis.neighbours import neighbour_graph
from recsys.analysis.projection import METHODS
from recsys.artifacts.names import MAPS
from recsys.artifacts.store import ArtifactSet, verify
from recsys.artifacts.writer import ArtifactWriter
from recsys.models.vectors import unit_rows

ITEMS, WIDTH, DEPTH = 292_365, 64, 100
CLUSTERS, FLAT = 400, 8
MOVED = 0.3  # of the items belong to another cluster in the second model
MAPPED = """
import sys, time
from pathlib import Path
from recsys.maps.kept import add_maps
start = time.perf_counter()
add_maps(Path(sys.argv[1]), sys.argv[2])
print(time.perf_counter() - start)
"""


def measure(asked: Asked) -> dict[str, Any]:
    out = asked.folder / "sets" / "maps"
    if not out.exists():
        write_set(out)
    stopped = {}
    for method in METHODS:
        if f"als/{method}" not in ArtifactSet.open(out).maps:
            if method == "tsne":
                stopped = stop_after_the_first_layout(out)
            print(method, run(MAPPED, str(out), method), flush=True)
    manifest = ArtifactSet.open(out).manifest
    entries = manifest.maps or {}
    return {
        "items": ITEMS,
        "dimensions": WIDTH,
        "layout": {
            name: {"seconds": entry.seconds, "megabytes": entry.peak_megabytes} for name, entry in entries.items()
        },
        "seconds_of_measuring_both_models": {m: manifest.timings[f"map_quality_{m}"] for m in METHODS},
        "quality": {
            name: entry.model_dump(include={"faithfulness", "trustworthiness", "continuity", "random", "pca"})
            for name, entry in entries.items()
        },
        "median_shift": {name: entry.median_shift for name, entry in entries.items() if entry.shift_from},
        "stopped_by_ctrl_c": stopped,
    }


def stop_after_the_first_layout(out: Path) -> dict[str, Any]:
    """Ctrl-C half a minute after t-SNE has its first layout: what the command says, and what is left."""
    # What a shell starts in the background has it ignored, and children inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    command = [sys.executable, "-m", "recsys", "map", str(out), "--method", "tsne"]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    while process.poll() is None and not list(out.glob(f"{MAPS}*/als.npz")):
        time.sleep(1)
    time.sleep(30)
    process.send_signal(signal.SIGINT)
    said = process.communicate()[1]
    return {
        "exit_code": process.returncode,
        "said": said.splitlines()[-1],
        "maps_in_use": ArtifactSet.open(out).maps,
        "layouts_that_wait": sorted(path.name for path in out.glob(f"{MAPS}*/*")),
        "problems": verify(out),
    }


def drawn(cluster: npt.NDArray[np.int64], rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """Unit rows about their cluster's centre, wide in FLAT directions and narrow in the others."""
    families = rng.standard_normal((CLUSTERS // 16, WIDTH))
    centres = families[rng.integers(0, len(families), CLUSTERS)] + 0.8 * rng.standard_normal((CLUSTERS, WIDTH))
    wide = rng.standard_normal((CLUSTERS, FLAT, WIDTH)) / np.sqrt(FLAT)
    vectors = np.empty((len(cluster), WIDTH), np.float32)
    for number in range(CLUSTERS):
        here = np.flatnonzero(cluster == number)
        vectors[here] = centres[number] + 1.2 * rng.standard_normal((len(here), FLAT)) @ wide[number]
    return unit_rows(vectors + 0.3 * rng.standard_normal(vectors.shape, np.float32))


def write_set(out: Path) -> None:
    """An artifact set of that size: a catalogue, two models, and next to nothing else."""
    rng = np.random.default_rng(ITEMS)
    sizes = np.arange(1, CLUSTERS + 1) ** -0.8
    first = rng.choice(CLUSTERS, ITEMS, p=sizes / sizes.sum())
    second = np.where(rng.random(ITEMS) < MOVED, rng.permutation(first), first)
    listeners = np.sort(np.minimum(5 * (1 + rng.pareto(0.9, ITEMS)), 80_000).astype(np.int64))[::-1]
    catalogue = pd.DataFrame(
        {
            "item_id": [f"item {row}" for row in range(ITEMS)],
            "name": [f"Act {row:,}" for row in range(ITEMS)],
            "listeners": listeners,
            "plays": listeners.astype(np.float64),
            "tags": [[f"cluster {number}"] for number in first],
            "popularity": popularity_percentiles(listeners).astype(np.float32),
        }
    )
    demo = ArtifactSet.open(ROOT / "artifacts" / "demo").manifest
    with ArtifactWriter(out) as writer:
        writer.table("items", catalogue)
        for model, cluster in (("als", first), ("word2vec", second)):
            vectors = drawn(cluster, rng)
            graph = neighbour_graph(vectors, DEPTH, rng)
            writer.array(f"{model}/vectors", vectors)
            writer.array(f"{model}/neighbours", graph.neighbours)
            writer.array(f"{model}/similarities", graph.similarities)
        counts = demo.counts.model_copy(update={"items": ITEMS})
        kept = demo.model_dump(exclude={"maps", "tuning", "whatif", "timings"})
        writer.publish(
            type(demo).model_validate(
                {**kept, "counts": counts.model_dump(), "depth": DEPTH, "timings": {}, "files": writer.files}
            )
        )
