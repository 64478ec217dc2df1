"""The Evaluation page in a real browser, on a quick evaluation of the demo."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from recsys.artifacts.store import ArtifactSet
from recsys.evaluation.kept import evaluate_set
from recsys.evaluation.settings import EvaluationSettings
from recsys.ui.controls import as_text
from tests.e2e.conftest import address_of, settled
from tests.e2e.server import ROOT, running_app

Visit = Callable[..., Page]


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory: pytest.TempPathFactory) -> ArtifactSet:
    path = Path(shutil.copytree(ROOT / "artifacts" / "demo", tmp_path_factory.mktemp("sets") / "demo"))
    quick = EvaluationSettings(listeners=80, replicates=1)
    stated = {"als": {"iterations": 2}, "word2vec": {"epochs": 1}}
    for protocol in ("holdout", "next-event"):
        kept = evaluate_set(path, quick.model_copy(update={"protocol": protocol}), stated)
    return kept


@pytest.fixture(scope="module")
def app(evaluated: ArtifactSet) -> Iterator[str]:
    with running_app(evaluated.folder.parents[1]) as address:
        yield address


def shown(words: str) -> str:
    """As the page writes a sentence: Markdown's escapes are gone, invisible joiners are not."""
    return re.sub(r"\\(.)", r"\1", as_text(words))


def too_wide(page: Page) -> bool:
    return bool(
        page.evaluate(
            "[...document.querySelectorAll('[data-testid=stMain], html')].some(e => e.scrollWidth > e.clientWidth)"
        )
    )


@pytest.mark.parametrize("width", [390, 1440])
def test_it_opens_and_nothing_is_wider_than_the_window(
    app: str, evaluated: ArtifactSet, visit: Visit, width: int
) -> None:
    page = visit(f"{app}/evaluation?protocol=next-event", width=width)
    expect(page.get_by_role("heading", name=shown(evaluated.evaluation["next-event"].verdict))).to_be_visible()
    expect(page.get_by_test_id("stVegaLiteChart")).to_have_count(6)
    expect(page.locator(".figures tbody tr").first).to_be_visible()
    assert not too_wide(page)
    page.get_by_text("holdout", exact=True).click()
    expect(page.get_by_role("heading", name=shown(evaluated.evaluation["holdout"].verdict))).to_be_visible()
    settled(page)
    assert address_of(page, "protocol") in (None, "holdout")


def test_the_report_downloads_and_opens_by_itself(
    app: str, evaluated: ArtifactSet, visit: Visit, tmp_path: Path
) -> None:
    page = visit(f"{app}/evaluation")
    with page.expect_download() as file:
        page.get_by_role("button", name="Report (HTML)").click()
    assert file.value.suggested_filename == f"report-{evaluated.fingerprint[:12]}.html"
    report = tmp_path / "report.html"
    file.value.save_as(report)
    asked: list[str] = []
    complaints: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: complaints.append(message.text))
    page.set_viewport_size({"width": 390, "height": 900})
    page.goto(report.as_uri())
    for found in evaluated.evaluation.values():
        expect(page.get_by_text(found.verdict).first).to_be_visible()
    assert not too_wide(page)
    assert (asked, complaints) == ([report.as_uri()], [])
