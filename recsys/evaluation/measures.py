"""Every measure of every list that a model makes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from recsys.analysis.agreement import popularity_percentiles
from recsys.analysis.beyond_accuracy import (
    coverage,
    gini,
    intra_list_similarity,
    mean_over_list,
    novelties,
    own_tags,
)
from recsys.analysis.evaluation import TopLists, accuracy, share_with_tag, top_tags
from recsys.analysis.stability import noise_floors
from recsys.evaluation.split import Split

FloatArray = npt.NDArray[np.float64]
LISTENER_ACCURACY = ("ndcg", "recall", "hr", "map", "mrr")
# Of a single right item, recall is the hit rate and average precision the reciprocal rank.
QUEUE_ACCURACY = ("ndcg", "hr", "mrr", "ndcg_new", "hr_new", "mrr_new")
DECISIVE = "ndcg"  # what verdicts go by
POPULARITY_THIRDS = ("head", "middle", "tail")
ACTIVITY_THIRDS = ("few items", "some items", "many items")


@dataclass(frozen=True)
class Values:
    """What was measured of one model.

    by_measure : of each list, mean over fits, (n_lists,), NaN where there is none; recall_head, recall_middle and
        recall_tail are recalls of what was held out of a third of `Ground.item_third`.
    by_fit : of each fit, the mean over lists of those measures of accuracy that any list has.
    coverage, gini, tied : means over fits.
    """

    by_measure: dict[str, FloatArray]
    by_fit: dict[str, FloatArray]
    coverage: float
    gini: float
    tied: float


@dataclass(frozen=True)
class Ground:
    """What the measuring of all models has in common.

    item_third : 0 for the most popular items, which hold a third of the pairs in training, to 2, (n_columns of what is
        held out,). activity : items that each list's listener has in training, (n_lists,).
    """

    split: Split
    n: int
    item_third: npt.NDArray[np.int64]
    activity: npt.NDArray[np.int64]
    percentiles: npt.NDArray[np.floating[Any]]
    novelties: FloatArray
    has_tag: sp.csr_matrix
    own_tags: sp.csr_matrix

    @classmethod
    def of(cls, split: Split, n: int) -> Ground:
        catalogue, n_columns = split.train.catalogue, split.held_out.shape[1]
        listeners = catalogue["listeners"].to_numpy(np.int64)
        before = np.cumsum(listeners) - listeners
        third = np.full(n_columns, 2)
        third[: len(listeners)] = 3 * before // listeners.sum()
        has_tag = top_tags(catalogue["tags"].tolist())
        return cls(
            split=split,
            n=n,
            item_third=third,
            activity=np.diff(split.train.user_items.indptr)[split.listeners].astype(np.int64),
            percentiles=popularity_percentiles(listeners),
            novelties=novelties(listeners, split.train.n_users),
            has_tag=has_tag,
            own_tags=own_tags(split.known, has_tag),
        )

    @property
    def accuracy(self) -> tuple[str, ...]:
        """The measures of accuracy that this split has."""
        return LISTENER_ACCURACY if self.split.queues is None else QUEUE_ACCURACY


def measure(fits: Sequence[TopLists], ground: Ground) -> Values:
    """Every measure of the lists of one model, from each of its fits."""
    n_items = ground.split.train.n_items
    each = [_of_one_fit(lists.items, ground) for lists in fits]
    by_measure: dict[str, FloatArray] = {name: np.mean([one[name] for one in each], axis=0) for name in each[0]}
    by_measure["stability"] = (
        noise_floors([lists.items for lists in fits], ground.n)
        if len(fits) > 1
        else np.full(len(ground.activity), np.nan)
    )
    known = [name for name in ground.accuracy if not np.isnan(each[0][name]).all()]
    return Values(
        by_measure=by_measure,
        by_fit={name: np.array([one[name][~np.isnan(one[name])].mean() for one in each]) for name in known},
        coverage=float(np.mean([coverage(lists.items, n_items) for lists in fits])),
        gini=float(np.mean([gini(lists.items, n_items) for lists in fits])),
        tied=float(np.mean([lists.tied.mean() for lists in fits])),
    )


def _of_one_fit(items: npt.NDArray[np.int32], ground: Ground) -> dict[str, FloatArray]:
    split = ground.split
    found = accuracy(items, split.held_out, ground.n)
    values = {name: getattr(found, name) for name in LISTENER_ACCURACY}
    if split.queues is not None:
        single = {name: values[name] for name in ("ndcg", "hr", "mrr")}
        values = {name: np.where(split.repeats, 1.0, each) for name, each in single.items()}
        values |= {f"{name}_new": np.where(split.repeats, np.nan, each) for name, each in single.items()}
    return {
        **values,
        **_recalls_by_third(items, ground),
        "popularity": mean_over_list(ground.percentiles, items),
        "novelty": mean_over_list(ground.novelties, items),
        "intra_list_similarity": intra_list_similarity(split.train.user_items, items),
        "tag_share": share_with_tag(ground.own_tags, ground.has_tag, items),
    }


def _recalls_by_third(items: npt.NDArray[np.int32], ground: Ground) -> dict[str, FloatArray]:
    """Recall of the held-out items of each third of popularity, NaN for lists without any."""
    held = ground.split.held_out
    row = np.repeat(np.arange(held.shape[0]), np.diff(held.indptr))
    hit = (items[row] == held.indices[:, None]).any(axis=1) | ground.split.repeats[row]
    result = {}
    for third, name in enumerate(POPULARITY_THIRDS):
        here = ground.item_third[held.indices] == third
        asked, hits = (np.bincount(row[which], minlength=held.shape[0]) for which in (here, here & hit))
        result[f"recall_{name}"] = np.divide(hits, asked, out=np.full(held.shape[0], np.nan), where=asked > 0)
    return result
