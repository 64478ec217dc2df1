"""Weights and fits on Spark: the weights of one machine, and factors in the rows they belong to."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import scipy.sparse as sp

from recsys.interactions.readers import ReadOptions
from recsys.models.als import AlsParams
from recsys.models.bm25 import bm25_weights
from recsys.models.word2vec import Word2vecParams
from recsys.spark.models import fit_als, fit_word2vec, weights_on_spark
from recsys.spark.reading import SparkLog, read_on_spark

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


@pytest.fixture(scope="module")
def log(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> SparkLog:
    """Two circles of four listeners and one listener of all: five items, rectangular and asymmetric."""
    rows = [(f"left{n}", item, 1 + n) for n in range(4) for item in ("a", "b")]
    rows += [(f"right{n}", item, 2 + n) for n in range(4) for item in ("c", "d", "e")]
    rows += [("all", item, 30) for item in "abcde"]
    path: Path = tmp_path_factory.mktemp("log") / "log.csv"
    path.write_text("user,item,plays\n" + "".join(f"{user},{item},{plays}\n" for user, item, plays in rows), "utf-8")
    return read_on_spark(spark, "events", path, ReadOptions(), 1, factors=4)


def test_bm25_weights_are_those_of_one_machine(log: SparkLog) -> None:
    params = AlsParams(k1=1.7, b=0.4)
    table = weights_on_spark(log, params).toArrow()
    wanted = bm25_weights(log.interactions.user_items, k1=1.7, b=0.4)
    rows = table["user_row"].to_numpy(), table["item_row"].to_numpy()
    found = sp.csr_matrix((table["weight"].to_numpy(), rows), shape=(9, 5))
    np.testing.assert_allclose(found.toarray(), wanted.user_items.toarray(), rtol=1e-6, atol=0)
    # The listener of all five items has ln 5 - ln 6 < 0 for idf.
    assert sum(table["clipped"].to_pylist()) == wanted.clipped == 5


def test_als_brings_items_of_one_circle_together_and_takes_every_listener_and_item(log: SparkLog) -> None:
    params = AlsParams(factors=3, iterations=6)
    fit = fit_als(weights_on_spark(log, params).persist(), (9, 5), params, seed=5)
    assert (fit.user_factors.shape, fit.item_factors.shape, fit.clipped_weights) == ((9, 3), (5, 3), 5)
    unit = fit.item_factors / np.linalg.norm(fit.item_factors, axis=1, keepdims=True)
    names = log.interactions.catalogue["item_id"].tolist()
    cosine = {one + other: unit[names.index(one)] @ unit[names.index(other)] for one in "ac" for other in "bde"}
    assert min(cosine["ab"], cosine["cd"], cosine["ce"]) > max(cosine["ad"], cosine["ae"], cosine["cb"])
    # Who is in the left circle is predicted its items, so listeners' rows are the right ones too.
    scores = fit.user_factors @ fit.item_factors.T
    assert (scores[0:4][:, names.index("a")] > scores[0:4][:, names.index("c")]).all()
    assert (scores[4:8][:, names.index("a")] < scores[4:8][:, names.index("c")]).all()


def test_word2vec_gives_every_item_of_a_queue_of_two_or_more_a_vector(spark: SparkSession, tmp_path: Path) -> None:
    path = tmp_path / "queues.txt"
    path.write_text("a b a\nb a b a\nalone\nalone\na b\n", "utf-8")
    log = read_on_spark(spark, "queues", path, ReadOptions(), 2, factors=1)
    fit = fit_word2vec(log, Word2vecParams(vector_size=7, epochs=2), seed=3)
    assert fit.vectors.shape == (3, 7)
    present = dict(zip(log.interactions.catalogue["item_id"], np.any(fit.vectors, axis=1), strict=True))
    assert present == {"a": True, "b": True, "alone": False}
    assert np.isfinite(fit.vectors).all()
