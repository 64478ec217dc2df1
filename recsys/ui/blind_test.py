"""The blind test: two lists without names, an answer, and, for who asks for it, the tally."""

from __future__ import annotations

import hashlib
import math
import os
import secrets
import time
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import streamlit as st

from recsys.analysis.ballots import (
    TAGS_OF_AN_ITEM,
    THIRDS,
    Preference,
    by_group,
    concord,
    counted,
    items_to_ask,
    popularity_thirds,
    preference,
    verdict,
)
from recsys.analysis.search import NameIndex
from recsys.artifacts.store import ArtifactSet, Pair, artifact_sets
from recsys.errors import VotesError
from recsys.interactions.spreadsheet import csv_bytes
from recsys.ui.controls import as_text, choose_item, item_was_chosen, search_box
from recsys.ui.files import file_button
from recsys.ui.loading import agreement_of, artifacts_root
from recsys.votes.store import Answer, Vote, VoteStore

ANSWERS: dict[Answer, tuple[str, str]] = {
    "left": ("List A is better", "1"),
    "right": ("List B is better", "2"),
    "equal": ("Equally good", "3"),
    "unknown": ("I can't tell", "4"),
}
# Nobody has read two lists sooner: it is the second half of a double click, or a key held down.
READING_SECONDS = 1.0
MOST_TAGS = 8


@dataclass
class Sitting:
    """What a visit has seen of one artifact set. token : 32 hex digits that stand for nothing but this visit."""

    token: str
    order: list[int]
    done: set[int] = field(default_factory=set)
    ballots: set[str] = field(default_factory=set)
    looked: bool = False
    said: str = ""
    on_show: str = ""
    since: float = 0.0


@dataclass(frozen=True)
class Ballot:
    """One question. rows : by model, what its list holds; the model on the left first."""

    ballot_id: str
    item_row: int
    n: int
    rows: dict[str, npt.NDArray[np.int32]]


def vote_store() -> VoteStore | None:
    """Where votes are kept: RECSYS_VOTES, else a file beside the artifact sets; words and None where they cannot be."""
    root = artifacts_root()
    beside = root.parent if artifact_sets(root) == [root] else root
    try:
        return _opened(os.environ.get("RECSYS_VOTES") or beside / "votes.sqlite")
    except VotesError as error:
        st.warning(f"You can look at lists, but not vote: {as_text(str(error))}.")
        return None


@st.cache_resource(max_entries=2, show_spinner=False, on_release=VoteStore.close)
def _opened(address: str | Path) -> VoteStore:
    return VoteStore(address)


def sitting_of(artifacts: ArtifactSet, pair: Pair) -> Sitting:
    """This visit's own, begun with its first look at these two models of the set."""
    key = f"sitting_{artifacts.fingerprint}_{','.join(pair)}"
    if key not in st.session_state:
        token = secrets.token_hex(16)
        third = popularity_thirds(artifacts.catalogue["listeners"].to_numpy())
        overlap = agreement_of(artifacts, artifacts.fingerprint, pair)["overlap"].to_numpy()
        st.session_state[key] = Sitting(token, items_to_ask(third, overlap, artifacts.fingerprint, token))
    sitting: Sitting = st.session_state[key]
    return sitting


def item_in_question(artifacts: ArtifactSet, index: NameIndex, sitting: Sitting) -> int | None:
    """The item that the address names, else the next of this visit; None where all have been asked about."""
    item_was_chosen()  # this run shows it already
    search_box(index, artifacts, "item", "Ask about an item of your own", choose_item)
    linked = st.query_params.get("item")
    row = index.row_of_id(linked) if linked else None
    if linked and row is None:
        st.warning(f"This artifact set has no item with the id “{as_text(linked[:60])}”; you are asked about another.")
    return row if row is not None else next((each for each in sitting.order if each not in sitting.done), None)


def folded() -> bool:
    """Whether items that both lists have are named once, below them."""
    return st.checkbox(
        "Name shared items apart", key="fold", bind="query-params",
        help="What both lists have cannot speak for one of them. The numbers stay those of the whole lists.",
    )  # fmt: skip


