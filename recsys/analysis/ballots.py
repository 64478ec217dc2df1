"""The blind test: which items are asked about, and what the votes say, with how sure that is."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import ndtri

IntArray = npt.NDArray[np.integer[Any]]
FloatArray = npt.NDArray[np.floating[Any]]
THIRDS = ("head", "middle", "tail")
EQUAL, UNKNOWN = "equal", "unknown"
# Every second item is one of these, the same for everybody: else hardly two people would meet at an item.
PANEL = 30
MOST_ASKED = 300  # items a session
# More votes than this are not a plan but a way to say that the share is too near one half.
MOST_VOTES = 10_000
TAGS_OF_AN_ITEM = 3
_Z = float(ndtri(0.975))


@dataclass(frozen=True)
class Preference:
    """What was chosen of two.

    first, second, equal, unknown : votes. sessions : in which one of the two was chosen.
    effective : as many independent votes would say as much as those that chose one of the two.
    share : of `first` among the votes that chose one, NaN without any. low, high : its 95% interval.
    """

    first: int
    second: int
    equal: int
    unknown: int
    sessions: int
    effective: float
    share: float
    low: float
    high: float

    @property
    def deciding(self) -> int:
        """Votes that chose one of the two."""
        return self.first + self.second

    @property
    def decided(self) -> bool:
        """Whether the interval misses one half."""
        return self.low > 0.5 or self.high < 0.5

    @property
    def more(self) -> int | None:
        """Votes still to come until the interval misses one half, if everything stays as it is; 0 where it does.

        Of those votes, as many are undecided as so far, and they are as little independent. None where the share is so
        near one half that more than MOST_VOTES would be needed, or where nothing was chosen yet.
        """
        if self.decided:
            return 0
        needed = votes_needed(self.share)
        if needed is None:
            return None
        answers = self.deciding + self.equal + self.unknown
        more = math.ceil(round((needed / self.effective - 1) * answers, 6))
        return more if more <= MOST_VOTES else None


@dataclass(frozen=True)
class Concord:
    """Whether people agree. items : that two or more voted on. pairs : of votes on one item. agreeing : share of them.

    alpha : Krippendorff's, 1 for full agreement, 0 for chance; NaN where nobody could have disagreed.
    """

    items: int
    pairs: int
    agreeing: float
    alpha: float


def popularity_thirds(listeners: IntArray) -> npt.NDArray[np.int64]:
    """0, 1 or 2, an index of THIRDS, for each item: each third holds a third of all pairs of a listener and an item.

    listeners : of each item, most first, (n_items,).
    """
    counts = np.asarray(listeners, np.int64)
    thirds: npt.NDArray[np.int64] = 3 * (np.cumsum(counts) - counts) // counts.sum()
    return thirds


def items_to_ask(third: IntArray, overlap: FloatArray, fingerprint: str, session: str) -> list[int]:
    """Item rows in the order in which a session is asked about them, at most MOST_ASKED.

    The thirds of popularity come equally often, and in each the items whose lists differ come first. Every second item
    is from a panel of PANEL items that all sessions share. The same session is asked the same.

    third : see `popularity_thirds`, (n_items,). overlap : of the two lists, NaN where there is none, (n_items,).
    fingerprint, session : hexadecimal; of the artifact set, and of the visit.
    """
    rng = np.random.default_rng(int(session, 16))
    panel = rng.permutation(_drawn(third, overlap, np.random.default_rng(int(fingerprint, 16)))[:PANEL])
    others = np.where(np.isin(np.arange(len(overlap)), panel), np.nan, overlap)
    own = _drawn(third, others, rng)[: MOST_ASKED - len(panel)]
    both = min(len(panel), len(own))
    alternating = np.stack([panel[:both], own[:both]], axis=1).ravel()
    return [int(row) for row in (*alternating, *panel[both:], *own[both:])]


def _drawn(third: IntArray, overlap: FloatArray, rng: np.random.Generator) -> IntArray:
    """All items that can be asked about, at random, the thirds in turn."""
    rows, turns = [], []
    for each in range(len(THIRDS)):
        here = rng.permutation(np.flatnonzero((third == each) & ~np.isnan(overlap)))
        rows.append(here[np.argsort(overlap[here] == 1, kind="stable")])
        turns.append(np.arange(len(here)))
    drawn = np.concatenate(rows)
    order: IntArray = drawn[np.lexsort((rng.random(len(drawn)), np.concatenate(turns)))]
    return order


def counted(votes: pd.DataFrame, models: tuple[str, str], n: int) -> pd.DataFrame:
    """The votes that count: about lists of these models of length n, given before the voter saw the tally.

    votes : left_model, right_model, n, answer (left, right, equal, unknown), looked, and others, one row a vote.

    Returns
    -------
    Those rows, with choice: the model whose list was called better, else EQUAL or UNKNOWN.
    """
    asked = pd.DataFrame({side: votes[f"{side}_model"].isin(models) for side in ("left", "right")}).all(axis=1)
    kept = votes[asked & (votes["n"] == n) & ~votes["looked"].astype(bool)]
    choice = kept["answer"].mask(kept["answer"] == "left", kept["left_model"])
    return kept.assign(choice=choice.mask(kept["answer"] == "right", kept["right_model"]))


def preference(votes: pd.DataFrame, first: str, second: str, column: str = "choice") -> Preference:
    """How often `first` was chosen rather than `second`.

    Equal and unknown are counted, and left out of the share, as a sign test leaves out ties: they say that there is
    little to choose, not which to choose. The interval is Wilson's, at the number of independent votes that would vary
    as much: votes of one person are alike, and so are votes on one item.

    votes : item_id, session and `column`, one row a vote.

    Source: Wilson (1927); Dixon & Mood (1946) for ties; Korn & Graubard (1998) for the number of votes that counts;
    Cameron, Gelbach & Miller (2011) for two kinds of clusters.
    """
    answers = votes[column].value_counts()
    chosen = votes[votes[column].isin((first, second))]
    right = np.asarray(chosen[column] == first, np.float64)
    wins, n = float(right.sum()), len(right)
    effective = n / _design_effect(right, chosen["item_id"], chosen["session"])
    share = wins / n if n else math.nan
    low, high = wilson(share * effective if n else 0.0, effective)
    equal, unknown = (int(answers.get(each, 0)) for each in (EQUAL, UNKNOWN))
    return Preference(
        first=int(wins),
        second=int(n - wins),
        equal=equal,
        unknown=unknown,
        sessions=chosen["session"].nunique(),
        effective=effective,
        share=share,
        low=low,
        high=high,
    )


def _design_effect(right: FloatArray, item: pd.Series, session: pd.Series) -> float:
    """How many votes, alike as they are, say as much as one that stands alone; at least 1."""
    n = len(right)
    if n == 0:
        return 1.0
    # Around Wilson's midpoint: around the share itself, votes that all agree would seem to stand alone.
    off = pd.Series(right - (right.sum() + _Z**2 / 2) / (n + _Z**2), index=item.index)
    by_item, by_session, by_both = (
        float((off.groupby(by).sum() ** 2).sum()) for by in (item, session, [item, session])
    )
    return max(1.0, (by_item + by_session - by_both) / float((off**2).sum()))


def wilson(wins: float, votes: float) -> tuple[float, float]:
    """The 95% score interval of a share; all of [0, 1] without votes.

    Examples
    --------
    >>> [round(end, 3) for end in wilson(8, 10)]
    [0.49, 0.943]

    Source: Wilson (1927), Probable inference, the law of succession, and statistical inference.
    """
    if votes == 0:
        return 0.0, 1.0
    share, square = wins / votes, _Z**2 / votes
    middle = (share + square / 2) / (1 + square)
    reach = math.sqrt(share * (1 - share) * square + square**2 / 4) / (1 + square)
    return max(0.0, middle - reach), min(1.0, middle + reach)


def votes_needed(share: float) -> int | None:
    """Independent votes from which on Wilson's interval of this share misses one half; None where it never does.

    The interval holds one half as long as |share − ½| ≤ z / (2 √votes).
    """
    away = abs(share - 0.5)
    return None if math.isnan(away) or away == 0 else math.floor(_Z**2 / (4 * away**2)) + 1


def by_group(
    votes: pd.DataFrame, groups: pd.Series, first: str, second: str, limit: int | None = None
) -> dict[str, Preference]:
    """Preferences in groups of items, by their names; those with most votes, in the order of votes, where limited.

    groups : by item id the name of its group, or a list of names; items without one are in none.
    """
    grouped = votes.assign(group=votes["item_id"].map(groups)).explode("group").dropna(subset="group")
    names = grouped["group"].value_counts().index[:limit]
    of = grouped[grouped["group"].isin(names)].groupby("group")
    return {str(name): preference(of.get_group(name), first, second) for name in names}


def concord(votes: pd.DataFrame) -> Concord:
    """Whether people who were asked about the same item chose alike, "can't tell" left out.

    votes : item_id and choice, one row a vote.

    Source: Krippendorff (2011), Computing Krippendorff's alpha-reliability, section C (nominal data, any number of
    observers, missing data).
    """
    known = votes[votes["choice"] != UNKNOWN]
    table = pd.crosstab(known["item_id"], known["choice"]).to_numpy(np.float64)
    each = table.sum(axis=1)
    table, each = table[each > 1], each[each > 1]
    if not len(table):
        return Concord(items=0, pairs=0, agreeing=math.nan, alpha=math.nan)
    alike = (table * (table - 1)).sum(axis=1)
    pairs = float((each * (each - 1)).sum())
    total, by_choice = each.sum(), table.sum(axis=0)
    observed = total - (alike / (each - 1)).sum()
    expected = (total**2 - (by_choice**2).sum()) / (total - 1)
    return Concord(
        items=len(table),
        pairs=int(pairs // 2),
        agreeing=float(alike.sum() / pairs),
        alpha=float(1 - observed / expected) if expected else math.nan,
    )


def verdict(found: Preference, first: str, second: str) -> str:
    """What the votes say, in a sentence or two. first, second : the models' names for people."""
    if not found.deciding:
        return "No vote prefers one list yet."
    ahead, share, votes = first, found.share, found.first
    low, high = found.low, found.high
    if share < 0.5:
        ahead, share, votes, low, high = second, 1 - share, found.second, 1 - high, 1 - low
    if found.deciding == 1:
        return f"The only vote that prefers one list prefers {ahead}'s."
    counts = f"Of {found.deciding:,} votes that prefer one list, {votes:,} prefer {ahead}'s"
    words = f"{counts} ({share:.0%}, 95% interval {low:.0%} to {high:.0%}): "
    if found.sessions == 1:
        return f"{words}all from one visit, so this is one person's taste."
    if found.decided:
        return f"{words}that is more than chance."
    if found.more is None:
        return f"{words}too near one half to be decided by votes."
    return f"{words}not decided. At this share it takes about {found.more:,} more votes."
