"""The app with health and figures beside it, for servers: streamlit run serve.py. See docs/guide/serving.md."""

import streamlit as st
from starlette.middleware import Middleware

from recsys.ui.monitoring import monitoring_routes
from recsys.ui.sign_in import FilesForWhoMayEnter, LinkAcrossSignIn

app = st.App(
    "app.py", routes=monitoring_routes(), middleware=[Middleware(FilesForWhoMayEnter), Middleware(LinkAcrossSignIn)]
)
