"""The ranked lists of the Neighbours page, and the strip above them: how much of the difference is noise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from html import escape
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from recsys.analysis.side_by_side import EVERY_POPULARITY, MEANINGS, SideBySide, headline, why_this_verdict
from recsys.plural import counted
from recsys.ui.controls import choose_item
from recsys.ui.glossary import MEANINGS as MEANINGS_OF_WORDS
from recsys.ui.glossary import marked

HINTS = {
    "als": "who likes what",
    "als_fold_in": "who likes what",
    "als_mean": "who likes what",
    "word2vec": "what is played together",
    "word2vec_mean": "what is played together",
    "baseline": "as this set was built",
    "whatif": "as asked",
}
# By list: how it is drawn, what a shared item is marked with, and one that the other list does not have.
SIDES = {"baseline": "baseline", "whatif": "first"}
# By which of the set's models it is; names of classes in the style sheets.
MODEL_SIDES = ("first", "second", "third", "fourth", "fifth", "sixth")
IMPORTED = "made elsewhere"
MARKS = {"baseline": ("stays, {there} now", "left"), "whatif": ("was {there}", "entered")}
EXPLAINED = ("similarity", "stability", "popularity")
MOST_DOTS = 5
WITH_ITSELF = "With itself, that is the noise floor: one half of the refits against the other half."
RBO_HELP = f"{MEANINGS_OF_WORDS['RBO'][0].upper()}{MEANINGS_OF_WORDS['RBO'][1:]}"


@dataclass(frozen=True)
class Words:
    """What the lists are of. click : what a click on a name does. nearest : what stands in them.
    label, score : the column of numbers they are ordered by, and what those are. empty : said by a list without items,
    {title} being its model and {name} what was asked about."""

    click: str
    nearest: str
    label: str
    score: str
    empty: str

    def columns(self) -> tuple[tuple[str, str, str], ...]:
        """Key, heading and explanation of each column."""
        return (
            ("rank", "#", "Rank in this list"),
            ("name", "name", f"Click a name to {self.click}"),
            ("where", "in", "Whether the other model lists it too, and at which rank"),
            ("similarity", self.label, self.score),
            ("stability", "stable", "In how many refits with other seeds it is in the top n again"),
            ("popularity", "pop.", "Percentile of its number of listeners in the catalogue"),
        )


NEIGHBOURS = Words(
    click="see its neighbours",
    nearest="nearest items",
    label="sim.",
    score="Cosine of the two vectors, −1 to 1; not comparable between models",
    empty="{title} has no vector for {name}: it was never trained on it.",
)


def agreement_header(view: SideBySide) -> None:
    """What to make of the two lists, in words and as bars: overlap against each model's overlap with itself."""
    verdict_strip(view, headline(view), MEANINGS[view.verdict])


def verdict_strip(view: SideBySide, words: str, meaning: str, why: str | None = None) -> None:
    """Words that say what to make of two lists, what they mean in bold, the overlaps as bars, and the rule behind it
    (or `why` in its place)."""
    bars = "".join(
        f'<span class="bar {bar["place"]}"><span class="label">{marked(bar["label"])}</span>'
        f'<span class="track"><span class="fill" style="width:{100 * bar["share"]:.0f}%"></span></span>'
        f"<span>{bar['words']}</span></span>"
        for bar in overlap_bars(view)
    )
    if view.rbo is not None:
        bars += f'<span class="rbo">{marked("RBO")} {view.rbo:.2f}</span>'
    name = escape(view.name)
    words = escape(words).replace(name, f"<bdi>{name}</bdi>", 1)
    words = words.replace(escape(meaning), f"<strong>{escape(meaning)}</strong>")
    reason = why_this_verdict(view) if why is None else why
    with_itself = WITH_ITSELF if view.overlap is not None else ""
    told = marked(f"{reason} {with_itself}")
    st.html(f'<div class="verdict"><p>{words}</p><div>{bars}</div><p class="why">{told}</p></div>')


def overlap_bars(view: SideBySide) -> list[dict[str, Any]]:
    """What the models share and what each shares with itself: label, share in [0, 1], the same in words, and place."""
    if view.overlap is None:
        return []
    between = "before and after" if "whatif" in view.lists else "between the models"
    shares = [(between, view.overlap, "both")] + [
        (f"{view.titles[model]} with itself", floor, side_of(view, model))
        for model, floor in view.noise_floor.items()
        if floor is not None
    ]
    return [
        {"label": label, "share": share, "words": f"{share * view.length:.0f} of {view.length}", "place": place}
        for label, share, place in shares
    ]


