"""The app as it is served: health and figures beside it, and two processes behind the shipped nginx configuration."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect
from prometheus_client.parser import text_string_to_metric_families

from tests.e2e.conftest import PATIENCE
from tests.e2e.proxy import find_nginx, running_proxy
from tests.e2e.server import ROOT, running_app

PAGES = {
    "": "section, canvas",
    "neighbours": "section.first td.name button",
    "whatif": "section.first td.name button",
    "maps": "canvas",
    "listener": "section.first td.name button",
    "evaluation": "canvas",
    "blind_test": "h2",
}
needs_nginx = pytest.mark.skipif(not find_nginx(), reason="no nginx here: apt-get install nginx")


def answer(address: str) -> tuple[int, bytes, dict[str, str]]:
    try:
        with urllib.request.urlopen(address, timeout=PATIENCE) as found:
            return found.status, found.read(), {name.lower(): value for name, value in found.headers.items()}
    except urllib.error.HTTPError as error:
        with closing(error):
            return error.code, error.read(), {}


def figure(address: str, name: str, **labels: str) -> float:
    """One figure's value; 0 where it was never counted."""
    families = text_string_to_metric_families(answer(f"{address}/metrics")[1].decode())
    samples = [sample for family in families for sample in family.samples]
    return sum(sample.value for sample in samples if sample.name == name and sample.labels.items() >= labels.items())


def shown(page: Page, address: str, selector: str) -> None:
    """Open a page and wait for what it is there to show. Without `settled`, which a content policy forbids."""
    page.goto(address)
    expect(page.locator(selector).first).to_be_visible()
    expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")
    expect(page.get_by_test_id("stException")).to_have_count(0)


def test_a_server_tells_its_health_and_figures_and_logs_runs_without_personal_data(
    browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RECSYS_LOG", "json")
    root, said = tmp_path / "sets", tmp_path / "said"
    shutil.copytree(ROOT / "artifacts" / "demo", root / "demo")
    shutil.copytree(ROOT / "artifacts" / "demo", root / "demo--Ann's own")
    shutil.copytree(ROOT / "artifacts" / "demo", root / "torn")
    next((root / "torn").glob("*/manifest.json")).write_text("{")
    with running_app(root, script="serve.py", said=said) as address:
        status, content, _ = answer(f"{address}/health")
        assert (status, json.loads(content)) == (200, {"status": "degraded", "usable": 2, "unusable": 1})
        assert figure(address, "recsys_sessions") == 0
        page = browser.new_page()
        shown(page, f"{address}/neighbours?set=demo--Ann's own&item=s000000&n=6", PAGES["neighbours"])
        assert figure(address, "recsys_sessions") == 1
        assert figure(address, "recsys_page_run_seconds_count", page="Neighbours", outcome="ok") >= 1
        page.goto(f"{address}/neighbours?set=torn")
        expect(page.get_by_role("heading", name="is damaged")).to_be_visible()
        page.close()
        for name in ("demo", "demo--Ann's own"):
            shutil.rmtree(root / name)
        deadline = time.monotonic() + PATIENCE
        while answer(f"{address}/health")[0] == 200 and time.monotonic() < deadline:
            time.sleep(0.5)
        assert answer(f"{address}/health")[0] == 503
        assert answer(f"{address}/_stcore/health")[0] == 200, "alive is another question"
    lines = said.read_text("utf-8").splitlines()
    runs = [json.loads(line) for line in lines if line.startswith('{"time"')]
    assert {run["set"] for run in runs} <= {"demo", "torn", None}
    assert {"ok", "error"} <= {run["outcome"] for run in runs}
    assert {run["error"] for run in runs} == {None, "DamagedArtifacts"}
    for line in (line for line in lines if line.startswith('{"time"')):
        assert not any(word in line for word in ("s000000", "Ann", "127.0.0.1", "Radiohead"))


@pytest.fixture(scope="module")
def proxied() -> Iterator[tuple[str, list[str], list[ExitStack], Path]]:
    """Two processes behind nginx: its address, theirs, what stops each, and its access log."""
    with ExitStack() as everything:
        stops = [everything.enter_context(ExitStack()) for _ in range(2)]
        servers = [stop.enter_context(running_app(ROOT / "artifacts", script="serve.py")) for stop in stops]
        address, log = everything.enter_context(running_proxy(servers))
        yield address, servers, stops, log


@needs_nginx
def test_every_page_works_under_the_content_policy(
    browser: Browser, proxied: tuple[str, list[str], list[ExitStack], Path]
) -> None:
    said: list[str] = []

    def hear(message: ConsoleMessage) -> None:
        # Deep links ask twice for what is not there: Streamlit looks for the path it is served under.
        if message.type == "error" and "404" not in message.text:
            said.append(message.text)

    address, *_ = proxied
    page = browser.new_page(viewport={"width": 1440, "height": 1000})
    page.on("console", hear)
    page.on("pageerror", lambda error: said.append(str(error)))
    for path, selector in PAGES.items():
        shown(page, f"{address}/{path}", selector)
    page.close()
    assert said == []


@needs_nginx
def test_headers_say_what_browsers_may_do(proxied: tuple[str, list[str], list[ExitStack], Path]) -> None:
    _, _, headers = answer(proxied[0])
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    policy = dict(part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";"))
    assert policy["default-src"] == policy["frame-ancestors"] == "'none'"
    assert "unsafe" not in policy["script-src"]


