from __future__ import annotations

import pandas as pd
import pytest

from recsys.ui.word2vec_charts import trials_sentence


@pytest.mark.parametrize(
    ("best", "sentence"),
    [
        ([False, True, True, False], "window: as good as the best at 3 to 5, of 1 to 20 tried"),
        ([True, False, False, True], "window: from 1 to 20, trials at both ends are as good as the best"),
        ([False] * 4, "window: none of these trials is as good as the best, at 1 to 20"),
    ],
)
def test_the_sentence_says_where_the_good_trials_lie(best: list[bool], sentence: str) -> None:
    trials = pd.DataFrame({"window": [1, 5, 3, 20], "best_region": best})
    assert trials_sentence(trials, "window") == sentence
