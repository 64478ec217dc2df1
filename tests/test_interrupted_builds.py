"""A build that was interrupted goes on where it was, and gives what it would have given."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from typer.testing import CliRunner

from recsys import pipeline
from recsys.analysis.neighbours import NeighbourGraph
from recsys.artifacts.names import STAGES
from recsys.artifacts.store import ArtifactSet, verify
from recsys.artifacts.unfinished import MAKES_ALL
from recsys.cli import app
from recsys.config import BuildConfig
from recsys.errors import ParameterError
from recsys.models import word2vec
from recsys.models.word2vec import Pace
from recsys.pipeline import build
from recsys.steps import kept
from recsys.steps.fits import within_budget
from recsys.steps.progress import Silence, Stages
from tests.conftest import StopsAt
from tests.test_pipeline import ROOT, TINY, WHATIF

QUICK = {"replicates": 2, **TINY}

# One process that imports what takes seconds and itself fits nothing, so that it can be forked, once for each build.
KILLED_AGAIN_AND_AGAIN = """
import json, os, signal, sys, types
from pathlib import Path
import gensim.models, implicit.cpu.als
from recsys import pipeline
from recsys.config import BuildConfig
from recsys.steps import fits, kept

log, folder, config = Path(sys.argv[1]), Path(sys.argv[2]), BuildConfig.model_validate_json(sys.argv[3])

class Killed:
    def __init__(self, told, after):
        self.told, self.left = told, after
    def stage(self, words, total):
        with self.told.open("a") as file:
            file.write(words + "\\n")
        self.advance(1)
    def advance(self, amount):
        self.left -= 1
        if self.left < 0:
            os.kill(os.getpid(), signal.SIGKILL)

def counted(diary, name, function):
    def wrapped(*arguments, **more):
        result = function(*arguments, **more)
        with diary.open("a") as file:
            file.write(name + "\\n")
        return result
    return wrapped

def build(name, after):
    child = os.fork()
    if child == 0:
        diary = folder / (name + ".made")
        for module, model in (("als", fits.als), ("word2vec", fits.word2vec)):
            fit = counted(diary, module, model.fit)
            setattr(fits, module, types.SimpleNamespace(**{**vars(model), "fit": fit}))
        kept.neighbour_graph = counted(diary, "graph", kept.neighbour_graph)
        pipeline.read = counted(diary, "read", pipeline.read)
        pipeline.measure_trust = counted(diary, "whatif", pipeline.measure_trust)
        made = pipeline.build("events", log, folder / name, config, Killed(folder / (name + ".told"), after))
        (folder / (name + ".fingerprint")).write_text(made.fingerprint)
        os._exit(0)
    return os.waitpid(child, 0)[1]

assert build("undisturbed", 10**9) == 0
kills = 0
for after in range(2, 1000, 14):
    status = build("killed", after)
    if status == 0:
        break
    assert os.WTERMSIG(status) == signal.SIGKILL, status
    kills += 1
