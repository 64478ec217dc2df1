"""What would this person get from each model, and why?"""

import streamlit as st

from recsys.ui.controls import pair_picker
from recsys.ui.listener_lists import lists_panel, recommended_lists
from recsys.ui.listener_map import listener_on_maps
from recsys.ui.listener_profile import profile_panel, recommender
from recsys.ui.loading import artifacts_or_stop, name_index
from recsys.ui.radio import radio_panel

artifacts = artifacts_or_stop()
pair = pair_picker(artifacts)
models = recommender(artifacts, artifacts.fingerprint)
who, what = st.columns([1, 3], gap="large")
with who:
    asked = profile_panel(artifacts, name_index(artifacts, artifacts.fingerprint))
with what:
    if asked:
        lists = recommended_lists(artifacts, pair, models, asked)
        lists_panel(artifacts, asked, lists)
if asked:
    listener_on_maps(artifacts, models, lists)
    radio_panel(artifacts, pair, models, asked.profile)