def ballot_panel(
    artifacts: ArtifactSet,
    pair: Pair,
    store: VoteStore | None,
    sitting: Sitting,
    item_row: int | None,
    n: int,
    fold: bool,
) -> None:
    """Two lists and the answers; what became of the last answer."""
    st.html(Path(__file__).with_name("blind_test.css"))
    if item_row is None:
        st.header("That was all", anchor=False)
        st.write("You have seen every item of this visit. Thank you.")
        return
    ballot = _ballot(artifacts, pair, sitting, item_row, n)
    if sitting.on_show != ballot.ballot_id:
        sitting.on_show, sitting.since = ballot.ballot_id, time.monotonic()
    name = str(artifacts.catalogue["name"].iloc[item_row])
    st.header(f"Similar to {as_text(name)}: which list is better?", anchor=False)
    if any(len(rows) == 0 for rows in ballot.rows.values()):
        st.write("There is nothing to compare: one of the two models was never trained on this item.")
        can_vote = False
    else:
        st.html(_lists(artifacts, ballot, fold, named=sitting.looked))
        can_vote = store is not None and ballot.ballot_id not in sitting.ballots
    with st.container(horizontal=True, key="answers"):
        for answer, (label, shortcut) in ANSWERS.items():
            # The ballot in the key: a click that comes late belongs to a button that is gone.
            st.button(
                label, key=f"{answer}_{ballot.ballot_id}", shortcut=shortcut, disabled=not can_vote,
                on_click=_vote, args=(artifacts, store, sitting, ballot, answer, fold),
            )  # fmt: skip
        st.button(
            "Skip", key=f"skip_{ballot.ballot_id}", shortcut="5", type="tertiary", on_click=_go_on,
            args=(sitting, item_row, ""),
        )  # fmt: skip
    words = sitting.said
    if not words and ballot.ballot_id in sitting.ballots:
        words = "You have answered this one already."
    st.html(f'<p role="status" class="legend">{escape(words or _WHAT_IS_KEPT)}</p>')


_WHAT_IS_KEPT = (
    "Which list is whose changes at random. What is kept of a vote: the day, the item, the answer, which list stood "
    "where and how, and a number drawn at random for this visit; nothing about you."
)


def _ballot(artifacts: ArtifactSet, pair: Pair, sitting: Sitting, item_row: int, n: int) -> Ballot:
    rows = {}
    for model in pair:
        stored = np.asarray(artifacts.neighbours(model)[item_row, :n])
        artifacts.check_rows(stored)
        rows[model] = stored[stored >= 0]
    item_id = artifacts.catalogue["item_id"].iloc[item_row]
    # From the visit's random token, so that one visit has one vote about an item, however often it is asked.
    digest = hashlib.sha256(f"{sitting.token}/{n}/{item_id}".encode()).hexdigest()[:32]
    order = list(rows)[:: 1 if int(digest, 16) % 2 else -1]
    return Ballot(digest, item_row, n, {model: rows[model] for model in order})


def _lists(artifacts: ArtifactSet, ballot: Ballot, fold: bool, named: bool) -> str:
    names = artifacts.catalogue["name"]
    titles = [
        f"List {letter}{f': {artifacts.titles[model]}' if named else ''}"
        for letter, model in zip("AB", ballot.rows, strict=True)
    ]
    left, right = ballot.rows.values()
    shared = left[np.isin(left, right)] if fold else left[:0]
    sections = "".join(
        f'<section aria-label="{escape(title)}"><h3>{escape(title)}</h3><ol>'
        + "".join(
            f'<li value="{rank}"><bdi>{escape(str(names.iloc[row]))}</bdi></li>'
            for rank, row in enumerate(rows, 1)
            if row not in shared
        )
        + "</ol></section>"
        for title, rows in zip(titles, (left, right), strict=True)
    )
    both = " · ".join(f"<bdi>{escape(str(names.iloc[row]))}</bdi>" for row in sorted(shared))
    return f'<div class="blind">{sections}{f"<p class=both>Both lists have: {both}</p>" if both else ""}</div>'


def _vote(
    artifacts: ArtifactSet, store: VoteStore, sitting: Sitting, ballot: Ballot, answer: Answer, fold: bool
) -> None:
    if time.monotonic() - sitting.since < READING_SECONDS:
        sitting.said = "That was too quick to have been read, so it was not counted. Please answer again."
        return
    left, right = ballot.rows
    vote = Vote(
        ballot=ballot.ballot_id,
        fingerprint=artifacts.fingerprint,
        item_id=str(artifacts.catalogue["item_id"].iloc[ballot.item_row]),
        left_model=left,
        right_model=right,
        n=ballot.n,
        answer=answer,
        folded=fold,
        looked=sitting.looked,
        session=sitting.token,
    )
    try:
        store.record(vote)
    except VotesError as error:
        sitting.said = f"Your vote is not kept; give it again in a moment. {error}"
        return
    sitting.ballots.add(ballot.ballot_id)
    times = f"{len(sitting.ballots)} vote{'s' if len(sitting.ballots) > 1 else ''}"
    _go_on(sitting, ballot.item_row, f"Thank you: {times} so far. Here is the next item.")


def _go_on(sitting: Sitting, item_row: int, words: str) -> None:
    sitting.done.add(item_row)
    sitting.said = words
    st.query_params.pop("item", None)


