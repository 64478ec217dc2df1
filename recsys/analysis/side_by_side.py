"""One item, both models' neighbours, and how much of the difference is noise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import isfinite
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from recsys.analysis.agreement import REAL_BELOW, is_real
from recsys.analysis.compare import jaccards_at_n, overlaps_at_n, rank_biased_overlaps, rank_moves
from recsys.analysis.stability import noise_floors, separations, smallest_p_value, stabilities
from recsys.artifacts.store import ArtifactSet, Pair
from recsys.errors import ParameterError

Verdict = Literal["real", "noise", "unknown"]
# A list that shares less than this with itself under other seeds says more of the seed than of the item.
MOSTLY_CHANCE = 0.5
EVERY_POPULARITY = (0.0, 100.0)
MEANINGS: dict[Verdict, str] = {
    "real": "this is a real difference.",
    "noise": "no difference can be told from noise.",
    "unknown": "too few replicates to tell whether that is a real difference (build with 4).",
}


@dataclass(frozen=True)
class Lists:
    """One item's neighbours as one model sees them: of the consensus, of each fit alone, of both halves of the fits.

    rows, similarities : (1, n), best first, -1 where the list has ended. replicates, halves : rows, (1, n) each; none
    with one fit.
    """

    rows: npt.NDArray[np.int32]
    similarities: npt.NDArray[np.float32]
    replicates: list[npt.NDArray[np.int32]]
    halves: list[npt.NDArray[np.int32]]


@dataclass(frozen=True)
class SideBySide:
    """What two models say of one item.

    item_row, item_id, name, listeners : the item asked about.
    n : length compared.
    titles, n_replicates : by model, its name for people and how many fits it rests on.
    lists : by model a table of at most n rows, best first: rank, item_row, item_id, name, similarity (cosine),
        stability (share of replicates with it in their top n; NaN with one replicate), listeners, popularity
        (percentile), shared (stands in the other list too), move (places it climbs from this list to the other; NaN
        where it is not there). Empty where the model lacks the item.
    overlap, jaccard, rbo : agreement of the two lists, in [0, 1]; None where a model lacks the item.
    popularity : percentiles between which neighbours were looked for, (0, 100) for all.
    noise_floor : by model, overlap@n of the consensus with itself under other seeds; None where not known.
    p_value : how often relabelled replicates would look as different; None where not known.
    verdict : "real" where the models differ by more than each differs from itself, "noise" where that cannot be
        shown, "unknown" where there are too few replicates to tell.
    places : which of the set's models the two are, from 0: what each is drawn as everywhere.
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
    jaccard: float | None
    rbo: float | None
    noise_floor: dict[str, float | None]
    p_value: float | None
    verdict: Verdict
    popularity: tuple[float, float] = EVERY_POPULARITY
    places: tuple[int, int] = (0, 1)

    @property
    def n_shared(self) -> int:
        """How many items stand in both lists."""
        return int(next(iter(self.lists.values()))["shared"].sum())

    @property
    def length(self) -> int:
        """How long the longer list is: n, unless too few items are left to show."""
        return max(len(table) for table in self.lists.values())

    def neighbour_rows(self) -> list[int]:
        """The items in either list, each once: the first list's, then what only the second has."""
        return list(dict.fromkeys(int(row) for table in self.lists.values() for row in table["item_row"]))

    def as_table(self) -> pd.DataFrame:
        """Both lists one below the other with what belongs to the whole in every row, to hand on as one file."""
        parts = [
            table.drop(columns="item_row").assign(model=model, noise_floor=self.noise_floor[model])
            for model, table in self.lists.items()
        ]
        table = pd.concat(parts, ignore_index=True).assign(
            query_id=self.item_id, query=self.name, n=self.n, popularity_from=self.popularity[0],
            popularity_to=self.popularity[1], overlap=self.overlap, jaccard=self.jaccard,
            rbo=self.rbo, p_value=self.p_value, verdict=self.verdict,
        )  # fmt: skip
        first = ["query_id", "query", "model", "rank", "item_id", "name"]
        return table[[*first, *(column for column in table if column not in first)]]

    def as_json(self) -> dict[str, Any]:
        """The lists and what was measured of them; None where something is not known."""
        shown = ["rank", "item_id", "name", "similarity", "stability", "listeners", "popularity", "shared", "move"]
        return {
            "item": {"item_id": self.item_id, "name": self.name, "listeners": self.listeners},
            "n": self.n,
            "popularity": list(self.popularity),
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
            "jaccard": self.jaccard,
            "rbo": self.rbo,
            "noise_floor": self.noise_floor,
            "p_value": self.p_value,
            "verdict": self.verdict,
        }


