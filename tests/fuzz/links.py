"""Links made by somebody who means harm: whatever stands in an address, a page shows what its set has.

The functions that read the address run with a stand-in for Streamlit; every word they would show must be text in
Markdown too.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from html import unescape
from types import ModuleType, SimpleNamespace
from typing import Any
from unittest.mock import patch

from markdown_it import MarkdownIt

from recsys.analysis.map_window import Window
from recsys.analysis.search import NameIndex
from recsys.artifacts.store import ArtifactSet
from recsys.models.bm25 import LARGEST_K1
from recsys.ui import blind_test, bm25_controls, controls, listener_profile, loading, maps, pins
from tests.fuzz.sets import DEMO
from tests.listener.hostile import HARM

NUMBERS = [
    "", "0", "-0", "1", "10", "20", "21", "-1", "1.5", "1e3", "1e400", "nan", "inf", "-inf", "NaN(1)", "0x10", "1_0",
    " 3", "３", "٣", "²", "Ⅷ", "1" * 400, "1" * 5_000, "9" * 60_000, "0" * 5_000 + "1", "1e-400", "+5", "5.", ".5",
    "1,2",
]  # fmt: skip
TEXTS = [
    *HARM, "s000000", "s000001", "S000000", "demo", "demo--x", "../demo", "als", "als,word2vec", "word2vec,als",
    "als,als",
    ",", ",,,", "als,word2vec,als", "1*s000000", "-2*s000001", "0*s000000", "nan*s000000", "1e9*s000000", "*", "1*",
    "**",
    "~", "0,1,0,1", "-9,9,-9,9", "0,1e-300,0,1", "nan,nan,nan,nan", "inf,-inf,0,1", "1,2,3", "1,2,3,4,5", "a" * 100_000,
    "\u2066\u2067\u202e", "\u200b", "\n\n# x", "| a |", ":material/home:", "$$x$$", ":red[x]", "<!--", "&lt;b&gt;", "![x](http://x/y)",
    "<http://x>", "http://x.example", "www.example.org", "a@example.org", "```", "    code", "- x", "1. x", "\ufffd",
]  # fmt: skip
KEYS = ["set", "build", "pair", "n", "item", "why", "pin", "own", "k1", "b", "window", "item_search", "x"]
MARKDOWN = MarkdownIt("commonmark").enable(["table", "strikethrough"])


class Stopped(Exception):
    """What st.stop and st.rerun stand for."""


class Address(dict[str, list[str]]):
    """Query parameters, each as often as it stands in the address; as Streamlit's, one value by default."""

    def get(self, key: str, default: Any = None) -> Any:
        return super().get(key, [default])[-1]

    def __getitem__(self, key: str) -> Any:
        return super().__getitem__(key)[-1]

    def __setitem__(self, key: str, value: Any) -> None:
        super().__setitem__(key, [str(each) for each in value] if isinstance(value, list) else [str(value)])

    def get_all(self, key: str) -> list[str]:
        return list(super().__getitem__(key)) if key in self else []

    def update(self, values: dict[str, Any]) -> None:  # type: ignore[override]
        for key, value in values.items():
            self[key] = value


class Screen(SimpleNamespace):
    """As much of Streamlit as reading an address needs; `shown` is what it was told to show as Markdown."""

    def __init__(self, address: Address) -> None:
        super().__init__(query_params=address, session_state={}, shown=[])

    def warning(self, text: str) -> None:
        self.shown.append(text)

    def selectbox(self, label: str, options: Any, key: str, **rest: Any) -> Any:
        return self.session_state[key]

    def slider(self, label: str, low: Any, high: Any, usual: Any, **rest: Any) -> Any:
        return usual


@contextmanager
def shown_on(screen: Screen, *modules: ModuleType) -> Iterator[None]:
    """These modules with the stand-in for Streamlit."""
    patches = [patch.object(module, "st", screen) for module in modules]
    try:
        for each in patches:
            each.start()
        yield
    finally:
        for each in patches:
            each.stop()


class Place:
    def __init__(self) -> None:
        self.artifacts = ArtifactSet.open(DEMO)
        catalogue = self.artifacts.catalogue
        self.index = NameIndex(catalogue["item_id"].tolist(), catalogue["name"].tolist())


