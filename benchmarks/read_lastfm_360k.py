"""Last.fm-360K at its real size, simulated: our reader against the recipe that everybody copies.

python -m benchmarks.read_lastfm_360k FOLDER [PAIRS]    writes FOLDER/360k.tsv (1.65 GB) unless it is there
"""

from __future__ import annotations

import sys
from importlib.metadata import version
from pathlib import Path

from benchmarks.paired import compare, keep
from recsys.interactions.simulate import Simulation
from recsys.interactions.writers import write

OURS = """
import sys, time
from pathlib import Path
from recsys.interactions.readers import read
start = time.perf_counter()
log = read("lastfm-360k", Path(sys.argv[1]))
print(time.perf_counter() - start)
"""
THEIRS = """
import sys, time
import pandas as pd
from scipy.sparse import csr_matrix
start = time.perf_counter()
log = pd.read_table(sys.argv[1], usecols=[0, 2, 3], names=["user", "mbid", "artist", "plays"], header=None)
log["user"] = log["user"].astype("category")
log["artist"] = log["artist"].astype("category")
matrix = csr_matrix((log["plays"].astype(float), (log["artist"].cat.codes, log["user"].cat.codes)))
print(time.perf_counter() - start)
"""


def simulated_log(folder: Path) -> Path:
    """FOLDER/360k.tsv, written unless it is there."""
    path = folder / "360k.tsv"
    if not path.exists():
        people = Simulation(358_868, n_items=292_365, mean_sessions=9.2, mean_plays=10, favourites=30)
        write(people, path, "lastfm-360k")
    return path


def main(folder: Path, pairs: int) -> None:
    path = simulated_log(folder)
    with path.open("rb") as file:
        rows = sum(1 for _ in file)
    result = compare(OURS, THEIRS, [str(path)], pairs)
    data = {"rows": rows, "bytes": path.stat().st_size}
    keep("read_lastfm_360k", {"data": data, "theirs_is": f"pandas {version('pandas')}", **result})


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 5)
