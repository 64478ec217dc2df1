from __future__ import annotations

import pytest

from recsys.artifacts.evaluations import Evaluated
from recsys.ui.charts import ALS_BLUE, WORD2VEC_VERMILION
from recsys.ui.evaluation_charts import (
    COUNTED,
    PLAIN,
    baseline_differences,
    baseline_sentence,
    differences_chart,
    measure_title,
    pair_differences,
    pair_sentence,
    repeat_figures,
    repeat_sentence,
    repeats_chart,
    segment_figures,
    segment_sentence,
    segments_chart,
    trade_off_chart,
    trade_off_sentence,
    trade_offs,
)
from tests.evaluation.found import an_evaluation, difference, figure, measured, segment


def next_events() -> Evaluated:
    def with_repeats(title: str, counted: float, new: float | None, **more: bool) -> object:
        figures = {"hr": figure(counted), "hr_new": figure(new)}
        return measured(title, counted - 0.1, figures=figures, **more)

    return an_evaluation(
        "next-event",
        models={
            "als": with_repeats("ALS", 0.5, 0.3),
            "word2vec": with_repeats("Word2vec", 0.6, 0.55),
            "word2vec_euclidean": with_repeats("Word2vec, Euclidean", 0.4, 0.2),
            "random": with_repeats("Random", 0.2, None, baseline=True),
        },
    )


def test_measures_are_called_with_the_length_of_the_lists() -> None:
    assert [measure_title(name, 7) for name in ("ndcg", "hr_new")] == ["nDCG@7", "HR@7, new"]


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


def test_segments_show_both_models_and_popularity_with_their_intervals() -> None:
    table = segment_figures(an_evaluation(), "popularity")
    assert table["part"].drop_duplicates().tolist() == ["head, 60–69", "middle, 30–39", "tail, 0–9"]
    assert table["model"].unique().tolist() == ["als", "word2vec", "popularity"]
    assert table.query("segment == 'tail' and model == 'als'")[["mean", "low", "high"]].to_numpy().tolist() == [
        pytest.approx([0.15, 0.14, 0.16])
    ]
    spec = segments_chart(table, "who", "Recall@7").to_dict()
    color, shape = (spec["layer"][1]["encoding"][channel]["scale"] for channel in ("color", "shape"))
    assert color == {"domain": ["ALS", "Word2vec", "Popularity"], "range": [ALS_BLUE, WORD2VEC_VERMILION, PLAIN]}
    assert len(set(shape["range"])) == 3
    assert "width" not in spec


@pytest.mark.parametrize(
    ("by", "sentence"),
    [
        (
            "popularity",
            "Word2vec is ahead for items of the head; ALS is ahead for items of the tail; for items of the middle the "
            "models' intervals overlap",
        ),
        ("activity", "ALS is ahead for listeners with few items and many items"),
    ],
)
def test_segments_in_a_sentence(by: str, sentence: str) -> None:
    assert segment_sentence(an_evaluation(), by) == sentence  # type: ignore[arg-type]


def test_segments_that_nobody_was_asked_in_make_no_sentence_about_models() -> None:
    found = an_evaluation(segments=[segment("activity", "few items", 1, None, 0.2)])
    assert segment_sentence(found, "activity") == "Too few lists to part them by activity"


def test_a_trade_off_has_what_is_known_of_both_sides_and_calls_all_by_name() -> None:
    found = an_evaluation()
    assert trade_offs(found, "coverage")["model"].tolist() == ["als", "word2vec", "popularity", "bm25"]
    assert trade_offs(found, "popularity")["cost"].tolist() == [80.0, 70.0, 99.0]
    table = trade_offs(found, "coverage")
    spec = trade_off_chart(table, "coverage", 7).to_dict()
    _, points, *names = spec["layer"]
    called = [name for layer in names for name in layer["transform"][0]["filter"]["oneOf"]]
    assert sorted(called) == sorted(table["model"])
    assert len(set(points["encoding"]["shape"]["scale"]["range"])) == 3
    axes = [
        trade_off_chart(trade_offs(found, cost), cost, 7).to_dict()["layer"][1] for cost in ("coverage", "popularity")
    ]
    assert axes[0]["encoding"]["x"]["title"] != axes[1]["encoding"]["x"]["title"]


