from __future__ import annotations

import pandas as pd
import pytest

from recsys.ui.charts import (
    agreement_by_popularity_chart,
    agreement_sentence,
    distribution_sentence,
    overlap_distribution_chart,
    unchecked,
)

TITLES = {"als": "ALS", "word2vec": "Word2vec"}


def bands(overlap: tuple[float, float], als: float, word2vec: float) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "band": [1, 2], "listeners_from": [5, 9], "listeners_to": [8, 400], "items": [30, 10],
            "overlap": overlap, "floor_als": [als, als], "floor_word2vec": [word2vec, word2vec],
        }
    )  # fmt: skip


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        (bands((0.4, 0.2), 0.8, 0.7), "The models share 3.5 of 10 on average; each shares at least 7.0 with itself; "
         "they share least for the most popular items"),
        (bands((0.4, 0.4), 0.8, 0.3), "The models share 4.0 of 10 on average, "
         "no less than Word2vec shares with itself"),
        (bands((0.4, 0.4), 0.3, 0.4), "The models share 4.0 of 10 on average, no less than each shares with itself"),
        (bands((0.4, 0.4), float("nan"), 0.4), "The models share 4.0 of 10 on average; what each shares with itself "
         "is not known"),
    ],
)  # fmt: skip
def test_sentence_says_what_the_numbers_say(table: pd.DataFrame, sentence: str) -> None:
    assert agreement_sentence(table, TITLES, 10) == sentence


def test_chart_draws_every_band_of_every_series_by_more_than_colour() -> None:
    spec = agreement_by_popularity_chart(bands((0.4, 0.2), 0.8, 0.7), TITLES, 10).to_dict()
    rows = next(iter(spec["datasets"].values()))
    assert {(row["series"], row["band"], round(row["shared"], 6)) for row in rows} == {
        ("the two models", 1, 4), ("the two models", 2, 2), ("ALS with itself", 1, 8), ("ALS with itself", 2, 8),
        ("Word2vec with itself", 1, 7), ("Word2vec with itself", 2, 7),
    }  # fmt: skip
    line, points = (layer["encoding"] for layer in spec["layer"])
    assert {"strokeDash", "color"} <= set(line)
    assert {"shape", "color"} <= set(points)
    assert "strokeDash" not in points


def distribution(**shares: list[float]) -> pd.DataFrame:
    return pd.concat(
        [
            pd.DataFrame(
                {"column": column, "shared": range(len(each)), "items": [round(100 * s) for s in each], "share": each}
            )
            for column, each in shares.items()
        ],
        ignore_index=True,
    )


def test_distribution_sentence_says_what_the_numbers_say() -> None:
    between = [0.2, 0.35, 0.25, 0.2]
    table = distribution(overlap=between, floor_als=[0, 0.04, 0.06, 0.9], floor_word2vec=[0, 0, 0, 1.0])
    assert distribution_sentence(table, TITLES, 3) == (
        "For 55% of the items the models share at most 1 of 3; as little with itself: ALS for 4%, Word2vec for 0%"
    )
    apart = distribution(overlap=[0.9, 0.1, 0, 0])
    assert distribution_sentence(apart, TITLES, 3).startswith("For 90% of the items the models share none of 3; ")
    assert "is not known" in distribution_sentence(distribution(overlap=between), TITLES, 3)
    assert "No item here" in distribution_sentence(table.head(0), TITLES, 3)


def test_distribution_chart_draws_bars_for_the_models_and_lines_for_their_floors() -> None:
    table = distribution(overlap=[0.5, 0.5], floor_als=[0.1, 0.9], floor_word2vec=[0.2, 0.8])
    spec = overlap_distribution_chart(table, TITLES, 1).to_dict()
    rows = next(iter(spec["datasets"].values()))
    assert {(row["series"], row["shared"], row["share"]) for row in rows} == {
        ("the two models", 0, 0.5), ("the two models", 1, 0.5), ("ALS with itself", 0, 0.1),
        ("ALS with itself", 1, 0.9), ("Word2vec with itself", 0, 0.2), ("Word2vec with itself", 1, 0.8),
    }  # fmt: skip
    assert [layer["mark"]["type"] for layer in spec["layer"]] == ["bar", "line", "point"]
    assert "strokeDash" in spec["layer"][1]["encoding"]
    assert "shape" in spec["layer"][2]["encoding"]


@pytest.mark.parametrize(("dark", "ink"), [(False, "#1d1d1b"), (True, "#eceae4")])
def test_what_is_written_in_a_chart_has_the_ink_of_the_page_unless_the_chart_says_otherwise(
    dark: bool, ink: str
) -> None:
    chart = overlap_distribution_chart(distribution(overlap=[0.5, 0.5]), TITLES, 1)
    config = unchecked(chart.configure_axis(labelColor="red"), dark).to_dict()["config"]
    assert config["axis"] == {"labelColor": "red", "titleColor": ink}
    assert config["legend"] == {"labelColor": ink, "titleColor": ink}
    assert config["text"] == {"color": ink}
