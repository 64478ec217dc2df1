from __future__ import annotations

from recsys.ui.evaluation_charts.trade_offs import trade_off_chart, trade_off_sentence, trade_offs
from tests.evaluation.found import an_evaluation, measured


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
