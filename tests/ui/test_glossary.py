from __future__ import annotations

import re

import pytest

from recsys.ui.glossary import ALSO, MEANINGS, NOT_MARKED, glossary, marked, meaning_of


def test_a_word_is_explained_where_it_stands_first_and_only_there() -> None:
    words = marked("The noise floor of 4 refits, and the noise floor of one refit")
    first, second = MEANINGS["noise floor"], MEANINGS["replicate"]
    assert words == (
        f'The <abbr title="{first}">noise floor</abbr> of 4 <abbr title="{second}">refits</abbr>, '
        "and the noise floor of one refit"
    )


def test_what_is_marked_keeps_every_other_sign_and_is_safe_as_html() -> None:
    text = '<b>BM25</b> & overlap@10, "RBO\'s" n; B; K1000; als-like unoverlapped'
    words = marked(text)
    assert "<b>" not in words
    assert "&lt;b&gt;" in words
    assert re.findall(r"<abbr[^>]*>([^<]*)</abbr>", words) == ["BM25", "overlap", "RBO"]
    assert re.sub(r"</?abbr[^>]*>", "", marked("a queue’s vectors")) == "a queue’s vectors"


def test_a_word_that_stands_for_itself_is_no_part_of_a_longer_one() -> None:
    assert "abbr" not in marked("overlapping seeds of maps, mapped")
    assert marked("95% interval").startswith("<abbr")


@pytest.mark.parametrize(
    "jargon",
    [
        "noise floor", "stability", "consensus", "overlap", "RBO", "K1", "B", "UMAP", "t-SNE", "nDCG", "Recall",
        "replicate", "queue", "BM25", "ALS", "Word2vec", "similarity", "percentile",
    ],
)  # fmt: skip
def test_jargon_is_in_the_glossary_and_said_without_itself(jargon: str) -> None:
    assert f"<dt>{jargon}</dt>" in glossary()
    assert not re.search(rf"\b{re.escape(jargon)}\b", MEANINGS[jargon])
    assert meaning_of(jargon) == f"**{jargon}**: {MEANINGS[jargon]}."


def test_exceptions_and_other_words_point_at_words_that_are_there() -> None:
    assert set(MEANINGS) >= NOT_MARKED
    assert set(ALSO.values()) <= set(MEANINGS)
    assert meaning_of("K1", "B").count("**") == 4
