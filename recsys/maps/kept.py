"""Maps are kept with the set that they show: made before a build is published, or added later, as a new build."""

from __future__ import annotations

import hashlib
import json
import math
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd

from recsys.analysis.projection import METHOD_TITLES, METHODS, PARAMS, MapParams, Method
from recsys.analysis.regions import regions, tags_of_items
from recsys.artifacts.manifest import Manifest, MapEntry
from recsys.artifacts.names import MAPS, map_file
from recsys.artifacts.store import ArtifactSet
from recsys.artifacts.unfinished import unfinished_work
from recsys.artifacts.writer import ArtifactWriter
from recsys.errors import ArtifactError, ParameterError
from recsys.maps.made import IN_SET, Map, MapMaker
from recsys.steps.progress import Progress, Silence, Stages

LIBRARY: dict[Method, str] = {"umap": "umap-learn", "tsne": "openTSNE"}
QUICK = 40.0  # seconds that laying out ALS took the base, for a scenario to be mapped unasked


def add_maps(
    path: Path,
    method: Method,
    models: Sequence[str] | None = None,
    params: MapParams | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> ArtifactSet:
    """Map models of the set at `path` by one method, and keep the maps with it.

    The first of several models is laid out freely; the others start from its layout and are aligned to it, so that a
    point which stands elsewhere has other neighbours there. A single model follows the map that another model of the
    set has by this method already. In a scenario a model follows its own map in the set that the scenario was made
    from, and where it is the same model there, made with the same parameters and seed, that map is taken over.

    The result is a new build of the same set: nothing is trained, other maps are kept, those of this method and these
    models are replaced. Every finished layout is kept in a folder beside the builds until then, so that a run that was
    stopped goes on with the next model when it is asked for again.

    Parameters
    ----------
    models : names; None for all. params : None for the defaults.

    Raises
    ------
    ParameterError : there is no such method or model, or parameters need longer lists than are stored.
    ArtifactError : there is no set, it is a single build, or its models were built anew meanwhile.
    """
    stages = Stages(progress or Silence())
    base = ArtifactSet.open_to_change(path, "map")
    chosen = _in_order(base, models)
    if method not in METHODS:
        raise ParameterError(f"there is no method {method!r}; choose {' or '.join(METHODS)}")
    params = params or PARAMS[method].model_validate({})
    if not isinstance(params, PARAMS[method]):
        raise ParameterError(f"{METHOD_TITLES[method]} takes {PARAMS[method].__name__}, not {type(params).__name__}")
    params = params.within(base.manifest.depth)
    origin = _origin(base, path)
    sources = _sources(base, method, chosen)
    versions = {name: version(name) for name in (LIBRARY[method], "numpy", "scipy")}
    needs: dict[str, Any] = {
        "method": method, "params": params.model_dump(), "seed": seed, "models": chosen, "sources": sources,
        "origin": _sources(origin, method, []) if origin else None, "versions": versions,
    }  # fmt: skip
    with _unfinished(path, needs) as folder:
        made = MapMaker(base, method, params, seed, stages, folder, origin).make(chosen)
        build = _publish(path, method, chosen, sources, made, stages.seconds)
        shutil.rmtree(folder, ignore_errors=True)
    return ArtifactSet.open(build)


def map_like_base(path: Path, progress: Progress) -> None:
    """Map the scenario at `path` by the methods, parameters and seeds that ALS was mapped by in the set it comes from.

    Does nothing where that set has no maps, or they took more than QUICK seconds or nobody knows how long.
    """
    base = _origin(ArtifactSet.open(path), path)
    maps = (base.manifest.maps if base else None) or {}
    entries = [entry for entry in maps.values() if entry.model == "als"]
    if sum(math.inf if entry.seconds is None else entry.seconds for entry in entries) <= QUICK:
        for entry in entries:
            params = PARAMS[entry.method].model_validate(entry.params)
            add_maps(path, entry.method, params=params, seed=entry.seed, progress=progress)


def with_maps(
    unpublished: ArtifactSet,
    writer: ArtifactWriter,
    methods: Sequence[Method],
    seed: int,
    stages: Stages,
    kept: Path,
) -> Manifest:
    """Map all models of a build that `writer` holds, and write the maps beside them; the manifest that says so.

    Where there are too few items for a map there is none, and a warning in the manifest.

    kept : folder where finished layouts wait until the build is published.
    """
    manifest = unpublished.manifest
    maps: dict[str, MapEntry] = {}
    warnings, versions = list(manifest.warnings), dict(manifest.versions)
    for method in methods:
        params = PARAMS[method].model_validate({}).within(manifest.depth)
        try:
            folder = kept / method
            folder.mkdir(exist_ok=True)
            made = MapMaker(unpublished, method, params, seed, stages, folder).make(unpublished.model_names)
        except ParameterError as error:
            warnings.append(f"there is no {METHOD_TITLES[method]} map: {error}")
            continue
        maps |= _keep(writer, method, made, unpublished.catalogue)
        versions[LIBRARY[method]] = version(LIBRARY[method])
    return manifest.model_copy(update={"maps": maps, "warnings": warnings, "versions": versions, "files": writer.files})


def _in_order(base: ArtifactSet, models: Sequence[str] | None) -> list[str]:
    wanted = base.model_names if models is None else models
    unknown = [model for model in wanted if model not in base.model_names]
    if unknown or not wanted:
        there = ", ".join(base.model_names)
        raise ParameterError(
            f"there is no model {unknown[0]!r}; there are {there}" if unknown else f"choose of {there}"
        )
    return [model for model in base.model_names if model in wanted]


def _origin(scenario: ArtifactSet, path: Path) -> ArtifactSet | None:
    """The set that the scenario at `path` was made from, if it is still there with the same catalogue."""
    if scenario.manifest.scenario is None:
        return None
    try:
        origin = ArtifactSet.open(path.parent / scenario.manifest.scenario.base_set)
    except ArtifactError:
        return None
    return origin if origin.has_items_of(scenario) else None


def _sources(artifacts: ArtifactSet, method: Method, chosen: Sequence[str]) -> dict[str, str]:
    """Digests of what maps by `method` are made from: the models' files, and those maps by it that stay."""
    files = [f"{model}/{part}.npy" for model in artifacts.model_names for part in ("vectors", "neighbours")]
    kept = [f"{map_file(model, method)}.npy" for model in artifacts.model_names if model not in chosen]
    entries = artifacts.manifest.files
    return {name: entries[name].sha256 for name in (*files, *kept) if name in entries}


def without_maps(artifacts: ArtifactSet, gone: set[str]) -> tuple[dict[str, MapEntry], Callable[[str], bool]]:
    """The entries of the maps that stay where those named `gone`, as MODEL/METHOD, go; and which files go with them."""
    maps = {name: (artifacts.manifest.maps or {})[name] for name in artifacts.maps if name not in gone}
    # A distance from a map that is no longer there says nothing.
    adrift = {
        name
        for name, entry in maps.items()
        if (other := entry.shift_from) is not None and IN_SET not in other and other not in maps
    }
    for name in adrift:
        lost = [key for key in ("reference", "shift_from") if IN_SET not in (getattr(maps[name], key) or "")]
        maps[name] = maps[name].model_copy(update=dict.fromkeys([*lost, "median_shift"]))
    shifts_gone = {f"{map_file(*name.split('/'))}.shift.npy" for name in adrift}
    all_of_gone = tuple(f"{map_file(*name.split('/'))}." for name in gone)
    return maps, lambda file: file in shifts_gone or file.startswith(all_of_gone)


@contextmanager
def _unfinished(path: Path, needs: dict[str, Any]) -> Iterator[Path]:
    """The folder for finished layouts of maps that need just this, for one process at a time."""
    key = hashlib.sha256(json.dumps(needs, sort_keys=True).encode()).hexdigest()[:12]
    with unfinished_work(path, f"{MAPS}{key}", "mapped") as folder:
        yield folder


def _publish(
    path: Path,
    method: Method,
    chosen: Sequence[str],
    sources: dict[str, str],
    made: dict[str, Map],
    seconds: dict[str, float],
) -> Path:
    """A new build that is the one in use and these maps; returns its folder."""
    with ArtifactWriter(path) as writer:
        # Under the writer's lock: from here on nobody else replaces the build in use.
        now = ArtifactSet.open(path)
        if _sources(now, method, chosen) != sources:
            raise ArtifactError(
                f"{path} was built anew while it was being mapped, so the maps do not show its models and were not "
                f"kept with it; map it again"
            )
        maps, goes = without_maps(now, {f"{model}/{method}" for model in chosen})
        writer.adopt(now, but=goes)
        maps |= _keep(writer, method, made, now.catalogue)
        versions = {**now.manifest.versions, LIBRARY[method]: version(LIBRARY[method])}
        return path / writer.publish_changed(now, seconds, maps=maps, versions=versions)


def _keep(writer: ArtifactWriter, method: Method, made: dict[str, Map], catalogue: pd.DataFrame) -> dict[str, MapEntry]:
    """Write maps by one method and what their regions are called; their entries by name."""
    tags, names = tags_of_items(catalogue["tags"].tolist()), catalogue["name"].tolist()
    for model, each in made.items():
        file = map_file(model, method)
        writer.array(file, each.layout)
        writer.array(f"{file}.faithfulness", each.faithfulness)
        if each.shift is not None:
            writer.array(f"{file}.shift", each.shift)
        writer.table(f"{file}.regions", regions(each.layout, tags, names))
    return {f"{model}/{method}": each.entry for model, each in made.items()}
