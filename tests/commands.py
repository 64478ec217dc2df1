"""The command line, each command in a process of its own, forked from one that has imported what takes a second.

That commands start from nothing, too, is shown where they are killed, forbidden a folder, or told an encoding.
"""

from __future__ import annotations

import atexit
import multiprocessing
import os
import runpy
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[1]

_processes = multiprocessing.get_context("forkserver")
# What begins no threads when it is imported, and so can be forked.
_processes.set_forkserver_preload(
    ["tests.commands", "recsys.cli", "recsys.interactions.kernels", "gensim.models", "implicit.cpu.als"]
)


def run(*arguments: object, environment: Mapping[str, str] = os.environ) -> subprocess.CompletedProcess[str]:
    """`python -m recsys …` to its end, and what it printed."""
    words = [str(argument) for argument in arguments]
    with tempfile.TemporaryDirectory() as folder:
        out, err = Path(folder) / "out", Path(folder) / "err"
        process = _processes.Process(target=_command, args=(words, dict(environment), out, err))
        with pytest.MonkeyPatch.context() as patch:
            # An AppTest leaves app.py as the main module of this process, which the other one would run first.
            patch.setitem(sys.modules, "__main__", ModuleType("__main__"))
            process.start()
        process.join()
        assert process.exitcode is not None
        return subprocess.CompletedProcess(words, process.exitcode, out.read_text("utf-8"), err.read_text("utf-8"))


def _command(words: list[str], environment: dict[str, str], out: Path, err: Path) -> None:
    for path, stream in ((out, sys.stdout), (err, sys.stderr)):
        with path.open("wb") as file:
            os.dup2(file.fileno(), stream.fileno())
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(ROOT)
    sys.argv = ["recsys", *words]
    try:
        runpy.run_module("recsys", run_name="__main__", alter_sys=True)
    finally:
        atexit._run_exitfuncs()  # a forked process leaves without them
