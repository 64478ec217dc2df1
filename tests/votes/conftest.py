"""Databases for votes: SQLite, and a PostgreSQL server of our own where one is installed."""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import sqlalchemy as sa

OWNER = "postgres"  # the server refuses to run as root


@dataclass(frozen=True)
class Server:
    """A PostgreSQL server on 127.0.0.1 that lives in one folder."""

    programs: Path
    folder: Path
    port: int
    password: str

    def run(self, program: str, *arguments: str) -> None:
        as_owner = ["runuser", "-u", OWNER, "--"] if os.geteuid() == 0 else []
        command = [*as_owner, str(self.programs / program), "-D", str(self.folder / "data"), *arguments]
        # Not a pipe: the server would hold its other end.
        with (self.folder / "out").open("wb") as out:
            done = subprocess.run(command, cwd=self.folder, stdout=out, stderr=out, check=False, timeout=120)
        assert done.returncode == 0, (self.folder / "out").read_text("utf-8", "replace")

    def start(self) -> None:
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories=''"
        self.run("pg_ctl", "-w", "-l", str(self.folder / "log"), "-o", options, "start")

    def crash(self) -> None:
        """End without a checkpoint, as a kill does."""
        self.run("pg_ctl", "-m", "immediate", "stop")

    def address(self, database: str = "postgres", password: str | None = None) -> str:
        return f"postgresql://recsys:{password or self.password}@127.0.0.1:{self.port}/{database}"


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """A running server with a password; tests that ask for it skip by name where PostgreSQL is not installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    on_path = shutil.which("initdb")
    programs = Path(on_path).parent if on_path else found[-1].parent if found else None
    if programs is None:
        pytest.skip("PostgreSQL is not installed: no initdb here")
    as_root = os.geteuid() == 0
    if as_root and OWNER not in {user.pw_name for user in pwd.getpwall()}:
        pytest.skip(f"PostgreSQL does not run as root, and there is no user {OWNER} here")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="votes-") as folder:
        server = Server(programs, Path(folder), port, secrets.token_hex(16))
        secret = server.folder / "password"
        secret.write_text(server.password)
        if as_root:
            for path in (server.folder, secret):
                shutil.chown(path, OWNER)
        server.run("initdb", "-U", "recsys", "--auth=scram-sha-256", f"--pwfile={secret}", "-E", "UTF8")
        server.start()
        yield server
        server.crash()


@pytest.fixture
def new_postgres(postgres: Server) -> str:
    """The address of an empty database."""
    name = f"votes_{secrets.token_hex(4)}"
    engine = sa.create_engine(postgres.address(), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name}"))
    engine.dispose()
    return postgres.address(name)


@pytest.fixture(params=["sqlite", "postgresql"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of each kind."""
    if request.param == "postgresql":
        return str(request.getfixturevalue("new_postgres"))
    return f"sqlite:///{tmp_path / 'votes.sqlite'}"
