from __future__ import annotations

from recsys.ui.charts import ALS_BLUE
from recsys.ui.evaluation_charts.differences import (
    baseline_differences,
    baseline_sentence,
    pair_differences,
    pair_sentence,
)
from recsys.ui.evaluation_charts.models import PLAIN
from recsys.ui.evaluation_charts.segments import segment_figures, segment_sentence
from recsys.ui.evaluation_charts.trade_offs import trade_off_sentence
from tests.evaluation.found import an_evaluation, difference, figure, measured


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
