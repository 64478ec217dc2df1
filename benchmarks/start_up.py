"""From `make app` on a warm machine to what a person sees: the server's start, the first page, what is imported for it.

Each round starts a server, as `make app` does once all is installed, and opens Overview in a Chromium that runs
already, as a person's does. There is nothing to compare with; what the product promises is 4 s to the first paint.
Afterwards one more server is started under Python's own import profile; its times are longer, and only their shares
count.
"""

from __future__ import annotations

import os
import re
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, sync_playwright

from benchmarks.data import Asked
from benchmarks.paired import ROOT, Figures, spread
from tests.e2e.find_chromium import ARGUMENTS, find_chromium
from tests.e2e.server import running_app

ROUNDS = 7
PACKAGES_SHOWN = 15
_IMPORTED = re.compile(r"import time:\s+(\d+) \|\s+\d+ \|\s+(\w+)")


def measure(asked: Asked) -> dict[str, Any]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=ARGUMENTS)
        _started(browser)  # what was never read from disk is read now
        rounds = [_started(browser) for _ in range(asked.rounds or ROUNDS)]
        packages = _imported(browser)
    rows = [[name, f"{ms:,.0f}"] for name, ms in packages.most_common(PACKAGES_SHOWN)]
    rows.append(["all", f"{packages.total():,.0f}"])
    return {
        "artifact_set": "demo",
        **{figure: spread([each[figure] for each in rounds]) for figure in rounds[0]},
        "tables": [
            {
                "title": "Imports before the first page is whole, ms of each package's own modules, profiled",
                "head": ["package", "ms"],
                "rows": rows,
            }
        ],
    }


def _started(browser: Browser, said: Path | None = None) -> Figures:
    start = time.perf_counter()
    figures = {}
    with running_app(ROOT / "artifacts", said=said) as address:
        figures["seconds_to_answer"] = time.perf_counter() - start
        page = browser.new_page(viewport={"width": 1440, "height": 1000})
        page.goto(address)
        page.get_by_role("heading", name="Two models of one listening log").wait_for()
        figures["seconds_to_first_words"] = time.perf_counter() - start
        page.locator("canvas, svg.marks").first.wait_for()
        figures["seconds_to_first_chart"] = time.perf_counter() - start
        page.locator("[data-testid=stApp][data-test-script-state=notRunning]").wait_for()
        figures["seconds_to_the_whole_page"] = time.perf_counter() - start
        page.close()
    return figures


def _imported(browser: Browser) -> Counter[str]:
    """Milliseconds by top-level package."""
    with tempfile.TemporaryDirectory() as place:
        said = Path(place) / "said"
        os.environ["PYTHONPROFILEIMPORTTIME"] = "1"
        try:
            _started(browser, said)
        finally:
            del os.environ["PYTHONPROFILEIMPORTTIME"]
        packages: Counter[str] = Counter()
        for microseconds, name in _IMPORTED.findall(said.read_text("utf-8", "replace")):
            packages[name] += int(microseconds) / 1000
    return packages
