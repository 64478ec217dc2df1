from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from recsys.analysis.evidence import evidence
from recsys.analysis.side_by_side import compare_neighbours
from recsys.artifacts.store import ArtifactSet
from tests.commands import ROOT, run


def test_neighbours_json_is_what_the_page_shows(built_once: Path) -> None:
    artifacts = ArtifactSet.open(built_once)
    name = artifacts.catalogue["name"].iloc[5]
    done = run("neighbours", built_once, name.upper(), "-n", "6", "--json")
    assert done.returncode == 0
    document, view = json.loads(done.stdout), compare_neighbours(artifacts, 5, n=6)
    why = [evidence(artifacts, 5, row).as_json(artifacts.catalogue) for row in view.neighbour_rows()]
    assert document == {**view.as_json(), "evidence": why}
    assert any(each["excerpts"] for each in why)


def test_neighbours_for_people_name_both_models(built_once: Path) -> None:
    done = run("neighbours", built_once, "s000000")
    assert done.returncode == 0
    assert "the models share" in done.stdout
    assert "Word2vec" in done.stdout


def test_a_near_miss_is_answered_with_suggestions_and_exit_1(built_once: Path) -> None:
    name = ArtifactSet.open(built_once).catalogue["name"].iloc[0]
    done = run("neighbours", built_once, name[:-1] + "x", "--json")
    assert done.returncode == 1
    assert name in json.loads(done.stdout)["suggestions"]
    assert "Traceback" not in done.stderr


def test_verify_of_a_sound_and_a_damaged_set(small_set: Path) -> None:
    assert run("verify", small_set).returncode == 0
    path = next(small_set.rglob("similarities.npy"))
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(bytes(content))
    done = run("verify", small_set, "--json")
    assert done.returncode == 1
    report = json.loads(done.stdout)
    assert not report["sound"]
    assert "similarities.npy" in report["problems"][0]


def test_inspect_prints_what_was_measured_of_both_models(built_once: Path) -> None:
    manifest = ArtifactSet.open(built_once).manifest
    text = run("inspect", built_once).stdout
    assert "SIMULATED" in text
    for model in manifest.models.values():
        assert f"{model.tag_share:.3f}" in text
        assert f"{model.noise_floor:.3f}" in text
    document = json.loads(run("inspect", built_once, "--json").stdout)
    assert document["fingerprint"] == manifest.fingerprint
    assert document["models"]["word2vec"]["tag_share"] == manifest.models["word2vec"].tag_share


def test_simulate_then_build_then_neighbours(tmp_path: Path) -> None:
    log, out = tmp_path / "log.tsv", tmp_path / "set"
    simulated = run("simulate", "--listeners", 150, "--items", 110, "--out", log, "--json")
    assert json.loads(simulated.stdout)["rows"] == len(log.read_text().splitlines()) - 1
    quick = ["--epochs", 1, "--iterations", 1, "--maps", "none"]
    built = run("build", "events", "--input", log, "--out", out, *quick, "--k1", 3, "--json")
    assert built.returncode == 0, built.stderr
    document = json.loads(built.stdout)
    assert document["models"]["als"]["params"]["k1"] == 3
    assert document["models"]["word2vec"]["n_replicates"] == 4
    assert ArtifactSet.open(out).manifest.config["maps"] == []
    assert run("neighbours", out, document["source"]["title"]).returncode == 1
    assert run("neighbours", out, "s000000", "-n", 3).returncode == 0


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["build", "events", "--input", "nowhere.csv", "--out", "{tmp}/x"], 1, "nowhere.csv: does not exist"),
        (["build", "spotify", "--input", "app.py", "--out", "{tmp}/x"], 2, "no reader 'spotify'"),
        (["build", "events", "--input", "app.py", "--out", "{tmp}/x"], 1, "no column user or item"),
        (["build", "events", "--input", "app.py", "--out", "app.py"], 1, "app.py is a file"),
        (["build", "events", "--input", "app.py", "--out", "{tmp}/x", "--replicates", "0"], 2, "replicates = 0"),
        (["build", "events", "--input", "app.py", "--out", "{tmp}/x", "--maps", "pca"], 2, "maps.0 = 'pca'"),
        (["build", "events", "--input", "app.py", "--out", "{tmp}/x", "--k1", "-1"], 2, "k1 = -1"),
        (["build", "events", "--input", "app.py"], 2, "Missing option"),
        (["neighbours", "{tmp}", "Radiohead"], 1, "holds no artifact set"),
        (["neighbours", "artifacts/demo", "Radiohead", "-n", "0"], 2, "n is 0"),
        (["simulate", "--listeners", "0", "--out", "{tmp}/x.csv"], 2, "0 listeners"),
        (["simulate", "--listeners", "1", "--out", "{tmp}/x.doc"], 2, "does not end in"),
        (["verify", "{tmp}"], 1, "holds no artifact set"),
        (["dance"], 2, "No such command"),
    ],
)
def test_mistakes_are_named_and_have_their_exit_code(
    tmp_path: Path, arguments: list[str], code: int, words: str
) -> None:
    done = run(*(argument.format(tmp=tmp_path) for argument in arguments))
    assert done.returncode == code, done.stderr
    assert words in " ".join(done.stderr.replace("│", " ").split())
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["build", "events", "--json"], 2),
        (["neighbours", "artifacts/demo", "x", "-n", "abc", "--json"], 2),
        (["neighbours", "x" * 300, "x", "--json"], 1),
        (["build", "events", "--input", "app.py", "--out", "x" * 300, "--json"], 1),
        (["build", "events", "--input", "app.py", "--out", "{tmp}/x", "--session-gap", "inf", "--json"], 2),
        (["build", "events", "--input", "app.py", "--out", "{tmp}/x", "--delimiter", "", "--json"], 2),
        (["build", "events", "--input", "app.py", "--out", "{tmp}/x", "--config", "{tmp}/gone.toml", "--json"], 2),
        (["simulate", "--listeners", "5", "--sessions", "nan", "--out", "{tmp}/x.csv", "--json"], 2),
        (["simulate", "--listeners", "5", "--out", "app.py/x.csv", "--json"], 1),
    ],
)
def test_errors_are_json_where_json_was_asked_for(tmp_path: Path, arguments: list[str], code: int) -> None:
    done = run(*(argument.format(tmp=tmp_path) for argument in arguments))
    assert done.returncode == code, done.stderr
    assert json.loads(done.stdout)["error"]
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "x").exists()


