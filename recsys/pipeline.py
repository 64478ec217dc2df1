"""A build: listening data → two models' vectors → neighbour graphs and maps → an artifact set on disk."""

from __future__ import annotations

import hashlib
import math
import platform
from collections.abc import Sequence
from contextlib import nullcontext
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd

from recsys.analysis.agreement import popularity_percentiles
from recsys.artifacts.files import sha256_of
from recsys.artifacts.manifest import SCHEMA_VERSION, Counts, Manifest, ModelEntry, Source, Trust
from recsys.artifacts.packed import packed, unpacked
from recsys.artifacts.store import ArtifactSet
from recsys.artifacts.unfinished import Part, Parts, kept_parts
from recsys.artifacts.writer import ArtifactWriter
from recsys.config import BuildConfig, validated
from recsys.interactions.inputs import paths_of
from recsys.interactions.log import Interactions
from recsys.interactions.readers import ReadOptions, read
from recsys.maps.kept import with_maps
from recsys.models import als, word2vec
from recsys.models.vectors import ItemVectors
from recsys.plural import counted
from recsys.spark.engine import SparkEngine, check_spark, spark_engine
from recsys.steps.fits import fit_als, fit_word2vec, within_budget
from recsys.steps.kept import (
    SUMMARY_N,
    check,
    clipped_note,
    depth_of,
    keep_agreement,
    keep_als_factors,
    keep_model,
    mean_over_known,
    replicate_depth,
    summary_n,
)
from recsys.steps.progress import Progress, Silence, Stages
from recsys.whatif.trust import measure_trust, trust_steps

LARGE_FROM = 5_000_000  # (listener, item) pairs
LARGE_MINUTES = 30.0  # for Word2vec, where the data are large
_BY_TIME = (
    "the speed of the machine chose epochs and window within the minutes given; with these as --epochs and --window "
    "the same seed gives the same vectors"
)
LIBRARIES = ("numpy", "scipy", "pandas", "pyarrow", "implicit", "gensim", "pynndescent")


def build(
    reader: str,
    source: Path,
    out: Path,
    config: BuildConfig,
    progress: Progress | None = None,
    *,
    fresh: bool = False,
    master: str | None = None,
) -> ArtifactSet:
    """Build an artifact set at `out` from the listening data at `source`, and put it in use.

    Whatever goes wrong, the build that was in use before stays in use. What was finished of it (reading, every fit,
    every neighbour graph, every map, the measurement of what-ifs) is kept in a folder beside the builds, so that the
    same build goes on there when it is asked for again: with the same files, settings and versions of libraries. The
    folder takes as much of the disk as what it holds will in the set, up to all of it, until the build is published or
    another one of this set is begun.

    fresh : begin anew, whatever is kept. master : read and fit on Spark there, as local[2] or spark://HOST:PORT.

    Raises
    ------
    InputError, ParameterError, ArtifactError : with what to do about it.
    """
    stages = Stages(progress or Silence())
    # Mistakes in parameters show before anything is read or trained.
    als_params = validated(als.AlsParams, config.als, "als")
    validated(word2vec.Word2vecParams, config.word2vec, "word2vec")
    if master is not None:
        check_spark(reader, config)
    libraries = LIBRARIES if master is None else (*LIBRARIES, "pyspark")
    versions = {"python": platform.python_version(), **{name: version(name) for name in libraries}}
    needs = {
        "reader": reader, "files": _files(source), "config": config.model_dump(), "versions": versions,
        "schema": SCHEMA_VERSION,
    }  # fmt: skip
    with (
        ArtifactWriter(out) as writer,
        kept_parts(out, needs, fresh=fresh) as parts,
        spark_engine(master, reader, source, config) if master else nullcontext() as spark,
    ):
        if parts.taken_up:
            stages.progress.stage(f"taken up from an interrupted build: {', '.join(parts.taken_up)}", None)
        interactions, digest = _read(reader, source, config, stages, parts, spark)
        _keep_interactions(writer, interactions)
        count = config.replicates or default_replicates(interactions)
        # One stream of random numbers a fit: adding replicates leaves the first ones as they were.
        als_seeds, word2vec_seeds = (np.random.SeedSequence([config.seed, model]).spawn(count) for model in (0, 1))
        if spark is None:
            word2vec_params, budget_notes = _word2vec_params(interactions, config, word2vec_seeds, stages, parts)
            als_fits = fit_als(interactions.user_items, als_params, als_seeds, stages, parts)
            word2vec_fits = fit_word2vec(interactions, word2vec_params, word2vec_seeds, stages, parts)
        else:
            word2vec_params, budget_notes = spark.word2vec_params(interactions), []
            als_fits = spark.fit_als(als_params, als_seeds, stages, parts)
            word2vec_fits = spark.fit_word2vec(word2vec_params, word2vec_seeds, stages, parts)
        vectors = {
            "als": ItemVectors.consensus([fit.item_factors for fit in als_fits]),
            "word2vec": ItemVectors.consensus([fit.vectors for fit in word2vec_fits]),
        }
        keep_als_factors(writer, als_fits)
        models = {
            name: keep_model(
                name, vectors[name], params.model_dump(), interactions.catalogue, config, writer, stages, parts
            )
            for name, params in (("als", als_params), ("word2vec", word2vec_params))
        }
        n = summary_n(config, interactions.n_items)
        agreement = keep_agreement(models, n, writer, stages)
        entries = {name: model.entry for name, model in models.items()}
        notes = clipped_note(als_fits, interactions.user_items.nnz)
        entries["als"] = entries["als"].model_copy(update={"notes": notes})
        if budget_notes:
            entries["word2vec"] = entries["word2vec"].model_copy(
                update={"notes": budget_notes, "repeatable": False, "repeatable_note": _BY_TIME}
            )
        warnings = _warnings(interactions, entries)
        if spark is not None:
            entries = {name: spark.told(name, entry) for name, entry in entries.items()}
            warnings.append(spark.warning)
        with stages("write"):
            checks = check(interactions.user_items.shape, als_fits, vectors, models)
            manifest = _manifest(interactions, digest, config, versions, entries, agreement, checks, warnings, writer)
        unpublished = ArtifactSet(writer.folder, manifest)
        if config.maps:
            manifest = with_maps(unpublished, writer, config.maps, config.seed, stages, parts.folder)
        if config.measure_whatif:
            manifest = manifest.model_copy(update={"whatif": _trust(unpublished, n, stages, parts)})
        build_id = writer.publish(manifest.model_copy(update={"timings": stages.seconds}))
    return ArtifactSet.open(out / build_id)


