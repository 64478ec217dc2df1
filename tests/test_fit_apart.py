"""Full fits in a process of their own: the same scenario, stopped and failing as if it were fitted here."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recsys import fit_apart
from recsys.artifacts.store import ArtifactSet
from recsys.errors import RecsysError
from recsys.fit_apart import fit_scenario_apart, main
from recsys.scenarios import scenarios_of
from recsys.whatif.engine import WhatIfEngine
from recsys.whatif.turns import NICENESS

K1, B = 40.0, 0.3


def fit(path: Path, name: str, tell: Any = lambda *news: None) -> Path:
    return fit_scenario_apart(ArtifactSet.open(path), path, name, k1=K1, b=B, tell=tell)


def test_it_is_the_scenario_that_is_fitted_here_and_progress_is_told(small_set: Path) -> None:
    told: list[tuple[str, int, int]] = []
    niceness: set[int] = set()

    def tell(*news: Any) -> None:
        told.append(news)
        niceness.update(niceness_of_children())

    kept = ArtifactSet.open(fit(small_set, "Forty", tell))
    assert kept.manifest.scenario is not None
    assert kept.manifest.scenario.name == "Forty"
    engine = WhatIfEngine(ArtifactSet.open(small_set))
    here = np.stack([each.item_factors for each in engine.fitted(k1=K1, b=B)])
    np.testing.assert_array_equal(kept.array("als/item_factors"), here)
    assert told[0] == ("Getting ready", 0, 1)
    iterations = len(here) * engine.params.iterations
    assert [done for words, done, _ in told if words == "Fitting in full"] == list(range(1, iterations + 1))
    if sys.platform == "linux":
        assert min(19, os.getpriority(os.PRIO_PROCESS, 0) + NICENESS) in niceness, "it stands back for pages"


def niceness_of_children() -> set[int]:
    """Where the system lists a process's children."""
    lists = Path(f"/proc/{os.getpid()}/task").glob("*/children")
    return {os.getpriority(os.PRIO_PROCESS, int(child)) for each in lists for child in each.read_text().split()}


def test_what_telling_raises_ends_it_with_nothing_kept(small_set: Path) -> None:
    def tell(words: str, done: int, total: int) -> None:
        if done == 2:
            raise KeyError("left")

    with pytest.raises(KeyError, match="left"):
        fit(small_set, "Left", tell)
    assert scenarios_of(small_set) == {}
    assert [path.name for path in small_set.parent.iterdir() if path.name.startswith("small--")] == []


def test_what_it_was_refused_for_comes_out_in_the_same_words(small_set: Path) -> None:
    with pytest.raises(RecsysError, match="'!!' names no scenario; use letters or digits"):
        fit(small_set, "!!")


def test_a_process_that_is_killed_is_named_and_the_next_one_succeeds(
    small_set: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[subprocess.Popen[str]] = []

    class Remembered(subprocess.Popen[str]):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            begun.append(self)

    def tell(words: str, done: int, total: int) -> None:
        if done == 2:
            os.kill(begun[0].pid, signal.SIGKILL)

    with monkeypatch.context() as patched:
        patched.setattr(fit_apart.subprocess, "Popen", Remembered)
        with pytest.raises(RecsysError, match=r"ended from outside \(signal 9\)"):
            fit(small_set, "Killed", tell)
    assert list(scenarios_of(small_set)) == []
    fit(small_set, "Killed")
    assert list(scenarios_of(small_set)) == ["Killed"]


def test_a_process_that_falls_over_is_named(
    small_set: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(RecsysError, match=r"ended unexpectedly \(code 1\); the server's log says why"):
        fit(small_set, "Falls")


def asked(base: Path, name: str) -> str:
    """What a process of its own is asked for, as it reads it."""
    question = {"base": str(ArtifactSet.folder_in_use(base)), "path": str(base), "name": name, "k1": K1, "b": B}
    return json.dumps(question)


def test_where_nobody_answers_any_more_it_ends_with_nothing_kept(small_set: Path) -> None:
    # Answers to two pieces of news, then the end of the file, as when the server is gone.
    questions, answers = io.StringIO(asked(small_set, "Gone") + "\n\n\n"), io.StringIO()
    main(questions, answers)
    said = [json.loads(line) for line in answers.getvalue().splitlines()]
    assert all("doing" in each for each in said[:-1])
    assert "nobody waits" in said[-1]["failed"]
    assert scenarios_of(small_set) == {}


def test_a_full_disk_is_said_in_words(small_set: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*arguments: Any, **options: Any) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("recsys.scenarios.fit_scenario", full)
    answers = io.StringIO()
    main(io.StringIO(asked(small_set, "Full") + "\n"), answers)
    assert "No space left on device" in json.loads(answers.getvalue())["failed"]
