"""What an artifact set is, and how far each model in it can be trusted."""

from __future__ import annotations

from html import escape

import streamlit as st

from recsys.analysis.hubness import Hubness
from recsys.artifacts.manifest import Manifest
from recsys.artifacts.store import ArtifactSet
from recsys.report.facts import passport_facts, trust_rows
from recsys.ui.controls import as_text
from recsys.ui.glossary import marked


def passport(artifacts: ArtifactSet) -> None:
    """Source, size and identity of the set, in a few lines."""
    facts = passport_facts(artifacts)
    st.html(
        "<dl class='passport'>"
        + "".join(f"<dt>{escape(name)}</dt><dd>{marked(value)}</dd>" for name, value in facts.items())
        + "</dl>"
    )
    for warning in artifacts.manifest.warnings:
        st.caption(f":material/info: {as_text(warning)}")


def trust_table(manifest: Manifest) -> None:
    """What was measured of each model at build time, each row with what it means."""
    told_table([model.title for model in manifest.models.values()], trust_rows(manifest))
    st.caption("None of this says which model recommends better; it says how far what you see can be believed.")


def hub_table(found: dict[str, tuple[Hubness, list[Hubness]]], titles: dict[str, str], n: int) -> None:
    """How each model spends the places in its lists, with the range over its single fits beside it."""
    rows = {
        (f"Items in nobody's top {n}", "they can never be recommended this way"): ("never", "{:.1%}"),
        ("Places held by the 1% most listed", "1% would be even"): ("head", "{:.1%}"),
        ("Listeners of a neighbour, against an item's", "above 1× it favours what is popular"): (
            "popularity_lift", "{:.2f}×",
        ),
    }  # fmt: skip
    told_table(
        [titles[model] for model in found],
        {
            label: [_with_range(form, what, consensus, fits) for consensus, fits in found.values()]
            for label, (what, form) in rows.items()
        },
        classes="trust hubs",
    )
    st.caption("Single fits differ in nothing but their seeds; the figure before them is that of all refits together.")


def told_table(heads: list[str], rows: dict[tuple[str, str], list[str]], classes: str = "trust") -> None:
    """A table whose rows say what they mean.

    rows : by label and meaning the cells; what follows "; " in a cell stands small below it.
    """
    head = "".join(f'<th scope="col">{escape(each)}</th>' for each in heads)
    body = "".join(
        f'<tr><th scope="row">{marked(label)}<small>{marked(meaning)}</small></th>'
        + "".join(f"<td>{_in_two_lines(cell)}</td>" for cell in cells)
        + "</tr>"
        for (label, meaning), cells in rows.items()
    )
    st.html(f'<table class="{classes}"><thead><tr><td></td>{head}</tr></thead><tbody>{body}</tbody></table>')


def _in_two_lines(cell: str) -> str:
    figure, _, noise = cell.partition("; ")
    return f"{escape(figure)}<small>{escape(noise)}</small>" if noise else escape(figure)


def _with_range(form: str, what: str, consensus: Hubness, fits: list[Hubness]) -> str:
    shown = form.format(getattr(consensus, what))
    if not fits:
        return f"{shown}; noise not known"
    values = [getattr(fit, what) for fit in fits]
    return f"{shown}; single fits {form.format(min(values))} to {form.format(max(values))}"
