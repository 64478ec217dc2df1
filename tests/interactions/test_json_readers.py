from __future__ import annotations

import json
import random
import zipfile
from pathlib import Path
from typing import Any

import pytest

from recsys.errors import InputError
from recsys.interactions.log import Interactions
from recsys.interactions.readers import ReadOptions, read

TRACKS = ReadOptions(level="track")


def lines(log: Interactions) -> list[str]:
    ids = log.catalogue["item_id"].to_numpy(object)
    return [">".join(ids[queue]) for queue in log.queues]


def listen(user: str | None, at: Any, artist: Any, title: str = "Song", **more: Any) -> str:
    who = {} if user is None else {"user_name": user}
    return json.dumps(
        {**who, "listened_at": at, "track_metadata": {"artist_name": artist, "track_name": title, **more}}
    )


def listens(folder: Path, *rows: str) -> Path:
    path = folder / "1.listens"
    path.write_text("".join(f"{row}\n" for row in rows), "utf-8")
    return path


def test_listenbrainz_takes_the_mapped_mbid_before_the_sent_one(tmp_path: Path) -> None:
    mapped = {"artist_mbids": ["m1"]}
    path = listens(
        tmp_path,
        listen("u", 1_700_000_300, "Björk", additional_info={"artist_mbids": ["m9"]}, mbid_mapping=mapped),
        listen("u", 1_700_000_000, "Bjork", additional_info={"artist_mbids": ["m1"]}),
        listen("u", 1_700_000_600, "A & B", mbid_mapping={"artist_mbids": ["m2", "m3"]}),
        listen("v", 1_700_000_000, "a  &  b"),
    )  # fmt: skip
    log = read("listenbrainz", path)
    assert lines(log) == ["m1>m1>a & b", "a & b"]
    assert log.report.rows == 4


def test_listenbrainz_tracks_and_an_export_without_users(tmp_path: Path) -> None:
    path = listens(
        tmp_path, listen(None, 1_700_000_300, "X", "Two"), listen(None, 1_700_000_000, "X", "One"),
        listen(None, 1_700_090_000, "X", "One", mbid_mapping={"recording_mbid": "r1"}),
    )  # fmt: skip
    log = read("listenbrainz", path, TRACKS)
    assert log.n_users == 1
    assert lines(log) == ["x – one>x – two", "r1"]


def test_listenbrainz_counts_what_it_cannot_use(tmp_path: Path) -> None:
    good = [listen(f"u{k}", 1_700_000_000 + k, "X") for k in range(60)]
    bad = ["{", "[]", listen("u", "soon", "X"), listen("u", 5, ""), listen("u", -5, "X"), listen("u", True, "X")]
    report = read("listenbrainz", listens(tmp_path, *good, *bad)).report
    assert dict(report.bad) == {"not JSON": 1, "no track_metadata": 1, "time that cannot be read": 3, "empty artist": 1}
    assert report.examples["not JSON"][0].startswith("1.listens, line 61")


def play(at: str, artist: str | None, track: str | None, ms: Any = 200_000, uri: str = "") -> dict[str, Any]:
    return {
        "ts": at, "ms_played": ms, "master_metadata_track_name": track,
        "master_metadata_album_artist_name": artist, "spotify_track_uri": uri,
    }  # fmt: skip


def history(folder: Path) -> Path:
    path = folder / "my_spotify_data.zip"
    first = [play("2024-01-01T10:00:00Z", "A", "one", uri="t1"), play("2024-01-01T10:04:00Z", "B", "two", uri="t2")]
    second = [
        play("2024-01-02T10:00:00Z", "A", "one", 29_999, "t1"), play("2024-01-02T10:01:00Z", None, None),
        play("2024-01-02T10:02:00Z", "A", "three", uri="t3"),
    ]  # fmt: skip
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("Spotify Extended/Streaming_History_Audio_2024_0.json", json.dumps(first))
        archive.writestr("Spotify Extended/Streaming_History_Audio_2024_1.json", json.dumps(second))
        archive.writestr("Spotify Extended/Playlist1.json", json.dumps({"playlists": []}))
    return path


def test_spotify_history_reads_the_download_and_leaves_short_plays_out(tmp_path: Path) -> None:
    log = read("spotify-history", history(tmp_path))
    assert lines(log) == ["A>B", "A"]
    assert log.n_users == 1
    assert log.report.rows == 5
    assert "1 plays under 30 seconds and 1 of podcasts or videos are not listens" in log.report.notes
    assert lines(read("spotify-history", history(tmp_path), TRACKS)) == ["t1>t2", "t3"]


def test_spotify_mpd_playlists_are_queues(tmp_path: Path) -> None:
    def track(artist: str, title: str) -> dict[str, str]:
        return {"artist_name": artist, "artist_uri": f"a:{artist}", "track_name": title, "track_uri": f"t:{title}"}

    slice_ = {
        "playlists": [{"tracks": [track("X", "p"), track("Y", "q"), track("X", "r")]}, {"tracks": [track("Y", "q")]}]
    }
    (tmp_path / "mpd.slice.0-999.json").write_text(json.dumps(slice_))
    (tmp_path / "challenge_set.json").write_text("{}")
    log = read("spotify-mpd", tmp_path)
    assert lines(log) == ["a:X>a:Y>a:X", "a:Y"]
    assert log.n_users == 2
    assert log.queues.ordered
    tracks = read("spotify-mpd", tmp_path, TRACKS)
    assert tracks.catalogue.set_index("item_id").loc["t:q", "name"] == "Y – q"


@pytest.mark.parametrize(
    ("reader", "name"), [("spotify-history", "Streaming_History.json"), ("spotify-mpd", "mpd.slice.json")]
)
@pytest.mark.parametrize("content", ["", "{", "3", "null", '{"a": 1}', "[" * 100_000, "\x00\x01\x02"])
def test_what_is_no_such_file_is_refused(tmp_path: Path, reader: str, name: str, content: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(InputError):
        read(reader, tmp_path / name)


@pytest.mark.parametrize("reader", ["listenbrainz", "spotify-history", "spotify-mpd"])
def test_any_damage_is_a_table_or_a_clear_error(tmp_path: Path, reader: str) -> None:
    rng = random.Random(11)
    if reader == "listenbrainz":
        path = listens(tmp_path, *(listen(f"u{k % 3}", 1_700_000_000 + 60 * k, f"Ärtist {k % 5}") for k in range(30)))
    elif reader == "spotify-history":
        path = tmp_path / "Streaming_History.json"
        path.write_text(json.dumps([play(f"2024-01-01T10:{k:02d}:00Z", f"Ä{k % 5}", "t") for k in range(30)]))
    else:
        path = tmp_path / "mpd.slice.json"
        tracks = [
            {"artist_name": "Ä", "artist_uri": f"a{k}", "track_name": "t", "track_uri": f"t{k}"} for k in range(9)
        ]
        path.write_text(json.dumps({"playlists": [{"tracks": tracks}] * 4}))
    content = path.read_bytes()
    for _ in range(300):
        damaged = bytearray(content)
        for _ in range(rng.randrange(1, 4)):
            damaged[rng.randrange(len(damaged))] = rng.randrange(256)
        path.write_bytes(bytes(damaged[: rng.randrange(len(damaged))] if rng.random() < 0.3 else damaged))
        try:
            log = read(reader, path, ReadOptions(max_bad_share=1))
        except InputError:
            continue
        assert log.report.rows >= log.report.bad.total()
