"""Simulated plays in every format that a reader reads, so that each has data of any size whose truth is known.

A writer takes tables of user, item, name and timestamp, listener by listener and oldest first, as `simulate.events`
gives them; artists are the items, and each play is of one of three invented tracks of its artist.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, cast
from xml.sax.saxutils import escape

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from recsys.errors import ParameterError
from recsys.interactions.log import SESSION_GAP_MINUTES
from recsys.interactions.simulate import LISTENERS_PER_CHUNK, Simulation, catalogue, events

Tables = Iterable[pa.Table]
Append = Callable[[pa.Table], object]

PLAYLISTS_A_SLICE = 1_000
PLAY_MS = 200_000
# What a line of text cannot hold inside a field.
_BREAKS = str.maketrans(dict.fromkeys("\t\r\n\0", " "))


def write(
    simulation: Simulation, path: Path, reader: str = "events", on_listeners: Callable[[int], None] | None = None
) -> int:
    """Write simulated plays to `path` in the format of a reader; returns the number of rows.

    Beside events, FILE.items.csv describes the items with tags, decade, country and the true scene and audience, and
    FILE.source.json says that the data are simulated.

    Raises
    ------
    ParameterError : there is no such format, or the suffix is not one of the format.
    """
    if reader not in WRITERS:
        raise ParameterError(f"there is no format {reader!r} to write; choose one of {', '.join(WRITERS)}")
    path.parent.mkdir(parents=True, exist_ok=True)

    def told() -> Iterator[pa.Table]:
        for table in events(simulation):
            yield table
            if on_listeners:
                on_listeners(LISTENERS_PER_CHUNK)

    written = WRITERS[reader](told(), path)
    if reader == "events":
        _describe(simulation, path)
    return written


def write_events(tables: Tables, path: Path) -> int:
    """One row a play with a header: .csv, .tsv or .parquet."""
    if path.suffix not in (".csv", ".tsv", ".parquet"):
        raise ParameterError(f"{path} does not end in .csv, .tsv or .parquet")
    written = 0
    with ExitStack() as stack:
        append: Append | None = None
        for table in tables:
            if append is None:
                append = _open_for(path, table.schema, stack)
            append(table)
            written += table.num_rows
    return written


def write_queues(tables: Tables, path: Path) -> int:
    """A queue of artists a line, separated by tabs."""
    written = 0
    with path.open("w", encoding="utf-8", newline="\n") as stream:
        for plays in _sessions(tables):
            stream.write("\t".join(_plain(name) for name in plays["name"]) + "\n")
            written += 1
    return written


def write_playlists(tables: Tables, path: Path) -> int:
    """A folder with a playlist a queue: M3U8 and XSPF in turn."""
    path.mkdir(parents=True, exist_ok=True)
    written = 0
    for number, plays in enumerate(_sessions(tables)):
        tracks = [(_plain(name), track) for name, track in zip(plays["name"], _tracks(plays), strict=True)]
        if number % 2:
            entries = "".join(
                f"<track><creator>{escape(name)}</creator><title>{escape(track)}</title></track>\n"
                for name, track in tracks
            )
            text = '<?xml version="1.0" encoding="UTF-8"?>\n<playlist version="1" xmlns="http://xspf.org/ns/0/">'
            text += f"<trackList>\n{entries}</trackList></playlist>\n"
            (path / f"{number:07d}.xspf").write_text(text, "utf-8", newline="\n")
        else:
            entries = "".join(_m3u_entry(name, track) for name, track in tracks)
            (path / f"{number:07d}.m3u8").write_text(f"#EXTM3U\n{entries}", "utf-8", newline="\n")
        written += len(tracks)
    return written


def _m3u_entry(name: str, track: str) -> str:
    # Where “Artist - Title” would be cut at the wrong dash, the artist has a line of its own.
    artist = f"#EXTART:{name}\n" if " - " in f"{name} " or name.startswith("-") else ""
    return f"{artist}#EXTINF:200,{name} - {track}\n{track}.mp3\n"


def write_lastfm_360k(tables: Tables, path: Path) -> int:
    """Plays counted: listener (SHA-1), MBID, artist, plays, separated by tabs. One artist in 20 has no MBID."""
    written = 0
    with path.open("w", encoding="utf-8", newline="\n") as stream:
        for table in tables:
            user = table["user"].combine_chunks().dictionary_encode()
            item = table["item"].combine_chunks().dictionary_encode()
            n_items = len(item.dictionary)
            pairs, first, plays = np.unique(
                user.indices.to_numpy() * np.int64(n_items) + item.indices.to_numpy(),
                return_index=True, return_counts=True,
            )  # fmt: skip
            lines = pc.binary_join_element_wise(
                pa.array([_sha1(name) for name in user.dictionary.to_pylist()]).take(pa.array(pairs // n_items)),
                pa.array([_mbid(item_id) for item_id in item.dictionary.to_pylist()]).take(pa.array(pairs % n_items)),
                _plain_column(table["name"]).take(pa.array(first)),
                pa.array(plays).cast(pa.string()),
                "\t",
            )
            stream.write("\n".join(lines.to_pylist()) + "\n")
            written += len(lines)
    return written


def write_lastfm_1k(tables: Tables, path: Path) -> int:
    """Every play, newest first for each listener: listener, ISO time, artist MBID, artist, track MBID, track."""
    written = 0
    with path.open("w", encoding="utf-8", newline="\n") as stream:
        for table in tables:
            plays = table.to_pandas()
            for _, own in plays.groupby("user", sort=False):
                own = own.iloc[::-1]
                for user, item, name, time, track in zip(
                    own["user"], own["item"], own["name"], own["timestamp"], _tracks(own), strict=True
                ):
                    clock = datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
                    mbid = _mbid(f"{item} {track}")
                    stream.write(f"{_plain(user)}\t{clock}\t{_mbid(item)}\t{_plain(name)}\t{mbid}\t{track}\n")
            written += len(plays)
    return written


def write_lastfm_2k(tables: Tables, path: Path) -> int:
    """A folder as HetRec 2011's, with its mixed line ends and encodings; the tags are the artists' true scenes."""
    path.mkdir(parents=True, exist_ok=True)
    users, artists = dict[str, int](), dict[str, tuple[int, str]]()
    written = 0
    with (path / "user_artists.dat").open("w", encoding="utf-8", newline="\r\n") as stream:
        stream.write("userID\tartistID\tweight\n")
        for table in tables:
            counted = table.to_pandas().groupby(["user", "item"], sort=False).agg(
                name=("name", "first"), plays=("name", "size")
            )  # fmt: skip
            for (user, item), name, plays in zip(counted.index, counted["name"], counted["plays"], strict=True):
                number, _ = artists.setdefault(item, (len(artists) + 1, name))
                stream.write(f"{users.setdefault(user, len(users) + 2)}\t{number}\t{plays}\n")
            written += len(counted)
    with (path / "artists.dat").open("w", encoding="utf-8", newline="\n") as stream:
        stream.write("id\tname\turl\tpictureURL\n")
        stream.writelines(f"{number}\t{_plain(name)}\t\t\n" for number, name in artists.values())
    scene_of = dict(zip(*(catalogue()[column] for column in ("item_id", "scene")), strict=True))
    scenes = {scene: number for number, scene in enumerate(dict.fromkeys(scene_of.values()), 1)}
    with (path / "tags.dat").open("w", encoding="latin-1", newline="\r\n") as stream:
        stream.write("tagID\ttagValue\n")
        stream.writelines(f"{number}\t{scene}\n" for scene, number in scenes.items())
    with (path / "user_taggedartists.dat").open("w", encoding="utf-8", newline="\r\n") as stream:
        stream.write("userID\tartistID\ttagID\tday\tmonth\tyear\n")
        stream.writelines(
            f"2\t{number}\t{scenes[scene_of[item]]}\t1\t4\t2009\n"
            for item, (number, _) in artists.items() if item in scene_of
        )  # fmt: skip
    return written


def write_listenbrainz(tables: Tables, path: Path) -> int:
    """A listen a line, as in the public dumps."""

    def listen(user: str, item: str, name: str, time: int, track: str) -> dict[str, Any]:
        mbid = _mbid(item)
        info = {"artist_mbids": [mbid], "recording_mbid": _mbid(f"{item} {track}")} if mbid else {}
        metadata = {"artist_name": name, "track_name": track, "additional_info": info}
        return {"user_name": user, "listened_at": time, "track_metadata": metadata}

    written = 0
    with path.open("w", encoding="utf-8", newline="\n") as stream:
        for table in tables:
            for row in _rows(table.to_pandas()):
                stream.write(json.dumps(listen(*row), ensure_ascii=False) + "\n")
                written += 1
    return written


def write_spotify_history(tables: Tables, path: Path) -> int:
    """A folder with the extended streaming history of every listener, a file for each chunk of the simulation."""

    def stream(user: str, item: str, name: str, time: int, track: str) -> dict[str, Any]:
        return {
            "ts": datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "username": user,
            "ms_played": PLAY_MS,
            "master_metadata_track_name": track,
            "master_metadata_album_artist_name": name,
            "spotify_track_uri": f"spotify:track:{_sha1(f'{item} {track}')[:22]}",
        }

    path.mkdir(parents=True, exist_ok=True)
    written = 0
    for number, table in enumerate(tables):
        plays = [stream(*row) for row in _rows(table.to_pandas())]
        text = json.dumps(plays, ensure_ascii=False)
        (path / f"Streaming_History_Audio_2024_{number}.json").write_text(text, "utf-8", newline="\n")
        written += len(plays)
    return written


def write_spotify_mpd(tables: Tables, path: Path) -> int:
    """A folder of slices with a thousand playlists each; every queue is one."""
    path.mkdir(parents=True, exist_ok=True)
    written, waiting = 0, list[dict[str, Any]]()

    def empty() -> None:
        name = f"mpd.slice.{written - len(waiting)}-{written - 1}.json"
        (path / name).write_text(json.dumps({"playlists": waiting}, ensure_ascii=False), "utf-8", newline="\n")
        waiting.clear()

    for plays in _sessions(tables):
        tracks = [
            {
                "artist_name": name, "artist_uri": f"spotify:artist:{_sha1(item)[:22]}",
                "track_name": track, "track_uri": f"spotify:track:{_sha1(f'{item} {track}')[:22]}",
            }
            for _, item, name, _, track in _rows(plays)
        ]  # fmt: skip
        waiting.append({"pid": written, "name": "", "tracks": tracks})
        written += 1
        if len(waiting) == PLAYLISTS_A_SLICE:
            empty()
    if waiting:
        empty()
    return written


WRITERS: dict[str, Callable[[Tables, Path], int]] = {
    "events": write_events,
    "queues": write_queues,
    "playlists": write_playlists,
    "lastfm-360k": write_lastfm_360k,
    "lastfm-1k": write_lastfm_1k,
    "lastfm-2k": write_lastfm_2k,
    "listenbrainz": write_listenbrainz,
    "spotify-history": write_spotify_history,
    "spotify-mpd": write_spotify_mpd,
}


def _describe(simulation: Simulation, path: Path) -> None:
    artists = catalogue(simulation.n_items)
    described = artists.rename(columns={"item_id": "item"}).assign(tags=artists["scene"])
    described.to_csv(path.with_suffix(".items.csv"), index=False)
    card = {
        "title": f"simulated: {simulation.n_listeners:,} invented listeners of {len(artists):,} artists",
        "simulated": True,
        "listeners": simulation.n_listeners,
        "seed": simulation.seed,
    }
    path.with_suffix(".source.json").write_text(json.dumps(card, indent=1) + "\n", "utf-8")


def _open_for(path: Path, schema: pa.Schema, stack: ExitStack) -> Append:
    """A function that appends tables to the file, in the format of its suffix; `stack` closes it."""
    if path.suffix == ".parquet":
        return cast(Append, stack.enter_context(pq.ParquetWriter(path, schema, compression="zstd")).write_table)
    if path.suffix == ".csv":
        return cast(Append, stack.enter_context(pa_csv.CSVWriter(path, schema)).write_table)
    stream = stack.enter_context(path.open("w", encoding="utf-8", newline="\n"))
    stream.write("\t".join(schema.names) + "\n")

    def append(table: pa.Table) -> None:
        # pyarrow refuses to write a quote unquoted, which is what tab-separated files of this field do.
        columns = [_plain_column(column) for column in table.columns]
        stream.writelines(f"{line}\n" for line in pc.binary_join_element_wise(*columns, "\t").to_pylist())

    return append


def _sessions(tables: Tables) -> Iterator[pd.DataFrame]:
    """Each listener's plays cut into queues at the pause that readers cut at."""
    for table in tables:
        plays = table.to_pandas()
        pause = plays["timestamp"].diff() > 60 * SESSION_GAP_MINUTES
        queue = ((plays["user"] != plays["user"].shift()) | pause).cumsum()
        for _, own in plays.groupby(queue.to_numpy(), sort=False):
            yield own


def _rows(plays: pd.DataFrame) -> Iterator[tuple[str, str, str, int, str]]:
    """User, item, name, timestamp and track of each play."""
    columns = (plays[name].tolist() for name in ("user", "item", "name", "timestamp"))
    return zip(*columns, _tracks(plays), strict=True)


def _tracks(plays: pd.DataFrame) -> list[str]:
    return [f"Track {1 + time // 60 % 3}" for time in plays["timestamp"].tolist()]


def _plain(name: str) -> str:
    return name.translate(_BREAKS)


def _plain_column(names: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.replace_substring_regex(names.cast(pa.string()), "[\t\r\n\\x00]", " ")


@cache
def _mbid(item_id: str) -> str:
    """An id that looks like MusicBrainz's and is always the same for the same item; one item in 20 has none."""
    digest = hashlib.md5(item_id.encode(), usedforsecurity=False).digest()
    return "" if digest[0] % 20 == 7 else str(uuid.UUID(bytes=digest, version=4))


@cache
def _sha1(text: str) -> str:
    return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()
