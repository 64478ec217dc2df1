"""ListenBrainz: JSON lines of listens, as in the public dumps and in a person's own export."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from recsys.errors import InputError
from recsys.interactions.inputs import Input, open_inputs, paths_of
from recsys.interactions.log import Interactions
from recsys.interactions.readers.columns import YEAR_2100
from recsys.interactions.readers.gather import Gathered
from recsys.interactions.readers.identity import Identity, NamedPlays
from recsys.interactions.readers.options import ReadOptions
from recsys.interactions.report import ReadReport
from recsys.interactions.texts import Texts

SUFFIXES = (".listens", ".jsonl", ".json", ".ndjson", ".txt")
ROWS_A_BATCH, TEXT_A_BATCH = 100_000, 16 << 20
LONGEST_LINE = 1 << 20  # in bytes; a listen has about a thousand


def read_listenbrainz(path: Path, options: ReadOptions) -> Interactions:
    """One JSON object a line: user_name or user_id, listened_at (seconds since 1970), track_metadata.

    A listen without a user belongs to the one person whose export it is. The MBIDs of ListenBrainz's own mapping come
    before those that the player sent.

    Source: ListenBrainz documentation, JSON format of listens.
    """
    report = options.report("listenbrainz", path)
    identity = Identity(options.merge_spellings, options.most_text)
    log = Gathered(report, identity.ids)
    for source in open_inputs(paths_of(path), holds_listens, options.on_bytes):
        report.add_file(source.path)
        source.check_is_text()
        for each in listens(source, options.level, report):
            log.add(log.users.add(each.user), identity.items(each.mbid, each.name), each.name, time=each.time)
    if not report.files:
        raise InputError(f"holds no {', '.join(SUFFIXES)} file", file=path)
    report.refuse_if_mostly_bad(options.max_bad_share)
    log.refuse_if_empty()
    identity.tell(report)
    return log.interactions(log.catalogue(), options.session_gap_minutes)


def holds_listens(name: str) -> bool:
    """Whether a file of this name may be one; the dumps' archives hold other things too."""
    return name.lower().endswith(SUFFIXES)


def listens(source: Input, level: str, report: ReadReport) -> Iterator[NamedPlays]:
    """The listens of one file in its order, many at a time; lines that are none are counted in the report."""
    batch: list[tuple[str, int, str, str]] = []
    size = 0
    for number, line in enumerate(source.stream, 1):
        if not line.strip():
            report.blank_lines += 1
            continue
        report.rows += 1
        listen = _listen(line, level)
        if isinstance(listen, str):
            text = line[:200].decode("utf-8", "replace").strip()
            report.skip(listen, file=source.name, line=number, text=text)
        else:
            batch.append(listen)
            size += len(listen[0]) + len(listen[2]) + len(listen[3])
        if len(batch) == ROWS_A_BATCH or size > TEXT_A_BATCH:
            yield _named(batch)
            batch, size = [], 0
    if batch:
        yield _named(batch)


def _named(batch: list[tuple[str, int, str, str]]) -> NamedPlays:
    user, time, mbid, name = zip(*batch, strict=True)
    return NamedPlays(Texts.of(user), Texts.of(mbid), Texts.of(name), time=np.array(time, np.int64))


def _listen(line: bytes, level: str) -> tuple[str, int, str, str] | str:
    """Listener, time, MBID and name of one listen; or what is wrong with it."""
    if len(line) > LONGEST_LINE:
        return f"line of more than {LONGEST_LINE:,} bytes"
    try:
        listen: Any = json.loads(line)
    except (ValueError, RecursionError):
        return "not JSON"
    track = listen.get("track_metadata") if isinstance(listen, dict) else None
    if not isinstance(track, dict):
        return "no track_metadata"
    time = listen.get("listened_at", listen.get("timestamp"))
    if not isinstance(time, int | float) or isinstance(time, bool) or not 0 <= time < YEAR_2100:
        return "time that cannot be read"
    artist, title = _text(track.get("artist_name")), _text(track.get("track_name"))
    if not artist:
        return "empty artist"
    if level == "track" and not title:
        return "empty track"
    user = _text(listen.get("user_name")) or _text(listen.get("user_id")) or "this listener"
    sent, mapped = (
        known if isinstance(known, dict) else {} for known in (track.get("additional_info"), track.get("mbid_mapping"))
    )
    if level == "track":
        mbid = _text(mapped.get("recording_mbid")) or _text(sent.get("recording_mbid"))
        return user, int(time), mbid, f"{artist} – {title}"
    lists = (known.get("artist_mbids") for known in (mapped, sent))
    # Several MBIDs are a collaboration, which is none of its artists alone.
    single = next((known for known in lists if isinstance(known, list) and len(known) == 1), [""])
    return user, int(time), _text(single[0]), artist


def _text(value: object) -> str:
    """A string or number as text without half surrogate pairs, which JSON can spell and nothing else can hold."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return ""
    return str(value).encode("utf-8", "replace").decode().strip()
