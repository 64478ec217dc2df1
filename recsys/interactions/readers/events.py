"""Tables of plays with named columns: CSV, TSV, Parquet."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from recsys.config import DELIMITERS
from recsys.errors import InputError
from recsys.interactions.log import Interactions
from recsys.interactions.readers.columns import Rows
from recsys.interactions.readers.options import ReadOptions
from recsys.interactions.report import ReadReport
from recsys.interactions.tabular import Block, Codes, header_fields, read_blocks

COLUMNS = ("user", "item", "name", "timestamp", "plays")
SUFFIX_DELIMITERS = {".csv": ",", ".tsv": "\t", ".tab": "\t"}
ITEMS_SUFFIX, SOURCE_SUFFIX = ".items.csv", ".source.json"
# Counted or computed by us; a description of items cannot set them.
OWN_COLUMNS = {"item_id", "listeners", "plays", "popularity"}
MAX_CARD_BYTES = 1 << 20


def read_events(path: Path, options: ReadOptions) -> Interactions:
    """CSV, TSV or Parquet with the columns user, item and optionally name, timestamp, plays; or a folder of such files.

    `timestamp` is ISO 8601, YYYYMMDD, or seconds or milliseconds since 1970. Beside FILE.csv, a FILE.items.csv (item,
    name, tags separated by "|", further columns) describes the items and a FILE.source.json the source.
    """
    report = ReadReport(source=str(path), reader="events", title=path.stem)
    files = _files(path, report)
    log = _Log(report)
    present = set(_columns(files[0], options))
    for file in files:
        columns = _columns(file, options)
        if present != set(columns):
            raise InputError(f"has the columns {sorted(columns)}, other files have {sorted(present)}", file=file)
        for block in _blocks(file, columns, options, report):
            log.take(block, file)
    report.refuse_if_mostly_bad(options.max_bad_share)
    if not len(log.items):
        raise InputError(f"{report.source}: no usable row; {report.summary()}")
    _source_cards(files, report)
    return Interactions.from_plays(
        user=log.column("user"), item=log.column("item"),
        plays=log.column("plays") if "plays" in present else None,
        time=log.column("time") if "timestamp" in present else None,
        items=_described(log.catalogue(), files, report), n_users=len(log.users), report=report,
        session_gap_minutes=options.session_gap_minutes,
    )  # fmt: skip


class _Log:
    """Plays gathered block by block, listeners and items as codes."""

    def __init__(self, report: ReadReport) -> None:
        self.report = report
        self.users, self.items = Codes(), Codes()
        self._name_of: dict[int, str] = {}
        self._parts: dict[str, list[npt.NDArray[Any]]] = {"user": [], "item": [], "plays": [], "time": []}

    def take(self, block: Block, file: Path) -> None:
        rows = Rows(block, file, self.report)
        present = block.table.column_names
        rows.require_text("user", "user")
        rows.require_text("item", "item")
        plays = rows.plays("plays") if "plays" in present else None
        time = rows.seconds("timestamp") if "timestamp" in present else None
        kept = rows.kept()
        self._parts["user"].append(self.users.add(kept["user"]))
        item = self.items.add(kept["item"])
        self._parts["item"].append(item)
        if plays is not None:
            self._parts["plays"].append(plays[rows.usable])
        if time is not None:
            self._parts["time"].append(time[rows.usable])
        if "name" in present:
            self._take_names(item, kept["name"])

    def column(self, name: str) -> npt.NDArray[Any]:
        return np.concatenate(self._parts[name])

    def catalogue(self) -> pd.DataFrame:
        ids = self.items.values
        names = [self._name_of.get(code, item_id) for code, item_id in enumerate(ids)]
        return pd.DataFrame({"item_id": ids, "name": names})

    def _take_names(self, item: npt.NDArray[np.int32], names: pa.ChunkedArray) -> None:
        """An item is called what it was first called; rows without a name say nothing."""
        filled = pc.greater(pc.utf8_length(pc.utf8_trim_whitespace(names)), 0).to_numpy(zero_copy_only=False)
        where = np.flatnonzero(filled)
        codes, first = np.unique(item[where], return_index=True)
        new = [at for at, code in enumerate(codes.tolist()) if code not in self._name_of]
        if new:
            texts = names.take(pa.array(where[first[new]])).to_pylist()
            self._name_of.update(zip(codes[new].tolist(), texts, strict=True))


def _files(path: Path, report: ReadReport) -> list[Path]:
    if not path.is_dir():
        return [path]
    suffixes = (*SUFFIX_DELIMITERS, ".parquet")
    inside = sorted(file for file in path.iterdir() if file.is_file())
    described = (ITEMS_SUFFIX, SOURCE_SUFFIX)
    files = [file for file in inside if file.suffix.lower() in suffixes and not file.name.endswith(described)]
    if not files:
        raise InputError(f"holds no {', '.join(suffixes)} file", file=path)
    others = [file.name for file in inside if file not in files and not file.name.endswith(described)]
    if others:
        report.notes.append(f"{len(others)} other files in the folder were not read: {', '.join(others[:3])}")
    return files


def _is_parquet(file: Path) -> bool:
    return file.suffix.lower() == ".parquet"


def _delimiter(file: Path, options: ReadOptions) -> str:
    if options.delimiter:
        return options.delimiter
    known = SUFFIX_DELIMITERS.get(file.suffix.lower())
    return known or max((",", "\t"), key=lambda delimiter: len(header_fields(file, delimiter)))


def _columns(file: Path, options: ReadOptions) -> list[str]:
    """The file's column names.

    Raises
    ------
    InputError : user or item is missing, or a name stands twice.
    """
    hint = ""
    if _is_parquet(file):
        names = list(_parquet(file).schema_arrow.names)
    else:
        delimiter = _delimiter(file, options)
        names = header_fields(file, delimiter)
        others = [
            word for word, other in DELIMITERS.items()
            if other != delimiter and {"user", "item"} <= set(header_fields(file, other))
        ]  # fmt: skip
        hint = f"; it looks separated by {others[0]}: pass --delimiter {others[0]}" if others else ""
    missing = [name for name in ("user", "item") if name not in names]
    if missing:
        if not hint and {"user", "item"} <= {name.casefold() for name in names}:
            hint = "; names are told apart by case: write them small"
        shown = [name[:40] for name in names[:10]]
        raise InputError(f"has no column {' or '.join(missing)}; its columns are {shown}{hint}", file=file, line=1)
    if len(set(names)) < len(names):
        raise InputError(f"names a column twice: {names[:10]}", file=file, line=1)
    return names


def _parquet(file: Path) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(file)
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"is not a whole Parquet file: {error}", file=file) from error


def _blocks(file: Path, columns: list[str], options: ReadOptions, report: ReadReport) -> Iterator[Block]:
    if not _is_parquet(file):
        delimiter = _delimiter(file, options)
        yield from read_blocks(
            file, columns, delimiter=delimiter, report=report, quoting=delimiter != "\t", on_bytes=options.on_bytes
        )
        return
    report.files.append(file)
    wanted = [name for name in columns if name in COLUMNS]
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
    try:
        if pa.types.is_timestamp(column.type):
            column = column.cast(pa.timestamp("s", column.type.tz), safe=False).cast(pa.int64())
        elif pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
            column = column.cast(pa.binary())  # and back below, which looks whether it is UTF-8
        return pc.fill_null(column.cast(pa.string()), "")
    except pa.ArrowException as error:
        raise InputError(
            f"holds {column.type} that cannot be taken for text or numbers: {error}", file=file, column=name
        ) from error


def _source_cards(files: list[Path], report: ReadReport) -> None:
    """What FILE.source.json beside the files says; one simulated file makes the whole log simulated."""
    titles = []
    for file in files:
        card = file.with_suffix(SOURCE_SUFFIX)
        if not card.exists():
            continue
        try:
            if card.stat().st_size > MAX_CARD_BYTES:
                raise InputError(f"has more than {MAX_CARD_BYTES:,} bytes", file=card)
            source = json.loads(card.read_text("utf-8"))
        except (ValueError, RecursionError, OSError) as error:
            raise InputError(f"cannot be read as JSON: {error}", file=card) from error
        if not isinstance(source, dict):
            raise InputError("is not a JSON object", file=card)
        titles.append(str(source.get("title", file.stem)).encode("utf-8", "replace").decode())
        report.simulated |= source.get("simulated") is True
    if len(set(titles)) == 1:
        report.title = titles[0]


def _described(catalogue: pd.DataFrame, files: list[Path], report: ReadReport) -> pd.DataFrame:
    """The catalogue with what FILE.items.csv beside the files says; the first description of an item counts."""
    parts = []
    for file in files:
        beside = file.with_suffix(ITEMS_SUFFIX)
        if not beside.exists():
            continue
        columns = header_fields(beside, ",")
        if "item" not in columns or len(set(columns)) < len(columns):
            raise InputError(
                f"needs a column item and no name twice; its columns are {columns[:10]}", file=beside, line=1
            )
        seen = ReadReport(source=str(beside), reader="items")
        parts += [b.table.to_pandas() for b in read_blocks(beside, columns, delimiter=",", report=seen, quoting=True)]
        report.take_in(seen)
    if not parts:
        return catalogue
    rows = pd.concat(parts, ignore_index=True).drop_duplicates("item").set_index("item")
    described = rows.reindex(catalogue["item_id"].to_numpy(object)).reset_index(drop=True)
    for column in [name for name in described if name not in OWN_COLUMNS]:
        values = described[column]
        if column == "name":
            named = values.notna() & (values != "")
            catalogue["name"] = np.where(named, values, catalogue["name"])
        elif column == "tags":
            catalogue["tags"] = [
                [tag for tag in text.split("|") if tag] if isinstance(text, str) else [] for text in values
            ]
        else:
            as_numbers = pd.to_numeric(values, errors="coerce")
            catalogue[column] = as_numbers if as_numbers.notna().equals(values.notna()) else values
    return catalogue
