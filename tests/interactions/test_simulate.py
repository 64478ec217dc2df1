from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from recsys.errors import ParameterError
from recsys.interactions.readers import read
from recsys.interactions.simulate import AUDIENCES, MOODS, Simulation, catalogue, events
from recsys.interactions.writers import write


def table(simulation: Simulation) -> pd.DataFrame:
    return pa.concat_tables(events(simulation)).to_pandas()


def test_catalogue_is_large_varied_and_without_repeats() -> None:
    artists = catalogue()
    assert len(artists) >= 600
    assert artists["scene"].nunique() >= 30
    assert artists["name"].str.casefold().is_unique
    assert artists["decade"].between(1950, 2020).all()
    assert artists["country"].str.fullmatch("[A-Z]{2}").all()


def test_every_scene_has_one_audience_and_every_mood_real_scenes() -> None:
    scenes = set(catalogue()["scene"])
    members = [scene for audience in AUDIENCES.values() for scene in audience]
    assert sorted(members) == sorted(scenes)
    assert {scene for mood in MOODS.values() for scene in mood} <= scenes


def test_same_seed_same_log_and_another_seed_another() -> None:
    first = table(Simulation(60, seed=1))
    pd.testing.assert_frame_equal(first, table(Simulation(60, seed=1)))
    assert not first.equals(table(Simulation(60, seed=2)))


def test_a_session_stays_in_its_context() -> None:
    log = table(Simulation(80, seed=5)).merge(catalogue()[["item_id", "scene"]], left_on="item", right_on="item_id")
    log = log.sort_values(["user", "timestamp"], kind="stable")
    new = (log["user"] != log["user"].shift()) | (log["timestamp"].diff() > 1800)
    contexts = log.groupby(new.cumsum())["scene"].agg(set)
    moods = [set(mood) for mood in MOODS.values()]
    assert all(len(scenes) == 1 or any(scenes <= mood for mood in moods) for scenes in contexts)
    assert (contexts.map(len) == 1).mean() > 0.8


def test_times_run_forwards_within_each_listener() -> None:
    log = table(Simulation(40, seed=2))
    assert all((group["timestamp"].diff().dropna() > 0).all() for _, group in log.groupby("user"))


def test_popularity_has_a_long_tail() -> None:
    listeners = table(Simulation(800, seed=0)).groupby("item")["user"].nunique().sort_values(ascending=False)
    head = listeners.head(len(listeners) // 10).sum() / listeners.sum()
    assert head > 0.18
    assert listeners.min() < listeners.median() < listeners.max() / 2


def test_more_items_than_were_written_by_hand_get_invented_names() -> None:
    artists = catalogue(2_000)
    assert len(artists) == 2_000
    assert artists["item_id"].is_unique
    assert set(table(Simulation(400, n_items=2_000))["item"]) <= set(artists["item_id"])


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".parquet"])
def test_what_is_written_reads_back_whole(tmp_path: Path, suffix: str) -> None:
    simulation = Simulation(90, seed=4)
    path = tmp_path / f"log{suffix}"
    written = write(simulation, path)
    log = read("events", path)
    truth = table(simulation)
    assert written == len(truth) == log.catalogue["plays"].sum() == len(log.queues.items)
    assert not log.report.bad
    assert log.report.simulated
    listeners = truth.groupby("item")["user"].nunique()
    assert log.catalogue.set_index("item_id")["listeners"].to_dict() == listeners.to_dict()
    ids = log.catalogue["item_id"].to_numpy(object)
    first = truth[truth["user"] == truth["user"].iloc[0]]
    cuts = np.flatnonzero(first["timestamp"].diff() > 1800).tolist()
    expected = [first["item"].iloc[a:b].tolist() for a, b in pairwise([0, *cuts, len(first)])]
    assert [ids[queue].tolist() for queue in list(log.queues)[: len(expected)]] == expected


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"n_listeners": 0}, "0 listeners"),
        ({"n_listeners": 1, "n_items": 101}, "101 items"),
        ({"n_listeners": 1, "seed": -1}, "seed is -1"),
    ],
)
def test_impossible_simulations_are_refused(settings: dict[str, int], words: str) -> None:
    with pytest.raises(ParameterError, match=words):
        Simulation(**settings)


def test_the_smallest_catalogue_works() -> None:
    assert table(Simulation(50, n_items=102))["item"].nunique() > 90


def test_unknown_suffix_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="does not end in"):
        write(Simulation(2), tmp_path / "log.txt")
