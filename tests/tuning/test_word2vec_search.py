"""The search for better Word2vec parameters: what is measured, what is kept, and where the time goes."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from recsys.analysis.evaluation import holdout
from recsys.artifacts.names import TRIAL_COLUMNS, TUNING
from recsys.artifacts.store import ArtifactSet, verify
from recsys.artifacts.writer import ArtifactWriter
from recsys.errors import ArtifactError, DamagedArtifacts, ParameterError
from recsys.interactions.log import Interactions
from recsys.models.word2vec import Word2vecFit, Word2vecParams
from recsys.steps.progress import Stages
from recsys.tuning import word2vec_search
from recsys.tuning.grid import tune
from recsys.tuning.measure import TuningSettings
from recsys.tuning.word2vec_search import SearchSettings, search_word2vec
from recsys.tuning.word2vec_words import best_words, build_command, on_everything, region_words, trial_words
from tests.test_cli import run

PARAMETERS = ["window", "epochs", "sample", "ns_exponent", "negative", "vector_size", "alpha"]


class Fits:
    """Stands for Word2vec: vectors drawn by parameters and seed, at once, `seconds` on a clock of its own."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: list[tuple[Word2vecParams, Interactions]] = []
        self.found: list[list[Word2vecFit]] = []
        self.now = 1000.0
        self.seconds: Callable[[Word2vecParams], float] = lambda params: 0.0
        self.stop_at = math.inf
        monkeypatch.setattr(word2vec_search, "fit_word2vec", self)
        monkeypatch.setattr(word2vec_search, "time", SimpleNamespace(monotonic=lambda: self.now))

    def __call__(
        self,
        interactions: Interactions,
        params: Word2vecParams,
        seeds: Sequence[np.random.SeedSequence],
        stages: Stages,
    ) -> list[Word2vecFit]:
        if len(self.asked) == self.stop_at:
            raise KeyboardInterrupt
        self.now += self.seconds(params)
        stages.progress.advance(1)
        self.asked.append((params, interactions))
        words = [params.window, params.epochs, params.vector_size, round(1e7 * params.sample)]
        fits = []
        for own in seeds:
            rng = np.random.default_rng([*words, *own.generate_state(2)])
            # Wider windows are better here: a model that knows who is popular, in ever less noise.
            direction = rng.normal(0, 4 / params.window, (interactions.n_items, 6))
            direction[:, 0] += np.linspace(3, 0, interactions.n_items)
            fits.append(Word2vecFit(direction.astype(np.float32)))
        self.found.append(fits)
        return fits

    @property
    def on_everything(self) -> list[Word2vecParams]:
        largest = max(len(log.queues) for _, log in self.asked)
        return [params for params, log in self.asked if len(log.queues) == largest]


@pytest.fixture
def fits(monkeypatch: pytest.MonkeyPatch) -> Fits:
    return Fits(monkeypatch)


def trials_of(artifacts: ArtifactSet) -> pd.DataFrame:
    assert artifacts.word2vec_trials is not None
    return artifacts.word2vec_trials


def work_folders(path: Path) -> list[Path]:
    return list(path.glob(f"{TUNING}*"))


def test_every_trial_is_kept_with_a_new_build_of_the_same_set(small_set: Path, fits: Fits) -> None:
    base = ArtifactSet.open(small_set)
    found = search_word2vec(small_set, SearchSettings(trials=6, finalists=2, replicates=3, sample_share=0.4))
    table = trials_of(found)
    assert tuple(table) == TRIAL_COLUMNS
    sample, everything = table[~table["everything"]], table[table["everything"]]
    assert len(sample) == 6
    assert sample["origin"].tolist() == ["default"] + 5 * ["search"]
    assert {*everything["origin"]} == {"default", "gensim", "set", "search"}
    # Two of the best; where the defaults are among them they were there before.
    assert len(everything) == 3 + (2 if "default" not in sample.nlargest(2, "ndcg")["origin"].tolist() else 1)
    assert len(fits.asked) == len(table)
    how = found.manifest.word2vec_tuning
    assert how is not None
    assert (how.n, how.held_out, how.listeners, how.replicates, how.share, how.seed) == (10, 0.2, 250, 3, 0.4, 0)
    assert {**base.manifest.files, "word2vec_trials.parquet": None}.keys() == found.manifest.files.keys()
    assert base.manifest.files.items() <= found.manifest.files.items()
    assert base.word2vec_trials is None
    assert verify(small_set) == []
    assert ArtifactSet.open(small_set).fingerprint == found.fingerprint


