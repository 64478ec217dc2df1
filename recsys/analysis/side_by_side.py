"""One item, both models' neighbours, and how much of the difference is noise."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from recsys.analysis.agreement import REAL_BELOW, is_real
from recsys.analysis.compare import overlap_at_n, rank_biased_overlap
from recsys.analysis.stability import noise_floors, separations, smallest_p_value, stabilities
from recsys.artifacts.store import ArtifactSet
from recsys.errors import ParameterError

Verdict = Literal["real", "noise", "unknown"]
# A list that shares less than this with itself under other seeds says more of the seed than of the item.
MOSTLY_CHANCE = 0.5
MEANINGS: dict[Verdict, str] = {
    "real": "this is a real difference.",
    "noise": "no difference can be told from noise.",
    "unknown": "too few replicates to tell whether that is a real difference (build with 4).",
}


@dataclass(frozen=True)
class SideBySide:
    """What two models say of one item.

    item_row, item_id, name, listeners : the item asked about.
    n : length compared.
    titles, n_replicates : by model, its name for people and how many fits it rests on.
    lists : by model a table of at most n rows, best first: rank, item_row, item_id, name, similarity (cosine),
        stability (share of replicates with it in their top n; NaN with one replicate), listeners, popularity
        (percentile), shared (stands in the other list too). Empty where the model lacks the item.
    overlap, rbo : agreement of the two lists, in [0, 1]; None where a model lacks the item.
    noise_floor : by model, overlap@n of the consensus with itself under other seeds; None where not known.
    p_value : how often relabelled replicates would look as different; None where not known.
    verdict : "real" where the models differ by more than each differs from itself, "noise" where that cannot be
        shown, "unknown" where there are too few replicates to tell.
    """

    item_row: int
    item_id: str
    name: str
    listeners: int
    n: int
    titles: dict[str, str]
    n_replicates: dict[str, int]
    lists: dict[str, pd.DataFrame]
    overlap: float | None
    rbo: float | None
    noise_floor: dict[str, float | None]
    p_value: float | None
    verdict: Verdict

    @property
    def n_shared(self) -> int:
        """How many items stand in both lists."""
        return int(next(iter(self.lists.values()))["shared"].sum())

    def neighbour_rows(self) -> list[int]:
        """The items in either list, each once: the first list's, then what only the second has."""
        return list(dict.fromkeys(int(row) for table in self.lists.values() for row in table["item_row"]))

    def as_json(self) -> dict[str, Any]:
        """The lists and what was measured of them; None where something is not known."""
        shown = ["rank", "item_id", "name", "similarity", "stability", "listeners"]
        return {
            "item": {"item_id": self.item_id, "name": self.name, "listeners": self.listeners},
            "n": self.n,
            **{
                model: [
                    {
                        key: None if isinstance(value, float) and not isfinite(value) else value
                        for key, value in row.items()
                    }
                    for row in table[shown].to_dict("records")
                ]
                for model, table in self.lists.items()
            },
            "overlap": self.overlap,
            "rbo": self.rbo,
            "noise_floor": self.noise_floor,
            "p_value": self.p_value,
            "verdict": self.verdict,
        }


