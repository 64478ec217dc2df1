"""Last.fm's published data sets."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from recsys.errors import InputError
from recsys.interactions.inputs import open_inputs, paths_of
from recsys.interactions.log import Interactions
from recsys.interactions.readers.columns import Rows
from recsys.interactions.readers.options import ReadOptions
from recsys.interactions.report import ReadReport
from recsys.interactions.tabular import Block, read_blocks
from recsys.interactions.texts import Codes
from recsys.plural import counted

PUBLISHED_ROWS = 92_834  # of user_artists.dat, from the readme of HetRec 2011 Last.fm
PLAYS, ARTISTS, TAGS, TAGGED = "user_artists.dat", "artists.dat", "tags.dat", "user_taggedartists.dat"


def read_lastfm_2k(path: Path, options: ReadOptions) -> Interactions:
    """HetRec 2011 Last.fm: its folder or .zip, with user_artists.dat, artists.dat and, for tags, two more files.

    Counts without times, so a listener's whole set is one queue. Line ends and encodings differ file by file.

    Source: Cantador, Brusilovsky & Kuflik (2011), HetRec workshop at RecSys.
    """
    report = options.report("lastfm-2k", path)
    items, artists_report = _artists(path, options)
    row_of = {item_id: row for row, item_id in enumerate(items["item_id"])}

    users = Codes()
    user_parts, item_parts, plays_parts = [], [], []
    for block in _needed(path, PLAYS, ("userID", "artistID", "weight"), report, options):
        rows = Rows(block, PLAYS, report)
        rows.require_text("userID", "listener")
        rows.require_text("artistID", "artist")
        plays = rows.plays("weight")
        item = np.array([row_of.get(value, -1) for value in block.columns["artistID"].to_list()], np.int32)
        unknown = np.flatnonzero((item < 0) & rows.usable)
        if len(unknown):
            artist = block.columns["artistID"].only(unknown[:1]).to_list()[0]
            raise InputError(
                f"artist {artist[:60]!r} is not among the {len(items):,} of "
                f"{ARTISTS} ({artists_report.summary()}), so one of the two files is incomplete; fetch both again",
                file=f"{path}/{PLAYS}", line=int(block.lines[unknown[0]]), column="artistID",
            )  # fmt: skip
        user_parts.append(users.add(rows.kept()["userID"]))
        item_parts.append(item[rows.usable])
        plays_parts.append(plays[rows.usable])
    report.refuse_if_mostly_bad(options.max_bad_share)
    if not len(users):
        raise InputError("no usable row", file=f"{path}/{PLAYS}")
    if report.rows != PUBLISHED_ROWS:
        report.notes.append(f"{PLAYS} has {report.rows:,} rows; the published file has {PUBLISHED_ROWS:,}")
    user, item = np.concatenate(user_parts), np.concatenate(item_parts)
    repeated = len(user) - len(np.unique(user.astype(np.int64) * len(items) + item))
    if repeated:
        report.notes.append(f"{counted(repeated, 'row')} of a listener and artist named before; plays were added up")
    report.take_in(artists_report)
    names = _tag_names(path, report, options)
    tags = None if names is None else _tags(path, names, items["item_id"], report, options)
    if tags is None:
        report.notes.append(f"no {TAGS if names is None else TAGGED} here, so items have no tags")
    else:
        items["tags"] = tags
    return Interactions.from_plays(
        user=user, item=item, plays=np.concatenate(plays_parts), items=items, n_users=len(users), report=report
    )


def _blocks(
    path: Path,
    name: str,
    columns: Sequence[str],
    report: ReadReport,
    options: ReadOptions,
    encoding: str = "utf-8",
) -> list[Block] | None:
    """Rows of the file of that name below `path` or inside the archive; None where there is none."""
    blocks: list[Block] | None = None
    for source in open_inputs(paths_of(path), lambda member: member == name, options.on_bytes):
        source.check_is_text()
        found = source.header_fields("\t")
        if found != list(columns):
            shown = ", ".join(found)[:120]
            raise InputError(
                f"the header is {shown!r}, expected {', '.join(columns)}, separated by tabs", file=source.name, line=1
            )
        rows = read_blocks(
            source, columns, delimiter="\t", report=report, encoding=encoding, must_end_with_newline=True
        )
        blocks = [*(blocks or []), *rows]
    return blocks


def _needed(path: Path, name: str, columns: Sequence[str], report: ReadReport, options: ReadOptions) -> list[Block]:
    blocks = _blocks(path, name, columns, report, options)
    if blocks is None:
        raise InputError(f"holds no {name}; name the folder or archive of the data set", file=path)
    return blocks


def _artists(path: Path, options: ReadOptions) -> tuple[pd.DataFrame, ReadReport]:
    report = ReadReport(source=ARTISTS, reader="lastfm-2k")
    parts = []
    for block in _needed(path, ARTISTS, ("id", "name", "url", "pictureURL"), report, options):
        rows = Rows(block, ARTISTS, report)
        rows.require_text("id", "artist id")
        kept = rows.kept()
        if not rows.usable.any():
            continue
        parts.append(
            pd.DataFrame(
                {
                    "item_id": kept["id"].to_list(),
                    "name": kept["name"].to_list(),
                    "line": np.asarray(block.lines)[rows.usable],
                }
            )
        )
    report.refuse_if_mostly_bad(options.max_bad_share)
    if not parts:
        raise InputError("holds no artist", file=f"{path}/{ARTISTS}")
    items = pd.concat(parts, ignore_index=True)
    twice = items[items["item_id"].duplicated()]
    if len(twice):
        first = twice.iloc[0]
        raise InputError(
            f"the artist id {first['item_id'][:60]!r} stands in it twice",
            file=f"{path}/{ARTISTS}",
            line=int(first["line"]),
        )
    nameless = items["name"].str.strip() == ""
    items.loc[nameless, "name"] = items.loc[nameless, "item_id"]
    return items.drop(columns="line"), report


def _tag_names(path: Path, report: ReadReport, options: ReadOptions) -> dict[str, str] | None:
    own = ReadReport(source=TAGS, reader="lastfm-2k")
    blocks = _blocks(path, TAGS, ("tagID", "tagValue"), own, options, encoding="latin-1")
    if blocks is None:
        return None
    names: dict[str, str] = {}
    for block in blocks:
        rows = Rows(block, TAGS, own)
        rows.require_text("tagValue", "tag")
        kept = rows.kept()
        names.update(zip(kept["tagID"].to_list(), kept["tagValue"].to_list(), strict=True))
    own.refuse_if_mostly_bad(options.max_bad_share)
    report.take_in(own)
    return names


def _tags(
    path: Path, names: dict[str, str], item_ids: pd.Series, report: ReadReport, options: ReadOptions
) -> list[list[str]] | None:
    """Each item's tags, commonest first; tags used equally often by tag id."""
    own = ReadReport(source=TAGGED, reader="lastfm-2k")
    columns = ("userID", "artistID", "tagID", "day", "month", "year")
    blocks = _blocks(path, TAGGED, columns, own, options)
    if blocks is None:
        return None
    if not blocks:
        raise InputError("holds no tag assignment", file=f"{path}/{TAGGED}")
    given = pd.concat(
        [pd.DataFrame({name: block.columns[name].to_list() for name in ("artistID", "tagID")}) for block in blocks]
    )
    own.refuse_if_mostly_bad(options.max_bad_share)
    report.take_in(own)
    known = given["tagID"].isin(names) & given["artistID"].isin(item_ids)
    if (~known).mean() > options.max_bad_share:
        raise InputError(
            f"{int((~known).sum()):,} of {len(given):,} tag assignments name a tag that is not in {TAGS} or an artist "
            f"that is not in {ARTISTS}, so one of the files is incomplete; fetch them again", file=f"{path}/{TAGGED}",
        )  # fmt: skip
    if not known.all():
        report.notes.append(f"{int((~known).sum()):,} tag assignments name an unknown artist or tag; left out")
    used = given[known].groupby(["artistID", "tagID"], sort=False).size().reset_index(name="times")
    used["tag_number"] = pd.to_numeric(used["tagID"], errors="coerce")
    used = used.sort_values(["times", "tag_number"], ascending=[False, True], kind="stable")
    tags: dict[str, list[str]] = {
        str(item_id): [names[tag] for tag in group] for item_id, group in used.groupby("artistID")["tagID"]
    }
    return [tags.get(item_id, []) for item_id in item_ids]
