"""XSPF: what names a track, and XML that is none or means harm."""

from __future__ import annotations

import encodings.aliases
from pathlib import Path

import pytest

from recsys.errors import InputError
from recsys.interactions.readers import playlists, read
from tests.interactions.playlist_files import ALL, GOOD, MBID, TRACKS, queues, track, write, xspf


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