def compare_neighbours(artifacts: ArtifactSet, item_row: int, *, n: int) -> SideBySide:
    """Both models' n nearest items of one item, from the stored graphs, with the noise beside the difference.

    Raises
    ------
    ParameterError : n outside 1 … the set's replicate depth, or no such row.
    """
    manifest = artifacts.manifest
    if not 1 <= n <= manifest.replicate_depth:
        raise ParameterError(f"n is {n}; this artifact set holds comparable lists of 1 to {manifest.replicate_depth}")
    if not 0 <= item_row < manifest.counts.items:
        raise ParameterError(f"there is no item row {item_row}; rows go from 0 to {manifest.counts.items - 1}")
    first, second = artifacts.model_names[:2]
    item = artifacts.catalogue.iloc[item_row]
    lists = {model: artifacts.neighbours(model)[item_row, :n] for model in (first, second)}
    for rows in lists.values():
        artifacts.check_rows(rows)
    replicates = {
        model: [each[item_row : item_row + 1] for each in artifacts.replicate_neighbours(model)] for model in lists
    }
    halves = {model: [each[item_row : item_row + 1] for each in artifacts.half_neighbours(model)] for model in lists}
    p_value = _known(separations(replicates[first], replicates[second], n)) if all(replicates.values()) else None
    overlap = _known(np.array([overlap_at_n(lists[first], lists[second], n)]))
    floors = {model: _known(noise_floors(halves[model], n)) if halves[model] else None for model in lists}
    return SideBySide(
        item_row=item_row,
        item_id=str(item["item_id"]),
        name=str(item["name"]),
        listeners=int(item["listeners"]),
        n=n,
        titles={model: manifest.models[model].title for model in lists},
        n_replicates={model: manifest.models[model].n_replicates for model in lists},
        lists={
            model: _table(artifacts, model, item_row, lists[model], lists[other], replicates[model], n)
            for model, other in ((first, second), (second, first))
        },
        overlap=overlap,
        rbo=_known(np.array([rank_biased_overlap(lists[first], lists[second])])),
        noise_floor=floors,
        p_value=p_value,
        verdict=_verdict(overlap, floors, p_value, len(replicates[first])),
    )


def headline(view: SideBySide) -> str:
    """One or two sentences that say what to make of the two lists."""
    first, second = view.titles.values()
    lacking = [view.titles[model] for model, table in view.lists.items() if table.empty]
    if lacking:
        return f"{view.name}: {' and '.join(lacking)} has no vector for it, so there is nothing to compare."
    words = f"{view.name}: the models share {view.n_shared} of {view.n}."
    floors = [floor for floor in view.noise_floor.values() if floor is not None]
    if len(floors) < 2:
        return f"{words} How much of that is noise is not known: this set was built with one replicate."
    alone = [f"{floor * view.n:.0f}" for floor in floors]
    own = f"Re-run with other seeds, {first} shares {alone[0]} of {view.n} with itself and {second} {alone[1]}"
    shaky = [title for title, floor in zip((first, second), floors, strict=True) if floor < MOSTLY_CHANCE]
    chance = f" Most of {' and '.join(shaky)}'s own list is chance here." if shaky else ""
    return f"{words} {own}: {MEANINGS[view.verdict]}{chance}"


def _table(
    artifacts: ArtifactSet,
    model: str,
    item_row: int,
    own: npt.NDArray[np.int32],
    other: npt.NDArray[np.int32],
    replicates: list[npt.NDArray[np.int32]],
    n: int,
) -> pd.DataFrame:
    real = own >= 0
    rows = own[real]
    items = artifacts.catalogue.iloc[rows]
    return pd.DataFrame(
        {
            "rank": np.arange(1, len(rows) + 1),
            "item_row": rows,
            "item_id": items["item_id"].to_numpy(object),
            "name": items["name"].to_numpy(object),
            "similarity": artifacts.similarities(model)[item_row, :n][real].astype(float),
            "stability": stabilities(rows, [each[0] for each in replicates], n),
            "listeners": items["listeners"].to_numpy(),
            "popularity": items["popularity"].to_numpy(float),
            "shared": np.isin(rows, other),
        }
    )


def _verdict(
    overlap: float | None, floors: dict[str, float | None], p_value: float | None, n_replicates: int
) -> Verdict:
    if p_value is None or smallest_p_value(n_replicates) > REAL_BELOW:
        return "unknown"
    columns = {"overlap": overlap, "p_value": p_value, **{f"floor_{model}": floor for model, floor in floors.items()}}
    return "real" if is_real(pd.DataFrame([columns]))[0] else "noise"


def _known(value: npt.NDArray[np.float64]) -> float | None:
    return None if np.isnan(value[0]) else float(value[0])
