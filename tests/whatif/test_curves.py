"""What a play is worth, worked out from the formula by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from recsys.artifacts.store import ArtifactSet
from recsys.models.bm25 import bm25_weights
from recsys.whatif.curves import (
    heaviest_share,
    length_factors,
    length_of,
    listeners_by_plays,
    worth,
    worth_of_plays,
)
from recsys.whatif.engine import WhatIfEngine

ROW = 4


@pytest.fixture(scope="module")
def engine(built_once: Path) -> WhatIfEngine:
    return WhatIfEngine(ArtifactSet.open(built_once))


@pytest.mark.parametrize(("k1", "b"), [(1.2, 0.75), (100.0, 0.0), (0.0, 1.0)])
def test_worth_is_the_formula_in_first_plays(engine: WhatIfEngine, k1: float, b: float) -> None:
    user_items = engine.artifacts.user_items
    plays = np.asarray(user_items.sum(axis=0, dtype=np.float64)).ravel()
    length = plays[ROW] / plays.mean()
    assert length_of(engine, ROW) == pytest.approx(length)

    def weight(count: float) -> float:
        return float(count * (k1 + 1) / (k1 * (1 - b + b * length) + count))

    assert worth(engine, ROW, 17.0, k1, b) == pytest.approx(weight(17) / weight(1))
    table = worth_of_plays(engine, ROW, {"one": (k1, b), "two": (5.0, 0.5)})
    one = table[table["setting"] == "one"]
    assert one["plays"].iloc[0] == 1
    assert one["worth"].iloc[0] == pytest.approx(1)
    np.testing.assert_allclose(one["worth"], [weight(count) / weight(1) for count in one["plays"]])
    factors = length_factors(engine, {"one": (k1, b)})
    np.testing.assert_allclose(factors["factor"], 1 - b + b * factors["length"])


def test_ticks_count_every_listener_once(engine: WhatIfEngine) -> None:
    column = engine.artifacts.user_items[:, [ROW]].toarray().ravel()
    table = listeners_by_plays(engine, ROW)
    assert table["listeners"].sum() == (column > 0).sum()
    expected = {count: int((column == count).sum()) for count in np.unique(column[column > 0])}
    assert dict(zip(table["plays"], table["listeners"], strict=True)) == expected


@pytest.mark.parametrize(("k1", "b"), [(1.2, 0.75), (100.0, 0.8)])
def test_the_heaviest_tenth_holds_its_share_of_the_real_weights(engine: WhatIfEngine, k1: float, b: float) -> None:
    user_items = engine.artifacts.user_items.copy()
    weights = bm25_weights(user_items, k1=k1, b=b).user_items[:, [ROW]].toarray().ravel()
    plays = user_items[:, [ROW]].toarray().ravel()
    count = max(1, round(0.1 * (plays > 0).sum()))
    heaviest = np.argsort(-plays, kind="stable")[:count]
    share = heaviest_share(engine, ROW, k1, b)
    assert share == pytest.approx(weights[heaviest].sum() / weights.sum(), rel=1e-4)
    assert heaviest_share(engine, ROW, 0.0, 0.0) <= share
