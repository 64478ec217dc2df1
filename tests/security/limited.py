"""A stranger's set or upload, taken by a process that may have so much memory and no more."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

from tests.e2e.server import ROOT

MEGABYTES = 700

# What a process does with a stranger's set under a limit of memory. It is forked, because imports take a second.
TAKE = """
import json, os, re, resource, sys
from pathlib import Path
import pandas, pyarrow, scipy.sparse
import recsys.interactions.readers
from recsys.artifacts.store import ArtifactSet
from recsys.errors import RecsysError
from recsys.listener.uploads import read_upload

def megabytes(what):
    return int(re.search(what + r":\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) >> 10

def take(path, what, most):
    pyarrow.set_cpu_count(1)
    content = path.read_bytes() if what == "upload" else b""
    here = megabytes("VmSize")
    resource.setrlimit(resource.RLIMIT_AS, ((here + most) << 20,) * 2)
    resource.setrlimit(resource.RLIMIT_CPU, (60, 60))  # without memory some libraries turn in circles
    try:
        if what == "upload":
            read_upload(path.name, content, level="artist")
        else:
            opened = ArtifactSet.open(path)
            opened.array(what) if "/" in what else getattr(opened, what)
    except RecsysError as error:
        print("refused:", error)
    else:
        print("taken")
    print(f"at most {megabytes('VmPeak') - here:,} MiB more", flush=True)

for line in sys.stdin:
    path, what, most, said = json.loads(line)
    child = os.fork()
    if child == 0:
        for stream in (1, 2):
            os.dup2(os.open(said, os.O_WRONLY | os.O_CREAT | os.O_APPEND), stream)
        try:
            take(Path(path), what, most)
        except BaseException:
            sys.excepthook(*sys.exc_info())
            os._exit(1)
        os._exit(0)
    print(os.waitpid(child, 0)[1], flush=True)
"""


@cache
def _taker() -> subprocess.Popen[str]:
    """One for all; it ends with this process, whose end it hears."""
    return subprocess.Popen(
        [sys.executable, "-c", TAKE], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env={**os.environ, "ARROW_DEFAULT_MEMORY_POOL": "system", "MALLOC_ARENA_MAX": "1"},
    )  # fmt: skip


def taken(path: Path, what: str, megabytes: int = MEGABYTES) -> str:
    """What becomes of it in a process that may take so much memory more than it has with all its imports."""
    taker = _taker()
    assert taker.stdin
    assert taker.stdout
    with tempfile.TemporaryDirectory() as folder:
        said = Path(folder) / "said"
        print(json.dumps([str(path), what, megabytes, str(said)]), file=taker.stdin, flush=True)
        status = int(taker.stdout.readline())
        assert status == 0, (status, said.read_text()[-2000:])
        return said.read_text()
