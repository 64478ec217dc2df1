"""`python -m recsys whatif`, as people and scripts call it."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from recsys.artifacts.store import ArtifactSet
from recsys.cli import app
from recsys.errors import ParameterError
from recsys.whatif.engine import WhatIfEngine
from recsys.whatif.result import headline


def asked(folder: Path, *more: str) -> Any:
    return CliRunner().invoke(app, ["whatif", str(folder), "--item", "s000003", "--k1", "40", "--b", "0.2", *more])


@pytest.mark.parametrize("mode", ["preview", "refine", "full"])
def test_json_is_what_the_engine_says(built_once: Path, mode: str) -> None:
    done = asked(built_once, "--mode", mode, "-n", "5", "--json")
    assert done.exit_code == 0, done.output
    document = json.loads(done.stdout)
    engine = WhatIfEngine(ArtifactSet.open(built_once))
    row = engine.artifacts.catalogue["item_id"].tolist().index("s000003")
    settings: dict[str, Any] = {"k1": 40.0, "b": 0.2, "n": 5}
    found = {
        "preview": lambda: engine.preview(row, **settings),
        "refine": lambda: engine.refine(row, **settings),
        "full": lambda: engine.full(row, **settings),
    }[mode]()
    expected = found.as_json()
    assert document.pop("seconds") > 0
    expected.pop("seconds")
    assert document == json.loads(json.dumps(expected))


def test_people_get_a_sentence_and_both_lists(built_once: Path) -> None:
    done = asked(built_once)
    assert done.exit_code == 0
    engine = WhatIfEngine(ArtifactSet.open(built_once))
    row = engine.artifacts.catalogue["item_id"].tolist().index("s000003")
    found = engine.preview(row, k1=40.0, b=0.2, n=10)
    assert headline(found) in done.stdout
    assert "listener's factors kept" in done.stdout


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--k1", "-1"], "K1 is -1"),
        (["--b", "2"], "B is 2"),
        (["--k1", "nan"], "K1 is nan"),
        (["--mode", "magic"], "magic"),
    ],
)
def test_what_cannot_be_is_refused_with_the_limit(built_once: Path, more: list[str], words: str) -> None:
    done = asked(built_once, *more)
    assert isinstance(done.exception, ParameterError)
    assert words in str(done.exception)


def test_a_full_fit_can_be_kept_with_its_evaluation(small_set: Path) -> None:
    start = time.perf_counter()
    done = asked(small_set, "--mode", "full", "--keep", "Forty", "--json")
    took = time.perf_counter() - start
    assert done.exit_code == 0, done.output
    document = json.loads(done.stdout)
    kept = ArtifactSet.open(small_set.parent / "small--forty")
    assert kept.manifest.scenario is not None
    assert document["scenario"]["path"] == str(small_set.parent / "small--forty")
    assert document["scenario"]["evaluation"] == kept.manifest.scenario.evaluation.model_dump()  # type: ignore[union-attr]
    row = kept.catalogue["item_id"].tolist().index("s000003")
    shown = [kept.catalogue["item_id"].iloc[other] for other in kept.neighbours("als")[row, :10]]
    assert [each["item_id"] for each in document["whatif"]] == shown
    # All pairs of a listener and an item were weighed; how many of the weights were clipped is not kept with the fits.
    assert (document["weights"], document["weights_clipped"]) == (kept.manifest.counts.interactions, None)
    assert took / 2 < document["seconds"] < took, "the fits and what followed, not only reading them"
    again = asked(small_set, "--mode", "full", "--keep", "forty")
    assert "there is a scenario" in str(again.exception)


def test_only_full_fits_are_kept(built_once: Path) -> None:
    assert "goes with --mode full" in str(asked(built_once, "--keep", "x").exception)
