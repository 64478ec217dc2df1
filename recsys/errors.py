"""Every error that a person can mend: the message states the value, the limit and what to do next."""

from __future__ import annotations

import errno
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

_ROOM = "make room on the disk, or choose a folder on another, then run the same command"
_MENDS: dict[int | None, str] = {
    errno.ENOSPC: _ROOM,
    errno.EDQUOT: _ROOM,
    errno.EFBIG: "no larger file is allowed here (see ulimit -f); choose a folder on another disk",
    errno.EROFS: "nothing can be written to this disk; choose a folder on another",
    errno.EACCES: "check its permissions, or choose another folder",
    errno.EPERM: "check its permissions, or choose another folder",
    errno.EEXIST: "something else has this name; choose another folder",
    errno.ENOTDIR: "something else has this name; choose another folder",
    errno.ENOENT: "it was removed or renamed meanwhile; run the same command again",
    errno.EMFILE: "raise the limit of open files (ulimit -n), then run the same command",
    errno.ENFILE: "close other programs, then run the same command",
    errno.ENOMEM: "close other programs or use a machine with more memory, then run the same command",
    errno.EIO: "the disk or the connection to it fails; choose a folder on another",
}


class RecsysError(Exception):
    """Base of all errors that are a finding about input, not a fault of the program."""


class ParameterError(RecsysError, ValueError):
    """A parameter is outside its limits."""


class InputError(RecsysError):
    """Listening data cannot be read as what it was said to be."""

    def __init__(
        self,
        message: str,
        *,
        file: Path | str | None = None,
        line: int | None = None,
        column: str | int | None = None,
    ) -> None:
        place = [str(file)] if file is not None else []
        if line is not None:
            place.append(f"line {line}")
        if column is not None:
            place.append(f"column {column}")
        super().__init__(f"{', '.join(place)}: {message}" if place else message)
        self.file, self.line, self.column = file, line, column


class ArtifactError(RecsysError):
    """An artifact set cannot be used."""


class MissingArtifacts(ArtifactError):
    """There is no artifact set at the given place."""


class DamagedArtifacts(ArtifactError):
    """A file of an artifact set is missing, cut, or not what the manifest says."""


class UnsupportedSchema(ArtifactError):
    """The artifact set was written by a version with another schema."""


class UnknownItem(RecsysError):
    """No item has this id or name; `suggestions` are near misses, best first."""

    def __init__(self, query: str, suggestions: Sequence[str]) -> None:
        hint = f" Did you mean: {', '.join(suggestions)}?" if suggestions else ""
        super().__init__(f"no item has the id or name {query!r}.{hint}")
        self.query, self.suggestions = query, list(suggestions)


class VotesError(RecsysError):
    """Votes cannot be kept or read where they are looked for."""


def refusal(error: OSError) -> str:
    """What the system said when it refused something, and what to do about it."""
    reason = error.strerror or str(error)
    # On a full disk NumPy gives no number, only "… requested and … written".
    mend = _ROOM if error.errno is None and reason.endswith("written") else _MENDS.get(error.errno)
    return f"{reason}; {mend}" if mend else reason


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Put in words what goes wrong while something is written at `path`.

    Raises
    ------
    ArtifactError : the system refused it.
    """
    try:
        yield
    except OSError as error:
        raise ArtifactError(f"cannot write to {path}: {refusal(error)}") from error
