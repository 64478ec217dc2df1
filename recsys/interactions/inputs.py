"""Files of listening data as streams: plain or packed, one or many, without unpacking to disk.

Packed streams can be read only once and in order, so inputs are handed out one by one; each is good until the next.
"""

from __future__ import annotations

import gzip
import io
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PosixPath, PurePosixPath
from typing import IO, Any, BinaryIO, NamedTuple, cast

import pyarrow as pa

from recsys.errors import InputError

SNIFF_BYTES = 1 << 16
LONGEST_SHOWN = 300  # of a name, or of a library's words about it: those of a .zip have up to 65,535 characters
UTF8_BOM = b"\xef\xbb\xbf"
TARS = (".tar", ".tar.gz", ".tgz", ".tar.zst")
PACKED_SUFFIXES = (".gz", ".zst", ".tgz", ".tar", ".zip", ".bz2", ".xz")
# What a cut or damaged archive makes its library raise, besides OSError.
_DAMAGE = (
    EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, tarfile.TarError, pa.ArrowException, RuntimeError,
    ValueError, OverflowError,
)  # fmt: skip

# What a file in memory may turn out to be; one on disk is its owner's own affair.
MOST_UNPACKED = 64 << 20
MOST_LINES = 5_000_000
MOST_MEMBERS = 5_000
_MEMBER = b"PK\x01\x02"  # stands before each entry in the directory of a .zip

BytesRead = Callable[[int], None]
Wanted = Callable[[str], bool]


class Signs(NamedTuple):
    """How many of some bytes there may be, and what they stand for."""

    most: int
    bytes: bytes
    called: str


class InMemory(PosixPath):
    """A file that is bytes in memory, for whatever takes a path: a stranger's upload, which never touches the disk.

    What it unpacks to is bounded: `most_bytes` bytes (None: MOST_UNPACKED), `most_lines` lines, MOST_MEMBERS in an
    archive; and, where `most_signs` is given, so many of its signs, which is to bound what a parser makes of them.
    """

    content: bytes | None = None
    most_lines = MOST_LINES
    most_signs: Signs | None = None
    most_bytes: int | None = None

    @classmethod
    def of(
        cls,
        name: str,
        content: bytes,
        most_lines: int = MOST_LINES,
        most_bytes: int | None = None,
        most_signs: Signs | None = None,
    ) -> InMemory:
        """content : as uploaded, packed or not. name : says what it is; folders before it say nothing."""
        own = cls(PurePosixPath(name).name[-LONGEST_SHOWN:] or "upload")
        own.content, own.most_lines, own.most_bytes, own.most_signs = content, most_lines, most_bytes, most_signs
        return own

    def open(self, *_: Any, **__: Any) -> Any:
        if self.content is None:
            raise FileNotFoundError(2, "is not in memory", str(self))
        return io.BytesIO(self.content)

    def exists(self, *_: Any, **__: Any) -> bool:
        return self.content is not None

    def is_file(self, *_: Any, **__: Any) -> bool:
        return self.content is not None

    def is_dir(self, *_: Any, **__: Any) -> bool:
        return False

    def stat(self, *_: Any, **__: Any) -> Any:
        raise FileNotFoundError(2, "is not on disk", str(self))


@dataclass(frozen=True)
class Input:
    """One stream of text. `name` says where it is, archive and member; `path` is the file on disk."""

    name: str
    path: Path
    stream: io.BufferedReader

    def check_is_text(self) -> None:
        """Look at the first bytes.

        Raises
        ------
        InputError : it is empty or not text.
        """
        start = self.stream.peek(SNIFF_BYTES)[:SNIFF_BYTES]
        problem = None
        if not start.removeprefix(UTF8_BOM).strip():
            problem = "is empty" if len(start) < SNIFF_BYTES else "starts with 64 KiB of white space"
        elif start[:2] in (b"\xff\xfe", b"\xfe\xff"):
            problem = "is UTF-16; save it as UTF-8"
        elif start.count(b"\0") > len(start) / 100:
            problem = "holds NUL bytes; it looks binary, not text"
        elif b"\r" in start and b"\n" not in start:
            problem = "has the line ends of old Macs (CR alone); save it with LF or CRLF"
        if problem:
            raise InputError(problem, file=self.name)

    def start(self) -> bytes:
        """The first bytes without a byte order mark; they stay unread."""
        return self.stream.peek(SNIFF_BYTES).removeprefix(UTF8_BOM)

    def header_fields(self, delimiter: str) -> list[str]:
        """The column names in the first line, unquoted; the line stays unread."""
        first = self.start().split(b"\n", 1)[0].rstrip(b"\r")
        return [name.strip().strip('"') for name in first.decode("utf-8", "replace").split(delimiter)]


def any_name(_: str) -> bool:
    return True


def paths_of(path: Path) -> list[Path]:
    """The files that a path stands for: itself, a folder's files by name, or what a pattern with * or ? finds.

    Raises
    ------
    InputError : there is none.
    """
    try:
        if path.is_dir():
            found = sorted(p for p in path.rglob("*") if p.is_file() and not p.name.startswith("."))
        elif path.exists():
            found = [path]
        elif any(sign in path.name for sign in "*?["):
            found = sorted(p for p in path.parent.glob(path.name) if p.is_file())
        else:
            raise InputError("does not exist; check --input", file=path)
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", file=path) from error
    if not found:
        raise InputError("stands for no file", file=path)
    return found


