"""A server's figures in Prometheus' text format."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from prometheus_client import CollectorRegistry, Gauge, ProcessCollector, generate_latest

from recsys.serving.readiness import Readiness
from recsys.serving.runs import RUNS


@dataclass(frozen=True)
class Figures:
    """What is so at this moment.

    sessions : people connected.
    waiting, running : long what-if computations.
    """

    sessions: int
    waiting: int
    running: int
    readiness: Readiness


def exposition(figures: Figures) -> bytes:
    """What is so now, and what was counted since the server began, as one page for Prometheus to read."""
    now = CollectorRegistry()
    ProcessCollector(registry=now)
    Gauge("recsys_sessions", "Sessions that are connected.", registry=now).set(figures.sessions)
    queue = Gauge("recsys_whatif_computations", "Long what-if computations, by state.", ["state"], registry=now)
    queue.labels("waiting").set(figures.waiting)
    queue.labels("running").set(figures.running)
    sets = Gauge("recsys_artifact_sets", "Artifact sets, by whether they can be opened.", ["state"], registry=now)
    sets.labels("usable").set(figures.readiness.usable)
    sets.labels("unusable").set(len(figures.readiness.problems))
    memory = Gauge("recsys_memory_bytes", "Resident memory; mapped files are shared by all processes.", ["kind"],
                   registry=now)  # fmt: skip
    for kind, size in _resident_bytes().items():
        memory.labels(kind).set(size)
    return generate_latest(RUNS) + generate_latest(now)


def _resident_bytes() -> dict[str, int]:
    """Resident memory by kind, where the system tells (Linux).

    Source: proc_pid_status(5).
    """
    kinds = {"RssAnon:": "own", "RssFile:": "mapped"}
    status = Path("/proc/self/status")
    lines = [line.split() for line in status.read_text("ascii").splitlines()] if status.exists() else []
    return {kinds[parts[0]]: int(parts[1]) * 1024 for parts in lines if parts[0] in kinds}
