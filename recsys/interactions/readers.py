"""One reader a format, each path → `Interactions`. Bad rows are counted and reported, never silently dropped."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from recsys.errors import InputError, ParameterError
from recsys.interactions.log import SESSION_GAP_MINUTES, Interactions
from recsys.interactions.report import EXAMPLES_PER_KIND, MAX_BAD_SHARE, ReadReport
from recsys.interactions.tabular import (
    DELIMITERS,
    UTF8_BOM,
    Block,
    BytesRead,
    Codes,
    header_fields,
    open_text,
    read_blocks,
)

MAX_PLAYS = 1e9
YEAR_2100 = 4_102_444_800


@dataclass(frozen=True)
class ReadOptions:
    """How to read; each reader uses what applies to its format.

    session_gap_minutes : a longer pause than this starts a new queue.
    delimiter : between the fields or items of a line; None takes the format's own.
    max_bad_share : refuse the input when more than this share of its rows cannot be used.
    on_bytes : told how many bytes were read, for progress.
    """

    session_gap_minutes: float = SESSION_GAP_MINUTES
    delimiter: str | None = None
    max_bad_share: float = MAX_BAD_SHARE
    on_bytes: BytesRead | None = None


Reader = Callable[[Path, ReadOptions], Interactions]


def read(reader: str, path: Path, options: ReadOptions | None = None) -> Interactions:
    """Read `path` with the reader of that name.

    Raises
    ------
    ParameterError : there is no such reader.
    InputError : the input is missing, damaged, or not of this format.
    """
    if reader not in READERS:
        raise ParameterError(f"there is no reader {reader!r}; choose one of {', '.join(READERS)}")
    if not path.exists():
        raise InputError("does not exist; check --input", file=path)
    return READERS[reader](path, options or ReadOptions())


HETREC_ROWS = 92_834  # published size, HetRec 2011 Last.fm readme


def read_lastfm_2k(path: Path, options: ReadOptions) -> Interactions:
    """HetRec 2011 Last.fm: a folder with user_artists.dat, artists.dat and, for tags, two more files.

    Counts without times, so a listener's whole set is one queue. Line ends and encodings differ file by file.

    Source: Cantador, Brusilovsky & Kuflik (2011), HetRec workshop at RecSys.
    """
    folder = path if path.is_dir() else path.parent
    report = ReadReport(source=str(path), reader="lastfm-2k", title="HetRec 2011 Last.fm-2K")

    def table(name: str, columns: list[str], encoding: str = "utf-8") -> list[Block]:
        file = folder / name
        found = header_fields(file, "\t")
        if found != columns:
            raise InputError(f"the header is {found}, expected {columns}, separated by tabs", file=file, line=1)
        return list(
            read_blocks(
                file, columns, delimiter="\t", report=report, encoding=encoding,
                must_end_with_newline=True, on_bytes=options.on_bytes,
            )
        )  # fmt: skip

    artists = table("artists.dat", ["id", "name", "url", "pictureURL"])
    items = pd.DataFrame(
        {
            "item_id": [value for block in artists for value in block.table["id"].to_pylist()],
            "name": [value for block in artists for value in block.table["name"].to_pylist()],
        }
    )
    if items["item_id"].duplicated().any():
        twice = items.loc[items["item_id"].duplicated(), "item_id"].iloc[0]
        raise InputError(f"the artist id {twice} stands in it twice", file=folder / "artists.dat")
    row_of = {item_id: row for row, item_id in enumerate(items["item_id"])}
    report.rows = 0  # from here on the rows that matter are the plays

    users = Codes()
    user_parts, item_parts, plays_parts = [], [], []
    for block in table("user_artists.dat", ["userID", "artistID", "weight"]):
        item = np.array([row_of.get(value, -1) for value in block.table["artistID"].to_pylist()], np.int32)
        if (item < 0).any():
            bad = int(np.flatnonzero(item < 0)[0])
            raise InputError(
                f"artist {block.table['artistID'][bad].as_py()!r} is not among the {len(items):,} of artists.dat, "
                f"so one of the two files is incomplete; fetch both again",
                file=folder / "user_artists.dat", line=int(block.lines[bad]), column="artistID",
            )  # fmt: skip
        plays = _numbers(block.table["weight"])
        usable = _usable_plays(block, "weight", plays, folder / "user_artists.dat", report)
        user_parts.append(users.add(block.table["userID"])[usable])
        item_parts.append(item[usable])
        plays_parts.append(plays[usable])
    report.refuse_if_mostly_bad(options.max_bad_share)
    if not report.rows:
        raise InputError("no usable row", file=folder / "user_artists.dat")
    if report.rows != HETREC_ROWS:
        report.notes.append(f"user_artists.dat has {report.rows:,} rows; the published file has {HETREC_ROWS:,}")

    plays_rows, plays_bad = report.rows, report.bad.copy()
    if (folder / "tags.dat").exists() and (folder / "user_taggedartists.dat").exists():
        names: dict[str, str] = {}
        for block in table("tags.dat", ["tagID", "tagValue"], "latin-1"):
            names.update(zip(block.table["tagID"].to_pylist(), block.table["tagValue"].to_pylist(), strict=True))
        columns = ["userID", "artistID", "tagID", "day", "month", "year"]
        given = pd.concat(
            [b.table.select(["artistID", "tagID"]).to_pandas() for b in table("user_taggedartists.dat", columns)]
        )
        known = given["tagID"].isin(names) & given["artistID"].isin(row_of)
        if not known.all():
            report.notes.append(f"{int((~known).sum()):,} tag assignments name an unknown artist or tag; left out")
        items["tags"] = _tags_by_use(given[known], items["item_id"], names)
    else:
        report.notes.append("no tags.dat and user_taggedartists.dat beside it: items have no tags")
    bad_tags = report.bad.total() - plays_bad.total()
    if bad_tags:
        report.notes.append(f"{bad_tags:,} lines of the tag files could not be used")
    report.rows, report.bad = plays_rows, plays_bad
    return Interactions.from_plays(
        user=np.concatenate(user_parts), item=np.concatenate(item_parts), plays=np.concatenate(plays_parts),
        items=items, n_users=len(users), report=report,
    )  # fmt: skip


def _tags_by_use(given: pd.DataFrame, item_ids: pd.Series, names: dict[str, str]) -> list[list[str]]:
    """Each item's tags, commonest first; tags used equally often by tag id."""
    used = given.groupby(["artistID", "tagID"], sort=False).size().reset_index(name="times")
    used["tag_number"] = pd.to_numeric(used["tagID"], errors="coerce")
    used = used.sort_values(["times", "tag_number"], ascending=[False, True], kind="stable")
    tags: dict[str, list[str]] = {
        str(item_id): [names[tag] for tag in group] for item_id, group in used.groupby("artistID")["tagID"]
    }
    return [tags.get(item_id, []) for item_id in item_ids]


