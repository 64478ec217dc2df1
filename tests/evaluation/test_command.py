from __future__ import annotations

import json
from pathlib import Path

import pytest

from recsys.artifacts.evaluations import Evaluated
from recsys.artifacts.store import ArtifactSet
from recsys.interactions.simulate import Simulation
from recsys.interactions.writers import write
from tests.test_cli import run

QUICK = ["--listeners", 60, "--replicates", 1, "--iterations", 2]


@pytest.fixture(scope="module")
def queues(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One queue a line, as an e-commerce log would come."""
    path = tmp_path_factory.mktemp("queues") / "queues.txt"
    write(Simulation(80, n_items=110, mean_sessions=2.0, seed=4), path, "queues")
    return path


def test_a_set_keeps_what_is_printed(small_set: Path) -> None:
    done = run("evaluate", small_set, *QUICK, "--epochs", 1, "--beside", "100,0.8", "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    opened = ArtifactSet.open(small_set)
    assert document.pop("fingerprint") == opened.fingerprint
    assert Evaluated.model_validate(document) == opened.evaluation["holdout"]
    assert document["models"]["als_100.0_0.8"]["params"]["k1"] == 100
    assert document["lists"] == 60


def test_next_events_of_a_file_of_queues_are_measured_as_published(queues: Path) -> None:
    command = ["evaluate", "--input", queues, "--reader", "queues", "--protocol", "next-event", *QUICK]
    published = json.loads(run(*command, "--json").stdout)
    assert published["min_listeners"] == 1
    expected = {"vector_size": 50, "window": 5, "epochs": 5, "sample": 1e-3, "ns_exponent": 0.75, "negative": 5}
    assert expected | {"alpha": 0.025, "workers": 1} == published["models"]["word2vec"]["params"]
    stated = [
        "--window", 3, "--epochs", 4, "--sample", 1e-5, "--ns-exponent", -0.5, "--negative", 7, "--vector-size", 9,
        "--alpha", 0.1, "--workers", 2,
    ]  # fmt: skip
    own = run(*command, *stated)
    assert own.returncode == 0, own.stderr
    words = " ".join(own.stdout.split())
    assert "Word2vec: vector_size 9, window 3, epochs 4, sample 1e-05, ns_exponent -0.5, negative 7, alpha 0.1" in words
    assert f"the last item is the one before it once more in {published['repeats']:,} queues" in words
    assert published["verdict"].split(" by ")[0].split()[0] in ("ALS", "Word2vec")
    for title in ("Popularity", "Random", "Co-occurrence", "BM25 item-item", "Word2vec, Euclidean"):
        assert title in words


def test_a_reader_and_settings_of_a_build_can_be_given(small_log: Path, tmp_path: Path) -> None:
    config = tmp_path / "build.toml"
    config.write_text("replicates = 1\nmin_listeners = 20\n[als]\nk1 = 3.5\niterations = 1\n[word2vec]\nepochs = 1\n")
    command = [
        "evaluate",
        "--input",
        small_log,
        "--reader",
        "events",
        "--config",
        config,
        "--protocol",
        "leave-last-out",
    ]
    found = json.loads(run(*command, "--b", 0.1, "--held-out", 0.5, "--json").stdout)
    assert found["min_listeners"] == 20
    assert found["held_out"] is None
    assert found["models"]["als"]["params"] | {"k1": 3.5, "b": 0.1, "iterations": 1} == found["models"]["als"]["params"]
    assert found["models"]["als"]["replicates"] == 1
    wider = json.loads(run(*command, "--min-listeners", 1, "--seed", 3, "-n", 3, "--json").stdout)
    assert (wider["min_listeners"], wider["seed"], wider["n"]) == (1, 3, 3)
    assert wider["items"] > found["items"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "give either the folder of an artifact set or --input"),
        (["artifacts/demo", "--input", "x", "--reader", "events"], "give either the folder of an artifact set"),
        (["--input", "x"], "--input and --reader belong together"),
        (["artifacts/demo", "--reader", "events"], "--input and --reader belong together"),
        (["artifacts/demo", "--beside", "100"], "--beside is '100'; give K1 and B with a comma between them"),
        (["artifacts/demo", "--beside", "100,1.5"], "beside.0.1 = 1.5"),
        (["artifacts/demo", "--protocol", "next"], "protocol = 'next'"),
        (["artifacts/demo", "--held-out", "1"], "held_out = 1"),
        (["artifacts/demo", "--window", "0"], "word2vec: window = 0"),
    ],
)
def test_mistakes_are_named_before_anything_is_fitted(arguments: list[str], words: str) -> None:
    done = run("evaluate", *arguments)
    assert done.returncode == 2, done.stderr
    assert words in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
