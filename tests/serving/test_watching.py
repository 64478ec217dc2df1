"""How a page's run ended, as the log and the figures tell it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace

import pytest
import streamlit as st
from streamlit.runtime.scriptrunner import RerunException, StopException
from streamlit.runtime.scriptrunner_utils.script_requests import RerunData

from recsys.errors import DamagedArtifacts
from recsys.serving.runs import PageRun
from recsys.ui import monitoring


@dataclass
class Page:
    """As much of Streamlit's page as is watched."""

    title: str
    run: Callable[[], None]


def ends_with(error: BaseException) -> Callable[[], None]:
    def run() -> None:
        raise error

    return run


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> list[PageRun]:
    runs: list[PageRun] = []
    monkeypatch.setattr(monitoring, "record", runs.append)
    monkeypatch.setattr(st, "session_state", {"set": "lastfm-2k--for Ann"})
    return runs


def test_a_run_is_recorded_under_its_page_and_the_set_that_a_scenario_was_made_from(
    kept: list[PageRun], monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = iter([10.0, 12.5])
    monkeypatch.setattr(monitoring, "time", SimpleNamespace(perf_counter=lambda: next(seconds)))
    monitoring.watched(Page("Maps", lambda: None))()  # type: ignore[arg-type]
    assert kept == [PageRun("Maps", 2.5, "lastfm-2k", "ok", None)]


@pytest.mark.parametrize(
    ("raised", "outcome", "name"),
    [
        (StopException(), "stopped", None),
        (RerunException(RerunData()), "rerun", None),
        (DamagedArtifacts("cut"), "error", "DamagedArtifacts"),
        (KeyError("Radiohead"), "error", "KeyError"),
    ],
)
def test_however_a_run_ends_it_is_recorded_and_ends_so(
    kept: list[PageRun], raised: BaseException, outcome: str, name: str | None
) -> None:
    with pytest.raises(type(raised), match=str(raised) if name else None):
        monitoring.watched(Page("Maps", ends_with(raised)))()  # type: ignore[arg-type]
    assert [(run.outcome, run.error) for run in kept] == [(outcome, name)]


def test_a_run_before_any_set_was_chosen_has_none(kept: list[PageRun], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(st, "session_state", {})
    monitoring.watched(Page("Maps", lambda: None))()  # type: ignore[arg-type]
    assert [run.set for run in kept] == [None]
