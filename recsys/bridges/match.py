"""Which items of a catalogue the rows of a foreign file are: by id, by MBID, or by name, never by a guess."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from recsys.listener.matching import Matcher

By = Literal["item_id", "mbid", "name"]
# A MusicBrainz id, alone or at the end of an address.
_MBID = re.compile(r"(?:.*[/:])?([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\Z", re.IGNORECASE)
EXAMPLES = 3


@dataclass(frozen=True)
class Found:
    """What rows of a file were taken for.

    row_of : int64 (n_items,), the file's row of each item, -1 where it has none.
    by : how many items were found by which reading. several : of those, by a name that several items have; the most
        played was taken. uncertain : labels that another reading takes for another item.
    doubled : rows of an item that has a surer or an earlier one. unmatched : labels that are no item.
    """

    row_of: npt.NDArray[np.int64]
    by: dict[By, int]
    several: int
    uncertain: int
    doubled: int
    unmatched: list[str]

    def words(self) -> list[str]:
        """What a person should know, a sentence each."""
        known = int((self.row_of >= 0).sum())
        said = {"item_id": "by id", "mbid": "by MBID", "name": "by name"}
        how = ", ".join(f"{count:,} {said[by]}" for by, count in self.by.items() if count)
        lines = [f"{known:,} of {len(self.row_of):,} items were found in the file ({how})"]
        if self.several:
            lines.append(f"{self.several:,} of them by a name that several items have: the most played was taken")
        if self.uncertain:
            lines.append(f"{self.uncertain:,} labels may mean another item, read as another kind of id: look at them")
        if self.doubled:
            lines.append(f"{self.doubled:,} rows are of an item that has one already, and were left out")
        if self.unmatched:
            shown = ", ".join(map(repr, self.unmatched[:EXAMPLES]))
            lines.append(f"{len(self.unmatched):,} rows are of no item of the set: {shown}, …")
        return lines


def match_labels(labels: Sequence[str], matcher: Matcher) -> Found:
    """The items that labels mean.

    A label may be an item's id, an MBID that is one (alone or in an address), or a name. Ids of one data set are
    numbers, and numbers are names too: what most labels of the file are is tried first for all of them. Words joined
    by underscores, as word2vec has them, are words.
    """
    kinds: tuple[By, ...] = get_args(By)
    readings = [{kind: _rows(label, kind, matcher) for kind in kinds} for label in labels]
    count = {kind: sum(bool(each[kind]) for each in readings) for kind in kinds}
    order = sorted(kinds, key=lambda kind: -count[kind])  # a stable sort: item_id before mbid before name
    row_of = np.full(len(matcher.index.item_ids), -1, np.int64)
    taken: dict[int, tuple[bool, int, By, int]] = {}  # by item: what speaks against it, and how it was found
    uncertain, unmatched = 0, []
    hits = 0
    for at, (label, each) in enumerate(zip(labels, readings, strict=True)):
        kind = next((kind for kind in order if each[kind]), None)
        if kind is None:
            unmatched.append(label)
            continue
        hits += 1
        row = each[kind][0]
        uncertain += any(own and row not in own for own in each.values())
        exact = label in (matcher.index.item_ids[row], matcher.index.names[row])
        claim = (not exact, at, kind, len(each[kind]))
        taken[row] = min(claim, taken.get(row, claim))
    for row, (_, at, _, _) in taken.items():
        row_of[row] = at
    by = Counter(kind for _, _, kind, _ in taken.values())
    return Found(
        row_of=row_of,
        by={kind: by[kind] for kind in kinds},
        several=sum(rows > 1 for _, _, _, rows in taken.values()),
        uncertain=uncertain,
        doubled=hits - len(taken),
        unmatched=unmatched,
    )


def _rows(label: str, kind: By, matcher: Matcher) -> list[int]:
    """The items that a label means when it is read so."""
    if kind == "mbid":
        named = _MBID.match(label)
        row = matcher.index.row_of_id(named[1].lower()) if named else None
        return [] if row is None else [row]
    for text in dict.fromkeys((label, label.strip(), label.strip().replace("_", " "))):
        if kind == "item_id":
            row = matcher.index.row_of_id(text)
            rows = [] if row is None else [row]
        else:
            rows = matcher.rows_named(text) if text else []
        if rows:
            return rows
    return []
