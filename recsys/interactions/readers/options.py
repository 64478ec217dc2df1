"""How to read; each reader uses what applies to its format."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from recsys.config import BuildConfig
from recsys.interactions.inputs import BytesRead
from recsys.interactions.log import SESSION_GAP_MINUTES
from recsys.interactions.report import MAX_BAD_SHARE, ReadReport

# Of logs that have a name of their own; any other goes by its file's.
TITLES = {
    "lastfm-2k": "HetRec 2011 Last.fm-2K",
    "lastfm-360k": "Last.fm-360K",
    "lastfm-1k": "Last.fm-1K, {level}s",
    "listenbrainz": "ListenBrainz, {level}s",
    "spotify-history": "Spotify history, {level}s",
    "spotify-mpd": "Million Playlist Dataset, {level}s",
    "playlists": "Playlists, {level}s",
}


@dataclass(frozen=True)
class ReadOptions:
    """Settings of a reading.

    session_gap_minutes : a longer pause than this starts a new queue.
    delimiter : between the fields or items of a line; None takes the format's own.
    max_bad_share : refuse the input when more than this share of its rows cannot be used.
    level : what an item is where the log knows tracks: "artist" or "track".
    merge_spellings : the rule of `identity`; False takes names as they are spelled.
    on_bytes : told how many bytes were read, for progress.
    most_text : bytes that all different names may have together; None for a file that its owner reads.
    """

    session_gap_minutes: float = SESSION_GAP_MINUTES
    delimiter: str | None = None
    max_bad_share: float = MAX_BAD_SHARE
    level: Literal["artist", "track"] = "artist"
    merge_spellings: bool = True
    on_bytes: BytesRead | None = None
    most_text: int | None = None

    @classmethod
    def of(cls, config: BuildConfig, on_bytes: BytesRead | None = None) -> ReadOptions:
        """Those of a build."""
        return cls(
            session_gap_minutes=config.session_gap_minutes,
            delimiter=config.delimiter,
            max_bad_share=config.max_bad_share,
            level=config.level,
            merge_spellings=config.merge_spellings,
            on_bytes=on_bytes,
        )

    def report(self, reader: str, path: Path) -> ReadReport:
        """An empty report of a reading of `path`."""
        named = TITLES.get(reader)
        title = path.name.split(".")[0] if named is None else named.format(level=self.level)
        return ReadReport(source=str(path), reader=reader, title=title)
