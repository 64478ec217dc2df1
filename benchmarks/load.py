"""Many people at once: how long they wait, in how much memory, and whether a full fit of one holds up the others.

python -m benchmarks.load FOLDER [SESSIONS SECONDS PROCESSES]    FOLDER holds artifact sets; usually 50 sessions for
300 s on 2 processes

Visitors speak Streamlit's own protocol: they open a websocket, ask for a page with an item in its address, take all
that comes and go on after a while of thinking. A person stays with one process, as a proxy in front of them sees to.
From half of the time on, one of them has full fits made, one after another. A real Chromium, in the process that
makes the fits, clicks through neighbours all the time. Servers, visitors and browser share the machine. What the
product promises: no error, 95 of 100 neighbour queries within 300 ms on the server and 1 s in the browser, at most
10 MB a session, no more of it as time goes on.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import math
import os
import random
import shutil
import statistics
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from google.protobuf.message import DecodeError
from playwright.sync_api import sync_playwright
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from benchmarks.paired import keep
from recsys.artifacts.store import ArtifactSet, artifact_sets
from tests.e2e.find_chromium import ARGUMENTS, find_chromium
from tests.e2e.server import running_app

SESSIONS, SECONDS, PROCESSES = 50, 300.0, 2
THINKING = 5.0, 15.0  # seconds between an answer and the next click
LEAST = 2  # pages that each person sees, so that five of them see all pages in however short a time
PATIENCE = 60.0  # seconds after which a page that has not come counts as an error
PATIENCE_WITH_A_FIT = 180.0
FIT, KEPT = "Fit in full and keep", "Kept as"
SECONDS_BETWEEN_SAMPLES = 5.0
SESSIONS_ARE_KEPT = 20  # seconds after their person left; Streamlit's usual two minutes would only make this longer
# More than what a person looks at: a neighbour query is the page that is asked for most.
ROUND = ("neighbours", "neighbours", "neighbours", "whatif", "maps", "neighbours", "listener", "evaluation",
         "blind_test", "")  # fmt: skip


@dataclass
class Seen:
    """What visitors met."""

    seconds: dict[str, list[tuple[float, float]]] = field(
        default_factory=dict
    )  # by page: when asked, seconds to its end
    fits: list[tuple[float, float]] = field(default_factory=list)  # begun, ended
    errors: list[str] = field(default_factory=list)

    def of(self, page: str, when: Callable[[float], bool] = lambda asked: True) -> list[float]:
        """Seconds that a page took, of the runs that were asked for at such times."""
        return [seconds for asked, seconds in self.seconds.get(page, []) if when(asked)]


class Visitor:
    """One person's browser, without the browser: takes every message and shows none."""

    def __init__(self, socket: ClientConnection, seen: Seen) -> None:
        self._socket = socket
        self._seen = seen
        self._ended: asyncio.Queue[bool] = asyncio.Queue()
        self._pages: dict[str, str] = {}
        self._query = self._page = ""
        self._polling: dict[str, asyncio.Task[None]] = {}
        self.buttons: dict[str, str] = {}  # id by label, of the page on show
        self.fields: dict[str, tuple[str, str]] = {}  # id and usual text by label
        self.words = ""  # all that was written on this page

    @classmethod
    @contextlib.asynccontextmanager
    async def at(cls, address: str, seen: Seen):  # type: ignore[no-untyped-def]
        stream = f"{address.replace('http', 'ws', 1)}/_stcore/stream"
        async with connect(stream, subprotocols=["streamlit"], max_size=None, proxy=None) as socket:  # type: ignore[list-item]
            visitor = cls(socket, seen)
            listening = asyncio.create_task(visitor._listen())
            try:
                yield visitor
            finally:
                visitor._stop_polling()
                listening.cancel()

    async def look_at(self, page: str, query: str, press: str | None = None) -> float:
        """Ask for a page, or press a button of the one on show; seconds until it has run to its end."""
        start = time.monotonic()
        message = BackMsg()
        state = message.rerun_script
        state.query_string, state.page_name = query, page
        state.page_script_hash = self._pages.get(page, "")
        if press:
            state.widget_states.widgets.add(id=self.buttons[press], trigger_value=True)
            for identity, text in self.fields.values():
                state.widget_states.widgets.add(id=identity, string_value=text)
        self._query, self._page = query, page
        self.buttons, self.fields, self.words = {}, {}, ""
        self._stop_polling()
        while not self._ended.empty():  # of a run that nobody asked for, such as after news of a what-if
            self._ended.get_nowait()
        await self._socket.send(message.SerializeToString())
        try:
            await asyncio.wait_for(self._ended.get(), PATIENCE)
        except TimeoutError:
            self._seen.errors.append(f"{page}: nothing within {PATIENCE:.0f} s")
        seconds = time.monotonic() - start
        self._seen.seconds.setdefault(page, []).append((start, seconds))
        return seconds

    async def _listen(self) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            try:
                async for content in self._socket:
                    message = ForwardMsg()
                    message.ParseFromString(content)  # type: ignore[arg-type]
                    self._take(message)
                self._seen.errors.append("the server closed a session")
            except (ConnectionClosed, DecodeError) as error:
                self._seen.errors.append(f"{type(error).__name__}: {error}")
                raise

    def _take(self, message: ForwardMsg) -> None:
        kind = message.WhichOneof("type")
        if kind == "navigation":
            self._pages = {page.url_pathname: page.page_script_hash for page in message.navigation.app_pages}
        elif kind == "script_finished" and message.script_finished == ForwardMsg.FINISHED_SUCCESSFULLY:
            self._ended.put_nowait(True)
        elif kind == "page_not_found":
            self._seen.errors.append(f"{self._page}: page not found")
        elif kind == "auto_rerun":
            fragment, interval = message.auto_rerun.fragment_id, message.auto_rerun.interval
            if fragment not in self._polling:
                self._polling[fragment] = asyncio.create_task(self._poll(fragment, interval))
        elif kind == "delta" and message.delta.WhichOneof("type") == "new_element":
            element = message.delta.new_element
            shown = element.WhichOneof("type")
            if shown == "exception":
                self._seen.errors.append(f"{self._page}: {element.exception.type}")
            elif shown == "button":
                self.buttons[element.button.label] = element.button.id
            elif shown == "text_input":
                self.fields[element.text_input.label] = element.text_input.id, element.text_input.default
            elif shown == "markdown":
                self.words += element.markdown.body

    async def _poll(self, fragment: str, interval: float) -> None:
        while True:
            await asyncio.sleep(interval)
            message = BackMsg()
            state = message.rerun_script
            state.query_string, state.page_script_hash = self._query, self._pages.get(self._page, "")
            state.fragment_id, state.is_auto_rerun = fragment, True
            await self._socket.send(message.SerializeToString())

    def _stop_polling(self) -> None:
        for task in self._polling.values():
            task.cancel()
        self._polling = {}


