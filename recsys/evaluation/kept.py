"""An evaluation of an artifact set's listening log, kept with the set."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from recsys.artifacts.evaluations import Evaluations
from recsys.artifacts.store import EVALUATION, MANIFEST, ArtifactSet, ArtifactWriter, evaluated_lists
from recsys.errors import ArtifactError
from recsys.evaluation.run import Imported, Outcome, evaluate
from recsys.evaluation.settings import EvaluationSettings, als_params, word2vec_params
from recsys.interactions.log import Interactions
from recsys.interactions.report import ReadReport
from recsys.models.vectors import ItemVectors
from recsys.steps import Progress


def evaluate_set(
    path: Path,
    settings: EvaluationSettings,
    stated: dict[str, dict[str, Any]],
    progress: Progress | None = None,
) -> ArtifactSet:
    """Evaluate on the log of the set at `path`, and keep what was found with it, beside other protocols' results.

    Imported models are measured as they are. The others are fitted anew, with the set's parameters where `stated` has
    no others, for they must not have seen what is held out. The result is a new build of the same set; nothing but its
    publishing waits for other builds.

    Parameters
    ----------
    stated : by model, als or word2vec, parameters that are to differ from the set's.

    Raises
    ------
    ParameterError : a parameter is outside its limits, or a fit does not converge.
    InputError : nothing can be held out, see `evaluation.split`.
    ArtifactError : there is no set, or it was rebuilt meanwhile.
    """
    if (path / MANIFEST).is_file():
        raise ArtifactError(f"{path} is a single build, which is never written to; evaluate its set: {path.parent}")
    base = ArtifactSet.open(path)
    log = log_of(base)
    if settings.min_listeners is None:
        settings = settings.model_copy(update={"min_listeners": base.manifest.config.get("min_listeners")})
    of_set = {name: model.params for name, model in base.manifest.models.items()}
    outcome = evaluate(
        log,
        settings,
        als_params(of_set.get("als", {}), stated.get("als", {})),
        word2vec_params(of_set.get("word2vec", {}), stated.get("word2vec", {}), log.queues, settings.protocol),
        progress,
        {
            name: Imported(model.title, _replicates(base, name))
            for name, model in base.manifest.models.items()
            if model.imported
        },
    )
    return ArtifactSet.open(_publish(path, base, outcome))


def _replicates(base: ArtifactSet, model: str) -> list[npt.NDArray[np.float32]]:
    """Each replicate's own vectors, in catalogue order."""
    count = base.manifest.models[model].n_replicates
    vectors = ItemVectors(np.asarray(base.array(f"{model}/vectors")), count)
    return [vectors.only([replicate]).vectors for replicate in range(count)]


def log_of(base: ArtifactSet) -> Interactions:
    """The listening log that a set was built from, as far as it is kept."""
    source = base.manifest.source
    report = ReadReport(source=str(base.folder.parent), reader=source.reader, title=source.title)
    # Percentiles of popularity in the whole log are no business of a part of it.
    catalogue = base.catalogue.drop(columns="popularity")
    return Interactions(catalogue, base.user_items, base.queues if base.queues.ordered else None, report)


def _publish(path: Path, base: ArtifactSet, outcome: Outcome) -> Path:
    """A new build that is the one in use and this evaluation; returns its folder."""
    protocol = outcome.evaluated.protocol
    with ArtifactWriter(path) as writer:
        # Under the writer's lock: from here on nobody else replaces the build in use.
        now = ArtifactSet.open(path)
        if _evaluated_on(now) != _evaluated_on(base):
            raise ArtifactError(
                f"{path} was built anew while it was being evaluated, so the result does not describe it and was not "
                "kept with it; evaluate it again"
            )
        table = evaluated_lists(protocol)
        writer.adopt(now, but=lambda name: name in (f"{EVALUATION}.json", f"{table}.parquet"))
        found = Evaluations(protocols={**now.evaluation, protocol: outcome.evaluated})
        writer.document(EVALUATION, found.model_dump(mode="json"))
        writer.table(table, outcome.by_list)
        manifest = now.manifest.model_copy(
            update={
                "created": datetime.now(UTC).isoformat(timespec="seconds"),
                # Where times stand that are no part of a build's identity.
                "timings": {**now.manifest.timings, f"evaluation_{protocol}": outcome.seconds},
                "files": writer.files,
            }
        )
        return path / writer.publish(manifest)


def _evaluated_on(artifacts: ArtifactSet) -> Any:
    """What an evaluation depends on: log, parameters and what was imported, not vectors or maps."""
    manifest = artifacts.manifest
    log = {
        name: entry.sha256
        for name, entry in manifest.files.items()
        if name == "items.parquet" or name.startswith(("user_items.", "queues."))
    }
    return log, {name: (model.params, model.imported) for name, model in manifest.models.items()}
