"""Artifact sets made by somebody who means harm: manifests, arrays and tables, signed so that digests agree.

What comes out must be a set, an array, a table, or an ArtifactError in words; no other exception, and no file outside
the set is opened on the way.
"""

from __future__ import annotations

import copy
import hashlib
import io
import json
import random
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from recsys.artifacts import manifest as manifests
from recsys.artifacts.manifest import FileEntry
from recsys.artifacts.store import ArtifactSet
from recsys.errors import ArtifactError
from tests.interactions.fuzz import DAMAGES, change_bytes

DEMO = Path(__file__).resolve().parents[2] / "artifacts" / "demo"
FILES = ("items.parquet", "als/neighbours.npy", "als/similarities.npy", "user_items.indptr.npy")
HOSTILE: list[Any] = [
    None, True, 0, -1, 1, 2**31, 2**63, 10**400, 1.5, -0.0, 1e308, "", "x" * 5_000, "\0", "../../etc/passwd",
    "/etc/passwd",
    "a/../../b", "a\\b", ".hidden", "C:\\x", "als/./neighbours.npy", "<script>alert(1)</script>", "\u202egnp", "=1+1",
    "{{7*7}}", "${HOME}", "%s", [], {}, [[]], [None], {"": ""}, {"../x": {"size": 1}}, "0" * 64, "float32", "object",
    "als",
]  # fmt: skip
DESCRIPTIONS = [
    "<f4", "<i4", "<i8", "|O", "O", "<U9999999", "|V0", "<M8[ns]", "|S0", "f4", "<f4,<i4", "", "\u202e", "float16",
    [["a", "<f4"]], [["a", "|O"]], None, 7,
]  # fmt: skip
SHAPES = [
    (), (0,), (-1,), (1,), (3, 2), (2**31,), (2**62, 2**62), (10**30,), (1.5,), (True,), ("2",), None, 5, [2, 3],
    (1,) * 40,
]  # fmt: skip
CLAIMS = [None, "float32", "int32", "int64", "object", "float64", "<f4", "V0"]


class Watch:
    """Which files are opened, which programs run and which pickled classes are looked up, by Python's own account."""

    def __init__(self) -> None:
        self._inside: Path | None = None
        self.seen: list[str] = []
        sys.addaudithook(self._hear)

    @contextmanager
    def only(self, inside: Path) -> Iterator[None]:
        """Raise AssertionError for anything beyond this folder."""
        self.seen.clear()
        self._inside = inside
        try:
            yield
        finally:
            self._inside = None
        assert not self.seen, self.seen

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        inside = self._inside
        if inside is None:
            return
        if event == "open" and isinstance(arguments[0], str):
            if not Path(arguments[0]).resolve().is_relative_to(inside):
                self.seen.append(arguments[0])
        elif event in ("pickle.find_class", "subprocess.Popen", "os.system", "socket.connect", "os.exec"):
            self.seen.append(f"{event}: {arguments}")


WATCH = Watch()