def test_names_of_points_that_lie_together_stand_below_each_other() -> None:
    models = {
        name: measured(name, 0.3 + 0.0001 * i, coverage=0.2) for i, name in enumerate(("als", "word2vec", "third"))
    }
    spec = trade_off_chart(trade_offs(an_evaluation(models=models), "coverage"), "coverage", 7).to_dict()
    places = [layer["mark"]["dy"] for layer in spec["layer"][2:]]
    assert len(places) == 3
    gaps = sorted(places)
    assert min(gaps[1] - gaps[0], gaps[2] - gaps[1]) >= 12


def test_a_trade_off_in_a_sentence() -> None:
    assert trade_off_sentence(an_evaluation(), "coverage") == (
        "BM25 <item-item> ranks best and recommends 30% of the catalogue; ALS 60% of the catalogue; Word2vec 40% of "
        "the catalogue"
    )
    assert trade_off_sentence(an_evaluation(), "popularity") == (
        "ALS ranks best and recommends items of percentile 80 in popularity; Word2vec items of percentile 70 in "
        "popularity"
    )


def test_next_events_are_shown_with_and_without_repeats_by_cosine_and_euclidean() -> None:
    table = repeat_figures(next_events())
    assert table[["title", "mean"]].to_numpy().tolist() == [
        ["ALS", 0.5], ["ALS", 0.3], ["Word2vec", 0.6], ["Word2vec", 0.55], ["Word2vec, Euclidean", 0.4],
        ["Word2vec, Euclidean", 0.2], ["Random", 0.2],
    ]  # fmt: skip
    assert table["counted"].tolist() == [*COUNTED, *COUNTED, *COUNTED, COUNTED[0]]
    spec = repeats_chart(table, 7).to_dict()
    assert spec["layer"][1]["encoding"]["shape"]["scale"]["domain"] == list(COUNTED)
    assert repeat_sentence(next_events()) == (
        "25% of the queues end in a repeat; without them HR@7 is 0.300 instead of 0.500 for ALS, 0.550 instead of "
        "0.600 for Word2vec"
    )


def test_other_protocols_know_no_repeats() -> None:
    assert repeat_figures(an_evaluation()).empty


def test_another_pair_is_drawn_in_its_own_colours_and_told_in_its_own_sentences() -> None:
    usual = an_evaluation()
    models = {
        **{name: usual.models[name] for name in ("als", "word2vec")},
        "als_100.0_0.8": measured("ALS, K1 100, B 0.8", 0.2),
        "also": measured("also", 0.4, coverage=0.5, figures={"popularity": figure(60.0)}),
        **{name: usual.models[name] for name in ("popularity", "co_occurrence", "bm25")},
    }
    parts = [each.model_copy(update={"figures": {**each.figures, "also": figure(0.5)}}) for each in usual.segments]
    own = [
        difference("als", "also", "ndcg", -0.1, told_apart=True),
        difference("als", "also", "hr", 0.002, told_apart=False),
        difference("als_100.0_0.8", "bm25", "ndcg", 0.1, told_apart=True),
    ]
    found = an_evaluation(models=models, differences=[*usual.differences, *own], segments=parts)
    pair = ("als", "also")
    assert pair_sentence(found, pair) == "Also is ahead by nDCG@7; the models cannot be told apart by HR@7"
    assert pair_differences(found, pair)["colour"].tolist() == ["#009E73", PLAIN]
    assert baseline_sentence(found, pair) == (
        "By nDCG@7 BM25 <item-item> is ahead of ALS; ahead of every baseline: also"
    )
    table = segment_figures(found, "activity", pair)
    assert table.drop_duplicates("model")[["model", "colour", "shape"]].to_numpy().tolist() == [
        ["als", ALS_BLUE, "square"], ["popularity", PLAIN, "triangle-up"], ["also", "#009E73", "triangle-right"],
    ]  # fmt: skip
    assert segment_sentence(found, "activity", pair) == "Also is ahead for listeners with few items and many items"
    assert trade_off_sentence(found, "popularity", pair).startswith("also ranks best")
    # Another setting of ALS is drawn as ALS is.
    others = baseline_differences(found).set_index("left")["colour"]
    assert others["als_100.0_0.8"] == ALS_BLUE
