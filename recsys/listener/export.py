"""Recommendations and radios to take away: CSV for spreadsheets, M3U8 and XSPF for players."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID
from xml.etree import ElementTree

import pandas as pd

from recsys.artifacts.store import ArtifactSet
from recsys.interactions.spreadsheet import csv_bytes
from recsys.listener.matching import artist_and_title, has_tracks
from recsys.listener.recommend import Recommended, strongest

XSPF = "http://xspf.org/ns/0/"
# What XML 1.0 and lines of text cannot hold.
_CONTROL = re.compile("[\0-\x1f\x7f-\x9f\u2028\u2029\ufffe\uffff]+")


@dataclass(frozen=True)
class Entry:
    """One item of a playlist. identifier : its page at MusicBrainz, where its id is an MBID."""

    artist: str
    title: str
    identifier: str

    @property
    def shown(self) -> str:
        return " - ".join(filter(None, (self.artist, self.title)))


def entries(artifacts: ArtifactSet, rows: Sequence[int]) -> list[Entry]:
    """Items of a set as entries of a playlist; an artist has no title."""
    tracks = has_tracks(artifacts)
    items = artifacts.catalogue.iloc[list(rows)]
    known = items["artist"] if "artist" in items else [""] * len(items)
    result = []
    for item_id, name, of in zip(items["item_id"], items["name"], known, strict=True):
        name = _CONTROL.sub(" ", name).strip()
        artist, title = artist_and_title(name) if tracks else (name, "")
        if isinstance(of, str) and of and not artist:
            artist = _CONTROL.sub(" ", of).strip()
        identifier = (
            f"https://musicbrainz.org/{'recording' if tracks else 'artist'}/{item_id}" if _is_mbid(item_id) else ""
        )
        result.append(Entry(artist, title, identifier))
    return result


def as_m3u8(playlist: Sequence[Entry]) -> bytes:
    """Extended M3U in UTF-8. There are no files to name, so each entry is the name of what should be played."""
    lines = ["#EXTM3U"]
    for entry in playlist:
        if entry.artist:
            lines.append(f"#EXTART:{entry.artist}")
        # A line that began with # would be a comment.
        lines += [f"#EXTINF:-1,{entry.shown}", f"./{entry.shown}" if entry.shown.startswith("#") else entry.shown]
    return "".join(f"{line}\n" for line in lines).encode()


def as_xspf(playlist: Sequence[Entry], title: str) -> bytes:
    """XSPF, version 1.

    Source: Gonze, Friedrich & Kaye (2006), XSPF version 1.
    """
    ElementTree.register_namespace("", XSPF)
    root = ElementTree.Element(f"{{{XSPF}}}playlist", version="1")
    _child(root, "title", _CONTROL.sub(" ", title).strip())
    tracks = ElementTree.SubElement(root, f"{{{XSPF}}}trackList")
    for entry in playlist:
        track = ElementTree.SubElement(tracks, f"{{{XSPF}}}track")
        for name, text in (("identifier", entry.identifier), ("title", entry.title), ("creator", entry.artist)):
            if text:
                _child(track, name, text)
    return bytes(ElementTree.tostring(root, encoding="UTF-8", xml_declaration=True))


def lists_csv(artifacts: ArtifactSet, lists: Sequence[Recommended]) -> bytes:
    """All lists, one below the other, each item with the profile's items that drove it; and the set's fingerprint."""
    names = artifacts.catalogue["name"]
    parts = []
    for each in lists:
        reasons = [
            "; ".join(f"{names[each.profile.rows[at]]} {own[at]:+.4f}" for at in strongest(own))
            for own in each.contributions
        ]
        table = each.table.drop(columns="item_row").assign(because=reasons)
        table.insert(0, "model", each.title)
        parts.append(table)
    return csv_bytes(pd.concat(parts, ignore_index=True).assign(build=artifacts.fingerprint[:12]))


def radio_csv(artifacts: ArtifactSet, played: pd.DataFrame, model: str) -> bytes:
    """A radio, as `radio.radio` gives it; the model by its name for people, and the set's fingerprint."""
    table = played.drop(columns="item_row").assign(build=artifacts.fingerprint[:12])
    table.insert(0, "model", artifacts.titles[model])
    return csv_bytes(table)


def _child(parent: ElementTree.Element, name: str, text: str) -> None:
    ElementTree.SubElement(parent, f"{{{XSPF}}}{name}").text = text


def _is_mbid(item_id: str) -> bool:
    try:
        return str(UUID(item_id)) == item_id.lower()
    except ValueError:
        return False
