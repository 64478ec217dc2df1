"""Maps of an artifact set: made from its stored neighbour lists, measured, and kept with it.

A build makes them before it is published; they can be added to a set later, as a new build.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from recsys.analysis.faithfulness import FAITHFUL_N, faithfulness, pca_map, random_map, rank_quality
from recsys.analysis.projection import (
    METHOD_TITLES,
    METHODS,
    PARAMS,
    Layout,
    MapParams,
    Method,
    aligned,
    project,
    shifts,
)
from recsys.analysis.regions import regions, tags_of_items
from recsys.artifacts.manifest import Manifest, MapEntry, MapQuality
from recsys.artifacts.store import MANIFEST, MAPS, ArtifactSet, ArtifactWriter, unfinished_work
from recsys.errors import ArtifactError, ParameterError, writing
from recsys.steps import MODEL_TITLES, Progress, Silence, Stages, rounded

LIBRARY: dict[Method, str] = {"umap": "umap-learn", "tsne": "openTSNE"}
CATALOGUE = "items.parquet"
QUICK = 40.0  # seconds that laying out ALS took the base, for a scenario to be mapped unasked
IN_SET = ":"  # between the names of another set and of a map of its


@dataclass(frozen=True)
class _Guide:
    """A map that another one starts from and is aligned to. as_is : it is what the other one would be, bit by bit."""

    name: str
    layout: Layout
    as_is: bool = False


class _Laid(NamedTuple):
    """A layout and what it took: nothing where it was taken over; None where the system tells no memory."""

    layout: Layout
    seconds: float = 0.0
    peak_megabytes: float | None = None


@dataclass(frozen=True)
class _Map:
    """A finished map; faithfulness and shift per item."""

    layout: Layout
    faithfulness: npt.NDArray[np.float32]
    shift: npt.NDArray[np.float32] | None
    entry: MapEntry


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
    base = _opened(path)
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
        made = _made(base, method, chosen, params, seed, stages, origin, folder)
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
            made = _made(unpublished, method, unpublished.model_names, params, seed, stages, folder=folder)
        except ParameterError as error:
            warnings.append(f"there is no {METHOD_TITLES[method]} map: {error}")
            continue
        maps |= _keep(writer, method, made, unpublished.catalogue)
        versions[LIBRARY[method]] = version(LIBRARY[method])
    return manifest.model_copy(update={"maps": maps, "warnings": warnings, "versions": versions, "files": writer.files})


def _made(
    base: ArtifactSet,
    method: Method,
    models: Sequence[str],
    params: MapParams,
    seed: int,
    stages: Stages,
    origin: ArtifactSet | None = None,
    folder: Path | None = None,
) -> dict[str, _Map]:
    """Maps by one method. origin : the set that a scenario was made from. folder : where finished layouts wait."""
    made: dict[str, _Map] = {}
    for model in models:
        first = next(iter(made), None)
        beside = _Guide(f"{first}/{method}", made[first].layout) if first else _kept_beside(base, method, models)
        before = _before(origin, base, model, method, params, seed) if origin else None
        guides = [guide for guide in (before, beside) if guide]
        laid = _layout(base, model, method, params, seed, guides, folder, stages)
        made[model] = _measured(base, model, method, params, seed, laid, guides, stages)
    return made


def _opened(path: Path) -> ArtifactSet:
    if (path / MANIFEST).is_file():
        raise ArtifactError(f"{path} is a single build, which is never written to; map its set: {path.parent}")
    return ArtifactSet.open(path)


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
    same = origin.manifest.files[CATALOGUE].sha256 == scenario.manifest.files[CATALOGUE].sha256
    return origin if same else None


def _sources(artifacts: ArtifactSet, method: Method, chosen: Sequence[str]) -> dict[str, str]:
    """Digests of what maps by `method` are made from: the models' files, and those maps by it that stay."""
    files = [f"{model}/{part}.npy" for model in artifacts.model_names for part in ("vectors", "neighbours")]
    kept = [f"{model}/maps/{method}.npy" for model in artifacts.model_names if model not in chosen]
    entries = artifacts.manifest.files
    return {name: entries[name].sha256 for name in (*files, *kept) if name in entries}


def _kept_beside(base: ArtifactSet, method: Method, chosen: Sequence[str]) -> _Guide | None:
    """The map by this method of a model whose map stays."""
    for model in base.model_names:
        if model not in chosen and f"{model}/{method}" in base.maps:
            return _Guide(f"{model}/{method}", np.array(base.layout(model, method)))
    return None


def _before(
    origin: ArtifactSet, base: ArtifactSet, model: str, method: Method, params: MapParams, seed: int
) -> _Guide | None:
    """The map of this model in the set that a scenario was made from."""
    if f"{model}/{method}" not in origin.maps:
        return None
    entry, lists = (origin.manifest.maps or {})[f"{model}/{method}"], f"{model}/neighbours.npy"
    same_model = origin.manifest.files[lists].sha256 == base.manifest.files[lists].sha256
    same_map = (entry.params, entry.seed) == (params.model_dump(), seed)
    name = f"{origin.folder.parent.name}{IN_SET}{model}/{method}"
    return _Guide(name, np.array(origin.layout(model, method)), same_model and same_map)


