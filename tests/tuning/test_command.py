"""The command that measures a grid of K1 and B."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from recsys.artifacts.names import TUNING_COLUMNS
from recsys.artifacts.store import ArtifactSet
from recsys.config import BuildConfig
from recsys.pipeline import build
from tests.test_cli import run
from tests.tuning.conftest import figures, work_folders


def test_the_command_measures_and_marks(small_set: Path) -> None:
    # At K1 = 0 all B are one setting: whichever is best, another is as good.
    grid = ["--k1", "0,1.2,100", "--b", "0.75,1"]
    done = run("tune", small_set, *grid, "--n", 5, "--listeners", 100, "--jobs", 1)
    assert done.returncode == 0, done.stderr
    assert "measuring 6 settings of K1 and B" in done.stderr
    table = figures(ArtifactSet.open(small_set))
    best = int(table["ndcg"].to_numpy().argmax())
    lines = [line for line in done.stdout.splitlines() if "±" in line and not line.startswith("·")]
    for row, (line, point) in enumerate(zip(lines, table.to_dict("records"), strict=True)):
        for name in ("ndcg", "noise_floor", "coverage", "tag_share"):
            assert f"{point[name]:.3f}" in line
        assert ("best" in line) == (row == best)
        assert ("as good" in line) == (point["best_region"] and row != best)
        assert ("this set" in line) == ((point["k1"], point["b"]) == (1.2, 0.75))
    assert table["best_region"].sum() > 1
    assert f"--k1 {table['k1'][best]:g} --b {table['b'][best]:g}" in done.stdout


def test_the_command_says_what_is_not_known_and_is_quiet(small_log: Path, tmp_path: Path) -> None:
    without_tags = Path(shutil.copy(small_log, tmp_path / "log.csv"))
    path = tmp_path / "set"
    tiny = {"als": {"iterations": 1, "factors": 4}, "word2vec": {"epochs": 1, "vector_size": 4}}
    build("events", without_tags, path, BuildConfig(replicates=1, maps=[], **tiny))
    options = ["--k1", "3", "--b", "0.5", "--replicates", 1]
    done = run("tune", path, *options, "--quiet")
    assert done.returncode == 0
    assert done.stderr == ""
    assert done.stdout.count("not known") == 2
    assert "built with K1 1.2 and B 0.75, which is not on the grid" in done.stdout
    document = json.loads(run("tune", path, *options, "--seed", 2, "--json").stdout)
    assert document["fingerprint"] == ArtifactSet.open(path).fingerprint
    assert document["settings"]["seed"] == 2
    (point,) = document["points"]
    assert set(point) == set(TUNING_COLUMNS)
    assert point["noise_floor"] is None
    assert point["tag_share"] is None
    assert point["best_region"] is True


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--k1", "a,2"], 2, "--k1 is 'a,2'; give numbers with commas between them"),
        (["--b", ""], 2, "--b is ''"),
        (["--b", "0.5,2"], 2, "B is 2.0; it must be a number from 0 to 1"),
        (["--n", "0"], 2, "n = 0"),
        (["--held-out", "1"], 2, "held_out = 1.0: input should be less than 1"),
        (["--replicates", "65"], 2, "replicates = 65"),
    ],
)
def test_mistakes_on_the_command_line_are_named(built_once: Path, arguments: list[str], code: int, words: str) -> None:
    done = run("tune", built_once, *arguments)
    assert done.returncode == code
    assert words in done.stderr
    assert work_folders(built_once) == []
