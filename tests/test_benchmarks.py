"""The smallest of every benchmark runs and writes what it found, so that none rots; how fast it was is not tested."""

from __future__ import annotations

import importlib
import json
import time
from pathlib import Path

import numpy as np
import pytest

from benchmarks.__main__ import main
from benchmarks.growth import DAY, ON_PAPER, Power, fitted, in_all, limits
from benchmarks.paired import as_markdown, called, compared, keep, peak_megabytes, run
from benchmarks.registry import REGISTRY
from benchmarks.tutorial import Clock, recall, without_self

# Of each kind one: programs in turn, and one program on paper. `make long` runs them all.
SOONEST = ("word2vec", "growth")
NEEDS = {"tutorial": ("annoy",), "neighbours": ("annoy", "hnswlib")}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What benchmarks make, made once."""
    return tmp_path_factory.mktemp("bench")


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=() if name in SOONEST else pytest.mark.long)
        for name, sizes in REGISTRY.items()
        if "tiny" in sizes
    ],
)
def test_the_smallest_of_a_benchmark_runs_and_adds_to_its_history(name: str, folder: Path, tmp_path: Path) -> None:
    for package in NEEDS.get(name, ()):
        pytest.importorskip(package, reason=f"{package} comes with make bench only")
    history = tmp_path / f"{name}.jsonl"
    before = {"date": "2026-01-02", "commit": "abc", "hardware": "a loom", "size": "tiny", "rounds": 1}
    history.write_text(json.dumps(before) + "\n")
    main([name, "--size", "tiny", "--rounds", "1", "--folder", str(folder), "--results", str(tmp_path)])
    first, entry = (json.loads(line) for line in history.read_text("utf-8").splitlines())
    assert first == before
    assert entry["size"] == "tiny"
    assert entry["hardware"]
    assert "NaN" not in history.read_text("utf-8")
    for program, figures in entry.get("programs", {}).items():
        assert figures["seconds"][0] > 0, program
        assert figures["megabytes"][0] > 20, program
        for share in ("recall_at_10", "faithfulness", "next_event_ndcg_at_10"):
            assert all(0 <= value <= 1 for value in figures.get(share, [])), program
    written = (tmp_path / f"{name}.md").read_text("utf-8")
    assert written.index(entry["date"]) < written.index("2026-01-02")


def test_every_benchmark_of_the_registry_can_be_imported_and_measured() -> None:
    for name in REGISTRY:
        assert callable(importlib.import_module(f"benchmarks.{name}").measure), name


def test_a_benchmark_that_lacks_its_data_says_so_and_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("RECSYS_REAL_DATA", raising=False)
    main(["hetrec", "--folder", str(tmp_path), "--results", str(tmp_path / "results")])
    assert "hetrec: not measured; RECSYS_REAL_DATA is not set" in capsys.readouterr().out
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (["tutorials"], "there is no benchmark tutorials; there are tutorial, neighbours"),
        (["pages_at_full_size", "--size", "small"], "pages_at_full_size has no size small; it has full"),
    ],
)
def test_a_wrong_name_or_size_is_refused_with_what_there_is(
    asked: list[str], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main([*asked, "--folder", str(tmp_path), "--results", str(tmp_path / "results")])
    assert words in capsys.readouterr().err


def holds_200_megabytes() -> dict[str, float]:
    held = np.ones(25_000_000)
    return {"seconds": held[0]}


def test_peak_memory_is_the_programs_own_and_not_that_of_who_starts_it() -> None:
    held = np.ones(50_000_000)
    assert peak_megabytes() > held.nbytes / 1e6
    assert 200 < run(called(holds_200_megabytes))["megabytes"] < 350
    assert run("print(1.5)")["megabytes"] < 150


def test_a_program_that_fails_says_what_it_said() -> None:
    with pytest.raises(RuntimeError, match="ZeroDivisionError"):
        run("1 / 0")


def test_ratios_are_of_neighbouring_runs_and_of_costs_only() -> None:
    measured = {
        "theirs": [{"seconds": 6.0, "recall": 0.5}, {"seconds": 20.0, "recall": 0.5}],
        "ours": [{"seconds": 2.0, "recall": 1.0}, {"seconds": 4.0, "recall": 1.0}],
    }
    found = compared(measured, "theirs")
    assert found["ratios"] == {"ours": {"seconds": {"median": 4.0, "min": 3.0, "max": 5.0}}}
    assert found["programs"]["ours"] == {"seconds": [2.0, 4.0], "recall": [1.0, 1.0]}
    assert "| theirs over | ours |\n| --- | ---: |\n| seconds | 4.0 (3.0–5.0) |" in as_markdown(
        "both", [{"date": "1", "commit": "c", "hardware": "h", **found}]
    )


def test_a_history_is_added_to_and_never_written_over(tmp_path: Path) -> None:
    keep("loom", {"size": "tiny", "threads": 3}, tmp_path)
    first = (tmp_path / "loom.jsonl").read_bytes()
    keep("loom", {"size": "full", "threads": 7}, tmp_path)
    assert (tmp_path / "loom.jsonl").read_bytes().startswith(first)
    assert [json.loads(line)["threads"] for line in (tmp_path / "loom.jsonl").open()] == [3, 7]
    written = (tmp_path / "loom.md").read_text("utf-8")
    assert written.index("| threads | 7 |") < written.index("| threads | 3 |")


def test_laps_add_up_to_the_seconds_of_a_clock() -> None:
    clock = Clock()
    time.sleep(0.02)
    clock.lap("first")
    clock.lap("second")
    figures = clock.figures()
    assert figures["seconds_first"] >= 0.02
    assert figures["seconds_second"] >= 0
    assert figures["seconds"] == pytest.approx(figures["seconds_first"] + figures["seconds_second"])


def test_a_list_leaves_its_own_item_out_wherever_it_stands() -> None:
    lists = [[0, 2, 1], [2, 1, 0], [1, 0], [2, 0, 1]]
    assert without_self(lists, 2).tolist() == [[2, 1], [2, 0], [1, 0], [2, 0]]


def test_recall_counts_what_is_held_of_the_exact_ten() -> None:
    # Twelve directions in a quarter turn: the nearest of each are the next in the order.
    angles = np.linspace(0, np.pi / 2, 12)
    vectors = np.column_stack([np.cos(angles), np.sin(angles)]).astype(np.float32)
    near = np.array([sorted(set(range(12)) - {row}, key=lambda other: abs(other - row))[:10] for row in range(12)])
    assert recall(near.astype(np.int32), vectors) == pytest.approx(1.0, abs=0.05)
    near[:, 5:] = -1
    assert recall(near.astype(np.int32), vectors) == pytest.approx(0.5)


def test_a_power_is_found_again_and_says_where_a_limit_lies() -> None:
    # 3 to start with, and 0.001 · plays^1.5; of the second size too little to be told from noise.
    plays = [10.0, 40.0, 1_000.0, 10_000.0]
    power = fitted(plays, [3.0, 3.25, 3 + 0.001 * 1_000**1.5, 3 + 0.001 * 10_000**1.5], 0.5)
    assert power is not None
    assert power.start == 3
    assert power[3:] == pytest.approx((1.5, 1.5, 1.5))
    assert power.at(1e6) == pytest.approx((1e6 + 3, 1e6 + 3, 1e6 + 3))
    assert power.reaches(1e6 + 3) == pytest.approx((1e6, 1e6, 1e6))


def test_the_range_of_a_power_is_that_between_neighbouring_sizes() -> None:
    power = fitted([1.0, 10.0, 100.0, 1_000.0], [5.0, 6.0, 15.0, 1_005.0], 0.5)
    assert power is not None
    assert (power.low, power.exponent, power.high) == pytest.approx((1.0, 1.5, 2.0))
    assert power.at(10_000.0) == pytest.approx((5 + 1_000 * 10**1.5, 10_005.0, 100_005.0))


def test_what_does_not_grow_never_reaches_a_limit_and_what_was_seen_to_grow_once_has_no_power() -> None:
    assert Power(0.0, 1_000.0, 5.0, 0.0, -0.1, 0.0).reaches(50.0) == (np.inf, np.inf, np.inf)
    assert fitted([10.0, 100.0, 1_000.0], [0.1, 0.2, 3.0], 0.5) is None


@pytest.mark.parametrize("second", [3.9, 2.64 + 2.3])
def test_a_cost_that_falls_again_is_the_machines_and_has_no_power(second: float) -> None:
    # Seen on a busy machine: the whole build grew by less than one of its stages had, which on paper then fell.
    plays = [2_421.0, 3_745.0, 8_329.0]
    stage = fitted(plays, [1.18, 2.57, 2.17], 0.3)
    assert stage is None
    total = fitted(plays, [2.64, second, 2.64 + 2.4], 0.3)
    assert total is not None
    assert total.low >= 0
    assert in_all(total, [stage]) == total


def test_a_build_on_paper_takes_what_its_stages_take_there() -> None:
    last = ON_PAPER / 100
    reading = Power(1.0, last, 3.0, 1.0, 0.5, 1.0)  # 301 s on paper, 31 at the least
    fitting = Power(2.0, last, 5.0, 1.5, 1.5, 2.0)  # 5,002 s, 50,002 at the most
    total = in_all(Power(4.0, last, 8.0, 1.2, 1.1, 1.3), [reading, fitting, None])
    assert total is not None
    # What it took at the last size, and what the stages take more than they did there.
    assert total.at(ON_PAPER) == pytest.approx((12 + 297 + 4_995, 12 + 27 + 4_995, 12 + 297 + 49_995))
    assert total.at(last) == pytest.approx((12, 12, 12))
    assert in_all(None, [reading]) is None


def test_the_limit_that_is_met_first_comes_first() -> None:
    linear = (1.0, 1.0, 1.0)
    powers = {
        "seconds": Power(0.0, 1_000.0, DAY / 2, *linear),
        "seconds_read": Power(0.0, 1_000.0, DAY / 1_000, 1.0, 0.5, 2.0),
        "seconds_write": None,
        "megabytes": Power(0.0, 1_000.0, 1e-9, *linear),
        "bytes_out": Power(0.0, 1_000.0, 1e12, *linear),
    }
    (first, second, last) = limits(powers)
    assert first == ["a day for a build", "2.0e+03", "2e+03 to 2e+03"]
    assert second == ["a day for read", "1.0e+06", "3e+04 to 1e+09"]
    assert last[0].endswith("GB of memory")
