"""A tuning that was stopped, killed or damaged: finished points are kept, and taken up again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from recsys.artifacts.names import TUNING
from recsys.artifacts.store import ArtifactSet, verify
from recsys.artifacts.writer import ArtifactWriter
from recsys.errors import ArtifactError
from recsys.steps.progress import Silence
from recsys.tuning.grid import tune
from recsys.tuning.measure import TuningSettings
from tests.test_cli import ROOT
from tests.tuning.conftest import GRID, Fits, figures, work_folders


def test_a_run_that_was_stopped_goes_on_where_it_was(small_set: Path, tuned_once: ArtifactSet, fits: Fits) -> None:
    fits.fail_at(5)
    with pytest.raises(KeyboardInterrupt):
        tune(small_set, GRID, TuningSettings(jobs=1))
    assert fits.points == [GRID[0], GRID[0], GRID[1], GRID[1], GRID[2]]
    assert ArtifactSet.open(small_set).tuning is None
    assert verify(small_set) == []
    fits.before, fits.points = lambda point: None, []
    # The points are their own whatever the rest of the grid: one of them is new.
    wider = [*GRID, (3.0, 0.5)]
    tuned = tune(small_set, wider, TuningSettings(jobs=2))
    assert sorted(fits.points) == sorted([*GRID[2:], *GRID[2:], (3.0, 0.5), (3.0, 0.5)])
    both = figures(tuned).merge(figures(tuned_once), on=["k1", "b", "ndcg", "recall", "noise_floor", "coverage"])
    assert len(both) == len(GRID)
    assert work_folders(small_set) == []


def test_when_one_point_ends_it_all_the_others_stop_at_their_next_iteration(small_set: Path, fits: Fits) -> None:
    class Slow(Silence):
        iterations = 0

        def advance(self, amount: float) -> None:
            time.sleep(0.02)
            self.iterations += 1

    def fail(point: tuple[float, float]) -> None:
        if point == GRID[0]:
            raise KeyboardInterrupt

    fits.before, slow = fail, Slow()
    with pytest.raises(KeyboardInterrupt):
        tune(small_set, GRID, TuningSettings(jobs=2, replicates=16), slow)
    assert slow.iterations < 20


def test_a_run_that_was_killed_goes_on_where_it_was(small_set: Path, fits: Fits) -> None:
    command = [
        sys.executable, "-m", "recsys", "tune", str(small_set), "--k1", "0,1.2,100", "--b", "0,0.8",
        "--replicates", "16",
    ]  # fmt: skip
    # In a group of its own, so that the kill reaches everything it started and nothing else.
    process = subprocess.Popen(
        command, cwd=ROOT, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    while process.poll() is None and not list(small_set.glob(f"{TUNING}*/*.json")):
        time.sleep(0.002)
    os.killpg(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    finished = len(list(small_set.glob(f"{TUNING}*/*.json")))
    assert 1 <= finished < len(GRID)
    assert verify(small_set) == []
    tuned = tune(small_set, GRID, TuningSettings(replicates=16))
    assert len(fits.points) == 16 * (len(GRID) - finished)
    assert len(figures(tuned)) == len(GRID)
    assert work_folders(small_set) == []


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def change(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-9] ^= 1
    path.write_bytes(bytes(content))


@pytest.mark.parametrize(
    ("ending", "damage"),
    [
        ("npy", cut),
        ("npy", change),
        ("npy", Path.unlink),
        ("json", cut),
        ("json", change),
        ("json", lambda path: path.write_bytes(b"\xff\x00")),
        ("json", lambda path: path.write_text("[" * 100_000)),
        ("json", lambda path: path.write_text("[1]")),
        ("json", lambda path: path.write_text(path.read_text().replace('"coverage": 0', '"coverage": 1'))),
        ("json", lambda path: path.rename(path.with_name("0.0-0.0.json.part"))),
    ],
)
def test_damaged_leftovers_are_measured_again(
    small_set: Path, tuned_once: ArtifactSet, fits: Fits, ending: str, damage: Callable[[Path], None]
) -> None:
    fits.fail_at(10)
    with pytest.raises(KeyboardInterrupt):
        tune(small_set, GRID, TuningSettings(jobs=1))
    damage(work_folders(small_set)[0] / f"0.0-0.0.{ending}")
    fits.before, fits.points = lambda point: None, []
    tuned = tune(small_set, GRID, TuningSettings())
    assert sorted(fits.points) == sorted([GRID[0], GRID[0], GRID[5], GRID[5]])
    pd.testing.assert_frame_equal(figures(tuned), figures(tuned_once), check_exact=True)


@pytest.mark.parametrize(
    "other", [{"seed": 1}, {"n": 5}, {"held_out": 0.3}, {"listeners": 100}, {"replicates": 3}], ids=str
)
def test_points_measured_with_other_settings_are_not_taken(small_set: Path, fits: Fits, other: dict[str, Any]) -> None:
    fits.fail_at(2)
    with pytest.raises(KeyboardInterrupt):
        tune(small_set, GRID, TuningSettings(jobs=1))
    fits.before, fits.points = lambda point: None, []
    settings = TuningSettings(**other)
    tune(small_set, GRID[:1], settings)
    assert fits.points == [GRID[0]] * settings.replicates
    assert len(work_folders(small_set)) == 1


def test_nothing_measured_is_lost_while_a_build_holds_the_set(small_set: Path, fits: Fits) -> None:
    with ArtifactWriter(small_set), pytest.raises(ArtifactError, match="another build is writing"):
        tune(small_set, GRID[:2], TuningSettings())
    fits.points = []
    assert len(figures(tune(small_set, GRID[:2], TuningSettings()))) == 2
    assert fits.points == []


def test_the_same_tuning_twice_at_a_time_is_refused(small_set: Path, fits: Fits) -> None:
    refused = []

    def once_more(_: object) -> None:
        with pytest.raises(ArtifactError, match="is being tuned with the same settings already; wait for it") as error:
            tune(small_set, GRID[:1], TuningSettings())
        refused.append(error)

    fits.before = once_more
    tune(small_set, GRID[:1], TuningSettings())
    assert len(refused) == 2


def test_work_in_progress_belongs_to_a_set_and_strangers_do_not(small_set: Path) -> None:
    (small_set / f"{TUNING}0123456789ab").mkdir()
    assert verify(small_set) == []
    with ArtifactWriter(small_set):
        pass
    (small_set / f"{TUNING}notes").mkdir()
    assert verify(small_set) == [f"{small_set / TUNING}notes: does not belong to an artifact set"]
