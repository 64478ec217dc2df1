"""A log read, counted, filtered and cut into queues on a cluster: the same numbers as on one machine.

A play is told by its place in the log, a listener by the place of their first play, so nothing depends on which machine
was faster, or on one that was lost and whose parts are read again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import scipy.sparse as sp

from recsys.errors import InputError, ParameterError
from recsys.interactions.inputs import PACKED_SUFFIXES, SNIFF_BYTES, UTF8_BOM, Input, any_name, open_inputs, paths_of
from recsys.interactions.log import Interactions, Queues
from recsys.interactions.readers import ReadOptions, events, lastfm_logs, listenbrainz, queues, read
from recsys.interactions.report import ReadReport
from recsys.spark.parts import SCHEMA, Part, PartReader, PartReport

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

READERS = ("events", "queues", "lastfm-360k", "lastfm-1k", "lastfm-2k", "listenbrainz")
PART_BYTES = 32 << 20
LARGEST_SET = 16 << 30
# In an artifact set: item row and count of a pair, item row of a play in a queue, one number of a listener's factors.
BYTES_A_PAIR, BYTES_A_PLAY, BYTES_A_FACTOR = 8, 4, 4
# Unlike floating point numbers, these have the same sum in any order.
EXACT = "decimal(28, 18)"

Described = Callable[[pd.DataFrame], pd.DataFrame]


@dataclass(frozen=True)
class SparkLog:
    """A log that lies on a cluster.

    interactions : the same log here, as one machine reads and filters it.
    pairs : user_row, item_row, plays; one row a pair. sentences : items (array of item rows as text); one row a queue.
    """

    interactions: Interactions
    pairs: DataFrame
    sentences: DataFrame


def check_reader(reader: str) -> None:
    """Raises ParameterError where a reader does not run on Spark."""
    if reader not in READERS:
        raise ParameterError(
            f"the reader {reader} does not run on Spark; {', '.join(READERS)} do. Leave --engine out to use it on "
            "one machine"
        )


def read_on_spark(
    spark: SparkSession, reader: str, source: Path, options: ReadOptions, min_listeners: int, factors: int
) -> SparkLog:
    """The log at `source`, which every machine of the cluster sees under this path; only items of `min_listeners`.

    factors : how many numbers the fits will keep of each listener, all replicates taken together.

    Raises
    ------
    InputError : the input is missing, damaged or not of this format, or more than an artifact set can hold.
    """
    if reader == "lastfm-2k":
        # Published, and of 2.5 MB: there is nothing to spread.
        _spread(spark, 1)
        published = read(reader, source, options)
        rows = _rows_of(spark, published)
        filtered = _Filter(published.report, min_listeners, partial(_like, published.catalogue), factors)
        return filtered(rows)
    report = ReadReport(source=str(source), reader=reader, title=_title(reader, source, options.level))
    files = _files(reader, source, report)
    parts = [replace(part, number=number) for number, part in enumerate(_parts(reader, files, options))]
    if not parts:
        raise InputError("holds no file of this format", file=source)
    _spread(spark, len(parts))
    everything = spark.range(0, len(parts), 1, len(parts)).mapInArrow(_Task(reader, options, parts), SCHEMA).persist()
    told = everything.where("report is not null").orderBy("place").select("report").collect()
    newest_first = _merge(report, parts, [PartReport.from_json(row.report) for row in told])
    report.refuse_if_mostly_bad(options.max_bad_share)
    rows = everything.where("report is null").drop("report")
    if rows.isEmpty():
        raise InputError(f"{report.source}: no usable row; {report.summary()}")
    if reader == "events":
        events._source_cards(files, report)
        described: Described = partial(events._described, files=files, report=report)
    else:
        described = _as_it_is
    if reader == "queues":
        _refuse_without_pairs(rows, source)
    elif reader != "events":
        _tell_identity(rows, report, options)
    filtered = _Filter(report, min_listeners, described, factors)
    if report.times is None:
        return filtered(rows, whole_lines=reader == "queues")
    return filtered(rows, gap_seconds=60.0 * options.session_gap_minutes, order="-place" if newest_first else "place")


def _spread(spark: SparkSession, n_parts: int) -> None:
    """Cut what goes between machines into as many pieces as the log, or a few for each core."""
    width = max(n_parts, 2 * spark.sparkContext.defaultParallelism)
    spark.conf.set("spark.sql.shuffle.partitions", str(width))


class _Task:
    """What a task does with the numbers of its parts; goes to the cluster's machines."""

    def __init__(self, reader: str, options: ReadOptions, parts: Sequence[Part]) -> None:
        self._read, self._parts = PartReader(reader, options), parts

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for number in batch.column(0).to_pylist():
                yield from self._read(self._parts[number])


