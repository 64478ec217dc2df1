"""What a build costs as a log grows: measured at sizes a decade apart, and on paper at 10⁹ plays.

One set a size, by `build`, from simulated plays: 126 a listener, and a catalogue of 3 · √plays artists. Both models
have one fit; Word2vec looks at everything 5 times and not as often as the data would suggest, because its time is
proportional to that; neighbour lists are approximate and a map is UMAP's at every size, as at the large ones.

What the smallest size costs is taken for what it costs to start: importing, loading compiled loops. To what a stage
costs beyond that a power of the number of plays is fitted by least squares on logarithms, over the sizes at which it
can be told from noise. The range is that of the exponents between neighbouring sizes. The total is the sum of its
stages.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.data import Asked, Size
from benchmarks.paired import Figures, called, run
from recsys.interactions.simulate import FEWEST_ITEMS, Simulation
from recsys.interactions.writers import write

PLAYS: dict[Size, tuple[int, ...]] = {
    "tiny": (2_000, 4_000, 8_000),
    "small": (10_000, 100_000, 1_000_000),
    "full": (10_000, 100_000, 1_000_000, 10_000_000),
}
ON_PAPER = 10**9  # of a service with 700 M plays a month, six weeks
PLAYS_A_LISTENER = 126
TOLD_FROM_NOISE = {"megabytes": 20.0, "bytes_in": 1.0, "bytes_out": 1.0}
SECONDS_TOLD = 0.3
EPOCHS = 5
COMPILED_FROM = 10_000  # plays; below, loading what is compiled would take longer than all the rest
DAY = 24 * 3600.0


def measure(asked: Asked) -> dict[str, Any]:
    sizes = PLAYS[asked.size]
    folder = asked.folder / "growth"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    measured: list[Figures] = []
    for plays in sizes:
        log = folder / f"{plays}.parquet"
        people, items = max(20, round(plays / PLAYS_A_LISTENER)), max(FEWEST_ITEMS, round(3 * plays**0.5))
        rows = write(Simulation(people, n_items=items), log)
        large = plays >= COMPILED_FROM
        if large and not measured:
            # Fills the cache of compiled loops, which is not what a build costs.
            run(called(built), str(log), "large")
        built_set = run(called(built), str(log), "large" if large else "")
        measured.append({"plays": rows, "bytes_in": log.stat().st_size, **built_set})
        log.unlink()
        print(f"{plays:,} plays: {json.dumps(measured[-1])}", flush=True)
    at = [each["plays"] for each in measured]
    stages = sorted({key for each in measured for key in each if key.startswith("seconds")})
    costs = {key: [each.get(key, 0.0) for each in measured] for key in (*stages, "megabytes", "bytes_in", "bytes_out")}
    powers = {key: fitted(at, values, TOLD_FROM_NOISE.get(key, SECONDS_TOLD)) for key, values in costs.items()}
    powers["seconds"] = in_all(powers["seconds"], [powers[key] for key in stages if key != "seconds"])
    return {
        "assumed": {
            "price of a vCPU hour": asked.vcpu_hour, "price of a GB month": asked.gb_month,
            "vCPUs": os.cpu_count() or 1, "plays on paper": ON_PAPER, "Word2vec epochs": EPOCHS, "fits of a model": 1,
        },
        "measured": measured,
        "powers": [{"cost": key, **power._asdict()} for key, power in powers.items() if power],
        "tables": [
            _table(sizes, costs, powers, measured),
            _money(sizes, costs, powers, asked),
            {"title": "What breaks first", "head": ["limit", "reached at plays", "range"], "rows": limits(powers)},
        ],
    }  # fmt: skip


def built(log: str, large: str) -> Figures:
    """Build one set and throw it away; all of the build's stages by name, memory, and bytes on disk."""
    from recsys.config import BuildConfig
    from recsys.pipeline import build

    out = Path(log).with_suffix(".set")
    settings: dict[str, Any] = {"exact_below": 2, "maps": ["umap"]} if large else {"maps": []}
    config = BuildConfig(replicates=1, min_listeners=1, measure_whatif=False, word2vec={"epochs": EPOCHS}, **settings)
    manifest = build("events", Path(log), out, config).manifest
    figures = {
        "items": manifest.counts.items,
        "listeners": manifest.counts.listeners,
        "bytes_out": sum(file.stat().st_size for file in out.rglob("*") if file.is_file()),
        **{f"seconds_{stage}": seconds for stage, seconds in manifest.timings.items()},
        "seconds": sum(manifest.timings.values()),
    }
    shutil.rmtree(out)
    return figures


class Power(NamedTuple):
    """cost = start + grown · (plays / last) ** exponent; low and high are the exponents between neighbouring sizes."""

    start: float
    last: float
    grown: float
    exponent: float
    low: float
    high: float

    def at(self, plays: float) -> tuple[float, float, float]:
        """Fitted, least and greatest."""
        values = [
            self.start + self.grown * (plays / self.last) ** each for each in (self.exponent, self.low, self.high)
        ]
        return values[0], min(values), max(values)

    def reaches(self, limit: float) -> tuple[float, float, float]:
        """How many plays cost `limit`: fitted, least and greatest; infinitely many where the cost does not grow."""
        values = [
            self.last * ((limit - self.start) / self.grown) ** (1 / each) if each > 0 else np.inf
            for each in (self.exponent, self.low, self.high)
        ]
        return values[0], min(values), max(values)


