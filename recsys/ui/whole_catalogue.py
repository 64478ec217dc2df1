"""What the Overview page says of the whole catalogue: how far the models agree, where, and what they list too often."""

from __future__ import annotations

import streamlit as st

from recsys.analysis.agreement import REAL_BELOW
from recsys.artifacts.store import ArtifactSet, Pair
from recsys.ui.charts import (
    agreement_by_popularity_chart,
    agreement_sentence,
    distribution_sentence,
    overlap_distribution_chart,
)
from recsys.ui.controls import as_text, go_to_neighbours, percentile_range
from recsys.ui.drawing import show_chart
from recsys.ui.glossary import meaning_of
from recsys.ui.loading import (
    agreement_by_popularity,
    commonest_tags,
    distribution_in_tenth,
    hubness_of_fits,
    most_listed,
    pointed_items,
)
from recsys.ui.passport import hub_table

ANY_TAG = "any"
WHOLE = "all of it"


def agreement_over_catalogue(artifacts: ArtifactSet, pair: Pair) -> None:
    """How far the models agree in each tenth of the catalogue, beside what each shares with itself."""
    n, titles = artifacts.manifest.agreement_n, {model: artifacts.titles[model] for model in pair}
    bands = agreement_by_popularity(artifacts, artifacts.fingerprint, pair)
    sentence = agreement_sentence(bands, titles, n)
    st.subheader(sentence, anchor=False, help=meaning_of("overlap", "noise floor", "replicate"))
    chart = agreement_by_popularity_chart(bands, titles, n, artifacts.places(pair))
    show_chart(chart, key="agreement", words=sentence)


def agreement_in_a_tenth(artifacts: ArtifactSet, pair: Pair) -> None:
    """How many items the models share for how many items, in the tenth of the catalogue that the person chooses."""
    n, titles = artifacts.manifest.agreement_n, {model: artifacts.titles[model] for model in pair}
    above = st.container()
    tenth = st.selectbox(
        "Of which tenth of the catalogue",
        [WHOLE, *map(str, agreement_by_popularity(artifacts, artifacts.fingerprint, pair)["band"])],
        key="tenth",
        bind="query-params",
        width=240,
        help="1: fewest listeners",
    )
    found, rbo = distribution_in_tenth(artifacts, artifacts.fingerprint, pair, None if tenth == WHOLE else int(tenth))
    sentence = distribution_sentence(found, titles, n)
    with above:
        st.subheader(sentence, anchor=False)
        chart = overlap_distribution_chart(found, titles, n, artifacts.places(pair))
        show_chart(chart, key="distribution", words=sentence)
    if rbo is not None:
        st.caption(f"With the top ranks counted most the models agree by {rbo:.2f} (RBO).", help=meaning_of("RBO"))


def worth_a_look(artifacts: ArtifactSet, pair: Pair) -> None:
    """Items on which the two models part beyond their noise, and items on which they agree, as links."""
    tags = commonest_tags(artifacts, artifacts.fingerprint)
    popularity, tagged = st.columns([3, 2], gap="large")
    with popularity:
        low, high = percentile_range("Popularity of the items below, tail to head", key="among")
    tag = ANY_TAG
    if tags:
        with tagged:
            tag = st.selectbox("Tag", [ANY_TAG, *tags], key="tag", bind="query-params")
    found = pointed_items(artifacts, artifacts.fingerprint, pair, low, high, None if tag == ANY_TAG else tag)
    if not found.among:
        st.write("No item lies in this range of popularity with this tag; widen the one or change the other.")
        return
    left, right = st.columns(2, gap="large")
    with left:
        st.subheader("The models part here, beyond their own noise", anchor=False, help=meaning_of("noise floor"))
        go_to_neighbours(artifacts, pair, found.disputed, key="disputed")
        if found.real:
            st.caption(
                f"The difference is called real for {found.real:,} of {found.among:,} items; were the models one and "
                f"the same, chance would call it so for up to {REAL_BELOW:.0%}, {REAL_BELOW * found.among:,.0f} items."
            )
    with right:
        st.subheader("The models agree here, as far as the noisier agrees with itself", anchor=False)
        if found.agreed:
            go_to_neighbours(artifacts, pair, found.agreed, key="agreed")
        else:
            st.write("Nowhere, or it is not known what each model shares with itself.")


def over_recommended(artifacts: ArtifactSet, pair: Pair) -> None:
    """How the models spend the places in their lists, and the items that stand in most of them."""
    n, titles = artifacts.manifest.agreement_n, {model: artifacts.titles[model] for model in pair}
    hub_table(hubness_of_fits(artifacts, artifacts.fingerprint, pair), titles, n)
    for column, (model, title) in zip(st.columns(len(titles), gap="large"), titles.items(), strict=True):
        with column:
            st.write(f"In most top {n} of {as_text(title)}:")
            go_to_neighbours(artifacts, pair, most_listed(artifacts, model, artifacts.fingerprint), key=f"hubs_{model}")