def _title(reader: str, source: Path, level: str) -> str:
    named = {
        "lastfm-360k": "Last.fm-360K",
        "lastfm-1k": f"Last.fm-1K, {level}s",
        "listenbrainz": f"ListenBrainz, {level}s",
    }
    return named.get(reader) or source.name.split(".")[0]


def _files(reader: str, source: Path, report: ReadReport) -> list[Path]:
    if reader == "events":
        return events._files(source, report)
    wanted: dict[str, Callable[[str], bool]] = {
        "lastfm-360k": lastfm_logs._is_log,
        "lastfm-1k": lastfm_logs._is_log,
        "listenbrainz": lambda name: name.lower().endswith(listenbrainz.SUFFIXES),
        "queues": any_name,
    }
    return [file for file in paths_of(source) if _is_packed(file) or wanted[reader](file.name)]


def _is_packed(file: Path) -> bool:
    return file.name.lower().endswith(PACKED_SUFFIXES)


def _parts(reader: str, files: Sequence[Path], options: ReadOptions) -> Iterator[Part]:
    """The parts of all files in order, not numbered yet; what is packed cannot be cut."""
    for file in files:
        if reader == "events" and file.suffix.lower() == ".parquet":
            groups = events._parquet(file).num_row_groups
            yield from (Part(0, file, group, group + 1) for group in range(max(groups, 1)))
            continue
        if _is_packed(file):
            yield Part(0, file)
            continue
        for source in open_inputs([file]):
            source.check_is_text()
            whole = _with_fields(reader, source, options)
            size = file.stat().st_size
            yield from (
                replace(whole, start=start, end=min(start + PART_BYTES, size)) for start in range(0, size, PART_BYTES)
            )


def _with_fields(reader: str, source: Input, options: ReadOptions) -> Part:
    """A plain file, with what its first lines tell about all."""
    if reader == "queues":
        start = source.stream.peek(SNIFF_BYTES).removeprefix(UTF8_BOM)
        return Part(0, source.path, delimiter=options.delimiter or queues._delimiter(start, source.name))
    if reader == "events":
        _, names, _ = next(events._tables([source.path], options, ReadReport(source=source.name, reader=reader)))
        return Part(0, source.path, delimiter=options.delimiter or events._delimiter(source), columns=tuple(names))
    return Part(0, source.path)


def _merge(report: ReadReport, parts: Sequence[Part], seen: Sequence[PartReport]) -> bool:
    """Put together what the parts' tasks saw, as if one had seen all; returns whether the log is newest first.

    Raises
    ------
    InputError : a task refused its part, or files have different columns.
    """
    lines: dict[Path, int] = {}
    present: list[str] | None = None
    for part, each in zip(parts, seen, strict=True):
        if each.error is not None:
            raise InputError(each.error)
        if each.columns is not None:
            if present is not None and present != each.columns:
                raise InputError(f"has the columns {each.columns}, other files have {present}", file=part.file)
            present = each.columns
        before = lines.get(part.file, 0)
        for kind, count in each.bad.items():
            for file, line, text in each.examples[kind]:
                report.skip(kind, file=file, line=before + line, text=text, count=0)
            report.bad[kind] += count
        lines[part.file] = before + each.lines
        report.rows += each.rows
        report.blank_lines += each.blank_lines
        report.notes += each.notes
        for file in each.files:
            report.add_file(Path(file))
    timed = [each for each in seen if each.times is not None]
    if not timed:
        return False
    report.times = min(each.times[0] for each in timed), max(each.times[1] for each in timed)  # type: ignore[index]
    if ahead := sum(each.ahead for each in timed):
        report.notes.append(f"{ahead:,} plays lie in the future; the clock that wrote them was wrong")
    whole = PartReport(rises=sum(each.rises for each in timed), falls=sum(each.falls for each in timed))
    for one, other in pairwise(each.ends for each in timed):
        if one is not None and other is not None:
            whole.see_step(one[1], other[0])
    return whole.falls > whole.rises


def _refuse_without_pairs(rows: DataFrame, source: Path) -> None:
    lines, longest = rows.groupBy("user").count().selectExpr("count(1)", "max(count)").collect()[0]
    if longest < 2:
        raise InputError(f"none of {lines:,} lines holds two items; pass the --delimiter between them", file=source)


