"""Damaged files for every reader: python -m tests.interactions.fuzz [CASES] [READER …]

Each case is a whole file of the simulator's with something done to it. What comes out must be a table whose rows and
report add up with the lines of the file, or an InputError in words; never another exception, never a hang.
"""

from __future__ import annotations

import gzip
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa

from recsys.errors import InputError
from recsys.interactions.log import Interactions
from recsys.interactions.readers import ReadOptions, read
from recsys.interactions.simulate import Simulation, events
from recsys.interactions.writers import WRITERS

SECONDS_A_CASE = 20
# A file that is cut and written again is forced to the disk at once by ext4; memory has nothing to force.
MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
ONE_FILE = {
    "events": "log.csv", "queues": "queues.tsv", "lastfm-360k": "plays.tsv", "lastfm-1k": "log.tsv",
    "listenbrainz": "1.listens",
}  # fmt: skip
# Which file of a folder holds the rows, where lines are rows; and how many of its first lines are a header.
LINES_ARE_ROWS = {
    "events": ("log.csv", 1), "queues": ("queues.tsv", 0), "lastfm-360k": ("plays.tsv", 0), "lastfm-1k": ("log.tsv", 0),
    "listenbrainz": ("1.listens", 0), "lastfm-2k": ("user_artists.dat", 1),
}  # fmt: skip
EACH_FILE_STANDS_ALONE = ("playlists", "spotify-history", "spotify-mpd")
# Where every usable row is one play.
A_ROW_IS_A_PLAY = ("events", "lastfm-1k", "listenbrainz", "playlists")
PIECES = [
    b"\n", b"\r", b"\r\n", b"\n\n\n", b"\0", b'"', b'""', b"'" * 50, b"\t", b"\t\t", b",", b" ", b"\x1a", b"\\",
    b"\xef\xbb\xbf", b"\xff\xfe", b"\xe9", b"\x80\x80", b"\xf0\x9d\x84\x9e", b"{", b"}", b"[", b"]", b"\\ud800",
    b"<", b"<!DOCTYPE x>", b"&x;", b"#EXTINF:", b"A" * 5_000,
]  # fmt: skip
VALUES = [
    b"", b"-1", b"0", b"-5", b"1.5", b"0x10", b"1_000", b"1e999", b"NaN", b"inf", b"99999999999999999999", b"NA",
    b"null", b"None", b"true", b"[]", b"{}", b"4102444800", b"9999-12-31T23:59:59Z", b"1969-12-31T23:59:59Z",
    "\u202e𝄞".encode(),
]  # fmt: skip
Damage = Callable[[bytes, random.Random], bytes]


def cut(content: bytes, rng: random.Random) -> bytes:
    return content[: rng.randrange(len(content) + 1)]


def change_bytes(content: bytes, rng: random.Random) -> bytes:
    changed = bytearray(content)
    for _ in range(rng.choice([1, 1, 2, 5, 50])):
        changed[rng.randrange(len(changed))] = rng.randrange(256)
    return bytes(changed)


def insert(content: bytes, rng: random.Random) -> bytes:
    for _ in range(rng.choice([1, 1, 3, 20])):
        at = rng.randrange(len(content) + 1)
        content = content[:at] + rng.choice(PIECES) + content[at:]
    return content


def leave_out(content: bytes, rng: random.Random) -> bytes:
    start = rng.randrange(len(content))
    return content[:start] + content[start + rng.choice([1, 2, 10, 1_000]) :]


def repeat(content: bytes, rng: random.Random) -> bytes:
    start = rng.randrange(len(content))
    piece = content[start : start + rng.choice([1, 7, 100, 3_000])]
    at = rng.randrange(len(content) + 1)
    return content[:at] + piece + content[at:]


def change_values(content: bytes, rng: random.Random) -> bytes:
    separator = rng.choice([b"\t", b",", b": ", b"\n"])
    fields = content.split(separator)
    for _ in range(rng.choice([1, 3, 30])):
        fields[rng.randrange(len(fields))] = rng.choice(VALUES)
    return separator.join(fields)


def encode(content: bytes, rng: random.Random) -> bytes:
    encoding = rng.choice(["latin-1", "utf-16", "cp1252", "utf-8-sig", "utf-32"])
    return content.decode("utf-8", "replace").encode(encoding, "replace")


def end_lines(content: bytes, rng: random.Random) -> bytes:
    return content.replace(b"\r\n", b"\n").replace(b"\n", rng.choice([b"\r\n", b"\r", b"\n\n", b" \n", b"\n\r"]))


