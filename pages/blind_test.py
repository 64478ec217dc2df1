"""Which list do people call better when they do not know whose it is?"""

import streamlit as st

from recsys.ui.blind_test import ballot_panel, folded, item_in_question, sitting_of, tally_panel, vote_store
from recsys.ui.controls import list_length, pair_picker
from recsys.ui.loading import artifacts_or_stop, name_index

artifacts = artifacts_or_stop()
pair = pair_picker(artifacts)
store = vote_store()
sitting = sitting_of(artifacts, pair)
question = st.container()
search, length, fold = st.columns([3, 2, 2], gap="large", vertical_alignment="bottom")
with search:
    item = item_in_question(artifacts, name_index(artifacts, artifacts.fingerprint), sitting)
with length:
    n = list_length(artifacts)
with fold:
    apart = folded()
with question:
    ballot_panel(artifacts, pair, store, sitting, item, n, apart)
tally_panel(artifacts, pair, store, sitting, n)