def address(rng: random.Random) -> Address:
    found = Address()
    for key in rng.sample(KEYS, rng.randrange(1, len(KEYS))):
        values = [rng.choice(rng.choice([NUMBERS, TEXTS])) for _ in range(rng.choice([1, 1, 1, 2, 60]))]
        if rng.random() < 0.2:
            values[0] += rng.choice(TEXTS)
        if rng.random() < 0.2:
            values[0] = "".join(
                chr(rng.choice([rng.randrange(1, 128), rng.randrange(0x80, 0xD800)])) for _ in range(20)
            )
        found[key] = values
    return found


def link(place: Place, rng: random.Random) -> str:
    """Read one address as every page does."""
    artifacts, index = place.artifacts, place.index
    screen = Screen(address(rng))
    n_items = len(index.names)
    with shown_on(screen, controls, bm25_controls, loading, listener_profile, pins, blind_test):
        names = rng.choice([["demo"], ["other", "demo", "demo--x"]])
        assert controls.set_picker(names) in names
        loading._check_link("demo", artifacts)
        assert screen.query_params["build"] == artifacts.fingerprint[:12]
        assert set(controls.pair_picker(artifacts)) == {"als", "word2vec"}
        assert 1 <= controls.list_length(artifacts) <= artifacts.manifest.replicate_depth
        k1, b = bm25_controls.setting_in_address((1.2, 0.75))
        assert 0 <= k1 <= LARGEST_K1
        assert 0 <= b <= 1
        picks = listener_profile._picks_in_address(index)
        assert all(
            0 <= row < n_items and 0 < abs(weight) <= listener_profile.HEAVIEST_PICK for row, weight in picks.items()
        )
        assert len(picks) <= listener_profile.MOST_PICKS
        pinned = pins._pins_in_address(index, "pin")
        assert len(pinned) <= pins.MOST_PINS
        assert all(index.row_of_id(each) is not None for each in pinned)
        assert controls.chosen_neighbour(artifacts, [4, 2, 7]) in (4, 2, 7)
        assert 0 <= controls._row_in_address(artifacts, index, "item") < n_items
        query = str(screen.query_params.get("item_search") or "")[: controls.LONGEST_QUERY]
        assert all(0 <= row < n_items for row in [*index.search(query, 8), *index.suggest(query, 8)])
        whole = Window((-1.0, 2.0), (0.0, 3.0))
        window = maps._as_window(str(screen.query_params.get("window") or ""), whole)
        assert window is None or 0 < window.side <= whole.side
    for text in screen.shown:
        is_text(text)
    return "told" if screen.shown else "shown"


def is_text(markdown: str) -> None:
    """Raise AssertionError where Markdown makes anything of a sentence but words, some of them bold."""
    assert len(markdown) < 2_000, len(markdown)
    tokens = [inner for token in MARKDOWN.parse(markdown) for inner in (token, *(token.children or []))]
    kinds = {token.type for token in tokens}
    assert kinds <= {
        "paragraph_open", "paragraph_close", "inline", "text", "strong_open", "strong_close", "softbreak",
        "text_special",
    }, (kinds, markdown)  # fmt: skip
    assert unescape(markdown).count("**") <= 4, markdown


def name(place: Place, rng: random.Random) -> str:
    """Any name as a label or heading: Markdown leaves it as it is."""
    text = "".join(
        rng.choice([*HARM, *TEXTS[-20:], chr(rng.randrange(32, 0xD800))])[:60] for _ in range(rng.choice([1, 2, 5]))
    )
    text = " ".join(text.replace("\0", "").split())  # NUL is shown as what stands for the unknown
    escaped = controls.as_text(text)
    tokens = [inner for token in MARKDOWN.parse(f"x {escaped}") for inner in (token.children or [])]
    assert {token.type for token in tokens} <= {"text", "text_special"}, (text, escaped)
    words = "".join(token.content for token in tokens).removeprefix("x ")
    invisible = {ord(each): None for each in (controls.WORD_JOINER, controls.ISOLATE, controls.END_ISOLATE)}
    assert words.translate(invisible).strip() == text.translate(invisible).strip(), (text, words)
    return "text"
