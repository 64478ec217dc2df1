"""What people bring along, and what strangers try."""

from __future__ import annotations

import gzip
import io
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pyarrow as pa
import pytest

from recsys.errors import InputError
from recsys.interactions import inputs
from recsys.interactions.inputs import InMemory, open_inputs, paths_of
from recsys.interactions.readers import ReadOptions, read, spotify
from recsys.interactions.simulate import Simulation, events
from recsys.interactions.writers import WRITERS
from recsys.listener import history, uploads
from recsys.listener.history import History
from recsys.listener.uploads import read_upload
from tests.listener import hostile
from tests.test_walls import HEAVY


def held(name: str, content: str | bytes, level: str = "artist") -> dict[str, float]:
    content = content.encode() if isinstance(content, str) else content
    found = read_upload(name, content, level=level)  # type: ignore[arg-type]
    return {wanted.text: wanted.weight for wanted in found.wanted}


def zipped(members: dict[str, bytes]) -> bytes:
    return hostile.zipped(members)


SPOTIFY = [
    {"ts": "2024-01-01T00:00:00Z", "ms_played": 99_000, "master_metadata_album_artist_name": artist,
     "master_metadata_track_name": track, "spotify_track_uri": f"spotify:track:{track}"}
    for artist, track in [("Björk", "Joga"), ("Björk", "Joga"), ("Björk", "Hunter"), ("Radiohead", "Creep")]
]  # fmt: skip
LISTENS = [
    {"listened_at": 10**9 + at, "track_metadata": {"artist_name": artist, "track_name": track}}
    for at, (artist, track) in enumerate([("Björk", "Joga"), ("Beck", "Loser"), ("Beck", "Loser")])
]


@pytest.mark.parametrize("level", ["artist", "track"])
@pytest.mark.parametrize(
    "name", ["Streaming_History_Audio_2024_0.json", "endsong_3.json.gz", "my_spotify_data.zip", "renamed.json"]
)
def test_a_spotify_export_is_told_by_its_names_or_its_content(name: str, level: str) -> None:
    content = json.dumps(SPOTIFY).encode()
    if name.endswith(".gz"):
        content = gzip.compress(content, mtime=0)
    elif name.endswith(".zip"):
        content = zipped(
            {
                "Data/Identity.json": b'{"a": 1}',
                "Data/Streaming_History_Audio_0.json": content,
                "Data/Read.pdf": b"%PDF",
            }
        )
    expected = {"Björk": 3, "Radiohead": 1} if level == "artist" else {
        "Björk – Joga": 2, "Björk – Hunter": 1, "Radiohead – Creep": 1
    }  # fmt: skip
    assert held(name, content, level) == expected


@pytest.mark.parametrize("name", ["1.listens", "export.zip", "renamed.json"])
def test_a_listenbrainz_export_is_told_by_its_names_or_its_content(name: str) -> None:
    content = "".join(json.dumps(listen) + "\n" for listen in LISTENS).encode()
    if name.endswith(".zip"):
        content = zipped({"user.json": b'{"user_id": 1}\n', "listens/2024/1.jsonl": content})
    assert held(name, content) == {"Beck": 2, "Björk": 1}


@pytest.mark.parametrize(
    ("name", "content", "artists", "tracks"),
    [
        ("a.csv", "artist,plays\nBjörk,3\nBeck,1.5\nbjörk,1\n", {"Björk": 4, "Beck": 1.5}, {"Björk": 4, "Beck": 1.5}),
        ("a.csv", "Artist Name,Track_Name\nA,x\nA,x\nA,y\n", {"A": 3}, {"A – x": 2, "A – y": 1}),
        ("a.tsv", "title\tcreator\tPlay Count\nx\tA\t7\n", {"A": 7}, {"A – x": 7}),
        ("a.txt", "name;count\nA;2\n", {"A": 2}, {"A": 2}),
        ("a.csv", "user,item,name,plays\nme,1,A,2\nme,2,B,3\n", {"B": 3, "A": 2}, {"B": 3, "A": 2}),
        ("a.csv", '"A, B",Album,Song,"01 Feb 2024 10:00"\nC,,D,01 Feb 2024 10:05\n', {"A, B": 1, "C": 1},
         {"A, B – Song": 1, "C – D": 1}),
        ("a.csv", "A,Album,Song,1700000000\nA,Album,Song,1700000300\n", {"A": 2}, {"A – Song": 2}),
        ("a.m3u8", "#EXTM3U\n#EXTINF:1,A - x\nf\n#EXTINF:1,A - y\ng\n", {"A": 2}, {"A – x": 1, "A – y": 1}),
    ],
)  # fmt: skip
def test_tables_and_playlists_are_counted_by_artist_or_track(
    name: str, content: str, artists: dict[str, float], tracks: dict[str, float]
) -> None:
    assert held(name, content, "artist") == artists
    assert held(name, content, "track") == tracks
    assert held("packed.zip", zipped({f"folder/{name}": content.encode()}), "artist") == artists
    assert held(f"{name}.zst", pa.compress(content.encode(), codec="zstd", asbytes=True), "artist") == artists


