from __future__ import annotations

import pytest

from recsys.ui.charts import ALS_BLUE, WORD2VEC_VERMILION
from recsys.ui.evaluation_charts.differences import (
    baseline_differences,
    baseline_sentence,
    differences_chart,
    pair_differences,
    pair_sentence,
)
from recsys.ui.evaluation_charts.models import PLAIN
from tests.evaluation.found import an_evaluation, difference, measured


def test_differences_of_the_pair_say_who_is_ahead_where_that_can_be_told() -> None:
    table = pair_differences(an_evaluation())
    assert table["label"].tolist() == ["nDCG@7", "HR@7", "MAP@7"]
    assert table["ahead"].tolist() == ["ALS", "Word2vec", "neither"]
    assert table["colour"].tolist() == [ALS_BLUE, WORD2VEC_VERMILION, PLAIN]
    assert table[["low", "high"]].iloc[1].tolist() == pytest.approx([-0.024, -0.016])


def test_baselines_are_compared_with_models_alone_and_by_ndcg_alone() -> None:
    table = baseline_differences(an_evaluation())
    assert table["label"].tolist() == [
        "ALS − Popularity", "ALS − BM25 <item-item>", "Word2vec − Popularity", "Word2vec − Co-occurrence",
    ]  # fmt: skip
    assert table["mean"].tolist() == [0.2, -0.05, 0.15, -0.03]
    assert table["colour"].tolist() == [ALS_BLUE, PLAIN, WORD2VEC_VERMILION, PLAIN]


def test_what_is_not_known_is_not_drawn() -> None:
    found = an_evaluation(differences=[difference("als", "word2vec", "ndcg", None, told_apart=False)])
    assert pair_differences(found).empty


@pytest.mark.parametrize(
    ("told", "sentence"),
    [
        (
            {"ndcg": 0.05, "hr": -0.02, "map": None},
            "ALS is ahead by nDCG@7; Word2vec is ahead by HR@7; the models cannot be told apart by MAP@7",
        ),
        ({"ndcg": -0.1, "hr": -0.02}, "Word2vec is ahead by every measure"),
        ({"ndcg": None, "hr": None}, "The models cannot be told apart by any measure"),
        (
            {"ndcg": 0.1, "hr": None, "map": None},
            "ALS is ahead by nDCG@7; the models cannot be told apart by HR@7 and MAP@7",
        ),
    ],
)
def test_the_pair_in_a_sentence(told: dict[str, float | None], sentence: str) -> None:
    differences = [
        difference("als", "word2vec", measure, mean or 0.001, told_apart=mean is not None)
        for measure, mean in told.items()
    ]
    assert pair_sentence(an_evaluation(differences=differences)) == sentence


@pytest.mark.parametrize(
    ("als", "word2vec", "sentence"),
    [
        (
            (["bm25"], []),
            (["bm25", "popularity"], []),
            "BM25 is ahead of ALS; BM25 and Popularity are ahead of Word2vec",
        ),
        (
            (["bm25"], ["popularity"]),
            (["bm25"], []),
            "BM25 is ahead of ALS and Word2vec; ALS cannot be told from Popularity",
        ),
        (([], []), ([], []), "ahead of every baseline: ALS and Word2vec"),
    ],
)  # fmt: skip
def test_baselines_in_a_sentence(
    als: tuple[list[str], list[str]], word2vec: tuple[list[str], list[str]], sentence: str
) -> None:
    models = {
        "als": measured("ALS", 0.3, below=als[0], not_above=als[1]),
        "word2vec": measured("Word2vec", 0.3, below=word2vec[0], not_above=word2vec[1]),
        "popularity": measured("Popularity", 0.1, baseline=True),
        "bm25": measured("BM25", 0.4, baseline=True),
    }
    assert baseline_sentence(an_evaluation(models=models)) == f"By nDCG@7 {sentence}"


def test_differences_are_drawn_in_their_order_about_zero_and_told_apart_by_shape() -> None:
    spec = differences_chart(pair_differences(an_evaluation()), "Word2vec", "ALS", 400).to_dict()
    zero, whiskers, points, numbers = spec["layer"]
    assert spec["datasets"][zero["data"]["name"]] == [{"zero": 0.0}]
    assert whiskers["encoding"]["x2"] == {"field": "high"}
    assert points["encoding"]["shape"]["scale"]["range"] == ["diamond", "circle"]
    assert points["encoding"]["fill"]["condition"]["test"] == "(datum.told === 'told apart')"
    assert points["encoding"]["x"]["title"] == "← Word2vec ahead · ALS →"
    assert points["encoding"]["y"]["sort"] == ["nDCG@7", "HR@7", "MAP@7"]
    assert numbers["encoding"]["text"]["format"] == "+.3f"
    assert spec["width"] == 400
