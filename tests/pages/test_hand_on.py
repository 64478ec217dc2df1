from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from recsys.analysis.side_by_side import compare_neighbours, headline
from recsys.artifacts.store import ArtifactSet
from tests.pages.conftest import Open


def components(at: AppTest) -> list[dict[str, Any]]:
    return [json.loads(each.proto.json) for each in at.get("bidi_component")]


def test_the_picture_gets_what_the_page_shows(open_page: Open, small_set: Path) -> None:
    artifacts = ArtifactSet.open(small_set)
    item_id = str(artifacts.catalogue["item_id"].iloc[8])
    at = open_page("neighbours", item=item_id, n="6")
    assert not at.exception
    shown, drawn = components(at)
    assert drawn["lists"] == shown["lists"]
    assert drawn["pairs"] == shown["pairs"]
    view = compare_neighbours(artifacts, 8, n=6)
    assert drawn["headline"] == headline(view)
    assert drawn["headline"].startswith(drawn["name"])
    assert [bar["share"] for bar in drawn["bars"]] == [view.overlap, *view.noise_floor.values()]
    assert [bar["words"] for bar in drawn["bars"]] == [f"{6 * bar['share']:.0f} of 6" for bar in drawn["bars"]]
    build = artifacts.fingerprint[:12]
    assert drawn["facts"] == ["small", "250 listeners", f"{len(artifacts.catalogue)} items", f"build {build}", "n = 6"]
    assert drawn["simulated"].startswith("Simulated data")
    assert drawn["file"] == f"neighbours-{item_id}-{build}.png"


def test_the_picture_says_which_popularity_was_asked_for(open_page: Open) -> None:
    at = open_page("neighbours")
    at.slider(key="popularity").set_value((0, 60)).run()
    assert components(at)[1]["facts"][-1] == "only items of the 0 to 60 percentiles of popularity"


@pytest.mark.parametrize(("simulated", "words"), [(True, "Simulated data: invented listeners"), (False, "")])
def test_only_simulated_data_are_called_so(
    open_page: Open, small_set: Path, monkeypatch: pytest.MonkeyPatch, simulated: bool, words: str
) -> None:
    source = ArtifactSet.open(small_set).manifest.source.model_copy(update={"simulated": simulated})
    manifest = ArtifactSet.open(small_set).manifest.model_copy(update={"source": source})
    artifacts = ArtifactSet(ArtifactSet.open(small_set).folder, manifest)
    monkeypatch.setattr("recsys.ui.loading._session_build", lambda name, path: artifacts)
    at = open_page("neighbours")
    assert not at.exception
    assert components(at)[1]["simulated"].startswith(words)
    assert bool(components(at)[1]["simulated"]) is simulated
