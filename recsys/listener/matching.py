"""What a person wrote, or brought along, as items of a catalogue: how sure each is, and what else it may be."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd

from recsys.analysis.search import NameIndex, folded
from recsys.artifacts.store import ArtifactSet

Certainty = Literal["id", "name", "artist", "several", "similar", "none"]
# Taken for the item unless the person says otherwise. Names of seven letters and more with one changed, left out or
# doubled score more.
SIMILAR_FROM = 85.0
CANDIDATES = 5
# A similar name is looked for among all: about 0.1 s each at 300,000 items.
MOST_LOOKED_FOR = 25
# Ids that mean the same everywhere; others are numbers and names of one data set.
_EVERYWHERE = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z|spotify:", re.IGNORECASE)
_WEIGHT = re.compile(r"(.*\S)\s*=\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*\Z", re.DOTALL)
# Between artist and track: a hyphen, an en dash or an em dash with space around it, or a tab.
_DASH = re.compile(r"\s[-–—]\s|\t")


@dataclass(frozen=True)
class Wanted:
    """One item as a person names it: text, how much it counts, and an id of it if one is known."""

    text: str
    weight: float = 1.0
    item_id: str = ""


@dataclass(frozen=True)
class Match:
    """What one text was taken for.

    row : the item; None where there is none near enough.
    certainty : by its id, its name, or (in a catalogue of artists) the artist of a track: sure. "several" items of the
        name, of which this is the most played; "similar" name, or "none": not sure.
    score : of the name, folded, with the item's or else the best candidate's, 0 to 100; 100 where they are equal.
    candidates : rows that it may be, likeliest first.
    """

    wanted: Wanted
    row: int | None
    certainty: Certainty
    score: float
    candidates: tuple[int, ...] = ()

    @property
    def is_sure(self) -> bool:
        """Whether nobody need look at it."""
        return self.certainty in ("id", "name", "artist")


class Matcher:
    """Looks texts up in one catalogue; one serves all sessions.

    Parameters
    ----------
    index : of the catalogue.
    has_artists : whether its items are artists, so that a track stands for its artist.
    """

    def __init__(self, index: NameIndex, *, has_artists: bool) -> None:
        self.index, self.has_artists = index, has_artists
        self._rows: dict[str, list[int]] = {}
        for row, name in enumerate(index.names):
            self._rows.setdefault(_plain(name), []).append(row)

    @classmethod
    def of(cls, artifacts: ArtifactSet, index: NameIndex | None = None) -> Matcher:
        """For an artifact set; `index` of its catalogue, where there is one already."""
        catalogue = artifacts.catalogue
        index = index or NameIndex(catalogue["item_id"].tolist(), catalogue["name"].tolist())
        return cls(index, has_artists=not has_tracks(artifacts))

    def rows_named(self, text: str) -> list[int]:
        """The items of this name, folded, the most played first."""
        return self._rows.get(_plain(text), [])

    def match(self, wanted: Sequence[Wanted], on_item: Callable[[int], None] | None = None) -> list[Match]:
        """One match a text, in their order. Similar names are looked for only for the MOST_LOOKED_FOR that count most
        of those that are not there as written.

        on_item : told 1 for each that is done.
        """
        found: dict[int, Match] = {}
        missing = []
        for at, each in enumerate(wanted):
            match = self._exact(each)
            if match:
                found[at] = match
                if on_item:
                    on_item(1)
            else:
                missing.append(at)
        missing.sort(key=lambda at: -abs(wanted[at].weight))
        for place, at in enumerate(missing):
            found[at] = self._similar(wanted[at]) if place < MOST_LOOKED_FOR else Match(wanted[at], None, "none", 0.0)
            if on_item:
                on_item(1)
        return [found[at] for at in range(len(wanted))]

    def _exact(self, wanted: Wanted) -> Match | None:
        text = wanted.text.strip()
        row = self.index.row_of_id(wanted.item_id) if wanted.item_id else None
        if row is not None and (_EVERYWHERE.match(wanted.item_id) or _plain(text) == _plain(self.index.names[row])):
            return Match(wanted, row, "id", 100.0, (row,))
        as_name, as_id = self.rows_named(text), self.index.row_of_id(text)
        rows = list(dict.fromkeys([*as_name, *([] if as_id is None else [as_id])]))
        if len(rows) > 1:
            return Match(wanted, rows[0], "several", 100.0, tuple(rows[:CANDIDATES]))
        if rows:
            return Match(wanted, rows[0], "name" if as_name else "id", 100.0, (rows[0],))
        for artist in self._artists(text):
            rows = self.rows_named(artist)
            if rows:
                return Match(
                    wanted, rows[0], "artist" if len(rows) == 1 else "several", 100.0, tuple(rows[:CANDIDATES])
                )
        return None

    def _artists(self, text: str) -> list[str]:
        """What the artist of a track may be, the longest first: names hold dashes too."""
        if not self.has_artists:
            return []
        return [text[: dash.start()] for dash in reversed(list(_DASH.finditer(text)))]

    def _similar(self, wanted: Wanted) -> Match:
        from rapidfuzz import fuzz

        texts = [wanted.text, *self._artists(wanted.text)[-1:]]
        score = {
            row: fuzz.ratio(_plain(text), _plain(self.index.names[row]))
            for text in texts for row in self.index.suggest(text, CANDIDATES)
        }  # fmt: skip
        rows = sorted(score, key=lambda row: (-score[row], row))[:CANDIDATES]
        best = score[rows[0]] if rows else 0.0
        if best >= SIMILAR_FROM:
            return Match(wanted, rows[0], "similar", best, tuple(rows))
        return Match(wanted, None, "none", best, tuple(rows))


def wanted_items(text: str) -> list[Wanted]:
    """A pasted list: an item a line, "Björk", "Björk=3", "Coldplay = -1", "artist - track"; blank lines say nothing."""
    return [wanted_item(line) for line in text.splitlines() if line.strip()]


def wanted_item(text: str) -> Wanted:
    """One item, and after a last "=" how much it counts.

    Examples
    --------
    >>> wanted_item("Björk = 3")
    Wanted(text='Björk', weight=3.0, item_id='')
    """
    weighted = _WEIGHT.match(text.strip())
    return Wanted(weighted[1], float(weighted[2])) if weighted else Wanted(text.strip())


def weights_of(matches: Sequence[Match], chosen: Mapping[int, int | None] | None = None) -> dict[int, float]:
    """Item rows and weights, for a profile; items that are named twice have both weights.

    chosen : what a person says instead, by place in `matches`: a row, or None for no item.
    """
    weights: dict[int, float] = {}
    for at, match in enumerate(matches):
        row = (chosen or {}).get(at, match.row)
        if row is not None:
            weights[row] = weights.get(row, 0.0) + match.wanted.weight
    return {row: weight for row, weight in weights.items() if weight}


def matches_json(matches: Sequence[Match], catalogue: pd.DataFrame) -> dict[str, Any]:
    """What needs a look and what was not found; how many were sure."""
    rows = {row for match in matches for row in (*match.candidates, match.row) if row is not None}
    items = catalogue.iloc[sorted(rows)]
    item = {
        row: {"item_id": item_id, "name": name}
        for row, item_id, name in zip(sorted(rows), items["item_id"], items["name"], strict=True)
    }
    return {
        "sure": sum(match.is_sure for match in matches),
        "unsure": [
            {
                "text": match.wanted.text, "weight": match.wanted.weight, "certainty": match.certainty,
                "score": round(match.score, 1), "taken_for": item[match.row],
                "candidates": [item[row] for row in match.candidates],
            }
            for match in matches if not match.is_sure and match.row is not None
        ],
        "unmatched": [
            {
                "text": match.wanted.text, "weight": match.wanted.weight,
                "candidates": [item[row] for row in match.candidates],
            }
            for match in matches if match.row is None
        ],
    }  # fmt: skip


def has_tracks(artifacts: ArtifactSet) -> bool:
    """Whether the items of a set are tracks, as far as it knows: built so, or described with an artist each."""
    return artifacts.manifest.config.get("level") == "track" or "artist" in artifacts.catalogue


def artist_and_title(name: str) -> tuple[str, str]:
    """Of the name of a track, "artist – title"; without a dash the artist is not known."""
    artist, dash, title = name.partition(" – ")
    return (artist, title) if dash else ("", name)


def _plain(text: str) -> str:
    """Folded, with one kind of dash between artist and track."""
    return folded(_DASH.sub(" – ", text))
