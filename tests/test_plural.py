from __future__ import annotations

import pytest

from recsys.plural import counted


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (0, "0 plays"),
        (1, "1 play"),
        (1.0, "1 play"),
        (0.8, "1 play"),  # as it is shown
        (1.6, "2 plays"),
        (21, "21 plays"),
        (1_001, "1,001 plays"),
    ],
)
def test_one_alone_is_in_the_singular(count: float, words: str) -> None:
    assert counted(count, "play") == words
