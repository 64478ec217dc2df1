"""What the Evaluation page shows: the verdict, what it rests on, what speaks against it, and a report to hand on."""

from __future__ import annotations

from typing import Any

import streamlit as st

from recsys.artifacts.evaluations import Evaluated
from recsys.artifacts.store import ArtifactSet, Pair
from recsys.evaluation.words import verdict
from recsys.report.facts import evaluation_basis
from recsys.report.page import figures_table, report_html
from recsys.ui.controls import as_text, shell_command
from recsys.ui.drawing import show_chart
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
from recsys.ui.files import file_button
from recsys.ui.glossary import meaning_of
from recsys.ui.loading import set_command

PROTOCOLS = (
    "holdout: a share of each listener's items is held out. leave-last-out: the item that each came to last. "
    "next-event: the last item of a queue, asked for from the one before it."
)


def evaluation_or_stop(artifacts: ArtifactSet, pair: Pair) -> Evaluated:
    """The evaluation by the protocol that the person chose; or the command that makes one of both models, and the page
    ends."""
    found = artifacts.evaluation
    if not found:
        st.header("Which model recommends better? Not measured yet", anchor=False)
        st.write(
            "Both models are fitted anew without a part of the plays and asked for it, beside baselines. The result is "
            "added to this set by:"
        )
        shell_command(set_command("evaluate"))
        report_panel(artifacts)
        st.stop()
    protocol = st.radio(
        "What is held out", list(found), key="protocol", bind="query-params", horizontal=True, help=PROTOCOLS
    )
    missing = [artifacts.titles[model] for model in pair if model not in found[protocol].models]
    if missing:
        st.header(f"{as_text(' and '.join(missing))} was not there when this was measured", anchor=False)
        st.write("Choose two other models above, or measure again:")
        shell_command(set_command("evaluate", "--protocol", protocol))
        st.stop()
    return found[protocol]


def verdict_header(found: Evaluated, pair: Pair) -> None:
    """The verdict in one sentence with its uncertainty, and what it rests on."""
    words = meaning_of("nDCG", "held-out", "95% interval", "baseline")
    st.header(as_text(verdict(found, pair)), anchor=False, help=words)
    st.write(as_text(evaluation_basis(found)))


def differences_panel(found: Evaluated, pair: Pair) -> None:
    """By how much the models differ by every measure, and from the baselines."""
    left, right = (found.models[name].title for name in reversed(pair))
    _chart(pair_sentence(found, pair), differences_chart(pair_differences(found, pair), left, right), "pair")
    _chart(
        baseline_sentence(found, pair), differences_chart(baseline_differences(found), "baseline", "model"), "baselines"
    )
    st.caption(TOLD)


def distrust_panel(found: Evaluated) -> None:
    """What speaks against the figures, as a list."""
    st.subheader("What to distrust here", anchor=False)
    if found.distrust:
        st.markdown("\n".join(f"- {as_text(words)}" for words in found.distrust))
    else:
        st.write("Nothing that this evaluation looks for: few lists, ties, seeds, baselines, measures that disagree.")


def figures_panel(found: Evaluated) -> None:
    """All models and baselines with their intervals."""
    st.subheader("All models and baselines", anchor=False)
    st.html(figures_table(found))
    st.caption(
        "± is half a 95% interval over listeners; decimals as far as the widest interval of a column allows. "
        "Differences of two models are surer than their intervals here suggest: both are asked the same lists."
    )


def segments_panel(found: Evaluated, pair: Pair) -> None:
    """Where each model is good: by popularity of the held-out items and by activity of the listeners."""
    for column, (by, along, measure) in zip(st.columns(len(SEGMENTS), gap="large"), SEGMENTS, strict=True):
        table = segment_figures(found, by, pair)
        with column:
            if len(table):
                chart = segments_chart(table, along, measure_title(measure, found.n))
                _chart(segment_sentence(found, by, pair), chart, f"by_{by}")
            else:
                st.write(segment_sentence(found, by, pair))


def trade_off_panel(found: Evaluated, pair: Pair) -> None:
    """What accuracy costs, in what the person chooses."""
    above = st.container()
    options = [cost for cost in COSTS if len(trade_offs(found, cost))]
    cost = st.radio("Accuracy against", options, key="against", bind="query-params", horizontal=True)
    with above:
        chart = trade_off_chart(trade_offs(found, cost), cost, found.n)
        _chart(trade_off_sentence(found, cost, pair), chart, "trade_off")


def repeats_panel(found: Evaluated, pair: Pair) -> None:
    """For next events, what it is worth to repeat the item before; nothing for other protocols."""
    repeats = repeat_figures(found)
    if len(repeats):
        _chart(repeat_sentence(found, pair), repeats_chart(repeats, found.n), "repeats")
        st.caption(
            "As published, repeats count and neighbours are Euclidean; without that word they are by cosine. "
            f"{found.returns:,} more queues end with an item from earlier in the queue."
        )


def report_panel(artifacts: ArtifactSet) -> None:
    """Everything that is known of the set as one file."""
    st.subheader("To hand on", anchor=False)
    file_button(
        "Report (HTML)",
        lambda: report_html(artifacts).encode(),
        f"report-{artifacts.fingerprint[:12]}.html",
        "text/html",
        key="report",
        help="One file without network or script: passport, all protocols, charts, example items, limits. Prints well.",
    )
    st.caption(f"With items of your choice: `{set_command('report')} --out report.html --item NAME`")


def _chart(sentence: str, chart: Any, key: str) -> None:
    st.subheader(as_text(sentence), anchor=False)
    show_chart(chart, key=key, words=sentence)