EVENT_COLUMNS = ("user", "item", "name", "timestamp", "plays")
SUFFIX_DELIMITERS = {".csv": ",", ".tsv": "\t", ".tab": "\t"}


def read_events(path: Path, options: ReadOptions) -> Interactions:
    """CSV, TSV or Parquet with the columns user, item and optionally name, timestamp, plays; or a folder of such files.

    `timestamp` is ISO 8601 or seconds (or milliseconds) since 1970. Beside FILE.csv, a FILE.items.csv (item, name,
    tags separated by "|", further columns) describes the items and a FILE.source.json the source.
    """
    report = ReadReport(source=str(path), reader="events", title=path.stem)
    files = _event_files(path)
    users, items = Codes(), Codes()
    name_of: dict[int, str] = {}
    parts: dict[str, list[npt.NDArray[Any]]] = {"user": [], "item": [], "plays": [], "time": []}
    present = set(_event_columns(files[0], options))
    for file in files:
        columns = _event_columns(file, options)
        if present != set(columns):
            raise InputError(f"has the columns {sorted(columns)}, other files have {sorted(present)}", file=file)
        for block in _event_blocks(file, columns, options, report):
            _take_events(block, file, report, users, items, name_of, parts)
    report.refuse_if_mostly_bad(options.max_bad_share)
    if not len(items):
        raise InputError(f"{report.source}: no usable row; {report.summary()}")
    catalogue = pd.DataFrame({"item_id": items.values})
    catalogue["name"] = [name_of.get(row) or item_id for row, item_id in enumerate(items.values)]
    for file in files:
        catalogue = _described(catalogue, file, report)
    return Interactions.from_plays(
        user=np.concatenate(parts["user"]), item=np.concatenate(parts["item"]),
        plays=np.concatenate(parts["plays"]) if "plays" in present else None,
        time=np.concatenate(parts["time"]) if "timestamp" in present else None,
        items=catalogue, n_users=len(users), report=report, session_gap_minutes=options.session_gap_minutes,
    )  # fmt: skip


