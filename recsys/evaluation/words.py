"""What an evaluation comes to in one sentence, and what speaks against it."""

from __future__ import annotations

from collections.abc import Iterator

from recsys.artifacts.evaluations import Difference, Findings
from recsys.evaluation.measures import DECISIVE
from recsys.plural import counted

PAIR = ("als", "word2vec")
TRAINED, ELSEWHERE = "trained", "elsewhere"  # among the parameters of a model that was imported
FEW_LISTS = 100
MANY_TIED = 0.05
MEASURE_WORDS = {"ndcg": "nDCG", "recall": "Recall", "hr": "HR", "map": "MAP", "mrr": "MRR"}


def verdict(found: Findings, pair: tuple[str, str] = PAIR) -> str:
    """Which of the two models is better by nDCG@n, by how much, and how sure that is."""
    (difference,) = _between(found, *pair, DECISIVE)
    mean, low, high = _numbers(difference)
    ahead, behind = (found.models[name].title for name in (pair if mean >= 0 else pair[::-1]))
    if mean < 0:
        low, high = -high, -low
    words = f"by {abs(mean):.3f} nDCG@{found.n} (95% interval {low:+.3f} to {high:+.3f}; {found.lists:,} lists)"
    if difference.told_apart:
        return f"{ahead} recommends better than {behind} {words}."
    return f"{ahead} and {behind} cannot be told apart: {ahead} is ahead {words}."


def distrust(found: Findings) -> list[str]:
    """What speaks against the figures, a sentence each; none when nothing does."""
    return [*_seen(found), *_standing(found), *_disagreement(found), *_seeds(found), *_ties(found), *_gaps(found)]


def _between(found: Findings, left: str, right: str, *measures: str) -> list[Difference]:
    return [each for each in found.differences if (each.left, each.right) == (left, right) and each.measure in measures]


def _numbers(difference: Difference) -> tuple[float, float, float]:
    """Mean and interval; of what every list has, and there are two lists or more, all are known."""
    between = difference.difference
    return between.mean or 0.0, between.low or 0.0, between.high or 0.0


def _seen(found: Findings) -> Iterator[str]:
    for model in found.models.values():
        if model.params.get(TRAINED) == ELSEWHERE:
            yield (
                f"{model.title} was trained elsewhere, on what is not known: where it has seen the held-out plays, its "
                f"figures flatter it"
            )


def _standing(found: Findings) -> Iterator[str]:
    for name, model in found.models.items():
        if model.baseline:
            continue
        behind = []
        for other in model.below:
            (difference,) = _between(found, name, other, DECISIVE)
            mean, low, high = _numbers(difference)
            behind.append(f"{found.models[other].title} ({mean:+.3f}, {low:+.3f} to {high:+.3f})")
        if behind:
            yield f"{model.title} is below the baseline {', '.join(behind)} by nDCG@{found.n}"
        if model.not_above:
            titles = ", ".join(found.models[other].title for other in model.not_above)
            yield f"{model.title} cannot be told from the baseline {titles} by nDCG@{found.n}"


def _disagreement(found: Findings) -> Iterator[str]:
    ahead: dict[str, list[str]] = {}
    for each in _between(found, *PAIR, *MEASURE_WORDS):
        if each.told_apart:
            winner = each.left if _numbers(each)[0] > 0 else each.right
            ahead.setdefault(winner, []).append(f"{MEASURE_WORDS[each.measure]}@{found.n}")
    if len(ahead) > 1:
        parts = [f"{found.models[name].title} is ahead by {', '.join(measures)}" for name, measures in ahead.items()]
        yield f"the measures disagree: {'; '.join(parts)}"


def _seeds(found: Findings) -> Iterator[str]:
    (difference,) = _between(found, *PAIR, DECISIVE)
    _, low, high = _numbers(difference)
    if difference.by_seeds is None:
        yield "each model was fitted once, so what another seed would change is not known: pass --replicates 2 or more"
    elif not difference.told_apart and not low <= 0 <= high:
        yield (
            f"the interval over listeners misses zero, but other seeds would change the difference as much (by "
            f"{difference.by_seeds:.3f}, one standard error): pass more --replicates"
        )


def _ties(found: Findings) -> Iterator[str]:
    for model in found.models.values():
        if model.tied is not None and model.tied > MANY_TIED:
            yield (
                f"{model.title}: in {model.tied:.0%} of the lists another item has the score of the last of the "
                f"{found.n}; the more popular one was taken"
            )


def _gaps(found: Findings) -> Iterator[str]:
    if found.lists < FEW_LISTS:
        yield f"only {found.lists} lists were asked for: intervals of so few are themselves uncertain"
    if found.unreachable:
        yield (
            f"{found.unreachable:,} of {found.held_out_pairs:,} held-out pairs are of items outside the training "
            "catalogue, which nobody can recommend; they count as misses"
        )
    for model in found.models.values():
        if model.items_missing:
            yield f"{model.title} has no vector for {counted(model.items_missing, 'item')}, which it never recommends"
    if not found.ordered:
        yield "the data have no order: Word2vec learns from each listener's whole set, not from what follows what"