def test_the_references_are_what_they_are_called(small_set: Path, fits: Fits) -> None:
    table = trials_of(search_word2vec(small_set, SearchSettings(trials=1, finalists=1)))
    rows = table[table["everything"]].set_index("origin")[PARAMETERS]
    assert rows.loc["gensim"].tolist() == [5, 5, 1e-3, 0.75, 5, 100, 0.025]
    assert rows.loc["default"].tolist() == [5, 20, 1e-4, 0.75, 5, 50, 0.05]
    own = ArtifactSet.open(small_set).manifest.models["word2vec"].params
    assert rows.loc["set"].tolist() == [own[name] for name in PARAMETERS]
    assert rows.loc["set", "epochs"] == 4


def test_figures_are_those_of_plain_loops_over_the_grids_own_split(small_set: Path, fits: Fits) -> None:
    artifacts = search_word2vec(small_set, SearchSettings(n=5, trials=1, finalists=1))
    seed = np.random.SeedSequence([0, 3]).spawn(1)[0]
    split = holdout(artifacts.user_items, np.random.default_rng(seed))
    params, log = fits.asked[0]
    item_ids = log.catalogue["item_id"].tolist()
    names = artifacts.catalogue["item_id"].tolist()
    ndcgs = []
    for fit in fits.found[0]:
        unit = fit.vectors / np.linalg.norm(fit.vectors, axis=1, keepdims=True)
        for user in range(artifacts.manifest.counts.listeners):
            known, right = ({names[i] for i in part[user].indices} for part in (split.train, split.held_out))
            scores = unit @ unit[[item_ids.index(name) for name in known]].mean(axis=0)
            top = [item_ids[i] for i in np.argsort(-scores) if item_ids[i] not in known][:5]
            gains = [1 / math.log2(rank + 2) for rank in range(5)]
            ndcgs.append(sum(g for g, item in zip(gains, top, strict=True) if item in right) / sum(gains[: len(right)]))
    each = np.array(ndcgs).reshape(2, -1)
    row = trials_of(artifacts).query("everything and origin == 'set'").iloc[0]
    assert params.epochs == row["epochs"]
    assert row["ndcg"] == pytest.approx(each.mean(), abs=1e-5)
    assert row["between_fits"] == pytest.approx(abs(each[0].mean() - each[1].mean()) / math.sqrt(2), abs=1e-5)
    assert row["ndcg_low"] < row["ndcg"] < row["ndcg_high"]
    # Nothing that is held out is in a queue.
    plays = [(user, item) for user, queue in enumerate(artifacts.queues) for item in queue]
    assert sum(log.queues.lengths) < len(plays)
    assert log.user_items.nnz == split.train.nnz
    assert log.user_items.sum() == pytest.approx(sum(log.queues.lengths))


def test_the_listeners_are_the_grids(small_set: Path, fits: Fits, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, list[int]] = {}
    accuracy = word2vec_search.accuracy

    def spied(recommended: Any, held_out: Any, n: int) -> Any:
        asked.setdefault("search", np.diff(held_out.indptr).tolist())
        return accuracy(recommended, held_out, n)

    monkeypatch.setattr(word2vec_search, "accuracy", spied)
    search_word2vec(small_set, SearchSettings(trials=1, finalists=1, listeners=40))
    from recsys.tuning.measure import Ground

    grid = Ground.of(ArtifactSet.open(small_set), TuningSettings(listeners=40))
    assert asked["search"] == np.diff(grid.held_out.indptr).tolist()
    assert len(asked["search"]) == 40


def test_the_sample_holds_its_share_of_queues_whole(small_set: Path, fits: Fits) -> None:
    search_word2vec(small_set, SearchSettings(trials=1, finalists=1, sample_share=0.1))
    whole = fits.asked[0][1].queues
    sample = next(log.queues for params, log in fits.asked if len(log.queues) < len(whole))
    assert len(sample) == round(0.1 * (whole.lengths >= 2).sum())
    assert sample.lengths.min() >= 2
    assert {tuple(queue) for queue in sample} <= {tuple(queue) for queue in whole}


