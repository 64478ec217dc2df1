"""What every model must do, and what each promises of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from implicit.cpu.als import AlternatingLeastSquares
from threadpoolctl import threadpool_limits

from recsys.interactions.log import Interactions, Queues
from recsys.interactions.readers import read
from recsys.models import als, word2vec
from recsys.models.bm25 import bm25_weights

ALS = als.AlsParams(factors=8, iterations=3)
WORD2VEC = word2vec.Word2vecParams(vector_size=8, epochs=3, window=4)


@pytest.fixture(scope="module")
def log(small_log: Path) -> Interactions:
    return read("events", small_log)


def fit(model: str, log: Interactions, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (
        als.fit(log.user_items, ALS, rng).item_factors if model == "als" else word2vec.fit(log, WORD2VEC, rng).vectors
    )


@pytest.mark.parametrize("model", ["als", "word2vec"])
def test_a_model_gives_one_finite_float32_row_an_item(log: Interactions, model: str) -> None:
    vectors = fit(model, log, 0)
    assert vectors.shape == (log.n_items, 8)
    assert vectors.dtype == np.float32
    assert np.isfinite(vectors).all()


@pytest.mark.parametrize("model", ["als", "word2vec"])
def test_the_same_seed_gives_the_same_bits_and_another_seed_does_not(log: Interactions, model: str) -> None:
    np.testing.assert_array_equal(fit(model, log, 1), fit(model, log, 1))
    assert not np.array_equal(fit(model, log, 1), fit(model, log, 2))


def test_word2vec_repeats_whatever_the_hash_seed(small_log: Path) -> None:
    script = (
        "import hashlib, sys, numpy as np; from pathlib import Path; "
        "from recsys.interactions.readers import read; from recsys.models import word2vec as w; "
        f"log = read('events', Path({str(small_log)!r})); "
        "fit = w.fit(log, w.Word2vecParams(vector_size=8, epochs=2), np.random.default_rng(0)); "
        "print(hashlib.sha256(fit.vectors.tobytes()).hexdigest())"
    )
    digests = {
        subprocess.run(
            [sys.executable, "-c", script], env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True, text=True, check=True,
        ).stdout
        for seed in ("1", "2")
    }  # fmt: skip
    assert len(digests) == 1


def test_als_is_implicits_own_on_our_weights(log: Interactions) -> None:
    rng = np.random.default_rng(5)
    theirs = AlternatingLeastSquares(
        factors=8, iterations=3, regularization=0.01, random_state=int(np.random.default_rng(5).integers(2**31 - 1))
    )
    with threadpool_limits(1, "blas"):
        theirs.fit(bm25_weights(log.user_items, k1=1.2, b=0.75).user_items, show_progress=False)
    ours = als.fit(log.user_items, ALS, rng)
    np.testing.assert_allclose(ours.item_factors, theirs.item_factors, rtol=1e-4, atol=1e-5)
    assert ours.user_factors.shape == (log.n_users, 8)


def test_progress_is_told_once_an_iteration_and_once_an_epoch(log: Interactions) -> None:
    ticks: list[int] = []
    als.fit(log.user_items, ALS, np.random.default_rng(0), lambda: ticks.append(1))
    assert len(ticks) == 3
    word2vec.fit(log, WORD2VEC, np.random.default_rng(0), lambda: ticks.append(1))
    assert len(ticks) == 6


def test_word2vec_lacks_an_item_that_is_never_played_beside_another(hand_log: Interactions) -> None:
    alone = Interactions(
        hand_log.catalogue, hand_log.user_items,
        Queues(np.array([0, 1, 2, 4, 3], np.int32), np.array([0, 3, 4, 5]), ordered=True), hand_log.report,
    )  # fmt: skip
    present = np.any(word2vec.fit(alone, WORD2VEC, np.random.default_rng(0)).vectors, axis=1)
    assert present.tolist() == [True, True, True, False, False]


def test_a_queue_longer_than_gensim_takes_is_learnt_to_its_end(hand_log: Interactions) -> None:
    items = np.zeros(word2vec.LONGEST_SENTENCE + 4, np.int32)
    items[-4:] = [1, 2, 3, 4]
    long = Interactions(
        hand_log.catalogue, hand_log.user_items, Queues(items, np.array([0, len(items)]), ordered=True), hand_log.report
    )
    params = word2vec.Word2vecParams(vector_size=4, epochs=1, sample=0)
    untrained = word2vec.fit(long, params.model_copy(update={"alpha": 1e-9}), np.random.default_rng(0)).vectors
    trained = word2vec.fit(long, params, np.random.default_rng(0)).vectors
    assert (np.abs(trained - untrained).max(axis=1) > 1e-6).all()


def test_the_window_covers_the_longest_set_but_not_a_whole_session(hand_log: Interactions) -> None:
    assert word2vec.data_defaults(hand_log.queues)["window"] == 3
    assert word2vec.data_defaults(Queues(np.zeros(40, np.int32), np.array([0, 40]), ordered=True))["window"] == 5


@pytest.mark.parametrize(
    ("field", "value"),
    [("window", 2), ("epochs", 9), ("sample", 1e-2), ("ns_exponent", -1.0), ("negative", 1), ("alpha", 0.1)],
)
def test_every_word2vec_parameter_reaches_gensim(log: Interactions, field: str, value: float) -> None:
    other = word2vec.fit(log, WORD2VEC.model_copy(update={field: value}), np.random.default_rng(0)).vectors
    assert not np.allclose(other, fit("word2vec", log, 0), atol=1e-5)


@pytest.mark.parametrize(("field", "value"), [("k1", 50.0), ("b", 0.1), ("iterations", 6), ("regularization", 5.0)])
def test_every_als_parameter_reaches_implicit(log: Interactions, field: str, value: float) -> None:
    other = als.fit(log.user_items, ALS.model_copy(update={field: value}), np.random.default_rng(0)).item_factors
    assert not np.allclose(other, fit("als", log, 0), atol=1e-5)


def test_epochs_fall_with_size_but_not_below_a_floor() -> None:
    def epochs(n_queues: int, length: int, ordered: bool) -> int:
        offsets = np.arange(n_queues + 1) * length
        return int(word2vec.data_defaults(Queues(np.empty(0, np.int32), offsets, ordered=ordered))["epochs"])

    assert epochs(1_881, 38, ordered=False) == 50
    assert epochs(300_000, 30, ordered=False) == 14  # 4e9 pairs over 300,000 · 30 · 30 a pass
    assert epochs(359_000, 49, ordered=False) == 5
    assert epochs(20_000, 11, ordered=True) == 20
