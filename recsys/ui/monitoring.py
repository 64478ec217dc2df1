"""A running server watched: each page's run timed, and two addresses beside the app for who looks after it."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from types import TracebackType

import streamlit as st
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from streamlit.navigation.page import StreamlitPage
from streamlit.runtime import get_instance
from streamlit.runtime.scriptrunner import RerunException, StopException
from streamlit.runtime.stats import ACTIVE_SESSIONS_FAMILY, GaugeStat

from recsys.artifacts.names import BETWEEN
from recsys.serving.figures import Figures, exposition
from recsys.serving.readiness import Readiness, readiness
from recsys.serving.runs import Outcome, PageRun, page_log, record
from recsys.ui.soundness import known_damage

HEALTH, METRICS = "/health", "/metrics"
# However often somebody asks, sets are not opened more often than that.
SECONDS_BETWEEN_LOOKS = 5.0


def watched(page: StreamlitPage) -> Callable[[], None]:
    """The page's run, timed and recorded however it ends."""

    def run() -> None:
        with _Watch(page.title):
            page.run()

    return run


class _Watch:
    def __init__(self, page: str) -> None:
        self._page = page
        self._start = time.perf_counter()

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        name = st.session_state.get("set")
        outcome = _outcome(kind)
        record(
            PageRun(
                page=self._page,
                seconds=time.perf_counter() - self._start,
                set=str(name).split(BETWEEN)[0] if name else None,
                outcome=outcome,
                error=kind.__name__ if kind and outcome == "error" else None,
            )
        )


def _outcome(kind: type[BaseException] | None) -> Outcome:
    if kind is None:
        return "ok"
    if issubclass(kind, StopException):
        return "stopped"
    return "rerun" if issubclass(kind, RerunException) else "error"


def monitoring_routes() -> list[Route]:
    """Health of the sets and figures, for `st.App`.

    Raises
    ------
    ParameterError : RECSYS_LOG is not what it may be; better known before the first visitor comes.
    """
    page_log()
    return [Route(HEALTH, _health), Route(METRICS, _metrics)]


# Not `async`: Starlette runs these beside its event loop, which the disk must not stop.
def _health(request: Request) -> Response:
    found = _looked()
    # Numbers only: this may be asked from outside, and names of scenarios are people's words.
    content = {"status": found.status, "usable": found.usable, "unusable": len(found.problems)}
    return JSONResponse(content, 503 if found.status == "unavailable" else 200, headers={"Cache-Control": "no-store"})


def _metrics(request: Request) -> Response:
    # As below; and no page but the what-if waits for its imports.
    from recsys.ui.whatif import turns

    queue = turns()
    active = get_instance().stats_mgr.get_stats(family_names=[ACTIVE_SESSIONS_FAMILY])[ACTIVE_SESSIONS_FAMILY]
    figures = Figures(
        sessions=sum(stat.value for stat in active if isinstance(stat, GaugeStat)),
        waiting=queue.waiting(),
        running=queue.running(),
        readiness=_looked(),
    )
    return Response(exposition(figures), media_type="text/plain; version=0.0.4; charset=utf-8")


_looking = threading.Lock()
_last: tuple[float, Readiness] | None = None


def _looked() -> Readiness:
    """Readiness as of a moment ago; a set that has just become unusable is told to the log."""
    # Streamlit warns of every cached function that is imported before its server has begun.
    from recsys.ui.loading import artifacts_root

    global _last
    with _looking:
        if _last is None or time.monotonic() - _last[0] > SECONDS_BETWEEN_LOOKS:
            before = _last[1].problems if _last else {}
            found = readiness(artifacts_root(), known_damage())
            for name, problem in found.problems.items():
                if before.get(name) != problem:
                    logging.getLogger(__name__).error("artifact set cannot be served: %s", problem)
            _last = time.monotonic(), found
        return _last[1]
