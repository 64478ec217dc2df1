"""What an evaluation found, as it is kept in evaluation.json: typed, one entry a protocol."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from recsys.artifacts.manifest import Digest, Share, Strict
from recsys.plural import counted

Protocol = Literal["holdout", "leave-last-out", "next-event"]


class Figure(Strict):
    """A mean over lists with its 95% interval, bootstrapped over listeners; None where it is not known."""

    mean: float | None
    low: float | None
    high: float | None


class Measured(Strict):
    """One model or baseline.

    params : as fitted. replicates : fits that the figures are means over; 1 for what has nothing random.
    items_missing : items of the training catalogue that the first fit knows nothing of and never recommends.
    figures : by measure. Of accuracy: ndcg, recall, hr, map, mrr, see `analysis.evaluation.Accuracy`; for next events
        ndcg, hr, mrr, with an item that repeats the one before it counted as right, as the paper counts it, and
        ndcg_new, hr_new, mrr_new without those. Beyond accuracy, see `analysis.beyond_accuracy`: popularity (mean
        percentile of what is recommended), novelty (bits), intra_list_similarity, tag_share, and stability, the mean
        overlap@n of two fits' lists for one listener. What is not known of anybody is left out.
    between_fits : by measure, the standard deviation of the mean from one fit to the next; empty with one fit.
    coverage : share of the catalogue in anybody's list. gini : see `analysis.beyond_accuracy.gini`.
    tied : share of the lists whose last place could as well have gone to another item.
    below : baselines that are ahead in nDCG, told apart. not_above : other baselines that it cannot be told from.
    """

    title: str
    baseline: bool
    params: dict[str, Any]
    replicates: int = Field(ge=1)
    items_missing: int = Field(ge=0)
    figures: dict[str, Figure]
    between_fits: dict[str, float]
    coverage: Share
    gini: Share
    tied: Share
    below: list[str]
    not_above: list[str]


class Difference(Strict):
    """By how much `left` is ahead of `right` on the same listeners.

    by_seeds : standard error of the difference from one set of fits to the next; 0 where nothing is random, None where
        a model was fitted once. told_apart : the interval misses zero, and the difference is at least twice by_seeds.
    """

    left: str
    right: str
    measure: str
    difference: Figure
    by_seeds: float | None
    told_apart: bool


class Segment(Strict):
    """The same measure on a part of what was asked.

    by : "popularity", of the held-out items, in thirds of all pairs in training; or "activity", of the listeners, in
        thirds of them by the items they have in training.
    lowest, highest : listeners of an item (0 where items outside the training catalogue are among them), or items of a
        listener, in training. lists : that have a value here.
    figures : by model; recall for popularity, ndcg for activity.
    """

    by: Literal["popularity", "activity"]
    name: str
    lowest: int
    highest: int
    lists: int
    measure: str
    figures: dict[str, Figure]


class Findings(Strict):
    """One protocol's results in numbers.

    n : length of the lists. held_out : share of each listener's items; None where one item is held out of each.
    seed, split : what made the split, and the digest of what it held out and whom it asks.
    min_listeners : that an item in the catalogue has in training. items, pairs : learnt from.
    listeners, lists : asked; one list a listener, or for next events a queue. held_out_pairs : asked for.
    unreachable : of those, how many are of items outside the training catalogue; misses for everybody.
    repeats, returns : lists whose right item is the one it is asked from, or was played earlier in the queue.
    ordered : whether the queues are in the order of play. models : models first, then baselines.
    """

    protocol: Protocol
    n: int = Field(ge=1)
    held_out: float | None
    seed: int = Field(ge=0)
    split: Digest
    min_listeners: int = Field(ge=1)
    items: int = Field(ge=2)
    pairs: int = Field(ge=1)
    listeners: int = Field(ge=1)
    lists: int = Field(ge=2)
    held_out_pairs: int = Field(ge=1)
    unreachable: int = Field(ge=0)
    repeats: int = Field(ge=0)
    returns: int = Field(ge=0)
    ordered: bool
    models: dict[str, Measured]
    differences: list[Difference]
    segments: list[Segment]

    @property
    def held_out_words(self) -> str:
        """What the fits never saw, to go on with after "held out were"."""
        return {
            "holdout": f"of {counted(self.listeners, 'listener')} {self.held_out or 0:.0%} of the items",
            "leave-last-out": f"of {counted(self.listeners, 'listener')} the item that they came to last",
            "next-event": f"of {counted(self.lists, 'queue')} the last item, asked for from the one before it",
        }[self.protocol]


class Evaluated(Findings):
    """One protocol's results. verdict : in one sentence. distrust : what speaks against them, a sentence each."""

    verdict: str
    distrust: list[str]


class Evaluations(Strict):
    """evaluation.json: by protocol."""

    protocols: dict[Protocol, Evaluated]