def tally_panel(artifacts: ArtifactSet, pair: Pair, store: VoteStore | None, sitting: Sitting, n: int) -> None:
    """What all votes say, for who has finished: after it, this visit's votes do not count."""
    if store is None:
        return
    with st.expander("The tally, and which model is which"):
        if not sitting.looked:
            st.write(
                "Who has seen the tally is not blind any more: later votes of this visit are kept, but not counted."
            )
            st.button("Show the tally", key="look", on_click=_look, args=(sitting,))
            return
        try:
            votes = store.votes(artifacts.fingerprint)
        except VotesError as error:
            st.warning(f"{as_text(str(error))}.")
            return
        _tally(artifacts, pair, votes, n)
        name = f"votes-{artifacts.fingerprint[:12]}.csv"
        file_button("All votes about this build (CSV)", lambda: csv_bytes(votes), name, "text/csv", key="votes_csv")


def _look(sitting: Sitting) -> None:
    sitting.looked = True
    sitting.said = "You have seen the tally: votes from here on are kept, but not counted."


def _tally(artifacts: ArtifactSet, pair: Pair, votes: pd.DataFrame, n: int) -> None:
    first, second = pair
    votes = votes[votes["left_model"].isin(pair) & votes["right_model"].isin(pair)]
    titles = artifacts.titles
    blind = counted(votes, (first, second), n)
    whole = preference(blind, first, second)
    st.html(f'<div class="verdict"><p>{escape(verdict(whole, titles[first], titles[second]))}</p></div>')
    catalogue = artifacts.catalogue.set_index("item_id")
    third = popularity_thirds(catalogue["listeners"].to_numpy())
    popular = by_group(blind, pd.Series([THIRDS[each] for each in third], catalogue.index), first, second)
    tags = catalogue["tags"].map(lambda own: list(own)[:TAGS_OF_AN_ITEM])
    groups = {
        "all items": whole,
        **{f"popularity: {name}": popular[name] for name in THIRDS if name in popular},
        **{f"tag: {name}": each for name, each in by_group(blind, tags, first, second, limit=MOST_TAGS).items()},
    }
    st.html(_table(groups, titles[first], titles[second]))
    side = preference(blind.rename(columns={"answer": "side"}), "left", "right", column="side")
    lines = [_side_words(side), _concord_words(blind), _left_out_words(votes, blind, n)]
    st.html("".join(f'<p class="legend">{escape(line)}</p>' for line in lines if line))


def _table(groups: dict[str, Preference], first: str, second: str) -> str:
    heads = ("asked about", f"{first}'s share", f"{first} better", f"{second} better", "equal", "can't tell")
    head = "".join(f'<th scope="col">{escape(each)}</th>' for each in heads)
    body = "".join(
        f'<tr><th scope="row"><bdi>{escape(name)}</bdi></th>'
        + f"<td>{_share_words(each)}</td>"
        + "".join(f"<td>{count:,}</td>" for count in (each.first, each.second, each.equal, each.unknown))
        + "</tr>"
        for name, each in groups.items()
    )
    return (
        '<div class="scroll" tabindex="0" role="region" aria-label="Tally">'
        f'<table class="trust tally"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
        '<p class="legend">Shares are of the votes that prefer one list; beside them the 95% interval (Wilson), for as '
        "many independent votes as these are worth: those of one visit are alike, and so are those about one item. "
        "Of many rows, some miss one half by chance.</p>"
    )


def _share_words(found: Preference) -> str:
    if not found.deciding:
        return "not known"
    return f"{found.share:.0%} ({found.low:.0%} to {found.high:.0%})"


def _side_words(side: Preference) -> str:
    if not side.deciding:
        return ""
    effect = "so the place matters" if side.decided else "so no pull of the place is seen"
    return f"List A was called better in {_share_words(side)} of {side.deciding:,} votes that prefer one, {effect}."


def _concord_words(blind: pd.DataFrame) -> str:
    found = concord(blind)
    if not found.items:
        return "No item was voted on in two visits yet, so whether people agree is not known."
    alpha = "not defined, as all chose the same" if math.isnan(found.alpha) else f"{found.alpha:.2f}"
    return (
        f"Two votes on one item, of different visits, are the same in {found.agreeing:.0%} of {found.pairs:,} "
        f"pairs on {found.items:,} items. Krippendorff's alpha is {alpha} (1: always the same, 0: as by chance)."
    )


def _left_out_words(votes: pd.DataFrame, blind: pd.DataFrame, n: int) -> str:
    looked, others = int(votes["looked"].astype(bool).sum()), int((votes["n"] != n).sum())
    if len(votes) == len(blind):
        return ""
    return (
        f"Not counted: {len(votes) - len(blind):,} of {len(votes):,} votes. {looked:,} were given after a look at "
        f"the tally, {others:,} are about lists of another length than {n}."
    )
