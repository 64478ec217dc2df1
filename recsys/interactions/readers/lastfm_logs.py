"""Last.fm-360K (listener, artist, plays) and Last.fm-1K (every play with its time), TSVs or the authors' archives."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from recsys.errors import InputError
from recsys.interactions.inputs import Input, open_inputs, paths_of
from recsys.interactions.log import Interactions
from recsys.interactions.readers.columns import Rows
from recsys.interactions.readers.gather import Gathered
from recsys.interactions.readers.identity import Identity, NamedPlays, joined_names
from recsys.interactions.readers.options import ReadOptions
from recsys.interactions.report import ReadReport
from recsys.interactions.tabular import ahead, read_blocks


def read_lastfm_360k(path: Path, options: ReadOptions) -> Interactions:
    """Last.fm-360K: usersha1-artmbid-artname-plays.tsv, plain, packed, or in its .tar.gz.

    Tab-separated without header or quoting: listener, MBID (may be empty), artist, plays. No times, so a listener's
    whole set is one queue.

    Source: Celma (2010), Music Recommendation and Discovery in the Long Tail.
    """
    report = options.report("lastfm-360k", path)
    identity = Identity(options.merge_spellings)
    log = Gathered(report, identity.ids)

    def with_users() -> Iterator[tuple[npt.NDArray[np.int32], NamedPlays]]:
        for source in open_inputs(paths_of(path), is_log, options.on_bytes):
            for each in counted_plays(source, report):
                yield log.users.add(each.user), each

    with_items = ((user, identity.items(each.mbid, each.name), each) for user, each in ahead(with_users()))
    for user, item, each in ahead(with_items):
        log.add(user, item, each.name, plays=each.plays)
    return _finished(log, identity, options, path)


def read_lastfm_1k(path: Path, options: ReadOptions) -> Interactions:
    """Last.fm-1K: userid-timestamp-artid-artname-traid-traname.tsv, plain, packed, or in its .tar.gz.

    Tab-separated without header or quoting: listener, ISO 8601 time, artist MBID, artist, track MBID, track; newest
    first. `level` of the options says whether items are artists or tracks.

    Source: Celma (2010), Music Recommendation and Discovery in the Long Tail.
    """
    report = options.report("lastfm-1k", path)
    identity = Identity(options.merge_spellings)
    log = Gathered(report, identity.ids)
    for source in open_inputs(paths_of(path), is_log, options.on_bytes):
        for each in timed_plays(source, options.level, report):
            log.add(log.users.add(each.user), identity.items(each.mbid, each.name), each.name, time=each.time)
    return _finished(log, identity, options, path)


def counted_plays(source: Input, report: ReadReport) -> Iterator[NamedPlays]:
    """The usable rows of a file of Last.fm-360K, block by block; the others are counted in the report."""
    columns = ("user", "mbid", "artist", "plays")
    for block in read_blocks(source, columns, delimiter="\t", report=report, header=False):
        rows = Rows(block, source.name, report)
        rows.require_text("user", "listener")
        rows.require_text("artist", "artist")
        plays = rows.plays("plays")
        kept = rows.kept()
        yield NamedPlays(kept["user"], kept["mbid"], kept["artist"], plays=plays[rows.usable])


def timed_plays(source: Input, level: str, report: ReadReport) -> Iterator[NamedPlays]:
    """The usable rows of a file of Last.fm-1K, block by block; the others are counted in the report."""
    columns = ("user", "time", "artist_mbid", "artist", "track_mbid", "track")
    for block in read_blocks(source, columns, delimiter="\t", report=report, header=False):
        rows = Rows(block, source.name, report)
        rows.require_text("user", "listener")
        rows.require_text("artist", "artist")
        if level == "track":
            rows.require_text("track", "track")
        time = rows.seconds("time")[rows.usable]
        kept = rows.kept()
        if level == "artist":
            yield NamedPlays(kept["user"], kept["artist_mbid"], kept["artist"], time=time)
        else:
            name = joined_names(kept["artist"], kept["track"])
            yield NamedPlays(kept["user"], kept["track_mbid"], name, time=time)


def is_log(name: str) -> bool:
    """Whether a file of this name may hold plays; the archives also hold a readme and the listeners' profiles."""
    return name.endswith((".tsv", ".txt", ".csv", ".dat")) and "profile" not in name and "readme" not in name.lower()


def _finished(log: Gathered, identity: Identity, options: ReadOptions, path: Path) -> Interactions:
    if not log.report.files:
        raise InputError("holds no .tsv of plays", file=path)
    log.report.refuse_if_mostly_bad(options.max_bad_share)
    log.refuse_if_empty()
    identity.tell(log.report)
    return log.interactions(log.catalogue(), options.session_gap_minutes)
