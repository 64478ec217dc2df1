"""One map after the other: laid out, aligned to the maps it is compared with, and measured beside its yardsticks."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from recsys.analysis.faithfulness import FAITHFUL_N, faithfulness, pca_map, random_map, rank_quality
from recsys.analysis.projection import METHOD_TITLES, METHODS, Layout, MapParams, Method, aligned, project, shifts
from recsys.artifacts.manifest import MapEntry, MapQuality
from recsys.artifacts.store import ArtifactSet
from recsys.errors import writing
from recsys.steps.kept import MODEL_TITLES, rounded
from recsys.steps.progress import Stages

IN_SET = ":"  # between the names of another set and of a map of its


@dataclass(frozen=True)
class Guide:
    """A map that another one starts from and is aligned to. as_is : it is what the other one would be, bit by bit."""

    name: str
    layout: Layout
    as_is: bool = False


class Laid(NamedTuple):
    """A layout and what it took: nothing where it was taken over; None where the system tells no memory."""

    layout: Layout
    seconds: float = 0.0
    peak_megabytes: float | None = None


@dataclass(frozen=True)
class Map:
    """A finished map; faithfulness and shift per item."""

    layout: Layout
    faithfulness: npt.NDArray[np.float32]
    shift: npt.NDArray[np.float32] | None
    entry: MapEntry


@dataclass(frozen=True)
class MapMaker:
    """Makes maps of the models of a set by one method.

    folder : where finished layouts wait, NAME.npz of each model. origin : the set that a scenario was made from.
    """

    base: ArtifactSet
    method: Method
    params: MapParams
    seed: int
    stages: Stages
    folder: Path
    origin: ArtifactSet | None = None

    def make(self, models: Sequence[str]) -> dict[str, Map]:
        """Maps by model; the first is laid out freely where no other map is there to follow, see `kept.add_maps`.

        Raises
        ------
        ParameterError : a model's lists are too short or too few for a map.
        ArtifactError : a layout cannot be kept.
        """
        made: dict[str, Map] = {}
        for model in models:
            first = next(iter(made), None)
            beside = Guide(f"{first}/{self.method}", made[first].layout) if first else self._kept_beside(models)
            guides = [guide for guide in (self._before(model), beside) if guide]
            made[model] = self._measured(model, self._laid(model, guides[0] if guides else None), guides)
        return made

    def _kept_beside(self, chosen: Sequence[str]) -> Guide | None:
        """The map of a model whose map stays."""
        for model in self.base.model_names:
            name = f"{model}/{self.method}"
            if model not in chosen and name in self.base.maps:
                return Guide(name, np.array(self.base.layout(model, self.method)))
        return None

    def _before(self, model: str) -> Guide | None:
        """The map of this model in the set that a scenario was made from."""
        origin, name = self.origin, f"{model}/{self.method}"
        if origin is None or name not in origin.maps:
            return None
        entry, lists = (origin.manifest.maps or {})[name], f"{model}/neighbours.npy"
        same_model = origin.manifest.files[lists].sha256 == self.base.manifest.files[lists].sha256
        same_map = (entry.params, entry.seed) == (self.params.model_dump(), self.seed)
        layout = np.array(origin.layout(model, self.method))
        return Guide(f"{origin.folder.parent.name}{IN_SET}{name}", layout, same_model and same_map)

    def _title(self, model: str) -> str:
        return f"{MODEL_TITLES.get(model, model)}: {METHOD_TITLES[self.method]} map"

    def _laid(self, model: str, guide: Guide | None) -> Laid:
        """Where the items stand."""
        if guide and guide.as_is:
            return Laid(guide.layout)
        base, stages = self.base, self.stages
        words, key = self._title(model), f"map_{self.method}_{model}"
        finished = _read(self.folder / f"{model}.npz", base.manifest.counts.items)
        if finished is not None:
            stages.seconds[key] = finished.seconds
            stages.progress.stage(f"{words} is there from before", None)
            return finished
        neighbours = np.asarray(base.neighbours(model))
        base.check_rows(neighbours)
        rng = np.random.default_rng([self.seed, METHODS.index(self.method), base.model_names.index(model)])
        with stages(key, words, self.params.steps(len(neighbours))), _peak_megabytes() as peak:
            layout = project(
                neighbours,
                np.asarray(base.similarities(model)),
                self.params,
                rng,
                initial=guide.layout if guide else None,
                on_step=stages.progress.advance,
            )
            if guide:
                layout = aligned(layout, guide.layout)
        laid = Laid(layout, stages.seconds[key], *peak)
        beside = self.folder / f"{model}.part"
        with writing(self.folder):
            with beside.open("wb") as stream:
                np.savez(stream, layout=layout, cost=np.array([laid.seconds, *peak]))
            os.replace(beside, self.folder / f"{model}.npz")
        return laid

    def _measured(self, model: str, laid: Laid, guides: Sequence[Guide]) -> Map:
        """How true the map is beside its yardsticks, and how far it stands from the last of the guides."""
        base, method, stages = self.base, self.method, self.stages
        with stages(f"map_quality_{method}", f"{self._title(model)}, measuring how true it is", 3):
            vectors, neighbours = np.asarray(base.array(f"{model}/vectors")), np.asarray(base.neighbours(model))
            n = min(FAITHFUL_N, neighbours.shape[1])

            def quality(of: Layout) -> tuple[npt.NDArray[np.float32], MapQuality]:
                held = faithfulness(of, neighbours, n)
                # The same sample for all three.
                ranks = rank_quality(vectors, of, np.random.default_rng([self.seed, len(METHODS)]), n=n)
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
                for each in (random_map(np.any(vectors, axis=1), np.random.default_rng(self.seed)), pca_map(vectors))
            ]
        shift = shifts(laid.layout, guides[-1].layout) if guides else None
        entry = MapEntry(
            **own.model_dump(),
            model=model,
            method=method,
            params=self.params.model_dump(),
            seed=self.seed,
            n=n,
            random=yardsticks[0],
            pca=yardsticks[1],
            reference=guides[0].name if guides else None,
            shift_from=guides[-1].name if guides else None,
            median_shift=None if shift is None or np.isnan(shift).all() else round(float(np.nanmedian(shift)), 4),
            seconds=laid.seconds,
            peak_megabytes=laid.peak_megabytes,
        )
        return Map(laid.layout, held, shift, entry)


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


def _read(file: Path, n_items: int) -> Laid | None:
    """A layout as it was written and what it took; None where it was not, or not whole."""
    try:
        with np.load(file, allow_pickle=False) as kept:  # a zip file: what is read is checked against its CRC
            laid = Laid(kept["layout"], *map(float, kept["cost"]))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
    return laid if laid.layout.dtype == np.float32 and laid.layout.shape == (n_items, 2) else None
