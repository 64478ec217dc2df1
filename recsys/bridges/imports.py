"""A model that was trained elsewhere becomes one of a set, beside those of its build, and leaves it again."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from recsys.artifacts.evaluations import Evaluated, Evaluations
from recsys.artifacts.files import sha256_of
from recsys.artifacts.manifest import MODEL_NAME, MOST_MODELS, Imported
from recsys.artifacts.names import EVALUATION, evaluated_lists
from recsys.artifacts.store import ArtifactSet
from recsys.artifacts.writer import ArtifactWriter
from recsys.bridges.foreign import Foreign
from recsys.bridges.match import Found, match_labels
from recsys.bridges.readers import read_vectors
from recsys.config import BuildConfig
from recsys.errors import ArtifactError, InputError, ParameterError
from recsys.evaluation.words import distrust
from recsys.listener.matching import Matcher
from recsys.maps.kept import without_maps
from recsys.models.vectors import ItemVectors
from recsys.steps.kept import check, keep_model
from recsys.steps.progress import Progress, Silence, Stages

MOST_REPLICATES = 64
# Names of other files of a set, of what is compared besides models, and of fields beside which a model's name stands.
RESERVED = {
    "als", "word2vec", "bm25", "popularity", "random", "co_occurrence", "baseline", "whatif", "both", "all", "none",
    "items", "item", "n", "queues", "user_items", "agreement", "evaluation", "tuning", "maps", "manifest", "scenarios",
    "overlap", "jaccard", "rbo", "noise_floor", "p_value", "verdict", "evidence", "fingerprint", "profile", "matched",
    "remarks",
}  # fmt: skip
_RESERVED_STARTS = ("als_", "word2vec_", "bm25_")


def import_vectors(
    path: Path,
    name: str,
    files: Sequence[Path],
    *,
    ids: Path | None = None,
    id_column: str | None = None,
    progress: Progress | None = None,
) -> ArtifactSet:
    """Add vectors from files to the set at `path` as the model `name`; each file is one replicate.

    The result is a new build of the same set: nothing is trained, and neighbour lists, replicates and halves are made
    as a build makes them. Rows are matched to the catalogue, see `match.match_labels`; items that a file lacks, or has
    as zeros, are missing, as they are where a build's model lacks them.

    Parameters
    ----------
    name : small letters, digits, _ and -, beginning with a letter, at most 32; no name that means something else.
    files : see `readers.read_vectors`; of one length, and no two of them equal: noise is not known from copies.
    ids, id_column : for all of the files.

    Raises
    ------
    ParameterError : the name is taken or none, or files do not go together.
    InputError : a file cannot be read, or fewer than two of its rows are items of the set.
    ArtifactError : there is no set, it is a single build, it has MOST_MODELS already, or another build writes to it.
    """
    stages = Stages(progress or Silence())
    _check_name(name)
    base = ArtifactSet.open_to_change(path, "name")
    _refuse_taken(base, name)
    if not 1 <= len(files) <= MOST_REPLICATES:
        raise ParameterError(f"{len(files)} files of vectors were given; give 1 to {MOST_REPLICATES}, each a replicate")
    given = _given(files, ids, id_column, base, name, stages)
    vectors, more = _consensus(given.replicates, files)
    with ArtifactWriter(path) as writer:
        # Under the writer's lock: from here on nobody else replaces the build in use.
        now = ArtifactSet.open(path)
        _refuse_taken(now, name)
        if not now.has_items_of(base):
            raise ArtifactError(f"{path} was built anew meanwhile, with another catalogue; import the files again")
        writer.adopt(now)
        config = BuildConfig.model_validate(now.manifest.config)
        dimensions = given.replicates[0].shape[1]
        kept = keep_model(name, vectors, {"dimensions": dimensions}, now.catalogue, config, writer, stages)
        counts = now.manifest.counts
        check((counts.listeners, counts.items), [], {name: vectors}, {name: kept})
        entry = kept.entry.model_copy(
            update={
                "repeatable": True,
                "repeatable_note": "read from files, not trained: the same files give the same lists",
                "notes": [*given.notes, *more],
                "imported": Imported(
                    files=[file.name for file in files],
                    sha256=given.digests,
                    form=", ".join(dict.fromkeys(given.forms)),
                    dimensions=dimensions,
                ),
            }
        )
        build_id = writer.publish_changed(now, stages.seconds, models={**now.manifest.models, name: entry})
    return ArtifactSet.open(path / build_id)


def remove_model(path: Path, name: str) -> ArtifactSet:
    """Take an imported model out of the set at `path`, with its maps and what an evaluation found of it; a new build.

    Raises
    ------
    ParameterError : the set has no such model, or its build has trained it.
    ArtifactError : there is no set, it is a single build, or another build writes to it.
    """
    _refuse_own(ArtifactSet.open_to_change(path, "name"), name)
    with ArtifactWriter(path) as writer:
        now = ArtifactSet.open(path)
        _refuse_own(now, name)
        maps, goes_with_maps = without_maps(now, {each for each in now.maps if each.startswith(f"{name}/")})
        evaluated = {protocol: _evaluated_without(found, name) for protocol, found in now.evaluation.items()}
        again = {
            f"{evaluated_lists(protocol)}.parquet" for protocol, found in now.evaluation.items() if name in found.models
        } | ({f"{EVALUATION}.json"} if evaluated != now.evaluation else set())
        writer.adopt(now, but=lambda file: file.startswith(f"{name}/") or goes_with_maps(file) or file in again)
        if again:
            writer.document(EVALUATION, Evaluations(protocols=evaluated).model_dump(mode="json"))
        for protocol, found in now.evaluation.items():
            if name in found.models:
                lists = now.evaluation_lists(protocol)
                writer.table(evaluated_lists(protocol), lists[lists["model"] != name].reset_index(drop=True))
        models = {model: entry for model, entry in now.manifest.models.items() if model != name}
        build_id = writer.publish_changed(
            now, {}, models=models, **({} if now.manifest.maps is None else {"maps": maps})
        )
    return ArtifactSet.open(path / build_id)


def _check_name(name: str) -> None:
    if not re.fullmatch(MODEL_NAME, name):
        raise ParameterError(
            f"--model-name is {name!r}; give at most 32 small letters, digits, _ or -, beginning with a letter"
        )
    if name in RESERVED or name.startswith(_RESERVED_STARTS):
        raise ParameterError(f"--model-name is {name!r}, which means something else already; choose another")


def _refuse_taken(artifacts: ArtifactSet, name: str) -> None:
    names = artifacts.model_names
    if name in names:
        raise ParameterError(
            f"the set has a model {name!r} already; choose another --model-name, or take it out first: "
            f"python -m recsys remove-model {artifacts.folder.parent} {name}"
        )
    if len(names) >= MOST_MODELS:
        raise ArtifactError(
            f"the set has {len(names)} models ({', '.join(names)}), the most that it can hold; take one out first: "
            f"python -m recsys remove-model {artifacts.folder.parent} {names[-1]}"
        )


def _refuse_own(artifacts: ArtifactSet, name: str) -> None:
    entry = artifacts.manifest.models.get(name)
    if entry is None or entry.imported is None:
        there = [each for each, own in artifacts.manifest.models.items() if own.imported is not None]
        what = "was trained by its build and stays" if entry else "is not there"
        raise ParameterError(f"the model {name!r} {what}; imported are {', '.join(there) or 'none'}")


@dataclass(frozen=True)
class _Given:
    """What the files hold, a replicate each.

    replicates : float32 (n_items, d), zeros where there is none. notes : how rows were matched, a sentence each.
    """

    replicates: list[npt.NDArray[np.float32]]
    forms: list[str]
    digests: list[str]
    notes: list[str]


def _given(
    files: Sequence[Path], ids: Path | None, id_column: str | None, base: ArtifactSet, name: str, stages: Stages
) -> _Given:
    matcher = Matcher.of(base)
    replicates: list[npt.NDArray[np.float32]] = []
    said: dict[str, list[str]] = {}
    forms, digests = [], []
    for file in files:
        with stages(f"read_{name}", f"reading {file.name}", None):
            foreign = read_vectors(file, ids, id_column)
            found = match_labels(foreign.labels, matcher)
            _refuse_strangers(found, foreign, base, file)
            replicates.append(_in_order(found, foreign))
            forms.append(foreign.form)
            digests.append(sha256_of(file))
            zeros = int((found.row_of >= 0).sum() - np.any(replicates[-1], axis=1).sum())
            for words in (*found.words(), *([f"{zeros:,} of them are zeros, which is no vector"] if zeros else [])):
                said.setdefault(words, []).append(file.name)
    notes = [
        f"{'each file' if len(names) == len(files) > 1 else ', '.join(names)}: {words}" for words, names in said.items()
    ]
    return _Given(replicates, forms, digests, notes)


def _refuse_strangers(found: Found, foreign: Foreign, base: ArtifactSet, file: Path) -> None:
    known = int((found.row_of >= 0).sum())
    if known < 2:
        ids = base.catalogue["item_id"].iloc[:2].tolist()
        raise InputError(
            f"{known} of its {len(foreign.labels):,} rows are items of the set: it calls them "
            f"{', '.join(map(repr, foreign.labels[:2]))}, the set {', '.join(map(repr, ids))}; give other ids with "
            f"--ids or --id-column",
            file=file,
        )


def _in_order(found: Found, foreign: Foreign) -> npt.NDArray[np.float32]:
    """Vectors in catalogue order, zeros where there is none."""
    ordered = foreign.vectors[found.row_of]
    ordered[found.row_of < 0] = 0
    return ordered


def _consensus(replicates: list[npt.NDArray[np.float32]], files: Sequence[Path]) -> tuple[ItemVectors, list[str]]:
    """Side by side, and what is to be said of that."""
    for at, each in enumerate(replicates):
        if each.shape[1] != replicates[0].shape[1]:
            raise ParameterError(
                f"{files[0].name} has vectors of {replicates[0].shape[1]} numbers, {files[at].name} of "
                f"{each.shape[1]}; replicates of one model have as many"
            )
        copy = next((other for other in range(at) if np.array_equal(replicates[other], each)), None)
        if copy is not None:
            raise ParameterError(
                f"{files[copy].name} and {files[at].name} hold equal vectors, and of copies no noise is known; give "
                f"fits with other seeds"
            )
    if len(replicates) == 1:
        return ItemVectors.consensus(replicates), [
            "one file, so its noise is not known: import a fit with each of several seeds, --vectors FILE for each; "
            "four tell of single items"
        ]
    held_by = np.sum([np.any(each, axis=1) for each in replicates], axis=0)
    in_all = held_by == len(replicates)
    some = int(((held_by > 0) & ~in_all).sum())
    words = [f"{some:,} items that only some of the files have are missing"] if some else []
    return ItemVectors.consensus([np.where(in_all[:, None], each, 0) for each in replicates]), words


def _evaluated_without(found: Evaluated, name: str) -> Evaluated:
    """An evaluation as if one model had not been in it."""
    if name not in found.models:
        return found
    left = found.model_copy(
        update={
            "models": {model: own for model, own in found.models.items() if model != name},
            "differences": [each for each in found.differences if name not in (each.left, each.right)],
            "segments": [
                each.model_copy(update={"figures": {m: own for m, own in each.figures.items() if m != name}})
                for each in found.segments
            ],
        }
    )
    return left.model_copy(update={"distrust": distrust(left)})
