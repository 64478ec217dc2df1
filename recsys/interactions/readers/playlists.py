"""Playlists in M3U, M3U8 and XSPF: one queue a file."""

from __future__ import annotations

import io
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from urllib.parse import unquote_to_bytes
from xml.parsers import expat

import numpy as np
import pandas as pd

from recsys.errors import InputError
from recsys.interactions.inputs import PACKED_SUFFIXES, SNIFF_BYTES, UTF8_BOM, open_inputs, paths_of
from recsys.interactions.log import Interactions
from recsys.interactions.readers.identity import Identity, folded_name
from recsys.interactions.readers.options import ReadOptions
from recsys.interactions.report import ReadReport
from recsys.interactions.texts import Texts

SUFFIXES = (".m3u", ".m3u8", ".xspf")
LONGEST_LINE = 1 << 20  # in bytes; also of an XML tag, and of the text of an XSPF track
LONGEST_NAME = 1_000
MOST_ENTRIES = 1_000_000
DEEPEST_XML = 100
_NAMES_AT_ONCE = 100_000

_CONTROL = re.compile("[\0-\x08\x0a-\x1f\x7f]")
_URL = re.compile(r"file:(?!//)|[a-z][a-z0-9+.-]+://[^/\\?#]*", re.IGNORECASE)
_FILE_SUFFIX = re.compile(r"\.(?=\d*[A-Za-z])[A-Za-z0-9]{1,5}\Z")
# Three digits only before “Artist - Title”: 311 and 702 are bands.
_TRACK_NUMBER = re.compile(r"\A(?:(?:\d{1,2}-)?\d{1,2}\s*[-.)]\s+|\d{3}\s*[-.)]\s+(?=.* - ))")
# What stands behind the first comma outside quotes; attributes such as tvg-name="A, B" come before it.
_DISPLAYED = re.compile(r'(?:[^",]++|"[^"]*")*+,(.*)')
_RECORDING = re.compile(
    r"(?i:https?://([\w-]+\.)?musicbrainz\.org/|musicbrainz:(//)?|mbid:)recording[/:]"
    r"(?P<mbid>[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})(?![\w-])"
)
_TRACK = ["playlist", "trackList", "track"]


def read_playlists(path: Path, options: ReadOptions) -> Interactions:
    """Playlists in .m3u, .m3u8 and .xspf files, their folder or archive; each is a queue and stands for one listener.

    Every entry is a row. A bad row is an entry that cannot be used, a line that cannot be read, an #EXTINF that no
    entry follows, the place where XML breaks (the tracks before it are kept), and, as a whole, a file that is no
    playlist of music: HLS, other XML, XML with a document type, of which nothing is expanded or fetched.

    M3U: “Artist - Title” of #EXTINF, or else of the file name; #EXTART is the artist of the next entry alone.
    XSPF: creator and title; without a title, the name of the file at the location. Tracks may lack an artist.

    Raises
    ------
    InputError : there is no playlist, too much of it cannot be used, or none holds a usable entry.

    Source: Gonze, Friedrich & Kaye (2006), XSPF version 1. M3U has no standard; RFC 8216 says what is HLS.
    """
    report = options.report("playlists", path)
    # Among music lie pictures and much else that is not to be opened.
    paths = [p for p in paths_of(path) if p == path or p.name.lower().endswith(SUFFIXES + PACKED_SUFFIXES)]
    code: dict[tuple[str, str], int] = {}
    played: list[int] = []
    lengths: list[int] = []
    told, seen = Counter[str](), 0
    for source in open_inputs(paths, lambda name: name.lower().endswith(SUFFIXES) and name[0] != ".", options.on_bytes):
        report.add_file(source.path)
        playlist = _Playlist(source.name, options.level == "track", report)
        playlist.read(source.stream)
        played.extend(code.setdefault(entry, len(code)) for entry in playlist.entries)
        lengths += [len(playlist.entries)] if playlist.entries else []
        told.update(playlist.told)
        seen += 1
    if not seen:
        raise InputError(f"holds no {', '.join(SUFFIXES)} file", file=path)
    report.notes += [f"{count:,} of {seen:,} playlists: {what}" for what, count in sorted(told.items())]
    report.refuse_if_mostly_bad(options.max_bad_share)
    if not lengths:
        raise InputError(f"no playlist holds a usable entry; {report.summary()}", file=path)
    identity, entries = Identity(options.merge_spellings, options.most_text), list(code)
    blocks = (zip(*entries[at : at + _NAMES_AT_ONCE]) for at in range(0, len(entries), _NAMES_AT_ONCE))
    item_of = np.concatenate([identity.items(Texts.of(mbids), Texts.of(names)) for mbids, names in blocks])
    identity.tell(report)
    first = np.unique(item_of, return_index=True)[1]  # what an item was first called
    items = pd.DataFrame({"item_id": identity.ids.values().to_pylist(), "name": [entries[at][1] for at in first]})
    return Interactions.from_plays(
        user=np.repeat(np.arange(len(lengths)), lengths), item=item_of[played], plays=None, items=items,
        n_users=len(lengths), report=report, queue_offsets=np.concatenate([[0], np.cumsum(lengths)]),
    )  # fmt: skip


