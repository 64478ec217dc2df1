"""Which rows mean the same artist or track.

The rule: identity is the MusicBrainz id (MBID) where a row has one, else the folded name (NFKC, case folded, spaces
collapsed; accents stay, because they tell artists apart). Switched off, identity is the name as it is spelled.
"""

from __future__ import annotations

import unicodedata

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc

from recsys.interactions.report import ReadReport
from recsys.interactions.texts import Codes, Texts


def folded_name(name: str) -> str:
    """The name without differences of case, width, composition and spacing.

    Examples
    --------
    >>> folded_name("  SIGUR  Ro\\u0301s")
    'sigur rós'
    """
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())


class Identity:
    """Applies the rule block by block and counts what it brought together."""

    def __init__(self, merge: bool) -> None:
        self.merge = merge
        self.ids = Codes()
        self._spellings = Codes()
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
        if not self.merge:
            report.notes.append("items go by their names as spelled; MBIDs were not looked at")
            return
        spellings, names = len(self._spellings), len(np.unique(self._item_of))
        if spellings > names:
            report.notes.append(
                f"{spellings:,} spellings of names without MBID are {names:,} items when case, width and spaces are "
                f"folded; --no-merge keeps them apart"
            )


def joined_names(artist: Texts, track: Texts) -> Texts:
    """Artist – track, for display and for the identity of tracks without MBID."""
    return Texts.of(pc.binary_join_element_wise(artist.arrow(), track.arrow(), " – "))