def test_the_heaviest_comes_first() -> None:
    found = read_upload("a.csv", b"artist,plays\nA,1\nB,9\nC,4\n", level="artist")
    assert [wanted.text for wanted in found.wanted] == ["B", "C", "A"]


def test_an_id_of_a_table_goes_with_the_name() -> None:
    found = read_upload("a.csv", b"artist mbid,artist\nm1,A\n,B\n", level="artist")
    assert {wanted.text: wanted.item_id for wanted in found.wanted} == {"A": "m1", "B": "b"}


def test_a_list_is_an_item_a_line_with_its_weight() -> None:
    assert held("liked.txt", "\ufeffBjörk=3\nBeck - Loser\n") == {"Björk": 3, "Beck - Loser": 1}


def test_what_could_not_be_used_is_told() -> None:
    found = read_upload("a.csv", b"artist,plays\nA,1\nB,many\n,2\nC,4\n", level="artist")
    assert "play count that is not a number" in found.remarks[0]
    assert "empty name" in found.remarks[0]


def test_several_listeners_are_one_and_it_is_said() -> None:
    lines = "".join(json.dumps({**listen, "user_name": f"u{at}"}) + "\n" for at, listen in enumerate(LISTENS))
    found = read_upload("x.jsonl", lines.encode(), level="artist")
    assert "the plays of 3 listeners or playlists were added up" in found.remarks


def test_progress_is_told_in_bytes_of_the_upload() -> None:
    told: list[int] = []
    content = b"artist\n" + b"A\nB\n" * 50_000
    read_upload("a.csv", content, level="artist", on_bytes=told.append)
    # The first six are looked at twice.
    assert sum(told) == len(content) + 6


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.csv", b"", "is empty"),
        ("a.csv", b"artist,plays\n", "no usable row"),
        ("a.txt", b"\x1f", "is empty"),  # white space to Python's text, not to its bytes; found by the fuzzer
        ("a.csv", b"artist,plays\nA,x\nB,y\nC,1\n", "2 of 3 rows cannot be used, more than the allowed 50%"),
        ("a.csv", b"artist" + b"," * 500 + b"\n", "has 501 columns; at most 500"),
        ("a.csv", b"artist" + b"," * 70_000 + b"\nA", "first line of more than 65,536 bytes"),
        ("a.parquet", b"PAR1xxxx", "is Parquet; upload CSV"),
        ("a.tar.gz", gzip.compress(b"x", mtime=0), "is a tar archive"),
        ("a.zip", zipped({"photo.png": b"x"}), "holds nothing that can be read"),
        ("a.png", b"\x89PNG\r\n\0\0\0\0\0\0", "NUL bytes"),
        ("a.txt", b"Bj\xf6rk\nBeck\n", "not UTF-8"),
        ("a.json", b"[1, 2", "not whole JSON"),
        ("a.txt", b"\n{}", "looks like JSON; its name should end in .json"),
    ],
)
def test_what_is_no_history_is_refused_in_words(name: str, content: bytes, words: str) -> None:
    with pytest.raises(InputError, match=words):
        read_upload(name, content, level="artist")


def test_an_upload_has_a_largest_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "LARGEST_UPLOAD", 10)
    with pytest.raises(InputError, match="has 11 bytes; at most 10 are taken"):
        read_upload("a.txt", b"x" * 11, level="artist")


def test_what_it_unpacks_to_is_bounded_over_all_members(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inputs, "MOST_UNPACKED", 1_000)
    assert held("a.csv.gz", gzip.compress(b"artist\n" + b"A\n" * 100, mtime=0)) == {"A": 100}
    for name, content in {
        "a.csv.gz": gzip.compress(b"artist\n" + b"A\n" * 1_000, mtime=0),
        "b.m3u.gz": gzip.compress(b"A - b\n" * 1_000, mtime=0),
        "c.zip": zipped({f"{at}.m3u": b"A - b\n" * 100 for at in range(3)}),
    }.items():
        with pytest.raises(InputError, match="unpacks to more than"):
            read_upload(name, content, level="artist")


