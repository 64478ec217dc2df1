"""What is kept of a page's run, and what never is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from recsys.errors import ParameterError
from recsys.serving.figures import Figures, exposition
from recsys.serving.readiness import Readiness
from recsys.serving.runs import PageRun, as_line, page_log, record

ROOT = Path(__file__).resolve().parents[2]
RUN = PageRun(page="Maps", seconds=0.25, set="demo", outcome="ok", error=None)
NOTHING = Figures(sessions=0, waiting=0, running=0, readiness=Readiness(0, {}))


@pytest.fixture(autouse=True)
def unset(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv("RECSYS_LOG", raising=False)
    page_log.cache_clear()
    yield
    page_log.cache_clear()


def seen(figures: Figures = NOTHING) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(exposition(figures).decode())
        for sample in family.samples
    }


def test_a_line_holds_these_fields_and_no_others() -> None:
    ended = datetime(2026, 11, 22, 16, 5, 9, 999_999, tzinfo=UTC)
    assert json.loads(as_line(replace(RUN, seconds=0.123456), ended)) == {
        "time": "2026-11-22T16:05:09Z",
        "page": "Maps",
        "seconds": 0.1235,
        "set": "demo",
        "outcome": "ok",
        "error": None,
    }


def test_a_line_is_one_line_whatever_a_set_is_called() -> None:
    line = as_line(replace(RUN, set='two\nlines "and" quotes'), datetime.now(UTC))
    assert "\n" not in line
    assert json.loads(line)["set"] == 'two\nlines "and" quotes'


def test_runs_are_counted_by_page_and_outcome_below_the_bound_they_took() -> None:
    before = seen()
    record(RUN)
    record(replace(RUN, seconds=0.75))
    record(replace(RUN, outcome="error", error="KeyError"))

    def more(name: str, **labels: str) -> float:
        key = name, tuple(sorted(labels.items()))
        return seen()[key] - before.get(key, 0.0)

    assert more("recsys_page_run_seconds_count", page="Maps", outcome="ok") == 2
    assert more("recsys_page_run_seconds_sum", page="Maps", outcome="ok") == 1.0
    assert more("recsys_page_run_seconds_bucket", page="Maps", outcome="ok", le="0.2") == 0
    assert more("recsys_page_run_seconds_bucket", page="Maps", outcome="ok", le="0.3") == 1
    assert more("recsys_page_run_seconds_bucket", page="Maps", outcome="ok", le="1.0") == 2
    assert more("recsys_page_run_seconds_count", page="Maps", outcome="error") == 1


def test_figures_are_those_of_the_moment_and_asking_twice_changes_nothing() -> None:
    figures = Figures(sessions=7, waiting=3, running=1, readiness=Readiness(2, {"torn": "why"}))
    for found in (seen(figures), seen(figures)):
        assert found["recsys_sessions", ()] == 7
        assert found["recsys_whatif_computations", (("state", "waiting"),)] == 3
        assert found["recsys_whatif_computations", (("state", "running"),)] == 1
        assert found["recsys_artifact_sets", (("state", "usable"),)] == 2
        assert found["recsys_artifact_sets", (("state", "unusable"),)] == 1


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells what memory is made of")
def test_own_and_mapped_memory_make_up_what_is_resident() -> None:
    found = seen()
    parts = [found["recsys_memory_bytes", (("kind", kind),)] for kind in ("own", "mapped")]
    assert min(parts) > 1e6
    assert sum(parts) == pytest.approx(found["process_resident_memory_bytes", ()], rel=0.05)


def test_no_name_of_a_set_is_among_the_figures() -> None:
    assert "Ann's" not in exposition(replace(NOTHING, readiness=Readiness(0, {"demo--Ann's": "why"}))).decode()


def test_an_unknown_kind_of_log_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECSYS_LOG", "jsn")
    with pytest.raises(ParameterError, match="RECSYS_LOG is 'jsn'; set it to json, or leave it out"):
        page_log()


@pytest.mark.parametrize(("wanted", "lines"), [("json", 2), ("", 0)])
def test_a_log_is_written_to_standard_error_only_where_it_is_asked_for(wanted: str, lines: int) -> None:
    script = "from tests.serving.test_runs import RUN, record; record(RUN); record(RUN)"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True,
        env={**os.environ, "RECSYS_LOG": wanted},
    )  # fmt: skip
    assert [json.loads(line)["page"] for line in done.stderr.splitlines()] == ["Maps"] * lines
    assert done.stdout == ""
