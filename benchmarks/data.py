"""What the benchmarks measure on: simulated logs of three sizes, and HetRec where it is."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from benchmarks.paired import CannotBeMeasured
from recsys.interactions.simulate import Simulation
from recsys.interactions.writers import write

Size = Literal["tiny", "small", "full"]

# Full is Last.fm-360K: 358,868 listeners, 292,365 artists, 17.5 M rows. Tiny is for the test that everything runs.
PEOPLE: dict[Size, Simulation] = {
    "tiny": Simulation(300, n_items=150, mean_sessions=6, mean_plays=8),
    "small": Simulation(20_000, n_items=30_000, mean_sessions=9.2, mean_plays=10, favourites=30),
    "full": Simulation(358_868, n_items=292_365, mean_sessions=9.2, mean_plays=10, favourites=30),
}
# Who plays what one after another: 14 thousand, 380 thousand and 6.3 million plays.
PLAYERS: dict[Size, Simulation] = {
    "tiny": PEOPLE["tiny"],
    "small": Simulation(3_000, n_items=2_000),
    "full": Simulation(50_000, n_items=30_000),
}


@dataclass(frozen=True)
class Asked:
    """What a benchmark is to measure.

    folder : for what is made, used again. rounds : of programs in turn; None for as many as suit the size.
    vcpu_hour, gb_month : prices in any one currency, which are assumptions.
    """

    size: Size
    folder: Path
    rounds: int | None
    vcpu_hour: float
    gb_month: float

    def rounds_or(self, **by_size: int) -> int:
        return self.rounds or by_size[self.size]


def simulated_log(folder: Path, size: Size = "full") -> Path:
    """FOLDER/360k.tsv, or its smaller sisters, in the format of Last.fm-360K; written unless it is there."""
    path = folder / f"{'360k' if size == 'full' else size}.tsv"
    if not path.exists():
        unfinished = path.with_suffix(".part")
        write(PEOPLE[size], unfinished, "lastfm-360k")
        unfinished.rename(path)
    return path


def simulated_events(folder: Path, size: Size) -> Path:
    """Single plays with their times, as Parquet; written unless it is there."""
    finished = folder / f"{size}_events"
    if not finished.exists():
        unfinished = folder / f"{size}_events.part"
        write(PLAYERS[size], unfinished / "log.parquet")
        unfinished.rename(finished)
    return finished / "log.parquet"


def hetrec() -> Path:
    """The folder of HetRec 2011 Last.fm-2K, which is never part of this project."""
    folder = os.environ.get("RECSYS_REAL_DATA")
    if not folder:
        raise CannotBeMeasured("RECSYS_REAL_DATA is not set: no real listening data here")
    return Path(folder) / "hetrec2011-lastfm-2k"
