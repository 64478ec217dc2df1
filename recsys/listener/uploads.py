"""A stranger's file as a listening history: kept in memory, bounded, and told apart by what it holds."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from typing import Literal

import numpy as np

from recsys.errors import InputError
from recsys.interactions.inputs import SNIFF_BYTES, BytesRead, InMemory, Input, Signs, any_name, open_inputs
from recsys.interactions.log import Interactions
from recsys.listener.history import MOST_ITEMS, History
from recsys.listener.matching import wanted_items

LARGEST_UPLOAD = 64 << 20
MOST_COLUMNS = 500
MOST_TEXT = 32 << 20  # of all different names together: a hundred bytes for each of MOST_ITEMS
LONGEST_LIST = 16 << 20  # in bytes; as text, characters beyond the commonest make it four times as large
# What services export says much of each play.
MOST_BYTES = {"listenbrainz": 256 << 20, "spotify-history": 256 << 20}
# By reader: these look at each line by itself, up to 10 µs. JSON is read whole, and often printed a value a line.
MOST_LINES = {"listenbrainz": 1_500_000, "playlists": 1_000_000, "spotify-history": MOST_BYTES["spotify-history"]}
# What a parser makes of few bytes: 3 µs of a tag, 1 µs of a value. By all that XSPF knows of a track, two million
# tags are 70,000 of them; a play of Spotify has some 22 values and 700 bytes.
MOST_SIGNS = {
    "playlists": Signs(2_000_000, b"<", "XML tags"),
    "spotify-history": Signs(9_000_000, b",[{", "values"),
}
# An export holds more than plays; what is no play is counted and told.
MAX_BAD_SHARE = 0.5
_PLAYLISTS = (".m3u", ".m3u8", ".xspf")
_JSON_LINES = (".jsonl", ".listens", ".ndjson")
_TABLES = (".csv", ".tsv", ".tab", ".txt")
# Column names, folded; the first that is there counts.
_ARTIST = ("artist", "artist name", "artistname", "artist name(s)", "artists", "creator")
_TRACK = ("track", "track name", "trackname", "title", "song", "name")
_ITEM = ("name", "item name", "item")
_PLAYS = ("plays", "play count", "playcount", "count", "scrobbles", "weight")
_IDS = {
    "artist": ("artist mbid", "artist id", "mbid", "item id", "item"),
    "track": ("track mbid", "recording mbid", "track id", "spotify track uri", "mbid", "item id", "item"),
}
# Exports of Last.fm have no header: artist, album, track, time.
_LASTFM = ("artist", "album", "track", "time")
_TIME = re.compile(r"\d{1,2} [A-Za-z]{3} \d{4},? \d\d:\d\d|\d{4}-\d\d-\d\d|\d{9,13}\Z")


def read_upload(
    name: str, content: bytes, *, level: Literal["artist", "track"], on_bytes: BytesRead | None = None
) -> History:
    """What an uploaded file says that its owner played.

    A Spotify or ListenBrainz export, as .zip or single files; a playlist; a table with a column artist, item or name,
    and a column of plays if there is one; an export of Last.fm as CSV; or an item a line.

    Parameters
    ----------
    name : of the file, as the browser gives it. content : its bytes, packed or not.
    level : what the items of the catalogue are.
    on_bytes : told how many bytes of `content` were read, for progress.

    Raises
    ------
    InputError : it is too large, none of these, or holds nothing that can be used.
    """
    if len(content) > LARGEST_UPLOAD:
        raise InputError(f"has {len(content):,} bytes; at most {LARGEST_UPLOAD:,} are taken", file=name)
    upload = InMemory.of(name, content)
    if content.startswith(b"PAR1"):
        raise InputError("is Parquet; upload CSV", file=upload)
    reader = _reader(upload)
    if reader is None:
        return _text(upload, level, on_bytes)
    from recsys.interactions.readers import ReadOptions, read

    bounded = InMemory.of(name, content, MOST_LINES[reader], MOST_BYTES.get(reader), MOST_SIGNS.get(reader))
    return History.of_log(
        read(
            reader,
            bounded,
            ReadOptions(max_bad_share=MAX_BAD_SHARE, level=level, on_bytes=on_bytes, most_text=MOST_TEXT),
        )
    )


def _reader(upload: InMemory) -> str | None:
    """The reader of the file or of what is in the archive; None for tables and lists."""
    names, starts = [], []
    for source in open_inputs([upload]):
        small = source.name.lower().removesuffix(".gz").removesuffix(".zst")
        names.append(small)
        starts.append(source.stream.peek(SNIFF_BYTES).lstrip()[:1] if small.endswith(".json") else b"")
    if any(name.endswith(_PLAYLISTS) for name in names):
        return "playlists"
    if any(name.endswith(".json") and ("history" in name or "endsong" in name) for name in names):
        return "spotify-history"
    if any(name.endswith(_JSON_LINES) for name in names):
        return "listenbrainz"
    if any(starts):
        return "spotify-history" if next(filter(None, starts)) == b"[" else "listenbrainz"
    return None


def _text(upload: InMemory, level: str, on_bytes: BytesRead | None) -> History:
    """Of the first table or list in the file."""
    is_archive = (upload.content or b"").startswith(b"PK\x03\x04")
    for source in open_inputs(
        [upload], (lambda name: name.lower().endswith(_TABLES)) if is_archive else any_name, on_bytes
    ):
        source.check_is_text()
        first = source.stream.peek(SNIFF_BYTES)[:SNIFF_BYTES]
        if b"\n" not in first and len(first) == SNIFF_BYTES:
            raise InputError(f"has a first line of more than {SNIFF_BYTES:,} bytes", file=source.name, line=1)
        line = first.split(b"\n", 1)[0].decode("utf-8-sig", "replace").replace("\r", " ")
        delimiter, fields = max(
            ((sign, next(csv.reader([line], delimiter=sign), [])) for sign in ",\t;"), key=lambda found: len(found[1])
        )
        if len(fields) > MOST_COLUMNS:
            raise InputError(f"has {len(fields):,} columns; at most {MOST_COLUMNS} are taken", file=source.name, line=1)
        named = [" ".join(field.casefold().replace("_", " ").split()) for field in fields]
        if len(fields) == len(_LASTFM) and _TIME.match(fields[-1].strip()):
            return History.of_log(_table(source, _LASTFM, delimiter, level, header=False))
        if any(column in named for column in (*_ARTIST, *_ITEM)):
            return History.of_log(_table(source, named, delimiter, level, header=True))
        return _lines(source)
    raise InputError(
        f"holds nothing that can be read; upload an export of Spotify, ListenBrainz or Last.fm, a playlist "
        f"({', '.join(_PLAYLISTS)}), a table ({', '.join(_TABLES)}), or a list",
        file=upload,
    )


def _table(source: Input, named: Sequence[str], delimiter: str, level: str, *, header: bool) -> Interactions:
    # These compile loops, which nobody who uploads nothing should wait for.
    from recsys.interactions.readers.columns import Rows
    from recsys.interactions.readers.gather import Gathered
    from recsys.interactions.readers.identity import Identity, joined_names
    from recsys.interactions.report import ReadReport
    from recsys.interactions.tabular import read_blocks
    from recsys.interactions.texts import Texts

    # Columns go by their places: two may have one name.
    def place(wanted: Sequence[str]) -> str | None:
        return next((str(named.index(name)) for name in wanted if name in named), None)

    artist, track, item, plays = (place(wanted) for wanted in (_ARTIST, _TRACK, _ITEM, _PLAYS))
    own = artist if artist is not None and (level == "artist" or track is None) else item
    parts = (artist, track) if level == "track" and artist is not None and track is not None else (own,)
    needed = [column for column in parts if column is not None]
    if not needed:
        raise InputError(f"has no column for a {level}; name one {level} or item", file=source.name, line=1)
    item_id = place(_IDS[level])
    report = ReadReport(source=source.name, reader="table")
    identity = Identity(merge=True, most_text=MOST_TEXT)
    log = Gathered(report, identity.ids)
    log.users.add(Texts.of(["this listener"]))
    columns = [str(at) for at in range(len(named))]
    quoting = delimiter != "\t"
    for block in read_blocks(source, columns, delimiter=delimiter, report=report, header=header, quoting=quoting):
        rows = Rows(block, source.name, report)
        for column in needed:
            rows.require_text(column, "name")
        counted = None if plays is None else rows.plays(plays)
        kept = rows.kept()
        names = kept[needed[0]] if len(needed) == 1 else joined_names(kept[needed[0]], kept[needed[1]])
        ids = Texts.of([""] * len(names)) if item_id is None or item_id in needed else kept[item_id]
        log.add(
            np.zeros(len(names), np.int32), identity.items(ids, names), names,
            plays=None if counted is None else counted[rows.usable],
        )  # fmt: skip
    report.refuse_if_mostly_bad(MAX_BAD_SHARE)
    log.refuse_if_empty()
    identity.tell(report)
    return log.interactions(log.catalogue(), session_gap_minutes=1)


def _lines(source: Input) -> History:
    content = source.stream.read(LONGEST_LIST + 1)
    if len(content) > LONGEST_LIST:
        raise InputError(f"has more than {LONGEST_LIST:,} bytes, too many for a list of items", file=source.name)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError("is not UTF-8; save it as UTF-8", file=source.name) from error
    if text.lstrip()[:1] in ("[", "{"):
        raise InputError("looks like JSON; its name should end in .json", file=source.name)
    count = len(text.splitlines())
    if count > MOST_ITEMS:
        raise InputError(f"has {count:,} lines; at most {MOST_ITEMS:,} are taken as a list", file=source.name)
    wanted = wanted_items(text)
    if not wanted:
        raise InputError("is empty", file=source.name)
    return History(wanted, [f"{count:,} lines, each taken for an item"])
