"""One recommender for all tests of this room; it changes nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from recsys.artifacts.store import ArtifactSet
from recsys.listener.recommend import Recommender


@pytest.fixture(scope="package")
def recommender(built_once: Path) -> Recommender:
    return Recommender(ArtifactSet.open(built_once))
