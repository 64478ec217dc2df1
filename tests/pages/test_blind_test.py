"""The Blind test page, against the artifact set and what it keeps."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from recsys.artifacts.store import ArtifactSet
from recsys.ui import blind_test
from recsys.ui.glossary import glossary
from recsys.votes.store import Answer, Vote, VoteStore
from tests.pages.conftest import Catalogue, Open, texts

ANSWERS: tuple[Answer, ...] = ("left", "right", "equal", "unknown")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "kept" / "votes.sqlite"


@pytest.fixture
def page(open_page: Open, file: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., AppTest]:
    """The page as a new visit, with votes in `file`; every answer has been thought about."""
    file.parent.mkdir()
    monkeypatch.setenv("RECSYS_VOTES", f"sqlite:///{file}")
    monkeypatch.setattr(blind_test, "READING_SECONDS", 0.0)

    def opened(**query: str) -> AppTest:
        at = open_page("blind_test", **query)
        assert not at.exception
        return at

    return opened


def press(at: AppTest, name: str) -> AppTest:
    (button,) = [each for each in at.button if each.key and each.key.startswith(f"{name}_")]
    button.click().run()
    assert not at.exception
    return at


def look(at: AppTest) -> AppTest:
    at.button(key="look").click().run()
    assert not at.exception
    return at


def lists(at: AppTest) -> dict[str, list[str]]:
    """By title the names on show, with their numbers."""
    body = next(each.proto.body for each in at.get("html") if 'class="blind"' in each.proto.body)
    return {
        unescape(title): [
            f"{rank} {unescape(name)}" for rank, name in re.findall(r'value="(\d+)"><bdi>(.*?)</bdi>', items)
        ]
        for title, items in re.findall(r"<h3>(.*?)</h3><ol>(.*?)</ol>", body)
    }


def rows(file: Path) -> list[dict[str, Any]]:
    with sqlite3.connect(file) as connection:
        connection.row_factory = sqlite3.Row
        found = [dict(row) for row in connection.execute("SELECT * FROM blind_votes ORDER BY rowid")]
    connection.close()
    return found


def expected(artifacts: ArtifactSet, model: str, row: int, n: int) -> list[str]:
    names = artifacts.catalogue["name"]
    return [f"{rank} {names.iloc[each]}" for rank, each in enumerate(artifacts.neighbours(model)[row, :n], 1)]


def words(at: AppTest) -> str:
    return unescape(re.sub(r"<[^>]*>", " ", texts(at))).replace("\\", "")


@pytest.mark.parametrize("n", [10, 4])
def test_both_models_lists_are_shown_and_nothing_says_whose_they_are(
    page: Callable[..., AppTest], small_artifacts: ArtifactSet, n: int
) -> None:
    at = page(item=small_artifacts.catalogue["item_id"].iloc[5], n=str(n))
    shown = lists(at)
    both = [expected(small_artifacts, model, 5, n) for model in small_artifacts.model_names]
    assert list(shown) == ["List A", "List B"]
    assert sorted(shown.values()) == sorted(both)
    # The list of words is the same on all pages.
    everything = " ".join([texts(at), *(button.key or "" for button in at.button)]).replace(glossary(), "").casefold()
    assert not any(word in everything for word in ("als", "word2vec", "0072b2", "d55e00", "similarity", "percentile"))


def test_the_answer_is_kept_with_the_sides_it_was_given_to(
    page: Callable[..., AppTest], small_artifacts: ArtifactSet, file: Path
) -> None:
    at = page()
    seen = []
    for answer in ANSWERS:
        name = re.search("Similar to (.*): which", at.header[0].value.replace("\\", ""))
        assert name
        seen.append((name.group(1), answer, lists(at)))
        press(at, answer)
    kept = rows(file)
    catalogue = small_artifacts.catalogue.set_index("item_id")
    assert [(catalogue["name"][row["item_id"]], row["answer"]) for row in kept] == [each[:2] for each in seen]
    for row, (_, _, shown) in zip(kept, seen, strict=True):
        at_row = catalogue.index.get_loc(row["item_id"])
        assert shown["List A"] == expected(small_artifacts, row["left_model"], at_row, 10)
        assert shown["List B"] == expected(small_artifacts, row["right_model"], at_row, 10)
        assert row["fingerprint"] == small_artifacts.fingerprint
        assert (row["n"], row["folded"], row["looked"]) == (10, 0, 0)
    assert len({row["session"] for row in kept}) == 1
    assert "Thank you: 4 votes so far" in words(at)


def test_two_visits_have_tokens_and_orders_of_their_own(page: Callable[..., AppTest], file: Path) -> None:
    for _ in range(2):
        at = page()
        for _ in range(12):
            press(at, "left")
    kept = rows(file)
    one, other = kept[:12], kept[12:]
    assert one[0]["session"] != other[0]["session"]
    assert [row["item_id"] for row in one] != [row["item_id"] for row in other]
    # 24 coins do not all fall on the same side (2 · 2⁻²⁴).
    assert {row["left_model"] for row in kept} == {"als", "word2vec"}


def test_a_skip_keeps_nothing_and_goes_on(page: Callable[..., AppTest], file: Path) -> None:
    at = page()
    before = at.header[0].value
    press(at, "skip")
    assert at.header[0].value != before
    assert rows(file) == []


def test_an_answer_that_comes_too_soon_is_not_counted(
    page: Callable[..., AppTest], file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = page()
    before = at.header[0].value
    monkeypatch.setattr(blind_test, "READING_SECONDS", 60.0)
    press(at, "left")
    assert "too quick to have been read" in words(at)
    assert at.header[0].value == before
    assert rows(file) == []


def test_one_visit_votes_once_about_an_item(page: Callable[..., AppTest], catalogue: Catalogue, file: Path) -> None:
    at = page(item=catalogue[7][0], n="4")
    press(at, "right")
    assert "item" not in at.query_params
    at.query_params["item"] = catalogue[7][0]
    at.run()
    assert catalogue[7][1] in at.header[0].value.replace("\\", "")
    assert all(button.disabled for button in at.button if button.key and button.key.startswith(ANSWERS))
    press(at, "skip")
    assert [(row["item_id"], row["n"]) for row in rows(file)] == [(catalogue[7][0], 4)]


def test_shared_items_stand_apart_when_asked_for(
    page: Callable[..., AppTest], small_artifacts: ArtifactSet, file: Path
) -> None:
    row = next(row for row in range(120) if 0 < round(10 * float(small_artifacts.agreement["overlap"].iloc[row])) < 10)
    at = page(item=small_artifacts.catalogue["item_id"].iloc[row], fold="true")
    left, right = (set(expected(small_artifacts, model, row, 10)) for model in small_artifacts.model_names)
    names = [{each.split(" ", 1)[1] for each in side} for side in (left, right)]
    shared = names[0] & names[1]
    for side in lists(at).values():
        assert set(side) in ({each for each in whole if each.split(" ", 1)[1] not in shared} for whole in (left, right))
    body = next(each.proto.body for each in at.get("html") if "Both lists have" in each.proto.body)
    both = body.split("Both lists have: ")[1]
    assert {unescape(name) for name in re.findall("<bdi>(.*?)</bdi>", both)} == shared
    press(at, "equal")
    assert rows(file)[0]["folded"] == 1


def test_the_tally_is_hidden_until_asked_for_and_ends_this_visits_part(
    page: Callable[..., AppTest], file: Path
) -> None:
    at = page()
    press(at, "left")
    assert "prefer one list" not in words(at)
    look(at)
    assert "The only vote that prefers one list" in words(at)
    assert "votes from here on are kept, but not counted" in words(at)
    assert sorted(title.split(": ")[1] for title in lists(at)) == ["ALS", "Word2vec"]
    press(at, "right")
    assert [row["looked"] for row in rows(file)] == [0, 1]
    assert "The only vote that prefers one list" in words(at)
    assert "Not counted: 1 of 2 votes. 1 were given after a look at the tally, 0 are about lists" in words(at)


def cast(store: VoteStore, artifacts: ArtifactSet, votes: list[tuple[int, int, str, Answer]], n: int = 10) -> None:
    """Votes as (session, item row, model on the left, answer)."""
    for session, row, left, answer in votes:
        (right,) = set(artifacts.model_names) - {left}
        item = str(artifacts.catalogue["item_id"].iloc[row])
        ballot = f"{session:08x}{row:08x}{n:016x}"
        store.record(Vote(ballot, artifacts.fingerprint, item, left, right, n, answer, False, False, f"{session:032x}"))


def test_the_tally_counts_what_is_kept(page: Callable[..., AppTest], small_artifacts: ArtifactSet, file: Path) -> None:
    at = page()
    last = len(small_artifacts.catalogue) - 1
    store = VoteStore(file)
    cast(store, small_artifacts, [(1, 0, "als", "left"), (2, 0, "word2vec", "right"), (3, 0, "als", "right")])
    cast(
        store,
        small_artifacts,
        [(1, last, "word2vec", "left"), (2, last, "als", "equal"), (3, last - 1, "als", "unknown")],
    )
    cast(store, small_artifacts, [(4, 1, "als", "left"), (5, 1, "als", "left")], n=5)
    store.close()
    look(at)
    table = next(each.proto.body for each in at.get("html") if 'class="trust tally"' in each.proto.body)
    found = {
        unescape(re.sub("<.*?>", "", head)): [unescape(cell) for cell in re.findall("<td>(.*?)</td>", cells)]
        for head, cells in re.findall(r'<tr><th scope="row">(.*?)</th>(.*?)</tr>', table)
    }
    assert found["all items"][1:] == ["2", "2", "1", "1"]
    assert found["all items"][0].startswith("50% (")
    assert found["popularity: head"][1:] == ["2", "1", "0", "0"]
    assert found["popularity: tail"][1:] == ["0", "1", "1", "1"]
    tag = next(iter(small_artifacts.catalogue["tags"].iloc[0]))
    of_tag = [row for row in (0, last, last - 1) if tag in small_artifacts.catalogue["tags"].iloc[row][:3]]
    assert sum(map(int, found[f"tag: {tag}"][1:])) == sum({0: 3, last: 2, last - 1: 1}[row] for row in of_tag)
    said = words(at)
    # Answers left, right, right, left: two of four for List A.
    assert "List A was called better in 50%" in said
    # Row 0: als, als, word2vec; the last: word2vec, equal.
    assert "are the same in 25% of 4 pairs on 2 items" in said
    assert (
        "Not counted: 2 of 8 votes. 0 were given after a look at the tally, 2 are about lists of another length" in said
    )
    at.slider(key="n").set_value(5).run()
    assert "Of 2 votes that prefer one list, 2 prefer ALS's" in words(at)


def test_without_a_setting_votes_are_kept_beside_the_sets(
    page: Callable[..., AppTest], small_set: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RECSYS_VOTES")
    press(page(), "left")
    assert len(rows(small_set.parent / "votes.sqlite")) == 1


def test_where_the_root_is_a_set_votes_are_kept_beside_it_not_in_it(
    page: Callable[..., AppTest], small_set: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RECSYS_VOTES")
    press(page(root=small_set), "left")
    assert len(rows(small_set.parent / "votes.sqlite")) == 1
    assert not list(small_set.glob("votes*"))


def test_where_votes_cannot_be_kept_lists_can_still_be_seen(
    page: Callable[..., AppTest], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RECSYS_VOTES", "postgresql://u:geheim@127.0.0.1:1/d")
    at = page()
    said = at.warning[0].value.replace("\\", "").replace("\u2060", "")
    assert "You can look at lists, but not vote: votes cannot be kept at postgresql://127.0.0.1:1/d" in said
    assert "geheim" not in said
    before = lists(at)
    assert all(button.disabled for button in at.button if button.key and button.key.startswith(ANSWERS))
    press(at, "skip")
    assert lists(at) != before


def test_a_vote_that_cannot_be_kept_is_not_thanked_for(page: Callable[..., AppTest], file: Path) -> None:
    at = page()
    before = at.header[0].value
    with sqlite3.connect(file) as connection:
        connection.execute("DROP TABLE blind_votes")
    connection.close()
    press(at, "left")
    assert "Your vote is not kept; give it again in a moment. votes cannot be kept at" in words(at)
    assert at.header[0].value == before


def test_a_link_to_an_item_that_is_not_there_says_so(page: Callable[..., AppTest]) -> None:
    at = page(item="nobody")
    assert "no item with the id “nobody”; you are asked about another" in at.warning[0].value
    assert len(lists(at)) == 2


def test_when_all_is_asked_the_page_says_so(page: Callable[..., AppTest], small_artifacts: ArtifactSet) -> None:
    at = page()
    sitting = at.session_state[f"sitting_{small_artifacts.fingerprint}_als,word2vec"]
    sitting.done |= set(sitting.order[:-1])
    at.run()
    press(at, "left")
    assert at.header[0].value == "That was all"
