"""Bringing a public data set to the cache folder. What was fetched stays there, and nothing is used before a check."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from recsys.errors import InputError
from recsys.interactions.inputs import open_inputs
from recsys.interactions.sources import SOURCES, Source
from recsys.interactions.transfer import Told, Transfer, beside, read_json

MAGIC = {"zip": b"PK\x03\x04", "gzip": b"\x1f\x8b"}


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
        bring = Transfer(path, source, stall_seconds, attempts, on_bytes or _nobody, on_total or _nobody)
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
    return bool(read_json(note).get("licence") == source.licence)


def accept(source: Source, folder: Path | None = None) -> None:
    """Remember that the person has seen and accepted the licence."""
    note = (folder or cache_folder()) / f"{source.name}.accepted"
    note.parent.mkdir(parents=True, exist_ok=True)
    note.write_text(json.dumps({"licence": source.licence}))


def _nobody(_: int) -> None: ...


@contextmanager
def _only_fetch_of(path: Path) -> Iterator[None]:
    """Hold the lock of one file; the kernel lets go of it when the process dies."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = beside(path, ".lock").open("w")
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
    return path.is_file() and read_json(beside(path, ".checked")) == _state(source, path)


def _state(source: Source, path: Path) -> dict[str, Any]:
    """What must not have changed since the check for it to hold."""
    stat = path.stat()
    return {"size": stat.st_size, "mtime_ns": stat.st_mtime_ns, "checked": source.member_md5 or source.counts}


def _check(source: Source, path: Path) -> None:
    """Compare the file with what was published; remember it as checked, or put it aside."""
    state = _state(source, path)  # of before: a file that is changed meanwhile will not count as checked
    problem = _problem(source, path)
    if problem:
        refused = beside(path, ".refused")
        os.replace(path, refused)
        raise InputError(f"{problem}. It is kept as {refused.name}; the same command fetches it anew", file=path)
    beside(path, ".checked").write_text(json.dumps(state))
    for left_over in (".part", ".part.json"):
        beside(path, left_over).unlink(missing_ok=True)


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