def _files(source: Path) -> list[tuple[str, int, int]]:
    """Path, size and time of the last change of each file of the input and of what lies beside it under its name."""
    files = paths_of(source)
    names = {(file.parent, file.name.split(".")[0]) for file in files}
    beside = [near for folder in {file.parent for file in files} for near in folder.iterdir() if near.is_file()]
    of_it = {*files, *(near for near in beside if (near.parent, near.name.split(".")[0]) in names)}
    return sorted((str(file.resolve()), file.stat().st_size, file.stat().st_mtime_ns) for file in of_it)


def _word2vec_params(
    interactions: Interactions,
    config: BuildConfig,
    seeds: Sequence[np.random.SeedSequence],
    stages: Stages,
    parts: Parts,
) -> tuple[word2vec.Word2vecParams, list[str]]:
    """Parameters of Word2vec; where a budget had a say in them, what it said."""
    minutes = config.word2vec_minutes or (LARGE_MINUTES if interactions.user_items.nnz >= LARGE_FROM else None)
    given = {"epochs", "window"} & config.word2vec.keys()
    by_time = minutes is not None and len(given) < 2
    by_data = word2vec.data_defaults(interactions.queues, math.inf if by_time else word2vec.MOST_PAIRS)
    wanted = validated(word2vec.Word2vecParams, {**by_data, **config.word2vec}, "word2vec")
    if minutes is None or not by_time:
        return wanted, []
    # A budget that nobody gave refuses nothing.
    params, words = within_budget(
        interactions, wanted, minutes, given, seeds, stages, parts, refuse=config.word2vec_minutes is not None
    )
    return params, [words]


def default_replicates(interactions: Interactions) -> int:
    """Four fits of each model, which a verdict on a single item needs; two where four would take hours."""
    return 4 if interactions.user_items.nnz < LARGE_FROM else 2


def read_log(reader: str, source: Path, config: BuildConfig, progress: Progress) -> Interactions:
    """The log at `source` as its reader gives it, nothing left out; progress in bytes on disk.

    Raises
    ------
    InputError, ParameterError : with what to do about it.
    """
    progress.stage(f"reading {source.name}", sum(file.stat().st_size for file in paths_of(source)))
    return read(reader, source, ReadOptions.of(config, progress.advance))


