"""What all commands share: where they print, how they show progress, options that several take."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

app = typer.Typer(
    name="python -m recsys",
    help="Compare ALS and Word2vec music recommenders, never without the noise beside the difference.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    # Else "[default: …]" in help texts is taken for a colour.
    rich_markup_mode=None,
)
out = Console(highlight=False)
err = Console(stderr=True, highlight=False)

Artifacts = Annotated[
    Path, typer.Argument(metavar="ARTIFACTS", readable=False, help="folder of an artifact set, as artifacts/demo")
]
Json = Annotated[bool, typer.Option("--json", help="print JSON for machines")]


class _Bars:
    """Progress of a build as bars with time left."""

    def __init__(self, bars: Progress) -> None:
        self._bars = bars
        self._task: TaskID | None = None

    def stage(self, words: str, total: float | None) -> None:
        self._finish()
        self._task = self._bars.add_task(escape(words), total=total)

    def advance(self, amount: float) -> None:
        if self._task is not None:
            self._bars.advance(self._task, amount)

    def expect(self, total: float) -> None:
        """The stage turns out to be this long."""
        if self._task is not None:
            self._bars.update(self._task, total=total)

    def _finish(self) -> None:
        if self._task is not None:
            task = self._bars.tasks[self._task]
            self._bars.update(self._task, total=task.total or 1, completed=task.total or 1)


class _Lines:
    """Progress for a log file: one line a stage."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say

    def stage(self, words: str, total: float | None) -> None:
        self._say(words)

    def advance(self, amount: float) -> None: ...

    def expect(self, total: float) -> None: ...


@contextmanager
def progress_bars(quiet: bool) -> Iterator[_Bars | _Lines]:
    """Progress for people: bars on a terminal, a line a stage in a log file, nothing when quiet."""
    if quiet:
        yield _Lines(lambda words: None)
    elif not err.is_terminal:
        yield _Lines(lambda words: err.print(escape(words), soft_wrap=True))
    else:
        columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
        with Progress(*columns, console=err) as bars:
            view = _Bars(bars)
            yield view
            view._finish()


def print_json(document: dict[str, Any]) -> None:
    """One JSON document, names as they are."""
    print(json.dumps(document, ensure_ascii=False, indent=1, allow_nan=False))


def print_facts(facts: dict[str, str]) -> None:
    """What is known, a line each."""
    grid = Table.grid(padding=(0, 2))
    for name, value in facts.items():
        grid.add_row(name, escape(value))
    out.print(grid)


def narrow_table() -> Table:
    """A table without lines between columns, so that it fits a terminal of 80."""
    return Table(box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True)


def given(**options: Any) -> dict[str, Any]:
    """The options that somebody gave, so that others keep their defaults."""
    return {name: value for name, value in options.items() if value is not None}


def share_words(value: float | None) -> str:
    """A share with three decimals."""
    return "not known" if value is None else f"{value:.3f}"
