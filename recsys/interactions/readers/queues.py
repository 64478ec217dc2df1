"""One queue of items a line: sessions, playlists."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from recsys.config import DELIMITERS
from recsys.errors import InputError
from recsys.interactions.inputs import UTF8_BOM, Input, open_inputs, paths_of
from recsys.interactions.log import Interactions
from recsys.interactions.readers.options import ReadOptions
from recsys.interactions.report import ReadReport


def read_queues(path: Path, options: ReadOptions) -> Interactions:
    """Text, one queue of items a line, in the order they were played; each line stands for one listener.

    Items are separated by `delimiter`, or else by what the first lines show: tabs if there is one, commas if they stand
    in at least half of the lines, else spaces.

    Raises
    ------
    InputError : the lines look as if they were separated by something else, or none holds two items.
    """
    report = options.report("queues", path)
    items: dict[str, int] = {}
    played: list[int] = []
    lengths: list[int] = []
    start, delimiter = b"", " "
    for source in open_inputs(paths_of(path), on_bytes=options.on_bytes):
        report.add_file(source.path)
        source.check_is_text()
        start = source.start()
        delimiter = options.delimiter or delimiter_of(start, source.name)
        for _, queue in queues_of(source, delimiter, report):
            played.extend(items.setdefault(item, len(items)) for item in queue)
            lengths.append(len(queue))
    report.refuse_if_mostly_bad(options.max_bad_share)
    if max(lengths, default=0) < 2:
        others = [word for word, other in DELIMITERS.items() if other != delimiter and other.encode() in start]
        hint = f"; the file holds {' and '.join(others)}: pass --delimiter {others[0]}" if others else ""
        word = next((word for word, known in DELIMITERS.items() if known == delimiter), repr(delimiter))
        raise InputError(f"none of {len(lengths):,} lines holds two items separated by {word}{hint}", file=path)
    return Interactions.from_plays(
        user=np.repeat(np.arange(len(lengths)), lengths), item=np.array(played, np.int32), plays=None,
        items=pd.DataFrame({"item_id": list(items), "name": list(items)}), n_users=len(lengths), report=report,
        queue_offsets=np.concatenate([[0], np.cumsum(lengths)]),
    )  # fmt: skip


def queues_of(
    source: Input, delimiter: str, report: ReadReport, *, at_start: bool = True
) -> Iterator[tuple[int, list[str]]]:
    """Line number and items of each usable line; the others are counted in the report.

    at_start : whether the file begins here, so that a byte order mark may.
    """
    ended = True
    for number, raw in enumerate(source.stream, 1):
        ended = raw.endswith(b"\n")
        line = (raw.removeprefix(UTF8_BOM) if number == 1 and at_start else raw).rstrip(b"\r\n")
        if not line.strip():
            report.blank_lines += 1
            continue
        report.rows += 1
        try:
            text = line.decode()
        except UnicodeDecodeError:
            report.skip("not UTF-8", file=source.name, line=number, text=line.decode("utf-8", "replace"))
            continue
        if "\0" in text or "\r" in text:
            kind = "NUL byte" if "\0" in text else "carriage return inside a line"
            report.skip(kind, file=source.name, line=number, text=text)
            continue
        parts = text.split() if delimiter == " " else text.split(delimiter)
        queue = [item for part in parts if (item := part.strip())]
        if queue:
            yield number, queue
        else:
            report.skip("no item on the line", file=source.name, line=number, text=text)
    if not ended:
        report.note_missing_line_end(source.name)


def delimiter_of(start: bytes, where: str) -> str:
    """What separates items in a file's first lines.

    Raises
    ------
    InputError : they look like JSON, an event table, or separated by something that is seldom meant.
    """
    lines = [line for line in start.split(b"\n") if line.strip()]
    if lines[0].lstrip()[:1] in (b"{", b"["):
        raise InputError("looks like JSON, not like queues of items", file=where, line=1)
    header = set(lines[0].decode("utf-8", "replace").strip().replace("\t", ",").split(","))
    if {"user", "item"} <= header:
        raise InputError("has the header of an event table; use the reader events", file=where, line=1)
    if b"\t" in start:
        return "\t"
    share = {word: sum(DELIMITERS[word].encode() in line for line in lines) / len(lines) for word in DELIMITERS}
    likely = max(("comma", "semicolon", "pipe"), key=lambda word: share[word])
    if share[likely] < 0.5:
        return " "
    if likely != "comma":
        raise InputError(f"looks separated by {likely}: pass --delimiter {likely}, or --delimiter space", file=where)
    return ","
