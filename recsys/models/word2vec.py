"""Skip-gram with negative sampling over queues; a queue is a sentence, an item a word. The only importer of gensim."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from copy import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from recsys.interactions.log import Interactions, Queues

# gensim cuts longer sentences without a word.
LONGEST_SENTENCE = 10_000
ORDERED_WINDOW = 5
# About ten minutes on one core.
MOST_PAIRS = 4e9
FEWEST_EPOCHS = 5
PACE_QUEUES = 64  # timed first


class Word2vecParams(BaseModel):
    """Parameters of skip-gram with negative sampling."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    vector_size: int = Field(50, ge=1, le=2000, description="length of a vector")
    window: int = Field(5, ge=1, le=LONGEST_SENTENCE, description="plays to either side that count as context")
    epochs: int = Field(20, ge=1, le=10_000, description="passes over the queues")
    sample: float = Field(1e-4, ge=0, le=1, description="threshold above which frequent items are skipped at random")
    ns_exponent: float = Field(0.75, ge=-5, le=5, description="exponent of popularity in drawing negatives")
    negative: int = Field(5, ge=1, le=100, description="negatives drawn for each context")
    alpha: float = Field(0.025, gt=0, le=1, description="learning rate at the start")
    workers: int = Field(1, ge=1, le=256, description="threads of one fit; only 1 is repeatable")


@dataclass(frozen=True)
class Word2vecFit:
    """One fit. vectors float32 (n_items, vector_size); a row of zeros where no queue plays the item beside another."""

    vectors: npt.NDArray[np.float32]


@dataclass(frozen=True)
class Pace:
    """Seconds that one fit takes on this machine: before its first epoch, and for each."""

    preparing: float
    epoch: float


def data_defaults(queues: Queues, most_pairs: float = MOST_PAIRS) -> dict[str, Any]:
    """Parameters that suit the data; the rest keep their defaults.

    Ordered queues get a short window, sets one that covers the longest set. Epochs fall with size, so that one fit
    looks at no more than about `most_pairs` pairs of item and context, but never below FEWEST_EPOCHS. At the learning
    rate of 0.05, 50 epochs on HetRec Last.fm-2K give a tag share of 0.742, at gensim's 0.025 they give 0.727.
    """
    lengths = queues.lengths.astype(np.float64)
    longest = int(min(lengths.max(initial=1), LONGEST_SENTENCE))
    window, epochs = (ORDERED_WINDOW, 20) if queues.ordered else (longest, 50)
    # A window shrinks at random to between one and its whole width.
    pairs = float((lengths * np.minimum(lengths, window + 1)).sum())
    affordable = most_pairs / max(pairs, 1.0)
    return {"window": window, "epochs": max(FEWEST_EPOCHS, int(min(epochs, affordable))), "alpha": 0.05}


def fit(
    interactions: Interactions,
    params: Word2vecParams,
    rng: np.random.Generator,
    on_epoch: Callable[[], None] | None = None,
) -> Word2vecFit:
    """Fit Word2vec on the queues of two plays or more; repeatable with `workers=1`.

    Source: Mikolov et al. (2013), Distributed Representations of Words and Phrases and their Compositionality;
    Barkan & Koenigstein (2016), Item2Vec, for sets.
    """
    from gensim.models.callbacks import CallbackAny2Vec

    class EpochEnd(CallbackAny2Vec):  # type: ignore[misc]
        def on_epoch_end(self, model: object) -> None:
            if on_epoch:
                on_epoch()

    corpus = _Corpus(interactions.queues, interactions.n_items)
    vectors = np.zeros((interactions.n_items, params.vector_size), np.float32)
    if corpus.n_plays == 0:
        return Word2vecFit(vectors)
    model = _untrained(corpus, params, rng)
    _train(model, corpus, params.epochs, [EpochEnd()])
    rows = np.array([int(token) for token in model.wv.index_to_key], dtype=np.int64)
    vectors[rows] = model.wv.vectors
    return Word2vecFit(vectors)


