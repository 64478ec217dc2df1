"""Last.fm-360K, simulated, at its real size and smaller: our reader against the recipe that everybody copies."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.data import Asked, simulated_log
from benchmarks.paired import Figures, called, compared, in_turn, run
from benchmarks.tutorial import Clock


def measure(asked: Asked) -> dict[str, Any]:
    path = simulated_log(asked.folder, asked.size)
    with path.open("rb") as file:
        rows = sum(1 for _ in file)
    programs = {"theirs": called(theirs), "ours": called(ours)}
    if asked.size != "tiny":
        # Fills the caches of compiled loops and of the file.
        run(programs["ours"], str(path))
    measured = in_turn(programs, [str(path)], asked.rounds_or(tiny=1, small=5, full=5))
    return {
        "data": {"rows": rows, "bytes": path.stat().st_size},
        "theirs is": f"pandas {version('pandas')}",
        **compared(measured, "theirs"),
    }


def ours(log: str) -> Figures:
    from recsys.interactions.readers import read

    clock = Clock()
    read("lastfm-360k", Path(log))
    clock.lap("read")
    return clock.figures()


def theirs(log: str) -> Figures:
    import pandas as pd
    from scipy.sparse import csr_matrix

    clock = Clock()
    plays = pd.read_table(log, usecols=[0, 2, 3], names=["user", "mbid", "artist", "plays"], header=None)
    plays["user"] = plays["user"].astype("category")
    plays["artist"] = plays["artist"].astype("category")
    csr_matrix((plays["plays"].astype(float), (plays["artist"].cat.codes, plays["user"].cat.codes)))
    clock.lap("read")
    return clock.figures()