def test_the_best_is_found_where_it_is_and_gains_are_differences(small_set: Path, fits: Fits) -> None:
    table = trials_of(search_word2vec(small_set, SearchSettings(trials=25, finalists=3)))
    ranked = on_everything(table)
    best = ranked.iloc[0]
    assert best["window"] > 5
    assert best["behind"] == 0
    assert best["best_region"]
    np.testing.assert_allclose(ranked["behind"], best["ndcg"] - ranked["ndcg"], atol=1e-12)
    assert (ranked["best_region"] == (ranked["behind_low"] <= 0)).all()
    assert table.query("not everything")["window"].max() <= word2vec_search.WIDEST_ORDERED_WINDOW


@pytest.mark.parametrize("stop_at", [1, 3, 5, 8])
def test_a_search_that_was_stopped_ends_as_one_that_was_not(small_set: Path, fits: Fits, stop_at: int) -> None:
    settings = SearchSettings(trials=5, finalists=2)
    fits.stop_at = stop_at
    with pytest.raises(KeyboardInterrupt):
        search_word2vec(small_set, settings)
    assert ArtifactSet.open(small_set).word2vec_trials is None
    (work,) = work_folders(small_set)
    assert len(list(work.glob("*.json"))) == stop_at
    fits.stop_at = math.inf
    resumed = search_word2vec(small_set, settings)
    assert len(fits.asked) == len(trials_of(resumed))
    # In one go, without what was kept.
    for file in work.iterdir():
        file.unlink()
    fits.asked.clear()
    at_once = search_word2vec(small_set, settings)
    assert len(fits.asked) == len(trials_of(at_once))
    pd.testing.assert_frame_equal(trials_of(resumed), trials_of(at_once))
    assert at_once.fingerprint == resumed.fingerprint


def test_asking_again_goes_on_and_loses_nothing(small_set: Path, fits: Fits) -> None:
    first = trials_of(search_word2vec(small_set, SearchSettings(trials=4, finalists=1)))
    # A grid in between makes a new build; it says nothing against the trials.
    tune(small_set, [(1.2, 0.75)], TuningSettings(replicates=1, listeners=50))
    done = len(fits.asked)
    more = search_word2vec(small_set, SearchSettings(trials=12, finalists=1, minutes=3))
    table = trials_of(more)
    figures = ["trial", "everything", *PARAMETERS, "ndcg", "between_fits"]
    both = first[figures].merge(table[figures])
    assert len(both) == len(first)
    assert len(table.query("not everything")) == 12
    assert len(fits.asked) - done == len(table) - len(first)
    assert more.tuning is not None
    assert len(work_folders(small_set)) == 1


def test_other_settings_begin_anew(small_set: Path, fits: Fits) -> None:
    search_word2vec(small_set, SearchSettings(trials=2, finalists=1))
    first = [params for params, _ in fits.asked]
    fits.asked.clear()
    search_word2vec(small_set, SearchSettings(trials=2, finalists=1, seed=1))
    assert len(fits.asked) >= 5
    assert [params for params, _ in fits.asked] != first
    assert len(work_folders(small_set)) == 2


def test_half_of_the_time_that_the_references_leave_goes_to_the_sample(small_set: Path, fits: Fits) -> None:
    fits.seconds = lambda params: 60.0
    table = trials_of(search_word2vec(small_set, SearchSettings(minutes=10, finalists=100)))
    # References to minute 3; trials begin at 3, 4, 5 and 6 of 6.5; finalists at 7, 8 and 9.
    assert len(table.query("not everything")) == 4
    assert len(table.query("everything")) == 6
    assert fits.now == 1000.0 + 600


def test_a_trial_under_way_may_take_a_tenth_of_the_budget_more(small_set: Path, fits: Fits) -> None:
    # To minute 3 of 10; then the second trial on the sample, the first that is proposed, takes from 4 to 7.4 and 7.6.
    for seconds, kept in ((3.4 * 60, 2), (3.6 * 60, 1)):
        fits.seconds = lambda params, long=seconds: 60.0 if params.alpha == 0.025 or params.epochs in (4, 20) else long
        table = trials_of(search_word2vec(small_set, SearchSettings(minutes=10, seed=round(seconds))))
        assert len(table.query("not everything")) == kept


