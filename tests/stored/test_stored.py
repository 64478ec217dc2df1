"""Artifact sets as earlier versions wrote them; see README.md beside this file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from recsys.api import neighbours
from recsys.artifacts.store import ArtifactSet, verify

STORED = Path(__file__).parent
# Written down when the set was made: what it is, and the five nearest of its most popular item by each model.
FINGERPRINT = "5ccb045a277a03fb2c9af5d5696b1b31e13d0099d8f234f22ba39f21000b9a50"
NEAREST = {
    "als": ["s000080", "s000005", "s000003", "s000034", "s000013"],
    "word2vec": ["s000034", "s000075", "s000020", "s000052", "s000035"],
}


@pytest.fixture
def stored() -> ArtifactSet:
    return ArtifactSet.open(STORED / "schema-1")


def test_every_byte_is_as_it_was_written() -> None:
    assert verify(STORED / "schema-1") == []


def test_a_set_of_schema_1_is_still_opened_and_still_itself(stored: ArtifactSet) -> None:
    assert stored.fingerprint == FINGERPRINT
    assert (stored.manifest.schema_version, stored.model_names) == (1, ["als", "word2vec"])
    counts = stored.manifest.counts
    assert stored.user_items.shape == (counts.listeners, counts.items) == (34, 24)
    assert stored.user_items.sum() == stored.catalogue["plays"].sum() == len(stored.queues.items)


@pytest.mark.parametrize("model", ["als", "word2vec"])
def test_its_neighbours_are_still_the_same(stored: ArtifactSet, model: str) -> None:
    assert neighbours(stored, stored.catalogue["item_id"][0], model, n=5)["item_id"].tolist() == NEAREST[model]
    vectors = stored.array(f"{model}/vectors")
    cosine = vectors @ vectors[0]
    cosine[0] = -2
    rows = np.argsort(-cosine, kind="stable")[:5]
    assert stored.catalogue["item_id"][rows].tolist() == NEAREST[model]


def test_all_else_that_it_holds_is_still_read(stored: ArtifactSet) -> None:
    assert len(stored.agreement) == 24
    assert stored.tuning is not None
    assert stored.tuning[["k1", "b"]].to_numpy().tolist() == [[1.2, 0.75], [10.0, 0.5]]
    assert list(stored.evaluation) == ["holdout"]
    assert len(stored.evaluation_lists("holdout")) > 0
    assert stored.maps == ["als/tsne", "word2vec/tsne"]
    for model in stored.model_names:
        assert stored.layout(model, "tsne").shape == (24, 2)
        assert len(stored.replicate_neighbours(model)) == 2
        assert len(stored.half_neighbours(model)) == 2
        stored.map_regions(model, "tsne")


def test_it_stays_small() -> None:
    assert sum(file.stat().st_size for file in (STORED / "schema-1").rglob("*") if file.is_file()) < 100_000
