from __future__ import annotations

import pytest

from recsys.interactions.spreadsheet import no_formula
from recsys.ui.controls import as_text


@pytest.mark.parametrize("name", ["Radiohead", "Sigur Rós", "The The"])
def test_plain_names_stay_as_they_are(name: str) -> None:
    assert as_text(name) == name


@pytest.mark.parametrize(
    "name", ["**bold**", "[a](javascript:1)", ":material/home:", "http://x.org", "a_b", "$x$", "# x"]
)
def test_markup_is_taken_apart(name: str) -> None:
    shown = as_text(name)
    assert shown.replace("\\", "").replace("\u2060", "") == name
    for sign in ("**", "](", ":material/", "://", "$x$"):
        assert sign not in shown


def test_text_that_runs_the_other_way_is_isolated() -> None:
    assert as_text("فيروز").startswith("\u2068")
    assert as_text("\u202eevil").endswith("\u2069")


@pytest.mark.parametrize("name", ["=HYPERLINK(1)", "+1", "-1", "@x", "\tx"])
def test_a_name_in_a_csv_is_never_a_formula(name: str) -> None:
    assert no_formula(name) == f"'{name}"
    assert no_formula(f"x{name}") == f"x{name}"
    assert no_formula(-0.5) == -0.5
