"""The panel of Word2vec's trials on the what-if page."""

from __future__ import annotations

from pathlib import Path

import pytest

from recsys.artifacts.store import ArtifactSet
from recsys.tuning.word2vec_search import SearchSettings, search_word2vec
from recsys.tuning.word2vec_words import best_words, build_command, on_everything, region_words
from recsys.ui.word2vec_charts import INSIDE, OUTSIDE, trials_chart
from tests.pages.conftest import Open, texts
from tests.tuning.test_word2vec_search import Fits, by_hand, trials_of


def test_without_trials_the_page_says_how_to_measure_some(open_page: Open, small_set: Path) -> None:
    at = open_page("whatif")
    assert not at.exception
    assert "Are other parameters of Word2vec better? Not measured yet" in texts(at)
    assert f"python -m recsys tune {small_set} --model word2vec --minutes 10" in texts(at)


def test_the_panel_shows_the_best_and_all_trials_on_everything(
    open_page: Open, small_set: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as context:
        Fits(context)
        found = search_word2vec(small_set, SearchSettings(trials=8, finalists=2, sample_share=0.3))
    trials = trials_of(found)
    ranked = on_everything(trials)
    at = open_page("whatif")
    assert not at.exception
    assert f"{best_words(trials, 10)}. {region_words(trials)}." in texts(at)
    assert build_command(ranked.iloc[0].to_dict()) in texts(at)
    assert "8 trials fitted to 0.3 of the queues" in texts(at)
    assert "Not measured yet" in texts(at)  # the grid of K1 and B, which is a matter of its own
    (shown,) = [table.value for table in at.dataframe if "behind the best" in table.value]
    assert shown["window"].tolist() == [f"{window}" for window in ranked["window"]]
    assert shown["nDCG@10"].str[:5].tolist() == [f"{ndcg:.3f}" for ndcg in ranked["ndcg"]]
    assert shown["within noise"].tolist() == ranked["best_region"].tolist()
    behind = [f"{row.behind:.3f} ({row.behind_low:.3f} to {row.behind_high:.3f})" for row in ranked.itertuples()]
    assert shown["behind the best"].tolist() == ["–", *behind[1:]]
    assert len(at.get("vega_lite_chart")) >= 6
    # What was opened before is another build, and stays as it was.
    assert ArtifactSet.open(small_set).fingerprint == found.fingerprint


@pytest.mark.parametrize(
    ("parameter", "kind", "ends"), [("window", "log", [5, 12]), ("ns_exponent", "linear", [-0.4, 0.75])]
)
def test_the_chart_marks_the_region_and_the_finalists(parameter: str, kind: str, ends: list[float]) -> None:
    trials = by_hand(everything=False, trial=[0, 1, 2, 3])
    spec = trials_chart(trials, {0, 3}, parameter, 10).to_dict()
    rows = next(iter(spec["datasets"].values()))
    assert [(row["ring"], row["within"]) for row in rows] == [
        (True, INSIDE), (False, OUTSIDE), (False, INSIDE), (True, INSIDE),
    ]  # fmt: skip
    assert [row["half"] for row in rows] == pytest.approx([0.01] * 4)
    points, rings = spec["layer"]
    assert points["encoding"]["x"]["field"] == parameter
    assert points["encoding"]["x"]["scale"]["type"] == kind
    assert points["encoding"]["x"]["scale"]["domain"] == ends
    # Never colour alone.
    for channel in ("color", "shape"):
        assert points["encoding"][channel]["field"] == "within"
        assert len(set(points["encoding"][channel]["scale"]["range"])) == 2
    assert rings["transform"] == [{"filter": "datum.ring"}]


def test_a_single_trial_is_drawn_too() -> None:
    spec = trials_chart(by_hand().head(1), set(), "window", 10).to_dict()
    assert "domain" not in spec["layer"][0]["encoding"]["x"].get("scale", {})
