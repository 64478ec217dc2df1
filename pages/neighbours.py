"""What does each model think is similar, and how much of the difference is noise?"""

import streamlit as st

from recsys.analysis.side_by_side import compare_neighbours
from recsys.ui.controls import as_text, item_buttons, item_picker, list_length, pair_picker, popularity_range
from recsys.ui.evidence import evidence_panel
from recsys.ui.hand_on import hand_on
from recsys.ui.loading import artifacts_or_stop, disputed_items, name_index
from recsys.ui.pins import pinned_items
from recsys.ui.ranked_lists import agreement_header, ranked_lists

artifacts = artifacts_or_stop()
pair = pair_picker(artifacts)
search, length, popular = st.columns([3, 2, 2], gap="large")
with search:
    index = name_index(artifacts, artifacts.fingerprint)
    item = item_picker(artifacts, index)
with length:
    n = list_length(artifacts)
with popular:
    popularity = popularity_range()
view = compare_neighbours(artifacts, item, n=n, popularity=popularity, pair=pair)

st.header(f"Similar to {as_text(view.name)}", anchor=False)
agreement_header(view)
ranked_lists(view)
evidence_panel(artifacts, view)
hand_on(artifacts, view)
pinned_items(artifacts, pair, index, view)
item_buttons("Most disputed items", artifacts, disputed_items(artifacts, pair), key="disputed")
