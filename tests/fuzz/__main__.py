"""Harm done to every surface: python -m tests.fuzz CASES [SURFACE …]

Each case must end in one of the ways that its surface names, within a time, and all of them within the memory that the
process may take beyond what it had when it began.
"""

from __future__ import annotations

import json
import mmap
import os
import random
import re
import resource
import socket
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.fuzz import commands, links, sets
from tests.interactions.fuzz import MEMORY
from tests.listener import hostile
from tests.listener.hostile import within_processor_time

SECONDS_A_CASE = 20
MOST_MEGABYTES = 4_000  # of addresses, which allocators reserve beyond what they use; MemoryMax in deploy/
Surface = tuple[Callable[[Path], Any], Callable[[Any, random.Random], str]]
SURFACES: dict[str, Surface] = {
    "manifest": (sets.Place, sets.manifest),
    "array": (sets.Place, sets.array),
    "table": (sets.Place, sets.table),
    "link": (lambda folder: links.Place(), links.link),
    "name": (lambda folder: links.Place(), links.name),
    "command": (commands.Place, commands.command),
    # Bombs and lines of megabytes, which take seconds to make, are in hostile's own run.
    "upload": (lambda folder: None, lambda place, rng: hostile.run(rng.getrandbits(48), hostile.QUICK)[1]),
}


def fuzz(surface: str, n_cases: int, seed: int = 0) -> Counter[str]:
    """How many cases ended how, in a process of their own: some harm ends the process.

    Raises AssertionError with the case's number when one ended in another way.
    """
    done = mmap.mmap(-1, mmap.PAGESIZE)  # of both processes: the case, and what came of all
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
        child = os.fork()
        if child == 0:
            code = 1
            try:
                ended = _all_cases(surface, Path(folder), n_cases, seed, done)
                done[8:] = json.dumps(ended).encode().ljust(len(done) - 8)
                code = 0
            except BaseException:  # noqa: BLE001
                traceback.print_exc()
            finally:
                os._exit(code)
        status = os.waitpid(child, 0)[1]
    if status:
        case = int.from_bytes(done[:8], "little")
        raise AssertionError(f"{surface}, seed {seed}, case {case}: the process ended with the status {status}")
    return Counter(json.loads(done[8:].rstrip()))


def _all_cases(surface: str, folder: Path, n_cases: int, seed: int, done: mmap.mmap) -> Counter[str]:
    make, run = SURFACES[surface]
    ended: Counter[str] = Counter()
    place = make(folder)
    for case in range(n_cases):
        done[:8] = case.to_bytes(8, "little")
        with within_processor_time(SECONDS_A_CASE):
            ended[run(place, random.Random(f"{surface} {seed} {case}"))] += 1
    return ended


def offline(*_: object) -> None:
    raise OSError(101, "Network is unreachable")


def main(arguments: list[str]) -> None:
    warnings.simplefilter("ignore")
    socket.socket.connect = offline  # type: ignore[method-assign]
    here = int(re.search(r"VmSize:\s+(\d+)", Path("/proc/self/status").read_text())[1]) << 10  # type: ignore[index]
    resource.setrlimit(resource.RLIMIT_AS, (here + (MOST_MEGABYTES << 20),) * 2)
    for surface in arguments[1:] or SURFACES:
        start = time.perf_counter()
        ended = fuzz(surface, int(arguments[0]))
        words = ", ".join(f"{count:,} {how}" for how, count in sorted(ended.items()))
        print(f"{surface:10} {ended.total():,} cases: {words}, {time.perf_counter() - start:.0f} s", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
