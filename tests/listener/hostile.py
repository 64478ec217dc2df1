"""Uploads that mean harm: python -m tests.listener.hostile [CASES]

What comes out must be a history or an InputError in words, within a time and a size; never another exception.
"""

from __future__ import annotations

import gzip
import io
import json
import random
import resource
import signal
import struct
import sys
import time
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pandas as pd

from recsys.errors import InputError
from recsys.interactions.spreadsheet import csv_bytes
from recsys.listener.export import Entry, as_m3u8, as_xspf
from recsys.listener.history import History
from recsys.listener.uploads import read_upload
from tests.interactions.fuzz import DAMAGES

SECONDS_A_CASE = 30
HARM = [
    "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "=HYPERLINK(\"http://x\",\"y\")", "=cmd|' /C calc'!A0",
    "+1+cmd", "-2+3", "@SUM(A1)", "\t=1", "javascript:alert(1)", "[x](javascript:alert(1))", "$(rm -rf /)", "`id`",
    "../../etc/passwd", "\u202egnp.exe", "{{7*7}}", "%s%n", "'; DROP TABLE items;--", "a\u0000b", "𝕏" * 400,
    "]]>", "&x;",
]  # fmt: skip
MAGIC = [
    b"\x89PNG\r\n\x1a\n", b"%PDF-1.7\n", b"MZ\x90\0", b"\x7fELF", b"PAR1", b"SQLite format 3\0", b"\xff\xd8", b"BZh9",
    b"\xfd7zXZ\0", b"PK\x03\x04", b"\x1f\x8b\x08", b"(\xb5/\xfd",
]  # fmt: skip
Made = tuple[str, bytes]


def zipped(members: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return stream.getvalue()


def wrong_type(rng: random.Random) -> Made:
    magic = rng.choice(MAGIC)
    suffix = rng.choice(["csv", "json", "xspf", "m3u8", "jsonl", "png", "zip", "csv.gz", "tar", "parquet"])
    return f"x.{suffix}", magic + rng.randbytes(rng.choice([0, 10, 5_000]))


def bomb(rng: random.Random) -> Made:
    """A small file that unpacks to hundreds of megabytes; some in a zip in a zip."""
    unit = rng.choice([b"\0", b"\n", b"a,b\n", b"[", b'{"a":', b"artist\n", b"#EXTINF:1,a - b\nx\n", b"x" * 99 + b"\n"])
    content = unit * ((300 << 20) // len(unit))
    suffix = rng.choice(["csv", "json", "jsonl", "m3u8", "xspf"])
    if rng.random() < 0.5:
        return f"x.{suffix}.gz", gzip.compress(content, 1)
    inner = zipped({f"Streaming_History_{part}.{suffix}": content[: 100 << 20] for part in range(3)})
    return "x.zip", zipped({"inner.zip": inner}) if rng.random() < 0.2 else inner


def overlapping(rng: random.Random) -> Made:
    """A zip whose directory names one member again and again, or lies about its sizes."""
    content = bytearray(zipped({"a.csv": b"artist\n" + b"x\n" * 9_000}))
    at = content.rindex(b"PK\x01\x02")
    end = content.rindex(b"PK\x05\x06")
    entry = bytes(content[at:end])
    if rng.random() < 0.5:
        content[at + 24 : at + 28] = struct.pack("<I", rng.choice([0, 1, 2**31]))
        return "x.zip", bytes(content)
    count = rng.choice([50, 6_000, 60_000])
    tail = bytearray(content[end:])
    tail[8:12] = struct.pack("<HH", count % 65536, count % 65536)
    tail[12:16] = struct.pack("<I", len(entry) * count)
    return "x.zip", bytes(content[:at]) + entry * count + bytes(tail)


def wide(rng: random.Random) -> Made:
    columns = rng.choice([501, 5_000, 1_000_000])
    first = ",".join(["artist", *("x" * columns)]) if rng.random() < 0.5 else "artist" + "," * columns
    return "x.csv", (first + "\nRadiohead" + "," * columns + "\n").encode()


def long_line(rng: random.Random) -> Made:
    suffix = rng.choice(["csv", "jsonl", "m3u8", "txt", "json"])
    return f"x.{suffix}", rng.choice([b"", b"artist,plays\n"]) + b"x" * rng.choice([70_000, 5_000_000, 20_000_000])


def deep(rng: random.Random) -> Made:
    depth = rng.choice([1_000, 200_000, 3_000_000])
    opening, closing = rng.choice([(b"[", b"]"), (b'{"a":', b"}")])
    suffix = rng.choice(["json", "jsonl"])
    return f"endsong.{suffix}", opening * depth + b"1" + (closing * depth if rng.random() < 0.5 else b"")


def many_values(rng: random.Random) -> Made:
    return "endsong.json.gz", gzip.compress(
        b"[" + rng.choice([b"[],", b"1,", b"{},"]) * rng.choice([10**5, 3 * 10**7]) + b"1]", 1
    )


def xml(rng: random.Random) -> Made:
    laughs = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    inside = rng.choice(
        [
            f'<!DOCTYPE x [<!ENTITY l0 "lol">{laughs}]>', '<!DOCTYPE x SYSTEM "file:///etc/passwd">',
            '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>', "",
        ]
    )  # fmt: skip
    name = rng.choice(HARM).replace("\0", "").replace("&", "&amp;").replace("<", "&lt;")
    entity = rng.choice(["", "&l9;", "&e;"])
    body = "<playlist xmlns='http://xspf.org/ns/0/'><trackList><track>"
    return (
        "x.xspf",
        f"<?xml version='1.0'?>{inside}{body}<creator>{name}{entity}</creator></track></trackList></playlist>".encode(),
    )


def harmful_names(rng: random.Random) -> Made:
    """Well-formed files whose names are meant for whoever shows them."""
    names = [rng.choice(HARM) for _ in range(30)]
    kind = rng.choice(["csv", "txt", "m3u8", "json", "jsonl"])
    if kind == "csv":
        rows = "".join('"{}",{}\n'.format(name.replace('"', '""'), rng.randrange(1, 9)) for name in names)
        return f"{rng.choice(HARM)}.csv", f"artist,plays\n{rows}".encode()
    if kind == "json":
        plays = [
            {"ts": "2024-01-01T00:00:00Z", "ms_played": 99_000, "master_metadata_album_artist_name": name,
             "master_metadata_track_name": name} for name in names
        ]  # fmt: skip
        return "Streaming_History.json", json.dumps(plays).encode()
    if kind == "jsonl":
        listens = [
            {"listened_at": 10**9, "track_metadata": {"artist_name": name, "track_name": name}} for name in names
        ]
        return "1.jsonl", "".join(json.dumps(each) + "\n" for each in listens).encode()
    return f"x.{kind}", "".join(f"{name} - {name}\n" for name in names).encode()


def damaged(rng: random.Random) -> Made:
    name, content = harmful_names(rng)
    for _ in range(rng.choice([1, 2, 4])):
        content = rng.choice(DAMAGES)(content or b"\n", rng)
    if rng.random() < 0.3:
        content = rng.choice(DAMAGES[:2])(gzip.compress(content, mtime=0), rng)
        name += ".gz"
    elif rng.random() < 0.3:
        content = rng.choice(DAMAGES[:2])(zipped({name.replace("/", "_"): content}), rng)
        name = "x.zip"
    return name, content


QUICK = [wrong_type, overlapping, wide, deep, xml, harmful_names, damaged]
KINDS: list[Callable[[random.Random], Made]] = [*QUICK, *QUICK, *QUICK, long_line, many_values, bomb]


def run(case: int, kinds: list[Callable[[random.Random], Made]] = KINDS) -> tuple[str, str]:
    """Take one upload; returns its kind and how it ended: "history" or "error".

    Raises AssertionError when something else came out, or what came out could do harm in an export.
    """
    rng = random.Random(f"hostile {case}")
    kind = rng.choice(kinds)
    name, content = kind(rng)
    try:
        with within_processor_time(SECONDS_A_CASE):
            history = read_upload(name, content, level=rng.choice(["artist", "track"]))
    except InputError as error:
        said = str(error)
    except BaseException as error:
        raise AssertionError(f"case {case}, {kind.__name__}, {name!r}: {error!r}") from error
    else:
        _check(name, history)
        return kind.__name__, "history"
    assert 10 < len(said) < 3_000, said
    return kind.__name__, "error"


@contextmanager
def within_processor_time(seconds: int) -> Iterator[None]:
    """Raise TimeoutError when what is done in it takes longer, whatever else the machine does."""

    def stop(*_: object) -> None:
        raise TimeoutError(f"took longer than {seconds} s of processor time")

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def _check(file: str, history: History) -> None:
    names = [wanted.text for wanted in history.wanted]
    assert names
    assert all(wanted.weight == wanted.weight for wanted in history.wanted)
    # However it is quoted, no field begins like a formula.
    table = pd.read_csv(io.BytesIO(csv_bytes(pd.DataFrame({"name": names}))), keep_default_na=False, dtype=str)
    assert len(table) == len(names)
    assert not table["name"].str.startswith(("=", "+", "-", "@", "\t", "\r", "\n")).any()
    playlist = [Entry(each, "", "") for each in names[:50] if each.isprintable()]
    assert as_m3u8(playlist).count(b"\n") == 3 * len(playlist) + 1
    assert as_xspf(playlist, file).count(b"<track>") == len(playlist)


def main(arguments: list[str]) -> None:
    n_cases = int(arguments[0]) if arguments else 1_000
    start, slowest = time.perf_counter(), (0.0, "")
    ended: Counter[tuple[str, str]] = Counter()
    for case in range(n_cases):
        begun = time.process_time()
        found = run(case)
        ended[found] += 1
        slowest = max(slowest, (time.process_time() - begun, f"{found[0]}, case {case}"))
    for (kind, how), count in sorted(ended.items()):
        print(f"{kind:14} {how:8} {count:5,}")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
    print(f"at most {peak:,.0f} MB, what makes the files included")
    print(f"{n_cases:,} cases in {time.perf_counter() - start:.0f} s")
    print(f"slowest: {slowest[0]:.1f} s of processor time ({slowest[1]})")


if __name__ == "__main__":
    main(sys.argv[1:])
