from __future__ import annotations

import numpy as np
import pytest

from recsys.analysis.search import NameIndex
from recsys.bridges.match import match_labels
from recsys.listener.matching import Matcher

MBID = "a74b1b7f-71a5-4011-9441-d0b5e4122711"


@pytest.fixture
def matcher() -> Matcher:
    """Row 3 is the band 311, whose id is 12; row 2 has the id 311. Rows 4 and 5 have one name."""
    ids = ["7", MBID, "311", "12", "40", "41"]
    names = ["Björk", "Radiohead", "Daft Punk", "311", "Nirvana", "Nirvana"]
    return Matcher(NameIndex(ids, names), has_artists=True)


def test_ids_mbids_and_names_find_their_items(matcher: Matcher) -> None:
    labels = ["7", f"https://musicbrainz.org/artist/{MBID.upper()}", "nobody", "12", "40"]
    found = match_labels(labels, matcher)
    np.testing.assert_array_equal(found.row_of, [0, 1, -1, 3, 4, -1])
    assert (found.by, found.unmatched) == ({"item_id": 3, "mbid": 1, "name": 0}, ["nobody"])


def test_a_number_is_a_name_where_most_labels_are_names(matcher: Matcher) -> None:
    names = match_labels(["bjork ", "daft_punk", "RADIOHEAD", "311"], matcher)
    np.testing.assert_array_equal(names.row_of, [0, 2, 1, 3, -1, -1])
    ids = match_labels(["7", "12", "311"], matcher)
    np.testing.assert_array_equal(ids.row_of, [0, -1, 2, 1, -1, -1])
    assert (names.uncertain, ids.uncertain) == (1, 1)


def test_of_items_with_one_name_the_most_played_is_taken_and_counted(matcher: Matcher) -> None:
    found = match_labels(["nirvana", "Björk"], matcher)
    np.testing.assert_array_equal(found.row_of, [1, -1, -1, -1, 0, -1])
    assert found.several == 1
    assert "1 of them by a name that several items have: the most played was taken" in found.words()


def test_of_rows_of_one_item_that_spelled_as_the_item_wins(matcher: Matcher) -> None:
    found = match_labels(["bjork", "Björk", "BJÖRK"], matcher)
    assert (found.row_of[0], found.doubled) == (1, 2)


def test_what_is_nearly_a_name_or_a_track_of_an_artist_is_no_item(matcher: Matcher) -> None:
    found = match_labels(["Bjorc", "Radiohead - Creep", "", "   "], matcher)
    assert (found.row_of == -1).all()
    assert found.unmatched == ["Bjorc", "Radiohead - Creep", "", "   "]
