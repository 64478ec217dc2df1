"""Word2vec, measured: trials of other parameters, the best of them, and what it gains beside the noise."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from recsys.artifacts.store import ArtifactSet
from recsys.tuning.word2vec_words import best_words, build_command, on_everything, region_words
from recsys.ui.controls import as_text, shell_command
from recsys.ui.drawing import show_chart
from recsys.ui.glossary import meaning_of
from recsys.ui.loading import set_command
from recsys.ui.word2vec_charts import PARAMETERS, trials_chart, trials_sentence

CHARTS_A_ROW = 3


def word2vec_panel(artifacts: ArtifactSet) -> None:
    """The trials of the search for Word2vec's parameters, below the grid of K1 and B."""
    how, trials = artifacts.manifest.word2vec_tuning, artifacts.word2vec_trials
    if how is None or trials is None:
        st.subheader("Are other parameters of Word2vec better? Not measured yet", anchor=False)
        st.write("Ten minutes of trials, each measured on held-out plays as the grid is, are added to this set by:")
        shell_command(set_command("tune", "--model", "word2vec", "--minutes", "10"))
        return
    ranked = on_everything(trials)
    words = best_words(trials, how.n)
    st.subheader("Word2vec, measured", anchor=False, help=meaning_of("Word2vec", "nDCG", "held-out"))
    st.write(f"{words}. {region_words(trials)}.")
    sample = trials[~trials["everything"]]
    if len(sample):
        for start in range(0, len(PARAMETERS), CHARTS_A_ROW):
            row = PARAMETERS[start : start + CHARTS_A_ROW]
            for column, parameter in zip(st.columns(CHARTS_A_ROW), row, strict=True):
                with column:
                    sentence = trials_sentence(sample, parameter)
                    st.markdown(f"**{as_text(sentence)}**")
                    chart = trials_chart(sample, set(ranked["trial"]), parameter, how.n)
                    show_chart(chart, key=f"trials_{parameter}", words=sentence)
        st.caption(
            f"{len(sample)} trials fitted to {how.share:.3g} of the queues, against each parameter; the other five "
            "differ from point to point, so a slope is no proof. Squares cannot be told from the best of these; a ring "
            "marks trials that were fitted to everything too."
        )
    shown = _shown(ranked, how.n)
    numbers = {name: st.column_config.Column(alignment="right") for name in shown.columns[1:-1]}
    st.dataframe(shown, hide_index=True, key="trials_table", column_config=numbers)
    st.caption(
        f"Fitted to everything: {how.held_out:.0%} of each listener's items held out, {how.listeners:,} listeners, "
        f"{how.replicates} fits a trial; behind: the best, with its 95% interval over listeners and seeds. The best "
        "was chosen on the listeners that measured it, which flatters it a little. To build with it:"
    )
    shell_command(build_command(ranked.iloc[0].to_dict()))


def _shown(ranked: pd.DataFrame, n: int) -> pd.DataFrame:
    """The trials for people: numbers with their intervals, rounded to what noise allows."""
    rows = ranked.to_dict("records")
    return pd.DataFrame(
        {
            "from": ranked["origin"],
            **{name: [f"{row[name]:g}" for row in rows] for name in PARAMETERS},
            f"nDCG@{n}": [f"{row['ndcg']:.3f} ± {(row['ndcg_high'] - row['ndcg_low']) / 2:.3f}" for row in rows],
            "behind the best": [
                f"{row['behind']:.3f} ({row['behind_low']:.3f} to {row['behind_high']:.3f})" if row["behind"] else "–"
                for row in rows
            ],
            "within noise": ranked["best_region"],
        }
    )
