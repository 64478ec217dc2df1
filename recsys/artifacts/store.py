"""Artifact sets on disk: opened read-only, checked before they are believed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pandas as pd
import scipy.sparse as sp
from pydantic import ValidationError

from recsys.artifacts import manifest as manifests
from recsys.artifacts.evaluations import Evaluated, Evaluations, Protocol
from recsys.artifacts.files import Array, BuildFiles
from recsys.artifacts.manifest import Manifest
from recsys.artifacts.names import (
    CURRENT,
    EVALUATION,
    MANIFEST,
    REGION_COLUMNS,
    TRIAL_COLUMNS,
    TUNING_COLUMNS,
    WORD2VEC_TRIALS,
    belongs_to_set,
    evaluated_lists,
    is_build_id,
    map_file,
)
from recsys.errors import ArtifactError, DamagedArtifacts, MissingArtifacts, ParameterError
from recsys.interactions.log import Queues
from recsys.models.vectors import ItemVectors

CATALOGUE = "items.parquet"
MAX_MANIFEST_BYTES = 16 << 20
Pair = tuple[str, str]  # names of two models that are compared


@dataclass(frozen=True)
class ArtifactSet(BuildFiles):
    """One build, opened read-only. Arrays are mapped when first used, not read.

    Opening checks the manifest whole, every file's presence and size, of arrays dtype and shape, and the digests of
    small files; tables and documents are checked when they are read, whatever their size; `verify` checks all.
    """

    @classmethod
    def open(cls, path: Path) -> ArtifactSet:
        """Open the build in use of the artifact set at `path` (or, if `path` is one build's folder, that build).

        Raises
        ------
        MissingArtifacts : there is no artifact set.
        UnsupportedSchema : it was written with another schema version.
        DamagedArtifacts : a file is missing, cut or not what the manifest says.
        """
        folder = cls.folder_in_use(path)
        opened = cls(folder, _manifest(folder))
        opened.check_layout()
        large = opened.large_files
        for name in opened.manifest.files:
            if name not in large:
                opened.check_content(name)
        return opened

    @classmethod
    def open_to_change(cls, path: Path, verb: str) -> ArtifactSet:
        """As `open`, of a set that is to get a new build: not of a single build, which is never written to.

        verb : what is to be done to the set, in a word: "tune", "map".

        Raises
        ------
        ArtifactError : `path` is a single build's folder; others as of `open`.
        """
        if (path / MANIFEST).is_file():
            raise ArtifactError(f"{path} is a single build, which is never written to; {verb} its set: {path.parent}")
        return cls.open(path)

    @staticmethod
    def folder_in_use(path: Path) -> Path:
        """The folder of the build in use of the set at `path`; `path` itself if it is a build's folder.

        Raises
        ------
        MissingArtifacts, DamagedArtifacts : there is no set, or CURRENT names no build.
        """
        if (path / MANIFEST).is_file():
            return path
        if not (path / CURRENT).is_file():
            raise MissingArtifacts(
                f"{path} holds no artifact set; build one with: python -m recsys build READER --input PATH --out {path}"
            )
        folder = path / current_id(path)
        if folder.is_symlink():
            raise DamagedArtifacts(f"{folder} is a link; a build lies in its set; fetch or build the set again")
        return folder

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the manifest's canonical form, 64 hex digits; the identity of the build."""
        return self.manifest.fingerprint

    @property
    def model_names(self) -> list[str]:
        """The models of the build, then imported ones."""
        return list(self.manifest.models)

    @property
    def titles(self) -> dict[str, str]:
        """By model, its name for people."""
        return {name: model.title for name, model in self.manifest.models.items()}

    @property
    def pair(self) -> Pair:
        """The two models that are compared where nobody chose others: those of the build."""
        first, second = self.model_names[:2]
        return first, second

    def pair_of(self, names: Sequence[str]) -> Pair:
        """Two models by name, in the order of the set.

        Raises
        ------
        ParameterError : they are not two different models of the set.
        """
        chosen = [name for name in self.model_names if name in names]
        if len(chosen) != 2 or len(names) != 2:
            there = ", ".join(self.model_names)
            raise ParameterError(f"{','.join(names)!r} is not two models of this set; choose two of {there}")
        return chosen[0], chosen[1]

    def places(self, pair: Sequence[str]) -> tuple[int, int]:
        """Which of the set's models two are, from 0; colours and shapes go by it."""
        first, second = (self.model_names.index(name) for name in pair)
        return first, second

    @cached_property
    def catalogue(self) -> pd.DataFrame:
        """items.parquet: one row an item, in item_row order; popularity is the percentile of its listeners."""
        table = self.table("items")
        missing = {"item_id", "name", "listeners", "plays", "popularity", "tags"} - set(table.columns)
        if missing or len(table) != self.manifest.counts.items:
            raise DamagedArtifacts(f"{self.folder / CATALOGUE} does not hold the catalogue; build the set again")
        return table

    @cached_property
    def agreement(self) -> pd.DataFrame:
        """agreement.parquet: one row an item, see `analysis.agreement.catalogue_agreement`."""
        table = self.table("agreement")
        if "overlap" not in table or len(table) != self.manifest.counts.items:
            raise DamagedArtifacts(f"{self.folder / 'agreement.parquet'} is not one row an item; build the set again")
        return table

    @cached_property
    def tuning(self) -> pd.DataFrame | None:
        """tuning.parquet: one row a measured K1 and B, see `recsys.tuning.tune`; None where nothing was measured."""
        return self._measured("tuning", TUNING_COLUMNS, f"measure the grid again with: {self._tune}")

    @cached_property
    def word2vec_trials(self) -> pd.DataFrame | None:
        """word2vec_trials.parquet: one row a measured trial, see `recsys.tuning.word2vec_search`; None without any."""
        return self._measured(WORD2VEC_TRIALS, TRIAL_COLUMNS, f"search again with: {self._tune} --model word2vec")

    @property
    def _tune(self) -> str:
        return f"python -m recsys tune {self.folder.parent}"

    def _measured(self, name: str, columns: Sequence[str], mend: str) -> pd.DataFrame | None:
        file = f"{name}.parquet"
        if file not in self.manifest.files:
            return None
        table = self.table(name)
        if missing := [column for column in columns if column not in table]:
            raise DamagedArtifacts(f"{self.folder / file} has no column {', '.join(missing)}; {mend}")
        return table

    @cached_property
    def evaluation(self) -> dict[Protocol, Evaluated]:
        """evaluation.json: what was found, by protocol; empty where nothing was evaluated."""
        file = f"{EVALUATION}.json"
        if file not in self.manifest.files:
            return {}
        try:
            self.check_content(file)
            return Evaluations.model_validate_json((self.folder / file).read_bytes()).protocols
        except (OSError, ValidationError, DamagedArtifacts) as error:
            raise DamagedArtifacts(
                f"{self.folder / file} does not hold an evaluation; evaluate again with: "
                f"python -m recsys evaluate {self.folder.parent}"
            ) from error

    def evaluation_lists(self, protocol: Protocol) -> pd.DataFrame:
        """Every measure of every list, one row a model and list; see `recsys.evaluation.run.Outcome`.

        Raises
        ------
        DamagedArtifacts : there is none of this protocol.
        """
        name = evaluated_lists(protocol)
        if f"{name}.parquet" not in self.manifest.files:
            raise DamagedArtifacts(
                f"{self.folder / name}.parquet is not listed in the manifest; evaluate again with: "
                f"python -m recsys evaluate {self.folder.parent} --protocol {protocol}"
            )
        return self.table(name)

    @property
    def log_digests(self) -> dict[str, str]:
        """By file, the SHA-256 of what the listening log is kept in: the catalogue, play counts and queues."""
        return {
            name: entry.sha256
            for name, entry in self.manifest.files.items()
            if name == CATALOGUE or name.startswith(("user_items.", "queues."))
        }

    def has_items_of(self, other: ArtifactSet) -> bool:
        """Whether an item row is the same item in both; a set that was built again may hold other items."""
        return self.manifest.files[CATALOGUE].sha256 == other.manifest.files[CATALOGUE].sha256

    @cached_property
    def user_items(self) -> sp.csr_matrix:
        """Play counts, CSR float32 (n_users, n_items)."""
        parts = tuple(self.array(f"user_items.{part}") for part in ("data", "indices", "indptr"))
        shape = self.manifest.counts.listeners, self.manifest.counts.items
        try:
            matrix = sp.csr_matrix(parts, shape=shape, copy=False)
            # SciPy and implicit write where the indices say, without looking.
            matrix.check_format(full_check=True)
        except ValueError as error:
            raise DamagedArtifacts(f"{self.folder / 'user_items'}: {error}; build the set again") from error
        return matrix

    @cached_property
    def queues(self) -> Queues:
        """What was played after what, or each listener's whole set where the order is not known."""
        return Queues(
            self.array("queues.items"), self.array("queues.offsets"), ordered=self.manifest.counts.queues_ordered
        )

    def vectors(self, model: str) -> ItemVectors:
        """The vectors of all replicates side by side."""
        return ItemVectors(self.array(f"{model}/vectors"), self.manifest.models[model].n_replicates)

    def neighbours(self, model: str) -> Array:
        """int32 (n_items, depth), best first, -1 where there are fewer."""
        return self.array(f"{model}/neighbours")

    def check_rows(self, rows: Array) -> None:
        """Item rows read from a list are rows of the catalogue or -1; whoever uses them for look-ups asks first.

        Raises
        ------
        DamagedArtifacts : some are not.
        """
        if rows.size and not (rows.min() >= -1 and rows.max() < self.manifest.counts.items):
            raise DamagedArtifacts(
                f"{self.folder}: a neighbour list names the item row {rows.max() if rows.max() > 0 else rows.min()}, "
                f"outside 0 to {self.manifest.counts.items - 1}; run verify, then build the set again"
            )

    def similarities(self, model: str) -> Array:
        """float32 (n_items, depth), the cosine of each neighbour."""
        return self.array(f"{model}/similarities")

    def replicate_neighbours(self, model: str) -> list[Array]:
        """Each replicate's own lists, int32 (n_items, replicate_depth); none when there is one replicate."""
        count = self.manifest.models[model].n_replicates
        return [self.array(f"{model}/replicates/{r}") for r in range(count)] if count > 1 else []

    def half_neighbours(self, model: str) -> list[Array]:
        """The lists of two consensuses of half the replicates each, int32 (n_items, replicate_depth), or none."""
        count = self.manifest.models[model].n_replicates
        return [self.array(f"{model}/replicates/half_{half}") for half in "ab"] if count > 1 else []

    @property
    def maps(self) -> list[str]:
        """Names of the maps that are there, as MODEL/METHOD."""
        return [
            name
            for name, entry in (self.manifest.maps or {}).items()
            if f"{map_file(entry.model, entry.method)}.npy" in self.manifest.files
        ]

    def layout(self, model: str, method: str) -> Array:
        """Where each item stands on a map, float32 (n_items, 2); NaN for items without a vector."""
        return self.array(map_file(model, method))

    def map_faithfulness(self, model: str, method: str) -> Array:
        """Per item, see `analysis.faithfulness.faithfulness`; float32 (n_items,)."""
        return self.array(f"{map_file(model, method)}.faithfulness")

    def map_shift(self, model: str, method: str) -> Array | None:
        """Per item, how far it stands from where it stands on the map that the entry's `shift_from` names.

        float32 (n_items,), see `analysis.projection.shifts`; None where the map is compared with no other.
        """
        name = f"{map_file(model, method)}.shift"
        return self.array(name) if f"{name}.npy" in self.manifest.files else None

    def map_regions(self, model: str, method: str) -> pd.DataFrame:
        """Regions of a map and their names, see `analysis.regions.regions`; no row where they were not looked for."""
        name = f"{map_file(model, method)}.regions"
        if f"{name}.parquet" not in self.manifest.files:
            return pd.DataFrame(columns=REGION_COLUMNS)
        table = self.table(name)
        if not set(REGION_COLUMNS) <= set(table):
            raise DamagedArtifacts(f"{self.folder / name}.parquet does not hold regions; map the set again")
        return table


def verify(path: Path, on_bytes: Callable[[int], None] | None = None) -> list[str]:
    """What is wrong with the artifact set at `path`, all builds kept there included; [] when every byte is as written.

    Raises
    ------
    MissingArtifacts : there is no artifact set.
    """
    folders = [path]
    found: list[str] = []
    if not (path / MANIFEST).is_file():
        if not (path / CURRENT).is_file():
            ArtifactSet.open(path)
        folders = sorted(p for p in path.iterdir() if p.is_dir() and is_build_id(p.name))
        try:
            current = current_id(path)
        except ArtifactError as error:
            found.append(str(error))
        else:
            if not (path / current).is_dir():
                found.append(f"{path / CURRENT}: names the build {current}, which is not there")
        found += [
            f"{p}: does not belong to an artifact set" for p in sorted(path.iterdir()) if not belongs_to_set(p.name)
        ]
    for folder in folders:
        try:
            found += ArtifactSet.open(folder).problems(on_bytes)
        except ArtifactError as error:
            found.append(str(error))
    return found


def artifact_sets(root: Path) -> list[Path]:
    """Folders of artifact sets directly below `root`, by name; `root` itself if it is one."""
    if (root / CURRENT).is_file() or (root / MANIFEST).is_file():
        return [root]
    if not root.is_dir():
        return []
    return sorted(path for path in root.iterdir() if (path / CURRENT).is_file())


def _manifest(folder: Path) -> Manifest:
    path = folder / MANIFEST
    if path.is_symlink() or (path.exists() and not path.is_file()):
        raise DamagedArtifacts(f"{path} is no file of the set; fetch or build the set again")
    try:
        size = path.stat().st_size
        if size > MAX_MANIFEST_BYTES:
            raise DamagedArtifacts(f"{path} has {size:,} bytes, more than {MAX_MANIFEST_BYTES:,}; build the set again")
        content = path.read_bytes()
    except OSError as error:
        raise DamagedArtifacts(f"{path} cannot be read: {error.strerror}; build the set again") from error
    return manifests.from_bytes(content, str(path))


def current_id(path: Path) -> str:
    """The id of the build in use of the set at `path`, whether that build is there or not.

    Raises
    ------
    DamagedArtifacts : CURRENT is not there, cannot be read, or names no build.
    """
    if (path / CURRENT).is_symlink():
        raise DamagedArtifacts(f"{path / CURRENT} is a link; fetch or build the set again")
    try:
        with (path / CURRENT).open("rb") as stream:
            text = stream.read(64).decode("ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise DamagedArtifacts(f"{path / CURRENT} cannot be read; build the set again") from error
    build_id = text.removesuffix("\n")
    if not is_build_id(build_id) or text == build_id:
        raise DamagedArtifacts(f"{path / CURRENT} names no build ({text[:40]!r}); build the set again")
    return build_id
