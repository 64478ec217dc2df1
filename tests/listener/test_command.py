"""`python -m recsys recommend`, as people and scripts call it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from recsys.analysis.side_by_side import headline
from recsys.artifacts.store import ArtifactSet
from recsys.cli import app
from recsys.errors import ParameterError, UnknownItem
from recsys.listener.profile import Profile
from recsys.listener.recommend import Recommender, compare
from recsys.listener.rerank import Wish

FIRST, SECOND = 3, 40


def asked(folder: Path, *more: str) -> Any:
    return CliRunner().invoke(app, ["recommend", str(folder), *more], env={"COLUMNS": "200"})


def answered(folder: Path, *more: str) -> dict[str, Any]:
    done = asked(folder, *more, "--json")
    assert done.exit_code == 0, done.output
    document: dict[str, Any] = json.loads(done.stdout)
    return document


@pytest.fixture
def names(recommender: Recommender) -> list[str]:
    return [str(name) for name in recommender.artifacts.catalogue["name"]]


def test_json_is_what_the_recommender_says(built_once: Path, recommender: Recommender, names: list[str]) -> None:
    document = answered(built_once, names[FIRST], f"{names[SECOND]}=3", f"{names[7]}=-1", "-n", "6")
    profile = Profile.of_picks({FIRST: 1.0, SECOND: 3.0, 7: -1.0}, recommender.artifacts)
    lists = [recommender.recommend(profile, way, n=6) for way in ("als_fold_in", "word2vec_mean")]
    view = compare(recommender.artifacts, *lists)
    for each in lists:
        expected = json.loads(json.dumps(each.as_json(recommender.artifacts.catalogue)))
        shared = view.lists[each.way]["shared"].tolist()
        assert document[each.way]["price"] == expected["price"]
        assert document[each.way]["items"] == [
            {**item, "shared": both} for item, both in zip(expected["items"], shared, strict=True)
        ]
    assert {key: document[key] for key in ("overlap", "noise_floor", "p_value", "verdict")} == {
        key: view.as_json()[key] for key in ("overlap", "noise_floor", "p_value", "verdict")
    }
    assert [each["weight"] for each in document["profile"]] == [1.0, 3.0, -1.0]
    assert document["fingerprint"] == recommender.artifacts.fingerprint
    assert document["matched"] == {"sure": 3, "unsure": [], "unmatched": []}


def test_people_get_a_sentence_both_lists_and_reasons(
    built_once: Path, recommender: Recommender, names: list[str]
) -> None:
    done = asked(built_once, names[FIRST], names[SECOND], "-n", "4", "--popularity", "-0.7")
    assert done.exit_code == 0, done.output
    profile = Profile.of_picks({FIRST: 1.0, SECOND: 1.0}, recommender.artifacts)
    lists = [
        recommender.recommend(profile, way, n=4, wish=Wish(popularity=-0.7)) for way in ("als_fold_in", "word2vec_mean")
    ]
    said = " ".join(done.stdout.split())
    assert headline(compare(recommender.artifacts, *lists)) in said
    for each in lists:
        assert f"mean score {each.price.before.score:.3f} → {each.price.after.score:.3f}" in said
        assert all(name in said for name in each.table["name"])
    assert f"{names[FIRST]} +" in said


def test_a_name_that_several_items_have_is_taken_and_it_is_said(
    built_once: Path, recommender: Recommender, names: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    twice = recommender.artifacts.catalogue.assign(name=[*names[:90], names[FIRST], *names[91:]])
    monkeypatch.setattr(ArtifactSet, "catalogue", property(lambda self: twice))
    done = asked(built_once, names[FIRST])
    assert f"{names[FIRST]} taken for {names[FIRST]}" in done.stdout
    document = answered(built_once, names[FIRST])
    ids = twice["item_id"].tolist()
    assert document["profile"][0]["item_id"] == ids[FIRST]
    assert [each["item_id"] for each in document["matched"]["unsure"][0]["candidates"]] == [ids[FIRST], ids[90]]


def test_als_alone_is_asked_in_both_ways_and_word2vec_in_its_one(built_once: Path, names: list[str]) -> None:
    als, word2vec = (answered(built_once, names[FIRST], "--model", model) for model in ("als", "word2vec"))
    assert {"als_fold_in", "als_mean", "verdict"} <= set(als)
    assert "word2vec_mean" not in als
    assert "word2vec_mean" in word2vec
    assert "verdict" not in word2vec
    assert asked(built_once, names[FIRST], "--model", "word2vec").exit_code == 0


def test_a_listener_of_the_set_can_be_asked_for(built_once: Path, recommender: Recommender) -> None:
    document = answered(built_once, "--listener", "17", "-n", "5", "--keep-known")
    expected = recommender.recommend(
        Profile.of_listener(recommender.artifacts, 17), "als_fold_in", n=5, keep_known=True
    )
    assert [item["item_id"] for item in document["als_fold_in"]["items"]] == expected.table["item_id"].tolist()


def test_a_history_is_read_by_its_reader_and_what_it_holds_is_matched(
    built_once: Path, tmp_path: Path, recommender: Recommender, names: list[str]
) -> None:
    path = tmp_path / "mine.csv"
    rows = [("x1", names[FIRST], 5), ("x2", names[SECOND][:-1] + "q", 40), ("x3", "Nobody knows them", 2)]
    lines = [f"me,{item_id},{name},{plays}\n" for item_id, name, plays in [*rows, ("x4", "Nothing", 0)]]
    path.write_text("user,item,name,plays\n" + "".join(lines))
    document = answered(built_once, "--input", str(path), "--reader", "events")
    assert [(each["name"], each["weight"]) for each in document["profile"]] == [(names[SECOND], 40), (names[FIRST], 5)]
    assert document["matched"]["sure"] == 1
    assert [each["text"] for each in document["matched"]["unsure"]] == [rows[1][1]]
    assert [each["text"] for each in document["matched"]["unmatched"]] == ["Nobody knows them"]
    assert document["remarks"][
        0
    ] == "4 rows read, skipped: 1 × play count of zero or less (first: mine.csv, line 5: " + (
        "\"plays '0' in me | x4 | Nothing | 0\")"
    )
    profile = Profile.of_plays({SECOND: 40.0, FIRST: 5.0}, len(names))
    expected = recommender.recommend(profile, "als_fold_in", n=10)
    assert [item["item_id"] for item in document["als_fold_in"]["items"]] == expected.table["item_id"].tolist()
    said = " ".join(asked(built_once, "--input", str(path), "--reader", "events").stdout.split())
    assert f"{rows[1][1]} taken for {names[SECOND]}" in said
    assert "1 not in this set: Nobody knows them" in said


def test_a_history_of_nothing_that_is_here_is_refused(built_once: Path, tmp_path: Path) -> None:
    path = tmp_path / "other.csv"
    path.write_text("user,item\nme,Nobody\nme,Noone\n")
    done = asked(built_once, "--input", str(path), "--reader", "events")
    assert isinstance(done.exception, ParameterError)
    assert "none of the 2 items in" in str(done.exception)


def test_a_name_that_is_not_there_is_refused_with_near_ones(built_once: Path, names: list[str]) -> None:
    done = asked(built_once, f"{names[FIRST]}zz=2")
    assert isinstance(done.exception, UnknownItem)
    assert names[FIRST] in done.exception.suggestions


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ([], "name items, or a history"),
        (["x", "--listener", "3"], "name items, or a history"),
        (["--input", "x.csv"], "--input and --reader go together"),
        (["x", "--reader", "events"], "--input and --reader go together"),
        (["x", "--model", "magic"], "choose one of both, als, word2vec"),
        (["x", "--diversity", "2"], "diversity is 2"),
        (["--listener", "9999"], "there is no listener 9999"),
        (["s000003=0"], "weight above 0"),
        (["s000003", "-n", "0"], "n is 0"),
    ],
)
def test_what_cannot_be_asked_is_refused_with_the_limit(built_once: Path, more: list[str], words: str) -> None:
    done = asked(built_once, *more)
    assert isinstance(done.exception, ParameterError)
    assert words in str(done.exception)
