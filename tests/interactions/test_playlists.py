"""Playlists in M3U and XSPF: each file is a queue, and what cannot be used is counted."""

from __future__ import annotations

import encodings.aliases
import gzip
import io
import random
import tarfile
import tracemalloc
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory
from xml.sax.saxutils import escape

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from recsys.errors import InputError
from recsys.interactions.log import Interactions
from recsys.interactions.readers import ReadOptions, playlists, read

ALL = ReadOptions(max_bad_share=1)
TRACKS = ReadOptions(level="track", max_bad_share=1)
MBID = "8f3471b5-7e6a-48da-86a9-c1c07a0f47ae"
GOOD = "#EXTM3U\n#EXTINF:1,Björk - Jóga\n1.mp3\n#EXTINF:2,Muse - Uno\n2.mp3\n"


def queues(log: Interactions) -> list[str]:
    """The queues as text, names joined by >; report, plays and queues must add up."""
    names = log.catalogue["name"].to_numpy(object)
    used = log.report.rows - log.report.bad.total()
    assert log.queues.lengths.sum() == used == log.catalogue["plays"].sum()
    assert log.n_users == len(log.queues)
    assert (log.queues.lengths > 0).all()
    return [">".join(names[queue]) for queue in log.queues]


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def xspf(*tracks: str, head: str = '<?xml version="1.0" encoding="UTF-8"?>\n') -> str:
    listed = "\n".join(f"<track>{track}</track>" for track in tracks)
    return f'{head}<playlist version="1" xmlns="http://xspf.org/ns/0/"><trackList>\n{listed}\n</trackList></playlist>\n'


def track(creator: str = "", title: str = "", **more: str) -> str:
    fields = {"creator": creator, "title": title, **more}
    return "".join(f"<{key}>{escape(value)}</{key}>" for key, value in fields.items() if value)


# M3U


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


# XSPF


def test_xspf_tracks_are_named_by_creator_and_title_or_else_by_their_location(tmp_path: Path) -> None:
    tracks = [
        track("Björk", "Jóga", location="http://host/Muse%20-%20Uno.mp3"),
        track("Simon & Garfunkel", "<America>"),
        track(location="file:///music/01%20-%20Sigur%20R%C3%B3s%20-%20Glósóli.ogg"),
        track("Air", location="Air - La femme d'argent.mp3"),
        "<title>Roads</title><creator>\n  Portishead\t\n &#38; friends\n</creator><creator>Other</creator>",
        "<creator><![CDATA[<B>]]></creator><title>b<i> c</i></title>",
        "<extension><track><creator>X</creator><title>Y</title></track></extension>" + track("C", "c"),
        track("  ", "Lost"),
    ]
    path = write(tmp_path / "1.xspf", xspf(*tracks))
    log = read("playlists", path, ALL)
    assert queues(log) == ["Björk>Simon & Garfunkel>Sigur Rós>Air>Portishead & friends><B>>C"]
    assert dict(log.report.bad) == {"no artist": 1}
    assert log.report.examples["no artist"] == ["1.xspf, line 13: ' - Lost'"]
    names = read("playlists", path, TRACKS).catalogue["name"].tolist()
    assert sorted(names) == sorted(
        [
            "Björk – Jóga", "Simon & Garfunkel – <America>", "Sigur Rós – Glósóli", "Air – La femme d'argent",
            "Portishead & friends – Roads", "<B> – b", "C – c", "Lost",
        ]
    )  # fmt: skip


def test_names_and_titles_outside_tracks_are_not_taken(tmp_path: Path) -> None:
    content = (
        '<x:playlist xmlns:x="http://xspf.org/ns/0/"><x:title>T</x:title><x:creator>P</x:creator><track><creator>Q'
        "</creator></track><x:trackList><x:track><x:creator>A</x:creator><x:title>a</x:title></x:track></x:trackList>"
        "</x:playlist>"
    )
    assert queues(read("playlists", write(tmp_path / "1.xspf", content))) == ["A"]


