"""An evaluation of an artifact set's listening log, kept with the set."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from recsys.artifacts.evaluations import Evaluations
from recsys.artifacts.names import EVALUATION, evaluated_lists
from recsys.artifacts.store import ArtifactSet
from recsys.artifacts.writer import ArtifactWriter
from recsys.errors import ArtifactError
from recsys.evaluation.candidates import Imported
from recsys.evaluation.run import Outcome, evaluate
from recsys.evaluation.settings import EvaluationSettings, als_params, word2vec_params
from recsys.interactions.log import Interactions
from recsys.interactions.report import ReadReport
from recsys.steps.progress import Progress


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
    base = ArtifactSet.open_to_change(path, "evaluate")
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
    vectors = base.vectors(model)
    return [vectors.only([replicate]).vectors for replicate in range(vectors.n_replicates)]


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
        return path / writer.publish_changed(now, {f"evaluation_{protocol}": outcome.seconds})


def _evaluated_on(artifacts: ArtifactSet) -> Any:
    """What an evaluation depends on: log, parameters and what was imported, not vectors or maps."""
    return artifacts.log_digests, {
        name: (model.params, model.imported) for name, model in artifacts.manifest.models.items()
    }
