"""A published file on its way over bad networks: what has arrived is kept, and gone on from."""

from __future__ import annotations

import json
import os
import re
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.client import IncompleteRead
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

from recsys.errors import InputError
from recsys.interactions.sources import Source

if TYPE_CHECKING:
    import requests

CONNECT_SECONDS = 10.0
WAIT_SECONDS = 0.5  # before the next attempt; doubled by each that brings nothing
MOST_REDIRECTS = 10
BLOCK_BYTES = 1 << 16
_CONTENT_RANGE = re.compile(r"bytes (?:(\d+)-\d+|\*)/(?:(\d+)|\*)")

Told = Callable[[int], None]


def beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def read_json(path: Path) -> dict[str, Any]:
    """What stands in a small file of ours; nothing if it is missing or torn."""
    try:
        content = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


@dataclass
class Transfer:
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
        self.part, self.card = beside(self.path, ".part"), beside(self.path, ".part.json")

    @property
    def size(self) -> int:
        return self.part.stat().st_size

    def __call__(self, url: str, output_file: str, _pooch: object) -> None:
        """Bring the file to `output_file`, which pooch moves to its place."""
        import requests

        known = read_json(self.card)
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
