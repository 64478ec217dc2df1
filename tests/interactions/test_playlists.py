"""Playlists in files, folders and archives: each is a queue, and what cannot be used is counted."""

from __future__ import annotations

import gzip
import io
import random
import tarfile
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from recsys.errors import InputError
from recsys.interactions.readers import ReadOptions, playlists, read
from tests.interactions.playlist_files import ALL, GOOD, MBID, TRACKS, queues, track, write, xspf


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
@settings(max_examples=120)
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
