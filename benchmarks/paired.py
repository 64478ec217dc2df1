"""Two programs run in turn, so that whatever else the machine does hits both; ratios are of pairs."""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
RESULTS = Path(__file__).with_name("results")


def run(program: str, *arguments: str) -> dict[str, float]:
    """Run Python source in a process of its own; it prints its own seconds last. Peak memory is the process's.

    Raises RuntimeError with what it said when it failed.
    """
    with tempfile.TemporaryFile("w+") as said:
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        process = subprocess.Popen(
            [sys.executable, "-c", program, *arguments], stdout=said, stderr=subprocess.STDOUT, env=environment
        )
        _, status, usage = os.wait4(process.pid, 0)
        said.seek(0)
        output = said.read()
    if status:
        raise RuntimeError(output)
    return {"seconds": float(output.split()[-1]), "megabytes": usage.ru_maxrss / 1000}


def compare(ours: str, theirs: str, arguments: list[str], pairs: int) -> dict[str, Any]:
    """Measure both `pairs` times, in turn, after one run of ours that fills caches and is thrown away."""
    run(ours, *arguments)
    measured: dict[str, list[dict[str, float]]] = {"ours": [], "theirs": []}
    for _ in range(pairs):
        measured["theirs"].append(run(theirs, *arguments))
        measured["ours"].append(run(ours, *arguments))
        print(f"theirs {measured['theirs'][-1]}  ours {measured['ours'][-1]}", flush=True)
    ratios = {
        unit: [round(them[unit] / us[unit], 2) for them, us in zip(measured["theirs"], measured["ours"], strict=True)]
        for unit in ("seconds", "megabytes")
    }
    return {
        "hardware": hardware(),
        "pairs": pairs,
        "theirs_over_ours": {
            unit: {"median": statistics.median(values), "min": min(values), "max": max(values)}
            for unit, values in ratios.items()
        },
        **{who: {unit: [round(run[unit], 2) for run in runs] for unit in ("seconds", "megabytes")}
           for who, runs in measured.items()},
    }  # fmt: skip


def hardware() -> str:
    """What this ran on, in one line."""
    model = next(
        (line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line),
        platform.processor(),
    )
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{os.cpu_count()} x {model}, {memory:.0f} GB, {platform.system()}, Python {platform.python_version()}"


def keep(name: str, result: dict[str, Any]) -> None:
    """Write the last result beside the benchmark, and show it."""
    RESULTS.mkdir(exist_ok=True)
    text = json.dumps(result, indent=1)
    (RESULTS / f"{name}.json").write_text(text + "\n", "utf-8")
    print(text)
