"""Every reader reads what the simulator writes in its format: the same listeners, plays, names and queues."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys.interactions.log import Interactions
from recsys.interactions.readers import READERS, ReadOptions, read
from recsys.interactions.readers.identity import folded_name
from recsys.interactions.simulate import Simulation, events
from recsys.interactions.writers import WRITERS

PEOPLE = Simulation(60, n_items=150, mean_sessions=5, seed=4)
FILE = {
    "events": "log.csv", "queues": "queues.tsv", "lastfm-360k": "plays.tsv", "lastfm-1k": "log.tsv",
    "listenbrainz": "1.listens",
}  # fmt: skip
A_QUEUE_IS_A_LISTENER = ("queues", "playlists", "spotify-mpd")
ORDERED = (*A_QUEUE_IS_A_LISTENER, "events", "lastfm-1k", "listenbrainz", "spotify-history")
KNOW_TRACKS = ("lastfm-1k", "listenbrainz", "spotify-history", "spotify-mpd", "playlists")

Bag = list[tuple[tuple[str, float], ...]]


def written(reader: str, tables: list[pa.Table], folder: Path, name: str = "") -> Path:
    path = folder / (name or FILE.get(reader, reader))
    assert WRITERS[reader](tables, path) > 0
    return path


def listeners(log: Interactions) -> Bag:
    """What each listener played how often, by name; in no order of listeners."""
    names, matrix = log.catalogue["name"].tolist(), log.user_items
    rows = (slice(*matrix.indptr[user : user + 2]) for user in range(log.n_users))
    return sorted(
        tuple(sorted((names[item].strip(), n) for item, n in zip(matrix.indices[row], matrix.data[row], strict=True)))
        for row in rows
    )  # fmt: skip


def queues(log: Interactions) -> list[tuple[str, ...]]:
    names = log.catalogue["name"].tolist()
    return sorted(tuple(names[item].strip() for item in queue) for queue in log.queues)


def truth(plays: pd.DataFrame, names: list[str], by: list[str]) -> Bag:
    counted = plays.assign(name=names).groupby(by, sort=False)["name"]
    return sorted(tuple(sorted((name, float(n)) for name, n in Counter(own).items())) for _, own in counted)


def with_queues(plays: pd.DataFrame) -> pd.DataFrame:
    pause = plays["timestamp"].diff() > 1_800
    return plays.assign(queue=((plays["user"] != plays["user"].shift()) | pause).cumsum())


def tracks(plays: pd.DataFrame) -> list[str]:
    return [
        f"{name} – Track {1 + time // 60 % 3}" for name, time in zip(plays["name"], plays["timestamp"], strict=True)
    ]


@pytest.fixture(scope="module")
def tables() -> list[pa.Table]:
    return list(events(PEOPLE))


@pytest.fixture(scope="module")
def plays(tables: list[pa.Table]) -> pd.DataFrame:
    return with_queues(pa.concat_tables(tables).to_pandas())


def test_every_reader_has_a_writer() -> None:
    assert set(WRITERS) == set(READERS)


@pytest.mark.parametrize("reader", WRITERS)
def test_what_is_written_is_read(reader: str, tables: list[pa.Table], plays: pd.DataFrame, tmp_path: Path) -> None:
    log = read(reader, written(reader, tables, tmp_path))
    assert log.report.bad.total() == 0
    by = ["queue"] if reader in A_QUEUE_IS_A_LISTENER else ["user"]
    assert listeners(log) == truth(plays, plays["name"].tolist(), by)
    assert (log.played is not None) == (reader in ORDERED)
    if reader in ORDERED:
        assert queues(log) == sorted(tuple(own) for _, own in plays.groupby("queue")["name"])


@pytest.mark.parametrize("reader", KNOW_TRACKS)
def test_tracks_are_read(reader: str, tables: list[pa.Table], plays: pd.DataFrame, tmp_path: Path) -> None:
    log = read(reader, written(reader, tables, tmp_path), ReadOptions(level="track"))
    by = ["queue"] if reader in A_QUEUE_IS_A_LISTENER else ["user"]
    assert listeners(log) == truth(plays, tracks(plays), by)


@pytest.mark.parametrize("name", ["log.tsv", "log.parquet"])
def test_events_are_read_from_every_table(
    name: str, tables: list[pa.Table], plays: pd.DataFrame, tmp_path: Path
) -> None:
    log = read("events", written("events", tables, tmp_path, name))
    assert listeners(log) == truth(plays, plays["name"].tolist(), ["user"])


# Names as people give them to bands, and as nobody should.
KNOWN_AWKWARD = [
    '"', '"Heroes"', '""', "'", "NA", "null", "None", "nan", "-", "#EXTM3U", "#1 Crush", "a,b", "a;b|c", "a\tb", "\\N",
    "AC - DC", "<b>&amp;</b>", "]]>", "אביתר בנאי", "\u202eevil", "𝄞𝄢", "é", "e\u0301", "0", "1e9", "=cmd()", "%41",
    "naïve – artist",
]  # fmt: skip
printable = st.characters(codec="utf-8", exclude_categories=("Cc", "Cs"))
awkward = st.one_of(st.sampled_from(KNOWN_AWKWARD), st.text(printable, min_size=1, max_size=12))


@st.composite
def awkward_logs(draw: st.DrawFn) -> pa.Table:
    names = draw(st.lists(awkward, min_size=2, max_size=6, unique_by=lambda name: folded_name(name.replace("\t", " "))))
    names = [name for name in names if folded_name(name) and name.strip() == name] or ["A"]
    rows = []
    for user in range(draw(st.integers(1, 3))):
        time = 1_500_000_000
        for nth, item in enumerate(draw(st.lists(st.integers(0, len(names) - 1), min_size=2, max_size=8))):
            time += 60 if nth < 2 else draw(st.sampled_from([60, 200, 4_000]))
            rows.append((f"u{user}", f"s00000{item}", names[item], time))
    columns = dict(zip(("user", "item", "name", "timestamp"), zip(*rows, strict=True), strict=True))
    return pa.table({name: pa.array(column) for name, column in columns.items()})


@pytest.mark.parametrize("reader", WRITERS)
@given(table=awkward_logs())
@settings(max_examples=60)
def test_awkward_names_come_back_as_they_were(reader: str, table: pa.Table) -> None:
    plays = with_queues(table.to_pandas())
    by = ["queue"] if reader in A_QUEUE_IS_A_LISTENER else ["user"]
    names = plays["name"].tolist()
    if reader not in ("events", "listenbrainz", "spotify-history", "spotify-mpd"):
        names = [name.replace("\t", " ") for name in names]
    with TemporaryDirectory() as folder:
        log = read(
            reader, written(reader, [table], Path(folder)), ReadOptions(delimiter="\t" if reader == "queues" else None)
        )
    assert log.report.bad.total() == 0, log.report.summary()
    assert listeners(log) == truth(plays, names, by)