DAMAGES: list[Damage] = [cut, change_bytes, insert, leave_out, repeat, change_values, encode, end_lines]


def fuzz(reader: str, n_cases: int, seed: int = 0) -> dict[str, int]:
    """Run the cases and return how many ended how.

    Raises AssertionError with reader and case, and keeps the files of that case, when something else came out.
    """
    ended = {"table": 0, "error": 0}
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
        whole = Path(folder) / "whole"
        whole.mkdir()
        WRITERS[reader](
            events(Simulation(8, n_items=102, mean_sessions=3, mean_plays=4, seed=1)), _input(whole, reader)
        )
        names = sorted(path.relative_to(whole) for path in whole.rglob("*") if path.is_file())
        for case in range(n_cases):
            rng = random.Random(f"{reader} {seed} {case}")
            here = Path(folder) / "case"
            shutil.rmtree(here, ignore_errors=True)
            shutil.copytree(whole, here)
            damaged = here / rng.choice(names)
            content = damaged.read_bytes()
            for _ in range(rng.choice([1, 1, 2, 4])):
                content = rng.choice(DAMAGES)(content or b"\n", rng)
            path = damaged if reader in EACH_FILE_STANDS_ALONE and rng.random() < 0.5 else _input(here, reader)
            if path.is_file() and rng.random() < 0.15:
                # Packed, and the packing damaged as often as not.
                content = gzip.compress(content, mtime=0)
                content = rng.choice([cut, change_bytes])(content, rng) if rng.random() < 0.5 else content
                path = path.with_name(path.name + ".gz")
                damaged.unlink()
                damaged = path
            damaged.write_bytes(content)
            try:
                with within(SECONDS_A_CASE):
                    ended[_outcome(reader, path, here)] += 1
            except BaseException as error:
                kept = Path(tempfile.mkdtemp(prefix=f"fuzz-{reader}-")) / "case"
                shutil.copytree(here, kept)
                raise AssertionError(
                    f"{reader}, seed {seed}, case {case}, kept in {kept}: {error!r}\n{traceback.format_exc()}"
                ) from error
    return ended


def _input(folder: Path, reader: str) -> Path:
    return folder / ONE_FILE.get(reader, reader)


def _outcome(reader: str, path: Path, folder: Path) -> str:
    rng = random.Random(str(path.stat().st_size))
    options = ReadOptions(max_bad_share=1.0, level=rng.choice(["artist", "track"]), merge_spellings=rng.random() < 0.8)
    try:
        log = read(reader, path, options)
    except InputError as refused:
        said = str(refused)
    else:
        _check(log, reader, folder)
        return "table"
    assert 10 < len(said) < 3_000, said
    return "error"


def _check(log: Interactions, reader: str, folder: Path) -> None:
    """Whether rows, report and lines of the file add up."""
    report = log.report
    used = report.rows - report.bad.total()
    assert used >= 0
    assert (log.user_items.data > 0).all()
    assert log.user_items.shape == (log.n_users, len(log.catalogue))
    assert log.catalogue["item_id"].is_unique
    assert (log.catalogue["name"].str.len() > 0).all()
    if reader in A_ROW_IS_A_PLAY:
        assert log.catalogue["plays"].sum() == used, report.as_json()
    else:
        assert log.user_items.nnz > 0
    if reader in LINES_ARE_ROWS:
        name, header = LINES_ARE_ROWS[reader]
        file = next(found for found in folder.rglob(f"{name}*") if not found.name.endswith((".items.csv", ".json")))
        content = gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
        lines = content.split(b"\n")
        n_lines = len(lines) - (lines[-1] == b"") - header
        assert report.rows + report.blank_lines == n_lines, (n_lines, report.as_json())


@contextmanager
def within(seconds: int) -> Iterator[None]:
    """Raise TimeoutError when what is done in it takes longer."""

    def stop(*_: object) -> None:
        raise TimeoutError(f"took longer than {seconds} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def main(arguments: list[str]) -> None:
    n_cases = int(arguments[0]) if arguments else 10_000
    pa.set_cpu_count(1)
    for reader in arguments[1:] or WRITERS:
        start = time.perf_counter()
        ended = fuzz(reader, n_cases)
        print(f"{reader:16} {n_cases:,} cases: {ended}, {time.perf_counter() - start:.0f} s", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
