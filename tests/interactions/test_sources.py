"""The list of known public data sets."""

from __future__ import annotations

from pathlib import Path

import pytest

from recsys.errors import InputError
from recsys.interactions.readers import READERS
from recsys.interactions.sources import SOURCES
from tests.interactions.site import get


@pytest.mark.usefixtures("own_surroundings")
@pytest.mark.parametrize("name", ["spotify-mpd", "listenbrainz", "spotify-history"])
def test_what_no_program_can_fetch_is_said_in_one_line_with_the_command(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"by a program: .*https://.*python -m recsys build {name} --input") as caught:
        get(SOURCES[name])
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_every_source_can_be_read_and_either_checked_or_brought_by_hand() -> None:
    for name, source in SOURCES.items():
        assert (source.name, source.reader in READERS) == (name, True)
        assert source.licence
        assert source.page
        assert bool(source.by_hand) != bool(source.address)
        assert bool(source.address) == (bool(source.member_md5) != bool(source.counts))
        assert source.address.endswith(source.file_name)
