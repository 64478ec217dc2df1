"""Whether colours can be told apart and seen: by everybody, on light and on dark paper."""

from __future__ import annotations

import re
import tomllib
from itertools import combinations
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from recsys.ui.charts import ALS_BLUE, DASHES, INK, MODEL_COLOURS, SHAPES, SHARED_GREY, WORD2VEC_VERMILION
from recsys.ui.map_charts import MARKED, PAPER

ROOT = Path(__file__).resolve().parents[2]
# Machado, Oliveira & Fernandes (2009), table 1, severity 1.0: what is seen of linear RGB without one kind of cone.
BLIND = {
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}
Rgb = npt.NDArray[np.float64]


def linear(colour: str) -> Rgb:
    """Linear RGB of #rrggbb, each in [0, 1]; IEC 61966-2-1."""
    coded = np.array([int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)])
    return np.where(coded <= 0.04045, coded / 12.92, ((coded + 0.055) / 1.055) ** 2.4)


def contrast(one: str, other: str) -> float:
    """WCAG 2.2's contrast ratio, 1 to 21."""
    light, dark = sorted((float(linear(each) @ [0.2126, 0.7152, 0.0722]) for each in (one, other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def lab(colour: Rgb) -> Rgb:
    """CIELAB of linear RGB, under D65."""
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    ratio = to_xyz @ np.clip(colour, 0, 1) / [0.9505, 1.0, 1.089]
    f = np.where(ratio > (6 / 29) ** 3, np.cbrt(ratio), ratio / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def apart(one: str, other: str, eyes: str | None) -> float:
    """CIE76 distance of two colours as such eyes see them; about 2 can just be noticed."""
    seen = np.eye(3) if eyes is None else np.array(BLIND[eyes])
    return float(np.linalg.norm(lab(seen @ linear(one)) - lab(seen @ linear(other))))


def test_the_measures_agree_with_worked_examples() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#767676", "#ffffff") == pytest.approx(4.54, abs=0.01)  # the grey that WCAG's examples name
    assert apart("#ffffff", "#000000", None) == pytest.approx(100, abs=0.1)
    assert apart("#ff0000", "#ff0000", "protanopia") == 0
    # What these eyes are known to confuse, and what they are not.
    assert apart("#d00000", "#5a5a00", "protanopia") < apart("#d00000", "#5a5a00", None) / 3
    assert apart("#0000ff", "#ffff00", "deuteranopia") > 100


@pytest.mark.parametrize("eyes", [None, *BLIND])
def test_the_two_models_and_grey_are_told_apart_by_all_eyes(eyes: str | None) -> None:
    assert apart(ALS_BLUE, WORD2VEC_VERMILION, eyes) > 40
    for one, other in combinations((ALS_BLUE, WORD2VEC_VERMILION, SHARED_GREY), 2):
        assert apart(one, other, eyes) > 15


@pytest.mark.parametrize("dark", [False, True])
def test_marks_and_text_are_seen_on_the_paper(dark: bool) -> None:
    paper = PAPER[dark]
    for colour in (ALS_BLUE, WORD2VEC_VERMILION, SHARED_GREY, MARKED):
        assert contrast(colour, paper) >= 3  # WCAG 1.4.11, of what is not text
    assert contrast(INK[dark], paper) >= 7


def test_never_colour_alone() -> None:
    for signs in (SHAPES, DASHES):
        assert len(set(signs)) == len(signs) == 1 + len(MODEL_COLOURS)


def test_charts_and_style_sheets_have_the_colours_of_the_theme() -> None:
    theme = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text("utf-8"))["theme"]
    for dark, part in enumerate(("light", "dark")):
        assert (theme[part]["backgroundColor"], theme[part]["textColor"]) == (PAPER[bool(dark)], INK[bool(dark)])
    assert theme["chartCategoricalColors"][:2] == [ALS_BLUE, WORD2VEC_VERMILION]
    for sheet in ("page.css", "ranked_lists.css"):
        words = (ROOT / "recsys" / "ui" / sheet).read_text("utf-8")
        for side, colour in zip(("first", "second", "third", "fourth", "fifth", "sixth"), MODEL_COLOURS, strict=True):
            assert re.search(rf"\.{side}\b[^}}]*{colour}", words, re.IGNORECASE), (sheet, side)
