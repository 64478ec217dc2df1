"""A model of a set as files that other programs open: its vectors, and its neighbour lists."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from recsys.artifacts.store import ArtifactSet
from recsys.bridges import word2vec_format
from recsys.bridges.projector import METADATA, VECTORS, metadata_tsv, vectors_tsv
from recsys.errors import ArtifactError, ParameterError, writing
from recsys.interactions.spreadsheet import csv_bytes
from recsys.models.vectors import ItemVectors

Format = Literal["word2vec", "word2vec-binary", "npy", "parquet", "projector", "implicit"]
FORMATS: tuple[Format, ...] = get_args(Format)
IDS_BESIDE = ".ids.txt"


def export_vectors(
    artifacts: ArtifactSet, model: str, form: str, out: Path, replicate: int | None = None
) -> list[Path]:
    """Write the unit vectors of one model, of the items that it has, in catalogue order.

    Parameters
    ----------
    form : word2vec or word2vec-binary, which call items by their ids; npy, with the ids a line each in OUT.ids.txt;
        parquet: item_id, name, vector; projector: vectors.tsv and metadata.tsv in the folder `out`; implicit: what its
        `AlternatingLeastSquares.load` opens, with the ids beside as for npy and rows for all items, of one fit.
    replicate : one fit, from 0. None: the consensus, or for implicit the first.

    Returns
    -------
    The files that were written. Of ALS implicit gets factors as they were fitted, the listeners' too; of another model
    its unit vectors, without listeners.

    Raises
    ------
    ParameterError : there is no such model, format or replicate, or the format cannot hold these ids.
    ArtifactError : a file is there already, or cannot be written.
    """
    _check_model(artifacts, model)
    if form not in FORMATS:
        raise ParameterError(f"there is no format {form!r}; choose {', '.join(FORMATS)}")
    count = artifacts.manifest.models[model].n_replicates
    if replicate is not None and not 0 <= replicate < count:
        raise ParameterError(f"there is no replicate {replicate}; those of {model} go from 0 to {count - 1}")
    consensus = artifacts.vectors(model)
    every = artifacts.catalogue["item_id"].astype(str).tolist()
    if form == "implicit":
        arrays = _implicit(artifacts, model, consensus, replicate or 0)
        return [_written(out, partial(_save_all, arrays)), _written_ids(out, every)]
    vectors = consensus.vectors if replicate is None else consensus.only([replicate]).vectors
    rows = np.flatnonzero(consensus.present)
    vectors, items = vectors[rows], artifacts.catalogue.iloc[rows]
    ids = [every[row] for row in rows]
    if form == "npy":
        return [_written(out, partial(_save, vectors)), _written_ids(out, ids)]
    if form == "projector":
        columns = {"name": items["name"].tolist(), "item_id": ids, "listeners": items["listeners"].tolist()}
        contents = {VECTORS: vectors_tsv(vectors), METADATA: metadata_tsv(columns)}
        folder = _written(out, partial(_fill, contents))
        return [folder / name for name in contents]
    if form == "parquet":
        flat = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), vectors.shape[1])
        table = pa.table({"item_id": ids, "name": items["name"].astype(str).tolist(), "vector": flat})
        return [_written(out, partial(pq.write_table, table, compression="zstd"))]
    return [_written(out, partial(word2vec_format.write, ids, vectors, binary=form == "word2vec-binary"))]


def neighbour_table(artifacts: ArtifactSet, model: str, n: int) -> pd.DataFrame:
    """The stored neighbours of all items by one model.

    Returns
    -------
    One row an item and neighbour, best first: item_id, name, rank, neighbour_id, neighbour, similarity.

    Raises
    ------
    ParameterError : there is no such model, or n is outside 1 … the depth of the stored lists.
    """
    _check_model(artifacts, model)
    if not 1 <= n <= artifacts.manifest.depth:
        raise ParameterError(f"n is {n}; this artifact set holds lists of 1 to {artifacts.manifest.depth}")
    near = np.asarray(artifacts.neighbours(model)[:, :n])
    artifacts.check_rows(near)
    item, rank = np.nonzero(near >= 0)
    other = near[item, rank]
    ids, names = (artifacts.catalogue[column].to_numpy(object) for column in ("item_id", "name"))
    return pd.DataFrame(
        {
            "item_id": ids[item],
            "name": names[item],
            "rank": rank + 1,
            "neighbour_id": ids[other],
            "neighbour": names[other],
            "similarity": np.asarray(artifacts.similarities(model))[item, rank],
        }
    )


def export_neighbours(artifacts: ArtifactSet, model: str, n: int, out: Path) -> Path:
    """Write `neighbour_table` as CSV or Parquet, as the name of `out` ends; returns `out`.

    Raises
    ------
    ParameterError : as `neighbour_table`, or `out` ends otherwise.
    ArtifactError : it is there already, or cannot be written.
    """
    table = neighbour_table(artifacts, model, n)
    if out.suffix == ".csv":
        return _written(out, lambda file: file.write_bytes(csv_bytes(table)))
    if out.suffix == ".parquet":
        return _written(out, partial(table.to_parquet, index=False))
    raise ParameterError(f"{out} ends neither in .csv nor in .parquet; choose another --out")


def _check_model(artifacts: ArtifactSet, model: str) -> None:
    if model not in artifacts.model_names:
        raise ParameterError(f"there is no model {model!r}; there are {', '.join(artifacts.model_names)}")


def _implicit(artifacts: ArtifactSet, model: str, consensus: ItemVectors, replicate: int) -> dict[str, Any]:
    """What a saved model of implicit's holds; float32 (n_items, factors)."""
    if model != "als" or "als/item_factors.npy" not in artifacts.manifest.files:
        vectors = consensus.only([replicate]).vectors
        return {"item_factors": vectors, "factors": vectors.shape[1], "dtype": "float32"}
    params = artifacts.manifest.models[model].params
    kept: dict[str, Any] = {name: params[name] for name in ("factors", "regularization", "iterations")}
    factors = {f"{of}_factors": artifacts.array(f"als/{of}_factors")[replicate] for of in ("user", "item")}
    return {**factors, **kept, "dtype": "float32"}


def _save(vectors: npt.NDArray[np.float32], file: Path) -> None:
    with file.open("wb") as stream:
        np.save(stream, vectors, allow_pickle=False)


def _save_all(arrays: dict[str, Any], file: Path) -> None:
    with file.open("wb") as stream:
        np.savez(stream, **arrays)


def _fill(contents: dict[str, bytes], folder: Path) -> None:
    folder.mkdir()
    for name, content in contents.items():
        (folder / name).write_bytes(content)


def _written_ids(out: Path, ids: list[str]) -> Path:
    content = "".join(f"{' '.join(each.split())}\n" for each in ids).encode()
    return _written(out.with_name(out.name + IDS_BESIDE), lambda file: file.write_bytes(content))


def _written(out: Path, write: Callable[[Path], Any]) -> Path:
    """Beside and then in place, so that nobody meets half a file; returns `out`."""
    if out.exists():
        raise ArtifactError(f"{out} is there already; choose another --out")
    beside = out.with_name(f".{out.name}-{uuid.uuid4().hex[:8]}")
    with writing(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        try:
            write(beside)
            os.replace(beside, out)
        finally:
            shutil.rmtree(beside, ignore_errors=True) if beside.is_dir() else beside.unlink(missing_ok=True)
    return out