def _event_files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    suffixes = (*SUFFIX_DELIMITERS, ".parquet")
    files = sorted(file for file in path.iterdir() if file.suffix in suffixes and not file.name.endswith(".items.csv"))
    if not files:
        raise InputError(f"holds no {', '.join(suffixes)} file", file=path)
    return files


def _event_columns(file: Path, options: ReadOptions) -> list[str]:
    """The file's column names.

    Raises
    ------
    InputError : user or item is missing, or a name stands twice.
    """
    if file.suffix == ".parquet":
        names = list(_parquet(file).schema_arrow.names)
        hint = ""
    else:
        delimiter = options.delimiter or _delimiter(file)
        names = header_fields(file, delimiter)
        others = [
            word for word, other in DELIMITERS.items()
            if other != delimiter and {"user", "item"} <= set(header_fields(file, other))
        ]  # fmt: skip
        hint = f"; it looks separated by {others[0]}: pass --delimiter {others[0]}" if others else ""
    missing = [name for name in ("user", "item") if name not in names]
    if missing:
        raise InputError(f"has no column {' or '.join(missing)}; its columns are {names[:10]}{hint}", file=file, line=1)
    if len(set(names)) < len(names):
        raise InputError(f"names a column twice: {names[:10]}", file=file, line=1)
    return names


def _delimiter(file: Path) -> str:
    if file.suffix in SUFFIX_DELIMITERS:
        return SUFFIX_DELIMITERS[file.suffix]
    return max((",", "\t"), key=lambda delimiter: len(header_fields(file, delimiter)))


def _parquet(file: Path) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(file)
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"is not a whole Parquet file: {error}", file=file) from error


def _event_blocks(file: Path, columns: list[str], options: ReadOptions, report: ReadReport) -> Iterator[Block]:
    if file.suffix != ".parquet":
        delimiter = options.delimiter or _delimiter(file)
        yield from read_blocks(
            file, columns, delimiter=delimiter, report=report, quoting=delimiter != "\t", on_bytes=options.on_bytes
        )
        return
    report.files.append(file)
    wanted = [name for name in columns if name in EVENT_COLUMNS]
    first = 1
    try:
        for batch in _parquet(file).iter_batches(batch_size=1 << 18, columns=wanted):
            table = pa.table({name: _as_text(batch.column(name), name, file) for name in wanted})
            report.rows += table.num_rows
            if options.on_bytes:
                options.on_bytes(batch.nbytes)
            yield Block(table, np.arange(first, first + table.num_rows))
            first += table.num_rows
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"is damaged: {error}", file=file) from error


def _as_text(column: pa.Array, name: str, file: Path) -> pa.Array:
    if pa.types.is_timestamp(column.type):
        column = pc.floor(pc.divide(column.cast(pa.timestamp("us")).cast(pa.int64()), 1_000_000))
    try:
        return pc.fill_null(column.cast(pa.string()), "")
    except pa.ArrowException as error:
        raise InputError(f"holds {column.type}, which is not text or a number", file=file, column=name) from error


