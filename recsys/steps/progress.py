"""What somebody who waits is told, and what each stage of a build took."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from recsys.memory import frugal_heap, hand_back


class Progress(Protocol):
    """Told what a build is doing."""

    def stage(self, words: str, total: float | None) -> None:
        """Something begins, of so many steps; None where that is not known."""

    def advance(self, amount: float) -> None:
        """So many more of its steps are done."""


class Silence:
    """Progress that nobody watches."""

    def stage(self, words: str, total: float | None) -> None: ...

    def advance(self, amount: float) -> None: ...


class Stages:
    """Runs stages by name: tells progress, keeps seconds, and hands back the memory that a stage has freed."""

    def __init__(self, progress: Progress) -> None:
        self.progress = progress
        self.seconds: dict[str, float] = {}
        frugal_heap()

    @contextmanager
    def __call__(self, key: str, words: str | None = None, total: float | None = None) -> Iterator[None]:
        if words:
            self.progress.stage(words, total)
        start = time.perf_counter()
        yield
        self.add(key, time.perf_counter() - start)
        hand_back()

    def add(self, key: str, seconds: float) -> None:
        """Seconds that an interrupted build spent on what this one took up."""
        self.seconds[key] = round(self.seconds.get(key, 0.0) + seconds, 2)
