"""What is this, and can I trust it?"""

import streamlit as st

from recsys.ui.charts import agreement_by_popularity_chart, agreement_sentence
from recsys.ui.loading import artifacts_or_stop, popularity_bands
from recsys.ui.passport import passport, trust_table
from recsys.ui.pointers import over_recommended, worth_a_look

artifacts = artifacts_or_stop()
titles = {name: model.title for name, model in artifacts.manifest.models.items()}
bands = popularity_bands(artifacts, artifacts.fingerprint)

st.header("Two models of one listening log: where do they part, and is that noise?", anchor=False)
left, right = st.columns([3, 2], gap="large")
with left:
    sentence = agreement_sentence(bands, titles, artifacts.manifest.agreement_n)
    st.subheader(sentence, anchor=False)
    chart = agreement_by_popularity_chart(bands, titles, artifacts.manifest.agreement_n)
    st.altair_chart(chart, key="agreement", alt=sentence)
with right:
    st.subheader("How far each model can be trusted", anchor=False)
    trust_table(artifacts.manifest)
worth_a_look(artifacts)
st.subheader("What each model lists too often, and what never", anchor=False)
over_recommended(artifacts)
st.subheader("What this is", anchor=False)
passport(artifacts)
