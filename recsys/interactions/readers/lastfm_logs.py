"""Last.fm-360K (listener, artist, plays) and Last.fm-1K (every play with its time), TSVs or the authors' archives."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from recsys.errors import InputError
from recsys.interactions.inputs import open_inputs, paths_of
from recsys.interactions.log import Interactions
from recsys.interactions.readers.columns import Rows
from recsys.interactions.readers.gather import Gathered
from recsys.interactions.readers.identity import Identity, joined_names
from recsys.interactions.readers.options import ReadOptions
from recsys.interactions.report import ReadReport
from recsys.interactions.tabular import ahead, read_blocks
from recsys.interactions.texts import Texts


def read_lastfm_360k(path: Path, options: ReadOptions) -> Interactions:
    """Last.fm-360K: usersha1-artmbid-artname-plays.tsv, plain, packed, or in its .tar.gz.

    Tab-separated without header or quoting: listener, MBID (may be empty), artist, plays. No times, so a listener's
    whole set is one queue.

    Source: Celma (2010), Music Recommendation and Discovery in the Long Tail.
    """
    report = ReadReport(source=str(path), reader="lastfm-360k", title="Last.fm-360K")
    identity = Identity(options.merge_spellings)
    log = Gathered(report, identity.ids)
    columns = ("user", "mbid", "artist", "plays")

    def blocks() -> Iterator[tuple[npt.NDArray[np.int32], dict[str, Texts], npt.NDArray[np.float64]]]:
        for source in open_inputs(paths_of(path), _is_log, options.on_bytes):
            for block in read_blocks(source, columns, delimiter="\t", report=report, header=False):
                rows = Rows(block, source.name, report)
                rows.require_text("user", "listener")
                rows.require_text("artist", "artist")
                plays = rows.plays("plays")
                kept = rows.kept()
                yield log.users.add(kept["user"]), kept, plays[rows.usable]

    coded = (
        (user, identity.items(kept["mbid"], kept["artist"]), kept["artist"], plays)
        for user, kept, plays in ahead(blocks())
    )
    for user, item, name, plays in ahead(coded):
        log.add(user, item, name, plays=plays)
    return _finished(log, identity, options, path)


def read_lastfm_1k(path: Path, options: ReadOptions) -> Interactions:
    """Last.fm-1K: userid-timestamp-artid-artname-traid-traname.tsv, plain, packed, or in its .tar.gz.

    Tab-separated without header or quoting: listener, ISO 8601 time, artist MBID, artist, track MBID, track; newest
    first. `level` of the options says whether items are artists or tracks.

    Source: Celma (2010), Music Recommendation and Discovery in the Long Tail.
    """
    report = ReadReport(source=str(path), reader="lastfm-1k", title=f"Last.fm-1K, {options.level}s")
    identity = Identity(options.merge_spellings)
    log = Gathered(report, identity.ids)
    columns = ("user", "time", "artist_mbid", "artist", "track_mbid", "track")
    for source in open_inputs(paths_of(path), _is_log, options.on_bytes):
        for block in read_blocks(source, columns, delimiter="\t", report=report, header=False):
            rows = Rows(block, source.name, report)
            rows.require_text("user", "listener")
            rows.require_text("artist", "artist")
            if options.level == "track":
                rows.require_text("track", "track")
            time = rows.seconds("time")
            kept = rows.kept()
            mbid, name = _item(kept, options.level)
            log.add(log.users.add(kept["user"]), identity.items(mbid, name), name, time=time[rows.usable])
    return _finished(log, identity, options, path)


def _is_log(name: str) -> bool:
    """The archives also hold a readme and the listeners' profiles."""
    return name.endswith((".tsv", ".txt", ".csv", ".dat")) and "profile" not in name and "readme" not in name.lower()


def _item(table: dict[str, Texts], level: str) -> tuple[Texts, Texts]:
    """MBID and name of each row's item."""
    artist = table["artist"]
    if level == "artist":
        return table["artist_mbid"], artist
    return table["track_mbid"], joined_names(artist, table["track"])


def _finished(log: Gathered, identity: Identity, options: ReadOptions, path: Path) -> Interactions:
    if not log.report.files:
        raise InputError("holds no .tsv of plays", file=path)
    log.report.refuse_if_mostly_bad(options.max_bad_share)
    log.refuse_if_empty()
    identity.tell(log.report)
    return log.interactions(log.catalogue(), options.session_gap_minutes)
