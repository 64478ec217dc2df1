"""What an artifact set is, and how far each model in it can be trusted."""

from __future__ import annotations

from collections.abc import Callable
from html import escape

import pandas as pd
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
    """What was measured of each model at build time."""
    n = manifest.agreement_n
    rows: dict[str, Callable[[ModelEntry], str]] = {
        f"Noise floor: overlap@{n} with itself": lambda m: _share(m.noise_floor),
        f"Two single fits: overlap@{n}": lambda m: _share(m.replicate_overlap),
        "Top 10 sharing a leading tag": lambda m: _share(m.tag_share),
        "Exact neighbours found": lambda m: _share(m.recall),
        "Replicates": lambda m: str(m.n_replicates),
        "Items without a vector": lambda m: f"{m.items_missing:,}",
        "Same seed, same result": lambda m: "yes" if m.repeatable else "no",
    }
    table = pd.DataFrame(
        {model.title: [cell(model) for cell in rows.values()] for model in manifest.models.values()}, index=list(rows)
    )
    st.html(table.to_html(classes="trust", border=0, escape=True))


def hub_table(found: dict[str, tuple[Hubness, list[Hubness]]], titles: dict[str, str], n: int) -> None:
    """How each model spends the places in its lists, with the range over its single fits beside it."""
    rows: dict[str, tuple[str, str]] = {
        f"Items in nobody's top {n}": ("never", "{:.1%}"),
        "Places held by the 1% most listed": ("head", "{:.1%}"),
        "Listeners of a neighbour, against an item's": ("popularity_lift", "{:.2f}×"),
    }
    table = pd.DataFrame(
        {
            titles[model]: [_with_range(form, what, consensus, fits) for what, form in rows.values()]
            for model, (consensus, fits) in found.items()
        },
        index=list(rows),
    )
    st.html(table.to_html(classes="trust hubs", border=0, escape=True))
    st.caption("In brackets: the range over the model's single fits, which differ in nothing but their seeds.")


def _with_range(form: str, what: str, consensus: Hubness, fits: list[Hubness]) -> str:
    shown = form.format(getattr(consensus, what))
    if not fits:
        return f"{shown} (noise not known)"
    values = [getattr(fit, what) for fit in fits]
    # Breaks before the bracket and nowhere else.
    return f"{shown} ({form.format(min(values))} to {form.format(max(values))})".replace(" ", "\u00a0").replace(
        "\u00a0(", " ("
    )


def _share(value: float | None) -> str:
    return "not known" if value is None else f"{value:.2f}"