class Place:
    """A build with a few small files, to be damaged again and again."""

    def __init__(self, folder: Path) -> None:
        whole = ArtifactSet.open(DEMO)
        self.folder = folder.resolve() / "build"
        for name in FILES:
            (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(whole.folder / name, self.folder / name)
        found = whole.manifest
        # Of fields that may hold anything, one entry is as good as fifty, and sooner written.
        short = {name: dict(list(getattr(found, name).items())[:1]) for name in ("config", "timings", "versions")}
        files = {name: found.files[name] for name in FILES}
        self.manifest = found.model_copy(update={**short, "files": files})
        self.document = manifests.to_bytes(self.manifest)
        self.write(self.document)
        ArtifactSet.open(self.folder)
        self.whole = {name: (self.folder / name).read_bytes() for name in FILES}
        self.table = pq.read_table(self.folder / "items.parquet")

    def write(self, content: bytes, name: str = "manifest.json") -> None:
        (self.folder / name).write_bytes(content)

    def opened(self, name: str, content: bytes, dtype: str | None, shape: list[int] | None) -> ArtifactSet:
        """The build with this content in place of a file, as its author would describe it."""
        self.write(content, name)
        entry = FileEntry.model_construct(
            size=len(content), sha256=hashlib.sha256(content).hexdigest(), dtype=dtype, shape=shape
        )
        files = {**self.manifest.files, name: entry}
        return ArtifactSet(self.folder, self.manifest.model_copy(update={"files": files}))


def signed(document: dict[str, Any]) -> bytes:
    """A manifest as its author writes it, with the digests that belong to it."""
    document = {key: value for key, value in document.items() if key not in ("fingerprint", "checksum")}
    try:
        document["fingerprint"] = manifests.fingerprint(document)
        document["checksum"] = hashlib.sha256(manifests._canonical(document)).hexdigest()
        return manifests._canonical(document)
    except (AttributeError, TypeError, UnicodeEncodeError, ValueError):
        return json.dumps(document).encode()  # what has no canonical form


def changed(content: bytes, rng: random.Random) -> dict[str, Any]:
    """A JSON document with a few of its values, names and branches replaced, left out or added."""
    document: dict[str, Any] = json.loads(content)
    for _ in range(rng.choice([1, 1, 1, 2, 5])):
        here: Any = document
        while True:
            keys = list(here) if isinstance(here, dict) else list(range(len(here)))
            if not keys:
                break
            key = rng.choice(keys)
            if isinstance(here[key], dict | list) and here[key] and rng.random() < 0.8:
                here = here[key]
                continue
            way = rng.random()
            if way < 0.6:
                here[key] = copy.deepcopy(rng.choice(HOSTILE))
            elif way < 0.75:
                del here[key]
            elif isinstance(here, dict):
                name = rng.choice([text for text in HOSTILE if isinstance(text, str)])
                here[name] = here[key] if way < 0.9 else here.pop(key)
            else:
                here *= 3
            break
    return document


def manifest(place: Place, rng: random.Random) -> str:
    content = signed(changed(place.document, rng)) if rng.random() < 0.8 else rng.choice(DAMAGES)(place.document, rng)
    if rng.random() < 0.02:
        content = b'{"schema_version": 1, "x": ' + b"[" * rng.choice([10, 900, 100_000])
    place.write(content)
    try:
        with WATCH.only(place.folder):
            opened = ArtifactSet.open(place.folder)
            assert len(opened.fingerprint) == 64
    except ArtifactError as error:
        return refused(error)
    assert set(opened.manifest.files) <= {*FILES}
    return "set"


def array(place: Place, rng: random.Random) -> str:
    name = rng.choice([file for file in FILES if file.endswith(".npy")])
    honest = place.manifest.files[name]
    way = rng.random()
    dtype, shape = honest.dtype, honest.shape
    if way < 0.4:
        content = place.whole[name]
        for _ in range(rng.choice([1, 1, 3])):
            content = rng.choice(DAMAGES)((content[:400] if rng.random() < 0.5 else content) or b"\n", rng)
    elif way < 0.5:
        content = place.whole[name][:128] + change_bytes(place.whole[name][128:], rng)
    else:
        described, shaped = rng.choice(DESCRIPTIONS), rng.choice(SHAPES)
        header = {"descr": described, "fortran_order": rng.choice([False, False, True, 2]), "shape": shaped}
        if rng.random() < 0.1:
            header[rng.choice(["descr", "extra"])] = rng.choice(HOSTILE)
        words = repr(header).encode("utf-8", "replace") + rng.choice([b"\n", b"", b" " * 50 + b"\n"])
        if rng.random() < 0.1:
            words = rng.choice(
                [b"(" * 9_000, b"{" * 200, b"[" * 9_000 + b"]" * 900, b"__import__('os').system('x')", b"-" * 9_000]
            )
        version = rng.choice([b"\x01\x00", b"\x02\x00", b"\x03\x00", b"\x09\x00"])
        length = rng.choice([len(words), len(words), len(words), 2**16 - 1, 0]).to_bytes(
            2 if version[0] == 1 else 4, "little"
        )
        content = (
            rng.choice([b"\x93NUMPY", b"\x93NUMPY", b"\x93NUMPY", b"PK\x03\x04", b"\x80\x04"])
            + version
            + length
            + words
        )
        content += bytes(rng.choice([0, 4, 24, 4_000]))
        if rng.random() < 0.5:
            shape = (
                [each for each in shaped if isinstance(each, int)]
                if isinstance(shaped, tuple)
                else rng.choice([None, [2]])
            )
    if rng.random() < 0.05:
        kept = io.BytesIO()
        np.savez(kept, x=np.zeros(3, "float32"))
        content = kept.getvalue()
    if rng.random() < 0.3:
        dtype = rng.choice(CLAIMS)
    try:
        with WATCH.only(place.folder):
            found = place.opened(name, content, dtype, shape).array(name.removesuffix(".npy"))
    except ArtifactError as error:
        return refused(error)
    assert found.dtype.name in ("float32", "int32", "int64"), found.dtype
    assert found.nbytes <= len(content)
    assert not found.flags.writeable
    found.tobytes()
    return "array"


def table(place: Place, rng: random.Random) -> str:
    name = "items.parquet"
    if rng.random() < 0.7:
        content = place.whole[name]
        for _ in range(rng.choice([1, 1, 3])):
            content = rng.choice(DAMAGES[:5])(content or b"\n", rng)
    else:
        content = parquet(unlike(place.table, rng), rng)
    try:
        found = place.opened(name, content, None, None).catalogue
    except ArtifactError as error:
        return refused(error)
    assert len(found) == place.manifest.counts.items
    return "table"


def unlike(whole: pa.Table, rng: random.Random) -> pa.Table:
    """The catalogue with one column of another type, with holes, of bytes that are no text, or of another length."""
    at = rng.randrange(whole.num_columns)
    n = whole.num_rows
    columns = [
        pa.array([None] * n), pa.array([b"\xff\xfe"] * n, pa.binary()), pa.array([10**15] * n, pa.timestamp("s")),
        pa.array([float("nan")] * n), pa.array(["<script>"] * n), pa.array([[1]] * n), pa.array([{"a": 1}] * n),
        pa.array([2**62] * n, pa.int64()), pa.array(["x"] * n).dictionary_encode(), pa.array([True] * n),
    ]  # fmt: skip
    column = rng.choice(columns)
    if column.type == pa.binary() and rng.random() < 0.5:
        column = pa.Array.from_buffers(pa.string(), n, column.buffers())  # says that it is text
    changed = whole.set_column(at, rng.choice([whole.column_names[at], "name", "else"]), column)
    return changed.slice(0, rng.choice([n, n, n, 0, 1, n - 1]))


def parquet(content: pa.Table, rng: random.Random) -> bytes:
    kept = io.BytesIO()
    pq.write_table(content, kept, compression=rng.choice(["zstd", "none", "gzip", "snappy"]))
    return kept.getvalue()


def refused(error: ArtifactError) -> str:
    said = str(error)
    assert 10 < len(said) < 20_000, said[:200]
    return "error"
