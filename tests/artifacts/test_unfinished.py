from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from recsys.artifacts.names import STAGES
from recsys.artifacts.packed import packed, unpacked
from recsys.artifacts.store import verify
from recsys.artifacts.unfinished import KeptParts, Part, kept_parts
from recsys.errors import ArtifactError
from recsys.interactions.log import Interactions, Queues

MADE = Part({"rows": np.arange(12, dtype=np.int32).reshape(3, 4), "none": np.empty((0, 4), np.float32)}, {"n": 7})


def never() -> Part:
    raise AssertionError("made although it was there")


def test_a_finished_part_is_not_made_again(tmp_path: Path) -> None:
    first = KeptParts(tmp_path)
    made = first.once("als-0", "ALS 1 of 2", lambda: MADE)
    assert first.taken_up == []
    again = KeptParts(tmp_path)
    assert again.taken_up == ["ALS 1 of 2"]
    for part in (made, again.once("als-0", "ALS 1 of 2", never)):
        assert part.numbers == {"n": 7}
        for name, array in MADE.arrays.items():
            np.testing.assert_array_equal(part.arrays[name], array)
            assert part.arrays[name].dtype == array.dtype


def test_what_is_done_to_an_array_does_not_reach_the_disk(tmp_path: Path) -> None:
    KeptParts(tmp_path).once("x", "x", lambda: MADE).arrays["rows"][:] = -1
    assert KeptParts(tmp_path).once("x", "x", never).arrays["rows"].max() == 11


def test_a_part_taken_up_says_what_it_took_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([100.0, 142.5, 200.0])
    monkeypatch.setattr("recsys.artifacts.unfinished.time.perf_counter", lambda: next(clock))
    assert KeptParts(tmp_path).once("x", "x", lambda: MADE).seconds == 0
    assert KeptParts(tmp_path).once("x", "x", never).seconds == 42.5


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def turn_a_bit(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[:-3] + bytes([content[-3] ^ 1]) + content[-2:])


@pytest.mark.parametrize("damage", [cut, turn_a_bit, Path.unlink])
@pytest.mark.parametrize("file", ["x.rows.npy", "x.json"])
def test_a_part_that_is_not_whole_is_made_anew(tmp_path: Path, file: str, damage: Callable[[Path], None]) -> None:
    KeptParts(tmp_path).once("x", "x", lambda: MADE)
    damage(tmp_path / file)
    again = KeptParts(tmp_path)
    assert again.taken_up == []
    assert again.once("x", "x", lambda: Part(numbers={"n": 8})).numbers == {"n": 8}
    assert KeptParts(tmp_path).once("x", "x", never).numbers == {"n": 8}


def stopped(out: Path, needs: dict[str, int]) -> list[str]:
    """What a build that is stopped took up, after it has made one part."""
    with contextlib.suppress(KeyboardInterrupt), kept_parts(out, needs, fresh=False) as parts:
        parts.once("reading", "reading", lambda: MADE)
        raise KeyboardInterrupt
    return parts.taken_up


def test_parts_wait_for_the_same_build_only(small_set: Path) -> None:
    assert stopped(small_set, {"seed": 1}) == []
    assert verify(small_set) == []
    assert stopped(small_set, {"seed": 1}) == ["reading"]
    assert stopped(small_set, {"seed": 2}) == []
    assert len(list(small_set.glob(f"{STAGES}*"))) == 1
    assert stopped(small_set, {"seed": 1}) == []


def test_a_fresh_build_takes_nothing_up(small_set: Path) -> None:
    stopped(small_set, {"seed": 1})
    with kept_parts(small_set, {"seed": 1}, fresh=True) as parts:
        assert parts.taken_up == []


def test_nothing_is_left_of_a_build_that_ends_or_makes_nothing(small_set: Path) -> None:
    with kept_parts(small_set, {"seed": 1}, fresh=False) as parts:
        parts.once("reading", "reading", lambda: MADE)
    assert not list(small_set.glob(f"{STAGES}*"))
    with pytest.raises(KeyboardInterrupt), kept_parts(small_set, {"seed": 1}, fresh=False):
        raise KeyboardInterrupt
    assert not list(small_set.glob(f"{STAGES}*"))


def test_one_process_at_a_time_has_the_parts(small_set: Path) -> None:
    with (
        kept_parts(small_set, {"seed": 1}, fresh=False),
        pytest.raises(ArtifactError, match="being built with the same settings already; wait for it"),
        kept_parts(small_set, {"seed": 1}, fresh=False),
    ):
        pass


@pytest.mark.parametrize("ordered", [True, None])
def test_a_log_is_unpacked_as_it_was(hand_log: Interactions, ordered: bool | None) -> None:
    played = Queues(np.array([4, 0, 0, 2], np.int32), np.array([0, 1, 4]), ordered=True) if ordered else None
    report = hand_log.report
    report.times, report.files, report.title = (5, 2**40), [Path("a/b.csv")], "Tïtle"
    report.skip("no item", file="b.csv", line=3, text="x\ty")
    log = replace(hand_log, played=played).with_min_listeners(2)
    log.catalogue["tags"] = [["rock", "indie"], [], ["folk"]]
    back = unpacked(packed(log))
    pd.testing.assert_frame_equal(
        back.catalogue.assign(tags=back.catalogue["tags"].map(list)), log.catalogue, check_dtype=False
    )
    assert back.catalogue["plays"].dtype == log.catalogue["plays"].dtype
    np.testing.assert_array_equal(back.user_items.toarray(), log.user_items.toarray())
    for part in ("data", "indices", "indptr"):
        assert getattr(back.user_items, part).dtype == getattr(log.user_items, part).dtype
    np.testing.assert_array_equal(back.queues.items, log.queues.items)
    np.testing.assert_array_equal(back.queues.offsets, log.queues.offsets)
    assert back.queues.ordered == bool(ordered)
    assert (back.report, back.dropped) == (log.report, log.dropped)