class _Refused(Exception):
    """The file is no playlist of music: its one bad row, as kind, line and text."""


@dataclass
class _Playlist:
    """The entries of one file, each an MBID or "" and a name, and what is to be told of the file."""

    file: str
    as_tracks: bool
    report: ReadReport
    entries: list[tuple[str, str]] = field(default_factory=list)
    told: set[str] = field(default_factory=set)

    def read(self, stream: io.BufferedReader) -> None:
        # What x.m3u8.gz is packed with stands behind.
        suffix = next((s for s in reversed(PurePath(self.file.lower()).suffixes) if s in SUFFIXES), SUFFIXES[0])
        try:
            if not stream.peek(1):
                raise _Refused("empty file", 1, "")
            if suffix == ".xspf":
                _Xspf(self).read(stream)
            else:
                _read_m3u(self, stream, utf8=suffix == ".m3u8")
            if not self.entries:
                self.told.add("no usable entry, so no queue")
            self.report.rows += len(self.entries)
        except _Refused as refused:
            self.entries, self.told = [], set()
            self.skip(*refused.args)

    def skip(self, kind: str, line: int, text: str) -> None:
        self.report.rows += 1
        self.report.skip(kind, file=self.file, line=line, text=text)

    def add(self, artist: str, title: str, line: int, text: str, mbid: str = "") -> None:
        """Keep an entry, or count why it cannot be used; `text` is what the report shows of it."""
        name = (" – ".join(filter(None, (artist, title))) or mbid) if self.as_tracks else artist
        if not self.as_tracks and not artist:
            self.skip("no artist", line, text)
        elif self.as_tracks and not title and not mbid:
            self.skip("no title", line, text)
        elif _CONTROL.search(name):
            self.skip("control character", line, text)
        elif len(name) > LONGEST_NAME:
            self.skip(f"name of more than {LONGEST_NAME:,} characters", line, text)
        elif len(self.entries) == MOST_ENTRIES:
            raise _Refused(f"playlist of more than {MOST_ENTRIES:,} entries", line, text)
        else:
            if not artist and not mbid:
                self.told.add("tracks without artist, which go by their titles alone")
            self.entries.append((mbid if self.as_tracks else "", name))


def _read_m3u(playlist: _Playlist, stream: io.BufferedReader, *, utf8: bool) -> None:
    start = stream.peek(len(UTF8_BOM))
    if start.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise _Refused("UTF-16; save it as UTF-8", 1, "")
    shown: str | None = None  # of #EXTINF, until its entry comes
    artist, number, raw = "", 0, b""
    for number, raw in enumerate(_lines(stream), 1):
        if raw == b"\n":
            continue
        line = _text(playlist, raw, number, utf8=utf8 or start.startswith(UTF8_BOM))
        directive, _, value = line.partition(":")
        directive = directive.upper()
        if directive.startswith("#EXT-X-"):
            raise _Refused("HLS stream, no playlist of music", number, line)
        if directive == "#EXTINF":
            if shown is not None:
                playlist.skip("#EXTINF without an entry", number, shown)
            found = _DISPLAYED.match(value)
            shown = (found[1] if found else value.partition(",")[2]).strip()
        elif directive == "#EXTART":
            artist = value.strip()
        elif line and not line.startswith("#"):
            playlist.add(*_named(shown or "", artist, line), number, shown or line)
            shown, artist = None, ""
    if shown is not None:
        playlist.skip("#EXTINF without an entry", number, shown)
    if not raw.endswith(b"\n"):
        playlist.told.add("no line end after the last line; had the file been cut, it would look so")


def _lines(stream: io.BufferedReader) -> Iterator[bytes]:
    """Lines that end in LF, CRLF or CR, always with LF; of a line that is too long only its start."""
    # Latin-1 is one character a byte: text serves for its line ends and its limit.
    text = io.TextIOWrapper(stream, "latin-1", newline=None)
    while line := text.readline(LONGEST_LINE + 1):
        rest = line
        while rest and not rest.endswith("\n"):
            rest = text.readline(LONGEST_LINE)
            line = line[: LONGEST_LINE + 1] + rest[-1:]
        yield line.encode("latin-1")


def _text(playlist: _Playlist, raw: bytes, number: int, *, utf8: bool) -> str:
    """A line without the white space around it; "" for comments, and for what cannot be read, which is counted."""
    line = raw.removeprefix(UTF8_BOM).strip()
    if len(raw.rstrip(b"\n")) > LONGEST_LINE:
        problem = f"line of more than {LONGEST_LINE:,} bytes"
    elif line.startswith(b"#") and line[:4].upper() != b"#EXT":
        return ""
    elif _CONTROL.search(line.decode("latin-1")):
        problem = "control character"
    else:
        text, encoding = _decoded(line, *(("utf-8",) if utf8 else ("utf-8", "cp1252")))
        if encoding == "cp1252":
            playlist.told.add("lines that are not UTF-8, read as Windows-1252; look whether the names are right")
        if encoding:
            return text.strip()
        problem = "not UTF-8" if utf8 else "neither UTF-8 nor Windows-1252"
    playlist.skip(problem, number, line[:200].decode("utf-8", "replace"))
    return ""