async def browse(
    address: str, items: Sequence[str], over: asyncio.Event, seen: Seen, seed: int, thinking: tuple[float, float]
) -> None:
    """One person goes through all pages, over and over, with another item each time, until it is over."""
    rng = random.Random(seed)
    await asyncio.sleep(rng.uniform(0, thinking[1]))
    async with Visitor.at(address, seen) as visitor:
        await visitor.look_at("", "")
        pages = itertools.cycle(ROUND)
        for number, page in enumerate(itertools.islice(pages, LEAST * seed % len(ROUND), None)):
            await asyncio.sleep(rng.uniform(*thinking))
            if number >= LEAST and over.is_set():
                return
            query = {
                "whatif": f"item={rng.choice(items)}&k1={rng.choice((0.5, 3, 10, 100))}&b={rng.choice((0.3, 0.8))}",
                "listener": f"listener={rng.randrange(100)}",
            }.get(page, f"item={rng.choice(items)}")
            await visitor.look_at(page, query)


async def fit_in_full(address: str, items: Sequence[str], begin: float, until: float, seen: Seen) -> None:
    """One person has full fits made one after another, each with another K1, from a time on; one at least."""
    await asyncio.sleep(max(0.0, begin - time.monotonic()))
    async with Visitor.at(address, seen) as visitor:
        await visitor.look_at("", "")
        for number in itertools.count():
            query = f"item={items[0]}&k1={2 + number / 100:.2f}&b=0.5"
            await visitor.look_at("whatif", query)
            start = time.monotonic()
            await visitor.look_at("whatif", query, press=FIT)
            while KEPT not in visitor.words and time.monotonic() - start < PATIENCE_WITH_A_FIT:
                await asyncio.sleep(0.2)
            if KEPT not in visitor.words:
                seen.errors.append(f"a full fit was not kept within {PATIENCE_WITH_A_FIT:.0f} s")
            seen.fits.append((start, time.monotonic()))
            if time.monotonic() > until:
                return


