from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from recsys.analysis import map_window
from recsys.analysis.map_window import Window, around, density, drawn_rows, frame, labels_in, named_item, names_in

WHOLE = Window((0.0, 8.0), (0.0, 8.0))
FIRST = np.array([[0, 0], [1, 2], [4, 4], [8, 1], [np.nan, np.nan]], np.float32)
SECOND = np.array([[1, 0], [1, 3], [np.nan, np.nan], [8, 8], [2, 2]], np.float32)


def test_the_frame_is_a_square_that_holds_both_maps() -> None:
    window = frame([FIRST, SECOND])
    assert window.x == window.y == (pytest.approx(-0.32), pytest.approx(8.32))  # 4% of 8 on each side
    for layout in (FIRST, SECOND):
        assert window.holds(layout).tolist() == np.isfinite(layout).all(axis=1).tolist()


def test_a_map_without_any_place_has_a_frame_all_the_same() -> None:
    assert frame([np.full((3, 2), np.nan, np.float32)]).side == 1.0


def test_a_window_holds_what_is_within_its_edges_only() -> None:
    assert Window((1.0, 8.0), (1.0, 2.0)).holds(FIRST).tolist() == [False, True, False, True, False]


def test_scaling_keeps_the_middle_squares_the_window_and_never_leaves_the_whole() -> None:
    window = Window((2.0, 4.0), (1.0, 2.0))
    assert window.scaled(1, WHOLE) == Window((2.0, 4.0), (0.5, 2.5))
    assert window.scaled(0.5, WHOLE) == Window((2.5, 3.5), (1.0, 2.0))
    assert window.scaled(4, WHOLE) == WHOLE


def test_a_window_around_an_item_holds_its_places_on_both_maps() -> None:
    near = around(np.array([[4.0, 4.0], [4.2, 4.0]], np.float32), WHOLE)
    assert near is not None
    assert near.x == (pytest.approx(4.1 - 8 / 12), pytest.approx(4.1 + 8 / 12))
    far = around(np.array([[1.0, 1.0], [5.0, 1.0]], np.float32), WHOLE)
    assert far == Window((pytest.approx(0.4), pytest.approx(5.6)), (pytest.approx(-1.6), pytest.approx(3.6)))  # type: ignore[arg-type]
    assert around(np.full((2, 2), np.nan, np.float32), WHOLE) is None


def test_of_many_items_the_most_popular_are_drawn_and_those_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    everything, count = drawn_rows([FIRST, SECOND], WHOLE)
    assert (everything.tolist(), count) == ([0, 1, 2, 3, 4], 5)
    monkeypatch.setattr(map_window, "MOST_POINTS", 4)
    monkeypatch.setattr(map_window, "SHOWN_OF_MORE", 2)
    some, count = drawn_rows([FIRST, SECOND], WHOLE, always=[3, 1])
    assert (some.tolist(), count) == ([0, 1, 3], 5)
    # A window that holds few enough shows all of them: on one map or the other.
    few, count = drawn_rows([FIRST, SECOND], Window((0.5, 4.5), (1.5, 4.5)), always=[3])
    assert (few.tolist(), count) == ([1, 2, 4], 3)


def test_density_counts_every_item_of_the_window_once_with_the_top_first() -> None:
    layout = np.array([[0, 0], [0.5, 7.9], [8, 8], [7, 8], [9, 9], [np.nan, 1]], np.float32)
    assert density(layout, WHOLE, side=2).tolist() == [[1, 2], [1, 0]]
    rng = np.random.default_rng(0)
    many = rng.uniform(-1, 9, (5000, 2)).astype(np.float32)
    window = Window((1.0, 6.0), (2.0, 7.0))
    by_numpy, _, _ = np.histogram2d(many[:, 1], many[:, 0], bins=7, range=(window.y, window.x))
    ours = density(many, window, side=7)
    assert ours.sum() == window.holds(many).sum() == by_numpy.sum()
    assert np.abs(ours - by_numpy[::-1]).sum() <= 2  # a place on an edge of two cells may count in either


def labels(*rows: tuple[int, float, float, str]) -> pd.DataFrame:
    return pd.DataFrame([(*row[:3], 10, row[3]) for row in rows], columns=["level", "x", "y", "items", "label"])


def test_names_come_with_zoom_and_never_stand_over_each_other() -> None:
    known = labels(
        (0, 4.0, 4.0, "jazz"),
        (0, 4.1, 4.1, "folk"),  # over the first, which is larger
        (0, 4.0, 6.0, "jazz"),  # the same name again
        (0, 4.0, 2.0, "metal"),
        (0, 0.01, 1.0, "cut at the edge"),
        (1, 4.1, 4.1, "bebop"),
        (1, 7.0, 7.0, "outside"),
    )
    assert labels_in(known, WHOLE, WHOLE)["label"].tolist() == ["jazz", "metal"]
    assert labels_in(known, Window((2.0, 6.0), (2.0, 6.0)), WHOLE)["label"].tolist() == ["bebop"]
    beside = pd.DataFrame({"x": [4.2], "y": [4.0], "label": ["Asked About"]})
    assert labels_in(known, WHOLE, WHOLE)["y"].tolist() == [4.0, 2.0]
    assert labels_in(known, WHOLE, WHOLE, beside)["y"].tolist() == [6.0, 2.0], "the other jazz has room"


def test_the_name_of_an_item_stands_where_the_item_does_if_that_is_in_the_window() -> None:
    layout = np.array([[2, 3], [6, 6], [np.nan, 2]], np.float32)
    names = np.array(["a", "b", "nowhere"], object)
    assert named_item(layout, names, WHOLE, 0).to_numpy().tolist() == [[2.0, 3.0, "a"]]
    assert named_item(layout, names, Window((4.0, 8.0), (4.0, 8.0)), 1)["label"].tolist() == ["b"]
    assert named_item(layout, names, Window((4.0, 8.0), (4.0, 8.0)), 0).empty
    assert named_item(layout, names, WHOLE, 2).empty


def test_single_items_are_named_where_few_stand_beside_regions_and_the_item_asked_about() -> None:
    layout = np.array([[2, 2], [6, 6], [6.1, 6.1], [2, 6], [4, 2], [np.nan, 2]], np.float32)
    names = np.array(["asked", "known", "hidden", "under a region", "open", "nowhere"], object)
    region = pd.DataFrame({"x": [2.0], "y": [6.0], "label": ["a region"]})
    assert names_in(layout, names, WHOLE, 0, region)["label"].tolist() == ["known", "open"]
    # Beside the item asked about, whose name is drawn in any case, there is no room for one that is more popular.
    asked = named_item(layout, names, WHOLE, 2)
    assert names_in(layout, names, WHOLE, 2, pd.concat([asked, region]))["label"].tolist() == ["asked", "open"]


def test_where_many_stand_no_single_item_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    layout = np.array([[2, 2], [6, 6]], np.float32)
    nothing = pd.DataFrame({"x": [], "y": [], "label": []})
    monkeypatch.setattr(map_window, "FEW", 1)
    assert names_in(layout, np.array(["a", "b"], object), WHOLE, 0, nothing).empty
