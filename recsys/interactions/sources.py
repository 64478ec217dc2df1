"""Known public data sets, and fetching them. What has arrived is kept, and nothing is used before it was checked."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import IncompleteRead
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

from recsys.errors import InputError
from recsys.interactions.inputs import open_inputs

if TYPE_CHECKING:
    import requests

CONNECT_SECONDS = 10.0
WAIT_SECONDS = 0.5  # before the next attempt; doubled by each that brings nothing
MOST_REDIRECTS = 10
BLOCK_BYTES = 1 << 16
MAGIC = {"zip": b"PK\x03\x04", "gzip": b"\x1f\x8b"}
_CONTENT_RANGE = re.compile(r"bytes (?:(\d+)-\d+|\*)/(?:(\d+)|\*)")

Told = Callable[[int], None]


@dataclass(frozen=True)
class Source:
    """One published data set.

    name : what it is called on the command line.
    reader : the reader of its format.
    page : where its publishers describe it.
    licence : what it may be used for, in our words, and what to cite.
    address, file_name : what to fetch, and its name in the cache folder.
    n_bytes : about how large it is, for a server that does not say; None if not known.
    member_md5 : member of the archive → MD5, as published.
    counts : rows, listeners and items, as published, for a set without a published digest.
    by_hand : how a person comes by it where no program can; then there is no address.
    """

    name: str
    title: str
    reader: str
    page: str
    licence: str
    address: str = ""
    file_name: str = ""
    n_bytes: int | None = None
    member_md5: dict[str, str] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    by_hand: str = ""


_LASTFM_LICENCE = (
    "For non-commercial use, by permission of Last.fm; ask Last.fm before any other use. "
    "Cite: Celma (2010), Music Recommendation and Discovery in the Long Tail, Springer."
)
_SOURCES = (
    Source(
        "lastfm-360k", "Last.fm-360K", "lastfm-360k",
        "http://ocelma.net/MusicRecommendationDataset/lastfm-360K.html", _LASTFM_LICENCE,
        "http://mtg.upf.edu/static/datasets/last.fm/lastfm-dataset-360K.tar.gz", "lastfm-dataset-360K.tar.gz",
        543 << 20,
        member_md5={"usersha1-artmbid-artname-plays.tsv": "be672526eb7c69495c27ad27803148f1"},
    ),
    Source(
        "lastfm-1k", "Last.fm-1K", "lastfm-1k",
        "http://ocelma.net/MusicRecommendationDataset/lastfm-1K.html", _LASTFM_LICENCE,
        "http://mtg.upf.edu/static/datasets/last.fm/lastfm-dataset-1K.tar.gz", "lastfm-dataset-1K.tar.gz",
        642 << 20,
        member_md5={"userid-timestamp-artid-artname-traid-traname.tsv": "64747b21563e3d2aa95751e0ddc46b68"},
    ),
    Source(
        "lastfm-2k", "HetRec 2011 Last.fm-2K", "lastfm-2k",
        "https://grouplens.org/datasets/hetrec-2011/",
        "For non-commercial research. Cite: Cantador, Brusilovsky & Kuflik (2011), 2nd Workshop on Information "
        "Heterogeneity and Fusion in Recommender Systems, RecSys; and Last.fm.",
        "https://files.grouplens.org/datasets/hetrec2011/hetrec2011-lastfm-2k.zip", "hetrec2011-lastfm-2k.zip",
        2_600_000,
        counts={"rows": 92_834, "listeners": 1_892, "items": 17_632},
    ),
    Source(
        "spotify-mpd", "Spotify Million Playlist Dataset", "spotify-mpd",
        "https://www.aicrowd.com/challenges/spotify-million-playlist-dataset-challenge",
        "For non-commercial research, under the terms of the challenge. Cite: Chen, Lamere, Schedl & Zamani (2018), "
        "RecSys Challenge 2018: Automatic Music Playlist Continuation.",
        by_hand="sign in at https://www.aicrowd.com/challenges/spotify-million-playlist-dataset-challenge, download "
        "spotify_million_playlist_dataset.zip there, then: python -m recsys build spotify-mpd "
        "--input spotify_million_playlist_dataset.zip --out artifacts/spotify-mpd",
    ),
    Source(
        "listenbrainz", "ListenBrainz listens", "listenbrainz",
        "https://listenbrainz.org/data/",
        "In the public domain (CC0). Name ListenBrainz, of the MetaBrainz Foundation, and the date of the dump.",
        by_hand="its dumps grow every two weeks, so choose one at https://listenbrainz.org/data/, or export your own "
        "listens on your settings page there, then: python -m recsys build listenbrainz --input FILE "
        "--out artifacts/listenbrainz",
    ),
    Source(
        "spotify-history", "Your own Spotify streaming history", "spotify-history",
        "https://www.spotify.com/account/privacy/",
        "Your own personal data; an artifact set built from it shows what you listen to.",
        by_hand="ask for your extended streaming history at https://www.spotify.com/account/privacy/ and wait for the "
        "mail with the .zip, then: python -m recsys build spotify-history --input my_spotify_data.zip "
        "--out artifacts/spotify-history",
    ),
)  # fmt: skip
SOURCES: dict[str, Source] = {source.name: source for source in _SOURCES}


def cache_folder() -> Path:
    """Where fetched files are kept: RECSYS_CACHE, else the user's cache folder on this system."""
    named = os.environ.get("RECSYS_CACHE")
    if named:
        return Path(named).expanduser()
    import pooch  # type: ignore[import-untyped]

    return Path(pooch.os_cache("recsys"))