@pytest.mark.parametrize(
    ("identifier", "known"),
    [
        (f"https://musicbrainz.org/recording/{MBID}", True),
        (f"http://www.musicbrainz.org/recording/{MBID.upper()}", True),
        (f"https://beta.musicbrainz.org/recording/{MBID}?tport=1", True),
        (f"musicbrainz://recording/{MBID}", True),
        (f"mbid:recording:{MBID}", True),
        (f"https://musicbrainz.org/artist/{MBID}", False),
        (f"https://notmusicbrainz.org/recording/{MBID}", False),
        (f"https://host/?https://musicbrainz.org/recording/{MBID}", False),
        (f"https://musicbrainz.org/recording/{MBID}0", False),
        (MBID, False),
    ],
)
def test_a_musicbrainz_recording_is_the_identity_of_a_track(tmp_path: Path, identifier: str, known: bool) -> None:
    path = write(
        tmp_path / "1.xspf",
        xspf(
            track("Björk", "Jóga", identifier=identifier),
            "<identifier>spotify:track:1</identifier>" + track("Bjork", "Joga", identifier=identifier),
        ),
    )
    assert sorted(read("playlists", path, TRACKS).catalogue["item_id"]) == (
        [MBID] if known else ["bjork – joga", "björk – jóga"]
    )
    assert sorted(read("playlists", path).catalogue["item_id"]) == ["bjork", "björk"]


def test_a_recording_needs_no_name(tmp_path: Path) -> None:
    identifier = f"https://musicbrainz.org/recording/{MBID}"
    path = write(tmp_path / "1.xspf", xspf(track(identifier=identifier), track("A", "a", identifier=identifier)))
    log = read("playlists", path, TRACKS)
    assert queues(log) == [f"{MBID}>{MBID}"]
    assert log.report.notes == []
    assert dict(read("playlists", path, ALL).report.bad) == {"no artist": 1}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "iso-8859-1", "windows-1252"])
def test_xspf_is_read_in_the_encoding_it_names(tmp_path: Path, encoding: str) -> None:
    name = "UTF-8" if encoding == "utf-8-sig" else encoding
    text = xspf(track("Björk", "Jóga"), head=f'<?xml version="1.0" encoding="{name}"?>')
    assert queues(read("playlists", write(tmp_path / "1.xspf", text.encode(encoding)))) == ["Björk"]


def test_no_encoding_that_xml_names_brings_the_reader_down(tmp_path: Path) -> None:
    known = sorted(
        {*encodings.aliases.aliases, *encodings.aliases.aliases.values(), "undefined", "idna", "no such", ""}
    )
    said = []
    for name in known:
        path = write(tmp_path / "1.xspf", xspf(track("A", "a"), head=f'<?xml version="1.0" encoding="{name}"?>'))
        try:
            assert read("playlists", path, ALL).n_items == 1
        except InputError as refused:
            said.append(str(refused))
    assert all("XML" in words for words in said)
    assert 0 < len(said) < len(known)
    with pytest.raises(InputError, match="1 × XML in an encoding that cannot be read"):
        read("playlists", write(path, xspf(track("A", "a"), head='<?xml version="1.0" encoding="klingon"?>')))


def laughs(deep: int = 9) -> str:
    entities = "".join(f'<!ENTITY l{k + 1} "{f"&l{k};" * 10}">' for k in range(deep))
    return f'<?xml version="1.0"?>\n<!DOCTYPE playlist [<!ENTITY l0 "lol">{entities}]>\n' + xspf(
        f"<creator>&l{deep};</creator>", head=""
    )


def external(secret: Path) -> str:
    return f'<!DOCTYPE playlist [<!ENTITY x SYSTEM "{secret.as_uri()}">]>\n' + xspf("<creator>&x;</creator>", head="")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le"])
