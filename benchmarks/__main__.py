"""The benchmarks: python -m benchmarks [NAME …] [--size small|full] [--folder FOLDER] [--rounds N] …

Without a name every benchmark that has the size is run. FOLDER holds what is made for them (2 GB at full size) and is
used again; results are added to the history in RESULTS, by default benchmarks/results.
"""

from __future__ import annotations

import argparse
import importlib
from pathlib import Path

from benchmarks.data import Asked
from benchmarks.paired import RESULTS, ROOT, CannotBeMeasured, keep
from benchmarks.registry import REGISTRY


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure, and keep what was found.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(REGISTRY))
    parser.add_argument("--size", choices=("tiny", "small", "full"), default="small")
    parser.add_argument("--folder", type=Path, default=ROOT / ".build" / "bench", help="for what is made, used again")
    parser.add_argument("--rounds", type=int, help="of programs that are run in turn")
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--vcpu-hour", type=float, default=0.05, help="price of one; growth assumes it")
    parser.add_argument("--gb-month", type=float, default=0.02, help="price of one; growth assumes it")
    told = parser.parse_args(arguments)
    if unknown := [name for name in told.names if name not in REGISTRY]:
        parser.error(f"there is no benchmark {unknown[0]}; there are {', '.join(REGISTRY)}")
    told.folder.mkdir(parents=True, exist_ok=True)
    asked = Asked(told.size, told.folder.resolve(), told.rounds, told.vcpu_hour, told.gb_month)
    for name in told.names or [name for name, sizes in REGISTRY.items() if told.size in sizes]:
        if told.size not in REGISTRY[name]:
            parser.error(f"{name} has no size {told.size}; it has {', '.join(REGISTRY[name])}")
        print(f"{name}, {told.size}", flush=True)
        try:
            result = importlib.import_module(f"benchmarks.{name}").measure(asked)
        except CannotBeMeasured as reason:
            print(f"{name}: not measured; {reason}", flush=True)
        else:
            keep(name, {"size": told.size, **result}, told.results)


if __name__ == "__main__":
    main()
