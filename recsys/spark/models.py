"""Both models fitted by Spark's MLlib, from the same weights and queues as on one machine."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from recsys.errors import ParameterError
from recsys.models.als import AlsFit, AlsParams
from recsys.models.bm25 import SMALLEST_WEIGHT, Bm25Statistics, clip, weigh
from recsys.models.word2vec import LONGEST_SENTENCE, Word2vecFit, Word2vecParams
from recsys.spark.reading import SparkLog

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

# Blocks and partitions go by the data alone, so that a larger cluster gives the same fit.
PAIRS_A_BLOCK, FEWEST_BLOCKS = 1_000_000, 2
PLAYS_A_PARTITION, MOST_PARTITIONS = 20_000_000, 64
ITERATIONS_A_CHECKPOINT = 5


def weights_on_spark(log: SparkLog, params: AlsParams) -> DataFrame:
    """BM25 weights of all pairs: user_row, item_row, weight (float, > 0), clipped (whether `clip` raised it)."""
    statistics = Bm25Statistics.of(log.interactions.user_items)
    spark = log.pairs.sparkSession
    lengths, idf = (
        spark.createDataFrame(pa.table({row: np.arange(len(values), dtype=np.int32), name: values}))
        for row, name, values in (
            ("item_row", "relative_length", statistics.relative_length), ("user_row", "idf", statistics.idf)
        )
    )  # fmt: skip
    k1, b = params.k1, params.b

    def weighted(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            plays, relative_length, own_idf = (
                batch[name].to_numpy(zero_copy_only=False) for name in ("plays", "relative_length", "idf")
            )
            raw = weigh(plays, relative_length, own_idf, k1=k1, b=b)
            yield pa.RecordBatch.from_pydict({
                "user_row": batch["user_row"], "item_row": batch["item_row"], "weight": clip(raw)[0],
                "clipped": raw < SMALLEST_WEIGHT,
            })  # fmt: skip

    from pyspark.sql import functions as F

    joined = log.pairs.join(F.broadcast(lengths), "item_row").join(idf, "user_row")
    columns = joined.select("user_row", "item_row", "plays", "relative_length", "idf")
    return columns.mapInArrow(weighted, "user_row int, item_row int, weight float, clipped boolean")


def fit_als(weights: DataFrame, shape: tuple[int, int], params: AlsParams, seed: int) -> AlsFit:
    """One fit; shape (n_users, n_items), weights as of `weights_on_spark`.

    MLlib's confidence in a pair is 1 + alpha · rating where ours is the weight, so the rating is the weight less 1, and
    alpha 1. It multiplies regularization by the number of an item's or a listener's pairs.

    Raises
    ------
    ParameterError : the fit does not converge.

    Source: Hu, Koren & Volinsky (2008); Zhou, Wilkinson, Schreiber & Pan (2008) for the regularization.
    """
    from pyspark.ml.recommendation import ALS
    from pyspark.sql import functions as F

    n_pairs, clipped = weights.agg(F.count(F.lit(1)), F.sum(F.col("clipped").cast("int"))).collect()[0]
    blocks = max(FEWEST_BLOCKS, -(-n_pairs // PAIRS_A_BLOCK))
    ratings = (
        weights.select("user_row", "item_row", F.greatest(F.col("weight") - 1, F.lit(SMALLEST_WEIGHT)).alias("rating"))
        # Parts that are read again come in the same order, so that a lost machine changes nothing.
        .repartition(blocks, "user_row")
        .sortWithinPartitions("user_row", "item_row")
    )
    model = ALS(
        rank=params.factors, maxIter=params.iterations, regParam=params.regularization, implicitPrefs=True, alpha=1.0,
        userCol="user_row", itemCol="item_row", ratingCol="rating", seed=seed, numUserBlocks=blocks,
        numItemBlocks=blocks, checkpointInterval=ITERATIONS_A_CHECKPOINT,
    ).fit(ratings)  # fmt: skip
    users, items = (
        _dense(factors, n_rows, params.factors)
        for factors, n_rows in ((model.userFactors, shape[0]), (model.itemFactors, shape[1]))
    )
    if not (np.isfinite(users).all() and np.isfinite(items).all()):
        raise ParameterError(
            f"ALS does not converge with {params.model_dump()}; "
            "try a smaller K1, another regularization or fewer factors"
        )
    return AlsFit(items, users, int(clipped))


def fit_word2vec(log: SparkLog, params: Word2vecParams, seed: int) -> Word2vecFit:
    """One fit of skip-gram with hierarchical softmax on the queues of two plays or more.

    Of the parameters vector_size, window, epochs and alpha are used; MLlib knows no others.

    Source: Mikolov, Chen, Corrado & Dean (2013), Efficient Estimation of Word Representations in Vector Space.
    """
    from pyspark.ml.feature import Word2Vec
    from pyspark.ml.functions import vector_to_array
    from pyspark.sql import functions as F

    vectors = np.zeros((log.interactions.n_items, params.vector_size), np.float32)
    n_plays = int(log.interactions.queue_lengths.sum())
    if log.sentences.isEmpty():
        return Word2vecFit(vectors)
    model = Word2Vec(
        vectorSize=params.vector_size, minCount=1, stepSize=params.alpha, maxIter=params.epochs, seed=seed,
        numPartitions=min(-(-n_plays // PLAYS_A_PARTITION), MOST_PARTITIONS), inputCol="items", outputCol="vector",
        windowSize=params.window, maxSentenceLength=LONGEST_SENTENCE,
    ).fit(log.sentences)  # fmt: skip
    found = (
        model.getVectors()
        .withColumn("features", vector_to_array(F.col("vector")))
        .selectExpr("cast(word as int) id", "features")
        .toArrow()
    )
    vectors[found["id"].to_numpy()] = _rows(found, params.vector_size)
    return Word2vecFit(vectors)


def _dense(factors: DataFrame, n_rows: int, width: int) -> npt.NDArray[np.float32]:
    """The array whose rows MLlib hands out as id and features."""
    found = factors.toArrow()
    dense = np.zeros((n_rows, width), np.float32)
    dense[found["id"].to_numpy()] = _rows(found, width)
    return dense


def _rows(table: pa.Table, width: int) -> npt.NDArray[np.floating]:
    flat: npt.NDArray[np.floating] = np.concatenate([chunk.flatten().to_numpy() for chunk in table["features"].chunks])
    return flat.reshape(-1, width)
