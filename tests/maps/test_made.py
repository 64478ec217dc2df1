from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from recsys.maps.made import _peak_megabytes


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="only Linux tells the peak of a while")
def test_the_peak_is_of_what_was_held_meanwhile() -> None:
    np.ones(40_000_000)  # 320 MB, held before
    with _peak_megabytes() as without:
        pass
    with _peak_megabytes() as of_more:
        np.ones(40_000_000)
    assert of_more[0] - without[0] == pytest.approx(320, abs=20)
