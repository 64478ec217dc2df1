"""What a grid and a search measure by, and one setting of K1 and B measured, on items that the fits never saw."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
from pydantic import BaseModel, ConfigDict, Field

from recsys.analysis.beyond_accuracy import coverage
from recsys.analysis.evaluation import accuracy, holdout, recommendations, tag_share
from recsys.analysis.intervals import bootstrapped
from recsys.analysis.neighbours import exact_neighbours
from recsys.analysis.stability import noise_floors
from recsys.artifacts.names import MANIFEST, TUNING_COLUMNS
from recsys.artifacts.store import ArtifactSet
from recsys.config import validated
from recsys.errors import ArtifactError, ParameterError
from recsys.models import als
from recsys.models.vectors import unit_rows
from recsys.plural import counted
from recsys.steps.kept import SUMMARY_MIN_LISTENERS, mean_over_known, rounded
from recsys.tuning.region import FloatArray, best_region

Point = tuple[float, float]
ITEMS_COMPARED = 2000  # items whose neighbour lists give the noise floor and the tag share


class Measuring(BaseModel):
    """How settings of a model are measured, whatever the model."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    n: int = Field(10, ge=1, le=1000, description="length of the lists: nDCG@n, Recall@n, overlap@n")
    held_out: float = Field(0.2, gt=0, lt=1, description="share of each listener's items kept from training")
    listeners: int = Field(5000, ge=2, description="at most so many listeners, drawn by chance, are evaluated")
    replicates: int = Field(2, ge=1, le=64, description="fits of each setting; 2 or more tell how far seeds matter")
    seed: int = Field(0, ge=0, lt=2**31, description="of everything random")


class TuningSettings(Measuring):
    """How a grid is measured. All but `jobs` decide what comes out."""

    jobs: int | None = Field(
        None,
        ge=1,
        le=256,
        description="points measured at a time, sharing the cores; default one a core, fewer for large data",
    )


@dataclass(frozen=True)
class Ground:
    """What all points have in common.

    params : of ALS; K1 and B change. train : CSR (n_users, n_items).
    users : rows of the listeners evaluated; known, held_out : their play counts in training and outside, CSR.
    items : rows whose neighbour lists are looked at. listeners, popularity, tags : of all items.
    seeds : one a replicate. resampling : of the bootstrap.
    """

    params: als.AlsParams
    train: sp.csr_matrix
    users: npt.NDArray[np.int64]
    known: sp.csr_matrix
    held_out: sp.csr_matrix
    items: npt.NDArray[np.int64]
    listeners: npt.NDArray[np.int64]
    popularity: FloatArray
    tags: list[list[str]]
    seeds: list[np.random.SeedSequence]
    resampling: np.random.SeedSequence
    settings: TuningSettings

    @classmethod
    def of(cls, base: ArtifactSet, settings: TuningSettings) -> Ground:
        used = base.manifest.models["als"].params
        kept: dict[str, Any] = {
            name: used[name] for name in ("factors", "iterations", "regularization") if name in used
        }
        params = validated(als.AlsParams, kept, f"{base.folder / MANIFEST}: als")
        split, by_listener, by_item, resampling, fits = np.random.SeedSequence([settings.seed, 3]).spawn(5)
        parts = holdout(base.user_items, np.random.default_rng(split), share=settings.held_out)
        asked = np.flatnonzero(np.diff(parts.held_out.indptr))
        if len(asked) < 2:
            raise ArtifactError(
                f"{base.folder.parent} has {counted(len(asked), 'listener')} with more than one item; measuring takes "
                "2 or more: build the set from more listening data"
            )
        users = _sample(asked, settings.listeners, by_listener)
        listeners = base.catalogue["listeners"].to_numpy(np.int64)
        return cls(
            params=params,
            train=parts.train,
            users=users,
            known=parts.train[users],
            held_out=parts.held_out[users],
            items=_sample(np.flatnonzero(listeners >= SUMMARY_MIN_LISTENERS), ITEMS_COMPARED, by_item),
            listeners=listeners,
            popularity=base.catalogue["popularity"].to_numpy(np.float64),
            tags=base.catalogue["tags"].tolist(),
            seeds=fits.spawn(settings.replicates),
            resampling=resampling,
            settings=settings,
        )

    def key(self, base: ArtifactSet) -> str:
        """12 hex digits of everything that a point's figures depend on besides its K1 and B."""
        about = {
            "base": base.fingerprint,
            "als": self.params.model_dump(exclude={"k1", "b"}),
            "settings": self.settings.model_dump(exclude={"jobs"}),
            # A version of this program that measures something else begins anew.
            "measured": TUNING_COLUMNS,
        }
        return hashlib.sha256(canonical(about)).hexdigest()[:12]


