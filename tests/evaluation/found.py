"""An evaluation by hand, whose every sentence can be worked out by eye."""

from __future__ import annotations

from typing import Any

from recsys.artifacts.evaluations import Difference, Evaluated, Figure, Measured, Protocol, Segment


def figure(mean: float | None, half: float = 0.01) -> Figure:
    return Figure(mean=mean, low=None if mean is None else mean - half, high=None if mean is None else mean + half)


def measured(title: str, ndcg: float, *, baseline: bool = False, **more: Any) -> Measured:
    figures = {"ndcg": figure(ndcg), "hr": figure(ndcg + 0.3, 0.034), **more.pop("figures", {})}
    usual: dict[str, Any] = {
        "params": {}, "replicates": 1 if baseline else 2, "items_missing": 0, "between_fits": {}, "coverage": None,
        "gini": 0.5, "tied": 0.0, "below": [], "not_above": [],
    }  # fmt: skip
    return Measured(title=title, baseline=baseline, figures=figures, **{**usual, **more})


def difference(left: str, right: str, measure: str, mean: float | None, *, told_apart: bool) -> Difference:
    return Difference(
        left=left, right=right, measure=measure, difference=figure(mean, 0.004), by_seeds=0.001, told_apart=told_apart
    )


def segment(by: Any, name: str, lowest: int, als: float | None, word2vec: float) -> Segment:
    figures = {"als": figure(als), "word2vec": figure(word2vec), "popularity": figure(0.02), "random": figure(0.001)}
    measure = "recall" if by == "popularity" else "ndcg"
    return Segment(by=by, name=name, lowest=lowest, highest=lowest + 9, lists=40, measure=measure, figures=figures)


def an_evaluation(protocol: Protocol = "holdout", **more: Any) -> Evaluated:
    """ALS ahead by nDCG, Word2vec by HR, no telling by MAP; Co-occurrence ahead of Word2vec, BM25 ahead of both.

    Popularity thirds: ALS ahead in the tail, Word2vec in the head, no telling between.
    """
    models = {
        "als": measured("ALS", 0.30, coverage=0.6, below=["bm25"], figures={"popularity": figure(80.0, 0.4)}),
        "word2vec": measured(
            "Word2vec", 0.25, coverage=0.4, below=["co_occurrence", "bm25"], figures={"popularity": figure(70.0, 0.2)}
        ),
        "popularity": measured(
            "Popularity", 0.1, baseline=True, coverage=0.01, figures={"popularity": figure(99.0, 0.1)}
        ),
        "co_occurrence": measured("Co-occurrence", 0.28, baseline=True),
        "bm25": measured("BM25 <item-item>", 0.35, baseline=True, coverage=0.3),
    }  # fmt: skip
    differences = [
        difference("als", "word2vec", "ndcg", 0.05, told_apart=True),
        difference("als", "word2vec", "hr", -0.02, told_apart=True),
        difference("als", "word2vec", "map", 0.001, told_apart=False),
        difference("als", "popularity", "ndcg", 0.2, told_apart=True),
        difference("als", "bm25", "ndcg", -0.05, told_apart=True),
        difference("als", "bm25", "hr", -0.07, told_apart=True),
        difference("word2vec", "popularity", "ndcg", 0.15, told_apart=True),
        difference("word2vec", "co_occurrence", "ndcg", -0.03, told_apart=True),
        difference("popularity", "bm25", "ndcg", -0.25, told_apart=True),
    ]
    given: dict[str, Any] = {
        "protocol": protocol, "n": 7, "held_out": 0.2 if protocol == "holdout" else None, "seed": 3,
        "split": "ab12" * 16, "min_listeners": 5, "items": 90, "pairs": 4321, "listeners": 120, "lists": 140,
        "held_out_pairs": 500, "unreachable": 0, "repeats": 35, "returns": 20, "ordered": True, "models": models,
        "differences": differences,
        "segments": [
            segment("popularity", "head", 60, 0.20, 0.30), segment("popularity", "middle", 30, 0.20, 0.21),
            segment("popularity", "tail", 0, 0.15, 0.10), segment("activity", "few items", 1, 0.2, 0.1),
            segment("activity", "many items", 10, 0.3, 0.1),
        ],
        "verdict": "ALS recommends better <than> Word2vec by 0.050 nDCG@7.", "distrust": ["the *measures* disagree"],
    }  # fmt: skip
    return Evaluated.model_validate({**given, **more})
