"""Arrays of a set are in memory once, however many processes serve it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from recsys.artifacts.store import ArtifactSet

ROOT = Path(__file__).resolve().parents[2]
# Touches all of every array, then waits; the last line on demand: kilobytes resident and this process's share of them.
READER = """
import sys
from pathlib import Path
from recsys.artifacts.store import ArtifactSet
opened = ArtifactSet.open(Path(sys.argv[1]))
names = [name.removesuffix(".npy") for name in opened.manifest.files if name.endswith(".npy")]
arrays = [opened.array(name) for name in names]
plays = opened.user_items
assert sum(float(array.sum()) for array in arrays) > 0 and plays.sum() > 0
print(len(names), any(array.flags.writeable for array in arrays), flush=True)
sys.stdin.readline()
inside, found = False, {"Rss:": 0, "Pss:": 0, "Private_Dirty:": 0, "modes": set()}
for line in Path("/proc/self/smaps").read_text().splitlines():
    parts = line.split()
    if not parts[0].endswith(":"):
        inside = str(opened.folder) in line and line.endswith(".npy")
        if inside:
            found["modes"].add(parts[1])
    elif inside and parts[0] in found:
        found[parts[0]] += int(parts[1])
print(found["Rss:"], found["Pss:"], found["Private_Dirty:"], *found["modes"], flush=True)
sys.stdin.readline()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells who shares memory")
def test_two_processes_map_the_same_pages_read_only(small_set: Path) -> None:
    # A copy of the set, so that no other test has it open.
    readers = [
        subprocess.Popen(
            [sys.executable, "-c", READER, str(small_set)],
            cwd=ROOT,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        for _ in range(2)
    ]
    try:
        arrays = [reader.stdout.readline().split() for reader in readers]  # type: ignore[union-attr]
        assert int(arrays[0][0]) > 10
        assert {written for _, written in arrays} == {"False"}
        for reader in readers:
            reader.stdin.write("\n")  # type: ignore[union-attr]
            reader.stdin.flush()  # type: ignore[union-attr]
            resident, share, dirty, *modes = reader.stdout.readline().split()  # type: ignore[union-attr]
            assert int(resident) > 100
            assert int(share) == pytest.approx(int(resident) / 2, rel=0.1)
            assert (int(dirty), modes) == (0, ["r--s"])
    finally:
        for reader in readers:
            reader.kill()
            reader.communicate()


def test_the_matrix_of_plays_is_a_view_of_the_mapped_file(small_artifacts: ArtifactSet) -> None:
    plays = small_artifacts.user_items
    for part in (plays.data, plays.indices, plays.indptr):
        assert not part.flags.owndata
        assert not part.flags.writeable
