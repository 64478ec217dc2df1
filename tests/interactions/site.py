"""A server that behaves in every way that servers do, the tiny data sets it holds, and what asks for them."""

from __future__ import annotations

import hashlib
import io
import random
import socket
import sys
import tarfile
import threading
import time
import zipfile
from collections import namedtuple
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from recsys.interactions.fetching import fetch
from recsys.interactions.sources import SOURCES, Source

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


@cache  # archives bear the time at which they were made: one made two seconds later would differ
def lastfm_360k(seed: int = 1) -> bytes:
    """A tiny Last.fm-360K behind 100 KB of noise; another seed is another version of the same size."""
    noise = random.Random(seed).randbytes(100_000)
    return tar_gz(("lastfm-dataset-360K/README.txt", noise), (f"lastfm-dataset-360K/{MEMBER}", PLAYS))


@cache
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
