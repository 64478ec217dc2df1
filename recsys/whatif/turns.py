"""One long computation at a time: people wait in the order they came, and what nobody waits for is not computed."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Generic, Literal, TypeVar

from recsys.errors import RecsysError

Result = TypeVar("Result")
State = Literal["waiting", "running", "done", "failed", "dropped"]
# A page asks for news about twice a second; one that has not asked for so long is closed.
PATIENCE_SECONDS = 20.0
# Others browse meanwhile: where both want a core, a page gets most of it. More would keep whoever waits for Python's
# lock waiting.
NICENESS = 10
LONGEST_QUEUE = 50


class Dropped(RecsysError):
    """Nobody waits for the result any more."""


class Wish(Generic[Result]):
    """Something that a person wants computed, and how far it is."""

    def __init__(self, person: str, run: Callable[[Wish[Result]], Result], turns: Turns) -> None:
        self.person = person
        self.state: State = "waiting"
        self.news: Any = None
        self.result: Result | None = None
        self.error: RecsysError | None = None
        self._run = run
        self._turns = turns
        self._seen = time.monotonic()
        self._over = threading.Event()

    def look(self) -> State:
        """The state it is in; whoever looks is taken to be still waiting."""
        self._seen = time.monotonic()
        return self.state

    def ahead(self) -> int:
        """How many are computed before this one begins."""
        return self._turns.ahead_of(self)

    def drop(self) -> None:
        """Nobody wants it any more: it leaves the queue, or ends at its next step."""
        self._turns.forget(self)

    def wait(self, seconds: float) -> bool:
        """Wait for the end, whatever it is; False when it has not come within so many seconds."""
        return self._over.wait(seconds)

    def tell(self, news: object) -> None:
        """Leave news for the person, from within the computation.

        Raises
        ------
        Dropped : nobody waits any more; let it end the computation.
        """
        if not self._turns.is_wanted(self):
            raise Dropped("the computation was left behind")
        self.news = news

    def is_over(self) -> bool:
        """Whether it has ended, in whatever way."""
        return self._over.is_set()


class Turns:
    """A queue in front of one worker. A person has one wish in it; a new one replaces the old and goes to the end."""

    def __init__(self, patience: float = PATIENCE_SECONDS) -> None:
        self._patience = patience
        self._lock = threading.Condition()
        self._waiting: list[Wish[Any]] = []
        self._running: Wish[Any] | None = None
        self._worker: threading.Thread | None = None

    def ask(self, person: str, run: Callable[[Wish[Result]], Result]) -> Wish[Result]:
        """Queue a computation; it is given its wish, to tell news to.

        Raises
        ------
        RecsysError : the queue is full.
        """
        wish = Wish(person, run, self)
        with self._lock:
            for other in [*self._waiting, self._running]:
                if other is not None and other.person == person:
                    self._leave(other)
            self._waiting = [other for other in self._waiting if self._is_wanted(other)]
            if len(self._waiting) >= LONGEST_QUEUE:
                raise RecsysError(f"{LONGEST_QUEUE} computations are waiting already; try again in a few minutes")
            self._waiting.append(wish)
            self._employ()
        return wish

    def ahead_of(self, wish: Wish[Any]) -> int:
        """How many wishes are computed before this one begins."""
        with self._lock:
            if wish not in self._waiting:
                return 0
            before = self._waiting[: self._waiting.index(wish)]
            return sum(map(self._is_wanted, before)) + (self._running is not None)

    def forget(self, wish: Wish[Any]) -> None:
        """Let a wish leave the queue, or end at its next step."""
        with self._lock:
            self._leave(wish)

    def is_wanted(self, wish: Wish[Any]) -> bool:
        """Whether its person has looked for it lately and has not dropped it."""
        with self._lock:
            return self._is_wanted(wish)

    def waiting(self) -> int:
        """How many computations somebody waits for that have not begun."""
        with self._lock:
            return sum(map(self._is_wanted, self._waiting))

    def running(self) -> int:
        """How many computations run now: none or one."""
        with self._lock:
            return int(self._running is not None)

    def _is_wanted(self, wish: Wish[Any]) -> bool:
        return wish.state != "dropped" and time.monotonic() - wish._seen < self._patience

    def _leave(self, wish: Wish[Any]) -> None:
        if wish.is_over():
            return
        wish.state = "dropped"
        if wish in self._waiting:
            self._waiting.remove(wish)
            wish._over.set()

    def _employ(self) -> None:
        if self._worker is None and self._waiting:
            self._worker = threading.Thread(target=self._work, name="what-if", daemon=True)
            self._worker.start()

    def _work(self) -> None:
        if sys.platform == "linux":
            # There a thread is nice by itself, with those that it starts; elsewhere the whole process would be.
            with suppress(OSError):
                # Counted from the process: a worker that another one employed would begin where that one stood.
                usual = os.getpriority(os.PRIO_PROCESS, os.getpid())
                os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), usual + NICENESS)
        try:
            while wish := self._next():
                self._serve(wish)
        finally:
            # A fault of the program ends this worker, not the queue.
            with self._lock:
                self._worker = None
                self._employ()

    def _next(self) -> Wish[Any] | None:
        with self._lock:
            while self._waiting and not self._is_wanted(self._waiting[0]):
                self._leave(self._waiting[0])
            if not self._waiting:
                return None
            self._running = self._waiting.pop(0)
            self._running.state = "running"
            return self._running

    def _serve(self, wish: Wish[Any]) -> None:
        state: State = "failed"
        wish.error = RecsysError("the computation ended unexpectedly; the server's log says why")
        try:
            wish.result = wish._run(wish)
            wish.error, state = None, "done"
        except Dropped:
            wish.error, state = None, "dropped"
        except RecsysError as error:
            wish.error = error
        except (MemoryError, OSError) as error:
            wish.error = RecsysError(f"the computation could not be done: {error or type(error).__name__}")
        finally:
            self._end(wish, state)

    def _end(self, wish: Wish[Any], state: State) -> None:
        with self._lock:
            # What was dropped at the last moment stays dropped, and its result is let go.
            if wish.state == "dropped":
                wish.result = None
            else:
                wish.state = state
            self._running = None
            wish._over.set()
