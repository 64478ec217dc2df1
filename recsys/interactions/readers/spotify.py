"""Spotify: a person's extended streaming history, and the Million Playlist Dataset."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from recsys.errors import InputError
from recsys.interactions.inputs import open_inputs, paths_of
from recsys.interactions.log import Interactions
from recsys.interactions.readers.columns import seconds
from recsys.interactions.readers.gather import Gathered
from recsys.interactions.readers.options import ReadOptions
from recsys.interactions.report import ReadReport
from recsys.interactions.texts import Codes, Texts

SHORTEST_LISTEN_MS = 30_000
# Of one file, which is read whole; theirs have 13 MB, slices of playlists 36.
LARGEST_JSON = 64 << 20
# Of a file's lists, objects and what is in them; an object of six bytes takes 230 in memory.
MOST_VALUES = 2_000_000


def read_spotify_history(path: Path, options: ReadOptions) -> Interactions:
    """Extended streaming history: the .json files of the data download, their folder or .zip; one listener.

    A play under 30 seconds is not a listen; it is counted in a note, as are podcasts and videos.

    Source: Spotify, Understanding My Data, extended streaming history.
    """
    report = options.report("spotify-history", path)
    ids = Codes(most_bytes=options.most_text)
    log = Gathered(report, ids)
    short, other = 0, 0
    for name, content in _json_files(path, options, report, ("history", "endsong")):
        if not isinstance(content, list):
            raise InputError("is not a list of plays", file=name)
        times = seconds(Texts.of([_text(p, "ts") for p in content]))
        users, items, names, kept = [], [], [], []
        for at, play in enumerate(content):
            report.rows += 1
            artist, track = _text(play, "master_metadata_album_artist_name"), _text(play, "master_metadata_track_name")
            length = play.get("ms_played") if isinstance(play, dict) else None
            if not isinstance(play, dict) or not isinstance(length, int | float) or times[at] < 0:
                report.skip("no time or length", file=name, line=at + 1, text=str(play))
            elif not artist or not track:
                other += 1
            elif length < SHORTEST_LISTEN_MS:
                short += 1
            else:
                users.append(_text(play, "username") or "this listener")
                as_track = options.level == "track"
                names.append(f"{artist} – {track}" if as_track else artist)
                items.append((_text(play, "spotify_track_uri") or names[-1]) if as_track else artist)
                kept.append(int(times[at]))
        if kept:
            log.add(
                log.users.add(Texts.of(users)), ids.add(Texts.of(items)), Texts.of(names), time=np.array(kept, np.int64)
            )
        del content  # before the next file is taken apart
    report.notes.append(f"{short:,} plays under 30 seconds and {other:,} of podcasts or videos are not listens")
    report.refuse_if_mostly_bad(options.max_bad_share)
    log.refuse_if_empty()
    return log.interactions(log.catalogue(), options.session_gap_minutes)


def read_spotify_mpd(path: Path, options: ReadOptions) -> Interactions:
    """Million Playlist Dataset: mpd.slice.*.json, their folder or archive; each playlist is a queue and a listener.

    Source: Chen, Lamere, Schedl & Zamani (2018), RecSys Challenge 2018.
    """
    report = options.report("spotify-mpd", path)
    code: dict[str, int] = {}
    names: list[str] = []
    played: list[int] = []
    lengths: list[int] = []
    for name, content in _json_files(path, options, report, ("mpd.slice",)):
        playlists = content.get("playlists") if isinstance(content, dict) else None
        if not isinstance(playlists, list):
            raise InputError("holds no list “playlists”", file=name)
        for number, playlist in enumerate(playlists, 1):
            report.rows += 1
            tracks = playlist.get("tracks") if isinstance(playlist, dict) else None
            if not isinstance(tracks, list):
                report.skip("playlist without tracks", file=name, line=number, text=str(playlist))
                continue
            queue = [item for track in tracks if (item := _mpd_item(track, options.level))]
            if len(queue) < len(tracks):
                report.notes.append(
                    f"{name}, playlist {number}: {len(tracks) - len(queue)} tracks without artist or URI"
                )
            for item_id, item_name in queue:
                if item_id not in code:
                    code[item_id] = len(code)
                    names.append(item_name)
                played.append(code[item_id])
            if queue:
                lengths.append(len(queue))
    report.refuse_if_mostly_bad(options.max_bad_share)
    return Interactions.from_plays(
        user=np.repeat(np.arange(len(lengths)), lengths), item=np.array(played, np.int32), plays=None,
        items=pd.DataFrame({"item_id": list(code), "name": names}), n_users=len(lengths), report=report,
        queue_offsets=np.concatenate([[0], np.cumsum(lengths)]),
    )  # fmt: skip


def _mpd_item(track: object, level: str) -> tuple[str, str] | None:
    artist, title = _text(track, "artist_name"), _text(track, "track_name")
    uri = _text(track, "track_uri" if level == "track" else "artist_uri")
    if not uri or not artist:
        return None
    return uri, f"{artist} – {title}" if level == "track" else artist


def _json_files(
    path: Path, options: ReadOptions, report: ReadReport, marks: tuple[str, ...]
) -> Iterator[tuple[str, Any]]:
    """Name and content of each .json file; among several only those with one of `marks` in their names.

    The downloads also hold what was searched, saved and followed.
    """

    def wanted(name: str) -> bool:
        small = name.lower()
        return small.endswith(".json") and (single or any(mark in small for mark in marks))

    found = paths_of(path)
    single = len(found) == 1 and found[0].suffix.lower() != ".zip"
    for source in open_inputs(found, wanted, options.on_bytes):
        report.add_file(source.path)
        source.check_is_text()
        content = source.stream.read(LARGEST_JSON + 1)
        if len(content) > LARGEST_JSON:
            raise InputError(f"has more than {LARGEST_JSON:,} bytes; split it", file=source.name)
        if sum(content.count(sign) for sign in (b",", b"[", b"{")) > MOST_VALUES:
            raise InputError(f"has more than {MOST_VALUES:,} values; split it", file=source.name)
        try:
            yield source.name, json.loads(content)
        except (ValueError, RecursionError) as error:
            raise InputError(f"is not whole JSON: {error}", file=source.name) from error
    if not report.files:
        raise InputError("holds no .json file of this kind", file=path)


def _text(record: object, key: str) -> str:
    value = record.get(key) if isinstance(record, dict) else None
    return value.encode("utf-8", "replace").decode().strip() if isinstance(value, str) else ""