print(kills)
"""


def test_a_build_killed_again_and_again_makes_each_part_once_and_ends_with_the_same_bits(
    small_log: Path, tmp_path: Path
) -> None:
    config = BuildConfig(replicates=3, **WHATIF)
    done = subprocess.run(
        [sys.executable, "-c", KILLED_AGAIN_AND_AGAIN, str(small_log), str(tmp_path), config.model_dump_json()],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    assert int(done.stdout) >= 8
    made = {name: Counter((tmp_path / f"{name}.made").read_text().split()) for name in ("undisturbed", "killed")}
    # The consensus, three replicates and two halves of two models.
    assert made["killed"] == made["undisturbed"] == {"read": 1, "als": 3, "word2vec": 3, "graph": 12, "whatif": 1}
    fingerprints = {(tmp_path / f"{name}.fingerprint").read_text() for name in made}
    assert len(fingerprints) == 1
    assert verify(tmp_path / "killed") == []
    assert sorted(path.name for path in (tmp_path / "killed").iterdir()) == sorted(
        ["CURRENT", ArtifactSet.open(tmp_path / "killed").folder.name]
    )
    told = (tmp_path / "killed.told").read_text()
    assert "\ntaken up from an interrupted build: reading, ALS 1 of 3" in told


class Told:
    def __init__(self) -> None:
        self.words: list[str] = []

    def stage(self, words: str, total: float | None) -> None:
        self.words.append(words)

    def advance(self, amount: float) -> None: ...


def interrupted(log: Path, out: Path, config: BuildConfig) -> None:
    with pytest.raises(KeyboardInterrupt):
        build("events", log, out, config, StopsAt("Word2vec: neighbours"))
    assert len(list(out.glob(f"{STAGES}*"))) == 1


def taken_up(log: Path, out: Path, config: BuildConfig, *, fresh: bool = False) -> list[str]:
    told = Told()
    build("events", log, out, config, told, fresh=fresh)
    return [words for words in told.words if words.startswith("taken up")]


def test_what_was_finished_is_told(small_log: Path, tmp_path: Path) -> None:
    config = BuildConfig(**QUICK)
    interrupted(small_log, tmp_path / "set", config)
    (told,) = taken_up(small_log, tmp_path / "set", config)
    fits = ["ALS 1 of 2", "ALS 2 of 2", "Word2vec 1 of 2", "Word2vec 2 of 2"]
    assert told.startswith("taken up from an interrupted build: reading, ALS 1 of 2, ALS 2 of 2, Word2vec ")
    assert sorted(told.split(": ", 1)[1].split(", ")) == sorted(
        ["reading", *fits, *(f"ALS: neighbours{of}" for of in ("", " of 0", " of 1"))]
    )


def test_maps_that_are_finished_are_not_laid_out_again(small_log: Path, tmp_path: Path) -> None:
    config = BuildConfig(**QUICK | {"maps": ["tsne"]})
    with pytest.raises(KeyboardInterrupt):
        build("events", small_log, tmp_path / "set", config, StopsAt("Word2vec: t-SNE map"))
    told = Told()
    again = build("events", small_log, tmp_path / "set", config, told)
    assert "ALS: t-SNE map is there from before" in told.words
    assert "Word2vec: t-SNE map" in told.words
    assert again.fingerprint == build("events", small_log, tmp_path / "other", config).fingerprint
    assert verify(tmp_path / "set") == []


@pytest.mark.parametrize("change", ["seed", "data", "description", "version", "fresh", "nothing"])
def test_another_build_is_begun_anew(
    small_log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    log, out, config = tmp_path / "log.csv", tmp_path / "set", BuildConfig(**QUICK)
    for suffix in (".csv", ".items.csv", ".source.json"):
        (tmp_path / f"log{suffix}").write_bytes(small_log.with_suffix(suffix).read_bytes())
    interrupted(log, out, config)
    if change == "seed":
        config = config.model_copy(update={"seed": 1})
    elif change == "data":
        log.write_bytes(log.read_bytes().removesuffix(b"\n"))
    elif change == "description":
        os.utime(tmp_path / "log.items.csv")
    elif change == "version":
        monkeypatch.setattr(pipeline, "version", lambda name: "0")
    assert len(taken_up(log, out, config, fresh=change == "fresh")) == (change == "nothing")
    assert not list(out.glob(f"{STAGES}*"))


def test_a_build_that_goes_on_reckons_with_what_it_took_before(small_log: Path, tmp_path: Path) -> None:
    """A refine is promised by how long the fits took."""
    config = BuildConfig(**QUICK)
    interrupted(small_log, tmp_path / "set", config)
    (folder,) = (tmp_path / "set").glob(f"{STAGES}*")
    spent = {path.stem: json.loads(path.read_text())["seconds"] for path in folder.glob("*.json")}
    timings = build("events", small_log, tmp_path / "set", config).manifest.timings
    # Of what is kept, to the hundredth.
    assert timings["fit_als"] > spent["als-0"] + spent["als-1"] - 0.01 > 0
    assert timings["neighbours_als"] > spent["als-neighbours"] + spent["als-neighbours-0"] - 0.01


def test_a_graph_draws_the_same_numbers_whether_others_were_taken_up_or_not(
    small_log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[int] = []
    search = kept.neighbour_graph

    def recorded(vectors: npt.NDArray[np.float32], depth: int, rng: np.random.Generator, **more: Any) -> NeighbourGraph:
        drawn.append(int(rng.integers(2**31)))
        return search(vectors, depth, rng, **more)

    monkeypatch.setattr(kept, "neighbour_graph", recorded)
    config = BuildConfig(**QUICK)
    build("events", small_log, tmp_path / "undisturbed", config)
    undisturbed = drawn.copy()
    interrupted(small_log, tmp_path / "set", config)
    drawn.clear()
    build("events", small_log, tmp_path / "set", config)
    # The consensus and two replicates of two models; those of ALS were taken up.
    assert len(set(undisturbed[:3])) == 3
    assert drawn == undisturbed[3:]


@pytest.mark.parametrize(
    ("options", "minutes", "fresh"), [([], None, False), (["--word2vec-minutes", "7.5", "--fresh"], 7.5, True)]
)
def test_budget_and_fresh_of_the_command_line_reach_the_build(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: list[str], minutes: float | None, fresh: bool
) -> None:
    reached: dict[str, object] = {}

    def recorded(*arguments: Any, fresh: bool, **more: object) -> None:
        reached.update(minutes=arguments[3].word2vec_minutes, fresh=fresh)
        raise ParameterError("that is all")

    monkeypatch.setattr(pipeline, "build", recorded)
    ran = CliRunner().invoke(app, ["build", "events", "--input", "log.csv", "--out", str(tmp_path / "set"), *options])
    assert isinstance(ran.exception, ParameterError)
    assert reached == {"minutes": minutes, "fresh": fresh}


def test_halves_of_two_replicates_are_the_replicates(small_log: Path, tmp_path: Path) -> None:
    made = build("events", small_log, tmp_path / "set", BuildConfig(**QUICK))
    for model in ("als", "word2vec"):
        for half, replicate in zip(made.half_neighbours(model), made.replicate_neighbours(model), strict=True):
            np.testing.assert_array_equal(half, replicate)


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """An epoch takes 10 s, and so much again for every 5 that the window is wider than 5."""
    monkeypatch.setattr(word2vec.PaceMeter, "at", lambda meter, window, *, seconds: Pace(0.0, 2.0 * window))


ONE = {"replicates": 1, "measure_whatif": False, "maps": [], "als": TINY["als"]}


@pytest.mark.usefixtures("slow")
def test_a_budget_chooses_epochs_and_says_so_wherever_one_looks(small_log: Path, tmp_path: Path) -> None:
    told = Told()
    config = BuildConfig(**ONE, word2vec_minutes=2.0, word2vec={"vector_size": 8})
    entry = build("events", small_log, tmp_path / "set", config, told).manifest.models["word2vec"]
    # 0.9 · 120 s / 10 s
    words = "epochs 10 of 20: all that 2 minutes allow here"
    assert (entry.params["epochs"], entry.params["window"], entry.notes) == (10, 5, [words])
    assert f"Word2vec: {words}" in told.words
    assert not entry.repeatable
    assert "the speed of the machine chose epochs and window" in entry.repeatable_note


@pytest.mark.usefixtures("slow")
@pytest.mark.parametrize(
    ("given", "epochs", "window", "notes"),
    [
        ({"epochs": 3}, 3, 5, 1),
        ({"window": 12}, 4, 12, 1),  # 108 s / 24 s
        ({"epochs": 3, "window": 12}, 3, 12, 0),
    ],
)
def test_epochs_and_window_that_are_given_win_over_the_budget(
    small_log: Path, tmp_path: Path, given: dict[str, int], epochs: int, window: int, notes: int
) -> None:
    config = BuildConfig(**ONE, word2vec_minutes=2.0, word2vec={"vector_size": 8, **given})
    entry = build("events", small_log, tmp_path / "set", config).manifest.models["word2vec"]
    assert (entry.params["epochs"], entry.params["window"], len(entry.notes)) == (epochs, window, notes)
    assert entry.repeatable == (notes == 0)


@pytest.mark.usefixtures("slow")
def test_a_budget_that_is_too_small_is_refused_before_anything_is_fitted(small_log: Path, tmp_path: Path) -> None:
    config = BuildConfig(**ONE, word2vec_minutes=0.1, word2vec={"vector_size": 8})
    told = Told()
    with pytest.raises(
        ParameterError, match="word2vec-minutes is 0.1; 1 epochs with a window of 5 take all fits 1 min"
    ):
        build("events", small_log, tmp_path / "set", config, told)
    assert not [words for words in told.words if words.startswith("fitting")]


@pytest.mark.usefixtures("slow")
def test_large_data_have_half_an_hour_and_small_ones_no_budget(
    small_log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = BuildConfig(**ONE, word2vec={"vector_size": 8, "window": 500})
    monkeypatch.setattr(pipeline, "LARGE_FROM", 10)
    large = build("events", small_log, tmp_path / "large", config).manifest.models["word2vec"]
    # 0.9 · 1800 s / 1000 s
    assert large.notes == ["epochs 1 of 20: all that 30 minutes allow here"]
    monkeypatch.undo()
    small = build("events", small_log, tmp_path / "small", config).manifest.models["word2vec"]
    assert (small.params["epochs"], small.notes) == (20, [])


def test_the_choice_of_an_interrupted_build_stands_however_fast_the_machine_is_now(
    small_log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = BuildConfig(**ONE, word2vec_minutes=2.0, word2vec={"vector_size": 8})
    monkeypatch.setattr(word2vec.PaceMeter, "at", lambda meter, window, *, seconds: Pace(0.0, 50.0))
    interrupted(small_log, tmp_path / "set", config)
    monkeypatch.setattr(word2vec.PaceMeter, "at", lambda meter, window, *, seconds: Pace(0.0, 1e-6))
    assert build("events", small_log, tmp_path / "set", config).manifest.models["word2vec"].params["epochs"] == 2


def test_every_fit_is_measured_that_will_run_at_a_time(small_log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The slowest decides; two rounds of two fits have half of the time each."""
    made: list[word2vec.PaceMeter] = []

    class Meter(word2vec.PaceMeter):
        def __init__(self, *arguments: object) -> None:
            made.append(self)

        def at(self, window: int, *, seconds: float) -> Pace:
            return Pace(0.0, [9.0, 27.0][made.index(self)])

    monkeypatch.setattr(word2vec, "PaceMeter", Meter)
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    seeds = np.random.SeedSequence(0).spawn(4)
    log = pipeline.read("events", small_log)
    params, words = within_budget(
        log,
        word2vec.Word2vecParams(epochs=20),
        10.0,
        (),
        seeds,
        Stages(Silence()),
        MAKES_ALL,
        refuse=True,
    )
    # 0.9 · 600 s / 2 rounds / 27 s
    assert (params.epochs, words) == (10, "epochs 10 of 20: all that 10 minutes allow here")
