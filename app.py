"""Page config and navigation."""

from pathlib import Path

import streamlit as st

from recsys.ui.loading import explained
from recsys.ui.monitoring import watched
from recsys.ui.sign_in import enter_or_stop

st.set_page_config(page_title="ALS or Word2vec? Neighbours with their noise", page_icon="pages/icon.svg", layout="wide")
st.html(Path(__file__).parent / "recsys/ui/page.css")
enter_or_stop()
page = st.navigation(
    [
        st.Page("pages/overview.py", title="Overview", default=True),
        st.Page("pages/neighbours.py", title="Neighbours", url_path="neighbours"),
        st.Page("pages/whatif.py", title="BM25 what-if", url_path="whatif"),
        st.Page("pages/maps.py", title="Maps", url_path="maps"),
        st.Page("pages/listener.py", title="Listener", url_path="listener"),
        st.Page("pages/evaluation.py", title="Evaluation", url_path="evaluation"),
        st.Page("pages/blind_test.py", title="Blind test", url_path="blind_test"),
    ],
    position="top",
)
explained(watched(page))