@pytest.mark.parametrize(
    ("name", "line", "reader"), [("a.m3u", b"A - b", "playlists"), ("a.jsonl", b"{}", "listenbrainz")]
)
def test_how_many_lines_there_are_is_bounded(
    monkeypatch: pytest.MonkeyPatch, name: str, line: bytes, reader: str
) -> None:
    monkeypatch.setitem(uploads.MOST_LINES, reader, 50)
    for line_end in (b"\n", b"\r"):
        with pytest.raises(InputError, match="has more than 50 lines"):
            read_upload(name, (line + line_end) * 60, level="artist")


def test_json_may_have_a_value_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(InMemory, "most_lines", 50)
    content = json.dumps(SPOTIFY, indent=1).replace(",", ",\n\n\n").encode()
    assert content.count(b"\n") > 50
    assert held("endsong.json", content) == {"Björk": 3, "Radiohead": 1}


def test_how_many_values_json_holds_is_bounded_before_it_is_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    commas_and_brackets = sum(json.dumps(SPOTIFY).count(sign) for sign in ",[{")
    monkeypatch.setattr(spotify, "MOST_VALUES", commas_and_brackets)
    assert held("endsong.json", json.dumps(SPOTIFY)) == {"Björk": 3, "Radiohead": 1}
    with pytest.raises(InputError, match="values; split it"):
        read_upload("endsong.json", json.dumps([*SPOTIFY, []]).encode(), level="artist")


XSPF = "<playlist><trackList><track><creator>Beck</creator></track></trackList></playlist>"  # eight tags


@pytest.mark.parametrize(
    ("reader", "name", "content", "signs", "what"),
    [
        (
            "spotify-history", "endsong_%d.json", json.dumps(SPOTIFY),
            sum(map(json.dumps(SPOTIFY).count, ",[{")), "values",
        ),
        ("playlists", "%d.xspf", XSPF, 8, "XML tags"),
    ],
)  # fmt: skip
def test_what_a_parser_is_given_is_bounded_over_all_files_of_an_upload(
    monkeypatch: pytest.MonkeyPatch, reader: str, name: str, content: str, signs: int, what: str
) -> None:
    monkeypatch.setitem(uploads.MOST_SIGNS, reader, uploads.MOST_SIGNS[reader]._replace(most=2 * signs))
    two = {name % at: content.encode() for at in range(2)}
    assert read_upload("x.zip", zipped(two), level="artist").wanted
    with pytest.raises(InputError, match=f"has more than {2 * signs} {what}; upload a part of it"):
        read_upload("x.zip", zipped({**two, name % 2: content.encode()}), level="artist")


def test_a_listen_of_a_megabyte_is_no_listen() -> None:
    long = {**LISTENS[0], "track_metadata": {"artist_name": "Beck", "track_name": "x" * (1 << 20)}}
    lines = "".join(json.dumps(listen) + "\n" for listen in [*LISTENS, long])
    found = read_upload("1.listens", lines.encode(), level="artist")
    assert {wanted.text: wanted.weight for wanted in found.wanted} == {"Beck": 2, "Björk": 1}
    assert "1 × line of more than 1,048,576 bytes" in found.remarks[0]


def test_how_many_items_there_are_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "MOST_ITEMS", 2)
    monkeypatch.setattr(uploads, "MOST_ITEMS", 2)
    with pytest.raises(InputError, match="holds 3 items; at most 2"):
        read_upload("a.csv", b"artist\nA\nB\nC\n", level="artist")
    with pytest.raises(InputError, match="has 3 lines; at most 2"):
        read_upload("a.txt", b"A\nB\nC\n", level="artist")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", "artist\n" + "".join(f"{at:030}\n" for at in range(9_000))),
        ("a.csv", "artist,mbid\n" + "".join(f"{at:030},{at}\n" for at in range(9_000))),
        ("a.m3u8", "".join(f"{at:030} - b\n" for at in range(9_000))),
        ("1.jsonl", "".join(
            json.dumps({**LISTENS[0], "track_metadata": {"artist_name": f"{at:030}"}}) + "\n" for at in range(9_000)
        )),
        ("endsong.json", json.dumps(
            [{**SPOTIFY[0], "master_metadata_album_artist_name": f"{at:030}"} for at in range(9_000)]
        )),
    ],
)  # fmt: skip
def test_what_different_names_take_together_is_bounded(
    monkeypatch: pytest.MonkeyPatch, name: str, content: str
) -> None:
    assert len(read_upload(name, content.encode(), level="artist").wanted) == 9_000
    monkeypatch.setattr(uploads, "MOST_TEXT", 200_000)
    with pytest.raises(InputError, match="different names have more than 200,000 bytes together"):
        read_upload(name, content.encode(), level="artist")