@pytest.mark.parametrize("kind", ["laughs", "one laugh", "external", "only declared", "parameter", "broken behind"])
def test_xml_with_a_document_type_is_refused_and_nothing_of_it_expanded(
    tmp_path: Path, kind: str, encoding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = write(tmp_path / "secret.txt", "SECRET")
    content = {
        "laughs": laughs(), "one laugh": laughs(0), "external": external(secret),
        "only declared": '<!DOCTYPE playlist SYSTEM "http://host.invalid/xspf.dtd">\n' + xspf(track("A", "a"), head=""),
        "parameter": f'<!DOCTYPE playlist [<!ENTITY % x SYSTEM "{secret.as_uri()}">%x;]>' + xspf(head=""),
        "broken behind": "<!DOCTYPE playlist [ & < \x01",
    }[kind]  # fmt: skip
    text_seen: list[str] = []
    monkeypatch.setattr(playlists._Xspf, "_characters", lambda _, text: text_seen.append(text))
    write(tmp_path / "1.xspf", content.encode(encoding))
    with pytest.raises(
        InputError, match=r"1 of 1 rows.*1 × XML with a document type, which is refused \(first: 1.xspf"
    ):
        read("playlists", tmp_path / "1.xspf")
    assert text_seen == []
    monkeypatch.undo()
    write(tmp_path / "2.m3u", GOOD)
    log = read("playlists", tmp_path, ALL)
    assert queues(log) == ["Björk>Muse"]
    assert dict(log.report.bad) == {"XML with a document type, which is refused": 1}


def test_an_entity_without_document_type_breaks_the_xml(tmp_path: Path) -> None:
    path = write(tmp_path / "1.xspf", xspf(track("A", "a"), "<creator>&lol;</creator>"))
    log = read("playlists", path, ALL)
    assert queues(log) == ["A"]
    assert log.report.examples == {"broken XML": ["1.xspf, line 4: 'undefined entity'"]}


def test_tracks_before_broken_xml_are_kept_and_the_break_is_a_bad_row(tmp_path: Path) -> None:
    whole = xspf(track("A", "a"), track("B", "b"), track("C", "c"))
    path = write(tmp_path / "1.xspf", whole[: whole.index("C</creator>")])
    log = read("playlists", path, ALL)
    assert queues(log) == ["A>B"]
    assert (log.report.rows, dict(log.report.bad)) == (3, {"broken XML": 1})
    assert log.report.examples["broken XML"] == ["1.xspf, line 5: 'no element found'"]
    with pytest.raises(InputError, match="1 of 3 rows cannot be used.*broken XML"):
        read("playlists", path)


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        ("<html><body>404</body></html>", "XML, but not XSPF"),
        ("<playlist>" + "<a>" * 100, "XML, but not XSPF"),
        ("<playlist a='" + "x" * (2 << 20), "XML tag of more than 1,048,576 bytes"),
        ("<!--" + "x" * (2 << 20) + "--><playlist/>", "XML tag of more than 1,048,576 bytes"),
        (xspf(track("A", "a"), track("x" * (2 << 20))), "XSPF track of more than 1,048,576 characters"),
        (xspf(track("A", "a"), f"<title>{'x' * 4096}</title>" * 257), "XSPF track of more than 1,048,576 characters"),
        ("\0" * 50, "broken XML"),
        (GOOD, "broken XML"),
        ("", "empty file"),
    ],
)
def test_what_is_no_xspf_is_one_bad_row(tmp_path: Path, content: str, kind: str) -> None:
    write(tmp_path / "1.xspf", content)
    write(tmp_path / "2.m3u8", GOOD)
    log = read("playlists", tmp_path, ALL)
    assert queues(log) == ["Björk>Muse"]
    assert (log.report.rows, dict(log.report.bad)) == (3, {kind: 1})


# Files and folders


@pytest.mark.parametrize("packed", ["folder", "pattern", "lists.zip", "lists.tar.gz", "folder of .gz"])
def test_each_playlist_of_a_folder_or_archive_is_a_queue_and_a_listener(tmp_path: Path, packed: str) -> None:
    lists = {
        "1.m3u8": GOOD, "2.M3U": "Muse - Due.mp3\nBjörk - Jóga.mp3\nMuse - Due.mp3\n", "3.m3u": "#EXTM3U\n",
        "4.xspf": xspf(track("Muse", "Uno")), "notes.txt": "A - a\n", "cover.jpg": "BZh9", "._5.m3u": "\0\5\x16",
    }  # fmt: skip
    folder, path = tmp_path / "music", tmp_path / packed
    folder.mkdir()
    for name, text in lists.items():
        write(folder / name, text)
    if packed == "lists.zip":
        with zipfile.ZipFile(path, "w") as archive:
            for name, text in lists.items():
                archive.writestr(f"lists/{name}", text)
    elif packed == "lists.tar.gz":
        with tarfile.open(path, "w:gz") as archive:
            for name, text in lists.items():
                info = tarfile.TarInfo(f"lists/{name}")
                info.size = len(text.encode())
                archive.addfile(info, io.BytesIO(text.encode()))
    elif packed == "folder of .gz":
        path.mkdir()
        for name, text in lists.items():
            write(path / f"{name}.gz", gzip.compress(text.encode()))
    else:
        path = folder if packed == "folder" else folder / "*"
    log = read("playlists", path)
    assert queues(log) == ["Björk>Muse", "Muse>Björk>Muse", "Muse"]
    assert log.user_items.toarray().tolist() == [[1, 1], [2, 1], [1, 0]]  # Muse has three listeners
    assert (log.report.rows, log.report.bad.total()) == (6, 0)
    assert log.report.notes == ["1 of 4 playlists: no usable entry, so no queue"]