def ranked_lists(
    view: SideBySide, key: str = "lists", choose: Callable[[str], None] = choose_item, words: Words = NEIGHBOURS
) -> None:
    """Both lists side by side, shared items joined by lines; a click on a name chooses that item."""

    def go() -> None:
        chosen = st.session_state[key].get("chosen")
        if chosen:
            choose(str(chosen))

    _component()(data=lists_data(view, words), key=key, on_chosen_change=go)
    explained = "".join(
        f"<b>{escape(label)}</b> {marked(meaning)}. "
        for column, label, meaning in words.columns()
        if column in EXPLAINED
    )
    st.html(f'<p class="legend">{explained}<b>RBO</b> {escape(RBO_HELP)}.</p>')


def lists_data(view: SideBySide, words: Words = NEIGHBOURS) -> dict[str, Any]:
    """Both lists in the words that are shown, and which ranks of the two hold the same item."""
    left = next(iter(view.lists.values()))
    return {
        "item": view.item_id,
        "length": view.length,
        "pairs": [
            [int(row["rank"]), int(row["rank"] - row["move"])] for row in left.to_dict("records") if row["shared"]
        ],
        "lists": [_one_list(view, model, table, words) for model, table in view.lists.items()],
    }


@cache
def _source(file: str) -> str:
    return Path(__file__).with_name(file).read_text("utf-8")


@st.cache_resource(show_spinner=False)
def _component() -> Any:
    return st.components.v2.component(
        "ranked_lists",
        html='<div class="lists"></div>',
        css=_source("ranked_lists.css"),
        js=_source("ranked_lists.js"),
    )


def _one_list(view: SideBySide, model: str, table: pd.DataFrame, words: Words) -> dict[str, Any]:
    in_both, in_one = MARKS.get(model, ("both, {there} there", "only {title}"))
    return {
        "side": side_of(view, model),
        "title": view.titles[model],
        "hint": HINTS.get(model, IMPORTED),
        "click": words.click,
        "nearest": words.nearest,
        "empty": words.empty.format(title=view.titles[model], name=view.name)
        if view.popularity == EVERY_POPULARITY
        else f"None of the neighbours that are stored for {view.titles[model]} has this popularity.",
        "columns": [{"key": key, "label": label, "help": meaning} for key, label, meaning in words.columns()],
        "rows": [
            {
                "item_id": row["item_id"],
                "name": row["name"],
                "shared": bool(row["shared"]),
                "rank": str(row["rank"]),
                "where": in_both.format(there=_ordinal(int(row["rank"] - row["move"])))
                if row["shared"]
                else in_one.format(title=view.titles[model]),
                "similarity": f"{row['similarity']:.2f}",
                "stability": _dots(row["stability"], view.n_replicates[model]),
                "stability_help": _stability_words(row["stability"], view.n_replicates[model], view.n),
                "popularity": _ordinal(round(row["popularity"])),
                "popularity_help": counted(row["listeners"], "listener"),
            }
            for row in table.to_dict("records")
        ],
    }


def side_of(view: SideBySide, model: str) -> str:
    """How a list is drawn: in which colour, with which sign before its title."""
    return SIDES.get(model, MODEL_SIDES[view.places[list(view.lists).index(model)]])


def _dots(stability: float, n_replicates: int) -> str:
    if stability != stability:
        return "–"
    held = round(stability * n_replicates)
    if n_replicates > MOST_DOTS:
        return f"{held}/{n_replicates}"
    return "●" * held + "○" * (n_replicates - held)


def _stability_words(stability: float, n_replicates: int, n: int) -> str:
    if stability != stability:
        return "Not known: this set was built with one replicate"
    return f"In the top {n} of {round(stability * n_replicates)} of {n_replicates} refits with other seeds"


def _ordinal(number: int) -> str:
    if 10 <= number % 100 <= 20:
        return f"{number}th"
    return f"{number}{ {1: 'st', 2: 'nd', 3: 'rd'}.get(number % 10, 'th') }"
