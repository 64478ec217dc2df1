from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from recsys.analysis.side_by_side import compare_neighbours
from recsys.artifacts.store import ArtifactSet
from recsys.ui.loading import pointed_items
from tests.pages.conftest import ROOT, Open, texts

DEMO = ROOT / "artifacts"


def tour(at: AppTest) -> str:
    """What the tour says, without the rest of the page."""
    assert not at.exception
    return f"{at.subheader[0].value} {at.markdown[0].value}"


def links(at: AppTest) -> list[tuple[str, dict[str, str]]]:
    """Page and query of each link of the step."""
    return [
        (each.proto.page, dict(pair.split("=", 1) for pair in each.proto.query_string.split("&")))
        for each in at.get("page_link")
    ]


def test_a_first_visit_begins_with_the_first_step_and_a_link_to_an_item(open_page: Open) -> None:
    at = open_page("overview", root=DEMO)
    artifacts = ArtifactSet.open(DEMO / "demo")
    assert "1,600 listeners" in tour(at)
    assert "748 items" in tour(at)
    ((page, query),) = links(at)
    assert (page, query["item"]) == ("neighbours", artifacts.catalogue["item_id"].iloc[0])
    assert at.button(key="tour_back").disabled
    assert "tour" not in at.query_params


def test_the_steps_say_this_sets_own_numbers_and_take_two_minutes(open_page: Open) -> None:
    at = open_page("overview", root=DEMO)
    artifacts = ArtifactSet.open(DEMO / "demo")
    pointed = pointed_items(artifacts, artifacts.fingerprint, artifacts.pair)
    told, led = [tour(at)], [links(at)]
    while not at.button(key="tour_next").disabled:
        at.button(key="tour_next").click().run()
        told.append(tour(at))
        led.append(links(at))
    assert len(told) == 6
    # 200 words a minute are read without haste.
    assert sum(len(words.split()) for words in told) <= 400
    parted, agreed = (
        compare_neighbours(artifacts, rows[0], n=artifacts.manifest.agreement_n)
        for rows in (pointed.disputed, pointed.agreed)
    )
    assert f"{parted.name} they share {parted.n_shared}" in told[1].replace("\\", "")
    assert f"share {artifacts.agreement['overlap'].mean() * 10:.1f} of 10 on average" in told[1]
    assert f"{agreed.name} the two share {agreed.n_shared} of 10" in told[2].replace("\\", "")
    for model, title in artifacts.titles.items():
        assert f"{title} shares {artifacts.agreement[f'floor_{model}'].mean() * 10:.1f} of 10" in told[2]
    assert "K1 1.2, B 0.75" in told[3]
    assert f"{artifacts.manifest.maps['als/umap'].faithfulness:.0%}" in told[4]  # type: ignore[index]
    assert "**ALS** named more" in told[5]
    assert [page for step in led for page, _ in step] == [
        "neighbours", "neighbours", "neighbours", "whatif", "maps", "listener", "evaluation", "blind_test",
    ]  # fmt: skip
    assert led[1][0][1]["item"] == parted.item_id
    assert led[2][0][1]["item"] == agreed.item_id
    # The set's own setting is among the best: so the dials go where something changes.
    assert (led[3][0][1]["k1"], led[3][0][1]["b"]) == ("100", "0.8")
    assert [query["from_tour"] for step in led for _, query in step] == ["1", "2", "3", "4", "5", "5", "6", "6"]


def test_every_link_of_the_tour_opens_its_page_with_a_way_back(open_page: Open) -> None:
    at = open_page("overview", root=DEMO, tour="2")
    ((page, query),) = links(at)
    there = open_page(page, root=DEMO, **query)
    assert not there.exception
    name = ArtifactSet.open(DEMO / "demo").catalogue.set_index("item_id")["name"][query["item"]]
    assert f"Similar to {name}" in texts(there).replace("\\", "")
    ((back, asked),) = links(there)
    assert (back, asked["tour"]) == ("overview", "2")
    assert "page_link" not in [each.type for each in open_page("neighbours", root=DEMO)]


def test_closed_it_says_nothing_until_it_is_opened_again(open_page: Open) -> None:
    at = open_page("overview", root=DEMO, tour="3")
    assert "step 3 of 6" in texts(at)
    at.button(key="tour_close").click().run()
    assert "step" not in texts(at)
    assert at.query_params["tour"] in ("closed", ["closed"])
    again = open_page("overview", root=DEMO, tour="closed")
    assert not links(again)
    again.button(key="tour_open").click().run()
    assert "step 1 of 6" in texts(again)
    assert "tour" not in again.query_params


@pytest.mark.parametrize(("asked", "shown"), [("0", 1), ("99", 6), ("-2", 1), ("x", 1), ("1" * 5000, 1), ("²", 1)])
def test_an_impossible_step_is_the_nearest_or_the_first(open_page: Open, asked: str, shown: int) -> None:
    assert f"step {shown} of 6" in texts(open_page("overview", root=DEMO, tour=asked))


def test_what_a_set_lacks_is_said_or_left_out(open_page: Open) -> None:
    at = open_page("overview")  # a set without maps, grid and evaluation
    told = [tour(at)]
    while not at.button(key="tour_next").disabled:
        at.button(key="tour_next").click().run()
        told.append(tour(at))
    assert len(told) == 5
    assert "was not measured for this set yet" in told[3]
    assert "That was not measured for this set yet" in told[4]
