"""Votes of the blind test in a database: SQLite beside the artifact sets, or whatever SQLAlchemy reaches by an address.

A vote holds nothing about a person: a day, what was shown, what was answered, and a token that is drawn at random for
each visit and stands for nothing else.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import pandas as pd
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError
from sqlalchemy.schema import CreateTable

from recsys.errors import VotesError

Answer = Literal["left", "right", "equal", "unknown"]
PATIENCE = 30  # seconds that a writer waits for others on SQLite
REACH = 5  # seconds until a PostgreSQL server must answer
# Any number will do that nobody else locks in the same database.
_SETTING_UP = 7_305_186_824_100_118_117

_TABLE = sa.Table(
    "blind_votes",
    sa.MetaData(),
    sa.Column("ballot", sa.String(32), primary_key=True),
    sa.Column("day", sa.String(10), nullable=False),
    sa.Column("fingerprint", sa.String(64), nullable=False),
    sa.Column("item_id", sa.Text, nullable=False),
    sa.Column("left_model", sa.Text, nullable=False),
    sa.Column("right_model", sa.Text, nullable=False),
    sa.Column("n", sa.Integer, nullable=False),
    sa.Column("answer", sa.String(7), nullable=False),
    sa.Column("folded", sa.Boolean, nullable=False),
    sa.Column("looked", sa.Boolean, nullable=False),
    sa.Column("session", sa.String(32), nullable=False),
)


@dataclass(frozen=True)
class Vote:
    """One person's answer about one item.

    ballot : 32 hex digits, of this ballot alone; a second vote with the same is not counted.
    fingerprint : of the artifact set. left_model, right_model : whose list stood where. n : length of the lists.
    answer : the better list; "unknown" is "can't tell". folded : whether shared items were shown apart.
    looked : whether the session had seen the tally before. session : 32 hex digits, drawn at random.
    """

    ballot: str
    fingerprint: str
    item_id: str
    left_model: str
    right_model: str
    n: int
    answer: Answer
    folded: bool
    looked: bool
    session: str


class VoteStore:
    """Votes at an SQLAlchemy address. Any number of threads and processes may use the same one at once."""

    def __init__(self, address: str | Path) -> None:
        """Open the database, and make its table where there is none.

        address : as SQLAlchemy writes it, or an SQLite file.

        Raises
        ------
        VotesError : the address is none, its driver is not installed, or the database cannot be used.
        """
        self._engine = _engine(address)
        with self._connected() as connection:
            _set_up(connection)

    def record(self, vote: Vote) -> bool:
        """Keep one vote; once this returns, it is on disk. False where its ballot was counted before.

        It is kept with the day (UTC): a time, held against a web server's log, would lead to somebody's address.

        Raises
        ------
        VotesError : it could not be kept. To record the same vote again is safe.
        """
        row = {**asdict(vote), "day": datetime.now(UTC).strftime("%Y-%m-%d")}
        with self._connected() as connection:
            try:
                connection.execute(sa.insert(_TABLE).values(row))
                connection.commit()
            except IntegrityError:
                return False  # the ballot is all that a vote can clash with
        return True

    def votes(self, fingerprint: str) -> pd.DataFrame:
        """All votes about one build, one row each: the fields of `Vote` and the day; by day, then ballot.

        Raises
        ------
        VotesError : they cannot be read.
        """
        wanted = sa.select(_TABLE).where(_TABLE.c.fingerprint == fingerprint).order_by(_TABLE.c.day, _TABLE.c.ballot)
        with self._connected() as connection:
            return pd.DataFrame(connection.execute(wanted).all(), columns=[column.name for column in _TABLE.columns])

    def close(self) -> None:
        """Let go of all connections."""
        self._engine.dispose()

    @contextmanager
    def _connected(self) -> Iterator[sa.Connection]:
        try:
            with self._engine.connect() as connection:
                yield connection
        except SQLAlchemyError as error:
            # Without its cause: what a driver says of an address may hold the password.
            raise VotesError(
                f"votes cannot be kept at {_shown(self._engine.url)}: {_reason(error, self._engine.url)}; see that it "
                f"runs and can be written to, or name another database in RECSYS_VOTES"
            ) from None


def _engine(address: str | Path) -> sa.Engine:
    try:
        url = sa.make_url(address) if isinstance(address, str) else sa.URL.create("sqlite", database=str(address))
    except (SQLAlchemyError, ValueError):
        raise VotesError(
            "RECSYS_VOTES is not an address of a database; write it like postgresql://USER:PASSWORD@HOST/DATABASE "
            "or sqlite:////FOLDER/votes.sqlite"
        ) from None
    backend = url.get_backend_name()
    if backend == "sqlite" and url.database in (None, "", ":memory:"):
        raise VotesError(
            f"{_shown(url)} would forget the votes at the end; name a file: sqlite:////FOLDER/votes.sqlite"
        )
    patience = {"sqlite": {"timeout": PATIENCE}, "postgresql": {"connect_timeout": REACH}}.get(backend, {})
    try:
        # A server that was restarted is found again at the first vote, not the second.
        engine = sa.create_engine(url, connect_args=patience, pool_pre_ping=True)
    except (SQLAlchemyError, ImportError):
        needed = "pip install -r requirements-postgres.txt" if backend == "postgresql" else "install its driver"
        raise VotesError(f"{_shown(url)} needs the driver of {url.drivername}, which is not here; {needed}") from None
    if backend == "sqlite":
        sa.event.listen(engine, "connect", _durable)
    return engine


def _durable(connection: Any, _: object) -> None:
    """SQLite that several processes write to, and whose commits are on disk when they return."""
    until = time.monotonic() + PATIENCE
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            break
        except sqlite3.OperationalError:
            # Several that begin at once: for a change of its mode SQLite does not wait, whatever its timeout.
            if time.monotonic() > until:
                raise
            time.sleep(0.01)
    connection.execute("PRAGMA synchronous = FULL")


def _set_up(connection: sa.Connection) -> None:
    # Looked for first: a user that may only write has no right to create, not even what is there.
    if not sa.inspect(connection).has_table(_TABLE.name):
        if connection.dialect.name == "postgresql":
            # There, IF NOT EXISTS alone fails where two begin at once.
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_SETTING_UP)))
        connection.execute(CreateTable(_TABLE, if_not_exists=True))
        connection.commit()
    columns = {column["name"] for column in sa.inspect(connection).get_columns(_TABLE.name)}
    missing = [column.name for column in _TABLE.columns if column.name not in columns]
    if missing:
        raise VotesError(
            f"{_shown(connection.engine.url)}: its table {_TABLE.name} has no column {', '.join(missing)}, so it was "
            f"made by something else; name another database in RECSYS_VOTES"
        )


def _shown(url: sa.URL) -> str:
    """An address without user, password and settings."""
    return sa.URL.create(url.drivername, host=url.host, port=url.port, database=url.database).render_as_string()


def _reason(error: SQLAlchemyError, url: sa.URL) -> str:
    """The first line of what the driver says, without the address's password."""
    words = str(error.orig if isinstance(error, DBAPIError) else error).strip().splitlines()
    reason = words[0] if words else type(error).__name__
    for secret in (url.password, url.query.get("password")):
        reason = reason.replace(str(secret), "***") if secret else reason
    return reason
