"""Files to take away, read back by what reads them."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pandas as pd
import pytest

from recsys.artifacts.store import ArtifactSet
from recsys.interactions.readers import ReadOptions, read
from recsys.interactions.spreadsheet import csv_bytes, no_formula
from recsys.listener.export import as_m3u8, as_xspf, entries, lists_csv, radio_csv
from recsys.listener.profile import Profile
from recsys.listener.radio import radio
from recsys.listener.recommend import Recommender

MBID = "a74b1b7f-71a5-4011-9441-d0b5e4122711"
NASTY = [
    "AC/DC",
    "#1 Dads",
    "=cmd|' /C calc'!A0",
    "<b>&amp;]]>",
    "Belle - Sebastian",
    "坂本龍一",
    "a\x00b\nc",
    '"Weird"',
]


def named(artifacts: ArtifactSet, names: list[str], level: str) -> ArtifactSet:
    config = {**artifacts.manifest.config, "level": level}
    other = replace(artifacts, manifest=artifacts.manifest.model_copy(update={"config": config}))
    rest = artifacts.catalogue["name"].tolist()[len(names) :]
    ids = [MBID, *artifacts.catalogue["item_id"].tolist()[1:]]
    other.__dict__["catalogue"] = artifacts.catalogue.assign(name=[*names, *rest], item_id=ids)
    return other


@pytest.mark.parametrize("suffix", ["m3u8", "xspf"])
@pytest.mark.parametrize("level", ["artist", "track"])
def test_a_playlist_is_read_back_as_the_items_it_was_made_of(
    recommender: Recommender, tmp_path: Path, suffix: str, level: str
) -> None:
    names = NASTY if level == "artist" else [f"{name} – Song {at}" for at, name in enumerate(NASTY)]
    playlist = entries(named(recommender.artifacts, names, level), range(len(names)))
    path = tmp_path / f"mine.{suffix}"
    path.write_bytes(as_m3u8(playlist) if suffix == "m3u8" else as_xspf(playlist, "For <me>"))
    options = ReadOptions(level="artist" if level == "artist" else "track", merge_spellings=False)
    log = read("playlists", path, options)
    found = [log.catalogue["name"][row] for row in log.queues[0]]
    expected = [" ".join(name.replace("\x00", " ").split()) for name in names]
    assert [" ".join(name.split()) for name in found] == expected
    assert log.report.bad.total() == 0


def test_xspf_names_what_has_an_mbid(recommender: Recommender) -> None:
    artists, tracks = (
        ElementTree.fromstring(as_xspf(entries(named(recommender.artifacts, ["A – B"], level), [0, 1]), "t"))
        for level in ("artist", "track")
    )
    identifiers = [
        [found.text for found in each.iter("{http://xspf.org/ns/0/}identifier")] for each in (artists, tracks)
    ]
    assert identifiers == [[f"https://musicbrainz.org/artist/{MBID}"], [f"https://musicbrainz.org/recording/{MBID}"]]


def test_an_item_that_is_described_with_its_artist_is_a_track_of_theirs(recommender: Recommender) -> None:
    described = replace(recommender.artifacts)
    described.__dict__["catalogue"] = recommender.artifacts.catalogue.assign(artist="Someone")
    (entry,) = entries(described, [5])
    assert (entry.artist, entry.title) == ("Someone", recommender.artifacts.catalogue["name"][5])


def test_no_cell_of_a_csv_is_a_formula_and_numbers_stay(recommender: Recommender) -> None:
    formulas = ["=1+1", "+1", "-1", "@x", "\tx", "\rx", "\nx"] * 17
    artifacts = named(recommender.artifacts, formulas, "artist")
    here = Recommender(artifacts)
    profile = Profile.of_plays({3: 4.0, 40: 9.0, 11: -2.0}, 120)
    lists = [here.recommend(profile, way, n=30) for way in ("als_fold_in", "word2vec_mean")]
    content = lists_csv(artifacts, lists).decode("utf-8-sig")
    table = pd.read_csv(io.StringIO(content), keep_default_na=False, dtype={"name": str, "because": str})
    assert table["name"].tolist() == [
        f"'{name}" if name in formulas else name for each in lists for name in each.table["name"]
    ]
    for column in ("model", "item_id", "name", "because", "build"):
        assert not table[column].str.startswith(("=", "+", "-", "@", "\t", "\r", "\n")).any()
    assert table["score"].tolist() == pytest.approx([score for each in lists for score in each.table["score"]])
    assert set(table["build"]) == {artifacts.fingerprint[:12]}


def test_a_radio_is_exported_with_its_model_and_build(recommender: Recommender) -> None:
    played = radio(recommender, Profile.of_plays({3: 4.0}, 120), "word2vec", n=6, seed=1)
    table = pd.read_csv(io.BytesIO(radio_csv(recommender.artifacts, played, "word2vec")))
    assert table["name"].tolist() == played["name"].tolist()
    assert set(table["model"]) == {"Word2vec"}
    assert table["to_profile"].tolist() == pytest.approx(played["to_profile"].tolist())


@pytest.mark.parametrize(("value", "cell"), [("=1", "'=1"), ("\n=1", "'\n=1"), ("a=1", "a=1"), (-1.5, -1.5), ("", "")])
def test_only_text_that_begins_like_a_formula_is_guarded(value: object, cell: object) -> None:
    assert no_formula(value) == cell


def test_names_of_columns_are_guarded_too_and_no_row_begins_inside_a_name() -> None:
    table = csv_bytes(pd.DataFrame({"=x": ["y\r=1+1,z"], "n": [-1]})).decode("utf-8-sig")
    assert table == '"\'=x","n"\n"y\r=1+1,z",-1\n'