def _layout(
    base: ArtifactSet,
    model: str,
    method: Method,
    params: MapParams,
    seed: int,
    guides: Sequence[_Guide],
    folder: Path | None,
    stages: Stages,
) -> _Laid:
    """Where the items stand; follows the first of the guides."""
    guide = guides[0] if guides else None
    if guide and guide.as_is:
        return _Laid(guide.layout)
    words, key = f"{MODEL_TITLES.get(model, model)}: {METHOD_TITLES[method]} map", f"map_{method}_{model}"
    finished = _read(folder / f"{model}.npz", base.manifest.counts.items) if folder else None
    if finished is not None:
        stages.seconds[key] = finished.seconds
        stages.progress.stage(f"{words} is there from before", None)
        return finished
    neighbours = np.asarray(base.neighbours(model))
    base.check_rows(neighbours)
    rng = np.random.default_rng([seed, METHODS.index(method), base.model_names.index(model)])
    with stages(key, words, params.steps(len(neighbours))), _peak_megabytes() as peak:
        layout = project(
            neighbours,
            np.asarray(base.similarities(model)),
            params,
            rng,
            initial=guide.layout if guide else None,
            on_step=stages.progress.advance,
        )
        if guide:
            layout = aligned(layout, guide.layout)
    laid = _Laid(layout, stages.seconds[key], *peak)
    if folder:
        beside = folder / f"{model}.part"
        with writing(folder):
            with beside.open("wb") as stream:
                np.savez(stream, layout=layout, cost=np.array([laid.seconds, *peak]))
            os.replace(beside, folder / f"{model}.npz")
    return laid


@contextmanager
def _peak_megabytes() -> Iterator[list[float]]:
    """The most memory that this process holds within the block: a number when it ends, none where nobody tells.

    Source: proc_pid_clear_refs(5) and proc_pid_status(5) of Linux.
    """
    peak: list[float] = []
    process = Path("/proc/self")
    try:
        (process / "clear_refs").write_text("5")
    except OSError:
        yield peak
        return
    yield peak
    lines = (process / "status").read_text().splitlines()
    peak += [round(int(line.split()[1]) * 1024 / 1e6, 1) for line in lines if line.startswith("VmHWM:")]


def _read(file: Path, n_items: int) -> _Laid | None:
    """A layout as it was written and what it took; None where it was not, or not whole."""
    try:
        with np.load(file, allow_pickle=False) as kept:  # a zip file: what is read is checked against its CRC
            laid = _Laid(kept["layout"], *map(float, kept["cost"]))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
    return laid if laid.layout.dtype == np.float32 and laid.layout.shape == (n_items, 2) else None


def _measured(
    base: ArtifactSet,
    model: str,
    method: Method,
    params: MapParams,
    seed: int,
    laid: _Laid,
    guides: Sequence[_Guide],
    stages: Stages,
) -> _Map:
    """How true the map is beside its yardsticks, and how far it stands from the last of the guides."""
    title = f"{MODEL_TITLES.get(model, model)}: {METHOD_TITLES[method]} map"
    with stages(f"map_quality_{method}", f"{title}, measuring how true it is", 3):
        vectors, neighbours = np.asarray(base.array(f"{model}/vectors")), np.asarray(base.neighbours(model))
        n = min(FAITHFUL_N, neighbours.shape[1])

        def quality(of: Layout) -> tuple[npt.NDArray[np.float32], MapQuality]:
            held = faithfulness(of, neighbours, n)
            # The same sample for all three.
            ranks = rank_quality(vectors, of, np.random.default_rng([seed, len(METHODS)]), n=n)
            stages.progress.advance(1)
            known = held[~np.isnan(held)]
            mean = float(known.mean(dtype=np.float64)) if len(known) else float("nan")
            return held, MapQuality(
                faithfulness=rounded(mean),
                trustworthiness=rounded(ranks.trustworthiness),
                continuity=rounded(ranks.continuity),
            )

        held, own = quality(laid.layout)
        yardsticks = [
            quality(each)[1]
            for each in (random_map(np.any(vectors, axis=1), np.random.default_rng(seed)), pca_map(vectors))
        ]
    shift = shifts(laid.layout, guides[-1].layout) if guides else None
    entry = MapEntry(
        **own.model_dump(),
        model=model,
        method=method,
        params=params.model_dump(),
        seed=seed,
        n=n,
        random=yardsticks[0],
        pca=yardsticks[1],
        reference=guides[0].name if guides else None,
        shift_from=guides[-1].name if guides else None,
        median_shift=None if shift is None or np.isnan(shift).all() else round(float(np.nanmedian(shift)), 4),
        seconds=laid.seconds,
        peak_megabytes=laid.peak_megabytes,
    )
    return _Map(laid.layout, held, shift, entry)


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
    shifts_gone = {f"{name.replace('/', '/maps/')}.shift.npy" for name in adrift}
    all_of_gone = tuple(f"{name.replace('/', '/maps/')}." for name in gone)
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
    made: dict[str, _Map],
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
        manifest = now.manifest.model_copy(
            update={
                "maps": maps,
                "versions": {**now.manifest.versions, LIBRARY[method]: version(LIBRARY[method])},
                "created": datetime.now(UTC).isoformat(timespec="seconds"),
                # Where times stand that are no part of a build's identity.
                "timings": {**now.manifest.timings, **seconds},
                "files": writer.files,
            }
        )
        return path / writer.publish(manifest)


def _keep(
    writer: ArtifactWriter, method: Method, made: dict[str, _Map], catalogue: pd.DataFrame
) -> dict[str, MapEntry]:
    """Write maps by one method and what their regions are called; their entries by name."""
    tags, names = tags_of_items(catalogue["tags"].tolist()), catalogue["name"].tolist()
    for model, each in made.items():
        writer.array(f"{model}/maps/{method}", each.layout)
        writer.array(f"{model}/maps/{method}.faithfulness", each.faithfulness)
        if each.shift is not None:
            writer.array(f"{model}/maps/{method}.shift", each.shift)
        writer.table(f"{model}/maps/{method}.regions", regions(each.layout, tags, names))
    return {f"{model}/{method}": each.entry for model, each in made.items()}
