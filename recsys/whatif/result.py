"""What another K1 and B change for one item: the two lists side by side, and the words for them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from recsys.analysis.side_by_side import SideBySide, Verdict
from recsys.models.bm25 import LARGEST_K1

Mode = Literal["preview", "refine", "full"]
BASELINE, WHATIF = "baseline", "whatif"
MEANINGS: dict[Verdict, str] = {
    "real": "this is a real change.",
    "noise": "no change can be told from noise.",
    "unknown": "too few replicates to tell whether that is a real change (build with 4).",
}


@dataclass(frozen=True)
class WhatIf:
    """What another K1 and B change for one item.

    view : the baseline's list and the new one side by side, under the names "baseline" and "whatif"; its noise floors
        are the overlaps of each setting's two halves of fits.
    k1, b : asked about; baseline_k1, baseline_b : of the artifact set.
    seconds : that it took. computed : what was, in words. iterations : of ALS, 0 for a preview.
    weights : how many were looked at. clipped : how many of them would have been zero or less; None where that is not
        known, as of a full fit that was kept.
    """

    mode: Mode
    view: SideBySide
    k1: float
    b: float
    baseline_k1: float
    baseline_b: float
    seconds: float
    computed: str
    iterations: int
    clipped: int | None
    weights: int

    @property
    def is_unchanged(self) -> bool:
        """Whether K1 and B are those of the artifact set."""
        return (self.k1, self.b) == (self.baseline_k1, self.baseline_b)

    @property
    def entered(self) -> list[dict[str, Any]]:
        """Neighbours that the baseline does not have, best first."""
        return [row for row in self._rows(WHATIF) if not row["shared"]]

    @property
    def left(self) -> list[dict[str, Any]]:
        """Neighbours of the baseline that are gone, best first."""
        return [row for row in self._rows(BASELINE) if not row["shared"]]

    @property
    def moved(self) -> list[dict[str, Any]]:
        """Neighbours that stay at another rank, as they stand in the new list; "from" is the old rank."""
        return [
            {**row, "from": int(row["rank"] - row["move"]), "move": -int(row["move"])}
            for row in self._rows(WHATIF)
            if row["shared"] and row["move"]
        ]

    @property
    def noise_floor(self) -> float | None:
        """The lower of both settings' floors; None where one is not known."""
        floors = [floor for floor in self.view.noise_floor.values() if floor is not None]
        return min(floors) if len(floors) == 2 else None

    def as_json(self) -> dict[str, Any]:
        """The shape that `python -m recsys whatif --json` prints; None where something is not known."""
        view = self.view.as_json()
        shown = ("rank", "item_id", "name")
        return {
            "mode": self.mode,
            "seconds": round(self.seconds, 4),
            "item": view["item"],
            "n": view["n"],
            "k1": self.k1,
            "b": self.b,
            "baseline_k1": self.baseline_k1,
            "baseline_b": self.baseline_b,
            BASELINE: view[BASELINE],
            WHATIF: view[WHATIF],
            "entered": [{key: row[key] for key in shown} for row in self.entered],
            "left": [{key: row[key] for key in shown} for row in self.left],
            "moved": [{key: row[key] for key in (*shown, "from", "move")} for row in self.moved],
            "overlap": view["overlap"],
            "noise_floor": self.noise_floor,
            "noise_floors": view["noise_floor"],
            "rbo": view["rbo"],
            "p_value": view["p_value"],
            # A preview sees only part of the change, so it is no ground for a verdict.
            "verdict": view["verdict"] if self.mode != "preview" else "unknown",
            "computed": self.computed,
            "iterations": self.iterations,
            "weights": self.weights,
            "weights_clipped": self.clipped,
        }

    def _rows(self, name: str) -> list[dict[str, Any]]:
        table = self.view.lists[name]
        return [{str(column): row[column] for column in row} for row in table.to_dict("records")]


def headline(found: WhatIf) -> str:
    """What to make of it, in one or two sentences. A preview has no verdict: it sees only part of the change."""
    view = found.view
    words = f"{view.name}: with {view.titles[WHATIF]}, {view.n_shared} of {view.length} neighbours stay"
    if found.mode == "preview":
        return f"{words} in this preview, which sees only part of the change."
    floors = [view.noise_floor[name] for name in (BASELINE, WHATIF)]
    if floors[0] is None or floors[1] is None:
        return f"{words}. How much of that is noise is not known: this set was built with one replicate."
    own = [f"{floor * view.length:.0f}" for floor in floors if floor is not None]
    return (
        f"{words}. Re-run with other seeds, {view.titles[BASELINE]} keeps {own[0]} of {view.length} "
        f"and {view.titles[WHATIF]} {own[1]}: {MEANINGS[view.verdict]}"
    )


def setting(k1: float, b: float) -> str:
    """K1 and B as people read them; the two ends of K1 by what they amount to."""
    if k1 == 0:
        return "listened or not"
    if k1 == LARGEST_K1:
        return f"plain counts, B {b:g}" if b else "plain counts"
    return f"K1 {k1:,.0f}, B {b:g}" if k1 >= 10_000 else f"K1 {k1:g}, B {b:g}"
