"""The app in a process of its own, as `make app` starts it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@contextmanager
def running_app(
    root: Path | None = None,
    seconds: float = 120,
    script: str = "app.py",
    options: Sequence[str] = (),
    said: Path | None = None,
    base: str = "",
) -> Iterator[str]:
    """Serve the app on a free port of this machine and yield its address; `root` is where artifact sets are.

    script : what is run: app.py, or serve.py for a server.
    options : of Streamlit's command line.
    said : file for what the server writes to standard error.
    base : path such as /base that every page is below.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {**os.environ, **({"RECSYS_ARTIFACTS": str(root)} if root else {})}
    votes = tempfile.TemporaryDirectory()
    # Not beside the sets: those may be the committed ones.
    environment.setdefault("RECSYS_VOTES", f"sqlite:///{votes.name}/votes.sqlite")
    command = [sys.executable, "-m", "streamlit", "run", script, "--server.headless=true", f"--server.port={port}"]
    command += [f"--server.baseUrlPath={base}"] if base else []
    with said.open("wb") if said else nullcontext(subprocess.DEVNULL) as errors:
        process = subprocess.Popen(
            [*command, *options], cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=errors
        )
    address = f"http://127.0.0.1:{port}{base}"
    try:
        deadline = time.monotonic() + seconds
        while True:
            try:
                with urllib.request.urlopen(f"{address}/_stcore/health", timeout=2):
                    break
            except OSError:
                if time.monotonic() > deadline or process.poll() is not None:
                    raise
                time.sleep(0.1)
        yield address
    finally:
        process.terminate()
        process.wait(120)
        votes.cleanup()
