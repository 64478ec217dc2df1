"""What a build asks of Spark in place of this machine: the log, and the fits of both models."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache, cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from recsys.artifacts.files import sha256_of
from recsys.artifacts.manifest import ModelEntry
from recsys.artifacts.unfinished import Part, Parts
from recsys.config import BuildConfig, validated
from recsys.errors import ParameterError
from recsys.interactions.log import Interactions
from recsys.interactions.readers import ReadOptions
from recsys.models.als import AlsFit, AlsParams
from recsys.models.word2vec import Word2vecFit, Word2vecParams, data_defaults
from recsys.spark.models import fit_als, fit_word2vec, weights_on_spark
from recsys.spark.reading import SparkLog, check_reader, read_on_spark
from recsys.spark.session import check_installed, spark_session
from recsys.steps.progress import Stages

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

NOT_ON_SPARK = ("sample", "ns_exponent", "negative", "workers")
# MLlib's Word2vec takes smaller steps well: on HetRec Last.fm-2K, 20 epochs at 0.05 give a tag share of 0.60, at 0.025
# of 0.65.
ALPHA = 0.025
NOTES = {
    "als": "fitted by Spark's MLlib: the confidence in a pair is its weight, as without Spark, but not below 1; "
    "regularization is multiplied by the number of a listener's or an item's pairs",
    "word2vec": "fitted by Spark's MLlib: skip-gram with hierarchical softmax, without negative sampling and without "
    f"skipping frequent items, so {', '.join(NOT_ON_SPARK)} had no part in it",
}
NOT_BIT_BY_BIT = "sums over the parts of a cluster come in any order, so the same seed gives nearly the same vectors"
WARNING = "built on Spark, whose Word2vec knows no negative sampling: do not compare it with one built without Spark"


class SparkEngine:
    """One log, read and fitted on a Spark session."""

    warning = WARNING

    def __init__(self, spark: SparkSession, reader: str, source: Path, config: BuildConfig) -> None:
        self._spark, self._reader, self._source, self._config = spark, reader, source, config

    @cached_property
    def log(self) -> SparkLog:
        """The log; read when it is first asked for, which a build that is taken up may not."""
        config = self._config
        # Large data have two fits, and only large data can be too large.
        factors = validated(AlsParams, config.als, "als").factors * (config.replicates or 2)
        return read_on_spark(
            self._spark, self._reader, self._source, ReadOptions.of(config), config.min_listeners, factors
        )

    def read(self) -> tuple[Interactions, list[str]]:
        """The log as both models see it, and the SHA-256 of each of its files."""
        interactions = self.log.interactions
        files = [str(file) for file in interactions.report.files]
        spread = self._spark.sparkContext.parallelize(files, len(files))
        return interactions, spread.map(lambda file: sha256_of(Path(file))).collect()

    def word2vec_params(self, interactions: Interactions) -> Word2vecParams:
        """Parameters that suit the data and MLlib."""
        by_data = {**data_defaults(interactions.queues), "alpha": ALPHA}
        return validated(Word2vecParams, {**by_data, **self._config.word2vec}, "word2vec")

    def fit_als(
        self, params: AlsParams, seeds: Sequence[np.random.SeedSequence], stages: Stages, parts: Parts
    ) -> list[AlsFit]:
        """One fit a seed."""

        @cache
        def weights() -> DataFrame:
            return weights_on_spark(self.log, params).persist()

        def fitted(seed: int) -> Part:
            fit = fit_als(weights(), self.log.interactions.user_items.shape, params, seed)
            factors = {"item_factors": fit.item_factors, "user_factors": fit.user_factors}
            return Part(factors, {"clipped_weights": fit.clipped_weights})

        found = _one_by_one("als", "ALS", fitted, seeds, stages, parts)
        return [
            AlsFit(part.arrays["item_factors"], part.arrays["user_factors"], part.numbers["clipped_weights"])
            for part in found
        ]

    def fit_word2vec(
        self, params: Word2vecParams, seeds: Sequence[np.random.SeedSequence], stages: Stages, parts: Parts
    ) -> list[Word2vecFit]:
        """One fit a seed."""

        def fitted(seed: int) -> Part:
            return Part({"vectors": fit_word2vec(self.log, params, seed).vectors})

        return [Word2vecFit(part.arrays["vectors"]) for part in _one_by_one(
            "word2vec", "Word2vec", fitted, seeds, stages, parts
        )]  # fmt: skip

    @staticmethod
    def told(name: str, entry: ModelEntry) -> ModelEntry:
        """The entry of a model, saying what Spark does differently."""
        return entry.model_copy(
            update={"notes": [*entry.notes, NOTES[name]], "repeatable": False, "repeatable_note": NOT_BIT_BY_BIT}
        )


def check_spark(reader: str, config: BuildConfig) -> None:
    """Raises ParameterError for a reader or a setting that Spark has nothing for, and where Spark cannot run."""
    check_reader(reader)
    asked = [name for name in NOT_ON_SPARK if name in config.word2vec]
    if config.word2vec_minutes is not None:
        asked.append("word2vec_minutes")
    if asked:
        raise ParameterError(
            f"Spark's Word2vec has no {', '.join(asked)}; leave out what sets it, or build without --engine spark"
        )
    check_installed()


@contextmanager
def spark_engine(master: str, reader: str, source: Path, config: BuildConfig) -> Iterator[SparkEngine]:
    """Spark at `master` for one log; see `spark_session`."""
    with spark_session(master) as spark:
        yield SparkEngine(spark, reader, source, config)


def _one_by_one(
    name: str,
    title: str,
    fitted: Callable[[int], Part],
    seeds: Sequence[np.random.SeedSequence],
    stages: Stages,
    parts: Parts,
) -> list[Part]:
    """Each fit has the whole cluster to itself."""
    with stages(f"fit_{name}", f"fitting {title} on Spark, {len(seeds)} replicates", len(seeds)):
        found = []
        for r, own in enumerate(seeds):
            seed = int(np.random.default_rng(own).integers(2**31 - 1))
            found.append(parts.once(f"{name}-{r}", f"{title} {r + 1} of {len(seeds)}", partial(fitted, seed)))
            stages.progress.advance(1)
    stages.add(f"fit_{name}", sum(part.seconds for part in found))
    return found
