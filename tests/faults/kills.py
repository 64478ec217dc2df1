"""Processes killed at any system call while they write; what was there before must stay, and the next try must do.

python -m tests.faults.kills [KILLS] [WORK …]
"""

from __future__ import annotations

import ctypes
import os
import random
import signal
import sqlite3
import sys
import tempfile
import time
import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path

# One thread each: those of OpenMP, while they wait, do nothing but system calls.
os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}

# Imported before any fork, so that a child need not; the parent itself fits and reads nothing, for libraries that have
# begun threads of their own cannot be forked.
import gensim.models  # noqa: F401
import implicit.cpu.als  # noqa: F401

from recsys import pipeline, scenarios
from recsys.artifacts.names import BUILDING
from recsys.artifacts.store import ArtifactSet, verify
from recsys.artifacts.writer import ArtifactWriter
from recsys.config import BuildConfig
from recsys.evaluation.kept import evaluate_set
from recsys.evaluation.settings import EvaluationSettings
from recsys.interactions.simulate import Simulation
from recsys.interactions.writers import write
from recsys.tuning.grid import tune
from recsys.tuning.measure import TuningSettings
from recsys.votes.store import Vote, VoteStore
from recsys.whatif.engine import WhatIfEngine

CANNOT_TRACE = "this system lets no process trace another"
TRACEME, CONTINUE_TO_SYSCALL, SETOPTIONS = 0, 24, 0x4200
SYSTEM_CALL = signal.SIGTRAP | 0x80
OPTIONS = 0x1 | 0x8 | 0x100000  # mark stops at system calls; trace threads too; die with the tracer
ALL_THREADS = 0x40000000
QUICK = {
    "replicates": 1, "measure_whatif": False, "maps": [], "depth": 20, "replicate_depth": 10,
    "als": {"iterations": 1, "factors": 4}, "word2vec": {"epochs": 1, "vector_size": 4},
}  # fmt: skip

_libc = ctypes.CDLL(None, use_errno=True)
_libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
_libc.ptrace.restype = ctypes.c_long


class Broken(Exception):
    """Something was lost, or needs a person's hand."""


def traced(work: Callable[[], object], kill_at: int | None = None) -> tuple[int, bool]:
    """Do some work in a child and count the beginnings and ends of system calls of all its threads.

    kill_at : the count at which it is killed. Returns how many there were, and whether it was killed.

    Source: ptrace(2).
    """
    child = os.fork()
    if child == 0:
        if _libc.ptrace(TRACEME, 0, None, None) == -1:
            os._exit(1)
        os.kill(os.getpid(), signal.SIGSTOP)
        _leave_after(work)
    _, status = os.waitpid(child, ALL_THREADS)
    if not os.WIFSTOPPED(status):
        raise PermissionError(CANNOT_TRACE)
    _libc.ptrace(SETOPTIONS, child, None, OPTIONS)
    _libc.ptrace(CONTINUE_TO_SYSCALL, child, None, None)
    count = 0
    while True:
        thread, status = os.waitpid(-1, ALL_THREADS)
        if not os.WIFSTOPPED(status):
            if thread != child:
                continue
            if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
                return count, True
            if status:
                raise Broken(f"the work itself failed with the status {status}")
            return count, False
        passed_on = 0
        if os.WSTOPSIG(status) == SYSTEM_CALL:
            count += 1
            if count == kill_at:
                os.kill(child, signal.SIGKILL)
                continue
        elif os.WSTOPSIG(status) not in (signal.SIGTRAP, signal.SIGSTOP):
            passed_on = os.WSTOPSIG(status)
        _libc.ptrace(CONTINUE_TO_SYSCALL, thread, None, passed_on)


def undisturbed(work: Callable[[], object]) -> None:
    """Do some work in a child, so that this process stays fit for forks."""
    child = os.fork()
    if child == 0:
        _leave_after(work)
    if os.waitpid(child, 0)[1]:
        raise Broken("it needs a person's hand")


def _leave_after(work: Callable[[], object]) -> None:
    code = 1
    try:
        work()
        code = 0
    except BaseException:  # noqa: BLE001
        traceback.print_exc()
    finally:
        os._exit(code)


