from __future__ import annotations

import doctest
import json
import subprocess
import sys
from pathlib import Path

import pytest

import recsys
import recsys.api
from recsys.analysis.side_by_side import compare_neighbours
from recsys.artifacts.store import ArtifactSet
from recsys.errors import ParameterError, UnknownItem

ROOT = Path(__file__).resolve().parents[2]


def test_examples_in_the_interface_are_true(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    result = doctest.testmod(recsys.api)
    assert result.failed == 0
    functions = [name for name in recsys.__all__ if name != "RecsysError"]
    assert result.attempted >= len(functions)
    assert [name for name in functions if ">>>" not in (getattr(recsys, name).__doc__ or "")] == []


def test_importing_the_package_loads_next_to_nothing() -> None:
    script = """
import json, sys
import recsys
first = {name.split(".")[0] for name in sys.modules}
recsys.open_set("artifacts/demo")
print(json.dumps([sorted(first), sorted({name.split(".")[0] for name in sys.modules})]))
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    at_import, after = (set(each) for each in json.loads(done.stdout))
    assert not at_import & {"numpy", "pandas", "pydantic", "scipy", "pyarrow"}
    assert not after & {"implicit", "gensim", "umap", "openTSNE", "pynndescent", "numba", "streamlit", "altair"}


def test_what_is_not_offered_is_said_to_be_missing() -> None:
    assert set(recsys.__all__) <= set(dir(recsys))
    with pytest.raises(AttributeError, match="no attribute 'neighbors'"):
        _ = recsys.neighbors  # type: ignore[attr-defined]


def test_a_path_may_be_text(small_set: Path) -> None:
    assert recsys.open_set(str(small_set)).fingerprint == ArtifactSet.open(small_set).fingerprint


def test_lists_and_floors_are_those_of_the_comparison(small_artifacts: ArtifactSet) -> None:
    name = small_artifacts.catalogue["name"].iloc[6]
    view = compare_neighbours(small_artifacts, 6, n=8)
    for model in ("als", "word2vec"):
        near = recsys.neighbours(small_artifacts, name.upper(), model, n=8)
        assert near["item_id"].tolist() == view.lists[model]["item_id"].tolist()
    n = small_artifacts.manifest.agreement_n
    assert (
        recsys.noise_floor(small_artifacts, "als", name)
        == compare_neighbours(small_artifacts, 6, n=n).noise_floor["als"]
    )
    with pytest.raises(ParameterError, match="choose two of als, word2vec"):
        recsys.noise_floor(small_artifacts, "bpr")
    with pytest.raises(UnknownItem, match="'nobody at all'"):
        recsys.neighbours(small_artifacts, "nobody at all", "als")


def test_weights_change_what_is_recommended(small_artifacts: ArtifactSet) -> None:
    first, second = small_artifacts.catalogue["name"].iloc[[2, 40]]
    plain = recsys.recommend(small_artifacts, [first, second], "word2vec")
    weighted = recsys.recommend(small_artifacts, {first: 1, second: 9}, "word2vec")
    assert plain["item_id"].tolist() != weighted["item_id"].tolist()
    assert not {first, second} & set(plain["name"])