def fitted(plays: list[float], costs: list[float], least: float) -> Power | None:
    """A power fitted to what costs more than at the smallest size by at least `least`; None without two such sizes, or
    if the larger of them does not cost more: then it is the machine that was seen, not the size."""
    start = costs[0]
    told = [(size, cost - start) for size, cost in zip(plays, costs, strict=True) if cost - start >= least]
    if len(told) < 2:
        return None
    x, y = np.log(told).T
    between = np.diff(y) / np.diff(x)
    exponent = float(np.polyfit(x, y, 1)[0])
    if exponent <= 0:
        return None
    return Power(start, *told[-1], exponent, max(0.0, float(between.min())), float(between.max()))


def in_all(total: Power | None, stages: Sequence[Power | None]) -> Power | None:
    """The total with the exponents that its stages give it on paper: what is fitted to a sum hides the stage that grows
    fastest, which at last is all of it."""
    growing = [power for power in stages if power]
    if total is None or not growing:
        return total
    added = np.sum([np.subtract(power.at(ON_PAPER), power.at(total.last)) for power in growing], axis=0)
    exponents = np.log1p(added / total.grown) / np.log(ON_PAPER / total.last)
    return total._replace(**dict(zip(("exponent", "low", "high"), map(float, exponents), strict=True)))


def _table(
    sizes: tuple[int, ...], costs: dict[str, list[float]], powers: dict[str, Power | None], measured: list[Figures]
) -> dict[str, Any]:
    """A row a cost, dearest first; the last columns are what was fitted, and 10⁹ by it."""
    rows = []
    for key, values in sorted(costs.items(), key=lambda cost: (not cost[0].startswith("seconds"), -cost[1][-1])):
        power = powers[key]
        bytes_ = key.startswith("bytes")
        shown = [f"{value / 1e6:,.2f} MB" if bytes_ else f"{value:,.2f}" for value in values]
        rows.append(
            [
                key.replace("_", " "),
                *shown,
                *(_on_paper(power, 1e6 if bytes_ else 1) if power else ("no growth seen", "")),
            ]
        )
    counts = [[what, *(f"{each[what]:,.0f}" for each in measured), "", ""] for what in ("plays", "listeners", "items")]
    head = ["", *(f"10^{np.log10(size):.3g}" for size in sizes), "exponent", f"on paper at 10^{np.log10(ON_PAPER):.0f}"]
    return {
        "title": "A build by its size: seconds by stage, memory at its peak, disk",
        "head": head,
        "rows": counts + rows,
    }


def _on_paper(power: Power, unit: float) -> tuple[str, str]:
    value, low, high = (each / unit for each in power.at(ON_PAPER))
    return f"{power.exponent:.2f} ({power.low:.2f} to {power.high:.2f})", f"{value:,.0f} ({low:,.0f} to {high:,.0f})"


def _money(
    sizes: tuple[int, ...], costs: dict[str, list[float]], powers: dict[str, Power | None], asked: Asked
) -> dict[str, Any]:
    """What a build's time on all vCPUs and a month of its disk come to, at the prices that are assumed."""
    hour = asked.vcpu_hour * (os.cpu_count() or 1) / 3600
    prices = {
        "a build": ("seconds", hour), "a month of the log": ("bytes_in", asked.gb_month / 1e9),
        "a month of the set": ("bytes_out", asked.gb_month / 1e9),
    }  # fmt: skip
    rows = []
    for what, (key, price) in prices.items():
        power = powers[key]
        paper = "{:,.2f} ({:,.2f} to {:,.2f})".format(*(each * price for each in power.at(ON_PAPER))) if power else ""
        rows.append([what, *(f"{value * price:,.5f}" for value in costs[key]), paper])
    head = ["", *(f"10^{np.log10(size):.3g}" for size in sizes), f"on paper at 10^{np.log10(ON_PAPER):.0f}"]
    return {"title": "Money, at the prices assumed", "head": head, "rows": rows}


def limits(powers: dict[str, Power | None]) -> list[list[str]]:
    """Which limit of a machine like this one is met first, soonest first: in words, plays, and their range."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e6
    reached = {}
    for key, power in powers.items():
        if power and key == "megabytes":
            reached[f"this machine's {memory / 1000:,.0f} GB of memory"] = power.reaches(memory)
        elif power and key.startswith("seconds"):
            reached[f"a day for {key.removeprefix('seconds_').replace('seconds', 'a build')}"] = power.reaches(DAY)
    soonest = sorted(reached.items(), key=lambda each: each[1])
    return [[words, f"{value:.1e}", f"{low:.0e} to {high:.0e}"] for words, (value, low, high) in soonest]
