"""One HTML file that says what is known of an artifact set, to hand on: no network, no script."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from recsys.analysis.agreement import REAL_BELOW, by_popularity, most_agreed, most_disputed
from recsys.analysis.projection import METHOD_TITLES
from recsys.analysis.side_by_side import compare_neighbours, headline
from recsys.artifacts.evaluations import Evaluated
from recsys.artifacts.store import ArtifactSet
from recsys.report.facts import evaluation_basis, figures_of, passport_facts, share, trust_rows
from recsys.ui.charts import agreement_by_popularity_chart, agreement_sentence, svg_of
from recsys.ui.evaluation_charts.differences import (
    TOLD,
    baseline_differences,
    baseline_sentence,
    differences_chart,
    pair_differences,
    pair_sentence,
)
from recsys.ui.evaluation_charts.measures import measure_title
from recsys.ui.evaluation_charts.repeats import repeat_figures, repeat_sentence, repeats_chart
from recsys.ui.evaluation_charts.segments import SEGMENTS, segment_figures, segment_sentence, segments_chart
from recsys.ui.evaluation_charts.trade_offs import COSTS, trade_off_chart, trade_off_sentence, trade_offs
from recsys.ui.whatif_charts import grid_chart, grid_sentence
from recsys.whatif.trust import TUTORIAL

EXAMPLES = 3  # of the most disputed items, and of the most agreed
WIDTH = 460  # of a chart, in pixels: what an A4 page holds beside axis labels, and a telephone nearly


@dataclass(frozen=True)
class Part:
    """A chart under the sentence that says what to make of it."""

    sentence: str
    svg: Markup
    note: str = ""


def report_html(artifacts: ArtifactSet, items: Sequence[int] = ()) -> str:
    """The report of an artifact set: passport, verdicts, charts, example items and limits; the same set, the same text.

    items : rows of items that are shown besides the most disputed and the most agreed.
    """
    manifest, catalogue = artifacts.manifest, artifacts.catalogue
    listeners = catalogue["listeners"].to_numpy()
    others = np.ones(len(listeners), bool)
    others[list(items)] = False
    examples = {
        "Chosen items": items,
        "Most disputed items": most_disputed(artifacts.agreement, listeners, EXAMPLES, others),
        "Most agreed items": most_agreed(artifacts.agreement, listeners, EXAMPLES, others),
    }
    charts = _Charts()
    command = ["python", "-m", "recsys", "report", f"artifacts/{artifacts.folder.parent.name}", "--out", "report.html"]
    for row in items:
        command += ["--item", str(catalogue["item_id"].iloc[row])]
    return (
        _templates()
        .get_template("report.html.j2")
        .render(
            title=manifest.source.title,
            simulated=manifest.source.simulated,
            fingerprint=artifacts.fingerprint,
            command=shlex.join(command),
            passport=passport_facts(artifacts),
            titles=list(artifacts.titles.values()),
            trust=trust_rows(manifest),
            evaluations=[_evaluation(found, charts) for found in artifacts.evaluation.values()],
            agreement=_agreement(artifacts, charts),
            grid=_grid(artifacts, charts),
            examples=[(heading, [_item(artifacts, int(row)) for row in rows]) for heading, rows in examples.items()],
            maps=_maps(artifacts),
            limits=list(_limits(artifacts)),
        )
    )


def figures_table(found: Evaluated) -> Markup:
    """Every figure of an evaluation as an HTML table."""
    # Every value of it was escaped by the template.
    return Markup(_templates().get_template("figures.html.j2").render(figures=figures_of(found)))  # nosec B704


@cache
def _templates() -> Environment:
    return Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )


class _Charts:
    """Charts as SVG for one page."""

    def __init__(self) -> None:
        self._count = 0

    def svg(self, chart: Any) -> Markup:
        """What a chart names inside itself gets a name that no other chart of the page has, and the same every time."""
        drawing = svg_of(chart.properties(background="transparent"))
        self._count += 1
        # In attributes alone: as text, quotes and brackets of tags are escaped. vl-convert numbers them through the
        # whole process.
        own = re.compile(r'(<[^>]*?\sid=")([^"]*)')
        names = {
            old: f"c{self._count}-{at}"
            for at, old in enumerate(dict.fromkeys(each[1] for each in own.findall(drawing)))
        }
        named = own.sub(lambda found: found[1] + names[found[2]], drawing)
        # Drawn by vl-convert, which escapes the texts it is given.
        return Markup(re.sub(r"url\(#([^)]*)\)", lambda found: f"url(#{names[found[1]]})", named))  # nosec B704


def _evaluation(found: Evaluated, charts: _Charts) -> dict[str, Any]:
    return {
        "protocol": found.protocol,
        "verdict": found.verdict,
        "distrust": found.distrust,
        "basis": evaluation_basis(found),
        "charts": list(_evaluation_charts(found, charts)),
        "figures": figures_table(found),
        "meanings": figures_of(found).columns,
    }


def _evaluation_charts(found: Evaluated, charts: _Charts) -> Iterator[Part]:
    als, word2vec = (found.models[name].title for name in ("als", "word2vec"))
    pair = differences_chart(pair_differences(found), word2vec, als, WIDTH)
    yield Part(pair_sentence(found), charts.svg(pair), TOLD)
    baselines = differences_chart(baseline_differences(found), "baseline", "model", WIDTH - 60)
    yield Part(baseline_sentence(found), charts.svg(baselines), TOLD)
    for by, along, measure in SEGMENTS:
        table = segment_figures(found, by)
        if len(table):
            drawn = segments_chart(table, along, measure_title(measure, found.n), WIDTH)
            yield Part(segment_sentence(found, by), charts.svg(drawn), "Whiskers: 95% intervals over listeners.")
    for cost in COSTS:
        table = trade_offs(found, cost)
        if len(table):
            yield Part(trade_off_sentence(found, cost), charts.svg(trade_off_chart(table, cost, found.n, WIDTH)))
    repeats = repeat_figures(found)
    if len(repeats):
        yield Part(repeat_sentence(found), charts.svg(repeats_chart(repeats, found.n, WIDTH)))


def _agreement(artifacts: ArtifactSet, charts: _Charts) -> Part:
    n, titles = artifacts.manifest.agreement_n, {model: artifacts.titles[model] for model in artifacts.pair}
    bands = by_popularity(artifacts.agreement, artifacts.catalogue["listeners"].to_numpy())
    drawn = agreement_by_popularity_chart(bands, titles, n).properties(width=WIDTH)
    note = "With itself: half of a model's refits against the other half, the noise floor of that model."
    return Part(agreement_sentence(bands, titles, n), charts.svg(drawn), note)


def _grid(artifacts: ArtifactSet, charts: _Charts) -> Part | None:
    grid, how = artifacts.tuning, artifacts.manifest.tuning
    if grid is None or how is None:
        return None
    als = artifacts.manifest.models["als"].params
    title = measure_title("ndcg", how.n)
    drawn = grid_chart(grid, "ndcg", title, (float(als["k1"]), float(als["b"])), TUTORIAL).properties(width=WIDTH)
    note = (
        "● this set, ○ the tutorial. Outlined: not worse than the best beyond noise. "
        f"{how.held_out:.0%} of each listener's items held out, {how.listeners:,} listeners, {how.replicates} fits a "
        "setting."
    )
    return Part(grid_sentence(grid, how.n), charts.svg(drawn), note)


def _item(artifacts: ArtifactSet, row: int) -> dict[str, Any]:
    view = compare_neighbours(artifacts, row, n=artifacts.manifest.agreement_n)
    return {
        "name": view.name,
        "listeners": view.listeners,
        "headline": headline(view),
        "lists": [
            {"title": view.titles[model], "rows": table.to_dict("records")} for model, table in view.lists.items()
        ],
    }


def _maps(artifacts: ArtifactSet) -> dict[str, list[str]]:
    entries = [(artifacts.manifest.maps or {})[name] for name in artifacts.maps]
    return {
        f"{artifacts.titles[entry.model]}, {METHOD_TITLES[entry.method]}": [
            share(quality.faithfulness) for quality in (entry, entry.pca, entry.random)
        ]
        for entry in entries
    }


def _limits(artifacts: ArtifactSet) -> Iterator[str]:
    manifest = artifacts.manifest
    if manifest.source.simulated:
        yield "The data are simulated: nothing here says anything of real listeners."
    yield "Measured on one listening log; another log, another market or another year may turn the verdict."
    yield "Held-out plays are what people played anyway: a good recommendation of what they never met counts as a miss."
    yield (
        "Similarities of the two models are not on one scale; only ranks are compared. Stability is the share of "
        "refits that list the item too."
    )
    yield (
        f"A difference between two lists is called real where chance alone would part them as far in at most "
        f"{REAL_BELOW:.0%} of all cases: among many items, some are called so by chance."
    )
    yield from manifest.warnings
    yield from (f"{model.title}: {note}" for model in manifest.models.values() for note in model.notes)
