"""What an artifact set and its evaluations are, in words and rows for a person."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from recsys.artifacts.evaluations import Evaluated, Figure
from recsys.artifacts.manifest import Manifest, ModelEntry
from recsys.artifacts.store import ArtifactSet
from recsys.plural import counted
from recsys.ui.evaluation_charts.measures import MEASURES, measure_title

BEYOND = {
    "popularity": ("Popularity percentile", "mean percentile of popularity of what is recommended"),
    "novelty": (
        "Novelty, bits",
        "how unlikely it is that a listener drawn by chance has played it; 1 bit more, half as likely",
    ),
    "intra_list_similarity": ("Alike in list", "mean cosine of two items of one list, by who played them"),
    "tag_share": ("Tag share", "recommended items with one of the three tags that most of the listener's items have"),
    "stability": ("Stability", "share of one listener's list that a fit with another seed lists too"),
}
COVERAGE = ("Coverage", "share of the catalogue in anybody's list")
GINI = ("Gini", "how unevenly items are recommended: 0 all equally often, 1 always the same")
MOST_DECIMALS = 4


@dataclass(frozen=True)
class Row:
    """One model's figures as text: the mean, half the 95% interval or "", and the whole interval or ""."""

    title: str
    baseline: bool
    cells: list[tuple[str, str, str]]


@dataclass(frozen=True)
class Figures:
    """All models and baselines of an evaluation: what the columns are called and mean, and a row a model."""

    columns: list[tuple[str, str]]
    rows: list[Row]


def passport_facts(artifacts: ArtifactSet) -> dict[str, str]:
    """Source, size and identity of a set."""
    manifest = artifacts.manifest
    counts, source = manifest.counts, manifest.source
    kind, order = (
        ("queue", "in the order they were played")
        if counts.queues_ordered
        else ("set", "without order (no times in the data)")
    )
    return {
        "Source": f"{source.title} · reader {source.reader}",
        "Trained on": f"{counted(counts.listeners, 'listener')} · {counted(counts.items, 'item')} · "
        f"{counted(counts.plays, 'play')} · {counted(counts.queues, kind)} {order}",
        "Left out": ", ".join(f"{count:,} {what}" for what, count in manifest.dropped.items() if count) or "nothing",
        "Build": f"{artifacts.fingerprint[:12]} · {manifest.created[:10]} · seed {manifest.seed} · "
        f"{sum(manifest.timings.values()):.0f} s",
    }


def trust_rows(manifest: Manifest) -> dict[tuple[str, str], list[str]]:
    """What was measured of each model at build time: by label and meaning, a cell a model."""
    n = manifest.agreement_n
    rows: dict[tuple[str, str], Callable[[ModelEntry], str]] = {
        (f"Noise floor: overlap@{n} with itself", "half of its refits against the other half"): lambda m: share(
            m.noise_floor
        ),
        (f"Two single fits: overlap@{n}", "what a seed alone changes"): lambda m: share(m.replicate_overlap),
        ("Top 10 sharing a leading tag", "neighbours with one of the item's three commonest tags"): lambda m: share(
            m.tag_share
        ),
        ("Exact neighbours found", "of the true top 10, by the stored lists"): lambda m: share(m.recall),
        ("Replicates", "refits with other seeds that this rests on"): lambda m: str(m.n_replicates),
        ("Items without a vector", "never trained on"): lambda m: f"{m.items_missing:,}",
        ("Same seed, same result", "bit by bit"): lambda m: "yes" if m.repeatable else "no",
    }
    return {what: [cell(model) for model in manifest.models.values()] for what, cell in rows.items()}


def share(value: float | None) -> str:
    """A share with two decimals."""
    return "not known" if value is None else f"{value:.2f}"


def evaluation_basis(found: Evaluated) -> str:
    """What was held out, asked and learnt from."""
    fits = max(model.replicates for model in found.models.values())
    return (
        f"Held out were {found.held_out_words}; {counted(found.lists, 'list')} of {found.n}. Learnt from "
        f"{counted(found.pairs, 'pair')} of a listener and an item, over the {counted(found.items, 'item')} with "
        f"{counted(found.min_listeners, 'listener')} or more in training; {counted(fits, 'fit')} a model. Split "
        f"{found.split[:12]}, seed {found.seed}."
    )


def figures_of(found: Evaluated) -> Figures:
    """Every measure of every model and baseline, with as many decimals as the widest interval of the measure allows."""
    models = list(found.models.values())
    measures = [
        name for name in (*MEASURES, *BEYOND) if any(_mean(model.figures.get(name)) is not None for model in models)
    ]
    decimals = {name: _decimals([model.figures.get(name) for model in models]) for name in measures}
    titles = {name: (measure_title(name, found.n), MEASURES[name][1]) for name in measures if name in MEASURES}
    return Figures(
        [*({**titles, **BEYOND}[name] for name in measures), COVERAGE, GINI],
        [
            Row(
                model.title,
                model.baseline,
                [
                    *(_cell(model.figures.get(name), decimals[name]) for name in measures),
                    ("–" if model.coverage is None else f"{model.coverage:.0%}", "", ""),
                    ("–" if model.gini is None else f"{model.gini:.2f}", "", ""),
                ],
            )
            for model in models
        ],
    )


def _mean(figure: Figure | None) -> float | None:
    return None if figure is None else figure.mean


def _decimals(figures: list[Figure | None]) -> int:
    """So many that half of the widest interval shows one digit other than zero; 3 where there is no interval."""
    halves = [(each.high - each.low) / 2 for each in figures if each and each.high is not None and each.low is not None]
    widest = max(halves, default=0.0)
    return min(MOST_DECIMALS, max(0, math.ceil(-math.log10(widest)))) if widest > 0 else 3


def _cell(figure: Figure | None, decimals: int) -> tuple[str, str, str]:
    if figure is None or figure.mean is None:
        return "–", "", ""
    mean = f"{figure.mean:.{decimals}f}"
    if figure.low is None or figure.high is None:
        return mean, "", ""
    whole = f"95% interval {figure.low:.{decimals}f} to {figure.high:.{decimals}f}"
    return mean, f"±{(figure.high - figure.low) / 2:.{decimals}f}", whole
