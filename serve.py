"""The app with health and figures beside it, for servers: streamlit run serve.py. See docs/guide/serving.md."""

import streamlit as st

from recsys.ui.monitoring import monitoring_routes

app = st.App("app.py", routes=monitoring_routes())
