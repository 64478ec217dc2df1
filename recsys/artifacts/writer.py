"""Artifact sets are written beside the build in use and switched in last."""

from __future__ import annotations

import json
import os
import shutil
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from recsys.artifacts import manifest as manifests
from recsys.artifacts.files import DTYPES, Array, sha256_of
from recsys.artifacts.lock import held
from recsys.artifacts.manifest import FileEntry, Manifest
from recsys.artifacts.names import BUILDING, CURRENT, MANIFEST, belongs_to_set, is_build_id
from recsys.artifacts.store import ArtifactSet, current_id
from recsys.errors import ArtifactError, ParameterError, writing


class ArtifactWriter:
    """Files of one build, written into a folder of its own beside the build in use.

    Nothing that others see changes until `publish`. Used as a context manager, an unpublished build is removed.

    Raises
    ------
    ArtifactError : `out` is a file or holds other things, another process writes to it, or the disk refuses something.
    """

    def __init__(self, out: Path) -> None:
        if out.exists() and not out.is_dir():
            raise ArtifactError(f"{out} is a file; choose another --out")
        strangers = [p.name for p in out.iterdir() if not belongs_to_set(p.name)] if out.exists() else []
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
        self._held = ExitStack()
        self._held.enter_context(held(out, f"another build is writing to {out}; wait for it or choose another --out"))
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
        self._held.close()
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
        if array.dtype.name not in DTYPES:
            raise ParameterError(f"{name} is {array.dtype}; artifact sets hold {', '.join(sorted(DTYPES))}")
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

    def publish_changed(self, base: ArtifactSet, seconds: Mapping[str, float], **changes: Any) -> str:
        """Publish what `base` is but for these fields of its manifest, with the files that were written and adopted.

        seconds : that the work took, by stage; kept with the times, which are no part of a build's identity.

        Returns the build id; errors as of `publish`.
        """
        changes |= {
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "timings": {**base.manifest.timings, **seconds},
            "files": self.files,
        }
        return self.publish(base.manifest.model_copy(update=changes))

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
            previous = current_id(self.out)
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
            if is_build_id(path.name) and path.name not in keep:
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


def _is_sound(folder: Path) -> bool:
    try:
        return not ArtifactSet.open(folder).problems()
    except ArtifactError:
        return False


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
