"""The threat model names tests that are there."""

from __future__ import annotations

import re

from tests.e2e.server import ROOT
from tests.fuzz.__main__ import SURFACES


def test_every_test_that_the_threat_model_names_exists() -> None:
    named = set(re.findall(r"`(test_\w+)`", (ROOT / "docs/threat-model.md").read_text("utf-8")))
    there = {
        name
        for path in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"^def (test_\w+)\(", path.read_text("utf-8"), re.MULTILINE)
    }
    assert len(named) > 25
    assert named - there == set()


def test_every_surface_that_the_threat_model_names_is_fuzzed() -> None:
    text = (ROOT / "docs/threat-model.md").read_text("utf-8")
    named = {each for found in re.findall(r'SURFACES="?([\w ]+)"?`', text) for each in found.split()}
    assert named
    assert named <= set(SURFACES)