def _take_events(
    block: Block,
    file: Path,
    report: ReadReport,
    users: Codes,
    items: Codes,
    name_of: dict[int, str],
    parts: dict[str, list[npt.NDArray[Any]]],
) -> None:
    table = block.table
    usable = np.ones(table.num_rows, bool)
    for column in ("user", "item"):
        filled = pc.greater(pc.utf8_length(pc.utf8_trim_whitespace(table[column])), 0)
        usable &= _report_bad(
            block, column, filled.to_numpy(zero_copy_only=False), f"empty {column}", file, report, usable
        )
    if "plays" in table.column_names:
        plays = _numbers(table["plays"])
        usable = _usable_plays(block, "plays", plays, file, report, usable)
        parts["plays"].append(plays[usable])
    if "timestamp" in table.column_names:
        time = _seconds(table["timestamp"])
        usable = _report_bad(block, "timestamp", time >= 0, "time that cannot be read", file, report, usable)
        if "plays" in table.column_names:
            parts["plays"][-1] = plays[usable]
        parts["time"].append(time[usable])
    kept = table if usable.all() else table.filter(pa.array(usable))
    parts["user"].append(users.add(kept["user"]))
    before = len(items)
    rows = items.add(kept["item"])
    parts["item"].append(rows)
    if "name" in table.column_names and len(items) > before:
        first_seen, where = np.unique(rows, return_index=True)
        new = first_seen >= before
        names = kept["name"].take(pa.array(where[new])).to_pylist()
        name_of.update(zip(first_seen[new].tolist(), names, strict=True))


def _report_bad(
    block: Block,
    column: str,
    good: npt.NDArray[np.bool_],
    kind: str,
    file: Path,
    report: ReadReport,
    usable: npt.NDArray[np.bool_],
) -> npt.NDArray[np.bool_]:
    """`usable` without the rows that are not `good`; each newly bad row is counted once, under `kind`."""
    bad = np.flatnonzero(usable & ~good)
    for row in bad[:EXAMPLES_PER_KIND]:
        report.skip(kind, file=file, line=int(block.lines[row]), text=str(block.table[column][int(row)]))
    if len(bad) > EXAMPLES_PER_KIND:
        report.bad[kind] += len(bad) - EXAMPLES_PER_KIND
    return usable & good


def _usable_plays(
    block: Block,
    column: str,
    plays: npt.NDArray[np.float64],
    file: Path,
    report: ReadReport,
    usable: npt.NDArray[np.bool_] | None = None,
) -> npt.NDArray[np.bool_]:
    usable = np.ones(len(plays), bool) if usable is None else usable
    usable = _report_bad(block, column, ~np.isnan(plays), "play count that is not a number", file, report, usable)
    usable = _report_bad(block, column, plays > 0, "play count of zero or less", file, report, usable)
    return _report_bad(block, column, plays <= MAX_PLAYS, f"play count over {MAX_PLAYS:.0e}", file, report, usable)


def _numbers(column: pa.ChunkedArray) -> npt.NDArray[np.float64]:
    """Text to float64, NaN where it is not a plain number."""
    try:
        numbers: npt.NDArray[np.float64] = column.cast(pa.float64()).to_numpy()
    except pa.ArrowException:
        numbers = pd.to_numeric(column.to_pandas(), errors="coerce").to_numpy(np.float64)
    return numbers


def _seconds(column: pa.ChunkedArray) -> npt.NDArray[np.int64]:
    """ISO 8601 (UTC unless it says otherwise), seconds or milliseconds → whole seconds since 1970; else -1."""
    numbers = _numbers(column)
    if np.isnan(numbers).all():
        times = pd.to_datetime(column.to_pandas(), errors="coerce", utc=True, format="ISO8601")
        seconds = times.dt.as_unit("s").astype("int64").to_numpy()
        seconds = np.where(times.isna(), -1, seconds)
    else:
        numbers = np.where(numbers > 10 * YEAR_2100, numbers / 1000, numbers)
        seconds = np.where(np.isnan(numbers), -1, np.nan_to_num(numbers, posinf=-1, neginf=-1)).astype(np.int64)
    return np.where((seconds >= 0) & (seconds < YEAR_2100), seconds, -1)