def test_too_little_time_for_the_references_is_said_and_what_is_measured_is_kept(small_set: Path, fits: Fits) -> None:
    fits.seconds = lambda params: 45.0
    with pytest.raises(ParameterError, match="1 minutes were over before gensim's defaults were.*more --minutes"):
        search_word2vec(small_set, SearchSettings(minutes=1))
    assert ArtifactSet.open(small_set).word2vec_trials is None
    # The second ended at 90 seconds, later than 66.
    assert len(fits.asked) == 1
    table = trials_of(search_word2vec(small_set, SearchSettings(minutes=4)))
    assert len(table) >= 4


def test_a_set_built_anew_meanwhile_is_left_as_it_is(
    small_set: Path, fits: Fits, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = iter(["0123456789ab", "other"])
    monkeypatch.setattr(word2vec_search, "_key", lambda *_: next(keys))
    with pytest.raises(ArtifactError, match=r"built anew while it was being tuned.*tuning-0123456789ab and can be"):
        search_word2vec(small_set, SearchSettings(trials=1, finalists=1))
    assert ArtifactSet.open(small_set).word2vec_trials is None


def test_a_single_build_is_refused(small_set: Path) -> None:
    folder = ArtifactSet.open(small_set).folder
    with pytest.raises(ArtifactError, match=f"is a single build.*tune its set: {small_set}"):
        search_word2vec(folder, SearchSettings())


def test_a_log_without_any_queue_to_learn_from_is_refused(small_set: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def alone(*args: Any) -> Any:
        split = hold_out(*args)
        queues = word2vec_search.Queues(np.array([0], np.int32), np.array([0, 1]), ordered=True)
        return word2vec_search.replace(split, train=word2vec_search.replace(split.train, played=queues))

    hold_out = word2vec_search.hold_out
    monkeypatch.setattr(word2vec_search, "hold_out", alone)
    with pytest.raises(ArtifactError, match="no queue of two plays or more in training.*more listening data"):
        search_word2vec(small_set, SearchSettings())


def test_a_table_without_its_columns_is_damaged(small_set: Path) -> None:
    base = ArtifactSet.open(small_set)
    with ArtifactWriter(small_set) as writer:
        writer.adopt(base)
        writer.table("word2vec_trials", pd.DataFrame({"window": [1], "ndcg": [0.2]}))
        writer.publish(base.manifest.model_copy(update={"files": writer.files}))
    with pytest.raises(DamagedArtifacts, match="no column trial, .*recsys tune .* --model word2vec"):
        _ = ArtifactSet.open(small_set).word2vec_trials


def by_hand(**columns: Any) -> pd.DataFrame:
    """Three trials on everything and one on the sample; the searched one is ahead of both references."""
    table = pd.DataFrame(
        {
            "trial": [0, 1, 2, 2], "origin": ["default", "gensim", "search", "search"],
            "everything": [True, True, True, False], "window": [5, 5, 12, 12], "epochs": [20, 5, 70, 70],
            "sample": [1e-4, 1e-3, 2.5e-5, 2.5e-5], "ns_exponent": [0.75, 0.75, -0.4, -0.4],
            "negative": [5, 5, 9, 9], "vector_size": [50, 100, 64, 64], "alpha": [0.05, 0.025, 0.05, 0.05],
            "ndcg": [0.25, 0.15, 0.26, 0.2], "ndcg_low": [0.24, 0.14, 0.25, 0.19],
            "ndcg_high": [0.26, 0.16, 0.27, 0.21], "recall": 0.1, "recall_low": 0.09, "recall_high": 0.11,
            "between_fits": [0.002, 0.003, 0.0015, 0.01], "behind": [0.01, 0.11, 0.0, 0.0],
            "behind_low": [-0.005, 0.09, 0.0, 0.0], "behind_high": [0.025, 0.13, 0.0, 0.0],
            "best_region": [True, False, True, True],
        }
    )  # fmt: skip
    return table.assign(**columns)


def test_words_say_the_gain_with_its_interval_and_the_noise_of_seeds() -> None:
    found = best_words(by_hand(), 10)
    assert found.startswith(
        "Word2vec recommends best with window 12, 70 epochs, sample 2.5e-05, ns_exponent -0.4, 9 negatives, size 64: "
        "nDCG@10 0.260 ± 0.010"
    )
    assert "0.010 (-0.005 to 0.025) above this project's defaults, which is not to be told from nothing" in found
    assert "0.110 (0.090 to 0.130) above gensim's defaults." in found
    assert found.endswith("differ by 0.0015 (standard deviation)")
    assert region_words(by_hand()) == "1 of the other 2 trials on everything cannot be told from it"


def test_words_own_up_where_nothing_is_gained_or_known() -> None:
    found = best_words(by_hand(ndcg=[0.3, 0.15, 0.26, 0.2], between_fits=math.nan), 5)
    assert found.startswith("No trial recommends better than this project's defaults: nDCG@5 0.300")
    assert found.endswith("is not known: --replicates 2 would tell")
    alone = by_hand(best_region=[False, False, True, True])
    assert region_words(alone) == "Every other trial on everything is worse beyond noise"


def test_the_command_builds_with_the_parameters() -> None:
    rows = by_hand().to_dict("records")
    assert build_command(rows[2]) == (
        "python -m recsys build … --window 12 --epochs 70 --sample 2.5e-05 --ns-exponent -0.4 --negative 9 "
        "--vector-size 64"
    )
    assert build_command(rows[1]).endswith("--vector-size 100 --config FILE  # with alpha = 0.025 under [word2vec]")
    assert trial_words(rows[0]) == ("window 5, 20 epochs, sample 0.0001, ns_exponent 0.75, 5 negatives, size 50")


def test_the_command_searches_with_word2vec_itself_and_repeats(small_set: Path) -> None:
    options = ["--model", "word2vec", "--trials", 2, "--finalists", 1, "--minutes", 3, "--sample-share", 0.05]
    done = run("tune", small_set, *options)
    assert done.returncode == 0, done.stderr
    assert "of 3 minutes: on everything, window 5" in done.stderr
    assert "on 0.05 of the queues" in done.stderr
    table = trials_of(ArtifactSet.open(small_set))
    ranked = on_everything(table)
    assert best_words(table, 10) in done.stdout
    assert build_command(ranked.iloc[0].to_dict()) in done.stdout
    lines = [line for line in done.stdout.splitlines() if re.match(r" +\d+ +\d+ ", line)]
    for row, line in zip(ranked.to_dict("records"), lines, strict=True):
        assert f" {row['ndcg']:.3f} " in line
        best = row["behind"] == 0
        assert ("best" in line) == best
        assert ("as good" in line) == (row["best_region"] and not best)
        assert (f"{row['behind']:.3f} ± " in line) != best
        assert [word in line for word in ("default", "gensim", "set")] == [
            row["origin"] == word for word in ("default", "gensim", "set")
        ]
    (work,) = work_folders(small_set)
    for file in work.iterdir():
        file.unlink()
    document = json.loads(run("tune", small_set, *options, "--json").stdout)
    assert document["settings"]["share"] == 0.05
    assert [row["ndcg"] for row in document["trials"]] == table["ndcg"].tolist()
    assert tuple(document["trials"][0]) == TRIAL_COLUMNS


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--model", "glove"], "--model is 'glove'; give als or word2vec"),
        (["--model", "word2vec", "--k1", "1"], "--k1 says nothing of --model word2vec; leave it out"),
        (["--minutes", "3"], "--minutes says nothing of --model als"),
        (["--model", "word2vec", "--minutes", "0"], "minutes = 0.0: input should be greater than 0"),
        (["--model", "word2vec", "--sample-share", "1"], "sample_share = 1.0: input should be less than 1"),
    ],
)
def test_mistakes_on_the_command_line_are_named(built_once: Path, arguments: list[str], words: str) -> None:
    done = run("tune", built_once, *arguments)
    assert done.returncode == 2
    assert words in done.stderr
    assert work_folders(built_once) == []