def fetch(
    source: Source,
    *,
    on_bytes: Told | None = None,
    on_total: Told | None = None,
    folder: Path | None = None,
    stall_seconds: float = 30.0,
    attempts: int = 5,
) -> Path:
    """The checked file of a source: from the cache folder if it is there, else over the network.

    Parameters
    ----------
    on_bytes : told of bytes as they arrive, at first of those kept from before; a negative number takes back what had
        to be thrown away.
    on_total : told the size of the whole file, where the server says it.
    folder : None takes `cache_folder()`.
    stall_seconds : silence after which a connection is given up.
    attempts : how many in a row may bring no new byte.

    Raises
    ------
    InputError : it cannot be reached, brought or kept, or what came is not what was published.
    """
    if source.by_hand:
        raise InputError(f"{source.title} cannot be fetched by a program: {source.by_hand}")
    path = (folder or cache_folder()) / source.file_name
    if _is_checked(source, path):
        return path
    with _only_fetch_of(path):
        import pooch

        pooch.get_logger().setLevel("WARNING")  # else it asks people to write down a digest
        bring = _Transfer(path, source, stall_seconds, attempts, on_bytes or _nobody, on_total or _nobody)
        # A file that is there stays, whoever put it there.
        pooch.retrieve(source.address, known_hash=None, fname=path.name, path=path.parent, downloader=bring)
        _check(source, path)
    return path


def fetched(reader: str, folder: Path | None = None) -> Path | None:
    """The checked file for a reader, if there is one."""
    for source in SOURCES.values():
        path = (folder or cache_folder()) / source.file_name
        if source.reader == reader and _is_checked(source, path):
            return path
    return None


def accepted(source: Source, folder: Path | None = None) -> bool:
    """Whether the licence, as it is worded now, was accepted before."""
    note = (folder or cache_folder()) / f"{source.name}.accepted"
    return bool(_read_json(note).get("licence") == source.licence)


def accept(source: Source, folder: Path | None = None) -> None:
    """Remember that the person has seen and accepted the licence."""
    note = (folder or cache_folder()) / f"{source.name}.accepted"
    note.parent.mkdir(parents=True, exist_ok=True)
    note.write_text(json.dumps({"licence": source.licence}))


def _nobody(_: int) -> None: ...


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def _read_json(path: Path) -> dict[str, Any]:
    """What stands in a small file of ours; nothing if it is missing or torn."""
    try:
        content = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


