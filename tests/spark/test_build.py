"""Builds on Spark, from the command line: the artifact set as ever, saying what Spark does differently."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from recsys.artifacts.store import ArtifactSet, verify
from tests.spark.conftest import Cluster

KILL_AFTER = 4.0  # seconds
ROOT = Path(__file__).resolve().parents[2]


def command(reader: str, source: Path, out: Path, *options: str) -> list[str]:
    return [
        sys.executable, "-m", "recsys", "build", reader, "--input", str(source), "--out", str(out), "--maps", "none",
        *options,
    ]  # fmt: skip


def quick(folder: Path, iterations: int) -> Path:
    """Settings of a build that is soon done."""
    path = folder / "quick.toml"
    als = f"[als]\nfactors = 6\niterations = {iterations}\n"
    path.write_text(f"measure_whatif = false\n{als}[word2vec]\nepochs = 1\nvector_size = 6\n", "utf-8")
    return path


def run(arguments: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, check=False)


def overlap(one: ArtifactSet, other: ArtifactSet, model: str, n: int = 10) -> float:
    """Mean overlap@n over the items with at least 10 listeners, by brute force."""
    known = np.flatnonzero(one.catalogue["listeners"] >= 10)
    shared = [len(np.intersect1d(one.neighbours(model)[i, :n], other.neighbours(model)[i, :n])) for i in known]
    return float(np.mean(shared)) / n


def test_a_build_on_spark_is_an_artifact_set_that_says_what_spark_does_differently(
    java_and_pyspark: None, small_log: Path, tmp_path: Path
) -> None:
    out = tmp_path / "set"
    done = run(command(
        "events", small_log, out, "--engine", "spark", "--master", "local[2]", "--replicates", "2", "--json",
        "--config", str(quick(tmp_path, iterations=2)),
    ))  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    assert json.loads(done.stdout)["fingerprint"]
    found = ArtifactSet.open(out)
    assert verify(out) == []
    assert found.user_items.shape == (250, found.manifest.counts.items)
    assert found.manifest.counts.queues_ordered
    assert found.manifest.versions["pyspark"]
    assert any("knows no negative sampling" in warning for warning in found.manifest.warnings)
    models = found.manifest.models
    assert not models["als"].repeatable
    assert not models["word2vec"].repeatable
    assert any("hierarchical softmax" in note and "ns_exponent" in note for note in models["word2vec"].notes)
    assert any("BM25:" in note for note in models["als"].notes)
    assert models["als"].noise_floor is not None


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--master", "local[2]"], "--master local[2] is for --engine spark"),
        (["--engine", "spark", "--negative", "3"], "Spark's Word2vec has no negative"),
    ],
)
def test_options_that_would_change_nothing_are_refused(
    java_and_pyspark: None, options: list[str], words: str, small_log: Path, tmp_path: Path
) -> None:
    done = run(command("events", small_log, tmp_path / "set", *options))
    assert done.returncode == 2
    assert words in " ".join(done.stderr.split())
    assert not (tmp_path / "set").exists()


@pytest.mark.timeout(3600)
def test_hetrec_on_spark_agrees_with_one_machine_as_far_as_that_agrees_with_itself(
    thorough: None, real_data: Path, tmp_path: Path
) -> None:
    source, epochs = real_data / "hetrec2011-lastfm-2k", ("--epochs", "2")
    for out, engine in (("here", ()), ("spark", ("--engine", "spark", "--master", "local[2]"))):
        done = run(command("lastfm-2k", source, tmp_path / out, *epochs, *engine))
        assert done.returncode == 0, done.stderr[-2000:]
    here, spark = ArtifactSet.open(tmp_path / "here"), ArtifactSet.open(tmp_path / "spark")
    np.testing.assert_array_equal(here.user_items.data, spark.user_items.data)
    assert here.catalogue["item_id"].tolist() == spark.catalogue["item_id"].tolist()
    floor = here.manifest.models["als"].noise_floor
    assert floor is not None
    assert overlap(here, spark, "als") >= floor - 0.05


@pytest.mark.timeout(3600)
def test_a_worker_killed_during_als_changes_nothing_that_is_kept_but_the_last_digits(
    cluster: Cluster, small_log: Path, tmp_path: Path
) -> None:
    options = (
        "--engine", "spark", "--master", cluster.address, "--replicates", "1", "--config",
        str(quick(tmp_path, iterations=15)),
    )  # fmt: skip
    environment = {**os.environ, "SPARK_LOCAL_IP": "127.0.0.1"}
    sets = []
    for out in ("whole", "killed"):
        build = subprocess.Popen(
            command("events", small_log, tmp_path / out, *options), cwd=ROOT, env=environment, text=True,
            stderr=subprocess.PIPE, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        assert build.stderr is not None
        said: list[str] = []
        for line in build.stderr:
            said.append(line)
            if out == "killed" and "fitting ALS on Spark" in line:
                # Some seconds into the fit, of which the other words come only after it.
                time.sleep(KILL_AFTER)
                assert build.poll() is None
                cluster.kill_a_worker()
        assert build.wait() == 0, "".join(said)[-3000:]
        sets.append(ArtifactSet.open(tmp_path / out))
    whole, killed = sets
    for part in ("user_items.data", "user_items.indices", "queues.items", "queues.offsets"):
        np.testing.assert_array_equal(whole.array(part), killed.array(part))
    np.testing.assert_allclose(whole.array("als/item_factors"), killed.array("als/item_factors"), atol=1e-4)
    assert overlap(whole, killed, "als") >= 0.999
