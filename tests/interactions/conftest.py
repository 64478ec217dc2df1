"""A server, and a cache folder of its own for each test that asks for one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from recsys.interactions import transfer
from tests.interactions.site import Site, running


@pytest.fixture
def site() -> Iterator[Site]:
    with running(Site()) as site:
        yield site


@pytest.fixture
def own_surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache folder in this test's own, no proxy, and no waits between attempts."""
    monkeypatch.setenv("RECSYS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(transfer, "WAIT_SECONDS", 0)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Where the fetched file belongs."""
    return tmp_path / "cache" / "lastfm-dataset-360K.tar.gz"
