"""Artifact sets on disk: written beside and switched in last, opened read-only, checked before they are believed."""

from __future__ import annotations

import fcntl
import hashlib
import json
import math
import os
import re
import shutil
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tokenize import TokenError
from typing import IO, Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import scipy.sparse as sp
from pydantic import ValidationError

from recsys.artifacts import manifest as manifests
from recsys.artifacts.evaluations import Evaluated, Evaluations, Protocol
from recsys.artifacts.manifest import FileEntry, Manifest
from recsys.errors import ArtifactError, DamagedArtifacts, MissingArtifacts, ParameterError, refusal, writing
from recsys.interactions.log import Queues

CURRENT = "CURRENT"
MANIFEST = "manifest.json"
BETWEEN = "--"  # between the names of a set and of a scenario that is kept beside it
BUILDING = ".building-"
TUNING = ".tuning-"
MAPS = ".maps-"
STAGES = ".stages-"
EVALUATION = "evaluation"
MAX_MANIFEST_BYTES = 16 << 20
MOST_TABLE_BYTES = 1 << 29  # what a million items take is a third of it
# What opening reads whole, a file and all of them: 64 MiB take 50 ms.
SMALL_BYTES = 4 << 20
ALL_SMALL_BYTES = 64 << 20
_BUILD_ID = re.compile(r"[0-9a-f]{12}(-[0-9a-f]{8})?\Z")
_UNFINISHED_ID = re.compile(rf"({'|'.join(map(re.escape, (TUNING, MAPS, STAGES)))})[0-9a-f]{{12}}\Z")
_DTYPES = {"float32", "int32", "int64"}
REGION_COLUMNS = ["level", "x", "y", "items", "label"]
TUNING_COLUMNS = (
    "k1", "b", "ndcg", "ndcg_low", "ndcg_high", "recall", "recall_low", "recall_high", "behind", "behind_low",
    "behind_high", "best_region", "noise_floor", "coverage", "popularity", "tag_share", "clipped", "reason",
)  # fmt: skip
WORD2VEC_TRIALS = "word2vec_trials"
TRIAL_COLUMNS = (
    "trial", "origin", "everything", "window", "epochs", "sample", "ns_exponent", "negative", "vector_size", "alpha",
    "ndcg", "ndcg_low", "ndcg_high", "recall", "recall_low", "recall_high", "between_fits", "behind", "behind_low",
    "behind_high", "best_region",
)  # fmt: skip

Array = npt.NDArray[Any]
Pair = tuple[str, str]  # names of two models that are compared


