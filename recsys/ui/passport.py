"""What an artifact set is, and how far each model in it can be trusted."""

from __future__ import annotations

from collections.abc import Callable
from html import escape

import streamlit as st

from recsys.analysis.hubness import Hubness
from recsys.artifacts.manifest import Manifest, ModelEntry
from recsys.artifacts.store import ArtifactSet
from recsys.ui.controls import as_text


def passport(artifacts: ArtifactSet) -> None:
    """Source, size and identity of the set, in a few lines."""
    manifest = artifacts.manifest
    counts, source = manifest.counts, manifest.source
    order = (
        "queues in the order they were played" if counts.queues_ordered else "sets without order (no times in the data)"
    )
    facts = {
        "Source": f"{source.title} · reader {source.reader}",
        "Trained on": f"{counts.listeners:,} listeners · {counts.items:,} items · {counts.plays:,.0f} plays · "
        f"{counts.queues:,} {order}",
        "Left out": ", ".join(f"{count:,} {what}" for what, count in manifest.dropped.items() if count) or "nothing",
        "Build": f"{artifacts.fingerprint[:12]} · {manifest.created[:10]} · seed {manifest.seed} · "
        f"{sum(manifest.timings.values()):.0f} s",
    }
    st.html(
        "<dl class='passport'>"
        + "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in facts.items())
        + "</dl>"
    )
    for warning in manifest.warnings:
        st.caption(f":material/info: {as_text(warning)}")


def trust_table(manifest: Manifest) -> None:
    """What was measured of each model at build time, each row with what it means."""
    n = manifest.agreement_n
    rows: dict[tuple[str, str], Callable[[ModelEntry], str]] = {
        (f"Noise floor: overlap@{n} with itself", "half of its refits against the other half"): lambda m: _share(
            m.noise_floor
        ),
        (f"Two single fits: overlap@{n}", "what a seed alone changes"): lambda m: _share(m.replicate_overlap),
        ("Top 10 sharing a leading tag", "neighbours with one of the item's three commonest tags"): lambda m: _share(
            m.tag_share
        ),
        ("Exact neighbours found", "of the true top 10, by the stored lists"): lambda m: _share(m.recall),
        ("Replicates", "refits with other seeds that this rests on"): lambda m: str(m.n_replicates),
        ("Items without a vector", "never trained on"): lambda m: f"{m.items_missing:,}",
        ("Same seed, same result", "bit by bit"): lambda m: "yes" if m.repeatable else "no",
    }
    models = list(manifest.models.values())
    _told_table(
        [model.title for model in models],
        {what: [cell(model) for model in models] for what, cell in rows.items()},
    )
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
    _told_table(
        [titles[model] for model in found],
        {
            label: [_with_range(form, what, consensus, fits) for consensus, fits in found.values()]
            for label, (what, form) in rows.items()
        },
        classes="trust hubs",
    )
    st.caption("Single fits differ in nothing but their seeds; the figure before them is that of all refits together.")


def _told_table(heads: list[str], rows: dict[tuple[str, str], list[str]], classes: str = "trust") -> None:
    """A table whose rows say what they mean; rows are (label, meaning) and the cells."""
    head = "".join(f'<th scope="col">{escape(each)}</th>' for each in heads)
    body = "".join(
        f'<tr><th scope="row">{escape(label)}<small>{escape(meaning)}</small></th>'
        + "".join(f"<td>{escape(cell)}</td>" for cell in cells)
        + "</tr>"
        for (label, meaning), cells in rows.items()
    )
    st.html(f'<table class="{classes}"><thead><tr><td></td>{head}</tr></thead><tbody>{body}</tbody></table>')


def _with_range(form: str, what: str, consensus: Hubness, fits: list[Hubness]) -> str:
    shown = form.format(getattr(consensus, what))
    if not fits:
        return f"{shown}; noise not known"
    values = [getattr(fit, what) for fit in fits]
    return f"{shown}; single fits {form.format(min(values))} to {form.format(max(values))}"


def _share(value: float | None) -> str:
    return "not known" if value is None else f"{value:.2f}"