def open_inputs(paths: list[Path], wanted: Wanted = any_name, on_bytes: BytesRead | None = None) -> Iterator[Input]:
    """Open the files one after the other, looking into archives; `wanted` picks by name, packing suffix left out."""
    for path in paths:
        try:
            with path.open("rb") as file:
                raw = _Counted(file, on_bytes)
                for name, stream in _unpacked(path, raw):
                    if wanted(name):
                        shown = str(path) if name == _plain_name(path) else f"{path}/{name[:LONGEST_SHOWN]}"
                        yield Input(shown, path, io.BufferedReader(_Guarded(stream, shown), SNIFF_BYTES))
        except _DAMAGE as error:
            raise InputError(f"is cut or damaged: {str(error)[:LONGEST_SHOWN]}; fetch it again", file=path) from error
        except OSError as error:
            raise InputError(f"cannot be read: {error.strerror or error}", file=path) from error


def _plain_name(path: Path) -> str:
    return path.name.removesuffix(path.suffix) if path.suffix in (".gz", ".zst", ".bz2", ".xz") else path.name


def _unpacked(path: Path, raw: io.RawIOBase) -> Iterator[tuple[str, IO[bytes]]]:
    """Name and stream of the file itself, or of each member of an archive; bounded where it is in memory."""
    if not isinstance(path, InMemory):
        yield from _streams(path, raw)
        return
    if (path.content or b"").count(_MEMBER) > MOST_MEMBERS:
        raise InputError(f"holds more than {MOST_MEMBERS:,} files; pack only those with plays", file=path)
    if path.name.lower().endswith(TARS):
        raise InputError("is a tar archive; upload a .zip, or a single file", file=path)
    left = _Left(path)
    for name, stream in _streams(path, raw):
        yield name, cast(IO[bytes], _Bounded(stream, left))


def _streams(path: Path, raw: io.RawIOBase) -> Iterator[tuple[str, IO[bytes]]]:
    magic = raw.read(6)
    raw.seek(0)
    unpack: Any = raw
    if magic.startswith(b"\x1f\x8b"):
        unpack = gzip.GzipFile(fileobj=cast(Any, raw))
    elif magic.startswith(b"(\xb5/\xfd"):
        unpack = pa.input_stream(raw, compression="zstd")
    elif magic.startswith((b"BZh", b"\xfd7zXZ")):
        raise InputError("is packed with bzip2 or xz; unpack it, or pack it with gzip or zstd", file=path)
    if path.name.endswith(TARS):
        with tarfile.open(fileobj=unpack, mode="r|") as archive:
            for member in archive:
                inside = archive.extractfile(member) if member.isfile() else None
                if inside is not None:
                    yield PurePosixPath(member.name).name, inside
        # The checksum stands behind the last member, where tarfile does not look.
        while unpack.read(SNIFF_BYTES):
            pass
    elif magic.startswith(b"PK\x03\x04"):
        with zipfile.ZipFile(cast(IO[bytes], raw)) as zipped:
            for info in sorted(zipped.infolist(), key=lambda info: info.filename):
                if not info.is_dir():
                    with zipped.open(info) as inside:
                        yield PurePosixPath(info.filename).name, inside
    else:
        yield _plain_name(path) if unpack is not raw else path.name, unpack


class _Counted(io.RawIOBase):
    """A file that tells how many bytes of it were read, for progress in bytes on disk."""

    def __init__(self, file: BinaryIO, on_bytes: BytesRead | None) -> None:
        self._file, self._on_bytes = file, on_bytes

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def readinto(self, buffer: Any) -> int:
        count = self._file.readinto(buffer)  # type: ignore[attr-defined]
        if self._on_bytes:
            self._on_bytes(count)
        return int(count)


class _Left:
    """What may still come out of a file in memory."""

    def __init__(self, file: InMemory) -> None:
        self._file = file
        self._most = MOST_UNPACKED if file.most_bytes is None else file.most_bytes
        self._bytes, self._lines, self._signs = self._most, file.most_lines, 0

    def take(self, content: bytes) -> None:
        self._bytes -= len(content)
        self._lines -= content.count(b"\n") + content.count(b"\r")
        if self._bytes < 0:
            raise InputError(f"unpacks to more than {self._most:,} bytes; upload a part of it", file=self._file)
        if self._lines < 0:
            raise InputError(f"has more than {self._file.most_lines:,} lines; upload a part of it", file=self._file)
        if signs := self._file.most_signs:
            self._signs += sum(map(content.count, signs.bytes))
            if self._signs > signs.most:
                raise InputError(f"has more than {signs.most:,} {signs.called}; upload a part of it", file=self._file)


class _Bounded(io.RawIOBase):
    """A stream that ends in words when too much comes out of it."""

    def __init__(self, stream: IO[bytes], left: _Left) -> None:
        self._stream, self._left = stream, left

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        content = self._stream.read(len(buffer))
        self._left.take(content)
        buffer[: len(content)] = content
        return len(content)


class _Guarded(io.RawIOBase):
    """A stream whose damage is named with the file it is in."""

    def __init__(self, stream: IO[bytes], name: str) -> None:
        self._stream, self._name = stream, name

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            if hasattr(self._stream, "readinto"):
                return int(self._stream.readinto(buffer))
            content = self._stream.read(len(buffer))
        except _DAMAGE as error:
            raise InputError(
                f"is cut or damaged: {str(error)[:LONGEST_SHOWN]}; fetch it again", file=self._name
            ) from error
        except OSError as error:
            raise InputError(f"is cut or damaged: {error.strerror or error}", file=self._name) from error
        buffer[: len(content)] = content
        return len(content)