class ArtifactWriter:
    """Files of one build, written into a folder of its own beside the build in use.

    Nothing that others see changes until `publish`. Used as a context manager, an unpublished build is removed.
    """

    def __init__(self, out: Path) -> None:
        if out.exists() and not out.is_dir():
            raise ArtifactError(f"{out} is a file; choose another --out")
        strangers = [p.name for p in out.iterdir() if not _ours(p)] if out.exists() else []
        if strangers:
            raise ArtifactError(
                f"{out} holds other files ({', '.join(sorted(strangers)[:3])}); choose an empty or new folder for --out"
            )
        self._is_new = not out.exists()
        self.out = out
        self.folder = out / f"{BUILDING}{uuid.uuid4().hex[:8]}"
        self.files: dict[str, FileEntry] = {}
        with writing(out):
            out.mkdir(parents=True, exist_ok=True)
            # Held on the folder itself: leaves no file behind, and the kernel lets go when the process dies.
            self._lock = os.open(out, os.O_RDONLY)
            try:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                os.close(self._lock)
                if not isinstance(error, BlockingIOError):
                    raise
                raise ArtifactError(
                    f"another build is writing to {out}; wait for it or choose another --out"
                ) from error
        try:
            with writing(out):
                self._clear_unpublished()
                self.folder.mkdir()
        except ArtifactError:
            self.__exit__()
            raise

    def __enter__(self) -> ArtifactWriter:
        return self

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        os.close(self._lock)
        if self._is_new:
            with suppress(OSError):  # there is something in it
                self.out.rmdir()

    def array(self, name: str, array: Array) -> None:
        """Keep one array as `name`.npy.

        Raises
        ------
        ParameterError : a dtype that artifact sets do not hold.
        ArtifactError : it cannot be written; so for tables and documents.
        """
        array = np.ascontiguousarray(array)
        if array.dtype.name not in _DTYPES:
            raise ParameterError(f"{name} is {array.dtype}; artifact sets hold {', '.join(sorted(_DTYPES))}")
        with self._written(f"{name}.npy", array) as path, path.open("wb") as stream:
            np.save(stream, array, allow_pickle=False)
            _flush(stream)

    def table(self, name: str, table: pd.DataFrame) -> None:
        """Keep one table as `name`.parquet."""
        arrow = pa.Table.from_pandas(table, preserve_index=False).replace_schema_metadata(None)
        with self._written(f"{name}.parquet") as path:
            pq.write_table(arrow, path, compression="zstd")
            with path.open("rb") as stream:
                _flush(stream)

    def document(self, name: str, document: dict[str, Any]) -> None:
        """Keep one JSON document as `name`.json."""
        with self._written(f"{name}.json") as path, path.open("w", encoding="utf-8") as stream:
            json.dump(document, stream, ensure_ascii=False, indent=1, allow_nan=False)
            _flush(stream)

    def adopt(self, base: ArtifactSet, but: Callable[[str], bool] = lambda name: False) -> None:
        """Take over the files of another build as they are, except those that `but` names.

        Linked where the disk allows it, else copied: files of a build are never written to again.
        """
        for name, entry in base.manifest.files.items():
            if but(name):
                continue
            path = self.folder / name
            with writing(path):
                path.parent.mkdir(parents=True, exist_ok=True)
                try:
                    os.link(base.folder / name, path)
                except OSError:
                    shutil.copyfile(base.folder / name, path)
                    with path.open("rb") as stream:
                        _flush(stream)
            self.files[name] = entry

    def publish(self, manifest: Manifest) -> str:
        """Write the manifest, name the build after its fingerprint and switch CURRENT to it; returns the build id.

        Killed at any moment, this leaves the old build or the new one in use, whole. The build before stays on disk,
        because running sessions may have it open; older ones go.

        Raises
        ------
        ArtifactError : the disk refuses something.
        """
        with writing(self.out):
            return self._publish(manifest)

    def _publish(self, manifest: Manifest) -> str:
        content = manifests.to_bytes(manifest)
        with (self.folder / MANIFEST).open("wb") as stream:
            stream.write(content)
            _flush(stream)
        for folder in [self.folder, *(p for p in self.folder.rglob("*") if p.is_dir())]:
            _flush_folder(folder)
        build_id = manifest.fingerprint[:12]
        is_there = _is_sound(self.out / build_id)
        if not is_there and (self.out / build_id).exists():
            # What may be in use is never written over, sound or not.
            build_id = f"{build_id}-{uuid.uuid4().hex[:8]}"
        try:
            previous = _current_id(self.out)
        except ArtifactError:
            previous = None  # none yet, or damaged: this build mends it
        beside = self.out / f"{BUILDING}{uuid.uuid4().hex[:8]}"
        try:
            # All that takes room comes before anything is where others look.
            with beside.open("w", encoding="ascii") as stream:
                stream.write(f"{build_id}\n")
                _flush(stream)
            if not is_there:
                os.rename(self.folder, self.out / build_id)
                _flush_folder(self.out)
            if (self.out / CURRENT).is_dir():
                shutil.rmtree(self.out / CURRENT)
            os.replace(beside, self.out / CURRENT)
        except OSError:
            beside.unlink(missing_ok=True)
            raise
        _flush_folder(self.out)
        if previous != build_id:
            self._clear({build_id, previous})
        return build_id

    def _clear(self, keep: set[str | None]) -> None:
        """Remove all builds but those."""
        for path in self.out.iterdir():
            if _BUILD_ID.match(path.name) and path.name not in keep:
                # Under another name first: killed in between, half a build would look like a damaged one.
                leaving = self.out / f"{BUILDING}{uuid.uuid4().hex[:8]}"
                with suppress(OSError):
                    os.rename(path, leaving)
                    shutil.rmtree(leaving, ignore_errors=True)

    def _clear_unpublished(self) -> None:
        """Remove what killed builds left behind."""
        for path in self.out.glob(f"{BUILDING}*"):
            if path != self.folder:
                shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)

    @contextmanager
    def _written(self, name: str, array: Array | None = None) -> Iterator[Path]:
        """Where a file is to be written; entered into the manifest's list when the block ends."""
        path = self.folder / name
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            # What was taken over may be the very file of another build.
            path.unlink(missing_ok=True)
            yield path
            self.files[name] = FileEntry(
                size=path.stat().st_size,
                sha256=sha256_of(path),
                dtype=array.dtype.name if array is not None else None,
                shape=list(array.shape) if array is not None else None,
            )


