"""What would this person get from each model, and why?"""

import streamlit as st

from recsys.ui.listener_lists import lists_panel, recommended_lists
from recsys.ui.listener_map import listener_on_maps
from recsys.ui.listener_profile import profile_panel, recommender
from recsys.ui.loading import artifacts_or_stop, name_index
from recsys.ui.radio import radio_panel

artifacts = artifacts_or_stop()
models = recommender(artifacts, artifacts.fingerprint)
who, what = st.columns([1, 3], gap="large")
with who:
    asked = profile_panel(artifacts, name_index(artifacts, artifacts.fingerprint))
with what:
    if asked:
        lists = recommended_lists(artifacts, models, asked)
        lists_panel(artifacts, asked, lists)
if asked:
    listener_on_maps(artifacts, models, lists)
    radio_panel(artifacts, models, asked.profile)
