"""The files of one build, none of which is believed before it was checked against the manifest."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tokenize import TokenError
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from recsys.artifacts.footer import values_in
from recsys.artifacts.manifest import FileEntry, Manifest
from recsys.artifacts.names import MANIFEST
from recsys.errors import DamagedArtifacts, refusal

Array = npt.NDArray[Any]
FileState = tuple[int, int, int, int, int]
DTYPES = {"float32", "int32", "int64"}
MOST_TABLE_BYTES = 1 << 29  # what a million items take is a third of it
# What opening reads whole, a file and all of them: 64 MiB take 50 ms.
SMALL_BYTES = 4 << 20
ALL_SMALL_BYTES = 64 << 20
_SETTLED_AFTER = 2_000_000_000  # ns; in less, a file system's clock need not have moved between two changes
_MOST_DIGESTS = 10_000
_digests: dict[FileState, str] = {}


@dataclass(frozen=True)
class BuildFiles:
    """The files of a build and what its manifest says of them. Arrays are mapped when first used, not read."""

    folder: Path
    manifest: Manifest

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

    def table(self, name: str) -> pd.DataFrame:
        """The table kept as `name`.parquet.

        Raises
        ------
        DamagedArtifacts : it is not what was written, or cannot be read.
        """
        path = self.folder / f"{name}.parquet"
        self.check_content(f"{name}.parquet")
        try:
            # Without the pandas metadata of the file: column types come from the data alone.
            table = _read_parquet(path).replace_schema_metadata(None)
            frame: pd.DataFrame = table.to_pandas(ignore_metadata=True)
        except MemoryError:
            raise  # Arrow's is one of its own errors too, and says nothing of the file
        except (OSError, ValueError, pa.ArrowException, KeyError) as error:
            raise DamagedArtifacts(f"{path} is not a readable table: {error}; build the set again") from error
        return frame

    def check_layout(self) -> None:
        """Look at all that costs no reading: that files are there, their sizes, and what arrays say they hold.

        Raises
        ------
        DamagedArtifacts : a file is missing, behind a link, or not as the manifest says.
        """
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


def sha256_of(path: Path, on_bytes: Callable[[int], None] | None = None) -> str:
    """SHA-256 of a file's content, 64 hex digits."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
            if on_bytes:
                on_bytes(len(block))
    return digest.hexdigest()


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
    if dtype.name not in DTYPES or by_column or offset + math.prod(shape) * dtype.itemsize != path.stat().st_size:
        raise ValueError(f"its header says {dtype} {list(shape)}, which its size does not hold")
    return np.memmap(path, dtype, "r", offset, shape)


def _read_parquet(path: Path) -> pa.Table:
    """A whole table; not one that unpacks to more than MOST_TABLE_BYTES, which a small file can.

    Texts are read as they are kept, each once, and spelled out when it is known how much that is.
    """
    with pq.ParquetFile(path) as file:
        metadata, schema = file.metadata, file.schema_arrow
    taken = 8 * values_in(path)
    leaves = [metadata.schema.column(at) for at in range(metadata.num_columns)]
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
