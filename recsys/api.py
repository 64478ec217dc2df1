"""What the package offers to other programs: open a set, ask it, compare its models, bring vectors in and out.

All of it is to be had from `recsys` itself. What takes long, and what needs a large library, is imported when it is
first used.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import pandas as pd

from recsys.analysis.agreement import pair_agreement
from recsys.analysis.search import NameIndex
from recsys.analysis.side_by_side import SideBySide, compare_neighbours
from recsys.artifacts.store import ArtifactSet, Pair
from recsys.artifacts.store import verify as _verify

File = str | PathLike[str]
SHORT = 10


def open_set(path: File) -> ArtifactSet:
    """Open the build in use of an artifact set, read-only.

    Raises
    ------
    MissingArtifacts, UnsupportedSchema, DamagedArtifacts : it cannot be opened, and what to do about it.

    Examples
    --------
    >>> demo = open_set("artifacts/demo")
    >>> demo.model_names
    ['als', 'word2vec']
    >>> len(demo.catalogue) == demo.manifest.counts.items
    True
    """
    return ArtifactSet.open(Path(path))


def neighbours(artifacts: ArtifactSet, item: str, model: str, *, n: int = SHORT) -> pd.DataFrame:
    """One model's n nearest items of one item.

    Parameters
    ----------
    item : an id, or a name however it is written. n : 1 to the set's replicate depth.

    Returns
    -------
    One row a neighbour, best first: rank, item_id, name, similarity (cosine), stability (share of replicates with it in
    their top n; NaN with one replicate), listeners, popularity (percentile). Empty where the model lacks the item.

    Raises
    ------
    UnknownItem : no item is called so; carries suggestions.
    ParameterError : the set has no such model, or n is outside its limits.

    Examples
    --------
    >>> near = neighbours(open_set("artifacts/demo"), "radiohead", "als", n=3)
    >>> near["rank"].tolist()
    [1, 2, 3]
    >>> bool(near["similarity"].is_monotonic_decreasing)
    True
    """
    view = compare(artifacts, item, _pair_with(artifacts, model), n=n)
    return view.lists[model].drop(columns=["item_row", "shared", "move"])


def compare(artifacts: ArtifactSet, item: str, models: Sequence[str] | None = None, *, n: int = SHORT) -> SideBySide:
    """Two models' neighbours of one item, with the noise beside the difference; see `SideBySide` for what it holds.

    Parameters
    ----------
    models : two names; None for the models of the build.

    Raises
    ------
    UnknownItem, ParameterError : as for `neighbours`.

    Examples
    --------
    >>> view = compare(open_set("artifacts/demo"), "Radiohead", ["als", "word2vec"])
    >>> view.n_shared == round(view.overlap * 10)
    True
    >>> view.verdict in ("real", "noise", "unknown")
    True
    """
    pair = None if models is None else artifacts.pair_of(models)
    return compare_neighbours(artifacts, _row(artifacts, item), n=n, pair=pair)


def agreement(artifacts: ArtifactSet, models: Sequence[str] | None = None) -> pd.DataFrame:
    """How far two models agree on each item of the catalogue, at the set's agreement_n.

    Returns
    -------
    One row an item, in catalogue order: overlap, rbo, floor_MODEL of both, p_value; NaN where it cannot be known.

    Raises
    ------
    ParameterError : they are not two models of the set.

    Examples
    --------
    >>> demo = open_set("artifacts/demo")
    >>> agreement(demo).columns.tolist()
    ['overlap', 'rbo', 'floor_als', 'floor_word2vec', 'p_value']
    """
    return pair_agreement(artifacts, artifacts.pair if models is None else artifacts.pair_of(models))


def noise_floor(artifacts: ArtifactSet, model: str, item: str | None = None) -> float | None:
    """How much a model agrees with itself under other seeds: overlap of one half of its replicates with the other.

    Parameters
    ----------
    item : an id or a name; None for the mean over items with at least 10 listeners.

    Returns
    -------
    In [0, 1]; None where there is one replicate, or the model lacks the item.

    Raises
    ------
    UnknownItem, ParameterError : as for `neighbours`.

    Examples
    --------
    >>> demo = open_set("artifacts/demo")
    >>> noise_floor(demo, "als") > 0.5
    True
    >>> 0 <= noise_floor(demo, "als", "Radiohead") <= 1
    True
    """
    pair = _pair_with(artifacts, model)
    if item is None:
        return artifacts.manifest.models[model].noise_floor
    return compare(artifacts, item, pair, n=artifacts.manifest.agreement_n).noise_floor[model]


def recommend(
    artifacts: ArtifactSet, items: Mapping[str, float] | Sequence[str], model: str, *, n: int = SHORT
) -> pd.DataFrame:
    """What a model would give somebody who likes these items: ALS by folding them in, others by the mean of vectors.

    Parameters
    ----------
    items : ids or names; a mapping says how much each counts, below 0 for "less like this".

    Returns
    -------
    At most n rows, best first: rank, item_id, name, score, stability, listeners, popularity.

    Raises
    ------
    UnknownItem : no item is called so. ParameterError : no such model, or n or a weight is outside its limits.

    Examples
    --------
    >>> demo = open_set("artifacts/demo")
    >>> offered = recommend(demo, {"Radiohead": 2, "Portishead": 1}, "word2vec", n=5)
    >>> len(offered), "Radiohead" in set(offered["name"])
    (5, False)
    """
    from recsys.listener.profile import Profile
    from recsys.listener.recommend import Recommender, usual_way

    weights = items if isinstance(items, Mapping) else dict.fromkeys(items, 1.0)
    index = _index(artifacts)
    profile = Profile.of_picks({index.find(item): float(weight) for item, weight in weights.items()}, artifacts)
    return Recommender(artifacts).recommend(profile, usual_way(model), n=n).table.drop(columns="item_row")


def build(reader: str, source: File, out: File, **settings: Any) -> ArtifactSet:
    """Train both models on the listening data at `source` and put the artifact set at `out` in use.

    Parameters
    ----------
    reader : how to read it, as `python -m recsys build --help` lists them. settings : see `recsys.config.BuildConfig`.

    Raises
    ------
    InputError, ParameterError, ArtifactError : with what to do about it.

    Examples
    --------
    >>> build("events", "no-such-file.csv", "out", replicates=0)
    Traceback (most recent call last):
        ...
    recsys.errors.ParameterError: build: replicates = 0: input should be greater than or equal to 1
    """
    from recsys.config import BuildConfig, validated
    from recsys.pipeline import build as run

    return run(reader, Path(source), Path(out), validated(BuildConfig, settings, "build"))


def import_vectors(
    path: File, name: str, files: Sequence[File] | File, *, ids: File | None = None, id_column: str | None = None
) -> ArtifactSet:
    """Add vectors that were trained elsewhere to the set at `path` as the model `name`; a file is a replicate.

    Files are word2vec text or binary, implicit's .npz, .npy, Parquet, or the Embedding Projector's vectors.tsv; nothing
    in them is ever run. What was matched, and what was not, stands in `manifest.models[name].notes` of the result.

    Parameters
    ----------
    ids : what the rows are called, for files that do not say. id_column : of a table, where its ids are.

    Raises
    ------
    ParameterError, InputError, ArtifactError : with what to do about it.

    Examples
    --------
    >>> import_vectors("artifacts/demo", "als", "vectors.txt")
    Traceback (most recent call last):
        ...
    recsys.errors.ParameterError: --model-name is 'als', which means something else already; choose another
    """
    from recsys.bridges.imports import import_vectors as run

    each = [files] if isinstance(files, str | PathLike) else files
    known = None if ids is None else Path(ids)
    return run(Path(path), name, [Path(file) for file in each], ids=known, id_column=id_column)


def remove_model(path: File, name: str) -> ArtifactSet:
    """Take an imported model out of the set at `path` again.

    Raises
    ------
    ParameterError, ArtifactError : with what to do about it.

    Examples
    --------
    >>> remove_model("artifacts/demo", "als")
    Traceback (most recent call last):
        ...
    recsys.errors.ParameterError: the model 'als' was trained by its build and stays; imported are none
    """
    from recsys.bridges.imports import remove_model as run

    return run(Path(path), name)


def export_vectors(
    artifacts: ArtifactSet, model: str, form: str, out: File, *, replicate: int | None = None
) -> list[Path]:
    """Write a model's vectors as word2vec, word2vec-binary, npy, parquet, projector or implicit; the files written.

    Parameters
    ----------
    replicate : one fit, from 0; None for all of them together (for implicit the first).

    Raises
    ------
    ParameterError, ArtifactError : with what to do about it.

    Examples
    --------
    >>> export_vectors(open_set("artifacts/demo"), "bpr", "npy", "out.npy")
    Traceback (most recent call last):
        ...
    recsys.errors.ParameterError: there is no model 'bpr'; there are als, word2vec
    """
    from recsys.bridges.exports import export_vectors as run

    return run(artifacts, model, form, Path(out), replicate)


def export_neighbours(artifacts: ArtifactSet, model: str, out: File, *, n: int = SHORT) -> Path:
    """Write the stored neighbours of all items by one model as CSV or Parquet, as the name of `out` ends.

    Raises
    ------
    ParameterError, ArtifactError : with what to do about it.

    Examples
    --------
    >>> export_neighbours(open_set("artifacts/demo"), "als", "near.xls")
    Traceback (most recent call last):
        ...
    recsys.errors.ParameterError: near.xls ends neither in .csv nor in .parquet; choose another --out
    """
    from recsys.bridges.exports import export_neighbours as run

    return run(artifacts, model, n, Path(out))


def verify(path: File) -> list[str]:
    """What is wrong with the set at `path`, its bytes against the digests in its manifest; [] when all is as written.

    Raises
    ------
    MissingArtifacts : there is no artifact set.

    Examples
    --------
    >>> verify("artifacts/demo")
    []
    """
    return _verify(Path(path))


def _pair_with(artifacts: ArtifactSet, model: str) -> Pair:
    """Any two models of which this is one."""
    return artifacts.pair if model in artifacts.pair else artifacts.pair_of([artifacts.pair[0], model])


def _index(artifacts: ArtifactSet) -> NameIndex:
    return NameIndex(artifacts.catalogue["item_id"].tolist(), artifacts.catalogue["name"].tolist())


def _row(artifacts: ArtifactSet, item: str) -> int:
    return _index(artifacts).find(item)
