"""M3U: what names an entry, and what in a file is none."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import pytest

from recsys.errors import InputError
from recsys.interactions.readers import playlists, read
from tests.interactions.playlist_files import ALL, GOOD, TRACKS, queues, track, write, xspf


def test_m3u_entries_are_named_by_extinf_or_else_by_their_file(tmp_path: Path) -> None:
    path = write(
        tmp_path / "mix.m3u8",
        "#EXTM3U\n#PLAYLIST:Mix\n\n"
        "#EXTINF:211,Björk - Jóga\nmusic/one.mp3\n"
        '#EXTINF:-1 tvg-name="A, B" group-title="x",Tyler, The Creator - EARFQUAKE\n# a comment\n\nhttp://host/two.mp3\n'
        "C:\\Music\\Muse - Uno.flac\n"
        '#extinf:5,"Weird Al" Yankovic - Eat It - Live\nfour.mp3\n'
        "#EXTINF:77\n/music/Sigur Rós - Svefn-g-englar.ogg\n",
    )
    log = read("playlists", path)
    assert queues(log) == ['Björk>Tyler, The Creator>Muse>"Weird Al" Yankovic>Sigur Rós']
    assert (log.report.rows, dict(log.report.bad), log.report.notes) == (5, {}, [])
    assert log.report.title == "Playlists, artists"
    assert log.queues.ordered
    assert queues(read("playlists", path, TRACKS)) == [
        'Björk – Jóga>Tyler, The Creator – EARFQUAKE>Muse – Uno>"Weird Al" Yankovic – Eat It - Live>'
        "Sigur Rós – Svefn-g-englar"
    ]


@pytest.mark.parametrize(
    ("location", "name"),
    [
        ("Muse - Uno.mp3", "Muse – Uno"),
        ("/music/x - y/Muse - Uno.mp3", "Muse – Uno"),
        ("..\\x - y\\Muse - Uno.mp3", "Muse – Uno"),
        ("Muse - Uno", "Muse – Uno"),
        ("Muse - Vol. 2", "Muse – Vol. 2"),
        ("Muse - Vol.2", "Muse – Vol.2"),
        ("- - Uno.mp3", "- – Uno"),
        ("Mr. Oizo - Flat Beat.m4a", "Mr. Oizo – Flat Beat"),
        ("A - B - C.mp3", "A – B - C"),
        ("100% - Real%41.mp3", "100% – Real%41"),
        ("01 - Muse - Uno.mp3", "Muse – Uno"),
        ("01. Muse - Uno.mp3", "Muse – Uno"),
        ("1-07 - Muse - Uno.mp3", "Muse – Uno"),
        ("101 - Muse - Uno.mp3", "Muse – Uno"),
        ("311 - Down.mp3", "311 – Down"),
        ("10cc - Donna.mp3", "10cc – Donna"),
        ("2Pac - 01 - Changes.mp3", "2Pac – 01 - Changes"),
        ("99 Luftballons.mp3", "99 Luftballons"),
        ("01 - Uno.mp3", "Uno"),
        ("http://host/a/Bj%C3%B6rk%20-%20J%C3%B3ga.mp3?x=/1#y", "Björk – Jóga"),
        ("https://host/AC%2FDC%20-%20T%23%3F.mp3", "AC/DC – T#?"),
        ("http://host/Bj%F6rk%20-%20J%F3ga.mp3", "Björk – Jóga"),
        ("http://host/%93b%94%20-%20c.mp3", "“b” – c"),
        ("file:///C:/Music/Muse%20-%20Uno.mp3", "Muse – Uno"),
        ("file:C:\\Music\\Muse%20-%20Uno.mp3", "Muse – Uno"),
        ("What? - Who#1.mp3", "What? – Who#1"),
        ("http://[::1/Muse - Uno.mp3", "Muse – Uno"),
    ],
)
def test_artist_and_title_in_a_file_name(tmp_path: Path, location: str, name: str) -> None:
    log = read("playlists", write(tmp_path / "1.m3u8", location + "\n"), TRACKS)
    assert queues(log) == [name]
    alone = " – " not in name
    no_artist = "1 of 1 playlists: tracks without artist, which go by their titles alone"
    assert log.report.notes == ([no_artist] if alone else [])


def test_extart_is_the_artist_of_the_next_entry_alone(tmp_path: Path) -> None:
    path = write(
        tmp_path / "1.m3u8",
        "#EXTART:AC - DC\n#EXTINF:1,AC - DC - Let There Be Rock\n1.mp3\n"
        "#EXTINF:1,Roads - Remastered\n#EXTART:  Portishead\n2.mp3\n"
        "#EXTINF:1,Muse - Uno\n3.mp3\n"
        "#EXTART:Air\n04. Sexy Boy.mp3\n",
    )
    assert queues(read("playlists", path)) == ["AC - DC>Portishead>Muse>Air"]
    assert queues(read("playlists", path, TRACKS)) == [
        "AC - DC – Let There Be Rock>Portishead – Roads - Remastered>Muse – Uno>Air – Sexy Boy"
    ]


@pytest.mark.parametrize("shown", ["Uno", " - Uno", "- Uno", " - Uno - Live", "", " - "])
def test_an_entry_without_artist_is_a_bad_row_for_artists(tmp_path: Path, shown: str) -> None:
    path = write(tmp_path / "1.m3u8", GOOD + f"#EXTINF:3,{shown}\nc.mp3\n")
    log = read("playlists", path, ALL)
    assert queues(log) == ["Björk>Muse"]
    assert (log.report.rows, dict(log.report.bad)) == (3, {"no artist": 1})
    assert log.report.examples["no artist"][0].startswith("1.m3u8, line 7: ")


def test_an_entry_without_title_is_a_bad_row_for_tracks(tmp_path: Path) -> None:
    path = write(tmp_path / "1.m3u8", GOOD + "#EXTINF:3,Muse - \nc.mp3\nhttp://host/\n#EXTINF:3, - \nd.mp3\n")
    log = read("playlists", path, TRACKS)
    assert queues(log) == ["Björk – Jóga>Muse – Uno"]
    assert (log.report.rows, dict(log.report.bad)) == (5, {"no title": 3})
    assert queues(read("playlists", path, ALL)) == ["Björk>Muse>Muse"]


def test_extinf_without_an_entry_is_a_bad_row(tmp_path: Path) -> None:
    path = write(tmp_path / "1.m3u8", "#EXTINF:1,A - a\n" + GOOD + "#EXTINF:3,B - b\n# the end\n")
    log = read("playlists", path, ALL)
    assert queues(log) == ["Björk>Muse"]
    assert (log.report.rows, dict(log.report.bad)) == (4, {"#EXTINF without an entry": 2})


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", "\n\n", "\r\r\n", " \n\t\n"])
@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("suffix", [".m3u", ".m3u8", ".M3U8"])
def test_line_ends_byte_order_mark_and_comments_change_nothing(
    tmp_path: Path, end: str, bom: bytes, suffix: str
) -> None:
    text = GOOD.replace("#EXTM3U\n", "#EXTM3U\n#\n#123,X - y\n# \0 caf\xe9\n#EXTVLCOPT:start-time=4\n").replace(
        "\n", end
    )
    log = read("playlists", write(tmp_path / f"1{suffix}", bom + text.encode()))
    assert queues(log) == ["Björk>Muse"]
    assert (log.report.rows, log.report.notes) == (2, [])


def test_a_last_line_without_end_is_told(tmp_path: Path) -> None:
    log = read("playlists", write(tmp_path / "1.m3u", GOOD.rstrip("\n")))
    assert queues(log) == ["Björk>Muse"]
    assert log.report.notes == [
        "1 of 1 playlists: no line end after the last line; had the file been cut, it would look so"
    ]


def test_m3u_is_utf_8_or_else_windows_1252_and_m3u8_is_utf_8(tmp_path: Path) -> None:
    content = "Björk - a.mp3\n".encode() + "Motörhead - “b”.mp3\nMuse - c.mp3\n".encode("cp1252")
    write(tmp_path / "1.m3u", content)
    write(tmp_path / "2.m3u8", content)
    write(tmp_path / "3.m3u", b"\xef\xbb\xbf" + content)
    write(tmp_path / "4.m3u", b"Muse - \x81.mp3\nA - a.mp3\n")
    log = read("playlists", tmp_path, ALL)
    assert queues(log) == ["Björk>Motörhead>Muse", "Björk>Muse", "Björk>Muse", "A"]
    assert dict(log.report.bad) == {"not UTF-8": 2, "neither UTF-8 nor Windows-1252": 1}
    assert log.report.examples["not UTF-8"][0].startswith("2.m3u8, line 2: 'Mot")
    assert log.report.notes == [
        "1 of 4 playlists: lines that are not UTF-8, read as Windows-1252; look whether the names are right"
    ]
    assert "Motörhead – “b”" in read("playlists", tmp_path, TRACKS).catalogue["name"].tolist()


HLS = [
    "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:10\n#EXTINF:9.009,\nA - 1.ts\n#EXTINF:9,\nA - 2.ts\n",
    '#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1280000,CODECS="mp4a"\nhttp://host/A - low.m3u8\n',
    "#EXTM3U\n#EXTINF:9,A - x\nA - 1.ts\n#ext-x-endlist\n",
]


@pytest.mark.parametrize("hls", HLS)
def test_segments_of_a_stream_are_no_tracks(tmp_path: Path, hls: str) -> None:
    with pytest.raises(InputError, match=r"1 of 1 rows cannot be used.*1 × HLS stream, no playlist of music"):
        read("playlists", write(tmp_path / "a.m3u8", hls))
    write(tmp_path / "a.m3u8", "")
    write(tmp_path / "a.m3u", b"A - \xe9.ts\n" + hls.rstrip().encode())
    write(tmp_path / "b.m3u8", GOOD)
    log = read("playlists", tmp_path, ALL)
    assert queues(log) == ["Björk>Muse"]
    assert (log.report.rows, log.report.notes) == (4, [])
    assert dict(log.report.bad) == {"HLS stream, no playlist of music": 1, "empty file": 1}
    assert sorted(log.catalogue["name"]) == ["Björk", "Muse"]


def test_what_no_name_can_be_is_counted(tmp_path: Path) -> None:
    lines = [
        b"A - \0.mp3", b"A\x1b - b.mp3", b"http://host/A%00 - b.mp3", b"x" * 1_001 + b" - b.mp3",
        b"y" * ((1 << 20) + 1), b"A - " + b"b" * ((1 << 20) - 4),
    ]  # fmt: skip
    path = write(tmp_path / "1.m3u", b"\n".join([GOOD.encode(), *lines, b"Muse - c\n"]))
    log = read("playlists", path, ALL)
    assert queues(log) == ["Björk>Muse>A>Muse"]  # the last line of A is just short enough
    assert dict(log.report.bad) == {
        "control character": 3, "name of more than 1,000 characters": 1, "line of more than 1,048,576 bytes": 1,
    }  # fmt: skip
    assert log.report.examples["line of more than 1,048,576 bytes"][0].startswith("1.m3u, line 11: 'yyy")


@pytest.mark.parametrize("rest", [b"\nA - a\n", b"\rA - a\r\n"])
def test_a_line_without_end_is_not_held_in_memory(tmp_path: Path, rest: bytes) -> None:
    path = write(tmp_path / "1.m3u", b"x" * (32 << 20) + rest)
    tracemalloc.start()
    log = read("playlists", path, ALL)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert queues(log) == ["A"]
    assert log.report.notes == []
    assert peak < 12 << 20


def test_what_has_more_entries_than_a_playlist_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(playlists, "MOST_ENTRIES", 2)
    write(tmp_path / "1.m3u", GOOD)
    write(tmp_path / "2.m3u", "no artist\n" + GOOD + "A - a\n")
    write(tmp_path / "3.xspf", xspf(track("A", "a"), track("B", "b"), track("C", "c")))
    log = read("playlists", tmp_path, ALL)
    assert queues(log) == ["Björk>Muse"]
    assert dict(log.report.bad) == {"no artist": 1, "playlist of more than 2 entries": 2}
