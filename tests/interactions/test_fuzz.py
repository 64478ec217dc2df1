"""The first hundred of the damaged files that `make fuzz` has in thousands."""

from __future__ import annotations

import pytest

from recsys.interactions.writers import WRITERS
from tests.interactions.fuzz import fuzz


@pytest.mark.parametrize("reader", WRITERS)
def test_damaged_files_are_tables_that_add_up_or_errors_in_words(reader: str) -> None:
    ended = fuzz(reader, 150)
    # Damage that never or always breaks a file would test one way only.
    assert min(ended.values()) > 10