def _described(catalogue: pd.DataFrame, file: Path, report: ReadReport) -> pd.DataFrame:
    """The catalogue with what FILE.items.csv and FILE.source.json beside `file` say."""
    card = file.with_suffix(".source.json")
    if card.exists():
        try:
            source = json.loads(card.read_text("utf-8"))
            report.title = str(source.get("title", report.title))
            report.simulated = source.get("simulated") is True
        except (ValueError, AttributeError) as error:
            raise InputError(f"is not a JSON object: {error}", file=card) from error
    beside = file.with_suffix(".items.csv")
    if not beside.exists():
        return catalogue
    columns = header_fields(beside, ",")
    if "item" not in columns:
        raise InputError(f"has no column item; its columns are {columns[:10]}", file=beside, line=1)
    seen = ReadReport(source=str(beside), reader="items")
    rows = pd.concat(
        [block.table.to_pandas() for block in read_blocks(beside, columns, delimiter=",", report=seen, quoting=True)]
    ).drop_duplicates("item")
    report.files.append(beside)
    if seen.bad:
        report.notes.append(f"{beside.name}: {seen.summary()}")
    described = catalogue.merge(rows, how="left", left_on="item_id", right_on="item", suffixes=("", "_beside"))
    if "name_beside" in described:
        described["name"] = described.pop("name_beside").fillna(described["name"])
    if "tags" in described:
        described["tags"] = [
            [tag for tag in text.split("|") if tag] if isinstance(text, str) else [] for text in described["tags"]
        ]
    for column in set(described) - {"item_id", "name", "tags", "item"}:
        numbers = pd.to_numeric(described[column], errors="coerce")
        if numbers.notna().equals(described[column].notna()):
            described[column] = numbers
    return described.drop(columns="item")


def read_queues(path: Path, options: ReadOptions) -> Interactions:
    """Text, one queue of items a line, in the order they were played; each line stands for one listener.

    Items are separated by `delimiter`, or by tabs where the first lines hold one, else commas, else spaces.

    Raises
    ------
    InputError : no line holds two items, which is what another delimiter looks like.
    """
    report = ReadReport(source=str(path), reader="queues", title=path.stem, files=[path])
    items: dict[str, int] = {}
    played: list[int] = []
    lengths: list[int] = []
    with open_text(path) as stream:
        start = stream.read(1 << 16)
        stream.seek(0)
        delimiter = options.delimiter or next((d for d in "\t," if d.encode() in start), " ")
        for number, raw in enumerate(stream, 1):
            if options.on_bytes:
                options.on_bytes(len(raw))
            line = raw.removeprefix(UTF8_BOM).rstrip(b"\r\n") if number == 1 else raw.rstrip(b"\r\n")
            if not line.strip():
                continue
            report.rows += 1
            try:
                text = line.decode()
            except UnicodeDecodeError:
                report.skip("not UTF-8", file=path, line=number, text=line.decode("utf-8", "replace"))
                continue
            if "\0" in text:
                report.skip("NUL byte", file=path, line=number, text=text)
                continue
            queue = (
                text.split() if delimiter == " " else [name for part in text.split(delimiter) if (name := part.strip())]
            )
            if not queue:
                report.skip("no item on the line", file=path, line=number, text=text)
                continue
            played.extend(items.setdefault(item, len(items)) for item in queue)
            lengths.append(len(queue))
    report.refuse_if_mostly_bad(options.max_bad_share)
    if lengths and max(lengths) < 2:
        found = [word for word, other in DELIMITERS.items() if other != delimiter and other.encode() in start]
        hint = f"; the file holds {' and '.join(found)}: pass --delimiter {found[0]}" if found else ""
        word = next((word for word, d in DELIMITERS.items() if d == delimiter), repr(delimiter))
        raise InputError(f"none of {len(lengths):,} lines holds two items separated by {word}{hint}", file=path)
    item = np.array(played, np.int32)
    return Interactions.from_plays(
        user=np.repeat(np.arange(len(lengths)), lengths), item=item, plays=None,
        items=pd.DataFrame({"item_id": list(items), "name": list(items)}), n_users=len(lengths), report=report,
        queue_offsets=np.concatenate([[0], np.cumsum(lengths)]),
    )  # fmt: skip


READERS: dict[str, Reader] = {
    "lastfm-2k": read_lastfm_2k,
    "events": read_events,
    "queues": read_queues,
}
