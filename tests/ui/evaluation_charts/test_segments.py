from __future__ import annotations

import pytest

from recsys.ui.charts import ALS_BLUE, WORD2VEC_VERMILION
from recsys.ui.evaluation_charts.models import PLAIN
from recsys.ui.evaluation_charts.segments import segment_figures, segment_sentence, segments_chart
from tests.evaluation.found import an_evaluation, segment


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