@needs_nginx
def test_figures_stay_inside_and_health_is_told(proxied: tuple[str, list[str], list[ExitStack], Path]) -> None:
    address, servers, *_ = proxied
    for path in ("/metrics", "/_stcore/metrics", "/_stcore/agent/openapi.json"):
        assert answer(f"{servers[0]}{path}")[0] == 200
        assert answer(f"{address}{path}")[0] == 404
    for path in ("/health", "/_stcore/health"):
        assert answer(f"{address}{path}")[0] == 200


@needs_nginx
def test_a_browser_stays_with_its_process_and_the_log_knows_no_address_and_no_item(
    browser: Browser, proxied: tuple[str, list[str], list[ExitStack], Path]
) -> None:
    address, servers, _, log = proxied

    def asked() -> list[list[str]]:
        return [line.split() for line in log.read_text("utf-8").splitlines()]

    deadline = time.monotonic() + PATIENCE  # a page that an earlier test closed is logged when its websocket has ended
    while any(figure(server, "recsys_sessions") for server in servers) and time.monotonic() < deadline:
        time.sleep(0.1)
    start = len(asked())
    page = browser.new_page()
    shown(page, f"{address}/neighbours?item=s000000", PAGES["neighbours"])
    page.close()
    deadline = time.monotonic() + PATIENCE
    while not any(line[2] == "/_stcore/stream" for line in asked()[start:]) and time.monotonic() < deadline:
        time.sleep(0.1)
    visit = asked()[start:]
    assert len(visit) > 10
    assert len({line[-1] for line in visit}) == 1, "everything that one browser asks for goes to one process"
    for _ in range(40):
        answer(f"{address}/_stcore/health")
    # What nginx refuses by itself has none.
    assert {line[-1] for line in asked()} - {"-"} == {server.removeprefix("http://") for server in servers}
    assert all(len(line) == 6 for line in asked()), "time, method, path, status, seconds, process"
    assert "s000000" not in log.read_text("utf-8")


@needs_nginx
def test_people_of_a_process_that_ends_go_on_with_the_other(
    browser: Browser, proxied: tuple[str, list[str], list[ExitStack], Path]
) -> None:
    address, servers, stops, _ = proxied
    page = browser.new_page()
    shown(page, f"{address}/neighbours?item=s000000", PAGES["neighbours"])
    link = page.url
    mine = next(number for number, server in enumerate(servers) if figure(server, "recsys_sessions"))
    other = servers[1 - mine]

    def drawn() -> float:
        return figure(other, "recsys_page_run_seconds_count", page="Overview", outcome="ok")

    before = drawn()
    stops[mine].close()
    deadline = time.monotonic() + PATIENCE
    while not figure(other, "recsys_sessions") and time.monotonic() < deadline:
        page.wait_for_timeout(200)
    # What stands there stays; the next step is answered by the other process.
    expect(page.get_by_role("heading", name="Similar to Radiohead")).to_be_visible()
    page.get_by_role("link", name="Overview").click()
    expect(page.get_by_role("heading", name="Two models of one listening log")).to_be_visible()
    while drawn() == before and time.monotonic() < deadline:
        page.wait_for_timeout(200)
    assert drawn() > before
    shown(page, link, PAGES["neighbours"])
    expect(page.get_by_role("heading", name="Similar to Radiohead")).to_be_visible()
    page.close()


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd here: apt-get install systemd")
def test_systemd_understands_the_unit(tmp_path: Path) -> None:
    unit = tmp_path / "recsys@8501.service"
    shipped = (ROOT / "deploy" / "recsys@.service").read_text("utf-8")
    unit.write_text(shipped.replace("/opt/recsys/.venv/bin/python", sys.executable), "utf-8")
    done = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True, timeout=60, check=False)
    assert [line for line in done.stderr.splitlines() if "recsys@" in line] == []
    assert done.returncode == 0
