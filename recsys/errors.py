"""Every error that a person can mend: the message states the value, the limit and what to do next."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


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
