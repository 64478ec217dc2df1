"""Runs of pages: their seconds counted by page, and, where it is asked for, one line of JSON a run."""

from __future__ import annotations

import json
import logging
import os
import sys
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Literal

from prometheus_client import CollectorRegistry, Histogram

from recsys.errors import ParameterError

Outcome = Literal["ok", "stopped", "rerun", "error"]
RUNS = CollectorRegistry()
# The bounds hold what is promised: 0.3 s for a neighbour query on the server.
_SECONDS = Histogram(
    "recsys_page_run_seconds",
    "Seconds that a page's script ran, by page and by how it ended.",
    ["page", "outcome"],
    buckets=(0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 1, 2, 5, 10, 30),
    registry=RUNS,
)


@dataclass(frozen=True)
class PageRun:
    """One run of a page's script. It holds nothing that a person typed, chose or came from.

    set : name of the artifact set; of a scenario the set that it was made from, because people name scenarios.
    outcome : ok; stopped before its end, because there is nothing to show or nobody to show it to; rerun, left for a
        newer run; error.
    error : class of the error, nothing of its message; None without one.
    """

    page: str
    seconds: float
    set: str | None
    outcome: Outcome
    error: str | None


def record(run: PageRun) -> None:
    """Count a run, and log it where RECSYS_LOG asks for that; errors as of `page_log`."""
    _SECONDS.labels(run.page, run.outcome).observe(run.seconds)
    page_log().info(as_line(run, datetime.now(UTC)))


def as_line(run: PageRun, ended: datetime) -> str:
    """A run as one line of JSON; `ended` in UTC."""
    when = ended.strftime("%Y-%m-%dT%H:%M:%SZ")
    return json.dumps({"time": when, **asdict(run), "seconds": round(run.seconds, 4)}, ensure_ascii=False)


@cache
def page_log() -> logging.Logger:
    """Where runs are written: to standard error when RECSYS_LOG is json; unset, only to handlers that somebody adds.

    Raises
    ------
    ParameterError : RECSYS_LOG is something else.
    """
    wanted = os.environ.get("RECSYS_LOG", "")
    if wanted not in ("", "json"):
        raise ParameterError(f"RECSYS_LOG is {wanted!r}; set it to json, or leave it out for no log of page runs")
    log = logging.getLogger("recsys.pages")
    if wanted:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(logging.Formatter("%(message)s"))
        log.addHandler(handler)
        log.setLevel(logging.INFO)
        log.propagate = False
    return log