def _decoded(raw: bytes, *encodings: str) -> tuple[str, str]:
    """Text, and the first of the encodings that it can be in; ("", "") when it is in none."""
    for encoding in encodings:
        try:
            return raw.decode(encoding), encoding
        except UnicodeDecodeError:
            continue
    return "", ""


def _named(shown: str, artist: str, location: str) -> tuple[str, str]:
    """Artist, "" where it is not known, and title of an entry."""
    text = shown or _file_name(location)
    if artist:
        title = text[len(artist) :]
        repeated = title.startswith(" - ") and folded_name(text[: len(artist)]) == folded_name(artist)
        return artist, title[3:].strip() if repeated else text
    # “ - Title” is what players write for want of an artist.
    if text == "-" or (text.startswith("- ") and not text.startswith("- - ")):
        return "", text[2:].strip()
    found, dash, title = f"{text} ".partition(" - ")
    return (found.strip(), title.strip()) if dash else ("", text)


def _file_name(location: str) -> str:
    """The name of the file at a path or URL, without its suffix and without a track number before it."""
    url = _URL.match(location)
    path = re.split("[?#]", location[url.end() :], maxsplit=1)[0] if url else location
    name = re.split(r"[/\\]", path)[-1]
    if url:
        name, _ = _decoded(unquote_to_bytes(name), "utf-8", "cp1252", "latin-1")
    return _TRACK_NUMBER.sub("", _FILE_SUFFIX.sub("", name).strip()).strip()


class _Xspf:
    """Takes the tracks out of XSPF, piece by piece."""

    def __init__(self, playlist: _Playlist) -> None:
        self.playlist = playlist
        self.path: list[str] = []
        self.track: dict[str, list[str]] = {}
        self.text: list[str] = []
        self.size = self.line = 0
        self.parser = expat.ParserCreate()
        self.parser.buffer_text = True
        self.parser.StartElementHandler, self.parser.EndElementHandler = self._start, self._end
        self.parser.CharacterDataHandler = self._characters
        # An exception in a handler ends the parsing there and then: nothing behind it is looked at.
        self.parser.StartDoctypeDeclHandler = self.parser.EntityDeclHandler = self._refuse_document_type

    def read(self, stream: io.BufferedReader) -> None:
        fed = 0
        try:
            while piece := stream.read(SNIFF_BYTES):
                self.parser.Parse(piece, False)
                fed += len(piece)
                # Some versions of expat begin an unfinished tag anew with every piece.
                if fed - self.parser.CurrentByteIndex > LONGEST_LINE:
                    raise self._refused(f"XML tag of more than {LONGEST_LINE:,} bytes")
            self.parser.Parse(b"", True)
        except expat.ExpatError as error:
            self.playlist.skip("broken XML", error.lineno, expat.ErrorString(error.code))
        except (LookupError, ValueError) as error:
            raise self._refused("XML in an encoding that cannot be read", str(error)) from error

    def _refused(self, kind: str, text: str = "") -> _Refused:
        return _Refused(kind, self.parser.CurrentLineNumber, text)

    def _refuse_document_type(self, name: str, *_: object) -> None:
        raise self._refused("XML with a document type, which is refused", name)

    def _start(self, name: str, _: object) -> None:
        self.path.append(name.rpartition(":")[2])
        if self.path[0] != _TRACK[0] or len(self.path) > DEEPEST_XML:
            raise self._refused("XML, but not XSPF", f"<{name}>")
        if self.path == _TRACK:
            self.track, self.size, self.line = {}, 0, self.parser.CurrentLineNumber

    def _characters(self, text: str) -> None:
        if len(self.path) == 4 and self.path[:3] == _TRACK:
            self.text.append(text)
            self.size += len(text)
            if self.size > LONGEST_LINE:
                raise self._refused(f"XSPF track of more than {LONGEST_LINE:,} characters")

    def _end(self, _: str) -> None:
        if len(self.path) == 4 and self.path[:3] == _TRACK:
            pieces = re.split("[\t\n\r]+", "".join(self.text))
            value = " ".join(filter(None, (piece.strip(" ") for piece in pieces))).strip()
            self.text = []
            if value:
                self.track.setdefault(self.path[3], []).append(value)
        elif self.path == _TRACK:
            artist, title, location = (self.track.get(key, [""])[0] for key in ("creator", "title", "location"))
            mbids = [
                found["mbid"].lower() for text in self.track.get("identifier", []) if (found := _RECORDING.match(text))
            ]
            shown = f"{artist} - {title}" if title else artist or location
            if not title:
                artist, title = _named("", artist, location)
            self.playlist.add(artist, title, self.line, shown, *mbids[:1])
        self.path.pop()
