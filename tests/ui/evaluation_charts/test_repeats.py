from __future__ import annotations

from recsys.artifacts.evaluations import Evaluated
from recsys.ui.evaluation_charts.repeats import COUNTED, repeat_figures, repeat_sentence, repeats_chart
from tests.evaluation.found import an_evaluation, figure, measured


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
