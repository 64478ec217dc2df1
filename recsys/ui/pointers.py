"""Where to look next on the Overview page: items on which the models part or agree, and what they list too often."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import streamlit as st

from recsys.analysis.agreement import most_agreed, most_disputed
from recsys.artifacts.store import ArtifactSet
from recsys.ui.controls import as_text, go_to_neighbours, percentile_range
from recsys.ui.loading import commonest_tags, hubness_of_fits, most_listed
from recsys.ui.passport import hub_table

ANY_TAG = "any"


def worth_a_look(artifacts: ArtifactSet) -> None:
    """Items on which the two models part beyond their noise, and items on which they agree, as links."""
    among = _chosen_items(artifacts)
    listeners = artifacts.catalogue["listeners"].to_numpy()
    parted, agreed = st.columns(2, gap="large")
    with parted:
        st.subheader("The models part here, beyond their own noise", anchor=False)
        rows = [int(row) for row in most_disputed(artifacts.agreement, listeners, among=among)]
        go_to_neighbours(artifacts, rows, key="disputed")
    with agreed:
        st.subheader("The models agree here, as far as the noisier agrees with itself", anchor=False)
        rows = [int(row) for row in most_agreed(artifacts.agreement, listeners, among=among)]
        if rows:
            go_to_neighbours(artifacts, rows, key="agreed")
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


def _chosen_items(artifacts: ArtifactSet) -> npt.NDArray[np.bool_]:
    """The items between two percentiles of popularity, and with a tag if one is chosen; bool (n_items,)."""
    tags = commonest_tags(artifacts, artifacts.fingerprint)
    left, right = st.columns([3, 2], gap="large")
    with left:
        low, high = percentile_range("Popularity of the items below, tail to head", key="among")
    percentile = artifacts.catalogue["popularity"].to_numpy()
    among = (percentile >= low) & (percentile <= high)
    if tags:
        with right:
            tag = st.selectbox("Tag", [ANY_TAG, *tags], key="tag", bind="query-params")
        if tag != ANY_TAG:
            among &= np.fromiter((tag in of for of in artifacts.catalogue["tags"]), bool, len(among))
    return np.asarray(among, bool)