class Work(ABC):
    """What is killed, in a folder of its own; each round does something that was not done before."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.path = folder, folder / "set"

    def prepare(self) -> None:
        log = self.folder / "log.csv"
        write(Simulation(80, n_items=102, seed=3), log)
        build(log, self.path, seed=10**6)

    @abstractmethod
    def do(self, number: int) -> object:
        """What round `number` does; the same again after a kill."""

    def state(self) -> str:
        """What must be after a kill as it was before, or as it is after `do`."""
        return ArtifactSet.open(self.path).fingerprint

    def is_done(self, number: int, before: str) -> bool:
        return self.state() != before

    def problems(self) -> list[str]:
        return verify(self.path)

    def left_over(self) -> list[Path]:
        """What should have been cleared away by now."""
        return list(self.path.glob(f"{BUILDING}*"))


def build(log: Path, out: Path, seed: int) -> ArtifactSet:
    return pipeline.build("events", log, out, BuildConfig(seed=seed, **QUICK))


class Build(Work):
    def do(self, number: int) -> object:
        return build(self.folder / "log.csv", self.path, seed=number)


class Publish(Work):
    """What all commands do that add something to a set: files taken over, new ones written, the build switched."""

    def do(self, number: int) -> object:
        base = ArtifactSet.open(self.path)
        with ArtifactWriter(self.path) as writer:
            writer.adopt(base, but=lambda name: name == "note.json")
            writer.document("note", {"number": number})
            return writer.publish(base.manifest.model_copy(update={"seed": number, "files": writer.files}))


class Tune(Work):
    def do(self, number: int) -> object:
        return tune(self.path, [(1.2, 0.75), (10.0, 0.5)], TuningSettings(replicates=1, seed=number, jobs=1))


class Evaluate(Work):
    def do(self, number: int) -> object:
        quick = EvaluationSettings(listeners=20, replicates=1, seed=number)
        return evaluate_set(self.path, quick, {"als": {"iterations": 1}, "word2vec": {"epochs": 1}})


class Scenario(Work):
    """One is deleted where it is there and kept anew, under the same name."""

    def do(self, number: int) -> object:
        base, there = ArtifactSet.open(self.path), self.path.with_name("set--one")
        kept = self._kept()
        if number in kept:
            return there
        if kept:
            scenarios.delete_scenario(there)
        k1 = float(number + 2)
        return scenarios.keep_scenario(base, self.path, "one", WhatIfEngine(base).fitted(k1=k1, b=0.5), k1=k1, b=0.5)

    def _kept(self) -> list[float]:
        return [
            ArtifactSet.open(path).manifest.models["als"].params["k1"] - 2
            for path in scenarios.scenarios_of(self.path).values()
        ]

    def is_done(self, number: int, before: str) -> bool:
        return self._kept() == [number]

    def problems(self) -> list[str]:
        return [
            problem for path in [self.path, *scenarios.scenarios_of(self.path).values()] for problem in verify(path)
        ]

    def left_over(self) -> list[Path]:
        return list(self.folder.rglob(f"{BUILDING}*"))


class Votes(Work):
    """Votes whose writer said that they are kept stand in `told`."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.path, self.told = folder / "votes.sqlite", folder / "told"

    def prepare(self) -> None:
        self.told.touch()
        self.do(10**6)

    def do(self, number: int) -> object:
        store = VoteStore(self.path)
        for each in range(3):
            ballot = f"{number:016x}{each:016x}"
            store.record(Vote(ballot, "0" * 64, "muse", "als", "word2vec", 10, "left", False, False, "0" * 32))
            with self.told.open("a") as told:
                told.write(f"{ballot}\n")
        return store.close()

    def state(self) -> str:
        return ""  # a vote of which nobody was told yet may be there or not

    def is_done(self, number: int, before: str) -> bool:
        return sum(ballot.startswith(f"{number:016x}") for ballot in self._kept()) == 3

    def problems(self) -> list[str]:
        lost = set(self.told.read_text().split()) - self._kept()
        return [f"lost: {ballot}" for ballot in sorted(lost)]

    def _kept(self) -> set[str]:
        with closing(sqlite3.connect(self.path)) as votes:
            (found,) = votes.execute("PRAGMA integrity_check").fetchone()
            if found != "ok":
                raise Broken(found)
            return {ballot for (ballot,) in votes.execute("SELECT ballot FROM blind_votes")}

    def left_over(self) -> list[Path]:
        return []


WORKS: dict[str, type[Work]] = {
    "build": Build, "tune": Tune, "votes": Votes, "publish": Publish, "evaluate": Evaluate, "scenario": Scenario,
}  # fmt: skip


def kill_again_and_again(work: Work, kills: int, rng: random.Random) -> tuple[int, int]:
    """So many kills at randomly chosen system calls, each followed by the same work, undisturbed.

    Returns the fewest and the most stops at system calls that the work took when it was left alone.

    Raises
    ------
    Broken : something was lost, or the next try did not succeed.
    """
    undisturbed(work.prepare)
    counts: list[int] = []
    done = number = 0
    while done < kills:
        number += 1
        if number % 50 == 1:
            counts.append(traced(partial(work.do, number))[0])
            number += 1
        before, at = work.state(), rng.randrange(1, counts[-1] + 1)
        _, killed = traced(partial(work.do, number), at)
        done += killed
        where = f"round {number}, killed at {at} of {counts[-1]}"
        if problems := work.problems():
            raise Broken(f"{where}: {problems}")
        between = work.state()
        undisturbed(partial(work.do, number))
        if between not in (before, work.state()) or not work.is_done(number, before):
            raise Broken(f"{where}: {before}, then {between}, then {work.state()}")
        if problems := [*work.problems(), *map(str, work.left_over())]:
            raise Broken(f"{where}, and done again: {problems}")
    return min(counts), max(counts)


def main() -> None:
    kills = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    names = sys.argv[2:] or list(WORKS)
    total, start = 0, time.monotonic()
    for place, name in enumerate(names):
        share = kills // len(names) + (place < kills % len(names))
        begun = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            work, rng = WORKS[name](Path(folder)), random.Random(f"{name} {kills}")
            fewest, most = kill_again_and_again(work, share, rng)
        total += share
        took = time.monotonic() - begun
        print(f"{name}: {share} kills at {fewest:,} to {most:,} stops at system calls, {took:.0f} s", flush=True)
    print(f"{total} kills, nothing lost, {time.monotonic() - start:.0f} s")


if __name__ == "__main__":
    main()