@dataclass
class Memory:
    """Bytes that all processes hold for themselves, mapped files left out, as their own figures say."""

    addresses: Sequence[str]
    samples: list[tuple[float, int, int]] = field(default_factory=list)  # when, bytes, sessions

    def look(self) -> int:
        own = sessions = 0
        for address in self.addresses:
            with urllib.request.urlopen(f"{address}/metrics", timeout=30) as answer:
                figures = dict(line.rsplit(" ", 1) for line in answer.read().decode().splitlines() if line[0] != "#")
            own += int(float(figures['recsys_memory_bytes{kind="own"}']))
            sessions += int(float(figures["recsys_sessions"]))
        self.samples.append((time.monotonic(), own, sessions))
        return own

    async def watch(self, over: asyncio.Event) -> None:
        while not over.is_set():
            await asyncio.to_thread(self.look)
            await asyncio.sleep(SECONDS_BETWEEN_SAMPLES)


async def crowd(
    addresses: Sequence[str],
    items: Sequence[str],
    sessions: int,
    seconds: float,
    thinking: tuple[float, float] = THINKING,
) -> tuple[Seen, Memory, float]:
    """Everybody at once, until the last full fit is done; what they met, the servers' memory, when fits began."""
    seen, memory, over = Seen(), Memory(addresses), asyncio.Event()
    start = time.monotonic()
    fitting = start + seconds / 2

    async def fit() -> None:
        try:
            await fit_in_full(addresses[0], items, fitting, start + seconds, seen)
        finally:
            over.set()

    await asyncio.gather(
        memory.watch(over),
        fit(),
        *(browse(addresses[seed % len(addresses)], items, over, seen, seed, thinking) for seed in range(1, sessions)),
    )
    return seen, memory, fitting


