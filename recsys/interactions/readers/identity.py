"""Which rows mean the same artist or track.

The rule: identity is the MusicBrainz id (MBID) where a row has one, else the folded name (NFKC, case folded, spaces
collapsed; accents stay, because they tell artists apart). Switched off, identity is the name as it is spelled.
"""

from __future__ import annotations

import unicodedata

import pyarrow as pa
import pyarrow.compute as pc

from recsys.interactions.report import ReadReport


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
        self._folded: dict[str, str] = {}

    def keys(self, mbid: pa.Array, name: pa.Array) -> pa.Array:
        """The identity of each row, text (n_rows,)."""
        if not self.merge:
            return name
        without = pc.equal(mbid, "")
        if not pc.any(without).as_py():
            return mbid
        names = name.filter(without).dictionary_encode()
        fold = self._folded
        keys = pa.array(
            [fold.setdefault(text, folded_name(text)) for text in names.dictionary.to_pylist()], pa.string()
        )
        return pc.replace_with_mask(mbid, without, keys.take(names.indices))

    def tell(self, report: ReadReport) -> None:
        """Put into the report how many spellings became how many items."""
        if not self.merge:
            report.notes.append("items go by their names as spelled; MBIDs were not looked at")
            return
        spellings, names = len(self._folded), len(set(self._folded.values()))
        if spellings > names:
            report.notes.append(
                f"{spellings:,} spellings of names without MBID are {names:,} items when case, width and spaces are "
                f"folded; --no-merge keeps them apart"
            )


def combined(table: pa.Table, column: str) -> pa.Array:
    """One column of a table in one piece."""
    pieces = table[column].combine_chunks()
    return pieces.chunk(0) if isinstance(pieces, pa.ChunkedArray) and pieces.num_chunks else pieces


def joined_names(artist: pa.Array, track: pa.Array) -> pa.Array:
    """Artist – track, for display and for the identity of tracks without MBID."""
    return pc.binary_join_element_wise(artist, track, " – ")
