"""Votes are kept, once each, whoever writes at the same time and whatever is killed."""

from __future__ import annotations

import re
import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from threading import Barrier, Timer

import psycopg
import pytest
import sqlalchemy as sa

from recsys.errors import RecsysError, VotesError
from recsys.votes.store import Vote, VoteStore
from tests.conftest import ROOT
from tests.votes.conftest import Server
from tests.votes.writer import FINGERPRINT, vote

WRITERS = 8
GIVEN = Vote(
    ballot="0" * 31 + "a", fingerprint=FINGERPRINT, item_id="Sigur Rós; --'\"", left_model="word2vec",
    right_model="als", n=7, answer="equal", folded=True, looked=False, session="b" * 32,
)  # fmt: skip


@contextmanager
def opened(address: str | Path) -> Iterator[VoteStore]:
    store = VoteStore(address)
    yield store
    store.close()


def writer(address: str, number: int, votes: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.votes.writer", address, str(number), str(votes)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def ballots(address: str) -> set[str]:
    with opened(address) as store:
        return set(store.votes(FINGERPRINT)["ballot"])


def test_a_vote_comes_back_as_it_was_given_with_the_day(address: str) -> None:
    days = {f"{datetime.now(UTC):%Y-%m-%d}"}
    with opened(address) as store:
        assert store.votes(FINGERPRINT).empty
        assert store.record(GIVEN)
        assert store.record(replace(GIVEN, ballot="c" * 32, fingerprint="e" * 64))
    days.add(f"{datetime.now(UTC):%Y-%m-%d}")
    with opened(address) as store:
        (row,) = store.votes(FINGERPRINT).to_dict("records")
        assert row.pop("day") in days
        assert Vote(**row) == GIVEN
        assert store.votes("e" * 64)["ballot"].tolist() == ["c" * 32]


def test_a_second_click_is_not_a_second_vote(address: str) -> None:
    with opened(address) as store:
        assert store.record(GIVEN)
        assert not store.record(replace(GIVEN, answer="left"))
        assert store.votes(FINGERPRINT)["answer"].tolist() == ["equal"]


@pytest.mark.parametrize("votes_each", [150, pytest.param(1_000, marks=pytest.mark.long)])
def test_eight_writers_that_begin_at_once_lose_no_vote(address: str, votes_each: int) -> None:
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as folder:
        if address.startswith("sqlite"):
            # In memory: 8,000 flushes one after the other are the disk's time, and nothing of what is tested here.
            address = f"sqlite:///{folder}/votes.sqlite"
        writers = [writer(address, number, votes_each) for number in range(WRITERS)]
        said = [each.communicate(timeout=280)[0].split() for each in writers]
        assert [each.returncode for each in writers] == [0] * WRITERS
        expected = {vote(number, each).ballot for number in range(WRITERS) for each in range(votes_each)}
        assert {ballot for each in said for ballot in each} == expected
        assert ballots(address) == expected


def test_stores_that_are_opened_at_once_make_one_table(address: str) -> None:
    with ThreadPoolExecutor(WRITERS) as pool:
        together = Barrier(WRITERS)

        def begin(number: int) -> bool:
            together.wait()
            with opened(address) as store:
                return store.record(vote(number, 0))

        assert list(pool.map(begin, range(WRITERS))) == [True] * WRITERS
    assert len(ballots(address)) == WRITERS


def test_a_new_store_waits_for_one_that_writes_already(tmp_path: Path) -> None:
    file = tmp_path / "votes.sqlite"
    with closing(sqlite3.connect(file, isolation_level=None, check_same_thread=False)) as other:
        other.execute("CREATE TABLE another (something)")
        other.execute("BEGIN IMMEDIATE")
        end = Timer(0.3, other.execute, ["ROLLBACK"])
        end.start()
        with opened(file) as store:
            assert store.record(vote(0, 0))
        end.join()


def test_a_killed_writer_loses_no_accepted_vote(address: str) -> None:
    process = writer(address, 3, 1_000_000)
    assert process.stdout is not None
    accepted = [process.stdout.readline().strip() for _ in range(150)]
    process.send_signal(signal.SIGKILL)
    accepted += [line.strip() for line in process.stdout.read().splitlines() if len(line) == 32]
    assert process.wait(20) == -signal.SIGKILL
    kept = ballots(address)
    assert set(accepted) <= kept
    # At most the one that was on its way besides.
    assert len(kept) <= len(accepted) + 1


def test_a_killed_postgresql_loses_no_accepted_vote_and_is_found_again(postgres: Server, new_postgres: str) -> None:
    with opened(new_postgres) as store:
        for number in range(50):
            store.record(vote(1, number))
        postgres.crash()
        try:
            with pytest.raises(VotesError, match="votes cannot be kept at postgresql://127"):
                store.record(vote(1, 50))
        finally:
            postgres.start()
        store.record(vote(1, 50))
        # Nobody asked while it was away: the first vote afterwards finds it, too.
        postgres.crash()
        postgres.start()
        store.record(vote(1, 51))
        assert set(store.votes(FINGERPRINT)["ballot"]) == {vote(1, number).ballot for number in range(52)}


def test_sqlite_is_written_for_many_and_flushed_at_every_vote(tmp_path: Path) -> None:
    with opened(tmp_path / "votes.sqlite") as store, store._connected() as connection:
        assert connection.execute(sa.text("PRAGMA journal_mode")).scalar_one() == "wal"
        assert connection.execute(sa.text("PRAGMA synchronous")).scalar_one() == 2  # FULL
        assert connection.execute(sa.text("PRAGMA busy_timeout")).scalar_one() == 30_000


def test_a_file_is_an_address_whatever_its_name(tmp_path: Path) -> None:
    path = tmp_path / "a?b%20c #.sqlite"
    with opened(path) as store:
        store.record(GIVEN)
    assert path.is_file()


def test_who_may_only_read_and_add_can_use_a_table_that_is_there(new_postgres: str) -> None:
    with opened(new_postgres):
        pass
    admin = sa.create_engine(new_postgres)
    with admin.begin() as connection:
        connection.execute(sa.text("CREATE ROLE voter LOGIN PASSWORD 'geheim'"))
        connection.execute(sa.text("GRANT SELECT, INSERT ON blind_votes TO voter"))
    admin.dispose()
    with opened(re.sub("recsys:[0-9a-f]+", "voter:geheim", new_postgres)) as store:
        assert store.record(GIVEN)
        assert len(store.votes(FINGERPRINT)) == 1


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("postgresql://u:geheim@127.0.0.1:1/d", "at postgresql://127.0.0.1:1/d: .*refused; see that it runs"),
        ("postgresql://u@127.0.0.1:1/d?password=geheim", "at postgresql://127.0.0.1:1/d: .*refused"),
        ("postgresql://u@127.0.0.1:1/d?geheim=1", r"invalid connection option"),
        ("postgresql://u:gehe:im@h:geheim/d", "RECSYS_VOTES is not an address of a database; write it like"),
        ("geheim", "RECSYS_VOTES is not an address"),
        ("oracle://u:geheim@h/d", "needs the driver of oracle, which is not here; install its driver"),
        ("postgresql+pg8000://u:geheim@h/d", "pip install -r requirements-postgres.txt"),
        ("nonsense://u:geheim@h/d", "needs the driver of nonsense"),
        ("sqlite://", "sqlite:// would forget the votes at the end; name a file"),
        ("sqlite:////no/folder/votes.sqlite", "votes.sqlite: unable to open database file; .*RECSYS_VOTES"),
    ],
)
def test_an_address_that_cannot_be_used_is_named_without_its_secrets(address: str, words: str) -> None:
    with pytest.raises(VotesError, match=words) as caught:
        VoteStore(address)
    assert isinstance(caught.value, RecsysError)
    assert "u:" not in str(caught.value)
    assert caught.value.__cause__ is None
    if "geheim=1" not in address:
        assert "geheim" not in str(caught.value)


