"""What is this, and can I trust it?"""

import streamlit as st

from recsys.ui.controls import pair_picker
from recsys.ui.loading import artifacts_or_stop
from recsys.ui.passport import passport, trust_table
from recsys.ui.tour import guided_tour
from recsys.ui.whole_catalogue import agreement_in_a_tenth, agreement_over_catalogue, over_recommended, worth_a_look

artifacts = artifacts_or_stop()
pair = pair_picker(artifacts)
st.header("Two models of one listening log: where do they part, and is that noise?", anchor=False)
guided_tour(artifacts, pair)
left, right = st.columns(2, gap="large")
with left:
    agreement_over_catalogue(artifacts, pair)
with right:
    agreement_in_a_tenth(artifacts, pair)
left, right = st.columns(2, gap="large")
with left:
    st.subheader("How far each model can be trusted", anchor=False)
    trust_table(artifacts.manifest)
with right:
    st.subheader("What this is", anchor=False)
    passport(artifacts)
worth_a_look(artifacts, pair)
st.subheader("What each model lists too often, and what never", anchor=False)
over_recommended(artifacts, pair)
