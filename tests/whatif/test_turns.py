"""Who is computed for, when, and who no longer is."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable

import pytest

from recsys.errors import ParameterError, RecsysError
from recsys.whatif.turns import LONGEST_QUEUE, Turns, Wish
from tests.conftest import ROOT


class Gate:
    """A computation that runs until it is let through, and tells that it has begun."""

    def __init__(self, result: str = "") -> None:
        self.begun, self.open = threading.Event(), threading.Event()
        self.result = result

    def __call__(self, wish: Wish[str]) -> str:
        self.begun.set()
        while not self.open.wait(0.01):
            wish.tell("still at it")
        return self.result


def of(result: str, order: list[str]) -> Callable[[Wish[str]], str]:
    def run(wish: Wish[str]) -> str:
        order.append(result)
        return result

    return run


def test_people_are_served_in_the_order_they_came_and_told_how_many_are_before_them() -> None:
    turns, gate, order = Turns(), Gate("first"), list[str]()
    first = turns.ask("ann", gate)
    assert gate.begun.wait(5)
    second, third = turns.ask("bob", of("second", order)), turns.ask("cy", of("third", order))
    assert (first.ahead(), second.ahead(), third.ahead()) == (0, 1, 2)
    assert second.look() == "waiting"
    assert (turns.waiting(), turns.running()) == (2, 1)
    gate.open.set()
    assert third.wait(5)
    assert order == ["second", "third"]
    assert [wish.result for wish in (first, second, third)] == ["first", "second", "third"]
    assert (turns.waiting(), turns.running()) == (0, 0)


def test_a_new_wish_of_the_same_person_replaces_the_old_one_running_or_waiting() -> None:
    turns, gate, order = Turns(), Gate(), list[str]()
    old = turns.ask("ann", gate)
    assert gate.begun.wait(5)
    other = turns.ask("bob", of("bob", order))
    replaced = turns.ask("ann", of("never", order))
    newest = turns.ask("ann", of("newest", order))
    assert newest.wait(5)
    assert (old.look(), replaced.look(), other.look(), newest.look()) == ("dropped", "dropped", "done", "done")
    assert order == ["bob", "newest"]
    assert old.result is None


def test_what_nobody_looks_at_any_more_is_not_computed() -> None:
    turns, gate, order = Turns(patience=0.2), Gate("first"), list[str]()
    watched, left = turns.ask("ann", gate), turns.ask("bob", of("bob", order))
    until = time.monotonic() + 0.4
    while time.monotonic() < until:
        assert watched.look() in ("waiting", "running")
        watched.wait(0.02)
    assert watched.ahead() == 0
    gate.open.set()
    assert left.wait(5)
    assert (watched.look(), left.look()) == ("done", "dropped")
    assert order == []


def test_a_running_computation_ends_when_its_page_is_closed() -> None:
    turns, gate = Turns(patience=0.2), Gate()
    wish = turns.ask("ann", gate)
    assert wish.wait(5)
    assert wish.look() == "dropped"
    assert turns.running() == 0


def test_a_fault_of_the_program_ends_one_computation_and_not_the_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    logged: list[object] = []
    monkeypatch.setattr(threading, "excepthook", lambda fault: logged.append(fault.exc_type))
    turns, gate, order = Turns(), Gate(), list[str]()

    def faulty(wish: Wish[str]) -> str:
        gate.begun.set()
        gate.open.wait(5)
        raise ZeroDivisionError

    first = turns.ask("ann", faulty)
    assert gate.begun.wait(5)
    second = turns.ask("bob", of("bob", order))
    gate.open.set()
    assert second.wait(5)
    assert (first.look(), second.look()) == ("failed", "done")
    assert "unexpectedly" in str(first.error)
    assert logged == [ZeroDivisionError]


def test_a_wish_can_be_dropped_by_hand_and_tells_its_news_until_then() -> None:
    turns, gate = Turns(), Gate()
    wish = turns.ask("ann", gate)
    assert gate.begun.wait(5)
    while wish.news is None:
        wish.wait(0.01)
    assert wish.news == "still at it"
    wish.drop()
    assert wish.wait(5)
    assert wish.look() == "dropped"


def test_an_error_reaches_the_person_and_the_next_one_is_served() -> None:
    turns = Turns()

    def refuse(wish: Wish[str]) -> str:
        raise ParameterError("K1 is −1")

    def too_much(wish: Wish[str]) -> str:
        raise MemoryError

    refused, starved, fine = (
        turns.ask(name, run) for name, run in (("a", refuse), ("b", too_much), ("c", of("ok", [])))
    )
    assert fine.wait(5)
    assert refused.look() == starved.look() == "failed"
    assert "K1 is −1" in str(refused.error)
    assert "could not be done" in str(starved.error)
    assert fine.result == "ok"


def test_the_queue_is_bounded() -> None:
    turns, gate = Turns(), Gate()
    turns.ask("first", gate)
    assert gate.begun.wait(5)
    for number in range(LONGEST_QUEUE):
        turns.ask(f"person {number}", gate)
    with pytest.raises(RecsysError, match="are waiting already"):
        turns.ask("one more", gate)
    gate.open.set()


@pytest.mark.skipif(sys.platform != "linux", reason="only there is a thread nice by itself")
def test_a_computation_gives_way_to_those_who_browse() -> None:
    def niceness(_: Wish[int]) -> int:
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    usual = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
    wish = Turns().ask("ann", niceness)
    assert wish.wait(10)
    assert wish.result is not None
    assert wish.result > usual
    assert os.getpriority(os.PRIO_PROCESS, threading.get_native_id()) == usual


STANDINGS = """
import os, sys, threading
from recsys.whatif.turns import NICENESS, Turns

os.nice(int(sys.argv[1]))

def niceness(wish):
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

def of_a_worker_that_a_worker_employed(wish):
    asked = Turns().ask("ben", niceness)
    asked.wait(10)
    return asked.result

usual = os.getpriority(os.PRIO_PROCESS, os.getpid())
for ask in (niceness, of_a_worker_that_a_worker_employed):
    wish = Turns().ask("ann", ask)
    wish.wait(10)
    assert wish.result == min(19, usual + NICENESS), (ask.__name__, wish.result, usual)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only there is a thread nice by itself")
@pytest.mark.parametrize("given_way", [0, 7])
def test_it_gives_way_by_as_much_on_a_server_that_is_nice_itself(given_way: int) -> None:
    done = subprocess.run(
        [sys.executable, "-c", STANDINGS, str(given_way)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
