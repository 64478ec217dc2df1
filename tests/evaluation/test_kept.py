from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from recsys.artifacts.store import ArtifactSet, verify
from recsys.artifacts.writer import ArtifactWriter
from recsys.errors import ArtifactError, DamagedArtifacts, MissingArtifacts
from recsys.evaluation import kept
from recsys.evaluation.kept import evaluate_set, log_of
from recsys.evaluation.settings import EvaluationSettings
from recsys.tuning.grid import tune
from recsys.tuning.measure import TuningSettings

QUICK = EvaluationSettings(listeners=100, replicates=1)
NEXT = QUICK.model_copy(update={"protocol": "next-event"})
STATED = {"word2vec": {"epochs": 1}}


@pytest.fixture(scope="module")
def evaluated_once(built_once: Path, tmp_path_factory: pytest.TempPathFactory) -> ArtifactSet:
    """The small set, evaluated by holdout; never changed by a test."""
    path = Path(shutil.copytree(built_once, tmp_path_factory.mktemp("evaluated") / "small"))
    return evaluate_set(path, QUICK, STATED)


def test_the_result_is_kept_with_a_new_build_of_the_same_set(built_once: Path, evaluated_once: ArtifactSet) -> None:
    base, path = ArtifactSet.open(built_once), evaluated_once.folder.parent
    assert base.evaluation == {}
    assert list(evaluated_once.evaluation) == ["holdout"]
    added = evaluated_once.manifest.files.keys() - base.manifest.files.keys()
    assert added == {"evaluation.json", "evaluation/holdout.parquet"}
    assert base.manifest.files.items() <= evaluated_once.manifest.files.items()
    assert evaluated_once.fingerprint != base.fingerprint
    assert evaluated_once.manifest.timings["evaluation_holdout"] > 0
    assert ArtifactSet.open(path).fingerprint == evaluated_once.fingerprint
    assert verify(path) == []
    lists = evaluated_once.evaluation_lists("holdout")
    assert set(lists["model"]) == set(evaluated_once.evaluation["holdout"].models)
    assert len(lists) == 100 * lists["model"].nunique()


def test_models_are_fitted_with_the_sets_parameters_where_no_others_are_stated(evaluated_once: ArtifactSet) -> None:
    used = evaluated_once.manifest.models
    found = evaluated_once.evaluation["holdout"]
    assert found.models["als"].params == used["als"].params
    assert found.models["word2vec"].params == {**used["word2vec"].params, "epochs": 1}
    assert found.models["bm25"].params == {name: used["als"].params[name] for name in ("k1", "b")}
    assert found.min_listeners == 5


def test_another_protocol_stands_beside_the_first_and_the_same_one_replaces_it(
    small_set: Path, evaluated_once: ArtifactSet
) -> None:
    evaluate_set(small_set, QUICK.model_copy(update={"seed": 7}), STATED)
    evaluate_set(small_set, QUICK, STATED)
    both = evaluate_set(small_set, NEXT, STATED)
    assert list(both.evaluation) == ["holdout", "next-event"]
    assert both.evaluation["holdout"] == evaluated_once.evaluation["holdout"]
    pd.testing.assert_frame_equal(both.evaluation_lists("holdout"), evaluated_once.evaluation_lists("holdout"))
    assert (both.evaluation_lists("next-event")["queue"] >= 0).all()
    assert verify(small_set) == []


def test_evaluations_outlast_a_tuning_and_a_tuning_meanwhile_does_no_harm(
    small_set: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = kept.evaluate

    def tune_meanwhile(*arguments: object) -> object:
        tune(small_set, [(1.2, 0.8)], TuningSettings(replicates=1, listeners=50))
        return run(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(kept, "evaluate", tune_meanwhile)
    assert evaluate_set(small_set, QUICK, STATED).tuning is not None
    again = tune(small_set, [(1.2, 0.4)], TuningSettings(replicates=1, listeners=50))
    assert list(again.evaluation) == ["holdout"]


def test_a_set_that_was_built_anew_meanwhile_does_not_get_the_result(
    small_set: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = kept.evaluate

    def build_meanwhile(*arguments: object) -> object:
        now = ArtifactSet.open(small_set)
        models = now.manifest.models
        als = models["als"].model_copy(update={"params": {**models["als"].params, "k1": 9.0}})
        with ArtifactWriter(small_set) as writer:
            writer.adopt(now)
            changes = {"models": {**models, "als": als}, "files": writer.files}
            writer.publish(now.manifest.model_copy(update=changes))
        return run(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(kept, "evaluate", build_meanwhile)
    with pytest.raises(ArtifactError, match="was built anew while it was being evaluated"):
        evaluate_set(small_set, QUICK, STATED)
    now = ArtifactSet.open(small_set)
    assert (now.manifest.models["als"].params["k1"], now.evaluation) == (9, {})
    assert verify(small_set) == []


def test_the_log_of_a_set_is_the_one_it_was_built_from(small_artifacts: ArtifactSet) -> None:
    log = log_of(small_artifacts)
    assert (log.user_items != small_artifacts.user_items).nnz == 0
    np.testing.assert_array_equal(log.queues.items, small_artifacts.queues.items)
    assert log.played is not None
    assert "popularity" not in log.catalogue


def test_what_cannot_be_evaluated_is_refused(small_set: Path, tmp_path: Path) -> None:
    with pytest.raises(MissingArtifacts, match="holds no artifact set"):
        evaluate_set(tmp_path / "nothing", QUICK, {})
    with pytest.raises(ArtifactError, match=f"is a single build, which is never written to; evaluate .* {small_set}"):
        evaluate_set(ArtifactSet.folder_in_use(small_set), QUICK, {})


def test_an_evaluation_that_is_none_is_damage_and_says_what_mends_it(
    evaluated_once: ArtifactSet, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(evaluated_once.folder, tmp_path / "one"))
    path = folder / "evaluation.json"
    path.write_bytes(path.read_bytes().replace(b'"seed"', b'"sead"'))
    opened = ArtifactSet(folder, evaluated_once.manifest)
    with pytest.raises(DamagedArtifacts, match="does not hold an evaluation; evaluate again with: python -m recsys"):
        _ = opened.evaluation
    with pytest.raises(DamagedArtifacts, match=r"next-event.parquet is not listed .* --protocol next-event"):
        opened.evaluation_lists("next-event")
