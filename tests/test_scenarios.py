"""Scenarios are artifact sets like any other, share what K1 and B do not touch, and leave their base alone."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from recsys import scenarios
from recsys.analysis.compare import overlaps_at_n
from recsys.artifacts.store import ArtifactSet, verify
from recsys.errors import ArtifactError, ParameterError
from recsys.evaluation.kept import evaluate_set
from recsys.evaluation.settings import EvaluationSettings
from recsys.models.als import AlsFit
from recsys.models.vectors import ItemVectors
from recsys.scenarios import delete_scenario, keep_scenario, scenarios_of
from recsys.whatif.engine import WhatIfEngine

K1, B = 40.0, 0.3


@pytest.fixture(scope="module")
def fits(built_once: Path) -> list[AlsFit]:
    return WhatIfEngine(ArtifactSet.open(built_once)).fitted(k1=K1, b=B)


def keep(small_set: Path, fits: list[AlsFit], name: str = "Forty") -> Path:
    return keep_scenario(ArtifactSet.open(small_set), small_set, name, fits, k1=K1, b=B)


def test_a_scenario_is_a_sound_artifact_set_of_the_fits(small_set: Path, fits: list[AlsFit]) -> None:
    before = {path: path.read_bytes() for path in small_set.rglob("*") if path.is_file()}
    path = keep(small_set, fits)
    assert path == small_set.parent / "small--forty"
    assert verify(path) == []
    base, kept = ArtifactSet.open(small_set), ArtifactSet.open(path)
    params = kept.manifest.models["als"].params
    assert (params["k1"], params["b"]) == (K1, B)
    assert kept.manifest.config["als"]["k1"] == K1
    vectors = ItemVectors.consensus([fit.item_factors for fit in fits])
    np.testing.assert_array_equal(kept.array("als/vectors"), vectors.vectors)
    cosine = vectors.vectors @ vectors.vectors[7]
    cosine[7] = -2
    assert kept.neighbours("als")[7, :8].tolist() == np.argsort(-cosine, kind="stable")[:8].tolist()
    np.testing.assert_array_equal(kept.neighbours("word2vec"), base.neighbours("word2vec"))
    expected = overlaps_at_n(kept.neighbours("als"), base.neighbours("word2vec"), kept.manifest.agreement_n)
    np.testing.assert_allclose(kept.agreement["overlap"], expected, rtol=1e-6)
    scenario = kept.manifest.scenario
    assert scenario is not None
    assert (scenario.name, scenario.base_set, scenario.base_build) == ("Forty", "small", base.fingerprint)
    assert kept.manifest.whatif is None
    assert kept.maps == []
    assert {path: path.read_bytes() for path in small_set.rglob("*") if path.is_file()} == before


def test_what_k1_and_b_do_not_touch_is_shared_on_disk(small_set: Path, fits: list[AlsFit]) -> None:
    base, kept = ArtifactSet.open(small_set), ArtifactSet.open(keep(small_set, fits))
    for file in ("items.parquet", "user_items.data.npy", "word2vec/vectors.npy"):
        assert os.path.samefile(base.folder / file, kept.folder / file)


def test_an_evaluation_of_the_base_is_left_with_the_base(small_set: Path, fits: list[AlsFit]) -> None:
    quick = EvaluationSettings(listeners=20, replicates=1)
    base = evaluate_set(small_set, quick, {"als": {"iterations": 1}, "word2vec": {"epochs": 1}})
    assert list(base.evaluation) == ["holdout"]
    kept = ArtifactSet.open(keep(small_set, fits))
    assert kept.evaluation == {}
    assert [file for file in kept.manifest.files if "evaluation" in file] == []


def test_where_links_cannot_be_made_files_are_copied(
    small_set: Path, fits: list[AlsFit], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError("links are not supported")

    monkeypatch.setattr(os, "link", refuse)
    assert verify(keep(small_set, fits)) == []


def test_scenarios_are_found_from_the_base_and_from_each_other(small_set: Path, fits: list[AlsFit]) -> None:
    first, second = keep(small_set, fits), keep(small_set, fits, "Ein zweites!")
    assert second.name == "small--ein-zweites"
    assert scenarios_of(small_set) == scenarios_of(first) == {"Ein zweites!": second, "Forty": first}
    assert scenarios_of(small_set.parent / "another") == {}
    third = keep_scenario(ArtifactSet.open(first), first, "of a scenario", fits, k1=K1, b=B)
    assert third.parent == small_set.parent
    assert third.name == "small--of-a-scenario"


@pytest.mark.parametrize("name", ["", "  ", "../..", "日本"])
def test_names_that_make_no_folder_are_refused(small_set: Path, fits: list[AlsFit], name: str) -> None:
    with pytest.raises(ParameterError, match="use letters or digits"):
        keep(small_set, fits, name)
    assert sorted(path.name for path in small_set.parent.iterdir()) == ["small"]


def test_a_name_cannot_leave_the_folder_of_sets(small_set: Path, fits: list[AlsFit]) -> None:
    path = keep(small_set, fits, "../../etc/passwd")
    assert path.parent == small_set.parent
    assert path.name == "small--etc-passwd"


def test_what_is_there_is_not_written_over(small_set: Path, fits: list[AlsFit]) -> None:
    path = keep(small_set, fits)
    fingerprint = ArtifactSet.open(path).fingerprint
    with pytest.raises(ArtifactError, match="choose another name"):
        keep(small_set, fits, "forty")
    assert ArtifactSet.open(path).fingerprint == fingerprint


def test_a_keeping_and_a_deleting_that_were_killed_leave_the_name_free(
    small_set: Path, fits: list[AlsFit], monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    path = small_set.parent / "small--forty"
    (path / ".building-00000000" / "als").mkdir(parents=True)
    assert keep(small_set, fits) == path
    with monkeypatch.context() as patched:
        patched.setattr(scenarios.shutil, "rmtree", killed)
        with pytest.raises(KeyboardInterrupt):
            delete_scenario(path)
    assert scenarios_of(small_set) == {}
    assert verify(keep(small_set, fits)) == []
    assert list(scenarios_of(small_set)) == ["Forty"]


def test_there_are_only_so_many(small_set: Path, fits: list[AlsFit], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scenarios, "MOST_SCENARIOS", 2)
    keep(small_set, fits, "a")
    keep(small_set, fits, "b")
    with pytest.raises(ParameterError, match="delete one first"):
        keep(small_set, fits, "c")


def test_only_scenarios_are_deleted(small_set: Path, fits: list[AlsFit]) -> None:
    path = keep(small_set, fits)
    delete_scenario(path)
    assert not path.exists()
    for other in (small_set, small_set.parent, small_set.parent / "absent"):
        with pytest.raises(ParameterError, match="not a scenario"):
            delete_scenario(other)
    assert verify(small_set) == []