@contextmanager
def _only_fetch_of(path: Path) -> Iterator[None]:
    """Hold the lock of one file; the kernel lets go of it when the process dies."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = _beside(path, ".lock").open("w")
    except OSError as error:
        raise InputError(
            f"cannot be written to ({error.strerror}); set RECSYS_CACHE to another folder", file=path.parent
        ) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InputError("another fetch of this file is running; wait for it, or end it", file=path) from error
        yield


def _is_checked(source: Source, path: Path) -> bool:
    return path.is_file() and _read_json(_beside(path, ".checked")) == _state(source, path)


def _state(source: Source, path: Path) -> dict[str, Any]:
    """What must not have changed since the check for it to hold."""
    stat = path.stat()
    return {"size": stat.st_size, "mtime_ns": stat.st_mtime_ns, "checked": source.member_md5 or source.counts}


def _check(source: Source, path: Path) -> None:
    """Compare the file with what was published; remember it as checked, or put it aside."""
    state = _state(source, path)  # of before: a file that is changed meanwhile will not count as checked
    problem = _problem(source, path)
    if problem:
        refused = _beside(path, ".refused")
        os.replace(path, refused)
        raise InputError(f"{problem}. It is kept as {refused.name}; the same command fetches it anew", file=path)
    _beside(path, ".checked").write_text(json.dumps(state))
    for left_over in (".part", ".part.json"):
        _beside(path, left_over).unlink(missing_ok=True)


def _problem(source: Source, path: Path) -> str | None:
    """What is wrong with the content of a fetched file."""
    with path.open("rb") as file:
        start = file.read(40)
    kind = "zip" if path.suffix == ".zip" else "gzip"
    if not start.startswith(MAGIC[kind]):
        shown = f"begins with {start.decode('utf-8', 'replace')!r}…" if start else "is empty"
        return f"is not a {kind} archive; it {shown}"
    try:
        found = _found(source, path)
    except InputError as error:
        return str(error).removeprefix(f"{path}: ")
    for what, expected in (source.member_md5 or source.counts).items():
        if found.get(what) != expected:
            named = f"MD5 of {what}" if source.member_md5 else what
            return f"is not what was published: {named} is {found.get(what, 'missing')}, expected {expected}"
    return None


def _found(source: Source, path: Path) -> dict[str, str | int]:
    """What the file has for what was published: MD5 of members, unpacked in passing and not to disk, or counts."""
    if not source.member_md5:
        from recsys.interactions.readers import read

        log = read(source.reader, path)
        return {"rows": log.report.rows, "listeners": log.n_users, "items": log.n_items}
    found: dict[str, str | int] = {}
    for member in open_inputs([path], lambda name: name in source.member_md5):
        name = member.name.removeprefix(f"{path}/")
        digest = hashlib.file_digest(member.stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
        # The reader would read both members of one name. No published digest equals two.
        found[name] = f"{found[name]} and {digest}" if name in found else digest
    return found


@dataclass
class _Transfer:
    """A file on its way, as a downloader for pooch. FILE.part is what has arrived, FILE.part.json of what it is a part.

    total : size of the whole file; None where the server does not say.
    validator : the server's mark of the version that the part belongs to.
    answered : whether the server answered in this run.
    """

    path: Path
    source: Source
    stall_seconds: float
    attempts: int
    on_bytes: Told
    on_total: Told
    total: int | None = None
    validator: str | None = None
    answered: bool = False

    def __post_init__(self) -> None:
        self.part, self.card = _beside(self.path, ".part"), _beside(self.path, ".part.json")

    @property
    def size(self) -> int:
        return self.part.stat().st_size

    def __call__(self, url: str, output_file: str, _pooch: object) -> None:
        """Bring the file to `output_file`, which pooch moves to its place."""
        import requests

        known = _read_json(self.card)
        with self.part.open("ab" if known.get("url") == url else "wb"):
            self.total, self.validator = known.get("total"), known.get("validator")
        self.on_bytes(self.size)
        # A server that begins anew each time brings bytes, but no new ones: the furthest ever reached counts.
        furthest, idle = self.size, 0
        with requests.Session() as session:
            session.max_redirects = MOST_REDIRECTS
            session.hooks["response"] = [self._stay_encrypted]
            while problem := self._attempt(session):
                idle = 0 if self.size > furthest else idle + 1
                furthest = max(furthest, self.size)
                if idle >= self.attempts:
                    raise InputError(f"{url} brought no new byte in {idle} attempts ({problem}); {self._what_next()}")
                time.sleep(WAIT_SECONDS * 2**idle)
        os.replace(self.part, output_file)

    def _attempt(self, session: requests.Session) -> str | None:
        """Go on from what is there. None when the file is whole, else what went wrong and may go better next time."""
        import requests
        from urllib3.exceptions import HTTPError, MaxRetryError

        headers = {"Accept-Encoding": "identity"}
        if self.size:
            headers["Range"] = f"bytes={self.size}-"
            if self.validator:
                headers["If-Range"] = self.validator
        timeout = (CONNECT_SECONDS, self.stall_seconds)
        try:
            with session.get(self.source.address, headers=headers, stream=True, timeout=timeout) as response:
                self.answered = True
                return self._take(response)
        except (requests.ConnectionError, requests.Timeout, HTTPError) as error:
            # In the words of requests, MaxRetryError is that no connection came about.
            failed = error.args[0] if error.args else None
            if isinstance(failed, MaxRetryError) and not self.answered:
                raise InputError(f"cannot reach {failed.pool.host} ({_reason(error)}); {self._what_next()}") from error
            return _reason(error)
        except requests.RequestException as error:
            raise InputError(f"{self.source.address} cannot be fetched ({error}); {self._what_next()}") from error

    def _take(self, response: requests.Response) -> str | None:
        """Add what the server sends, as far as it belongs to what is there; result as of `_attempt`."""
        status, headers = response.status_code, response.headers
        answer = f"{response.url} answered {status} {response.reason}"
        if status in (429, 503):
            return answer
        if status not in (200, 206, 416):
            raise InputError(f"{answer}; see {self.source.page}, or {self._what_next()}")
        etag = headers.get("ETag", "W/")
        validator = headers.get("Last-Modified") if etag.startswith("W/") else etag  # a weak one vouches for no bytes
        start, total = _extent(response)
        if status != 200:
            total = total or self.total
        if status == 416 and 0 < self.size == total:
            return None
        if status == 200:
            if self.size and "html" in headers.get("Content-Type", ""):
                raise InputError(f"{response.url} is now a web page, perhaps to log in; {self._what_next()}")
            self._begin_anew(total, validator)
        elif start != self.size or self.total not in (None, total) or validator not in (None, self.validator):
            self._begin_anew(None, None)
            return f"{answer}, which does not fit what was asked for"
        self.total = total
        self._append(response)
        return None if total in (None, self.size) else f"{self.size:,} of {total:,} bytes came"

    def _begin_anew(self, total: int | None, validator: str | None) -> None:
        self.on_bytes(-self.size)
        self.part.write_bytes(b"")
        self.total, self.validator = total, validator
        self.card.write_text(json.dumps({"url": self.source.address, "total": total, "validator": validator}))

    def _append(self, response: requests.Response) -> None:
        if self.total is not None:
            self.on_total(self.total)
        missing = (self.total or self.source.n_bytes or 0) - self.size
        free = shutil.disk_usage(self.part.parent).free
        if missing > free:
            raise InputError(
                f"{missing:,} more bytes are needed and {free:,} are free; make room, or set RECSYS_CACHE to a folder "
                "on another disk, then run the same command", file=self.part.parent,
            )  # fmt: skip
        try:
            with self.part.open("ab") as file:
                # Piece by piece as it comes, for a whole block may never come; and undecoded, for some servers call
                # the packing of the archive the encoding of their answer.
                while piece := response.raw.read1(BLOCK_BYTES, decode_content=False):
                    file.write(piece)
                    self.on_bytes(len(piece))
        except OSError as error:
            raise InputError(f"cannot be written ({error.strerror}); {self._what_next()}", file=self.part) from error

    def _what_next(self) -> str:
        by_hand = f"download {self.source.address} by hand to {self.path}, then run the same command"
        if not self.size:
            return by_hand
        of = f" of {self.total:,}" if self.total else ""
        return f"{self.size:,}{of} bytes are kept in {self.part}, and the same command goes on from there; or {by_hand}"

    def _stay_encrypted(self, response: requests.Response, **_: object) -> None:
        """Called by requests for each answer: after https, whoever is on the way could change what comes by http."""
        target = urljoin(response.url, response.headers.get("Location", ""))
        if response.is_redirect and response.url.startswith("https:") and urlsplit(target).scheme != "https":
            raise InputError(f"{response.url} leads away from https, to {target}; {self._what_next()}")


def _extent(response: requests.Response) -> tuple[int | None, int | None]:
    """Where in the file an answer begins and how large the whole file is, as far as the server says so."""
    if response.status_code == 200:
        length = response.headers.get("Content-Length", "")
        return 0, int(length) if length.isdecimal() and "Transfer-Encoding" not in response.headers else None
    match = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", "").strip())
    start, total = match.groups() if match else (None, None)
    return int(start) if start else None, int(total) if total else None


def _reason(error: BaseException) -> str:
    """What lies at the bottom of an error of requests, which says it in the fewest words."""
    while inner := error.__cause__ or error.__context__:
        error = inner
    if isinstance(error, IncompleteRead):
        return "the connection ended early"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
