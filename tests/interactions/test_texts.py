"""Columns of text and their codes against what Python's own strings and dicts say."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys.interactions.kernels import NO_ROOM, NOT_REGULAR, split_fields, words_of
from recsys.interactions.texts import SLACK, Codes, Texts

# Few and similar, so that texts repeat, begin alike, and differ only in length or in their last byte.
words = st.one_of(
    st.text(alphabet="ab\0é", max_size=20), st.sampled_from(["", "a" * 39, "a" * 40, "a" * 41, "a" * 300, "𝄞", "NA"])
)
columns = st.lists(words, max_size=80)


def as_dict_would(texts: list[str], code: dict[str, int]) -> list[int]:
    return [code.setdefault(text, len(code)) if text else -1 for text in texts]


@given(st.lists(columns, max_size=4))
@settings(max_examples=300)
def test_codes_are_those_of_a_dict_block_after_block(blocks: list[list[str]]) -> None:
    codes, expected = Codes(), dict[str, int]()
    for block in blocks:
        before = len(expected)
        assert codes.add(Texts.of(block)).tolist() == as_dict_would(block, expected)
        assert codes.values(before).to_pylist() == list(expected)[before:]
    assert codes.values().to_pylist() == list(expected)
    assert len(codes) == len(expected)


def test_codes_of_a_hundred_thousand_names_survive_every_growth() -> None:
    names = [f"name {number * 7919 % 100_003:06d}" for number in range(100_003)]
    codes, expected = Codes(), dict[str, int]()
    rng = np.random.default_rng(0)
    for end in (10, 1_000, 50_000, 100_003):
        block = [names[at] for at in rng.integers(0, end, 2 * end)]
        assert codes.add(Texts.of(block)).tolist() == as_dict_would(block, expected)
    codes.clear()
    assert codes.add(Texts.of(["b", "a", "b"])).tolist() == [0, 1, 0]


@given(columns, st.data())
@settings(max_examples=200)
def test_texts_say_what_strings_say(strings: list[str], data: st.DataObject) -> None:
    texts = Texts.of(strings)
    assert texts.to_list() == strings
    rows = np.array(data.draw(st.lists(st.booleans(), min_size=len(strings), max_size=len(strings))), bool)
    assert texts.only(rows).to_list() == [text for text, wanted in zip(strings, rows, strict=True) if wanted]
    sliced = pa.array(["before", *strings, "after"], pa.string()).slice(1, len(strings))
    assert Texts.of(sliced).to_list() == strings


@given(st.lists(st.text(alphabet=" \t\u00a0\u3000xé\x1f", max_size=3), max_size=30))
def test_filled_is_more_than_white_space(strings: list[str]) -> None:
    white = " \t\u00a0\u3000\x1f"
    assert Texts.of(strings).filled().tolist() == [bool(text.strip(white)) for text in strings]


@given(st.lists(st.text(alphabet="0123456789.-+e ٣", max_size=12), max_size=30))
def test_digits_are_read_and_nothing_else(strings: list[str]) -> None:
    values, others = Texts.of(strings).digits()
    plain = [text.isascii() and text.isdigit() and len(text) < 10 for text in strings]
    assert others == len(strings) - sum(plain)
    for text, is_plain, value in zip(strings, plain, values.tolist(), strict=True):
        assert (value == int(text)) if is_plain else np.isnan(value)


@given(
    st.lists(st.lists(st.text(alphabet="xyé,\x0b\x1f", max_size=9), min_size=1, max_size=4), min_size=1, max_size=20),
    st.integers(1, 4),
    st.sampled_from("\t,|"),
)
@settings(max_examples=300)
def test_lines_are_split_as_python_splits_them_or_not_at_all(
    lines: list[list[str]], width: int, delimiter: str
) -> None:
    text = "".join(delimiter.join(fields) + "\n" for fields in lines)
    expected = [line.split(delimiter) for line in text.split("\n")[:-1]]
    regular = all(len(fields) == width and fields != [""] for fields in expected)
    content = text.encode()
    data = np.frombuffer(content + b"\n" * SLACK, np.uint8)
    starts, lengths = np.empty((2, width, len(lines)), np.int32)
    found = split_fields(data, words_of(data), len(content), ord(delimiter), starts, lengths)
    assert (found == len(lines)) if regular else (found in (NOT_REGULAR, NO_ROOM))
    if regular:
        columns = [Texts(data, *field).to_list() for field in zip(starts, lengths, strict=True)]
        assert [list(row) for row in zip(*columns, strict=True)] == expected
    assert split_fields(data, words_of(data), len(content), ord(delimiter), starts[:, :0], lengths[:, :0]) < 0
