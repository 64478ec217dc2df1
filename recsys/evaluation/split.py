"""A log in two parts: what models may learn from, and what they are asked for. Nothing of the second reaches the first.

Which items a model may recommend, in which order ties fall and how popular an item is are all counted in training.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from recsys.analysis.evaluation import holdout
from recsys.errors import InputError
from recsys.interactions.log import Interactions, Queues

IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Split:
    """A log in two parts; a *list* is what is asked for, one a listener or, for next events, one a queue.

    train : only items with enough listeners in training, most of them first; all listeners keep their rows.
    held_out : CSR (n_lists, >= n_items) of what would be right; its columns go on with items outside the catalogue of
        `train`, which nobody can recommend.
    known : CSR (n_lists, n_items) of what a list is asked from, which it does not recommend again: all that the
        listener has in training, or the last item but one of the queue.
    listeners, queues : rows of whom or what each list is for, (n_lists,); queues is None where lists are listeners'.
    repeats : whether what is right repeats what the list is asked from, (n_lists,).
    returns : whether it was played earlier in the queue, but not directly before, (n_lists,).
    pairs : how many were held out in all, those that nobody is asked for included. digest : of all that was held out
        and of who is asked, 64 hex digits.
    """

    train: Interactions
    held_out: sp.csr_matrix
    known: sp.csr_matrix
    listeners: IntArray
    queues: IntArray | None
    repeats: BoolArray
    returns: BoolArray
    pairs: int
    digest: str

    @property
    def unreachable(self) -> int:
        """How many of the pairs asked for are of items outside the training catalogue: misses for every model."""
        return int((self.held_out.indices >= self.train.n_items).sum())


def hold_out(log: Interactions, share: float, min_listeners: int, most: int, rng: np.random.Generator) -> Split:
    """A random share of each listener's items leaves the counts and all queues; see `analysis.evaluation.holdout`.

    Parameters
    ----------
    min_listeners : items with fewer in training leave the catalogue. most : lists asked for, drawn by chance.

    Raises
    ------
    ParameterError : share outside its limits.
    InputError : nobody is left to be asked, or too little to learn from, or a queue's listener is not known.
    """
    parts = holdout(log.user_items, rng, share=share)
    played = None
    if log.played is not None:
        held = parts.held_out
        gone = _keys(np.repeat(np.arange(held.shape[0]), np.diff(held.indptr)), held.indices, log.n_items)
        played = _plays_only(log.played, ~np.isin(_play_keys(log), gone))
    return _listener_split(log, parts.train, played, parts.held_out, min_listeners, most, rng)


def leave_last_out(log: Interactions, min_listeners: int, most: int, rng: np.random.Generator) -> Split:
    """The item that each listener came to last leaves, and with it all that they played after they came to it.

    Listeners of a single item keep it. Parameters and errors as for `hold_out`; without an order InputError.
    """
    played = _ordered(log, "leave-last-out")
    listener = _listener_of_plays(log)
    _, first = np.unique(_play_keys(log), return_index=True)
    cut = np.zeros(log.n_users, np.int64)
    np.maximum.at(cut, listener[first], first)
    asked = np.flatnonzero(np.diff(log.user_items.indptr) > 1)
    held_out = _pairs(asked, played.items[cut[asked]], log.user_items.shape)
    cut[np.diff(log.user_items.indptr) == 1] = len(played.items)
    kept = np.arange(len(played.items)) < cut[listener]
    train = _counts(listener[kept], played.items[kept], log.user_items.shape)
    return _listener_split(log, train, _plays_only(played, kept), held_out, min_listeners, most, rng)


def next_event(log: Interactions, min_listeners: int, most: int, rng: np.random.Generator) -> Split:
    """The last play of each queue of two or more leaves; it is asked for from the play before it.

    An item outside the training catalogue that is held out is a miss for every model; queues whose last play but one
    is of such an item are not asked. Parameters and errors as for `hold_out`; without an order InputError.

    Source: Caselles-Dupré, Lesaint & Royo-Letelier (2018), Word2vec applied to Recommendation, section 4.1.
    """
    played = _ordered(log, "next-event")
    listener = _listener_of_plays(log)
    queue = np.flatnonzero(played.lengths >= 2)
    last = played.offsets[1:][queue] - 1
    kept = np.ones(len(played.items), bool)
    kept[last] = False
    train, row_of = _training(
        log, _counts(listener[kept], played.items[kept], log.user_items.shape), _plays_only(played, kept), min_listeners
    )
    right, query = played.items[last], played.items[last - 1]
    asked = _drawn(np.flatnonzero(row_of[query] < train.n_items), most, rng)
    in_queue = np.repeat(np.arange(len(played)), played.lengths)
    earlier = np.isin(_keys(queue, right, log.n_items), _keys(in_queue, played.items, log.n_items)[kept])
    lists, shape = np.arange(len(asked)), (len(asked), log.n_items)
    return Split(
        train=train,
        held_out=_pairs(lists, row_of[right[asked]], shape),
        known=_pairs(lists, row_of[query[asked]], (len(asked), train.n_items)),
        listeners=listener[last[asked]],
        queues=queue[asked],
        repeats=(right == query)[asked],
        returns=(earlier & (right != query))[asked],
        pairs=len(queue),
        digest=_digest(queue, right, queue[asked]),
    )


def _listener_split(
    log: Interactions,
    train: sp.csr_matrix,
    played: Queues | None,
    held_out: sp.csr_matrix,
    min_listeners: int,
    most: int,
    rng: np.random.Generator,
) -> Split:
    learnt, row_of = _training(log, train, played, min_listeners)
    listener = np.repeat(np.arange(held_out.shape[0]), np.diff(held_out.indptr))
    has_both = (np.diff(held_out.indptr) > 0) & (np.diff(learnt.user_items.indptr) > 0)
    asked = _drawn(np.flatnonzero(has_both), most, rng)
    return Split(
        train=learnt,
        held_out=_pairs(listener, row_of[held_out.indices], held_out.shape)[asked],
        known=learnt.user_items[asked],
        listeners=asked,
        queues=None,
        repeats=np.zeros(len(asked), bool),
        returns=np.zeros(len(asked), bool),
        pairs=held_out.nnz,
        digest=_digest(listener, held_out.indices, asked),
    )


def _training(
    log: Interactions, user_items: sp.csr_matrix, played: Queues | None, min_listeners: int
) -> tuple[Interactions, IntArray]:
    """What is learnt from, and for each item of the log its row there; items outside have rows after all of those."""
    listeners = np.bincount(user_items.indices, minlength=log.n_items)
    plays = np.bincount(user_items.indices, user_items.data, minlength=log.n_items)
    catalogue = log.catalogue.assign(listeners=listeners.astype(np.int32), plays=plays)
    by_listeners = catalogue.sort_values(["listeners", "plays", "item_id"], ascending=[False, False, True])
    order = by_listeners.index.to_numpy()
    n_items = int((listeners >= max(min_listeners, 1)).sum())
    if n_items < 2:
        raise InputError(
            f"{log.report.source}: {n_items} items have at least {min_listeners} listeners in training, and a list "
            f"needs two; pass a smaller --min-listeners, or bring more listening data"
        )
    row_of = np.empty(log.n_items, np.int64)
    row_of[order] = np.arange(log.n_items)
    in_catalogue = np.where(row_of < n_items, row_of, -1).astype(np.int32)
    matrix = sp.csr_matrix(user_items[:, order[:n_items]])
    matrix.sort_indices()
    train = replace(
        log,
        catalogue=by_listeners.head(n_items).reset_index(drop=True),
        user_items=matrix,
        played=None if played is None else played.only(in_catalogue),
    )
    return train, row_of


def _drawn(rows: npt.NDArray[np.integer[Any]], most: int, rng: np.random.Generator) -> IntArray:
    if len(rows) < 2:
        raise InputError(
            f"{len(rows)} of the listeners or queues can be asked for what was held out, and an interval needs two; "
            "bring more listening data, or a smaller --min-listeners"
        )
    return np.sort(rng.choice(rows, min(most, len(rows)), replace=False)).astype(np.int64)


def _ordered(log: Interactions, protocol: str) -> Queues:
    if log.played is None:
        raise InputError(
            f"{log.report.source}: no order of plays is known, and {protocol} asks for what came last; "
            "use --protocol holdout"
        )
    return log.played


def _listener_of_plays(log: Interactions) -> IntArray:
    """Whose each play is, (n_plays,): queues stand in the order of their listeners, who have as many plays in them."""
    queues = log.queues
    listener = np.repeat(np.arange(log.n_users), np.rint(np.asarray(log.user_items.sum(axis=1)).ravel()).astype(int))
    if len(listener) == len(queues.items):
        counts = _counts(listener, queues.items, log.user_items.shape)
        if (counts - log.user_items).count_nonzero() == 0:
            return listener
    raise InputError(
        f"{log.report.source}: the plays in queues are not those that are counted, so whose queue is whose is not "
        "known; leave out the column of play counts, or the times and use --protocol holdout"
    )


def _play_keys(log: Interactions) -> IntArray:
    return _keys(_listener_of_plays(log), log.queues.items, log.n_items)


def _keys(row: npt.NDArray[Any], item: npt.NDArray[Any], n_items: int) -> IntArray:
    result: IntArray = row.astype(np.int64) * n_items + item
    return result


def _plays_only(queues: Queues, kept: BoolArray) -> Queues:
    """The queues without some of their plays, kept bool (n_plays,); empty queues leave."""
    plays = replace(queues, items=np.arange(len(kept), dtype=np.int32))
    left = plays.only(np.where(kept, plays.items, -1).astype(np.int32))
    return replace(left, items=queues.items[left.items])


def _counts(listener: IntArray, item: npt.NDArray[Any], shape: tuple[int, int]) -> sp.csr_matrix:
    return sp.coo_matrix((np.ones(len(item), np.float32), (listener, item)), shape=shape).tocsr()


def _pairs(row: npt.NDArray[Any], item: npt.NDArray[Any], shape: tuple[int, int]) -> sp.csr_matrix:
    result = _counts(row, item, shape)
    result.sort_indices()
    return result


def _digest(row: npt.NDArray[Any], item: npt.NDArray[Any], asked: npt.NDArray[Any]) -> str:
    digest = hashlib.sha256()
    for part in (row, item, asked):
        digest.update(np.ascontiguousarray(part, "<i8").tobytes() + b"|")
    return digest.hexdigest()
