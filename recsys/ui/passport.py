"""What an artifact set is, and how far each model in it can be trusted."""

from __future__ import annotations

from collections.abc import Callable
from html import escape

import pandas as pd
import streamlit as st

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


def _share(value: float | None) -> str:
    return "not known" if value is None else f"{value:.2f}"
