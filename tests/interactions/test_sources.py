"""Fetching over bad networks from bad servers: what arrives is the published file, whole, or a sentence why not."""

from __future__ import annotations

import hashlib
import io
import json
import os
import random
import shutil
import socket
import ssl
import subprocess
import sys
import tarfile
import threading
import time
import zipfile
from collections import namedtuple
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from urllib3.util import connection

from recsys.errors import InputError
from recsys.interactions import sources
from recsys.interactions.readers import READERS, read
from recsys.interactions.sources import SOURCES, Source, accept, accepted, cache_folder, fetch, fetched

ROOT = Path(__file__).resolve().parents[2]
MEMBER = "usersha1-artmbid-artname-plays.tsv"
PLAYS = b"ann\t\tMuse\t5\nann\t\tBeck\t2\nben\t\tMuse\t7\n"
HTML = b"<!DOCTYPE html><html>Please log in to this network"
Asked = namedtuple("Asked", "path range if_range encoding")


def tar_gz(*members: tuple[str, bytes]) -> bytes:
    """Members as they are, so that two versions are of one size."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz", compresslevel=0) as archive:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def lastfm_360k(seed: int = 1) -> bytes:
    """A tiny Last.fm-360K behind 100 KB of noise; another seed is another version of the same size."""
    noise = random.Random(seed).randbytes(100_000)
    return tar_gz(("lastfm-dataset-360K/README.txt", noise), (f"lastfm-dataset-360K/{MEMBER}", PLAYS))


def lastfm_2k() -> bytes:
    """Five rows of three listeners and four artists, one of whom nobody played."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("artists.dat", "id\tname\turl\tpictureURL\n1\tA\tu\tp\n2\tB\tu\tp\n3\tC\tu\tp\n4\tD\tu\tp\n")
        archive.writestr("user_artists.dat", "userID\tartistID\tweight\n7\t1\t5\n7\t2\t2\n8\t1\t1\n8\t3\t1\n9\t2\t4\n")
    return buffer.getvalue()


