"""Which model recommends better, by how much, and how sure is that?"""

import streamlit as st

from recsys.ui.controls import pair_picker
from recsys.ui.evaluation import (
    differences_panel,
    distrust_panel,
    evaluation_or_stop,
    figures_panel,
    repeats_panel,
    report_panel,
    segments_panel,
    trade_off_panel,
    verdict_header,
)
from recsys.ui.loading import artifacts_or_stop

artifacts = artifacts_or_stop()
pair = pair_picker(artifacts)
found = evaluation_or_stop(artifacts, pair)
verdict_header(found, pair)
left, right = st.columns([3, 2], gap="large")
with left:
    differences_panel(found, pair)
with right:
    distrust_panel(found)
figures_panel(found)
segments_panel(found, pair)
left, right = st.columns(2, gap="large")
with left:
    trade_off_panel(found, pair)
with right:
    repeats_panel(found, pair)
    report_panel(artifacts)
