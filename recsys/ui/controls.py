"""Widgets that return values. What they choose stands in the address, so that a link shows the same view."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from unicodedata import bidirectional

import streamlit as st

from recsys.analysis.agreement import REAL_BELOW
from recsys.analysis.search import NameIndex
from recsys.analysis.stability import smallest_p_value
from recsys.artifacts.names import BETWEEN
from recsys.artifacts.store import ArtifactSet, Pair
from recsys.ui.glossary import meaning_of

MATCHES_SHOWN = 8
LONGEST_QUERY = 200
WORD_JOINER, ISOLATE, END_ISOLATE = "\u2060", "\u2068", "\u2069"
FROM_TOUR = "from_tour"  # in the address: the step of the Overview's tour that led here
RIGHT_TO_LEFT = {"R", "AL", "AN", "RLE", "RLO", "RLI", "LRE", "LRO", "PDF"}


def set_picker(names: list[str], also: Callable[[str], dict[str, str]] = lambda name: {}, key: str = "set") -> str:
    """The chosen artifact set's name: from the address, else as last chosen in this session, else the first.

    also : what else the address will say of a set that is chosen. What is added later is a step of its own, which the
        browser's Back undoes alone.
    """
    linked = st.query_params.get(key)
    base = linked.split(BETWEEN)[0] if linked else None
    if linked and linked not in names:
        instead = f"**{as_text(str(base))}**, which it was made from" if base in names else "another one"
        st.warning(f"There is no artifact set “{as_text(linked[:60])}” here (any more); you see {instead}.")
    kept = st.session_state.get(f"{key}_kept")
    name = next((each for each in (linked, base, kept) if each in names), names[0])
    st.session_state[key] = st.session_state[f"{key}_kept"] = name

    def go() -> None:
        name = st.session_state[key]
        st.query_params.from_dict({key: name, **also(name)})

    chosen = st.selectbox("Artifact set", names, key=key, width=220, on_change=go, help=meaning_of("artifact set"))
    return str(chosen)


def way_back_to_tour() -> None:
    """On a page that the tour led to, the way back to its step."""
    step = st.query_params.get(FROM_TOUR, "")
    if step.isdecimal() and len(step) < 3:
        query = {"set": st.session_state.get("set_kept", ""), "tour": step}
        st.page_link("pages/overview.py", label=f"Back to the tour, step {step}", query_params=query)


def pair_picker(artifacts: ArtifactSet, key: str = "pair") -> Pair:
    """The two models that are compared: from the address, else as last chosen in this session, else the build's.

    Nothing to choose, and nothing in the address, where a set has these two alone.
    """
    linked, kept = st.query_params.get(key), st.session_state.get(f"{key}_kept")
    pairs = list(combinations(artifacts.model_names, 2))
    asked = {",".join(each): pair for pair in pairs for each in (pair, pair[::-1])}
    if linked and linked not in asked:
        there = ", ".join(map(as_text, artifacts.model_names))
        st.warning(f"The link compares “{as_text(linked[:60])}”; this set has the models {there}.")
    pair = asked.get(linked or "") or asked.get(kept or "") or artifacts.pair
    if len(pairs) > 1:
        st.session_state[key] = pair
        pair = st.selectbox(
            "Compare",
            pairs,
            key=key,
            format_func=lambda each: " with ".join(artifacts.titles[name] for name in each),
            width=320,
            help="Two models of this set, on all pages.",
            on_change=lambda: _keep_pair(artifacts, st.session_state[key]),
        )
    _keep_pair(artifacts, pair)
    return pair


def _keep_pair(artifacts: ArtifactSet, pair: Pair, key: str = "pair") -> None:
    """For the pages to come, and for the address, which leaves out what it is anyway."""
    st.session_state[f"{key}_kept"] = words = ",".join(pair)
    if pair == artifacts.pair:
        st.query_params.pop(key, None)
    elif st.query_params.get(key) != words:
        st.query_params[key] = words


def list_length(artifacts: ArtifactSet, key: str = "n") -> int:
    """How long the compared lists are: 1 to the depth at which replicates are stored."""
    longest = artifacts.manifest.replicate_depth
    usual = min(10, longest)
    linked = st.query_params.get(key)
    if linked and linked.lstrip("0") not in map(str, range(1, longest + 1)):
        st.warning(f"The link asks for lists of length “{as_text(linked[:20])}”; this set has 1 to {longest}.")
    return int(
        st.slider(
            "Length of the lists, n",
            1,
            longest,
            usual,
            key=key,
            bind="query-params",
            help=f"{meaning_of('n')} Very short lists can hardly show a difference.",
        )
    )


def popularity_range() -> tuple[float, float]:
    """Between which percentiles of popularity neighbours are listed, both in [0, 100]."""
    words = "Percentiles of the number of listeners. Others leave the lists; nothing is ranked anew."
    return percentile_range("Popularity of the neighbours, tail to head", "popularity", words)


def percentile_range(label: str, key: str, words: str | None = None) -> tuple[float, float]:
    """Two percentiles, both in [0, 100], the lower first; in the address under `key`."""
    low, high = st.slider(
        label,
        0,
        100,
        (0, 100),
        key=key,
        bind="query-params",
        format="%d%%",
        help=words,
    )
    return float(low), float(high)


def item_picker(artifacts: ArtifactSet, index: NameIndex, key: str = "item") -> int:
    """The row of the chosen item, from the address, else as last chosen in this session, else the most popular one."""
    item_was_chosen(key)  # this run shows it already
    row = _row_in_address(artifacts, index, key)
    search_box(index, artifacts, key, "Find an item", choose_item)
    return row


def choose_item(item_id: str, key: str = "item") -> None:
    """Make this item the chosen one; for callbacks."""
    st.query_params[key] = item_id
    st.session_state[f"{key}_search"] = ""
    st.session_state[f"{key}_changed"] = True


def item_was_chosen(key: str = "item") -> bool:
    """Whether another item was chosen since this was last asked; a fragment that says so runs the whole page."""
    return bool(st.session_state.pop(f"{key}_changed", False))


def item_buttons(
    label: str, artifacts: ArtifactSet, rows: list[int], key: str, choose: Callable[[str], None] = choose_item
) -> None:
    """Items to go on with; a click chooses one, by its id. Nothing where there are none."""
    if not rows:
        return

    def go() -> None:
        row = st.session_state[key]
        if row is not None:
            choose(str(artifacts.catalogue["item_id"].iloc[row]))
            st.session_state[key] = None

    st.pills(label, rows, format_func=_item_words(artifacts), key=key, on_change=go, wrap=True)


def chosen_neighbour(artifacts: ArtifactSet, rows: list[int], key: str = "why") -> int:
    """One of the neighbours on show, by its id in the address; else the first of them."""
    item_ids = artifacts.catalogue["item_id"]
    row_of = {str(item_ids.iloc[row]): row for row in rows}
    # From the address alone: what the session remembered would not be what a person sees who is sent the link.
    st.session_state[key] = row_of.get(st.query_params.get(key, ""), rows[0])

    def go() -> None:
        st.query_params[key] = str(item_ids.iloc[st.session_state[key]])

    chosen = st.selectbox(
        "Why is this a neighbour?", rows, format_func=_item_words(artifacts, as_option), key=key, on_change=go,
        width=420, help=meaning_of("neighbour", "queue"),
    )  # fmt: skip
    return int(chosen)


def go_to_neighbours(artifacts: ArtifactSet, pair: Pair, rows: list[int], key: str) -> None:
    """Items as links to their neighbours; a click opens the Neighbours page with that item."""
    if not rows:
        fewest = min(artifacts.manifest.models[model].n_replicates for model in pair)
        st.write(
            f"Not known: this set has {fewest} of the 4 replicates that a verdict on a single item needs."
            if smallest_p_value(fewest) > REAL_BELOW
            else "Nothing stands out: nowhere do the models differ by more than each differs from itself."
        )
        return
    label = "Open in Neighbours; beside each name its listeners"
    chosen = st.pills(label, rows, format_func=_item_words(artifacts), key=key, wrap=True)
    if chosen is not None:
        item_id = str(artifacts.catalogue["item_id"].iloc[chosen])
        # The whole address at once: what is added to it later is one more step back.
        query = {"set": st.session_state.get("set_kept", ""), "item": item_id, "build": artifacts.fingerprint[:12]}
        st.switch_page("pages/neighbours.py", query_params=query)


def shell_command(command: str) -> None:
    """A command to copy: without colours, of which some are too pale to read, and in lines that break, so that nothing
    has to be scrolled, which a keyboard could not."""
    st.code(command, language=None, wrap_lines=True)


def as_text(text: str) -> str:
    """A name as Markdown that shows it as it is, for labels and headings.

    Escapes do not stop icons (:material/home:) and addresses, which are looked for in the finished text; an invisible
    word joiner does. Text that runs from right to left, or says it does, is isolated from what stands around it.
    """
    escaped = "".join(f"\\{c}" if c in "\\`*_{}[]()<>#+-.!|~:$&" else c for c in text)
    for start in (":", "@", "www"):
        escaped = escaped.replace(start, f"{start}{WORD_JOINER}")
    return as_option(escaped)


def as_option(text: str) -> str:
    """A name among what a selectbox offers, which knows no Markdown; isolated as in `as_text`."""
    return f"{ISOLATE}{text}{END_ISOLATE}" if any(bidirectional(c) in RIGHT_TO_LEFT for c in text) else text


def _item_words(artifacts: ArtifactSet, shown: Callable[[str], str] = as_text) -> Callable[[int], str]:
    names, listeners = artifacts.catalogue["name"], artifacts.catalogue["listeners"]
    return lambda row: f"{shown(str(names.iloc[row]))} · {listeners.iloc[row]:,}"


def item_is_shown(key: str = "item") -> bool:
    """Whether the item in the address is the one that this session has chosen."""
    linked = st.query_params.get(key)
    return linked is not None and linked == st.session_state.get(f"{key}_kept", ("", ""))[0]


def row_as_last_chosen(index: NameIndex, key: str = "item") -> int:
    """The row of what this session has chosen last, by its name where its id does not name it; else the first."""
    kept_id, kept_name = st.session_state.get(f"{key}_kept", ("", ""))
    row = index.row_of_id(kept_id)
    if row is None or index.names[row] != kept_name:
        row = index.row_of_name(kept_name) or 0
    return row


def _row_in_address(artifacts: ArtifactSet, index: NameIndex, key: str) -> int:
    linked = st.query_params.get(key)
    row = index.row_of_id(linked) if linked else None
    if linked and row is None:
        st.warning(
            f"This artifact set has no item with the id “{as_text(linked[:60])}”. "
            f"Search for a name; meanwhile you see another."
        )
    if row is None:
        row = row_as_last_chosen(index, key)
    item_id = index.item_ids[row]
    st.session_state[f"{key}_kept"] = (item_id, index.names[row])
    if linked != item_id:
        st.query_params[key] = item_id
    return row


@st.fragment
def search_box(index: NameIndex, artifacts: ArtifactSet, key: str, label: str, choose: Callable[[str], None]) -> None:
    """A search over all names; `choose` is told the id of what a person picks, and says so as `choose_item` does."""
    # Typing reruns this box alone; a choice concerns the whole page.
    if item_was_chosen(key):
        st.rerun()
    query = st.text_input(
        label,
        key=f"{key}_search",
        type="search",
        live="200ms",
        placeholder="name or id",
    )
    query = (query or "")[:LONGEST_QUERY]
    if not query.strip():
        return
    rows = index.search(query, MATCHES_SHOWN)
    words = as_text(query)
    label = f"Matches for “{words}”"
    if not rows:
        rows = index.suggest(query, MATCHES_SHOWN)
        label = f"Nothing is called “{words}”. Did you mean"
    if not rows:
        st.write(f"Nothing like “{words}” in this set.")
    item_buttons(label, artifacts, rows, key=f"{key}_match", choose=choose)