@dataclass(frozen=True)
class ArtifactSet:
    """One build, opened read-only. Arrays are mapped when first used, not read.

    Opening checks the manifest whole, every file's presence and size, of arrays dtype and shape, and the digests of
    small files; tables and documents are checked when they are read, whatever their size; `verify` checks all.
    """

    folder: Path
    manifest: Manifest

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
        opened._check_layout()
        large = opened.large_files
        for name in opened.manifest.files:
            if name not in large:
                opened.check_content(name)
        return opened

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
        folder = path / _current_id(path)
        if folder.is_symlink():
            raise DamagedArtifacts(f"{folder} is a link; a build lies in its set; fetch or build the set again")
        return folder

    @cached_property
    def large_files(self) -> set[str]:
        """Files that opening does not read: above SMALL_BYTES, or beyond ALL_SMALL_BYTES with all smaller ones."""
        large, read = set(), 0
        for name, entry in sorted(self.manifest.files.items(), key=lambda file: (file[1].size, file[0])):
            read += entry.size
            if entry.size > SMALL_BYTES or read > ALL_SMALL_BYTES:
                large.add(name)
        return large

    def check_content(self, name: str, on_bytes: Callable[[int], None] | None = None) -> None:
        """Compare a file with its digest, unless that was done since it last changed.

        on_bytes : told how many bytes more are read.

        Raises
        ------
        DamagedArtifacts : it is not what was written, or cannot be read.
        """
        path = self.folder / name
        try:
            found = _known_sha256(path, on_bytes)
        except OSError as error:
            raise DamagedArtifacts(f"{path} cannot be read: {refusal(error)}") from error
        if found != self.manifest.files[name].sha256:
            raise DamagedArtifacts(
                f"{path} does not hold what was written: numbers from it may be wrong; build the set again, or "
                "fetch it again"
            )

    @cached_property
    def fingerprint(self) -> str:
        return self.manifest.fingerprint

    @property
    def model_names(self) -> list[str]:
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
        table = self._table("items")
        missing = {"item_id", "name", "listeners", "plays", "popularity", "tags"} - set(table.columns)
        if missing or len(table) != self.manifest.counts.items:
            raise DamagedArtifacts(f"{self.folder / 'items.parquet'} does not hold the catalogue; build the set again")
        return table

    @cached_property
    def agreement(self) -> pd.DataFrame:
        """agreement.parquet: one row an item, see `analysis.agreement.catalogue_agreement`."""
        table = self._table("agreement")
        if "overlap" not in table or len(table) != self.manifest.counts.items:
            raise DamagedArtifacts(f"{self.folder / 'agreement.parquet'} is not one row an item; build the set again")
        return table

    @cached_property
    def tuning(self) -> pd.DataFrame | None:
        """tuning.parquet: one row a measured K1 and B, see `recsys.tuning.tune`; None where nothing was measured."""
        if "tuning.parquet" not in self.manifest.files:
            return None
        table = self._table("tuning")
        missing = [name for name in TUNING_COLUMNS if name not in table]
        if missing:
            raise DamagedArtifacts(
                f"{self.folder / 'tuning.parquet'} has no column {', '.join(missing)}; measure the grid again with: "
                f"python -m recsys tune {self.folder.parent}"
            )
        return table

    @cached_property
    def word2vec_trials(self) -> pd.DataFrame | None:
        """word2vec_trials.parquet: one row a measured trial, see `recsys.tuning.word2vec_search`; None without any."""
        file = f"{WORD2VEC_TRIALS}.parquet"
        if file not in self.manifest.files:
            return None
        table = self._table(WORD2VEC_TRIALS)
        missing = [name for name in TRIAL_COLUMNS if name not in table]
        if missing:
            raise DamagedArtifacts(
                f"{self.folder / file} has no column {', '.join(missing)}; search again with: "
                f"python -m recsys tune {self.folder.parent} --model word2vec"
            )
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
        return self._table(name)

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
        return Queues(
            self.array("queues.items"), self.array("queues.offsets"), ordered=self.manifest.counts.queues_ordered
        )

    def array(self, name: str) -> Array:
        """The array kept as `name`.npy, mapped read-only.

        Raises
        ------
        DamagedArtifacts : it is not listed, or not the array that the manifest describes.
        """
        file = f"{name}.npy"
        path = self.folder / file
        entry = self.manifest.files.get(file)
        if entry is None:
            raise DamagedArtifacts(f"{path} is not listed in the manifest; build the set again")
        self._check_size(path, entry)
        try:
            array = _mapped(path)
        except OSError as error:
            raise DamagedArtifacts(f"{path} cannot be read: {refusal(error)}") from error
        except (ValueError, EOFError, SyntaxError, TypeError, TokenError) as error:
            raise DamagedArtifacts(f"{path} is not a plain array: {error}; build the set again") from error
        if array.dtype.name != entry.dtype or list(array.shape) != entry.shape or not array.flags.c_contiguous:
            raise DamagedArtifacts(
                f"{path} holds {array.dtype} {list(array.shape)}, the manifest says {entry.dtype} {entry.shape}; "
                f"build the set again"
            )
        # A plain view: np.memmap's own methods cost 10 µs each.
        return array.view(np.ndarray)

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
            if f"{_map_file(entry.model, entry.method)}.npy" in self.manifest.files
        ]

    def layout(self, model: str, method: str) -> Array:
        """Where each item stands on a map, float32 (n_items, 2); NaN for items without a vector."""
        return self.array(_map_file(model, method))

    def map_faithfulness(self, model: str, method: str) -> Array:
        """Per item, see `analysis.faithfulness.faithfulness`; float32 (n_items,)."""
        return self.array(f"{_map_file(model, method)}.faithfulness")

    def map_shift(self, model: str, method: str) -> Array | None:
        """Per item, how far it stands from where it stands on the map that the entry's `shift_from` names.

        float32 (n_items,), see `analysis.projection.shifts`; None where the map is compared with no other.
        """
        name = f"{_map_file(model, method)}.shift"
        return self.array(name) if f"{name}.npy" in self.manifest.files else None

    def map_regions(self, model: str, method: str) -> pd.DataFrame:
        """Regions of a map and their names, see `analysis.regions.regions`; no row where they were not looked for."""
        name = f"{_map_file(model, method)}.regions"
        if f"{name}.parquet" not in self.manifest.files:
            return pd.DataFrame(columns=REGION_COLUMNS)
        table = self._table(name)
        if not set(REGION_COLUMNS) <= set(table):
            raise DamagedArtifacts(f"{self.folder / name}.parquet does not hold regions; map the set again")
        return table

    def _table(self, name: str) -> pd.DataFrame:
        path = self.folder / f"{name}.parquet"
        self.check_content(f"{name}.parquet")
        try:
            # Without the pandas metadata of the file: column types come from the data alone.
            table = _read_parquet(path).replace_schema_metadata(None)
            frame: pd.DataFrame = table.to_pandas(ignore_metadata=True)
        except MemoryError:
            raise  # Arrow's is one of its own errors too, and says nothing of the file
        except (OSError, pa.ArrowException, KeyError, UnicodeDecodeError) as error:
            raise DamagedArtifacts(f"{path} is not a readable table: {error}; build the set again") from error
        return frame

    def _check_layout(self) -> None:
        here = self.folder.resolve()
        for name, entry in self.manifest.files.items():
            self._check_size(self.folder / name, entry)
            if (self.folder / name).resolve() != here / name:
                raise DamagedArtifacts(f"{self.folder / name} lies behind a link; fetch or build the set again")
            if entry.dtype is not None:
                self.array(name.removesuffix(".npy"))

    @staticmethod
    def _check_size(path: Path, entry: FileEntry) -> None:
        if path.is_symlink() or not path.is_file():
            raise DamagedArtifacts(f"{path} is missing; build the set again, or fetch it again")
        size = path.stat().st_size
        if size != entry.size:
            raise DamagedArtifacts(
                f"{path} has {size:,} bytes, the manifest says {entry.size:,}; build the set again, or fetch it again"
            )

    def problems(self, on_bytes: Callable[[int], None] | None = None) -> list[str]:
        """Every file whose content is not what the manifest says, and every file it does not list; [] when sound."""
        found = []
        for name, entry in sorted(self.manifest.files.items()):
            try:
                if sha256_of(self.folder / name, on_bytes) != entry.sha256:
                    found.append(f"{self.folder / name}: content does not match its digest")
            except OSError as error:
                found.append(f"{self.folder / name}: cannot be read: {refusal(error)}")
        listed = {*self.manifest.files, MANIFEST}
        for path in sorted(self.folder.rglob("*")):
            name = path.relative_to(self.folder).as_posix()
            if not path.is_dir() and name not in listed:
                found.append(f"{path}: is not listed in the manifest")
        return found