def compare_neighbours(
    artifacts: ArtifactSet,
    item_row: int,
    *,
    n: int,
    popularity: tuple[float, float] = EVERY_POPULARITY,
    pair: Pair | None = None,
) -> SideBySide:
    """Both models' n nearest items of one item, from the stored graphs, with the noise beside the difference.

    pair : which two models; None for those of the build.
    popularity : lowest and highest percentile of the neighbours, [0, 100]. What lies outside leaves every list, those
        of the replicates too; nothing is ranked anew. Lists are then looked through as deep as replicates are stored,
        and may end before n.

    Raises
    ------
    ParameterError : n outside 1 … the set's replicate depth, no such row, or percentiles out of order.
    """
    models = pair or artifacts.pair
    lists = {model: stored_lists(artifacts, model, item_row, n=n, popularity=popularity) for model in models}
    titles = {model: artifacts.titles[model] for model in models}
    view = compare_lists(artifacts.catalogue, item_row, lists, n=n, titles=titles, popularity=popularity)
    return replace(view, places=artifacts.places(models))


def stored_lists(
    artifacts: ArtifactSet,
    model: str,
    item_row: int,
    *,
    n: int,
    popularity: tuple[float, float] = EVERY_POPULARITY,
) -> Lists:
    """One item's neighbours by one model of an artifact set; parameters and errors as of `compare_neighbours`."""
    manifest = artifacts.manifest
    if not 1 <= n <= manifest.replicate_depth:
        raise ParameterError(f"n is {n}; this artifact set holds comparable lists of 1 to {manifest.replicate_depth}")
    if not 0 <= item_row < manifest.counts.items:
        raise ParameterError(f"there is no item row {item_row}; rows go from 0 to {manifest.counts.items - 1}")
    low, high = popularity
    if not 0 <= low <= high <= 100:
        raise ParameterError(f"popularity is {low:g} to {high:g}; it must rise from 0 at least to 100 at most")
    percentile = artifacts.catalogue["popularity"].to_numpy()

    def wanted(rows: npt.NDArray[np.int32]) -> npt.NDArray[np.intp]:
        """Where in a stored list the n first are that may be shown."""
        if popularity == EVERY_POPULARITY:
            return np.arange(n)
        rows = rows[: manifest.replicate_depth]
        artifacts.check_rows(rows)
        here = percentile[rows]
        return np.flatnonzero((rows >= 0) & (here >= low) & (here <= high))[:n]

    def shown(stored: npt.NDArray[np.int32], values: npt.NDArray[Any] | None = None) -> npt.NDArray[Any]:
        """One list, (1, n): rows, or another array's values of those; filled up with -1."""
        found = (stored if values is None else values)[item_row][wanted(stored[item_row])]
        return np.pad(found, (0, n - len(found)), constant_values=-1)[None]

    stored = artifacts.neighbours(model)
    found = Lists(
        rows=shown(stored),
        similarities=shown(stored, artifacts.similarities(model)),
        replicates=[shown(each) for each in artifacts.replicate_neighbours(model)],
        halves=[shown(each) for each in artifacts.half_neighbours(model)],
    )
    artifacts.check_rows(found.rows)
    return found