def main(folder: Path, sessions: int, seconds: float, processes: int) -> None:
    with tempfile.TemporaryDirectory() as place, _page_runs_logged():
        root, said = Path(place) / "sets", [Path(place) / f"said{process}" for process in range(processes)]
        shutil.copytree(folder, root)  # full fits are kept beside their base
        first = ArtifactSet.open(artifact_sets(root)[0])
        items = [str(item) for item in first.catalogue["item_id"]]
        kept = (f"--server.disconnectedSessionTTL={SESSIONS_ARE_KEPT}",)
        with contextlib.ExitStack() as running:
            addresses = [
                running.enter_context(running_app(root, script="serve.py", options=kept, said=each)) for each in said
            ]
            for address in addresses:
                asyncio.run(_first_visit(address, items))
            with _chromium(addresses[0], seconds) as clicks:
                memory = Memory(addresses)
                before = memory.look()
                began = time.time()
                seen, memory, fitting = asyncio.run(crowd(addresses, items, sessions, seconds))
            time.sleep(SESSIONS_ARE_KEPT + 10)
            left = memory.look()
        queries, fits = "neighbours", _running(seen.fits)
        own = [size for _, size, _ in memory.samples[:-1]]
        tenth = max(1, len(own) // 10)
        keep(
            "load",
            {
                "artifact_set": {"items": first.manifest.counts.items, "listeners": first.manifest.counts.listeners},
                "processes": processes,
                "sessions": sessions,
                "seconds": seconds,
                "seconds_of_thinking": THINKING,
                "errors": seen.errors,
                "ms_of_scripts_on_the_server": _ms_by_page(said, began),
                "ms_to_the_last_message": {
                    page or "overview": _ms(seen.of(page)) for page in dict.fromkeys(ROUND) if seen.of(page)
                },
                "ms_neighbour_query_without_a_fit": _ms(seen.of(queries, lambda asked: asked < fitting)),
                "ms_neighbour_query_beside_a_full_fit": _ms(seen.of(queries, fits)),
                "ms_click_to_lists_in_chromium": _ms([took for _, took in clicks]),
                "ms_click_to_lists_in_chromium_beside_a_full_fit": _ms([took for when, took in clicks if fits(when)]),
                "s_full_fits": [round(ended - begun, 1) for begun, ended in seen.fits],
                "megabytes": {
                    "before": _megabytes(before),
                    # Full fits begin in the sixth; the first loads the libraries that fit.
                    "by_tenths_of_the_time": [
                        _megabytes(statistics.mean(own[at : at + tenth])) for at in range(0, len(own), tenth)
                    ],
                    "a_session": round((statistics.mean(own[-tenth:]) - before) / sessions / 1e6, 2),
                    "after_all_left": _megabytes(left),
                },
            },
        )


@contextlib.contextmanager
def _page_runs_logged() -> Iterator[None]:
    os.environ["RECSYS_LOG"] = "json"
    yield
    del os.environ["RECSYS_LOG"]


async def _first_visit(address: str, items: Sequence[str]) -> None:
    """All pages once, so that what is loaded for everybody is not counted as anybody's."""
    async with Visitor.at(address, Seen()) as visitor:
        for page in ("", *ROUND):
            await visitor.look_at(page, f"item={items[0]}")


@contextlib.contextmanager
def _chromium(address: str, seconds: float) -> Iterator[list[tuple[float, float]]]:
    """A browser that clicks through neighbours meanwhile: when it clicked, and seconds to other lists."""
    clicks: list[tuple[float, float]] = []
    thread = threading.Thread(target=_click, args=(address, time.monotonic() + seconds, clicks))
    thread.start()
    yield clicks
    thread.join()


def _click(address: str, until: float, clicks: list[tuple[float, float]]) -> None:
    rng = random.Random(0)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=ARGUMENTS)
        page = browser.new_page(viewport={"width": 1440, "height": 1000})
        page.goto(f"{address}/neighbours")
        names = page.locator("section.first td.name button")
        names.first.wait_for(timeout=60_000)
        while time.monotonic() < until:
            page.wait_for_timeout(1000 * rng.uniform(*THINKING))
            before, chosen = names.all_inner_texts(), names.nth(rng.randrange(1, 10))
            name, start = chosen.inner_text(), time.monotonic()
            chosen.click()
            page.get_by_role("heading", name=f"Similar to {name}", exact=True).wait_for()
            # The lists stand in shadow trees, where only locators look.
            while names.all_inner_texts() == before and time.monotonic() - start < PATIENCE:
                page.wait_for_timeout(10)
            clicks.append((start, time.monotonic() - start))
        browser.close()


def _running(fits: Sequence[tuple[float, float]]) -> Callable[[float], bool]:
    return lambda when: any(begun <= when < ended for begun, ended in fits)


def _ms_by_page(said: Sequence[Path], began: float) -> dict[str, dict[str, float]]:
    """Milliseconds that the scripts of pages ran, going by the servers' own logs."""
    taken: dict[str, list[float]] = {}
    for line in itertools.chain.from_iterable(log.read_text("utf-8").splitlines() for log in said):
        if line.startswith('{"time"'):
            run = json.loads(line)
            if datetime.fromisoformat(run["time"]).timestamp() >= began and run["outcome"] == "ok":
                taken.setdefault(run["page"], []).append(run["seconds"])
    return {page: _ms(seconds) for page, seconds in taken.items()}


def _ms(seconds: Sequence[float]) -> dict[str, float]:
    if not seconds:
        return {"cases": 0}
    ordered = sorted(seconds)
    return {
        "median": round(1000 * statistics.median(ordered)),
        "p95": round(1000 * ordered[math.ceil(0.95 * len(ordered)) - 1]),
        "most": round(1000 * ordered[-1]),
        "cases": len(ordered),
    }


def _megabytes(size: float) -> float:
    return round(size / 1e6, 1)


if __name__ == "__main__":
    asked = [*sys.argv[2:5], *(SESSIONS, SECONDS, PROCESSES)[len(sys.argv) - 2 :]]
    main(Path(sys.argv[1]), int(asked[0]), float(asked[1]), int(asked[2]))
