"""Playlists to read, and their queues as text."""

from __future__ import annotations

from pathlib import Path
from xml.sax.saxutils import escape

from recsys.interactions.log import Interactions
from recsys.interactions.readers import ReadOptions

ALL = ReadOptions(max_bad_share=1)
TRACKS = ReadOptions(level="track", max_bad_share=1)
MBID = "8f3471b5-7e6a-48da-86a9-c1c07a0f47ae"
GOOD = "#EXTM3U\n#EXTINF:1,Björk - Jóga\n1.mp3\n#EXTINF:2,Muse - Uno\n2.mp3\n"


def queues(log: Interactions) -> list[str]:
    """The queues as text, names joined by >; report, plays and queues must add up."""
    names = log.catalogue["name"].to_numpy(object)
    used = log.report.rows - log.report.bad.total()
    assert log.queues.lengths.sum() == used == log.catalogue["plays"].sum()
    assert log.n_users == len(log.queues)
    assert (log.queues.lengths > 0).all()
    return [">".join(names[queue]) for queue in log.queues]


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def xspf(*tracks: str, head: str = '<?xml version="1.0" encoding="UTF-8"?>\n') -> str:
    listed = "\n".join(f"<track>{track}</track>" for track in tracks)
    return f'{head}<playlist version="1" xmlns="http://xspf.org/ns/0/"><trackList>\n{listed}\n</trackList></playlist>\n'


def track(creator: str = "", title: str = "", **more: str) -> str:
    fields = {"creator": creator, "title": title, **more}
    return "".join(f"<{key}>{escape(value)}</{key}>" for key, value in fields.items() if value)
