from __future__ import annotations

from recsys.ui.evaluation_charts.measures import measure_title


def test_measures_are_called_with_the_length_of_the_lists() -> None:
    assert [measure_title(name, 7) for name in ("ndcg", "hr_new")] == ["nDCG@7", "HR@7, new"]
