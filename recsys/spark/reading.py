"""A log read, counted, filtered and cut into queues on a cluster: the same numbers as on one machine.

A play is told by its place in the log, a listener by the place of their first play, so nothing depends on which machine
was faster, or on one that was lost and whose parts are read again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import scipy.sparse as sp

from recsys.errors import InputError, ParameterError
from recsys.interactions.log import Interactions, Queues, too_few_items
from recsys.interactions.readers import ReadOptions, read
from recsys.interactions.readers.beside import described as describe
from recsys.interactions.readers.beside import source_cards
from recsys.interactions.readers.identity import NOT_MERGED, tell_merged
from recsys.interactions.report import ReadReport
from recsys.spark.parts import SCHEMA, PartReader
from recsys.spark.plan import Part, files_of, parts_of
from recsys.spark.reports import PartReport, merge

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

READERS = ("events", "queues", "lastfm-360k", "lastfm-1k", "lastfm-2k", "listenbrainz")
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
    report = options.report(reader, source)
    files = files_of(reader, source, report)
    parts = parts_of(reader, files, options)
    if not parts:
        raise InputError("holds no file of this format", file=source)
    _spread(spark, len(parts))
    everything = spark.range(0, len(parts), 1, len(parts)).mapInArrow(_Task(reader, options, parts), SCHEMA).persist()
    told = everything.where("report is not null").orderBy("place").select("report").collect()
    newest_first = merge(report, parts, [PartReport.from_json(row.report) for row in told])
    report.refuse_if_mostly_bad(options.max_bad_share)
    rows = everything.where("report is null").drop("report")
    if rows.isEmpty():
        raise report.no_usable_row()
    if reader == "events":
        source_cards(files, report)
        described: Described = partial(describe, files=files, report=report)
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


def _refuse_without_pairs(rows: DataFrame, source: Path) -> None:
    lines, longest = rows.groupBy("user").count().selectExpr("count(1)", "max(count)").collect()[0]
    if longest < 2:
        raise InputError(f"none of {lines:,} lines holds two items; pass the --delimiter between them", file=source)


def _tell_identity(rows: DataFrame, report: ReadReport, options: ReadOptions) -> None:
    """As `Identity.tell`, over all parts."""
    if not options.merge_spellings:
        report.notes.append(NOT_MERGED)
        return
    found = (
        rows.where("by_name").selectExpr("count(distinct name) spellings", "count(distinct item) items").collect()[0]
    )
    tell_merged(report, found.spellings, found.items)


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
            second = most[1] if len(most) == 2 else 0
            raise too_few_items(self.report, len(found), n_items, self.min_listeners, second)
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
