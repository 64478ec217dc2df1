"""The pages over 292,365 items and 17.5 M pairs: how long a person waits, in a real Chromium.

The log is the simulated one at its real size; the neighbour lists are random, because only their size matters here.
There is nothing to compare with, so these are times of one machine, beside what the product promises: 500 ms from a
click to the lists, 100 ms for a search, 10 s for the agreement over the whole catalogue.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from playwright.sync_api import sync_playwright

from benchmarks.data import Asked, simulated_log
from benchmarks.paired import ROOT
from recsys.analysis.agreement import catalogue_agreement, popularity_percentiles
from recsys.analysis.evidence import evidence
from recsys.analysis.search import NameIndex
from recsys.analysis.side_by_side import compare_neighbours
from recsys.artifacts.store import ArtifactSet
from recsys.artifacts.writer import ArtifactWriter
from recsys.interactions.readers import read
from tests.e2e.find_chromium import ARGUMENTS, find_chromium
from tests.e2e.server import running_app

CHANGED = {"als": 0.2, "word2vec": 0.6}  # how much of the lists differs from a common base
QUERIES = ("radiohead", "bjork", "act 71", "soundgraden", "the beetles", "xqzzw", "live metalica at")
CLICKS = 20


def measure(asked: Asked) -> dict[str, Any]:
    sets = asked.folder / "sets"
    agreement = _write_set(asked.folder, sets / "full")
    artifacts = ArtifactSet.open(sets / "full")
    index = NameIndex(artifacts.catalogue["item_id"].tolist(), artifacts.catalogue["name"].tolist())
    index.suggest("xqzzw")  # imports what finds near misses
    rows = list(range(0, artifacts.manifest.counts.items, artifacts.manifest.counts.items // CLICKS))
    for row in rows:
        compare_neighbours(artifacts, row, n=10)  # touches the pages of the mapped files
    return {
        "items": artifacts.manifest.counts.items,
        "pairs": artifacts.manifest.counts.interactions,
        "seconds_agreement_of_the_catalogue": agreement,
        "ms_search": _ms(lambda query: index.search(query, 8) or index.suggest(query, 8), QUERIES),
        "ms_comparison": _ms(lambda row: compare_neighbours(artifacts, row, n=10), rows),
        "ms_evidence": _ms(lambda row: evidence(artifacts, row, row + 1), rows),
        "ms_click_to_lists_in_chromium": _clicks(sets),
    }


def _write_set(folder: Path, out: Path) -> float:
    """An artifact set of that size; returns the seconds that the agreement took."""
    log, rng = read("lastfm-360k", simulated_log(folder)), np.random.default_rng(0)
    base = rng.integers(0, log.n_items, (log.n_items, 100)).astype(np.int32)

    def lists(depth: int, changed: float) -> npt.NDArray[np.int32]:
        result = base[:, :depth].copy()
        where = rng.random(result.shape) < changed
        result[where] = rng.integers(0, log.n_items, int(where.sum()))
        return result

    demo = ArtifactSet.open(ROOT / "artifacts" / "demo").manifest
    with ArtifactWriter(out) as writer:
        popularity = popularity_percentiles(log.catalogue["listeners"].to_numpy()).astype(np.float32)
        writer.table("items", log.catalogue.assign(popularity=popularity))
        for part in ("data", "indices", "indptr"):
            writer.array(f"user_items.{part}", getattr(log.user_items, part))
        writer.array("queues.items", log.queues.items)
        writer.array("queues.offsets", log.queues.offsets)
        neighbours, similarities, replicates, halves = {}, {}, {}, {}
        for model, changed in CHANGED.items():
            neighbours[model] = lists(100, changed)
            replicates[model] = [lists(demo.replicate_depth, changed) for _ in range(4)]
            halves[model] = [lists(demo.replicate_depth, changed / 2) for _ in range(2)]
            writer.array(f"{model}/neighbours", neighbours[model])
            similarities[model] = np.linspace(1, 0, 100, dtype=np.float32)[None].repeat(log.n_items, 0)
            writer.array(f"{model}/similarities", similarities[model])
            for number, each in enumerate(replicates[model]):
                writer.array(f"{model}/replicates/{number}", each)
            for half, each in zip("ab", halves[model], strict=True):
                writer.array(f"{model}/replicates/half_{half}", each)
        start = time.perf_counter()
        agreement = catalogue_agreement(neighbours, similarities, replicates, halves, 10)
        seconds = time.perf_counter() - start
        writer.table("agreement", agreement)
        counts = demo.counts.model_copy(
            update={
                "items": log.n_items, "listeners": log.n_users, "interactions": int(log.user_items.nnz),
                "queues": len(log.queues), "queues_ordered": False,
            }
        )  # fmt: skip
        writer.publish(demo.model_copy(update={"counts": counts, "files": writer.files}))
    return round(seconds, 2)


def _ms(step: Callable[[Any], object], cases: Any) -> dict[str, float]:
    taken = []
    for case in cases:
        start = time.perf_counter()
        step(case)
        taken.append(1000 * (time.perf_counter() - start))
    return _summary(taken)


def _clicks(sets: Path) -> dict[str, float]:
    taken = []
    with running_app(sets) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=ARGUMENTS)
        page = browser.new_page(viewport={"width": 1440, "height": 1000})
        page.goto(f"{address}/neighbours")
        names = page.locator("section.first td.name button")
        names.first.wait_for(timeout=60_000)
        for click in range(CLICKS):
            page.wait_for_timeout(700)
            before = names.first.inner_text()
            chosen = names.nth(click % 10)
            name = chosen.inner_text()
            start = time.perf_counter()
            chosen.click()
            page.get_by_role("heading", name=f"Similar to {name}", exact=True).wait_for()
            page.wait_for_function(
                "before => document.querySelector('section.first td.name button')?.innerText !== before", arg=before
            )
            taken.append(1000 * (time.perf_counter() - start))
        browser.close()
    return _summary(taken)


def _summary(taken: list[float]) -> dict[str, float]:
    return {"median": round(statistics.median(taken), 1), "most": round(max(taken), 1), "cases": len(taken)}