def _sample(rows: npt.NDArray[np.int64], size: int, seed: np.random.SeedSequence) -> npt.NDArray[np.int64]:
    return np.sort(np.random.default_rng(seed).choice(rows, min(size, len(rows)), replace=False))


@dataclass(frozen=True)
class Measured:
    """One point. values : nDCG@n and Recall@n, (2, n_replicates, n_listeners); numbers : all the rest."""

    values: FloatArray
    numbers: dict[str, Any]


def figures(measured: Sequence[Measured], resampling: np.random.SeedSequence) -> dict[str, Any]:
    """Columns, a row each: mean ndcg and recall with 95% intervals over listeners, and what `best_region` says.

    resampling : of the bootstrap, the same for both measures.

    Raises
    ------
    ParameterError : nothing has values, or there are fewer than two listeners.
    """
    ndcg, recall = np.stack([each.values for each in measured], axis=1)
    columns: dict[str, Any] = {}
    for name, values in (("ndcg", ndcg), ("recall", recall)):
        columns[name] = values.mean(axis=(1, 2))
        intervals = bootstrapped(values.mean(axis=1), np.random.default_rng(resampling))
        columns[f"{name}_low"], columns[f"{name}_high"] = intervals
    region = best_region(ndcg)
    columns |= {"behind": region.behind, "behind_low": region.low, "behind_high": region.high}
    return columns | {"best_region": region.inside}


def measure(point: Point, ground: Ground, threads: int, on_iteration: Callable[[], None]) -> Measured:
    """Fit ALS at one (K1, B), once a replicate, and measure it; where a fit does not converge, all is NaN or None.

    threads : of each fit, 0 for one a core. on_iteration : told after each iteration; what it raises comes out here.
    """
    k1, b = point
    n, n_items = ground.settings.n, len(ground.listeners)
    params = ground.params.model_copy(update={"k1": k1, "b": b})
    values = np.full((2, len(ground.seeds), len(ground.users)), np.nan)
    lists, tag_shares, coverages, popularities = [], [], [], []
    clipped: int | None = None
    reason = ""
    for replicate, seed in enumerate(ground.seeds):
        try:
            fit = als.fit(ground.train, params, np.random.default_rng(seed), on_iteration, threads=threads)
        except ParameterError as error:
            reason = str(error)
            break
        recommended = recommendations(fit.user_factors[ground.users], fit.item_factors, ground.known, n)
        found = accuracy(recommended, ground.held_out, n)
        values[:, replicate] = found.ndcg, found.recall
        places = recommended[recommended >= 0]
        coverages.append(coverage(recommended, n_items))
        popularities.append(ground.popularity[places].mean() if len(places) else np.nan)
        neighbours = np.full((n_items, n), -1, np.int32)
        neighbours[ground.items] = exact_neighbours(unit_rows(fit.item_factors), ground.items, n).neighbours
        lists.append(neighbours)
        tag_shares.append(
            tag_share(neighbours, ground.tags, ground.listeners, n=n, min_listeners=SUMMARY_MIN_LISTENERS)
        )
        clipped = fit.clipped_weights
    if reason:
        nothing = dict.fromkeys(("noise_floor", "coverage", "popularity", "tag_share", "clipped"))
        return Measured(np.full(values.shape, np.nan), {**nothing, "reason": reason})
    numbers = {
        "noise_floor": mean_over_known(noise_floors(lists, n), ground.listeners),
        "coverage": rounded(float(np.mean(coverages))),
        "popularity": rounded(float(np.mean(popularities))),
        "tag_share": rounded(float(np.mean(tag_shares))),
        "clipped": clipped,
        "reason": reason,
    }
    return Measured(values, numbers)


def canonical(document: dict[str, Any]) -> bytes:
    return json.dumps(document, sort_keys=True).encode()