class PaceMeter:
    """Measures how fast a fit with these parameters is: one is begun, on queues drawn by chance, and thrown away."""

    def __init__(self, interactions: Interactions, params: Word2vecParams, rng: np.random.Generator) -> None:
        start = time.perf_counter()
        self._corpus = _Corpus(interactions.queues, interactions.n_items)
        self._model = _untrained(self._corpus, params, rng) if self._corpus.n_plays else None
        self._preparing = time.perf_counter() - start
        self._shuffled = rng.permutation(self._corpus.n_sentences)

    def at(self, window: int, *, seconds: float) -> Pace:
        """With this window.

        seconds : > 0; training is timed on ever more queues until that takes so long, which is up to four times as
            long in all. Less on data that one pass goes through in less.
        """
        if self._model is None:
            return Pace(0.0, 0.0)
        self._model.window = window
        size = PACE_QUEUES
        while True:
            sample = self._corpus.only(self._shuffled[:size])
            start = time.perf_counter()
            _train(self._model, sample, 1, [])
            took = time.perf_counter() - start
            if took >= seconds or size >= self._corpus.n_sentences:
                return Pace(self._preparing, took * self._corpus.n_plays / sample.n_plays)
            size *= 2


def _untrained(corpus: _Corpus, params: Word2vecParams, rng: np.random.Generator) -> Any:
    from gensim.models import Word2Vec

    model = Word2Vec(
        sg=1,
        hs=0,
        min_count=1,
        vector_size=params.vector_size,
        window=params.window,
        sample=params.sample,
        ns_exponent=params.ns_exponent,
        negative=params.negative,
        alpha=params.alpha,
        workers=params.workers,
        epochs=params.epochs,
        seed=int(rng.integers(2**31 - 1)),
    )
    model.build_vocab_from_freq(corpus.frequencies(), corpus_count=corpus.n_sentences)
    return model


def _train(model: Any, corpus: _Corpus, epochs: int, callbacks: list[Any]) -> None:
    model.train(
        corpus, total_examples=corpus.n_sentences, total_words=corpus.n_plays, epochs=epochs, callbacks=callbacks
    )


class _Corpus:
    """Queues of two plays or more as sentences of tokens; longer ones than gensim takes are cut into pieces."""

    def __init__(self, queues: Queues, n_items: int) -> None:
        self._items = queues.items
        self._tokens = np.array([str(row) for row in range(n_items)], dtype=object)
        lengths = queues.lengths
        whole = np.flatnonzero(lengths >= 2)
        starts, stops = queues.offsets[:-1][whole], queues.offsets[1:][whole]
        pieces = [
            (start + step, min(start + step + LONGEST_SENTENCE, stop))
            for start, stop in zip(starts[lengths[whole] > LONGEST_SENTENCE], stops[lengths[whole] > LONGEST_SENTENCE])
            for step in range(0, stop - start, LONGEST_SENTENCE)
        ]
        short = lengths[whole] <= LONGEST_SENTENCE
        spans = np.column_stack([starts[short], stops[short]])
        self._spans = np.concatenate([spans, np.array(pieces, np.int64).reshape(-1, 2)])
        self._in_whole = np.repeat(lengths >= 2, lengths)

    @property
    def n_sentences(self) -> int:
        return len(self._spans)

    @property
    def n_plays(self) -> int:
        return int((self._spans[:, 1] - self._spans[:, 0]).sum())

    def only(self, sentences: npt.NDArray[np.int64]) -> _Corpus:
        """Some of the sentences; the frequencies stay those of all."""
        some = copy(self)
        some._spans = self._spans[sentences]
        return some

    def frequencies(self) -> dict[str, int]:
        counts = np.bincount(self._items[self._in_whole], minlength=len(self._tokens))
        return {self._tokens[row]: int(counts[row]) for row in np.flatnonzero(counts)}

    def __iter__(self) -> Iterator[list[str]]:
        for start, stop in self._spans:
            yield self._tokens[self._items[start:stop]].tolist()
