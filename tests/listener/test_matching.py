"""What people write, as items of a catalogue."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest

from recsys.analysis.search import NameIndex
from recsys.listener import matching
from recsys.listener.matching import (
    Matcher,
    Wanted,
    artist_and_title,
    has_tracks,
    matches_json,
    wanted_item,
    wanted_items,
    weights_of,
)
from recsys.listener.recommend import Recommender

MBID = "a74b1b7f-71a5-4011-9441-d0b5e4122711"
ARTISTS = {
    MBID: "Radiohead", "7": "Björk", "12": "Bjork", "311": "Coldplay", "nofx": "NOFX", "20": "311",
    "a": "Belle - Sebastian", "b": "Sigur Rós", "c": "M. Ward",
}  # fmt: skip
ROW = {name: row for row, name in enumerate(ARTISTS.values())}


@pytest.fixture
def artists() -> Matcher:
    return Matcher(NameIndex(list(ARTISTS), list(ARTISTS.values())), has_artists=True)


@pytest.mark.parametrize(
    ("text", "name", "certainty"),
    [
        ("RADIOHEAD ", "Radiohead", "name"),
        (MBID, "Radiohead", "id"),
        ("nofx", "NOFX", "name"),
        ("sigur ros", "Sigur Rós", "name"),
        ("Radiohead - Creep", "Radiohead", "artist"),
        ("Radiohead — Creep - live", "Radiohead", "artist"),
        ("Radiohead\tCreep", "Radiohead", "artist"),
        ("belle – sebastian", "Belle - Sebastian", "name"),
        ("Belle - Sebastian - Sukie", "Belle - Sebastian", "artist"),
        ("björk", "Björk", "several"),
        ("Bjork - Joga", "Björk", "several"),
        ("311", "311", "several"),  # a name, and another item's id
        ("Radiohaed", "Radiohead", "similar"),
        ("Coldpaly - Yellow", "Coldplay", "similar"),
    ],
)
def test_a_text_is_taken_for_an_item_and_says_how_sure_that_is(
    artists: Matcher, text: str, name: str, certainty: str
) -> None:
    match = artists.match([Wanted(text)])[0]
    assert (match.row, match.certainty) == (ROW[name], certainty)
    assert match.is_sure == (certainty in ("id", "name", "artist"))
    assert match.candidates[0] == match.row


def test_what_may_be_several_items_offers_them_all(artists: Matcher) -> None:
    bjork, number = artists.match([Wanted("bjork"), Wanted("311")])
    assert bjork.candidates == (ROW["Björk"], ROW["Bjork"])
    assert number.candidates == (ROW["311"], ROW["Coldplay"])


def test_what_is_too_far_from_any_name_is_not_guessed_but_offered(artists: Matcher) -> None:
    near, far = artists.match([Wanted("Ward"), Wanted("zzzzzzzz")])
    assert (near.row, near.certainty) == (None, "none")
    assert ROW["M. Ward"] in near.candidates
    assert 50 < near.score < matching.SIMILAR_FROM
    assert (far.row, far.candidates) == (None, ())


@pytest.mark.parametrize(("item_id", "certainty"), [(MBID, "id"), ("7", "none"), ("", "none")])
def test_an_id_that_is_no_mbid_counts_only_with_its_name(artists: Matcher, item_id: str, certainty: str) -> None:
    assert artists.match([Wanted("Somebody else", item_id=item_id)])[0].certainty == certainty


def test_an_id_tells_items_of_one_name_apart(artists: Matcher) -> None:
    assert artists.match([Wanted("Bjork", item_id="12")])[0].row == ROW["Bjork"]


def test_a_track_is_no_artist_where_items_are_tracks() -> None:
    tracks = Matcher(NameIndex(["1", "2"], ["Radiohead – Creep", "Radiohead"]), has_artists=False)
    whole, other = tracks.match([Wanted("radiohead - creep"), Wanted("Radiohead - Lucky Number")])
    assert (whole.row, whole.certainty) == (0, "name")
    assert other.certainty == "none"


def test_similar_names_are_looked_for_where_they_count_most(artists: Matcher, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matching, "MOST_LOOKED_FOR", 2)
    told: list[int] = []
    wanted = [Wanted("Radiohed", 1), Wanted("Coldplai", -9), Wanted("Sigur Rós", 0.1), Wanted("Sigur Rs", 5)]
    found = artists.match(wanted, told.append)
    assert [match.certainty for match in found] == ["none", "similar", "name", "similar"]
    assert [match.wanted for match in found] == wanted
    assert told == [1] * 4


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Björk=3", Wanted("Björk", 3)),
        (" Coldplay = -1.5 ", Wanted("Coldplay", -1.5)),
        ("a=b=2e1", Wanted("a=b", 20)),
        ("E=mc²", Wanted("E=mc²")),
        ("=3", Wanted("=3")),
        ("x=", Wanted("x=")),
        ("x=.5", Wanted("x", 0.5)),
    ],
)
def test_a_number_after_an_equals_sign_is_the_weight(text: str, wanted: Wanted) -> None:
    assert wanted_item(text) == wanted


def test_a_pasted_list_is_an_item_a_line() -> None:
    assert wanted_items("Radiohead\r\n\n  Björk=2\n \nA - B") == [
        Wanted("Radiohead"), Wanted("Björk", 2), Wanted("A - B")
    ]  # fmt: skip


def test_weights_add_up_and_a_person_has_the_last_word(artists: Matcher) -> None:
    texts = ["Radiohead=2", "Radiohead - Creep", "björk=4", "Coldplai=3", "zzzzzzzz=9", "NOFX=0", "Sigur Rós=1"]
    found = artists.match([wanted_item(text) for text in texts])
    own = {ROW["Sigur Rós"]: 1.0}
    assert weights_of(found) == {ROW["Radiohead"]: 3, ROW["Björk"]: 4, ROW["Coldplay"]: 3, **own}
    chosen = {2: ROW["Bjork"], 3: None, 4: ROW["M. Ward"]}
    assert weights_of(found, chosen) == {ROW["Radiohead"]: 3, ROW["Bjork"]: 4, ROW["M. Ward"]: 9, **own}


def test_json_lists_all_that_needs_a_look(artists: Matcher) -> None:
    found = artists.match([wanted_item(text) for text in ("Radiohead", "Coldplai=2", "Ward", "björk")])
    document = matches_json(found, pd.DataFrame({"item_id": artists.index.item_ids, "name": artists.index.names}))
    assert document["sure"] == 1
    assert [(each["text"], each["weight"], each["taken_for"]["name"]) for each in document["unsure"]] == [
        ("Coldplai", 2.0, "Coldplay"), ("björk", 1.0, "Björk"),
    ]  # fmt: skip
    assert [each["item_id"] for each in document["unsure"][1]["candidates"]] == ["7", "12"]
    assert [each["text"] for each in document["unmatched"]] == ["Ward"]
    assert "M. Ward" in [each["name"] for each in document["unmatched"][0]["candidates"]]


def test_a_set_of_tracks_is_one_built_so_or_described_so(recommender: Recommender) -> None:
    artifacts = recommender.artifacts
    assert not has_tracks(artifacts)
    config = {**artifacts.manifest.config, "level": "track"}
    assert has_tracks(replace(artifacts, manifest=artifacts.manifest.model_copy(update={"config": config})))


def test_a_track_is_its_artist_and_title() -> None:
    assert artist_and_title("Belle – Sukie – live") == ("Belle", "Sukie – live")
    assert artist_and_title("Sukie") == ("", "Sukie")