def test_a_packed_m3u8_is_still_utf_8_alone(tmp_path: Path) -> None:
    path = write(tmp_path / "1.m3u8.gz", gzip.compress(GOOD.encode() + b"Mot\xf6rhead - b.mp3\n"))
    assert dict(read("playlists", path, ALL).report.bad) == {"not UTF-8": 1}


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("notes.txt", GOOD, r"holds no .m3u, .m3u8, .xspf file"),
        ("1.m3u", "", "1 of 1 rows cannot be used.*empty file"),
        ("1.m3u", "#EXTM3U\n\n", "no playlist holds a usable entry; 0 rows read"),
        ("1.m3u8", GOOD.encode("utf-16"), "UTF-16; save it as UTF-8"),
        ("1.m3u8", b"\0\1\2\xff" * 99, "1 × control character"),
        ("1.xspf", xspf(), "no playlist holds a usable entry; 0 rows read"),
        ("1.m3u8.gz", gzip.compress(GOOD.encode(), mtime=0)[:-9], "is cut or damaged"),
        ("1.m3u8", "Uno.mp3\n", r"1 × no artist \(first: 1.m3u8, line 1: 'Uno.mp3'\)"),
    ],
)
def test_a_file_without_a_usable_entry_is_refused_in_words(
    tmp_path: Path, name: str, content: str | bytes, said: str
) -> None:
    with pytest.raises(InputError, match=said):
        read("playlists", write(tmp_path / name, content))


def test_a_folder_without_playlists_is_refused_and_names_the_suffixes(tmp_path: Path) -> None:
    write(tmp_path / "cover.jpg", b"BZh9")
    with pytest.raises(InputError, match=r"holds no .m3u, .m3u8, .xspf file"):
        read("playlists", tmp_path)


def test_more_bad_rows_than_allowed_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "1.m3u", GOOD + "Lost.mp3\n")
    with pytest.raises(InputError, match="1 of 3 rows cannot be used, more than the allowed 30%"):
        read("playlists", path, ReadOptions(max_bad_share=0.3))
    assert queues(read("playlists", path, ReadOptions(max_bad_share=0.34))) == ["Björk>Muse"]


def test_spellings_are_one_item_unless_told_otherwise(tmp_path: Path) -> None:
    write(tmp_path / "1.m3u8", "Björk - a\nBJÖRK - b\n")
    write(tmp_path / "2.xspf", xspf(track("Bjo\u0308rk", "a"), track("Muse", "a")))
    log = read("playlists", tmp_path)
    assert queues(log) == ["Björk>Björk", "Björk>Muse"]
    assert log.report.notes == [
        "4 spellings of names without MBID are 2 items when case, width and spaces are folded; --no-merge keeps them "
        "apart"
    ]
    apart = read("playlists", tmp_path, ReadOptions(merge_spellings=False))
    assert queues(apart) == ["Björk>BJÖRK", "Bjo\u0308rk>Muse"]
    assert apart.report.notes == ["items go by their names as spelled; MBIDs were not looked at"]


def test_names_settle_in_blocks_as_they_do_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "1.m3u8", "".join(f"{'aA'[k % 2]}{k % 5} - {k}\n" for k in range(23)))
    at_once = queues(read("playlists", path))
    monkeypatch.setattr(playlists, "_NAMES_AT_ONCE", 3)
    assert queues(read("playlists", path)) == at_once == [">".join(f"{'aA'[k % 5 % 2]}{k % 5}" for k in range(23))]


# Any name, any damage

