from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.sparse as sp
from implicit.nearest_neighbours import bm25_weight

from recsys.errors import ParameterError
from recsys.interactions.log import Interactions
from recsys.models import bm25
from recsys.models.bm25 import SMALLEST_WEIGHT, bm25_weights


@pytest.fixture
def plays() -> sp.csr_matrix:
    """Rectangular and asymmetric: 7 listeners, 30 items."""
    matrix = sp.random(7, 30, density=0.3, random_state=1, format="csr", dtype=np.float32)
    matrix.data = np.ceil(matrix.data * 40).astype(np.float32)
    return matrix


@pytest.mark.parametrize(("k1", "b"), [(100, 0.8), (1.2, 0.75), (0.5, 0.0), (3.0, 1.0)])
def test_weights_are_implicits_with_items_as_documents(plays: sp.csr_matrix, k1: float, b: float) -> None:
    theirs = bm25_weight(plays.T.tocsr(), K1=k1, B=b).tocsr().T
    ours = bm25_weights(plays, k1=k1, b=b)
    np.testing.assert_allclose(ours.user_items.toarray(), theirs.toarray(), rtol=1e-5)
    assert ours.clipped == 0


def test_the_wrong_way_round_would_show(plays: sp.csr_matrix) -> None:
    wrong = bm25_weight(plays, K1=1.2, B=0.75).toarray()
    assert not np.allclose(bm25_weights(plays, k1=1.2, b=0.75).user_items.toarray(), wrong, rtol=0.05)


def test_one_weight_worked_out_by_hand(hand_log: Interactions) -> None:
    # ann has 3 of 5 items and played a five times; a has 8 of 25 plays, the mean item has 5.
    expected = 5 * (1.2 + 1) / (1.2 * (0.25 + 0.75 * 8 / 5) + 5) * (math.log(5) - math.log(4))
    weights = bm25_weights(hand_log.user_items, k1=1.2, b=0.75)
    assert weights.user_items[0, 0] == pytest.approx(expected, rel=1e-6)


def test_k1_of_zero_makes_every_play_count_alike(plays: sp.csr_matrix) -> None:
    weights = bm25_weights(plays, k1=0, b=0.75).user_items
    for row in range(plays.shape[0]):
        assert np.ptp(weights[row].data) < 1e-6


def test_listener_of_nearly_everything_gets_clipped_weights_not_negative_ones() -> None:
    plays = sp.csr_matrix(np.array([[3.0, 2, 1], [0, 5, 0]], np.float32))
    weights = bm25_weights(plays, k1=1.2, b=0.75)
    assert weights.clipped == 3  # ln 3 − ln 4 < 0
    assert weights.user_items.data.min() == pytest.approx(SMALLEST_WEIGHT)


@pytest.mark.parametrize(
    ("k1", "b", "words"),
    [
        (-0.1, 0.5, "K1 is -0.1"),
        (math.nan, 0.5, "K1 is nan"),
        (math.inf, 0.5, "K1 is inf"),
        (1, 1.1, "B is 1.1"),
        (1, math.nan, "B is nan"),
    ],
)
def test_parameters_outside_their_limits_are_refused(plays: sp.csr_matrix, k1: float, b: float, words: str) -> None:
    with pytest.raises(ParameterError, match=words):
        bm25_weights(plays, k1=k1, b=b)


@pytest.mark.parametrize("block", [1, 3, 10])
def test_weights_are_the_same_in_blocks_of_any_size(
    plays: sp.csr_matrix, monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    whole = bm25_weights(plays, k1=1.2, b=0.75)
    monkeypatch.setattr(bm25, "BLOCK_ENTRIES", block)
    parts = bm25_weights(plays, k1=1.2, b=0.75)
    assert parts.user_items.data.tolist() == whole.user_items.data.tolist()
    assert parts.clipped == whole.clipped
