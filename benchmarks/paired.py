"""Programs run in turn, so that whatever else the machine does hits all of them; ratios are of neighbouring runs."""

from __future__ import annotations

import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
RESULTS = Path(__file__).with_name("results")

Figures = dict[str, float]

COSTS = ("seconds", "milliseconds", "microseconds", "megabytes")

# Of this process's own memory: what Linux counts for a child in ru_maxrss starts at its parent's size.
_PEAK = "\nfrom benchmarks.paired import peak_megabytes\nprint(peak_megabytes())"


class CannotBeMeasured(RuntimeError):
    """Something that a benchmark needs is not here; says what."""


def peak_megabytes() -> float:
    """The most memory that this process held so far, or the largest of the children that it waited for."""
    status = Path("/proc/self/status").read_text("utf-8")
    own = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))
    return max(own, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss) / 1000


def called(function: Callable[..., Figures]) -> str:
    """The program that calls a function of a benchmark with its arguments, all texts, and prints what it measured."""
    module, name = function.__module__, function.__name__
    return f"import json, sys\nfrom {module} import {name}\nprint(json.dumps({name}(*sys.argv[1:])))"


def run(program: str, *arguments: str) -> Figures:
    """Run Python source in a process of its own.

    The last line it prints is its seconds, or a JSON object of its figures. Peak memory is that of the whole process
    unless the figures say "megabytes" themselves: of a part, where measuring takes memory too.

    Raises RuntimeError with what it said when it failed.
    """
    with tempfile.TemporaryFile("w+") as said:
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        process = subprocess.run(
            [sys.executable, "-c", program + _PEAK, *arguments],
            stdout=said, stderr=subprocess.STDOUT, env=environment, check=False,
        )  # fmt: skip
        said.seek(0)
        output = said.read()
    if process.returncode:
        raise RuntimeError(output)
    *_, printed, megabytes = output.splitlines()
    figures = json.loads(printed)
    return {"megabytes": float(megabytes), **(figures if isinstance(figures, dict) else {"seconds": figures})}


def in_turn(programs: Mapping[str, str], arguments: list[str], rounds: int) -> dict[str, list[Figures]]:
    """Measure every program `rounds` times: A, B, C, A, B, C."""
    measured: dict[str, list[Figures]] = {name: [] for name in programs}
    for _ in range(rounds):
        for name, program in programs.items():
            measured[name].append(run(program, *arguments))
            print(f"{name}: {_words(measured[name][-1])}", flush=True)
    return measured


def compared(measured: Mapping[str, list[Figures]], other: str) -> dict[str, Any]:
    """Figures of all runs and their median, and the ratios of `other` over each of the rest, run by run.

    Ratios are of times and memory, by program and figure.
    """
    programs = {
        name: {figure: [round(each[figure], 4) for each in runs] for figure in runs[0]}
        for name, runs in measured.items()
    }
    ratios = {
        name: {
            figure: spread([them[figure] / us[figure] for them, us in zip(measured[other], runs, strict=True)])
            for figure in runs[0]
            if figure in measured[other][0] and figure.startswith(COSTS)
        }
        for name, runs in measured.items()
        if name != other
    }
    return {"rounds": len(measured[other]), "programs": programs, "over": other, "ratios": ratios}


def spread(values: list[float]) -> dict[str, float]:
    """Median, least and most."""
    return {
        "median": _rounded(statistics.median(values)), "min": _rounded(min(values)), "max": _rounded(max(values))
    }  # fmt: skip


def hardware() -> str:
    """What this ran on, in one line."""
    model = next(
        (line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line),
        platform.processor(),
    )
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{os.cpu_count()} x {model}, {memory:.0f} GB, {platform.system()}, Python {platform.python_version()}"


def keep(name: str, result: dict[str, Any], folder: Path = RESULTS) -> None:
    """Add a result to the history of its benchmark, NAME.jsonl, write NAME.md from the whole of it, and show it."""
    described = subprocess.run(
        ["git", "describe", "--always", "--dirty", "--exclude", "*"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    entry = {
        "date": datetime.now(UTC).isoformat(timespec="minutes"),
        "commit": described.stdout.strip() or None,
        "hardware": hardware(),
        # How busy: processes that wanted a core over the last five minutes.
        "load": round(os.getloadavg()[1], 1),
        **result,
    }
    folder.mkdir(parents=True, exist_ok=True)
    history = folder / f"{name}.jsonl"
    with history.open("a", encoding="utf-8") as stream:
        stream.write(json.dumps(entry, ensure_ascii=False) + "\n")
    entries = [json.loads(line) for line in history.read_text("utf-8").splitlines()]
    (folder / f"{name}.md").write_text(as_markdown(name, entries), "utf-8")
    print(json.dumps(entry, indent=1, ensure_ascii=False))


def as_markdown(name: str, entries: list[dict[str, Any]]) -> str:
    """The history of a benchmark, newest first."""
    parts = [f"# {name}"]
    for entry in reversed(entries):
        rest = {key: value for key, value in entry.items() if key not in ("date", "commit", "hardware", "load")}
        where = [f"commit {entry['commit']}", entry["hardware"]]
        if entry.get("load") is not None:
            where.append(f"load {entry['load']}")
        parts.append(f"## {entry['date']}" + (f", {entry['size']}" if "size" in entry else ""))
        parts.append(" · ".join(where))
        rest.pop("size", None)
        if programs := rest.pop("programs", None):
            parts.append(_by_program("", programs, spread))
            parts.append(_by_program(f"{rest.pop('over')} over", rest.pop("ratios"), dict))
        for table in rest.pop("tables", []):
            parts += [f"**{table['title']}**", _table(table["head"], table["rows"])]
        parts.append(_table(["", ""], [[words, _cell(value)] for words, value in _flat(rest)]))
    return "\n\n".join(parts) + "\n"


def _by_program(corner: str, programs: dict[str, dict[str, Any]], of: Callable[[Any], dict[str, float]]) -> str:
    """A column a program, a row a figure: the median, and with more than one run the range."""
    figures = list(dict.fromkeys(figure for own in programs.values() for figure in own))
    rows = [
        [figure, *(_cell(of(own[figure])) if figure in own else "" for own in programs.values())] for figure in figures
    ]
    return _table([corner, *programs], rows)


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _flat(value: dict[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    """Figures with the words that lead to them; lists of measurements are what tables are made of, and left out."""
    found: list[tuple[str, Any]] = []
    for key, each in value.items():
        if isinstance(each, dict) and "median" not in each:
            found += _flat(each, f"{prefix}{key} ")
        elif not (isinstance(each, list) and each and isinstance(each[0], dict)):
            found.append((prefix + key, each))
    return found


def _cell(value: Any) -> str:
    if isinstance(value, dict):
        median = _cell(value["median"])
        if "most" in value:
            others = [f"{key} {_cell(value[key])}" for key in ("p95", "most") if key in value]
            return f"{median} ({', '.join(others)})"
        ends = [_cell(value[key]) for key in ("min", "max") if key in value]
        return median if set(ends) <= {median} else f"{median} ({'–'.join(ends)})"
    if isinstance(value, list):
        return ", ".join(_cell(each) for each in value)
    return f"{value:,}" if isinstance(value, int | float) else str(value).replace("|", "\\|")


def _words(figures: Figures) -> str:
    return ", ".join(f"{figure} {_rounded(value):g}" for figure, value in figures.items())


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")
