"""Scenarios: full fits with another K1 and B, kept beside the artifact set they were made from.

A scenario is an artifact set like any other, in a folder of its own: all pages and commands take it. It shares with its
base, as links where the disk allows it, whatever K1 and B do not touch: catalogue, log and Word2vec.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path

import numpy as np

from recsys.artifacts.manifest import Evaluation, Manifest, Scenario
from recsys.artifacts.names import BETWEEN, CURRENT, EVALUATION
from recsys.artifacts.store import ArtifactSet, artifact_sets
from recsys.artifacts.writer import ArtifactWriter
from recsys.config import BuildConfig
from recsys.errors import ArtifactError, ParameterError, writing
from recsys.maps.kept import map_like_base
from recsys.models.als import AlsFit
from recsys.models.vectors import ItemVectors
from recsys.steps.kept import (
    KeptModel,
    check,
    clipped_note,
    keep_agreement,
    keep_als_factors,
    keep_model,
    mean_over_known,
)
from recsys.steps.progress import Progress, Silence, Stages
from recsys.tuning.measure import TuningSettings
from recsys.tuning.pair import compare_settings
from recsys.whatif.engine import WhatIfEngine

MOST_SCENARIOS = 20
LONGEST_NAME = 40


def fit_scenario(
    engine: WhatIfEngine,
    base_path: Path,
    name: str,
    *,
    k1: float,
    b: float,
    tell: Callable[[str, int, int], object] = lambda words, done, total: None,
) -> Path:
    """Fit in full with another K1 and B, measure that on held-out plays beside the base's own, keep and map it.

    Where the base has maps that are quickly made, the scenario gets its own, see `map_like_base`.

    tell : told what is being done, how many steps of it are done, and of how many; what it raises ends all and comes
        out here, with nothing kept; while the maps are made, with the scenario kept and the maps that are finished.

    Returns the folder; parameters and errors otherwise as of `keep_scenario` and `WhatIfEngine.full`.
    """
    new_folder(engine.artifacts, base_path, name)  # a name that is taken is better known before all the work
    fits = engine.fitted(k1=k1, b=b, on_iteration=lambda done, total: tell("Fitting in full", done, total))
    settings, measured = TuningSettings.model_validate({}), 0
    total = 2 * settings.replicates * engine.params.iterations

    def measuring() -> None:
        nonlocal measured
        measured += 1
        tell("The fits are done; measuring on held-out plays", measured, total)

    try:
        baseline = (engine.params.k1, engine.params.b)
        evaluation = compare_settings(engine.artifacts, baseline, (k1, b), settings, measuring)
    except ArtifactError:
        evaluation = None  # too few listeners to hold anything out
    tell("Looking for the neighbours of all items", 0, 1)
    out = keep_scenario(engine.artifacts, base_path, name, fits, k1=k1, b=b, evaluation=evaluation)
    map_like_base(out, _Told(tell))
    return out


class _Told:
    """Progress of maps, for whoever is told of a scenario."""

    def __init__(self, tell: Callable[[str, int, int], object]) -> None:
        self._tell = tell

    def stage(self, words: str, total: float | None) -> None:
        self._words, self._total, self._done = f"The scenario is kept; {words}", int(total or 1), 0
        self._tell(self._words, 0, self._total)

    def advance(self, amount: float) -> None:
        self._done += int(amount)
        self._tell(self._words, self._done, self._total)


def keep_scenario(
    base: ArtifactSet,
    base_path: Path,
    name: str,
    fits: Sequence[AlsFit],
    *,
    k1: float,
    b: float,
    evaluation: Evaluation | None = None,
    progress: Progress | None = None,
) -> Path:
    """Keep full fits as a scenario of the artifact set at `base_path`; the folder it is in.

    Parameters
    ----------
    base : the build that the fits were made from.
    name : for people; its letters, digits and points make the folder's name.
    fits : as many as the base has replicates. evaluation : of this setting against the base's.

    Raises
    ------
    ParameterError : the name says nothing, or there are MOST_SCENARIOS already.
    ArtifactError : a scenario of that name exists, or the folder cannot be written to.
    """
    manifest = base.manifest
    out = new_folder(base, base_path, name)
    base_set = _base_name(base, base_path)
    stages = Stages(progress or Silence())
    n_items = manifest.counts.items
    params = {**manifest.models["als"].params, "k1": k1, "b": b}
    config = BuildConfig.model_validate({**manifest.config, "als": {**manifest.config["als"], "k1": k1, "b": b}})
    with ArtifactWriter(out) as writer:
        # Maps of both models belong together, and a map of this ALS is another one; so is what was found of the old.
        stale = ("agreement.parquet", "tuning.parquet", f"{EVALUATION}.json")
        of_this_als = ("als/", f"{EVALUATION}/")
        writer.adopt(base, but=lambda file: file.startswith(of_this_als) or "/maps/" in file or file in stale)
        vectors = ItemVectors.consensus([fit.item_factors for fit in fits])
        keep_als_factors(writer, fits)
        models = {
            model: keep_model("als", vectors, params, base.catalogue, config, writer, stages)
            if model == "als"
            else _kept(base, model)
            for model in base.model_names
        }
        agreement = keep_agreement(dict(list(models.items())[:2]), manifest.agreement_n, writer, stages)
        notes = clipped_note(fits, manifest.counts.interactions)
        als = models["als"].entry.model_copy(update={"notes": notes})
        document = manifest.as_document() | {
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "config": config.model_dump(),
            "models": {model: kept.entry.model_dump() for model, kept in models.items()} | {"als": als.model_dump()},
            "agreement": mean_over_known(
                agreement["overlap"].to_numpy(np.float64), base.catalogue["listeners"].to_numpy()
            ),
            "checks": check((manifest.counts.listeners, n_items), fits, {"als": vectors}, {"als": models["als"]}),
            # How long fits took is what tells how long a refine will.
            "timings": {
                **{key: manifest.timings[key] for key in ("fit_als",) if key in manifest.timings},
                **stages.seconds,
            },
            "files": {file: entry.model_dump() for file, entry in writer.files.items()},
            "scenario": Scenario(
                name=name.strip(), base_set=base_set, base_build=base.fingerprint, evaluation=evaluation
            ).model_dump(),
        }
        # What was measured of the base's own setting says nothing of this one.
        kept = {key: value for key, value in document.items() if key not in ("tuning", "whatif", "maps")}
        writer.publish(Manifest.model_validate(kept))
    return out


def scenarios_of(base_path: Path) -> dict[str, Path]:
    """Scenarios of an artifact set, by their names; of a scenario those of its base."""
    own = _scenario(base_path)
    base_name = own.base_set if own else base_path.name
    found = {}
    for path in artifact_sets(base_path.parent):
        scenario = _scenario(path) if path.name.startswith(f"{base_name}{BETWEEN}") else None
        if scenario is not None and scenario.base_set == base_name:
            found[scenario.name] = path
    return found


def delete_scenario(path: Path) -> None:
    """Remove a scenario from the disk; pages that have it open keep what they see until they are left.

    Raises
    ------
    ParameterError : what is there is no scenario; artifact sets that were built are not deleted from here.
    """
    if _scenario(path) is None:
        raise ParameterError(f"{path} is not a scenario; delete artifact sets by hand")
    # First what makes it a set: killed in between, nobody meets half of one, and its name is free.
    with writing(path):
        (path / CURRENT).unlink(missing_ok=True)
        shutil.rmtree(path)
    _scenario_in.cache_clear()


def _scenario(path: Path) -> Scenario | None:
    try:
        return _scenario_in(ArtifactSet.folder_in_use(path))
    except ArtifactError:
        return None


@lru_cache(maxsize=256)
def _scenario_in(folder: Path) -> Scenario | None:
    """What is published is never changed, so it need be read only once."""
    return ArtifactSet.open(folder).manifest.scenario


def _base_name(base: ArtifactSet, base_path: Path) -> str:
    """A scenario of a scenario belongs to the same base."""
    return base.manifest.scenario.base_set if base.manifest.scenario else base_path.name


def new_folder(base: ArtifactSet, base_path: Path, name: str) -> Path:
    """Where a scenario of this name would be kept.

    Raises
    ------
    ParameterError, ArtifactError : there is no room for one of this name, see `keep_scenario`.
    """
    others = scenarios_of(base_path)
    if len(others) >= MOST_SCENARIOS:
        raise ParameterError(f"{base_path.name} has {len(others)} scenarios, the most there can be; delete one first")
    out = base_path.parent / f"{_base_name(base, base_path)}{BETWEEN}{_slug(name)}"
    # What was begun and never published is no scenario.
    if artifact_sets(out):
        raise ArtifactError(f"there is a scenario {out.name} already; choose another name, or delete it first")
    return out


def _kept(base: ArtifactSet, model: str) -> KeptModel:
    return KeptModel(
        entry=base.manifest.models[model],
        neighbours=base.neighbours(model),
        similarities=base.similarities(model),
        replicates=base.replicate_neighbours(model),
        halves=base.half_neighbours(model),
    )


def _slug(name: str) -> str:
    slug = re.sub(r"[^a-z0-9.]+", "-", name.casefold()).strip("-.")[:LONGEST_NAME].strip("-.")
    if not slug:
        raise ParameterError(f"{name[:60]!r} names no scenario; use letters or digits")
    return slug