AWKWARD = [
    '"', '"Heroes"', "'", "NA", "null", "nan", "-", "- -", "#EXTM3U", "#1 Crush", "a,b", "a;b|c", "a\tb", "\\N", "/",
    "AC - DC", "a - ", "<b>&amp;</b>", "]]>", "אביתר בנאי", "\u202eevil", "𝄞𝄢", "e\u0301", "0", "01. x", "%41", "=x()",
    "http://a/b", "naïve – artist", "a\u2028b", "a\xa0 b",
]  # fmt: skip
# Neither format can hold control characters, nor XML the last two of a plane.
printable = st.characters(codec="utf-8", exclude_categories=("Cc", "Cs"), exclude_characters="\ufffe\uffff")
awkward = st.sampled_from(AWKWARD) | st.text(printable, min_size=1, max_size=12)


@given(names=st.lists(st.tuples(awkward, awkward), min_size=1, max_size=8), suffix=st.sampled_from([".m3u8", ".xspf"]))
@example(names=[(name, name) for name in AWKWARD], suffix=".m3u8")
@example(names=[(name, name) for name in AWKWARD], suffix=".xspf")
@settings(max_examples=120, deadline=None)
def test_awkward_names_come_back_as_they_were(names: list[tuple[str, str]], suffix: str) -> None:
    names = [(artist.strip(), title.strip()) for artist, title in names]
    names = [(artist, title) for artist, title in names if artist and title] or [("A", "a")]
    if suffix == ".xspf":
        names = [(artist.replace("\t", " "), title.replace("\t", " ")) for artist, title in names]
        text = xspf(*(track(artist, title) for artist, title in names))
    else:
        # Without #EXTART nothing tells the dash in an artist's name from the one before the title.
        text = "".join(f"#EXTART:{artist}\n#EXTINF:1,{artist} - {title}\nx.mp3\n" for artist, title in names)
    with TemporaryDirectory() as folder:
        path = write(Path(folder) / f"1{suffix}", text)
        artists = read("playlists", path, ReadOptions(merge_spellings=False))
        tracks = read("playlists", path, ReadOptions(merge_spellings=False, level="track"))
    assert queues(artists) == [">".join(artist for artist, _ in names)]
    assert queues(tracks) == [">".join(f"{artist} – {title}" for artist, title in names)]
    assert artists.report.bad.total() == 0


WHOLE = {
    "1.m3u": "#EXTM3U\r\n#EXTINF:12,Björk - Jóga\r\nmusic\\1.mp3\r\n#EXTART:Air\r\nfile:///02%20-%20Sexy%20Boy.mp3\r\n",
    "1.m3u8": '#EXTM3U\n#EXTINF:12 a="b,c",Ärtist – x - Song\n1.mp3\n# note\nC:\\m\\03. Muse - Uno.flac\n',
    "1.xspf": xspf(
        track("Ärtist &", "Söng", identifier=f"https://musicbrainz.org/recording/{MBID}"), track(location="A - b.mp3")
    ),
}


def outcome(path: Path, content: bytes, level: str) -> str:
    """What came of these bytes: their queues, or the words of the refusal; anything else escapes."""
    write(path, content)
    try:
        return "|".join(queues(read("playlists", path, TRACKS if level == "track" else ALL)))
    except InputError as refused:
        return f"refused: {refused}"


@pytest.mark.parametrize("name", WHOLE)
def test_a_file_cut_at_any_byte_is_a_table_or_a_clear_error(tmp_path: Path, name: str) -> None:
    content = WHOLE[name].encode()
    cut = [outcome(tmp_path / name, content[:end], "track") for end in range(len(content) + 1)]
    assert "empty file" in cut[0]
    assert cut[-1].count(">") == 1
    assert len({*cut}) >= 3


@pytest.mark.parametrize("level", ["artist", "track"])
@pytest.mark.parametrize("name", WHOLE)
def test_any_damage_is_a_table_or_a_clear_error(tmp_path: Path, name: str, level: str) -> None:
    rng = random.Random(5)
    content = WHOLE[name].encode()
    pieces = [
        b"\n",
        b"\r",
        b"\0",
        b'"',
        b",",
        b"#EXTINF:",
        b"#EXT-X-",
        b"<",
        b"&x;",
        b"<!DOCTYPE x>",
        b"\xff\xfe",
        b"%",
    ]
    for _ in range(120):
        damaged = bytearray(content)
        for _ in range(rng.choice([1, 2, 5, 40])):
            at = rng.randrange(len(damaged))
            if rng.random() < 0.7:
                damaged[at] = rng.randrange(256)
            else:
                damaged[at:at] = rng.choice(pieces)
        outcome(tmp_path / name, bytes(damaged), level)
