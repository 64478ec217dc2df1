"""Uploads that take most memory for their kind: python -m tests.security.heaviest [KIND …]

Each is taken in a process of its own, under the limit that docs/threat-model.md states.
"""

from __future__ import annotations

import gzip
import io
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path

from tests.security.limited import taken

MOST_MEGABYTES = 1_500
MIB = 1 << 20
WIDE = "𝕏"  # one such character, and Python keeps the whole text with four bytes a character
Made = tuple[str, bytes]


def filled(size: int, make: Callable[[int], str]) -> Iterable[bytes]:
    """Pieces of so many bytes together at most; `make` is given their numbers."""
    at = 0
    while (size := size - len(piece := make(at).encode())) > 0:
        yield piece
        at += 1


def lines(form: str) -> Callable[[int], str]:
    """A thousand lines, each with a number of its own in place of %08d."""
    return lambda at: "".join(form % (at * 1_000 + line) for line in range(1_000))


def packed(name: str, pieces: Iterable[bytes]) -> Made:
    kept = io.BytesIO()
    with gzip.GzipFile(fileobj=kept, mode="wb", compresslevel=1) as stream:
        for piece in pieces:
            stream.write(piece)
    return f"{name}.gz", kept.getvalue()


def objects() -> Iterable[bytes]:
    """JSON of as many objects as are taken, and a text of the bytes that are left."""
    yield b"["
    for _ in range(19_000):
        yield f'{{"{WIDE}":'.encode() * 100 + b"1" + b"}" * 100 + b","
    yield f'["{WIDE}'.encode() + b"x" * (44 * MIB) + b'"]]'


def several(files: int, name: str, pieces: Callable[[], Iterable[bytes]]) -> Made:
    kept = io.BytesIO()
    with zipfile.ZipFile(kept, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for at in range(files):
            with archive.open(name % at, "w") as stream:
                for piece in pieces():
                    stream.write(piece)
    return "x.zip", kept.getvalue()


def listens(artist: str) -> str:
    return f'{{"listened_at": 1, "track_metadata": {{"artist_name": "{artist}", "track_name": "b"}}}}\n'


def tracks() -> Iterable[bytes]:
    yield b"<playlist xmlns='http://xspf.org/ns/0/'><trackList>"
    yield from filled(30 * MIB, lines("<track><creator>%08d</creator></track>"))
    yield b"</trackList></playlist>"


HEAVIEST: dict[str, Callable[[], Made]] = {
    "objects": lambda: several(2, "endsong_%d.json", objects),
    "one text": lambda: packed("endsong.json", [b'["', WIDE.encode(), b"x" * (63 * MIB), b'"]']),
    "long names": lambda: packed(
        "x.jsonl", filled(250 * MIB, lambda at: listens(f"{WIDE}{at}{'x' * 1_000_000}"))
    ),
    "many names": lambda: packed("x.jsonl", filled(250 * MIB, lines(listens(f"{'x' * 80}%08d")))),
    "list": lambda: packed("x.txt", filled(16 * MIB, lines(f"{WIDE}{'x' * 50}%08d\n"))),
    "table": lambda: packed("x.csv", [b"artist\n", *filled(60 * MIB, lines(f"{'x' * 43}%08d\n"))]),
    "playlist": lambda: packed("x.m3u8", filled(60 * MIB, lines(f"{WIDE}{'x' * 240}%08d - b\n"))),
    "tracks": lambda: several(2, "%d.xspf", tracks),
}  # fmt: skip


def main(arguments: list[str]) -> None:
    for name in arguments[1:] or HEAVIEST:
        with tempfile.TemporaryDirectory() as folder:
            file, content = HEAVIEST[name]()
            path = Path(folder) / file
            path.write_bytes(content)
            start = time.perf_counter()
            ended = taken(path, "upload", megabytes=MOST_MEGABYTES)
            outcome, most = ended.strip().rsplit("\n", 1)
            print(f"{name}: {time.perf_counter() - start:.0f} s, {most}, {outcome[:90]}", flush=True)


if __name__ == "__main__":
    main(sys.argv)
