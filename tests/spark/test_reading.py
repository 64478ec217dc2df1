"""A log read on Spark is the log that one machine reads: rows, names, queues, and what is said of bad rows."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

from recsys.config import BuildConfig
from recsys.errors import InputError, ParameterError
from recsys.interactions.log import Interactions
from recsys.interactions.readers import ReadOptions, read
from recsys.interactions.simulate import Simulation, events
from recsys.interactions.writers import WRITERS, write
from recsys.spark import plan, reading
from recsys.spark.engine import check_spark
from recsys.spark.reading import read_on_spark

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

PEOPLE = Simulation(40, n_items=120, mean_sessions=4, seed=4)


def assert_same_log(found: Interactions, wanted: Interactions) -> None:
    pd.testing.assert_frame_equal(found.catalogue, wanted.catalogue)
    for part in ("data", "indices", "indptr"):
        np.testing.assert_array_equal(getattr(found.user_items, part), getattr(wanted.user_items, part))
    np.testing.assert_array_equal(found.queues.items, wanted.queues.items)
    np.testing.assert_array_equal(found.queues.offsets, wanted.queues.offsets)
    assert found.queues.ordered == wanted.queues.ordered
    assert found.dropped == wanted.dropped
    assert found.report.as_json() == wanted.report.as_json()
    for what in ("title", "simulated", "times", "files", "reader"):
        assert getattr(found.report, what) == getattr(wanted.report, what)


def in_parts(monkeypatch: pytest.MonkeyPatch, path: Path, count: int = 3) -> None:
    """Cut the file into so many parts; lines do not end where parts do."""
    monkeypatch.setattr(plan, "PART_BYTES", path.stat().st_size // count + 1)


def both(spark: SparkSession, reader: str, path: Path, min_listeners: int = 3) -> tuple[Interactions, Interactions]:
    found = read_on_spark(spark, reader, path, ReadOptions(), min_listeners, factors=1)
    return found.interactions, read(reader, path).with_min_listeners(min_listeners)


def test_events_in_parts_with_bad_rows_are_read_as_by_one_machine(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "log.csv"
    write(PEOPLE, path)
    lines = path.read_text("utf-8").splitlines(keepends=True)
    # A bad row in each third, a blank line, and a last line that nothing ends.
    lines[40] = lines[40].replace(lines[40].split(",")[0], "", 1)
    lines.insert(len(lines) // 2, "too,few\n")
    lines.insert(len(lines) // 2 + 9, "\n")
    lines[-30] = lines[-30].replace(lines[-30].split(",")[-1], "no time\n")
    path.write_text("".join(lines).rstrip("\n"), "utf-8")
    in_parts(monkeypatch, path)
    found, wanted = both(spark, "events", path)
    assert wanted.report.bad.total() == 3
    assert wanted.report.blank_lines == 1
    assert_same_log(found, wanted)


def test_counts_and_names_without_mbid_are_merged_across_parts(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [
        ("ann", "", "Sigur Rós", 5), ("ann", "", "SIGUR  Rós", 2), ("ann", "m1", "Muse", 1),
        ("ben", "", "sigur rós", 4), ("ben", "m1", "Muse (band)", 3), ("cat", "m1", "muse", 6),
        ("cat", "", "Once", 9), ("ben", "", "", 1), ("dan", "", "Sigur Rós", 1), ("dan", "m2", "Air", 2),
        ("ann", "m2", "AIR", 7),
    ]  # fmt: skip
    path = tmp_path / "plays.tsv"
    path.write_text("".join("\t".join(map(str, row)) + "\n" for row in rows), "utf-8")
    in_parts(monkeypatch, path, count=4)
    log = read_on_spark(spark, "lastfm-360k", path, ReadOptions(), 2, factors=1).interactions
    # By hand: Sigur Rós is three spellings with 12 plays of three listeners, Muse one MBID with 10 of three.
    assert log.catalogue[["item_id", "name", "listeners"]].to_numpy().tolist() == [
        ["sigur rós", "Sigur Rós", 3], ["m1", "Muse", 3], ["m2", "Air", 2],
    ]  # fmt: skip
    assert log.user_items.toarray().tolist() == [[7, 1, 7], [4, 3, 0], [0, 6, 0], [1, 0, 2]]
    assert log.dropped == {"items": 1, "listeners": 0, "plays": 9, "queues": 0}
    assert_same_log(log, read("lastfm-360k", path).with_min_listeners(2))


def test_queues_are_lines_in_their_order(spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "mixes.txt"
    path.write_text("b,a,c\n\n,\na,b,a\nonce\nb,c\n", "utf-8")
    in_parts(monkeypatch, path)
    log = read_on_spark(spark, "queues", path, ReadOptions(max_bad_share=0.3), 2, factors=1).interactions
    names = log.catalogue["item_id"].tolist()
    assert [[names[item] for item in queue] for queue in log.queues] == [["b", "a", "c"], ["a", "b", "a"], ["b", "c"]]
    assert_same_log(log, read("queues", path, ReadOptions(max_bad_share=0.3)).with_min_listeners(2))


def test_queues_of_one_item_each_are_refused(spark: SparkSession, tmp_path: Path) -> None:
    path = tmp_path / "mixes.txt"
    path.write_text("a;b\nb;c;a\n", "utf-8")
    with pytest.raises(InputError, match="none of 2 lines holds two items; pass the --delimiter"):
        read_on_spark(spark, "queues", path, ReadOptions(delimiter="|"), 1, factors=1)


def test_what_a_reader_refuses_is_refused_in_the_same_words(spark: SparkSession, tmp_path: Path) -> None:
    path = tmp_path / "plays.tsv"
    path.write_text("ann\t\tMuse\tmany\nben\t\tMuse\t1\n", "utf-8")
    with pytest.raises(InputError, match="1 of 2 rows cannot be used, more than the allowed 10%") as on_spark:
        read_on_spark(spark, "lastfm-360k", path, ReadOptions(), 1, factors=1)
    with pytest.raises(InputError, match="1 of 2 rows cannot be used") as here:
        read("lastfm-360k", path)
    assert str(on_spark.value) == str(here.value)
    path.write_text("ann\t\tMuse\t2\nben\t\tMuse\t1\nben\t\tAir\t1\n", "utf-8")
    with pytest.raises(InputError, match="1 of 2 items have at least 2 listeners.*--min-listeners 1 or less"):
        read_on_spark(spark, "lastfm-360k", path, ReadOptions(), 2, factors=1)


def test_more_than_an_artifact_set_holds_is_refused(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "plays.tsv"
    path.write_text("ann\t\tMuse\t2\nann\t\tAir\t1\nben\t\tMuse\t1\n", "utf-8")
    # Three pairs of 8 bytes, as many plays in sets of 4, and 10 numbers of 4 for each of two listeners.
    monkeypatch.setattr(reading, "LARGEST_SET", 3 * 8 + 3 * 4 + 2 * 10 * 4 - 1)
    with pytest.raises(InputError, match="3 pairs, 3 plays in queues and the factors of 2 listeners.*--min-listeners"):
        read_on_spark(spark, "lastfm-360k", path, ReadOptions(), 1, factors=10)
    monkeypatch.setattr(reading, "LARGEST_SET", 3 * 8 + 3 * 4 + 2 * 10 * 4)
    assert read_on_spark(spark, "lastfm-360k", path, ReadOptions(), 1, factors=10).interactions.n_items == 2


def test_readers_and_settings_that_spark_lacks_are_refused_naming_those_it_has() -> None:
    with pytest.raises(ParameterError, match="playlists does not run on Spark; events, queues, lastfm-360k"):
        check_spark("playlists", BuildConfig())
    with pytest.raises(ParameterError, match="Spark's Word2vec has no negative, word2vec_minutes"):
        check_spark("events", BuildConfig(word2vec={"negative": 3}, word2vec_minutes=2.0))


@pytest.mark.parametrize("name", ["1.listens", "log.tsv", "folder", "log.parquet", "packed.csv.gz", "published"])
def test_every_format_is_read_as_by_one_machine(
    spark: SparkSession, thorough: None, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = {"1.listens": "listenbrainz", "log.tsv": "lastfm-1k", "published": "lastfm-2k"}.get(name, "events")
    path = tmp_path / name
    if reader != "events":
        WRITERS[reader](events(PEOPLE), path)
    elif name == "folder":
        path.mkdir()
        for number, seed in enumerate((4, 5)):
            write(Simulation(30, n_items=120, mean_sessions=3, seed=seed), path / f"{number}.csv")
    elif name.endswith(".gz"):
        write(PEOPLE, tmp_path / "plain.csv")
        path.write_bytes(gzip.compress((tmp_path / "plain.csv").read_bytes()))
    else:
        write(PEOPLE, path)
    if path.is_file():
        in_parts(monkeypatch, path)
    assert_same_log(*both(spark, reader, path))
