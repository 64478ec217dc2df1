from __future__ import annotations

import pytest

from recsys.analysis.search import NameIndex
from recsys.errors import UnknownItem

NAMES = [
    "The Beatles",
    "Radiohead",
    "Björk",
    "Beck",
    "The Radio Dept.",
    "Radio",
    "AC/DC",
    "beatles",
    "a\nb",
    "坂本龍一",
]


@pytest.fixture
def index() -> NameIndex:
    return NameIndex([f"id{row}" for row in range(len(NAMES))], NAMES)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("radio", ["Radio", "Radiohead", "The Radio Dept."]),  # exact, then prefix, then substring
        ("BJORK", ["Björk"]),
        ("  the  beatles ", ["The Beatles"]),
        ("beat", ["beatles", "The Beatles"]),
        ("ac/dc", ["AC/DC"]),
        ("id3", ["Beck"]),
        ("龍一", ["坂本龍一"]),
        ("zzz", []),
    ],
)
def test_search_ranks_exact_before_prefix_before_substring(index: NameIndex, query: str, found: list[str]) -> None:
    assert [NAMES[row] for row in index.search(query)] == found


def test_equal_matches_come_by_listeners(index: NameIndex) -> None:
    assert [NAMES[row] for row in index.search("b")][:3] == ["Björk", "Beck", "beatles"]


def test_no_query_lists_the_most_popular(index: NameIndex) -> None:
    assert index.search("", limit=2) == [0, 1]


def test_a_query_never_matches_across_two_names(index: NameIndex) -> None:
    assert index.search("beck the") == []
    assert index.search("a b") == [8]


@pytest.mark.parametrize(("query", "row"), [("id2", 2), ("bjork", 2), ("Radio", 5)])
def test_find_takes_an_id_or_a_whole_name(index: NameIndex, query: str, row: int) -> None:
    assert index.find(query) == row


@pytest.mark.parametrize("query", ["Radiohed", "raidohead", "radioheadd", "radiohaed"])
def test_a_near_miss_is_answered_with_suggestions(index: NameIndex, query: str) -> None:
    with pytest.raises(UnknownItem, match="Did you mean: Radiohead") as caught:
        index.find(query)
    assert caught.value.suggestions[0] == "Radiohead"


def test_search_is_what_a_loop_over_the_names_finds() -> None:
    names = [f"{a}{b} {c}" for a in "abc" for b in "xyz" for c in ("one", "two")]
    index = NameIndex([str(i) for i in range(len(names))], names)
    for query in ("a", "x one", "two", "by", "one"):
        starts = [r for r, name in enumerate(names) if name.startswith(query)]
        holds = [r for r, name in enumerate(names) if query in name and r not in starts]
        assert index.search(query) == starts + holds
