"""Would another K1 and B be better, and what would they change?"""

import streamlit as st

from recsys.ui.bm25_controls import bm25_setting
from recsys.ui.controls import as_text, item_picker, list_length
from recsys.ui.loading import artifacts_or_stop, name_index
from recsys.ui.measured_grid import grid_panel, measured_line
from recsys.ui.scenarios import scenario_panel
from recsys.ui.whatif import answer, answer_panel, whatif_engine, why_panel
from recsys.ui.whatif_charts import best_measured
from recsys.ui.word2vec_trials import word2vec_panel

artifacts = artifacts_or_stop()
engine = whatif_engine(artifacts, artifacts.fingerprint)
grid = artifacts.tuning
search, length = st.columns([3, 2], gap="large")
with search:
    item = item_picker(artifacts, name_index(artifacts, artifacts.fingerprint))
with length:
    n = list_length(artifacts)
baseline = engine.params.k1, engine.params.b
k1, b = bm25_setting(baseline, best_measured(grid))
found, going = answer(engine, item, k1, b, n)

st.header(f"Similar to {as_text(found.view.name)}, with another K1 and B", anchor=False)
measured_line(artifacts, grid, (k1, b), baseline)
answer_panel(engine, found, going)
why_panel(engine, found)
grid_panel(artifacts, grid, k1, b)
word2vec_panel(artifacts)
scenario_panel(artifacts, item, n)