def compare_lists(
    catalogue: pd.DataFrame,
    item_row: int,
    lists: Mapping[str, Lists],
    *,
    n: int,
    titles: dict[str, str],
    popularity: tuple[float, float] = EVERY_POPULARITY,
) -> SideBySide:
    """Two lists of one item's neighbours, by the name of where they come from, with the noise beside the difference.

    catalogue : of the artifact set. titles : by the same names, for people. popularity : what the lists were cut to.
    """
    first, second = lists
    left, right = lists.values()
    item = catalogue.iloc[item_row]
    p_value = (
        _known(separations(left.replicates, right.replicates, n)) if left.replicates and right.replicates else None
    )
    overlap = _known(overlaps_at_n(left.rows, right.rows, n))
    floors = {name: _known(noise_floors(each.halves, n)) if each.halves else None for name, each in lists.items()}
    rbo = rank_biased_overlaps(left.rows, right.rows, left_scores=left.similarities, right_scores=right.similarities)
    return SideBySide(
        item_row=item_row,
        item_id=str(item["item_id"]),
        name=str(item["name"]),
        listeners=int(item["listeners"]),
        n=n,
        titles=titles,
        n_replicates={name: max(1, len(each.replicates)) for name, each in lists.items()},
        lists={first: _table(catalogue, left, right, n), second: _table(catalogue, right, left, n)},
        overlap=overlap,
        jaccard=_known(jaccards_at_n(left.rows, right.rows, n)),
        rbo=_known(rbo),
        noise_floor=floors,
        p_value=p_value,
        verdict=_verdict(overlap, floors, p_value, len(left.replicates)),
        popularity=popularity,
    )


def headline(view: SideBySide) -> str:
    """One or two sentences that say what to make of the two lists."""
    first, second = view.titles.values()
    lacking = [view.titles[model] for model, table in view.lists.items() if table.empty]
    where = ""
    if view.popularity != EVERY_POPULARITY:
        low, high = view.popularity
        where = f" among items of the {low:g} to {high:g} percentiles of popularity,"
    if lacking and where:
        return f"{view.name}:{where} {' and '.join(lacking)} has none near enough to be stored; widen the range."
    if lacking:
        return f"{view.name}: {' and '.join(lacking)} has no vector for it, so there is nothing to compare."
    of = view.length
    words = f"{view.name}:{where} the models share {view.n_shared} of {of}."
    if of < view.n:
        words += f" No more than {of} of those near enough to be stored lie there."
    floors = [floor for floor in view.noise_floor.values() if floor is not None]
    if len(floors) < 2:
        unknown = [view.titles[model] for model, floor in view.noise_floor.items() if floor is None]
        why = "this set was built with one replicate" if len(unknown) > 1 else f"{unknown[0]} has one replicate"
        return f"{words} How much of that is noise is not known: {why}."
    alone = [f"{floor * of:.0f}" for floor in floors]
    own = f"Re-run with other seeds, {first} shares {alone[0]} of {of} with itself and {second} {alone[1]}"
    shaky = [title for title, floor in zip((first, second), floors, strict=True) if floor < MOSTLY_CHANCE]
    chance = f" Most of {' and '.join(shaky)}'s own list is chance here." if shaky else ""
    return f"{words} {own}: {MEANINGS[view.verdict]}{chance}"


def why_this_verdict(view: SideBySide) -> str:
    """The rule behind a verdict, and what decided it here, in a sentence or two."""
    if view.p_value is None or view.overlap is None or view.verdict == "unknown":
        return ""
    first, second = view.titles.values()
    chance = f"of all ways to divide the {sum(view.n_replicates.values())} refits into two groups, {view.p_value:.0%}"
    rule = f"{chance} part them as far as {first} and {second} do"
    if view.verdict == "real":
        return f"Why real: {rule} (5% is the limit), and the overlap lies below what either shares with itself."
    floors = [floor for floor in view.noise_floor.values() if floor is not None]
    if view.overlap >= min(floors, default=0):
        return "Why not: the overlap does not lie below what each shares with itself."
    return f"Why not: {rule}; 5% is the limit."


def _table(catalogue: pd.DataFrame, own: Lists, other: Lists, n: int) -> pd.DataFrame:
    real = own.rows[0] >= 0
    rows = own.rows[0][real]
    items = catalogue.iloc[rows]
    moves = rank_moves(own.rows, other.rows)[0][real]
    return pd.DataFrame(
        {
            "rank": np.arange(1, len(rows) + 1),
            "item_row": rows,
            "item_id": items["item_id"].to_numpy(object),
            "name": items["name"].to_numpy(object),
            "similarity": own.similarities[0][real].astype(float),
            "stability": stabilities(rows, [each[0] for each in own.replicates], n),
            "listeners": items["listeners"].to_numpy(),
            "popularity": items["popularity"].to_numpy(float),
            "shared": ~np.isnan(moves),
            "move": moves,
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