def test_names_print_whatever_the_terminal_can(built_once: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "recsys", "neighbours", "artifacts/demo", "Björk", "--json"],
        cwd=ROOT, capture_output=True, check=False, env={**os.environ, "PYTHONIOENCODING": "ascii"},
    )  # fmt: skip
    assert done.returncode == 0
    assert json.loads(done.stdout)["item"]["name"] == "Björk"


def test_a_set_smaller_than_the_default_length_is_shown_whole(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("user,item\nu,a\nu,b\nv,a\nv,b\nw,c\nu,c\n")
    out = tmp_path / "set"
    options = ["--min-listeners", 1, "--epochs", 1, "--iterations", 1, "--factors", 2, "--maps", "none"]
    assert run("build", "events", "--input", tmp_path / "log.csv", "--out", out, *options).returncode == 0
    assert json.loads(run("neighbours", out, "a", "--json").stdout)["n"] == 2


def test_profile_says_what_is_there_before_any_training(small_log: Path) -> None:
    done = run("profile", small_log, "--reader", "events")
    assert done.returncode == 0
    assert "feeds ALS" in done.stdout
    assert "in the order they were played" in done.stdout
    as_json = json.loads(run("profile", small_log, "--reader", "events", "--json").stdout)
    assert as_json["word2vec"]["verdict"] == "well"
    assert f"{as_json['listeners']:,}" in done.stdout
    refused = run("profile", small_log, "--reader", "event")
    assert refused.returncode == 2
    assert "lastfm-360k" in refused.stderr


def test_simulated_listens_in_another_format_are_read_by_its_reader(tmp_path: Path) -> None:
    folder = tmp_path / "playlists"
    done = run("simulate", "--listeners", 40, "--items", 110, "--format", "playlists", "--out", folder, "--json")
    rows = json.loads(done.stdout)["rows"]
    found = json.loads(run("profile", folder, "--reader", "playlists", "--min-listeners", 2, "--json").stdout)
    assert found["rows"] == rows > 1_000
    assert found["queues"] == len(list(folder.iterdir())) == found["listeners"]
    refused = run("simulate", "--listeners", 40, "--format", "mp3", "--out", tmp_path / "x")
    assert refused.returncode == 2
    assert "choose one of events, queues, playlists" in refused.stderr


def test_fetch_asks_for_the_licence_once_and_says_what_to_do_by_hand(tmp_path: Path) -> None:
    fetch = partial(run, "fetch", environment={**os.environ, "RECSYS_CACHE": str(tmp_path)})

    unasked = fetch("lastfm-2k")
    assert (unasked.returncode, list(tmp_path.iterdir())) == (2, [])
    assert "pass --yes" in unasked.stderr
    (tmp_path / "hetrec2011-lastfm-2k.zip").write_text("<!DOCTYPE html>")
    refused = fetch("lastfm-2k", "--yes")
    assert refused.returncode == 1
    assert "begins with '<!DOCTYPE html>'" in refused.stderr
    assert (tmp_path / "hetrec2011-lastfm-2k.zip.refused").exists()
    (tmp_path / "hetrec2011-lastfm-2k.zip").write_text("")
    assert "is empty" in fetch("lastfm-2k", "--json").stdout
    by_hand = fetch("spotify-mpd")
    assert by_hand.returncode == 1
    assert "aicrowd.com" in by_hand.stderr
    assert "--input spotify_million_playlist_dataset.zip" in by_hand.stderr


def test_build_without_input_takes_what_was_fetched_or_says_how(real_data: Path, tmp_path: Path) -> None:
    recsys = partial(run, environment={**os.environ, "RECSYS_CACHE": str(tmp_path / "cache")})
    (tmp_path / "quick.toml").write_text("replicates = 1\nmeasure_whatif = false\nmaps = []\n")
    quick = ["--config", tmp_path / "quick.toml", "--epochs", 1, "--iterations", 1, "--json"]
    build = ["build", "lastfm-2k", "--out", tmp_path / "set", *quick]
    missing = recsys(*build)
    assert missing.returncode == 2
    assert "python -m recsys fetch lastfm-2k" in missing.stdout
    shutil.make_archive(
        str(tmp_path / "cache" / "hetrec2011-lastfm-2k"), "zip", real_data / "hetrec2011-lastfm-2k"
    )  # put there by hand
    assert recsys("fetch", "lastfm-2k", "--yes").returncode == 0
    built = recsys(*build)
    assert built.returncode == 0, built.stderr
    assert json.loads(built.stdout)["counts"]["items"] == 2_828
