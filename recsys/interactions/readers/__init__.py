"""One reader a format, each path → `Interactions`. Bad rows are counted and reported, never silently dropped."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from recsys.errors import ParameterError
from recsys.interactions.log import Interactions
from recsys.interactions.readers.events import read_events
from recsys.interactions.readers.lastfm_2k import read_lastfm_2k
from recsys.interactions.readers.lastfm_logs import read_lastfm_1k, read_lastfm_360k
from recsys.interactions.readers.listenbrainz import read_listenbrainz
from recsys.interactions.readers.options import ReadOptions
from recsys.interactions.readers.playlists import read_playlists
from recsys.interactions.readers.queues import read_queues
from recsys.interactions.readers.spotify import read_spotify_history, read_spotify_mpd

__all__ = ["READERS", "ReadOptions", "Reader", "read"]

Reader = Callable[[Path, ReadOptions], Interactions]
READERS: dict[str, Reader] = {
    "lastfm-2k": read_lastfm_2k,
    "lastfm-360k": read_lastfm_360k,
    "lastfm-1k": read_lastfm_1k,
    "listenbrainz": read_listenbrainz,
    "spotify-history": read_spotify_history,
    "spotify-mpd": read_spotify_mpd,
    "events": read_events,
    "queues": read_queues,
    "playlists": read_playlists,
}


def read(reader: str, path: Path, options: ReadOptions | None = None) -> Interactions:
    """Read `path` with the reader of that name.

    Raises
    ------
    ParameterError : there is no such reader.
    InputError : the input is missing, damaged, or not of this format.
    """
    if reader not in READERS:
        raise ParameterError(f"there is no reader {reader!r}; choose one of {', '.join(READERS)}")
    return READERS[reader](path, options or ReadOptions())