class Site(ThreadingHTTPServer):
    """A server whose behaviour is the first part of the path; it remembers what it was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.scheme, self.content, self.marks = "http", lastfm_360k(), {"ETag": '"one"'}
        self.asked: list[Asked] = []
        self.released = threading.Event()
        self.elsewhere = ""
        self.mended = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is what these tests are about; anything else is shown."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)

    def address(self, behaviour: str) -> str:
        return f"{self.scheme}://127.0.0.1:{self.server_port}/{behaviour}/lastfm-dataset-360K.tar.gz"

    @property
    def ranges(self) -> list[str | None]:
        return [asked.range for asked in self.asked]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Site

    def log_message(self, *_: object) -> None: ...

    def do_GET(self) -> None:
        self.turn = sum(asked.path == self.path for asked in self.server.asked)
        names = ("Range", "If-Range", "Accept-Encoding")
        self.server.asked.append(Asked(self.path, *(self.headers[name] for name in names)))
        try:
            getattr(self, "plain" if self.server.mended else self.path.split("/")[1])()
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def answer(self, status: int, body: bytes, headers: dict[str, str], only: int | None = None) -> None:
        """`only` so many bytes of the body come, then the connection ends."""
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body[:only])
        self.close_connection = only is not None

    @property
    def start(self) -> int:
        return int((self.headers["Range"] or "bytes=0-").removeprefix("bytes=").removesuffix("-"))

    def plain(self, only: int | None = None) -> None:
        """What a good server does."""
        content, marks = self.server.content, self.server.marks
        if not self.headers["Range"] or self.headers["If-Range"] not in (None, *marks.values()):
            self.answer(200, content, marks, only)
        elif self.start >= len(content):
            self.answer(416, b"", {"Content-Range": f"bytes */{len(content)}"})
        else:
            where = f"bytes {self.start}-{len(content) - 1}/{len(content)}"
            self.answer(206, content[self.start :], {**marks, "Content-Range": where}, only)

    def no_ranges(self, only: int | None = None) -> None:
        self.answer(200, self.server.content, self.server.marks, only)

    def stalls_once(self) -> None:
        if self.turn:
            return self.plain()
        self.answer(200, self.server.content, self.server.marks, 30_000)
        return self.server.released.wait(10) and None

    def breaks_thrice(self) -> None:
        self.plain(20_000 if self.turn < 3 else None)

    def breaks_at_50000(self) -> None:
        self.plain(50_000 - self.start)

    def breaks_at_50000_without_ranges(self) -> None:
        self.no_ranges(50_000)

    def breaks_later_or_sooner_without_ranges(self) -> None:
        self.no_ranges(40_000 if self.turn % 2 else 50_000)

    def breaks_once_without_ranges(self) -> None:
        self.no_ranges(None if self.turn else 40_000)

    def promises_too_much(self) -> None:
        if self.headers["Range"]:
            return self.plain()
        body = self.server.content
        return self.answer(200, body, {**self.server.marks, "Content-Length": str(len(body) + 10)}, len(body))

    def promises_too_little(self) -> None:
        self.answer(200, self.server.content[:-10], self.server.marks)

    def changes(self) -> None:
        """Another version of the same size from the second request on."""
        if not self.turn:
            return self.plain(40_000)
        self.server.content, self.server.marks = lastfm_360k(seed=2), {"ETag": '"two"'}
        return self.plain()

    def changes_and_does_not_see_if_range(self) -> None:
        if self.turn:
            del self.headers["If-Range"]
        self.changes()

    def does_not_say_how_large(self) -> None:
        if not self.turn:
            return self.plain(40_000)
        where = f"bytes {self.start}-{len(self.server.content) - 1}/*"
        body = self.server.content[self.start :]
        return self.answer(206, body, {"Content-Range": where}, 30_000 if self.turn == 1 else None)

    def small_parts(self) -> None:
        if not self.turn:
            return self.plain(20_000)
        body = self.server.content[self.start :][:40_000]
        where = f"bytes {self.start}-{self.start + len(body) - 1}/{len(self.server.content)}"
        return self.answer(206, body, {"Content-Range": where})

    def wrong_start(self) -> None:
        self.misplaced("bytes 0-9/100")

    def wrong_total(self) -> None:
        self.misplaced(f"bytes {self.start}-99998/99999")

    def no_content_range(self) -> None:
        self.misplaced("")

    def misplaced(self, where: str) -> None:
        if self.headers["Range"]:
            return self.answer(206, b"0123456789", {"Content-Range": where})
        return self.plain(40_000 if not self.turn else None)

    def shrinks(self) -> None:
        if self.headers["Range"]:
            return self.answer(416, b"", {"Content-Range": "bytes */5"})
        return self.plain(40_000 if not self.turn else None)

    def moved(self) -> None:
        self.answer(302, b"", {"Location": self.server.elsewhere})

    def circle(self) -> None:
        self.answer(302, b"", {"Location": self.path})

    def status_404(self) -> None:
        self.answer(404, b"gone", {})

    def status_500(self) -> None:
        self.answer(500, b"broken", {})

    def always_503(self) -> None:
        self.answer(503, b"", {})

    def busy_twice(self) -> None:
        if self.turn == 2:
            return self.plain()
        return self.answer((503, 429)[self.turn], b"", {})

    def login(self) -> None:
        self.answer(200, HTML, {"Content-Type": "text/html; charset=utf-8"})

    def login_in_between(self) -> None:
        (self.plain, self.login, self.plain)[self.turn](*([40_000] if not self.turn else []))

    def chunked(self, only: int | None = None) -> None:
        self.send_response(200)
        for name, value in {"Transfer-Encoding": "chunked", **self.server.marks}.items():
            self.send_header(name, value)
        self.end_headers()
        for at in range(0, len(self.server.content), 10_000):
            piece = self.server.content[at : at + 10_000]
            self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
            if only is not None and at + 10_000 >= only:
                self.close_connection = True
                return
        self.wfile.write(b"0\r\n\r\n")

    def chunked_breaks_once(self) -> None:
        self.plain() if self.turn else self.chunked(30_000)

    def says_encoding(self) -> None:
        """As Apache does for .tar.gz when its MIME types are set so."""
        self.answer(200, self.server.content, {"Content-Encoding": "gzip"})


@contextmanager
def running(site: Site) -> Iterator[Site]:
    thread = threading.Thread(target=site.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield site
    finally:
        site.released.set()
        site.shutdown()
        site.server_close()
        thread.join()


@pytest.fixture
def site() -> Iterator[Site]:
    with running(Site()) as site:
        yield site


@pytest.fixture(autouse=True)
def own_surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECSYS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(sources, "WAIT_SECONDS", 0)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Where the fetched file belongs."""
    return tmp_path / "cache" / "lastfm-dataset-360K.tar.gz"