@contextmanager
def unfinished_work(path: Path, name: str, doing: str) -> Iterator[Path]:
    """The folder `name` in the set at `path` where finished parts of long work wait, for one process at a time.

    doing : what another process would be doing to the set, in words: "tuned", "mapped".

    Raises
    ------
    ArtifactError : it cannot be written to, or another process holds it.
    """
    folder = path / name
    with writing(folder):
        folder.mkdir(exist_ok=True)
        lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            # As for builds: the kernel lets go when the process dies.
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ArtifactError(f"{path} is being {doing} with the same settings already; wait for it") from error
        yield folder
    finally:
        os.close(lock)


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
        folders = sorted(p for p in path.iterdir() if p.is_dir() and _BUILD_ID.match(p.name))
        try:
            current = _current_id(path)
        except ArtifactError as error:
            found.append(str(error))
        else:
            if not (path / current).is_dir():
                found.append(f"{path / CURRENT}: names the build {current}, which is not there")
        found += [f"{p}: does not belong to an artifact set" for p in sorted(path.iterdir()) if not _ours(p)]
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


def sha256_of(path: Path, on_bytes: Callable[[int], None] | None = None) -> str:
    """SHA-256 of a file's content, 64 hex digits."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
            if on_bytes:
                on_bytes(len(block))
    return digest.hexdigest()


FileState = tuple[int, int, int, int, int]
_SETTLED_AFTER = 2_000_000_000  # ns; in less, a file system's clock need not have moved between two changes
_MOST_DIGESTS = 10_000
_digests: dict[FileState, str] = {}


def file_state(path: Path) -> FileState:
    """What differs when a file was changed or another one is in its place; content cannot be read from it."""
    stat = path.stat()
    return stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns


def _known_sha256(path: Path, on_bytes: Callable[[int], None] | None) -> str:
    """As `sha256_of`, but a file is read once a process, until it changes."""
    state = file_state(path)
    digest = _digests.get(state)
    if digest is None:
        digest = sha256_of(path, on_bytes)
        if time.time_ns() - state[-1] > _SETTLED_AFTER:
            if len(_digests) >= _MOST_DIGESTS:
                _digests.clear()
            _digests[state] = digest
    return digest


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


def _current_id(path: Path) -> str:
    if (path / CURRENT).is_symlink():
        raise DamagedArtifacts(f"{path / CURRENT} is a link; fetch or build the set again")
    try:
        with (path / CURRENT).open("rb") as stream:
            text = stream.read(64).decode("ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise DamagedArtifacts(f"{path / CURRENT} cannot be read; build the set again") from error
    build_id = text.removesuffix("\n")
    if not _BUILD_ID.match(build_id) or text == build_id:
        raise DamagedArtifacts(f"{path / CURRENT} names no build ({text[:40]!r}); build the set again")
    return build_id


def evaluated_lists(protocol: Protocol) -> str:
    """Name of the table with every list's measures."""
    return f"{EVALUATION}/{protocol}"