def _tell_identity(rows: DataFrame, report: ReadReport, options: ReadOptions) -> None:
    """As `Identity.tell`, over all parts."""
    if not options.merge_spellings:
        report.notes.append("items go by their names as spelled; MBIDs were not looked at")
        return
    found = (
        rows.where("by_name").selectExpr("count(distinct name) spellings", "count(distinct item) items").collect()[0]
    )
    if found.spellings > found.items:
        report.notes.append(
            f"{found.spellings:,} spellings of names without MBID are {found['items']:,} items when case, width and "
            "spaces are folded; --no-merge keeps them apart"
        )


def _as_it_is(catalogue: pd.DataFrame) -> pd.DataFrame:
    return catalogue


def _like(known: pd.DataFrame, catalogue: pd.DataFrame) -> pd.DataFrame:
    """The items of `catalogue` with all that another catalogue knows of them."""
    rows = known.set_index("item_id").loc[catalogue["item_id"]].reset_index()
    return rows.drop(columns=["listeners", "plays"])


def _rows_of(spark: SparkSession, log: Interactions) -> DataFrame:
    """One row a pair of a log that is here."""
    user = np.repeat(np.arange(log.n_users), np.diff(log.user_items.indptr))
    columns = {
        "place": np.arange(len(user)),
        "user": pa.array(user).cast(pa.string()),
        "item": pa.array(log.catalogue["item_id"].to_numpy(object)[log.user_items.indices], pa.string()),
        "name": pa.array(log.catalogue["name"].to_numpy(object)[log.user_items.indices], pa.string()),
        "plays": log.user_items.data.astype(np.float64),
    }
    return spark.createDataFrame(pa.table(columns))


