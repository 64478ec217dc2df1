"""What does the space look like, and what does a picture of it bend?"""

import streamlit as st

from recsys.ui.controls import item_picker, list_length, pair_picker
from recsys.ui.loading import artifacts_or_stop, name_index
from recsys.ui.maps import map_controls, map_heading, mapped_methods, maps_view, trust_of_maps

artifacts = artifacts_or_stop()
pair = pair_picker(artifacts)
methods = mapped_methods(artifacts, pair)
search, length = st.columns([3, 2], gap="large")
with search:
    item = item_picker(artifacts, name_index(artifacts, artifacts.fingerprint))
with length:
    n = list_length(artifacts)
method, colour, tag = map_controls(artifacts, pair, methods)
map_heading(artifacts, pair, item, method)
maps_view(artifacts, pair, item, n, method, colour, tag)
trust_of_maps(artifacts, pair, method)