def at(address: str) -> Source:
    return replace(SOURCES["lastfm-360k"], address=address, member_md5={MEMBER: hashlib.md5(PLAYS).hexdigest()})


def get(source: Source, **settings: Any) -> Path:
    return fetch(source, **{"stall_seconds": 5, **settings})


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def wait_for_part(path: Path) -> int:
    """Bytes of the part on disk, once there are some and no more come."""
    part, before = beside(path, ".part"), 0
    for _ in range(400):
        now = part.stat().st_size if part.exists() else 0
        if now and now == before:
            return now
        before = now
        time.sleep(0.05)
    raise TimeoutError(f"nothing came into {part}")


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def test_a_fetched_file_is_the_published_one_and_can_be_read(
    site: Site, place: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    came: list[int] = []
    totals: list[int] = []
    path = get(at(site.address("plain")), on_bytes=came.append, on_total=totals.append)
    assert path == place
    assert path.read_bytes() == site.content
    assert (sum(came), totals) == (len(site.content), [len(site.content)])
    assert names(place.parent) == {place.name, f"{place.name}.checked", f"{place.name}.lock"}
    assert site.asked[0].encoding == "identity"
    assert capfd.readouterr() == ("", ""), "words are for those who call it"
    log = read("lastfm-360k", path)
    assert (log.report.rows, log.n_users, log.n_items) == (3, 2, 2)


def test_what_was_fetched_once_is_not_asked_for_again(site: Site) -> None:
    source = at(site.address("plain"))
    assert get(source) == get(source)
    assert len(site.asked) == 1


@pytest.mark.parametrize(("larger", "later"), [(1, 0), (0, 1)])
def test_what_was_checked_once_is_not_read_again_until_it_changes(
    site: Site, place: Path, larger: int, later: int
) -> None:
    def put(size: int, mtime_ns: int) -> None:
        place.write_bytes(b"x" * size)
        os.utime(place, ns=(mtime_ns, mtime_ns))

    source = at(site.address("plain"))
    get(source)
    state = place.stat()
    put(state.st_size, state.st_mtime_ns)
    assert get(source) == place, "same size and time: the check is not repeated"
    put(state.st_size + larger, state.st_mtime_ns + later)
    with pytest.raises(InputError, match="is not a gzip archive"):
        get(source)
    assert len(site.asked) == 1


def test_a_file_checked_against_another_digest_is_checked_again(site: Site) -> None:
    source = at(site.address("plain"))
    get(source)
    with pytest.raises(InputError, match=f"expected {'0' * 32}"):
        get(replace(source, member_md5={MEMBER: "0" * 32}))


def test_a_stalled_transfer_goes_on_where_it_stopped(site: Site) -> None:
    came: list[int] = []
    begin = time.monotonic()
    path = get(at(site.address("stalls_once")), on_bytes=came.append, stall_seconds=0.7)
    assert time.monotonic() - begin < 5, "the server would have kept silent for 10 seconds"
    assert site.ranges == [None, "bytes=30000-"]
    assert site.asked[1].if_range == '"one"'
    assert path.read_bytes() == site.content
    assert sum(came) == len(site.content)
    assert min(came) >= 0, "nothing was thrown away"


def test_breaks_that_bring_bytes_do_not_use_up_attempts(site: Site) -> None:
    path = get(at(site.address("breaks_thrice")), attempts=1)
    assert site.ranges == [None, "bytes=20000-", "bytes=40000-", "bytes=60000-"]
    assert path.read_bytes() == site.content


@pytest.mark.parametrize("behaviour", ["breaks_at_50000", "breaks_at_50000_without_ranges"])
def test_a_server_that_never_gets_further_is_given_up_and_the_next_run_goes_on(
    site: Site, place: Path, behaviour: str
) -> None:
    source = at(site.address(behaviour))
    with pytest.raises(InputError, match="brought no new byte in 3 attempts") as caught:
        get(source, attempts=3)
    assert len(site.asked) == 1 + 3
    assert f"50,000 of {len(site.content):,} bytes are kept in {beside(place, '.part')}" in str(caught.value)
    assert "the same command goes on from there" in str(caught.value)
    assert "(the connection ended early)" in str(caught.value)
    assert beside(place, ".part").read_bytes() == site.content[:50_000]
    assert not place.exists()
    site.mended = True
    came: list[int] = []
    assert get(source, on_bytes=came.append).read_bytes() == site.content
    assert (site.ranges[-1], site.asked[-1].if_range) == ("bytes=50000-", '"one"')
    assert came[0] == 50_000, "what was kept is told first"
    assert sum(came) == len(site.content)


def test_only_the_furthest_that_was_reached_counts_as_new(site: Site) -> None:
    with pytest.raises(InputError, match="brought no new byte in 3 attempts"):
        get(at(site.address("breaks_later_or_sooner_without_ranges")), attempts=3)
    assert len(site.asked) == 1 + 3


def test_waits_grow_while_nothing_comes(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr(sources, "WAIT_SECONDS", 0.5)
    monkeypatch.setattr(sources, "time", SimpleNamespace(sleep=waits.append))
    with pytest.raises(InputError, match="answered 503 Service Unavailable"):
        get(at(site.address("always_503")), attempts=4)
    assert len(site.asked) == 4
    assert waits == [1, 2, 4]


def test_a_person_who_stops_it_keeps_what_has_arrived(site: Site, place: Path) -> None:
    def stop(n_bytes: int) -> None:
        if n_bytes:
            raise KeyboardInterrupt

    source = at(site.address("plain"))
    with pytest.raises(KeyboardInterrupt):
        get(source, on_bytes=stop)
    assert names(place.parent) == {f"{place.name}{suffix}" for suffix in (".part", ".part.json", ".lock")}
    kept = beside(place, ".part").stat().st_size
    assert kept > 0
    assert get(source).read_bytes() == site.content
    assert site.ranges[1:] == [f"bytes={kept}-"]


def test_a_killed_fetch_leaves_what_the_next_one_goes_on_from(site: Site, place: Path) -> None:
    source = at(site.address("stalls_once"))
    script = (
        "from dataclasses import replace; from recsys.interactions.sources import SOURCES, fetch; "
        f"fetch(replace(SOURCES['lastfm-360k'], address={source.address!r}))"
    )
    first = subprocess.Popen([sys.executable, "-c", script], cwd=ROOT)
    try:
        arrived = wait_for_part(place)
    finally:
        first.kill()
        first.wait()
    assert get(source).read_bytes() == site.content
    assert site.ranges == [None, f"bytes={arrived}-"]


@pytest.mark.parametrize("behaviour", ["breaks_once_without_ranges", "changes", "changes_and_does_not_see_if_range"])
def test_what_cannot_be_gone_on_from_is_begun_anew(site: Site, behaviour: str) -> None:
    came: list[int] = []
    path = get(at(site.address(behaviour)), on_bytes=came.append)
    assert site.ranges[:2] == [None, "bytes=40000-"]
    assert path.read_bytes() == site.content, "no mixture of two versions"
    assert sum(came) == len(site.content)
    assert -40_000 in came, "what was thrown away is taken back"


@pytest.mark.parametrize("behaviour", ["wrong_start", "wrong_total", "no_content_range", "shrinks"])
def test_an_answer_that_does_not_fit_what_is_there_is_not_added_to_it(site: Site, behaviour: str) -> None:
    path = get(at(site.address(behaviour)))
    assert site.ranges == [None, "bytes=40000-", None]
    assert path.read_bytes() == site.content


def test_a_part_is_added_although_its_server_does_not_say_the_size_again(site: Site) -> None:
    path = get(at(site.address("does_not_say_how_large")))
    assert site.ranges == [None, "bytes=40000-", "bytes=70000-"]
    assert path.read_bytes() == site.content


def test_a_server_that_gives_small_parts_is_asked_for_all_of_them(site: Site) -> None:
    path = get(at(site.address("small_parts")), attempts=1)
    assert site.ranges == [None, "bytes=20000-", "bytes=60000-", "bytes=100000-"]
    assert path.read_bytes() == site.content


def test_a_weak_mark_is_not_used_to_go_on(site: Site) -> None:
    site.marks = {"ETag": 'W/"one"', "Last-Modified": "Tue, 30 Mar 2010 10:00:00 GMT"}
    path = get(at(site.address("breaks_thrice")))
    assert [asked.if_range for asked in site.asked] == [None] + 3 * ["Tue, 30 Mar 2010 10:00:00 GMT"]
    assert path.read_bytes() == site.content


def test_without_any_mark_the_size_decides(site: Site) -> None:
    site.marks = {}
    path = get(at(site.address("breaks_thrice")))
    assert [asked.if_range for asked in site.asked] == 4 * [None]
    assert site.ranges[3] == "bytes=60000-"
    assert path.read_bytes() == site.content


def test_a_part_of_another_address_is_not_gone_on_from(site: Site, place: Path) -> None:
    with pytest.raises(InputError, match="50,000 of"):
        get(at(site.address("breaks_at_50000")), attempts=1)
    path = get(at(site.address("plain")))
    assert site.ranges[-1] is None
    assert path.read_bytes() == site.content


def test_a_part_whose_card_is_torn_is_not_gone_on_from(site: Site, place: Path) -> None:
    source = at(site.address("breaks_at_50000"))
    with pytest.raises(InputError, match="50,000 of"):
        get(source, attempts=1)
    beside(place, ".part.json").write_text('{"url": "htt')
    site.mended = True
    assert get(source).read_bytes() == site.content
    assert site.ranges[-1] is None


def test_a_whole_part_is_recognised_although_more_was_promised(site: Site) -> None:
    path = get(at(site.address("promises_too_much")))
    assert site.ranges == [None, f"bytes={len(site.content)}-"]
    assert path.read_bytes() == site.content


def test_a_file_cut_by_a_server_that_says_it_is_whole_is_refused_and_kept_aside(site: Site, place: Path) -> None:
    source = at(site.address("promises_too_little"))
    with pytest.raises(InputError, match=r"cut or damaged.*kept as .*\.refused; the same command fetches it anew"):
        get(source)
    assert beside(place, ".refused").read_bytes() == site.content[:-10]
    assert not place.exists()
    site.mended = True
    assert get(source).read_bytes() == site.content


@pytest.mark.parametrize("marks", [{}, {"Content-Length": "10"}])
def test_chunks_are_brought_without_a_length_or_in_spite_of_it(site: Site, marks: dict[str, str]) -> None:
    site.marks = marks
    totals: list[int] = []
    assert get(at(site.address("chunked")), on_total=totals.append).read_bytes() == site.content
    assert totals == []


def test_chunks_that_break_off_are_gone_on_from(site: Site) -> None:
    path = get(at(site.address("chunked_breaks_once")))
    assert site.ranges == [None, "bytes=30000-"]
    assert path.read_bytes() == site.content


def test_an_archive_that_a_server_calls_encoded_is_not_unpacked_on_the_way(site: Site) -> None:
    assert get(at(site.address("says_encoding"))).read_bytes() == site.content


def test_a_busy_server_is_asked_again(site: Site) -> None:
    assert get(at(site.address("busy_twice")), attempts=3).read_bytes() == site.content
    assert len(site.asked) == 3


@pytest.mark.parametrize(
    ("behaviour", "said"),
    [("status_404", "answered 404 Not Found"), ("status_500", "answered 500 Internal Server Error")],
)
def test_an_error_status_is_said_at_once_with_what_to_do(site: Site, place: Path, behaviour: str, said: str) -> None:
    source = at(site.address(behaviour))
    with pytest.raises(InputError, match=said) as caught:
        get(source)
    assert len(site.asked) == 1
    assert f"see {source.page}, or download {source.address} by hand to {place}" in str(caught.value)


def test_a_redirect_is_followed_and_gone_on_from(site: Site) -> None:
    site.elsewhere = site.address("breaks_thrice")
    path = get(at(site.address("moved")))
    assert site.ranges == [None, None, *(2 * ["bytes=20000-"]), *(2 * ["bytes=40000-"]), *(2 * ["bytes=60000-"])]
    assert path.read_bytes() == site.content


def test_a_circle_of_redirects_ends(site: Site) -> None:
    with pytest.raises(InputError, match="Exceeded 10 redirects.*by hand"):
        get(at(site.address("circle")))
    assert len(site.asked) == 11


def test_a_redirect_to_another_protocol_is_refused(site: Site) -> None:
    site.elsewhere = "ftp://127.0.0.1/file.tar.gz"
    with pytest.raises(InputError, match="cannot be fetched .*ftp://127"):
        get(at(site.address("moved")))


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificate, and is not here")
def test_a_redirect_from_https_to_http_is_refused(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    options = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=test"
    subprocess.run(
        ["openssl", *options.split(), "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate],
        check=True, capture_output=True,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    secure = Site()
    secure.scheme, secure.elsewhere = "https", site.address("plain")
    secure.socket = context.wrap_socket(secure.socket, server_side=True)
    with running(secure) as server:
        with pytest.raises(InputError, match=r"cannot reach 127.0.0.1 \(.*certificate"):
            get(at(server.address("moved")))
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
        with pytest.raises(InputError, match="leads away from https, to http://"):
            get(at(server.address("moved")))
        assert len(server.asked) == 1
        server.elsewhere = server.address("plain")
        assert get(at(server.address("moved"))).read_bytes() == server.content
    assert site.asked == [], "nothing was asked without encryption"


def test_a_web_page_instead_of_the_file_is_named(site: Site, place: Path) -> None:
    source = at(site.address("login"))
    with pytest.raises(InputError, match="is not a gzip archive; it begins with '<!DOCTYPE html"):
        get(source)
    assert beside(place, ".refused").read_bytes() == HTML
    site.mended = True
    assert get(source).read_bytes() == site.content


def test_a_web_page_in_between_does_not_cost_what_has_arrived(site: Site, place: Path) -> None:
    source = at(site.address("login_in_between"))
    with pytest.raises(InputError, match=r"is now a web page, perhaps to log in; 40,000 of .* are kept"):
        get(source)
    assert get(source).read_bytes() == site.content
    assert site.ranges == [None, "bytes=40000-", "bytes=40000-"]


def test_without_a_server_one_line_says_how_to_do_it_by_hand(place: Path) -> None:
    source = at(f"http://127.0.0.1:{closed_port()}/file.tar.gz")
    with pytest.raises(InputError) as caught:
        get(source)
    assert str(caught.value) == (
        f"cannot reach 127.0.0.1 (Connection refused); download {source.address} by hand to {place}, "
        "then run the same command"
    )
    place.write_bytes(lastfm_360k())
    assert get(source) == place, "as the message said"


def test_without_names_one_line_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody_knows(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", nobody_knows)
    with pytest.raises(InputError, match=r"^cannot reach mtg.upf.edu \(Name or service not known\); [^\n]*$"):
        get(SOURCES["lastfm-360k"])


def test_a_network_that_goes_away_on_the_way_is_waited_for(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    connect = connection.create_connection
    turn = iter(range(100))

    def sometimes(*args: Any, **settings: Any) -> socket.socket:
        if next(turn) in (1, 2):
            raise OSError(101, "Network is unreachable")
        return connect(*args, **settings)

    monkeypatch.setattr(connection, "create_connection", sometimes)
    path = get(at(site.address("breaks_thrice")))
    assert path.read_bytes() == site.content
    assert site.ranges == [None, "bytes=20000-", "bytes=40000-", "bytes=60000-"]
    assert next(turn) == 6


def test_too_little_room_is_said_before_anything_is_brought(
    site: Site, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=9_999))
    said = f"{len(site.content):,} more bytes are needed and 9,999 are free; make room, or set RECSYS_CACHE"
    with pytest.raises(InputError, match=said):
        get(at(site.address("plain")))
    assert beside(place, ".part").stat().st_size == 0
    with pytest.raises(InputError, match="2,600,000 more bytes are needed"):
        get(replace(at(site.address("chunked")), n_bytes=2_600_000))


def test_room_is_needed_only_for_what_is_missing(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    free = iter([len(site.content), len(site.content) - 20_000, len(site.content) - 40_001])
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=next(free)))
    with pytest.raises(InputError, match=f"{len(site.content) - 40_000:,} more bytes are needed"):
        get(at(site.address("breaks_thrice")))
    assert len(site.asked) == 3


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="/dev/full is the disk without room, and is not here")
def test_a_disk_that_fills_up_on_the_way_is_named(site: Site, place: Path) -> None:
    place.parent.mkdir()
    beside(place, ".part").symlink_to("/dev/full")
    with pytest.raises(InputError, match=r"\.part: cannot be written \(No space left on device\)"):
        get(at(site.address("plain")))


def test_a_cache_that_cannot_be_written_to_is_named(tmp_path: Path, place: Path) -> None:
    place.parent.write_text("a file where the folder should be")
    with pytest.raises(InputError, match=r"cache: cannot be written to \(File exists\); set RECSYS_CACHE"):
        get(at("http://127.0.0.1:9/file.tar.gz"))


def test_two_fetches_of_one_file_do_not_meet(site: Site, place: Path) -> None:
    source = at(site.address("stalls_once"))
    first = threading.Thread(target=fetch, args=(source,), daemon=True)
    first.start()
    wait_for_part(place)
    with pytest.raises(InputError, match="another fetch of this file is running"):
        fetch(source)
    site.released.set()  # the server ends the connection that it let stall
    first.join()
    assert fetch(source).read_bytes() == site.content
    assert len(site.asked) == 2


def test_a_file_put_there_by_hand_is_checked_and_used_without_the_network(site: Site, place: Path) -> None:
    place.parent.mkdir()
    place.write_bytes(site.content)
    assert get(at(site.address("status_404"))) == place
    assert beside(place, ".checked").exists()
    assert site.asked == []


def test_a_file_put_there_by_hand_ends_a_transfer_that_stopped(site: Site, place: Path) -> None:
    source = at(site.address("breaks_at_50000"))
    with pytest.raises(InputError, match="50,000 of"):
        get(source, attempts=1)
    place.write_bytes(site.content)
    get(source)
    assert names(place.parent) == {place.name, f"{place.name}.checked", f"{place.name}.lock"}


@pytest.mark.parametrize("length", [0, 1, 30, 60_000, -9, -1])
def test_a_cut_file_put_there_by_hand_is_refused(site: Site, place: Path, length: int) -> None:
    place.parent.mkdir()
    cut = site.content[:length]
    place.write_bytes(cut)
    source = at(site.address("plain"))
    with pytest.raises(InputError, match="(is empty|is cut or damaged|is not a gzip archive)") as caught:
        get(source)
    assert str(caught.value).startswith(str(place))
    assert str(caught.value).count(str(place)) == 1
    assert beside(place, ".refused").read_bytes() == cut
    assert site.asked == []
    assert get(source).read_bytes() == site.content


def test_other_content_is_refused_with_both_digests(site: Site, place: Path) -> None:
    other = PLAYS.replace(b"7", b"8")
    site.content = tar_gz((f"data/{MEMBER}", other))
    expected, found = hashlib.md5(PLAYS).hexdigest(), hashlib.md5(other).hexdigest()
    with pytest.raises(
        InputError, match=f"{place}: is not what was published: MD5 of {MEMBER} is {found}, expected {expected}"
    ):
        get(at(site.address("plain")))
    assert beside(place, ".refused").exists()


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ([("data/README.txt", b"about")], f"MD5 of {MEMBER} is missing, expected"),
        ([(f"a/{MEMBER}", PLAYS), (f"b/{MEMBER}", b"eve\t\tX\t1\n")], f"{MEMBER} is .* and .*, expected"),
    ],
)
def test_an_archive_without_the_member_or_with_two_of_it_is_refused(
    site: Site, members: list[tuple[str, bytes]], said: str
) -> None:
    site.content = tar_gz(*members)
    with pytest.raises(InputError, match=said):
        get(at(site.address("plain")))


def test_nothing_from_an_archive_reaches_the_disk(site: Site, place: Path, tmp_path: Path) -> None:
    site.content = tar_gz(("../../outside.txt", b"x"), (str(tmp_path / "absolute.txt"), b"x"), (f"../{MEMBER}", PLAYS))
    get(at(site.address("plain")))
    everything = {path for path in tmp_path.rglob("*") if path.is_file()}
    assert everything == {place, beside(place, ".checked"), beside(place, ".lock")}


def small_2k(place: Path, **counts: int) -> Source:
    """The archive of `lastfm_2k`, put there by hand, and its source with its counts."""
    source = replace(SOURCES["lastfm-2k"], counts={"rows": 5, "listeners": 3, "items": 4, **counts})
    place.parent.mkdir(exist_ok=True)
    (place.parent / source.file_name).write_bytes(lastfm_2k())
    return source


def test_a_set_without_a_digest_is_checked_by_its_counts(place: Path) -> None:
    path = get(small_2k(place))
    assert json.loads(beside(path, ".checked").read_text())["checked"] == {"rows": 5, "listeners": 3, "items": 4}


@pytest.mark.parametrize(("what", "found"), [("rows", 5), ("listeners", 3), ("items", 4)])
def test_other_counts_are_refused_with_both(place: Path, what: str, found: int) -> None:
    source = small_2k(place, **{what: 6})
    with pytest.raises(InputError, match=f"is not what was published: {what} is {found}, expected 6"):
        get(source)
    assert (place.parent / f"{source.file_name}.refused").read_bytes() == lastfm_2k()


def test_the_published_counts_are_those_of_the_published_files(real_data: Path, place: Path) -> None:
    source = SOURCES["lastfm-2k"]
    place.parent.mkdir()
    path = place.parent / source.file_name
    rows = (real_data / "hetrec2011-lastfm-2k" / "user_artists.dat").read_bytes()

    def put(rows: bytes) -> None:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.write(real_data / "hetrec2011-lastfm-2k" / "artists.dat", "artists.dat")
            archive.writestr("user_artists.dat", rows)

    put(rows[: rows.rstrip().rfind(b"\n") + 1])
    with pytest.raises(InputError, match="rows is 92833, expected 92834"):
        get(source)
    put(rows)
    assert get(source) == path


@pytest.mark.parametrize("name", ["spotify-mpd", "listenbrainz", "spotify-history"])
def test_what_no_program_can_fetch_is_said_in_one_line_with_the_command(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"by a program: .*https://.*python -m recsys build {name} --input") as caught:
        get(SOURCES[name])
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_every_source_can_be_read_and_either_checked_or_brought_by_hand() -> None:
    for name, source in SOURCES.items():
        assert (source.name, source.reader in READERS) == (name, True)
        assert source.licence
        assert source.page
        assert bool(source.by_hand) != bool(source.address)
        assert bool(source.address) == (bool(source.member_md5) != bool(source.counts))
        assert source.address.endswith(source.file_name)


def test_a_licence_is_asked_for_once_and_again_when_its_words_change(tmp_path: Path) -> None:
    source = SOURCES["lastfm-360k"]
    assert not accepted(source)
    accept(source)
    assert accepted(source)
    assert not accepted(SOURCES["lastfm-1k"]), "another set, though the same licence"
    assert not accepted(replace(source, licence="Only on Sundays."))
    assert not accepted(source, tmp_path / "another folder")


def test_a_reader_finds_its_fetched_file_only_once_it_is_checked(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = small_2k(place)
    monkeypatch.setitem(SOURCES, source.name, source)
    assert fetched("lastfm-2k") is None, "there, but not checked"
    path = get(source)
    assert fetched("lastfm-2k") == path
    assert fetched("lastfm-360k") is None
    assert fetched("events") is None
    path.unlink()
    assert fetched("lastfm-2k") is None


def test_the_cache_is_where_the_environment_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert cache_folder() == tmp_path / "cache"
    monkeypatch.setenv("RECSYS_CACHE", "~/music")
    assert cache_folder() == Path.home() / "music"
    monkeypatch.setenv("RECSYS_CACHE", "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder().name == "recsys"


def test_knowing_the_sources_does_not_load_what_fetching_needs() -> None:
    script = "import sys, recsys.interactions.sources; print({'requests', 'pooch', 'numba'} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == "set()"