@dataclass(frozen=True)
class _Filter:
    """From all rows of a log to what both models see."""

    report: ReadReport
    min_listeners: int
    described: Described
    factors: int

    def __call__(
        self,
        rows: DataFrame,
        gap_seconds: float | None = None,
        order: str = "place",
        whole_lines: bool = False,
    ) -> SparkLog:
        """rows : place, user, item, name, plays or null, and time where `gap_seconds` cuts queues.

        order : of plays at the same time. whole_lines : a listener is a queue, in the order of places.
        """
        from pyspark.sql import Window
        from pyspark.sql import functions as F

        spark = rows.sparkSession
        keyed = rows.withColumn("listener", F.min("place").over(Window.partitionBy("user"))).drop("user").persist()
        counted = F.coalesce(F.sum(F.col("plays").cast(EXACT)).cast("float"), F.count(F.lit(1)).cast("float"))
        pairs = keyed.groupBy("listener", "item").agg(counted.alias("plays"))
        statistics = pairs.groupBy("item").agg(
            F.count(F.lit(1)).cast("int").alias("listeners"),
            F.sum(F.col("plays").cast(EXACT)).cast("double").alias("plays"),
        ).persist()  # fmt: skip
        named = keyed.where("name is not null").groupBy("item").agg(F.min_by("name", "place").alias("name"))
        before = statistics.agg(F.count(F.lit(1)), F.sum(F.col("plays").cast(EXACT)).cast("double")).collect()[0]
        wanted = statistics.where(F.col("listeners") >= self.min_listeners)
        catalogue = self._catalogue(wanted.join(named, "item", "left").toArrow().to_pandas(), statistics, before[0])

        item_rows = F.broadcast(spark.createDataFrame(pa.table({
            "item": pa.array(catalogue["item_id"], pa.string()), "item_row": np.arange(len(catalogue), dtype=np.int32),
        })))  # fmt: skip
        kept = pairs.join(item_rows, "item").select("listener", "item_row", "plays").persist()
        dropped = {
            "items": before[0] - len(catalogue),
            "listeners": keyed.where("place = listener").count(),
            "plays": round(before[1] - float(catalogue["plays"].sum())),
        }
        sentences = None
        if gap_seconds is not None or whole_lines:
            marked = self._marked(keyed, gap_seconds, order)
            dropped["queues"] = marked.where("first").count()
            position = "time" if gap_seconds is not None else "place"
            sentences = (
                marked.join(item_rows, "item")
                .groupBy("listener", "queue")
                .agg(F.sort_array(F.collect_list(F.struct(position, "tie", "item_row"))).alias("plays"))
                .select("listener", "queue", F.col("plays.item_row").alias("items"))
                .persist()
            )
        self._refuse_if_too_large(kept, sentences)
        user_items, listeners = _matrix(kept, len(catalogue))
        dropped["listeners"] -= len(listeners)
        if sentences is None:
            played = None
            dropped["queues"] = dropped["listeners"]
            sets = F.sort_array(F.collect_list(F.struct((-F.col("plays")).alias("least"), "item_row")))
            sentences = kept.groupBy("listener").agg(sets.alias("set")).select(F.col("set.item_row").alias("items"))
        else:
            played = _queues(sentences)
            dropped["queues"] -= len(played)
        user_rows = spark.createDataFrame(pa.table({
            "listener": listeners, "user_row": np.arange(len(listeners), dtype=np.int32)
        }))  # fmt: skip
        return SparkLog(
            Interactions(catalogue, user_items, played, self.report, dropped),
            kept.join(user_rows, "listener").select("user_row", "item_row", "plays"),
            sentences.where("size(items) > 1").select(F.col("items").cast("array<string>")),
        )

    def _catalogue(self, found: pd.DataFrame, statistics: DataFrame, n_items: int) -> pd.DataFrame:
        """The catalogue, from item, listeners, plays and name or null of the items that stay."""
        if len(found) < 2:
            most = [row.listeners for row in statistics.orderBy("listeners", ascending=False).limit(2).collect()]
            hint = f"pass --min-listeners {most[1]} or less" if len(most) == 2 else "bring more than one item"
            raise InputError(
                f"{self.report.source}: {len(found)} of {n_items} items have at least {self.min_listeners} "
                f"listeners, and a comparison needs two; {hint}"
            )
        found = found.sort_values(["listeners", "plays", "item"], ascending=[False, False, True], ignore_index=True)
        names = found["name"].where(found["name"].notna(), found["item"])
        catalogue = self.described(pd.DataFrame({"item_id": found["item"], "name": names}))
        catalogue["listeners"], catalogue["plays"] = found["listeners"].astype(np.int32), found["plays"]
        if "tags" not in catalogue:
            catalogue["tags"] = [[]] * len(catalogue)
        return catalogue

    @staticmethod
    def _marked(keyed: DataFrame, gap_seconds: float | None, order: str) -> DataFrame:
        """Each play with the number of its queue among its listener's, its tie-breaker, and whether it is a first."""
        from pyspark.sql import Window
        from pyspark.sql import functions as F

        plays = keyed.withColumn("tie", F.expr(order))
        if gap_seconds is None:
            return plays.withColumn("queue", F.lit(0)).withColumn("first", F.col("place") == F.col("listener"))
        own = Window.partitionBy("listener").orderBy("time", "tie")
        pause = F.col("time") - F.lag("time").over(own)
        first = plays.withColumn("first", F.coalesce(pause > gap_seconds, F.lit(True)))
        so_far = own.rowsBetween(Window.unboundedPreceding, Window.currentRow)
        return first.withColumn("queue", F.sum(F.col("first").cast("int")).over(so_far))

    def _refuse_if_too_large(self, pairs: DataFrame, sentences: DataFrame | None) -> None:
        n_pairs, n_listeners = pairs.selectExpr("count(1)", "count(distinct listener)").collect()[0]
        n_plays = n_pairs if sentences is None else sentences.selectExpr("sum(size(items))").collect()[0][0]
        size = BYTES_A_PAIR * n_pairs + BYTES_A_PLAY * n_plays + BYTES_A_FACTOR * self.factors * n_listeners
        if size > LARGEST_SET:
            raise InputError(
                f"{self.report.source}: {n_pairs:,} pairs, {n_plays:,} plays in queues and the factors of "
                f"{n_listeners:,} listeners are {size / 2**30:,.1f} GiB, and an artifact set holds "
                f"{LARGEST_SET / 2**30:,.1f} GiB of them, because the machines that open it must; pass a higher "
                "--min-listeners, fewer --factors or --replicates, or the log of fewer listeners"
            )


def _matrix(pairs: DataFrame, n_items: int) -> tuple[sp.csr_matrix, Any]:
    """Plays as CSR float32, listeners in the order of their first play, and their keys."""
    table = pairs.toArrow()
    key, item = table["listener"].to_numpy(), table["item_row"].to_numpy()
    order = np.lexsort((item, key))
    listeners, counts = np.unique(key, return_counts=True)
    indptr = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    plays = table["plays"].to_numpy()[order].astype(np.float32)
    return sp.csr_matrix((plays, item[order], indptr), shape=(len(listeners), n_items)), listeners


def _queues(sentences: DataFrame) -> Queues:
    table = sentences.toArrow().sort_by([("listener", "ascending"), ("queue", "ascending")])
    items = table["items"].combine_chunks()
    if isinstance(items, pa.ChunkedArray):
        items = pa.concat_arrays(items.chunks)
    lengths = items.value_lengths().to_numpy(zero_copy_only=False)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return Queues(items.flatten().to_numpy().astype(np.int32), offsets, ordered=True)