def test_a_list_and_a_file_of_json_have_a_largest_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "LONGEST_LIST", 10)
    monkeypatch.setattr(spotify, "LARGEST_JSON", 10)
    with pytest.raises(InputError, match="has more than 10 bytes, too many for a list of items"):
        read_upload("a.txt", b"Radiohead\nBeck", level="artist")
    with pytest.raises(InputError, match="has more than 10 bytes"):
        read_upload("endsong.json", json.dumps(SPOTIFY).encode(), level="artist")


def test_names_in_an_archive_do_not_fill_the_page() -> None:
    """Found by the fuzzer: what is damaged is named, and a name in an archive may have 65,535 characters."""
    long = f"{'x' * 60_000}.csv"
    whole = zipped({long: b"artist\nBeck\n"})
    torn = whole.replace(b"xxx", b"yyy", 1)  # the first of two places where the name stands
    for name, content in {"a.zip": torn, "b.zip": zipped({long: b""}), f"{'x' * 60_000}.csv": b""}.items():
        with pytest.raises(InputError, match=r"cut or damaged|is empty") as refused:
            read_upload(name, content, level="artist")
        assert len(str(refused.value)) < 1_000


def test_an_archive_of_too_many_files_is_not_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inputs, "MOST_MEMBERS", 3)
    with pytest.raises(InputError, match="holds more than 3 files"):
        read_upload("a.zip", zipped({f"{at}.m3u": b"A - b\n" for at in range(4)}), level="artist")


def test_a_file_in_memory_is_never_looked_for_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "log.csv").write_text("on disk")
    monkeypatch.chdir(tmp_path)
    upload = InMemory.of("../elsewhere/log.csv", b"in memory")
    assert str(upload) == "log.csv"
    assert paths_of(upload) == [upload]
    assert [source.stream.read() for source in open_inputs([upload])] == [b"in memory"]
    beside = upload.with_suffix(".csv")
    assert not beside.exists()
    with pytest.raises(FileNotFoundError, match="not in memory"):
        beside.open("rb")
    with pytest.raises(FileNotFoundError, match="not on disk"):
        upload.stat()


def test_an_upload_is_not_written_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    written: list[object] = []
    monkeypatch.setattr(os, "open", lambda *of, **more: written.append(of))
    held("a.zip", zipped({"Streaming_History.json": json.dumps(SPOTIFY).encode()}))
    held("a.csv", "artist\nA\n")
    assert written == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("reader", ["listenbrainz", "spotify-history", "playlists"])
def test_from_memory_comes_what_comes_from_disk(reader: str, tmp_path: Path) -> None:
    path = tmp_path / ("1.listens" if reader == "listenbrainz" else "folder")
    WRITERS[reader](events(Simulation(3, n_items=102, mean_sessions=3, mean_plays=4, seed=1)), path)
    content = path.read_bytes() if path.is_file() else None
    if content is None:
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w") as archive:
            for file in sorted(path.iterdir()):
                archive.write(file, f"folder/{file.name}")
        content = stream.getvalue()
    name = path.name if path.is_file() else "folder.zip"
    from_disk = History.of_log(read(reader, path, ReadOptions()))
    assert read_upload(name, content, level="artist").wanted == from_disk.wanted


def test_hostile_uploads_are_histories_or_errors_in_words() -> None:
    ended = {hostile.run(case, hostile.QUICK)[1] for case in range(80)}
    assert ended == {"history", "error"}


@pytest.mark.parametrize("name", ["x.csv.gz", "x.jsonl.gz", "x.m3u8.gz", "Streaming_History.json.gz", "x.xspf.gz"])
def test_a_bomb_ends_in_words(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for reader in ("listenbrainz", "playlists"):
        monkeypatch.setitem(uploads.MOST_LINES, reader, 150_000)  # a tenth, or a seventh, of what takes seconds
    packed = gzip.compress(b"a,b\n" * (2 << 20), 1) * 33
    with pytest.raises(InputError, match=r"unpacks to more than|has more than|broken XML|no usable row"):
        read_upload(name, packed, level="artist")


def test_nothing_heavy_is_loaded_before_there_is_an_upload() -> None:
    script = """
import sys
import recsys.listener.export, recsys.listener.matching, recsys.listener.radio, recsys.listener.uploads
from recsys.listener.uploads import read_upload
assert read_upload("a.txt", b"Radiohead=2", level="artist").wanted[0].weight == 2
print(",".join(sorted({name.split(".")[0] for name in sys.modules})))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert set(done.stdout.strip().split(",")) & (HEAVY | {"sklearn", "rapidfuzz"}) == set()