def _read(
    reader: str, source: Path, config: BuildConfig, stages: Stages, parts: Parts, spark: SparkEngine | None
) -> tuple[Interactions, str]:
    def read_and_filtered() -> Part:
        if spark is None:
            everything = read_log(reader, source, config, stages.progress)
            digests = [sha256_of(file) for file in everything.report.files]
            interactions = everything.with_min_listeners(config.min_listeners)
        else:
            stages.progress.stage(f"reading {source.name} on Spark", None)
            interactions, digests = spark.read()
        part = packed(interactions)
        part.numbers["sha256"] = hashlib.sha256("".join(sorted(digests)).encode()).hexdigest()
        return part

    with stages("read"):
        part = parts.once("reading", "reading", read_and_filtered)
    stages.add("read", part.seconds)
    return unpacked(part), part.numbers["sha256"]


def _keep_interactions(writer: ArtifactWriter, interactions: Interactions) -> None:
    catalogue = interactions.catalogue
    popularity = popularity_percentiles(catalogue["listeners"].to_numpy()).astype(np.float32)
    writer.table("items", catalogue.assign(popularity=popularity))
    for part in ("data", "indices", "indptr"):
        writer.array(f"user_items.{part}", getattr(interactions.user_items, part))
    writer.array("queues.items", interactions.queues.items)
    writer.array("queues.offsets", interactions.queues.offsets)


def _manifest(
    interactions: Interactions,
    digest: str,
    config: BuildConfig,
    versions: dict[str, str],
    entries: dict[str, ModelEntry],
    agreement: pd.DataFrame,
    checks: list[str],
    warnings: list[str],
    writer: ArtifactWriter,
) -> Manifest:
    """What is known of a build before it is mapped and timed."""
    n_items, catalogue = interactions.n_items, interactions.catalogue
    return Manifest(
        schema_version=SCHEMA_VERSION,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        source=_source(interactions, digest),
        counts=Counts(
            items=n_items,
            listeners=interactions.n_users,
            interactions=interactions.user_items.nnz,
            plays=float(catalogue["plays"].sum()),
            queues=len(interactions.queues),
            queues_ordered=interactions.queues.ordered,
        ),
        dropped=interactions.dropped,
        config=config.model_dump(),
        seed=config.seed,
        depth=depth_of(config, n_items),
        replicate_depth=replicate_depth(config, n_items),
        versions=versions,
        models=entries,
        agreement_n=summary_n(config, n_items),
        agreement=mean_over_known(agreement["overlap"].to_numpy(np.float64), catalogue["listeners"].to_numpy()),
        checks=checks,
        warnings=warnings,
        timings={},
        files=writer.files,
    )


def _trust(unpublished: ArtifactSet, n: int, stages: Stages, parts: Parts) -> Trust:
    def measured() -> Part:
        return Part(numbers=measure_trust(unpublished, n, stages.progress.advance).model_dump())

    with stages("whatif", "measuring how far quick what-ifs reach", trust_steps(unpublished)):
        part = parts.once("whatif", "how far quick what-ifs reach", measured)
    stages.add("whatif", part.seconds)
    return Trust(**part.numbers)


def _source(interactions: Interactions, digest: str) -> Source:
    report = interactions.report
    return Source(
        reader=report.reader,
        title=report.title,
        sha256=digest,
        files=[file.name for file in report.files],
        simulated=report.simulated,
        report=report.as_json(),
    )


def _warnings(interactions: Interactions, entries: dict[str, ModelEntry]) -> list[str]:
    words = list(interactions.report.notes)
    if not interactions.queues.ordered:
        words.append(
            "the data have no times: Word2vec was trained on each listener's whole set, not on what follows what"
        )
    if bad := interactions.report.bad.total():
        words.append(f"{bad:,} of {interactions.report.rows:,} rows could not be used")
    for entry in entries.values():
        if entry.items_missing:
            words.append(f"{entry.title} has no vector for {counted(entry.items_missing, 'item')}")
        if entry.noise_floor is None and entry.n_replicates < 2:
            words.append(f"{entry.title} has one replicate, so its noise is not known: build with 2 or more")
        if entry.recall is not None and entry.recall < 0.95:
            words.append(f"{entry.title}'s neighbour lists hold only {entry.recall:.0%} of the exact top {SUMMARY_N}")
    return words
