"""Processes that die, run out of memory, or get in each other's way."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from recsys.artifacts.names import BUILDING
from recsys.artifacts.store import ArtifactSet, verify
from recsys.artifacts.writer import ArtifactWriter
from recsys.errors import ArtifactError
from recsys.tuning.kept import Kept
from tests.conftest import ROOT

HOLDS = """
import sys, time
from pathlib import Path
import numpy as np
from recsys.artifacts.unfinished import unfinished_work
from recsys.artifacts.writer import ArtifactWriter
with ArtifactWriter(Path(sys.argv[1])) as writer, unfinished_work(Path(sys.argv[1]), ".tuning-0123456789ab", "tuned"):
    writer.array("x", np.zeros(3, np.float32))
    print("held", flush=True)
    time.sleep(60)
"""

# The fit asks for more memory than it may have; all that the command does before it, and after, is its own.
ASKS_TOO_MUCH = """
import resource, sys
import numpy as np
from recsys import pipeline
from recsys.cli import main

def fit(*arguments):
    used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + (64 << 20), resource.RLIM_INFINITY))
    return np.ones(1 << 28)

pipeline.fit_als = fit
main()
"""


def test_a_lock_ends_with_its_holder_however_it_dies(small_set: Path) -> None:
    before = ArtifactSet.open(small_set).fingerprint
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDS, str(small_set)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    with holder, holder.stdout:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(ArtifactError, match="another build is writing to .*; wait for it or choose another --out"):
            ArtifactWriter(small_set)
        with pytest.raises(ArtifactError, match="is being tuned with the same settings already; wait for it"), \
            Kept.beside(small_set, "0123456789ab"):  # fmt: skip
            pass
        assert len(list(small_set.glob(f"{BUILDING}*"))) == 1, "who comes second takes nothing away from the first"
        holder.send_signal(signal.SIGKILL)
        holder.wait(30)
    assert verify(small_set) == []
    with ArtifactWriter(small_set) as writer, Kept.beside(small_set, "0123456789ab"):
        assert list(small_set.glob(f"{BUILDING}*")) == [writer.folder], "what the dead one left is cleared away"
    assert ArtifactSet.open(small_set).fingerprint == before


@pytest.mark.parametrize("as_json", [False, True])
def test_a_build_without_enough_memory_says_so_and_the_set_stays(
    small_set: Path, small_log: Path, as_json: bool
) -> None:
    before = ArtifactSet.open(small_set).fingerprint
    arguments = ["build", "events", "--input", str(small_log), "--out", str(small_set), *["--json"] * as_json]
    done = subprocess.run(
        [sys.executable, "-c", ASKS_TOO_MUCH, *arguments],
        cwd=ROOT, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 1, done.stderr[-2000:]
    assert "Traceback" not in done.stderr
    said = json.loads(done.stdout)["error"] if as_json else done.stderr
    assert "there is not enough memory (Unable to allocate 2.00 GiB" in said
    assert "close other programs, use a machine with more, or build with fewer items: see --min-listeners" in said
    assert ArtifactSet.open(small_set).fingerprint == before
    assert verify(small_set) == []


@pytest.mark.parametrize("command", ["inspect", "verify", "neighbours"])
def test_a_set_of_a_newer_version_is_refused_with_what_to_do(small_set: Path, command: str) -> None:
    path = ArtifactSet.folder_in_use(small_set) / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_bytes()), "schema_version": 2, "novel": 1}))
    done = subprocess.run(
        [sys.executable, "-m", "recsys", command, str(small_set), *["muse"] * (command == "neighbours")],
        cwd=ROOT, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "has schema version 2, this program reads 1; update recsys" in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
