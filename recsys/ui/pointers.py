"""Where to look next on the Overview page: items on which the models part or agree, and what they list too often."""

from __future__ import annotations

import streamlit as st

from recsys.artifacts.store import ArtifactSet
from recsys.ui.controls import as_text, go_to_neighbours, percentile_range
from recsys.ui.loading import commonest_tags, hubness_of_fits, most_listed, pointed_items
from recsys.ui.passport import hub_table

ANY_TAG = "any"


def worth_a_look(artifacts: ArtifactSet) -> None:
    """Items on which the two models part beyond their noise, and items on which they agree, as links."""
    tags = commonest_tags(artifacts, artifacts.fingerprint)
    popularity, tagged = st.columns([3, 2], gap="large")
    with popularity:
        low, high = percentile_range("Popularity of the items below, tail to head", key="among")
    tag = ANY_TAG
    if tags:
        with tagged:
            tag = st.selectbox("Tag", [ANY_TAG, *tags], key="tag", bind="query-params")
    disputed, agreed = pointed_items(artifacts, artifacts.fingerprint, low, high, None if tag == ANY_TAG else tag)
    left, right = st.columns(2, gap="large")
    with left:
        st.subheader("The models part here, beyond their own noise", anchor=False)
        go_to_neighbours(artifacts, disputed, key="disputed")
    with right:
        st.subheader("The models agree here, as far as the noisier agrees with itself", anchor=False)
        if agreed:
            go_to_neighbours(artifacts, agreed, key="agreed")
        else:
            st.write("Nowhere, or it is not known what each model shares with itself.")


def over_recommended(artifacts: ArtifactSet) -> None:
    """How the models spend the places in their lists, and the items that stand in most of them."""
    titles = {name: model.title for name, model in artifacts.manifest.models.items()}
    n = artifacts.manifest.agreement_n
    hub_table(hubness_of_fits(artifacts, artifacts.fingerprint), titles, n)
    for column, (model, title) in zip(st.columns(len(titles), gap="large"), titles.items(), strict=True):
        with column:
            st.write(f"In most top {n} of {as_text(title)}:")
            go_to_neighbours(artifacts, most_listed(artifacts, model, artifacts.fingerprint), key=f"hubs_{model}")
