"""What both models would give a listener, side by side: another order and its price, what drove an item, files."""

from __future__ import annotations

from functools import partial
from html import escape

import pandas as pd
import streamlit as st

from recsys.analysis.side_by_side import MEANINGS, headline
from recsys.artifacts.store import ArtifactSet, Pair
from recsys.listener.export import as_m3u8, as_xspf, entries, lists_csv
from recsys.listener.recommend import (
    FOLD_IN,
    Recommended,
    Recommender,
    Way,
    compare,
    mean_of,
    model_of,
    strongest,
)
from recsys.listener.rerank import Wish
from recsys.ui.charts import MODEL_COLOURS
from recsys.ui.controls import as_option, as_text, list_length
from recsys.ui.drawing import show_chart
from recsys.ui.files import file_button
from recsys.ui.listener_charts import reasons_chart
from recsys.ui.listener_profile import Asked
from recsys.ui.ranked_lists import Words, ranked_lists, verdict_strip

ASKED_BY: dict[str, Way] = {"folding the listener in": FOLD_IN, "the mean of their items": mean_of("als")}
MOST_REASONS = 8
OF_MEANS = "osine with the mean of the listener's vectors"


def recommended_lists(artifacts: ArtifactSet, pair: Pair, models: Recommender, asked: Asked) -> list[Recommended]:
    """Both models' lists, in the way and order that a person chooses."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="large"):
        with st.container(width=260):
            n = list_length(artifacts)
        ways = {model: mean_of(model) for model in pair}
        if "als" in pair:
            way = st.selectbox(
                "ALS is asked by", list(ASKED_BY), key="als_by", bind="query-params", width=230,
                help="Folding in solves the listener's own factors from their weighted plays, as if the model had been "
                "trained on them. The mean is what other models are asked by. They differ.",
            )  # fmt: skip
            ways["als"] = ASKED_BY[way]
        keep = st.checkbox("Keep what they know", key="keep", bind="query-params")
    with st.container(horizontal=True, gap="large"):
        pull = st.slider(
            "Tail to head", -1.0, 1.0, 0.0, 0.1, key="pull", bind="query-params", width=260,
            help="Left: rather little-known items. Right: rather well-known ones. 0: as the model has it.",
        )  # fmt: skip
        diversity = st.slider(
            "Diversity", 0.0, 1.0, 0.0, 0.1, key="diversity", bind="query-params", width=260,
            help="Each place goes to an item that is unlike those above it (maximal marginal relevance).",
        )  # fmt: skip
    wish = Wish(popularity=pull, diversity=diversity)
    return [models.recommend(asked.profile, each, n=n, keep_known=keep, wish=wish) for each in ways.values()]


def lists_panel(artifacts: ArtifactSet, asked: Asked, lists: list[Recommended]) -> None:
    """Both lists with the verdict above; what drove one item; what another order costs; the lists as files."""
    first, second = lists
    view = compare(artifacts, first, second)
    words = headline(view)
    st.header(f"{as_text(asked.name)}: what each model would play next", anchor=False)
    verdict_strip(view, words, MEANINGS[view.verdict])
    ranked_lists(
        view,
        key="listener_lists",
        choose=_explain,
        words=Words(
            click="see what drove it",
            nearest="recommended items",
            label="score",
            score=f"Of ALS the preference it predicts, about 0 to 1; of {second.title} the c{OF_MEANS}. Not comparable "
            f"between models"
            if first.way == FOLD_IN
            else f"C{OF_MEANS}; not comparable between models",
            empty="{title} knows none of these items.",
        ),
    )
    if any(each.price.before != each.price.after for each in lists):
        st.html(_price_table(lists))
    _why_panel(artifacts, lists)
    _downloads(artifacts, asked, lists)


def _explain(item_id: str) -> None:
    st.query_params["why"] = item_id


def _why_panel(artifacts: ArtifactSet, lists: list[Recommended]) -> None:
    """Which of the listener's items speak for and against one recommendation, by each model that gives it."""
    offered = pd.concat([each.table for each in lists]).drop_duplicates("item_id")
    if offered.empty:
        return
    known = dict(zip(offered["item_id"], offered["name"], strict=True))
    linked = st.query_params.get("why")
    in_both = [item for item in known if all((each.table["item_id"] == item).any() for each in lists)]
    st.session_state["why"] = linked if linked in known else [*in_both, *known][0]
    item_id = st.selectbox(
        "What drove this recommendation?", list(known), format_func=lambda each: as_option(str(known[each])), key="why",
        on_change=lambda: _explain(st.session_state["why"]), width=420,
    )  # fmt: skip
    sides = artifacts.places([model_of(each.way) for each in lists])
    for column, side, each in zip(st.columns(2, gap="large"), sides, lists, strict=True):
        at = each.table.index[each.table["item_id"] == item_id]
        with column:
            if len(at):
                _reasons(artifacts, each, int(at[0]), side)
            else:
                st.write(f"{each.title} does not list it.")
    if st.button(f"See what is similar to {as_text(str(known[item_id]))}", key="why_to_lists"):
        query = {"set": st.session_state.get("set_kept", ""), "item": item_id, "build": artifacts.fingerprint[:12]}
        st.switch_page("pages/neighbours.py", query_params=query)


