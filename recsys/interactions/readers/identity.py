"""Which rows mean the same artist or track.

The rule: identity is the MusicBrainz id (MBID) where a row has one, else the folded name (NFKC, case folded, spaces
collapsed; accents stay, because they tell artists apart). Switched off, identity is the name as it is spelled.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc

from recsys.interactions.report import ReadReport
from recsys.interactions.texts import Codes, Texts

NOT_MERGED = "items go by their names as spelled; MBIDs were not looked at"


def folded_name(name: str) -> str:
    """The name without differences of case, width, composition and spacing.

    Examples
    --------
    >>> folded_name("  SIGUR  Ro\\u0301s")
    'sigur rós'
    """
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())


@dataclass(frozen=True)
class NamedPlays:
    """Usable rows of a log whose items go by this rule, all columns of one length.

    mbid : empty where a row has none. plays : None where each row is one play. time : seconds since 1970, or None.
    """

    user: Texts
    mbid: Texts
    name: Texts
    plays: npt.NDArray[np.float64] | None = None
    time: npt.NDArray[np.int64] | None = None


class Identity:
    """Applies the rule block by block and counts what it brought together."""

    def __init__(self, merge: bool, most_text: int | None = None) -> None:
        self.merge = merge
        self.ids = Codes(most_bytes=most_text)
        self._spellings = Codes(most_bytes=most_text)
        self._item_of = np.empty(0, np.int32)  # of each spelling

    def items(self, mbid: Texts, name: Texts) -> npt.NDArray[np.int32]:
        """The item of each row, int32 (n_rows,), a code of `ids`."""
        if not self.merge:
            return self.ids.add(name)
        items = self.ids.add(mbid)
        without = np.flatnonzero(items < 0)
        if len(without):
            items[without] = self._by_name(name.only(without))
        return items

    def _by_name(self, name: Texts) -> npt.NDArray[np.int32]:
        spellings = self._spellings.add(name)
        new = self._spellings.values(len(self._item_of)).to_pylist()
        folded = self.ids.add(Texts.of([folded_name(spelling) or spelling for spelling in new]))
        self._item_of = np.concatenate([self._item_of, folded])
        return self._item_of[spellings]

    def tell(self, report: ReadReport) -> None:
        """Put into the report how many spellings became how many items."""
        if self.merge:
            tell_merged(report, len(self._spellings), len(np.unique(self._item_of)))
        else:
            report.notes.append(NOT_MERGED)


def tell_merged(report: ReadReport, spellings: int, items: int) -> None:
    """Put into the report that so many spellings of names became so many items, where that is fewer."""
    if spellings > items:
        report.notes.append(
            f"{spellings:,} spellings of names without MBID are {items:,} items when case, width and spaces are "
            f"folded; --no-merge keeps them apart"
        )


def joined_names(artist: Texts, track: Texts) -> Texts:
    """Artist – track, for display and for the identity of tracks without MBID."""
    return Texts.of(pc.binary_join_element_wise(artist.arrow(), track.arrow(), " – "))
