"""A Chromium for the browser tests: the machine's own, else Playwright's, installed if need be."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
# Root needs no sandbox; the rest keeps the browser from calling home.
ARGUMENTS = [
    *(["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []),
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--disable-accelerated-2d-canvas",
]


def find_chromium() -> str | None:
    """Path of a Chromium, or None: CHROMIUM in the environment, then the PATH, then what Playwright installed."""
    named = os.environ.get("CHROMIUM")
    found = named or next((path for name in NAMES if (path := shutil.which(name))), None)
    if found:
        return found
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        own = playwright.chromium.executable_path
    return own if Path(own).exists() else None


if __name__ == "__main__":
    if not find_chromium():
        print("no Chromium here; asking Playwright to install one")
        subprocess.run([sys.executable, "-m", "playwright", "install", "chromium"], check=False)
    print(f"browser tests use {find_chromium() or 'no browser: they will be skipped, by name'}")