def _reasons(artifacts: ArtifactSet, each: Recommended, at: int, side: int) -> None:
    parts = each.contributions[at]
    names = artifacts.catalogue["name"]
    score = float(each.table["score"].iloc[at])
    heaviest = strongest(parts, MOST_REASONS)
    rows = [(str(names.iloc[each.profile.rows[one]]), float(parts[one])) for one in heaviest]
    rest = len(parts) - len(heaviest)
    if rest > 0:
        rows.append((f"{rest:,} more items", float(parts.sum() - parts[heaviest].sum())))
    best, adds = rows[0]
    does = f"adds {adds:.2f}" if adds >= 0 else f"takes {-adds:.2f} away"
    words = f"{each.title}: of {score:.2f}, {best} {does}"
    st.subheader(as_text(words), anchor=False)
    chart = reasons_chart(pd.DataFrame(rows, columns=["item", "adds"]), MODEL_COLOURS[side])
    show_chart(chart, key=f"reasons_{side}", words=words)


def _price_table(lists: list[Recommended]) -> str:
    """What the order that was asked for costs in score, and what it buys."""
    heads = "".join(f'<th scope="col" colspan="2">{escape(each.title)}</th>' for each in lists)
    halves = '<th scope="col">as it was</th><th scope="col">as asked</th>' * len(lists)
    rows = (
        ("mean score", "score", "{:.3f}"),
        ("mean percentile of popularity", "popularity", "{:.0f}"),
        ("sameness (mean cosine of two of the list)", "sameness", "{:.2f}"),
    )
    body = "".join(
        f'<tr><th scope="row">{label}</th>'
        + "".join(
            f"<td>{form.format(getattr(when, field))}</td>"
            for each in lists
            for when in (each.price.before, each.price.after)
        )
        + "</tr>"
        for label, field, form in rows
    )
    return (
        '<div class="scroll" tabindex="0" role="region" aria-label="What this order costs">'
        f'<table class="trust hubs"><caption>What this order costs, and buys</caption><thead>'
        f"<tr><td></td>{heads}</tr><tr><td></td>{halves}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _downloads(artifacts: ArtifactSet, asked: Asked, lists: list[Recommended]) -> None:
    build = artifacts.fingerprint[:12]
    with st.popover("Download"):
        file_button("Both lists (CSV)", lambda: lists_csv(artifacts, lists), f"recommended-{build}.csv", "text/csv")
        for each in lists:
            playlist = entries(artifacts, each.table["item_row"].tolist())
            name, words = f"{each.way}-{build}", f"{each.title} for {asked.name.lower()}"
            file_button(f"{each.title} (M3U8)", partial(as_m3u8, playlist), f"{name}.m3u8", "audio/x-mpegurl")
            file_button(
                f"{each.title} (XSPF)", partial(as_xspf, playlist, words), f"{name}.xspf", "application/xspf+xml"
            )
