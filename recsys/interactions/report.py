"""What a reader saw: rows, and bad rows by kind with examples. Nothing is dropped without a count here."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any

from recsys.errors import InputError
from recsys.plural import counted

EXAMPLES_PER_KIND = 3
EXAMPLE_CHARACTERS = 120
MAX_BAD_SHARE = 0.1


@dataclass
class ReadReport:
    """Counts of one reading.

    rows : data rows seen, bad ones included, blank lines and headers not.
    blank_lines : lines with nothing on them.
    bad : kind → how many rows were skipped for it; `examples` shows the first few of each.
    notes : what a person should know and need not mend.
    times : the earliest and the latest play, seconds since 1970; None where no times are known.
    """

    source: str
    reader: str
    rows: int = 0
    blank_lines: int = 0
    bad: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)
    title: str = ""
    simulated: bool = False
    times: tuple[int, int] | None = None

    def add_file(self, path: Path) -> None:
        """Name a file that was read; members of one archive name it once."""
        if path not in self.files:
            self.files.append(path)

    def skip(self, kind: str, *, file: str, line: int, text: str, count: int = 1) -> None:
        """Count `count` skipped rows of one kind and keep the first few as examples."""
        self.bad[kind] += count
        shown = self.examples.setdefault(kind, [])
        if len(shown) < EXAMPLES_PER_KIND:
            shown.append(f"{PurePath(file).name}, line {line}: {text[:EXAMPLE_CHARACTERS]!r}")

    def refuse_if_mostly_bad(self, max_bad_share: float = MAX_BAD_SHARE) -> None:
        """Raise InputError when more than `max_bad_share` of the rows could not be used."""
        bad = self.bad.total()
        if self.rows and bad > max_bad_share * self.rows:
            raise InputError(
                f"{self.source}: {bad:,} of {self.rows:,} rows cannot be used, more than the allowed "
                f"{max_bad_share:.0%}; {self.summary()}. Check the reader ({self.reader}) and the delimiter, "
                f"or allow more with --max-bad-share"
            )

    def take_in(self, beside: ReadReport) -> None:
        """Name the files of another report, and what could not be used in them, without counting them as plays."""
        self.files += beside.files
        self.notes += beside.notes
        if beside.bad:
            self.notes.append(f"{Path(beside.source).name}: {beside.summary()}")

    def note_missing_line_end(self, file: str) -> None:
        """The last line is whole as far as one can see, but nothing ends it."""
        self.notes.append(
            f"{PurePath(file).name}: the last line has no line end; had the file been cut, it would look so"
        )

    def note_plays_ahead(self, count: int) -> None:
        """So many plays have times that are yet to come."""
        if count:
            self.notes.append(f"{counted(count, 'play')} from the future; the clock that wrote the time was wrong")

    def no_usable_row(self) -> InputError:
        """What is raised where nothing is left to make a log of."""
        return InputError(f"{self.source}: no usable row; {self.summary()}")

    def summary(self) -> str:
        """One line: rows read and bad rows by kind with the first example of each."""
        kinds = [f"{count:,} × {kind} (first: {self.examples[kind][0]})" for kind, count in self.bad.most_common()]
        blank = f", {self.blank_lines:,} blank lines" if self.blank_lines else ""
        return f"{self.rows:,} rows read{blank}" + (", skipped: " + "; ".join(kinds) if kinds else "")

    def remarks(self) -> list[str]:
        """The notes, and how many lines were blank."""
        return [*self.notes, f"{self.blank_lines:,} blank lines"] if self.blank_lines else list(self.notes)

    def as_json(self) -> dict[str, Any]:
        return {
            "rows": self.rows,
            "rows_used": self.rows - self.bad.total(),
            "bad_rows": dict(sorted(self.bad.items())),
            "bad_examples": dict(sorted(self.examples.items())),
            "notes": self.remarks(),
        }
