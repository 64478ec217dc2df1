"""What a listening log holds before any training: size, order, long tail, and which models it can feed."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from recsys.errors import InputError
from recsys.interactions.log import Interactions
from recsys.plural import counted

# Rules of thumb. HetRec (1,892 listeners, 49 items each) is well above them; one person's export is below.
FEWEST_LISTENERS = 100
FEWEST_ITEMS_EACH = 3
FEWEST_PLAYS_AN_ITEM = 10
HEAD_SHARE = 0.01

Verdict = Literal["well", "as sets", "poorly", "not at all"]


@dataclass(frozen=True)
class Spread:
    """How many of something there are for each: median, 95th percentile, most."""

    median: float
    p95: float
    most: int

    @classmethod
    def of(cls, counts: npt.NDArray[np.integer[Any]]) -> Spread:
        return cls(float(np.median(counts)), float(np.percentile(counts, 95)), int(counts.max()))


@dataclass(frozen=True)
class Feed:
    """Whether a model can learn from the log, and why."""

    verdict: Verdict
    why: str


@dataclass(frozen=True)
class Profile:
    """A log in numbers.

    density : share of all pairs of listener and item that occur.
    first, last : the earliest and latest play, ISO 8601; None where no times are known.
    kept_items : how many items have at least `min_listeners` listeners, so that a build would keep them;
        `kept_plays` is their share of all plays.
    single_listener_items : share of items that one person alone played.
    head_plays : share of plays that the most played 1% of the items have.
    single_play_queues : share of queues with one play, from which no model learns an order.
    """

    rows: int
    rows_used: int
    listeners: int
    items: int
    pairs: int
    plays: float
    density: float
    first: str | None
    last: str | None
    items_a_listener: Spread
    listeners_an_item: Spread
    min_listeners: int
    kept_items: int
    kept_plays: float
    single_listener_items: float
    head_plays: float
    queues: int
    queues_ordered: bool
    queue_length: Spread
    single_play_queues: float
    als: Feed
    word2vec: Feed
    bad_rows: dict[str, int]
    bad_examples: dict[str, list[str]]
    notes: list[str]

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def profile(log: Interactions, min_listeners: int) -> Profile:
    """Look at a log as its reader gave it, nothing filtered out.

    min_listeners : the bound that a build would use, >= 1.

    Raises
    ------
    ParameterError : min_listeners < 1.
    """
    try:
        kept: Interactions | None = log.with_min_listeners(min_listeners)
    except InputError:
        kept = None  # fewer than two items would be left
    matrix, listeners = log.user_items, log.catalogue["listeners"].to_numpy()
    plays = np.sort(log.catalogue["plays"].to_numpy())[::-1]
    lengths = log.queue_lengths
    times = log.report.times
    head = max(1, round(HEAD_SHARE * len(plays)))
    return Profile(
        rows=log.report.rows,
        rows_used=log.report.rows - log.report.bad.total(),
        listeners=log.n_users,
        items=log.n_items,
        pairs=int(matrix.nnz),
        plays=float(plays.sum()),
        density=matrix.nnz / (log.n_users * log.n_items),
        first=None if times is None else _iso(times[0]),
        last=None if times is None else _iso(times[1]),
        items_a_listener=Spread.of(np.diff(matrix.indptr)),
        listeners_an_item=Spread.of(listeners),
        min_listeners=min_listeners,
        kept_items=int((listeners >= min_listeners).sum()),
        kept_plays=float(log.catalogue["plays"].to_numpy()[listeners >= min_listeners].sum() / plays.sum()),
        single_listener_items=float((listeners == 1).mean()),
        head_plays=float(plays[:head].sum() / plays.sum()),
        queues=len(lengths),
        queues_ordered=log.played is not None,
        queue_length=Spread.of(lengths),
        single_play_queues=float((lengths == 1).mean()),
        als=_als(kept, min_listeners),
        word2vec=_word2vec(kept, min_listeners),
        bad_rows=dict(log.report.bad.most_common()),
        bad_examples=dict(log.report.examples),
        notes=log.report.remarks(),
    )


def _als(kept: Interactions | None, min_listeners: int) -> Feed:
    """ALS learns from listeners who share items."""
    if kept is None:
        return _nothing_left(min_listeners)
    each = np.diff(kept.user_items.indptr)
    sharing = int((each >= 2).sum())
    facts = (
        f"{counted(sharing, 'listener')} with two or more of the {kept.n_items:,} items that have "
        f"{counted(min_listeners, 'listener')}, {np.median(each):g} at the median"
    )
    if sharing == 0:
        return Feed("not at all", f"nobody has two of the {kept.n_items:,} items, so no two items are ever compared")
    if sharing < FEWEST_LISTENERS:
        return Feed(
            "poorly", f"{facts}; under {FEWEST_LISTENERS} the lists say more about these people than about music"
        )
    if np.median(each) < FEWEST_ITEMS_EACH:
        return Feed("poorly", f"{facts}; under {FEWEST_ITEMS_EACH} there is little to tell items apart by")
    return Feed("well", facts)


def _word2vec(kept: Interactions | None, min_listeners: int) -> Feed:
    """Word2vec learns from items that stand in one queue."""
    if kept is None:
        return _nothing_left(min_listeners)
    lengths = kept.queue_lengths
    usable = lengths[lengths >= 2]
    if not len(usable):
        return Feed("not at all", "no queue holds two plays, so nothing is ever played beside anything")
    each = usable.sum() / kept.n_items
    facts = (
        f"{counted(len(usable), 'queue')} of two plays or more, {np.median(usable):g} at the median, "
        f"{counted(each, 'play')} an item"
    )
    if each < FEWEST_PLAYS_AN_ITEM:
        return Feed("poorly", f"{facts}; under {FEWEST_PLAYS_AN_ITEM} the vectors stay close to their random start")
    if kept.played is None:
        return Feed(
            "as sets",
            f"{facts}; no order is known, so a listener's whole set is one queue, and what is played after what "
            f"cannot be learned",
        )
    return Feed("well", f"{facts}, in the order they were played")


def _nothing_left(min_listeners: int) -> Feed:
    return Feed("not at all", f"fewer than two items have {counted(min_listeners, 'listener')}; try --min-listeners 1")


def _iso(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()