@pytest.mark.parametrize("address", ["postgresql://u:geheim@h/d", "postgresql://u@h/d?password=geheim"])
def test_a_driver_that_quotes_the_password_is_not_quoted(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **settings: str) -> None:
        raise psycopg.OperationalError(f"cannot use password={settings['password']}\nand more")

    monkeypatch.setattr(psycopg, "connect", refuse)
    with pytest.raises(VotesError, match=r"postgresql://h/d: cannot use password=\*\*\*; see") as caught:
        VoteStore(address)
    assert "geheim" not in str(caught.value)


def test_a_wrong_password_is_not_repeated(postgres: Server) -> None:
    with pytest.raises(VotesError, match="password authentication failed") as caught:
        VoteStore(postgres.address(password="geheim"))
    assert "geheim" not in str(caught.value)


def test_a_file_that_is_no_database_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "votes.sqlite"
    path.write_bytes(b"a letter, nothing else" * 100)
    with pytest.raises(VotesError, match=r"votes\.sqlite: file is not a database"):
        VoteStore(path)
    assert path.read_bytes() == b"a letter, nothing else" * 100


def test_a_table_of_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "votes.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE blind_votes (ballot TEXT, day TEXT)")
    connection.close()
    with pytest.raises(VotesError, match="its table blind_votes has no column fingerprint, item_id, .* name another"):
        VoteStore(path)


def test_a_database_that_fills_up_says_that_the_vote_is_not_kept(tmp_path: Path) -> None:
    with opened(tmp_path / "votes.sqlite") as store:
        store.record(GIVEN)
        with store._connected() as connection:
            connection.execute(sa.text("PRAGMA max_page_count = 1"))
        with pytest.raises(VotesError, match="database or disk is full"):
            store.record(replace(vote(1, 1), item_id="x" * 100_000))
        assert store.votes(FINGERPRINT)["ballot"].tolist() == [GIVEN.ballot]