def _mapped(path: Path) -> Array:
    """A .npy file as artifact sets hold it, mapped read-only.

    NumPy maps whatever a header says; with some shapes the process then dies of a division by zero.
    """
    with path.open("rb") as stream:
        np.lib.format.read_magic(stream)
        try:
            shape, by_column, dtype = np.lib.format.read_array_header_1_0(stream)
        except MemoryError:  # of Python's parser, which holds no more brackets in one another
            raise ValueError("its header cannot be read") from None
        offset = stream.tell()
    if dtype.name not in _DTYPES or by_column or offset + math.prod(shape) * dtype.itemsize != path.stat().st_size:
        raise ValueError(f"its header says {dtype} {list(shape)}, which its size does not hold")
    return np.memmap(path, dtype, "r", offset, shape)


def _read_parquet(path: Path) -> pa.Table:
    """A whole table; not one that unpacks to more than MOST_TABLE_BYTES, which a small file can.

    Texts are read as they are kept, each once, and spelled out when it is known how much that is.
    """
    with pq.ParquetFile(path) as file:
        metadata, schema = file.metadata, file.schema_arrow
    columns = range(metadata.num_columns)
    groups = [metadata.row_group(at) for at in range(metadata.num_row_groups)]
    taken = 8 * sum(group.column(at).num_values for group in groups for at in columns)
    leaves = [metadata.schema.column(at) for at in columns]
    if taken <= MOST_TABLE_BYTES:
        texts = [leaf.path for leaf in leaves if leaf.physical_type == "BYTE_ARRAY"]
        with pq.ParquetFile(path, read_dictionary=texts) as file:
            table = file.read()
        taken += sum(_spelled_out(column) for column in table.columns)
    if taken > MOST_TABLE_BYTES:
        raise pa.ArrowInvalid(f"it unpacks to {taken:,} bytes, more than {MOST_TABLE_BYTES:,}")
    return table.cast(schema)


def _spelled_out(column: pa.ChunkedArray) -> int:
    """Bytes of a column's texts, each as often as it stands there; 0 of what is no text."""
    size = 0
    for chunk in column.chunks:
        while pa.types.is_list(chunk.type) or pa.types.is_large_list(chunk.type):
            chunk = chunk.flatten()
        if pa.types.is_dictionary(chunk.type):
            size += pc.sum(pc.take(pc.binary_length(chunk.dictionary), chunk.indices)).as_py() or 0
    return size


def _map_file(model: str, method: str) -> str:
    return f"{model}/maps/{method}"


def _is_sound(folder: Path) -> bool:
    try:
        return not ArtifactSet.open(folder).problems()
    except ArtifactError:
        return False


def _ours(path: Path) -> bool:
    name = path.name
    return name == CURRENT or name.startswith(BUILDING) or bool(_BUILD_ID.match(name) or _UNFINISHED_ID.match(name))


def _flush(stream: IO[Any]) -> None:
    """What was written is on the disk when this returns, Python's own buffer included."""
    stream.flush()
    os.fsync(stream.fileno())


def _flush_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
