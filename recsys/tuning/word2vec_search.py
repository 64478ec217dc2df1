"""A search for better parameters of Word2vec, measured as the grid of K1 and B is. The only importer of optuna."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import Field

from recsys.analysis.evaluation import accuracy, top_lists
from recsys.artifacts.manifest import Word2vecTuning
from recsys.artifacts.names import TRIAL_COLUMNS, WORD2VEC_TRIALS
from recsys.artifacts.store import ArtifactSet
from recsys.artifacts.writer import ArtifactWriter
from recsys.errors import ArtifactError, ParameterError, RecsysError
from recsys.evaluation.kept import log_of
from recsys.evaluation.scores import nearest
from recsys.evaluation.settings import PUBLISHED, word2vec_params
from recsys.evaluation.split import Split, hold_out
from recsys.interactions.log import Interactions, Queues
from recsys.models import als
from recsys.models.word2vec import Word2vecParams
from recsys.steps.fits import fit_word2vec
from recsys.steps.progress import Progress, Silence, Stages
from recsys.tuning.kept import Kept
from recsys.tuning.measure import Measured, Measuring, canonical, figures
from recsys.tuning.word2vec_words import REFERENCES, trial_words

GENSIM = {**PUBLISHED, "vector_size": 100}
SEARCHED = ("window", "epochs", "sample", "ns_exponent", "negative", "vector_size")
EPOCHS_FACTOR = 5  # to either side of the defaults' epochs, which fall with size
STARTUP_TRIALS = 5  # at random, before TPE has something to go by; optuna's 10 would be half of a short budget
WIDEST_ORDERED_WINDOW = 30
# On HetRec half of the queues rank parameters much as all do, a quarter does not; large data can spare more.
SAMPLE_SHARE = 0.5
SAMPLE_PLAYS = 500_000
OVERTIME = 0.1  # of the budget, for a trial under way when the time is over


class SearchSettings(Measuring):
    """How Word2vec's parameters are searched. The last three only decide how far the search gets."""

    sample_share: float | None = Field(
        None, gt=0, lt=1, description="share of the queues that trials are fitted to first; default 0.5, less if large"
    )
    minutes: float = Field(10.0, gt=0, description="budget; a trial under way may take a tenth more, or is given up")
    trials: int = Field(200, ge=1, le=1000, description="at most so many on the sample, those from before included")
    finalists: int = Field(5, ge=1, le=100, description="so many of the best on the sample are fitted to everything")


@dataclass(frozen=True)
class _Ground:
    """What all trials have in common.

    split : the listeners and their held-out items are the grid's. sample : what trials are fitted to first, `share` of
    the queues in training. references : parameters measured on everything in any case, and where they come from.
    longest : queue, in plays. seeds : one a replicate.
    """

    split: Split
    sample: Interactions
    share: float
    references: dict[Word2vecParams, str]
    longest: int
    seeds: list[np.random.SeedSequence]
    resampling: np.random.SeedSequence
    proposing: np.random.SeedSequence
    settings: SearchSettings

    @classmethod
    def of(cls, base: ArtifactSet, settings: SearchSettings) -> _Ground:
        log = log_of(base)
        # The first two and the fourth as in `measure.Ground`, so that figures stand beside those of the grid.
        seeds = np.random.SeedSequence([settings.seed, 3]).spawn(7)
        by_split, by_listener, _, resampling, fits, by_queue, proposing = seeds
        split = hold_out(log, settings.held_out, 1, log.n_users, np.random.default_rng(by_split))
        asked = np.random.default_rng(by_listener).choice(
            split.listeners, min(settings.listeners, len(split.listeners)), replace=False
        )
        rows = np.flatnonzero(np.isin(split.listeners, asked))
        split = replace(split, listeners=split.listeners[rows], known=split.known[rows], held_out=split.held_out[rows])
        queues = split.train.queues
        long_enough = np.flatnonzero(queues.lengths >= 2)
        if not len(long_enough):
            raise ArtifactError(
                f"{base.folder.parent} has no queue of two plays or more in training, and Word2vec learns from what "
                "is played together: build the set from more listening data"
            )
        plays = int(queues.lengths[long_enough].sum())
        share = settings.sample_share or round(min(SAMPLE_SHARE, SAMPLE_PLAYS / plays), 4)
        size = max(1, round(share * len(long_enough)))
        drawn = np.sort(np.random.default_rng(by_queue).choice(long_enough, size, replace=False))
        return cls(
            split=split,
            sample=replace(split.train, played=_only(queues, drawn)),
            share=share,
            references=_references(base, log.queues),
            longest=int(log.queues.lengths.max()),
            seeds=fits.spawn(settings.replicates),
            resampling=resampling,
            proposing=proposing,
            settings=settings,
        )


def search_word2vec(path: Path, settings: SearchSettings, progress: Progress | None = None) -> ArtifactSet:
    """Look for better parameters of Word2vec on the listeners of the set at `path`, and keep every trial with the set.

    A share of each listener's items is held out once, the same as for the grid of K1 and B. A trial fits Word2vec to
    the rest, once a replicate with the same seeds in all trials, and recommends to each listener what is nearest to
    the mean of the unit vectors of what they know. Of the budget in minutes:

    1. The defaults of this project, those of gensim (but for skip-gram) and the set's own parameters are measured on
       everything.
    2. Half of the time left: trials that optuna's TPE sampler proposes, fitted to a sample of the queues.
    3. The best of these, best first, are fitted to everything.

    No trial begins when the time of its part is over; one under way may take a tenth of the budget more and is given up
    then. Every finished trial is kept in a folder beside the builds. Asked again with the same settings, the search
    takes the same way, is quick where trials are there already, and goes on where it ended; the folder stays for that.
    Same seed, same trials, where time does not end them. The result is a new build of the same set.

    Columns of the table: `trial`, which both rows of a trial that was measured on everything share; `origin`: default,
    gensim, set or search; `everything`: fitted to all or to the sample; the parameters; ndcg, recall with 95% intervals
    by bootstrap over listeners; `between_fits`: standard deviation over seeds of the mean nDCG, NaN with one fit;
    behind (_low, _high), best_region: see `best_region`, among trials fitted to the same.

    Raises
    ------
    ParameterError : the time ended before the first part did.
    InputError : nothing can be held out, see `evaluation.split`.
    ArtifactError : there is no set to tune, nothing to learn from in it, or it was rebuilt meanwhile.
    """
    start = time.monotonic()
    base = ArtifactSet.open_to_change(path, "tune")
    progress = progress or Silence()
    progress.stage("holding out", None)
    ground = _Ground.of(base, settings)
    key = _key(base, settings)
    # One BLAS thread throughout, as for the grid.
    with Kept.beside(path, key) as kept, als.one_blas_thread():
        search = _Search(ground, kept, progress, start)
        search.run()
        progress.stage("keeping the trials", None)
        table = _table(search, ground)
        how = Word2vecTuning(
            n=settings.n,
            held_out=settings.held_out,
            listeners=len(ground.split.listeners),
            replicates=settings.replicates,
            share=ground.share,
            seed=settings.seed,
            optuna=_optuna().__version__,
        )
        with ArtifactWriter(path) as writer:
            # Under the writer's lock: from here on nobody else replaces the build in use.
            now = ArtifactSet.open(path)
            if _key(now, settings) != key:
                raise ArtifactError(
                    f"{path} was built anew while it was being tuned, so the trials do not describe it and were not "
                    f"kept with it; tune it again. What was measured stays in {kept.folder} and can be deleted"
                )
            writer.adopt(now, but=lambda name: name == f"{WORD2VEC_TRIALS}.parquet")
            writer.table(WORD2VEC_TRIALS, table)
            seconds = {WORD2VEC_TRIALS: round(time.monotonic() - start, 2)}
            folder = path / writer.publish_changed(now, seconds, word2vec_tuning=how)
    return ArtifactSet.open(folder)


def _optuna() -> Any:
    import optuna

    # It would say each trial on standard error.
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna


def _references(base: ArtifactSet, queues: Queues) -> dict[Word2vecParams, str]:
    entry = base.manifest.models.get("word2vec")
    of_set: dict[str, Any] = {} if entry is None else entry.params
    # More than one thread would not repeat.
    own = word2vec_params(of_set, {"workers": 1}, queues, "holdout")
    return {
        own: "set",
        word2vec_params({}, GENSIM, queues, "holdout"): "gensim",
        word2vec_params({}, {}, queues, "holdout"): "default",
    }


def _only(queues: Queues, chosen: npt.NDArray[np.int64]) -> Queues:
    inside = np.isin(np.arange(len(queues)), chosen)
    lengths = queues.lengths
    offsets = np.concatenate([[0], np.cumsum(lengths[inside])]).astype(np.int64)
    return replace(queues, items=queues.items[np.repeat(inside, lengths)], offsets=offsets)


def _key(base: ArtifactSet, settings: SearchSettings) -> str:
    """12 hex digits of everything that a trial's figures, and which trials there are, depend on."""
    about = {
        # Not the build's fingerprint, which the kept trials are a part of.
        "log": base.log_digests,
        "settings": settings.model_dump(exclude={"minutes", "trials", "finalists"}),
        "measured": TRIAL_COLUMNS,
        "space": [*SEARCHED, EPOCHS_FACTOR, WIDEST_ORDERED_WINDOW, STARTUP_TRIALS],
        "optuna": _optuna().__version__,
    }
    return hashlib.sha256(canonical(about)).hexdigest()[:12]


class _TimeIsOver(RecsysError):
    """A trial took longer than the budget allows."""


@dataclass(frozen=True)
class _Watched:
    """Progress of the fits of one trial, in the search's words; ends them when the time is over."""

    progress: Progress
    words: str
    give_up: float

    def stage(self, words: str, total: float | None) -> None:
        self.progress.stage(self.words, total)

    def advance(self, amount: float) -> None:
        if time.monotonic() > self.give_up:
            raise _TimeIsOver(self.words)
        self.progress.advance(amount)


class _Search:
    """The trials of one search, in the order in which they were first asked for.

    numbers : of each parameters' trial. on_sample, on_everything : what was measured of them.
    """

    def __init__(self, ground: _Ground, kept: Kept, progress: Progress, start: float) -> None:
        self._ground, self._kept, self._progress, self._start = ground, kept, progress, start
        self._budget = 60 * ground.settings.minutes
        self.numbers: dict[Word2vecParams, int] = {}
        self.on_sample: dict[Word2vecParams, Measured] = {}
        self.on_everything: dict[Word2vecParams, Measured] = {}

    def run(self) -> None:
        end = self._start + self._budget
        for params in self._ground.references:
            if not self._measured(params, self.on_everything, 1.0, end):
                settings = self._ground.settings
                raise ParameterError(
                    f"{settings.minutes:g} minutes were over before {REFERENCES[self._ground.references[params]]} were "
                    "measured on everything, without which nothing tells what is gained; finished trials are kept: "
                    "ask again with more --minutes"
                )
        now = time.monotonic()
        self._propose(now + max(0.0, end - now) / 2)
        ranked = sorted(self.on_sample, key=lambda each: -_mean(self.on_sample[each]))
        for place, params in enumerate(ranked):
            # What is there from before is shown in any case.
            may_fit = place < self._ground.settings.finalists
            self._measured(params, self.on_everything, 1.0, end if may_fit else self._start)

    def _propose(self, end: float) -> None:
        """Trials on the sample until `end`."""
        optuna = _optuna()
        seed = int(np.random.default_rng(self._ground.proposing).integers(2**31))
        study = optuna.create_study(
            direction="maximize", sampler=optuna.samplers.TPESampler(seed=seed, n_startup_trials=STARTUP_TRIALS)
        )
        defaults = next(params for params, origin in self._ground.references.items() if origin == "default")
        study.enqueue_trial(defaults.model_dump(include=set(SEARCHED)))
        space = _space(optuna, self._ground.longest, defaults)
        for _ in range(self._ground.settings.trials):
            trial = study.ask(space)
            # As a person can type them; + 0.0 makes one of 0 and −0.
            typed = {
                "sample": float(f"{trial.params['sample']:.2g}"),
                "ns_exponent": round(trial.params["ns_exponent"], 2) + 0.0,
            }
            params = defaults.model_copy(update={**trial.params, **typed})
            if not self._measured(params, self.on_sample, self._ground.share, end):
                return
            study.tell(trial, _mean(self.on_sample[params]))

    def _measured(
        self, params: Word2vecParams, found: dict[Word2vecParams, Measured], share: float, end: float
    ) -> bool:
        """Whether a trial is there, from before or begun before `end`."""
        ground, settings = self._ground, self._ground.settings
        values = tuple(value for name, value in params.model_dump().items() if name != "workers")
        point = (share, *values)
        shape = (2, settings.replicates, len(ground.split.listeners))
        there = self._kept.read(point, shape)
        if there is None:
            if time.monotonic() >= end:
                return False
            train = ground.split.train if share == 1 else ground.sample
            watched = _Watched(self._progress, self._words(params, share), end + OVERTIME * self._budget)
            try:
                there = _measure(params, train, ground, watched)
            except _TimeIsOver:
                return False
            self._kept.write(point, there)
        self.numbers.setdefault(params, len(self.numbers))
        found[params] = there
        return True

    def _words(self, params: Word2vecParams, share: float) -> str:
        trials = self.on_everything if share == 1 else self.on_sample
        where = "everything" if share == 1 else f"{share:.3g} of the queues"
        best = f"; best so far {max(map(_mean, trials.values())):.3f}" if trials else ""
        gone = (time.monotonic() - self._start) / 60
        return (
            f"{gone:.1f} of {self._ground.settings.minutes:g} minutes: on {where}, {trial_words(params.model_dump())}"
            f"{best}"
        )


def _measure(params: Word2vecParams, train: Interactions, ground: _Ground, watched: _Watched) -> Measured:
    n, split = ground.settings.n, ground.split
    found = []
    for fit in fit_word2vec(train, params, ground.seeds, Stages(watched)):
        lists = top_lists(nearest(fit.vectors, split), split.known, n)
        found.append(accuracy(lists.items, split.held_out, n))
    return Measured(np.array([[each.ndcg for each in found], [each.recall for each in found]]), {})


def _mean(measured: Measured) -> float:
    return float(measured.values[0].mean())


def _space(optuna: Any, longest: int, defaults: Word2vecParams) -> dict[str, Any]:
    whole, real = optuna.distributions.IntDistribution, optuna.distributions.FloatDistribution
    return {
        # The defaults' window covers sets that have no order.
        "window": whole(1, max(defaults.window, min(longest, WIDEST_ORDERED_WINDOW)), log=True),
        "epochs": whole(max(1, defaults.epochs // EPOCHS_FACTOR), EPOCHS_FACTOR * defaults.epochs, log=True),
        "sample": real(1e-6, 1e-2, log=True),
        "ns_exponent": real(-1.0, 1.0, step=0.05),
        "negative": whole(2, 20, log=True),
        "vector_size": whole(16, 200, log=True),
    }


def _table(search: _Search, ground: _Ground) -> pd.DataFrame:
    """See `search_word2vec` for the columns."""
    parts = [
        _rows(search.on_sample, search.numbers, ground, everything=False),
        _rows(search.on_everything, search.numbers, ground, everything=True),
    ]
    return pd.concat([part for part in parts if len(part)], ignore_index=True)[list(TRIAL_COLUMNS)]


def _rows(
    found: dict[Word2vecParams, Measured], numbers: dict[Word2vecParams, int], ground: _Ground, *, everything: bool
) -> pd.DataFrame:
    if not found:
        return pd.DataFrame()
    order = sorted(found, key=numbers.__getitem__)
    table = pd.DataFrame([params.model_dump(exclude={"workers"}) for params in order])
    table["trial"] = [numbers[params] for params in order]
    table["origin"] = [ground.references.get(params, "search") for params in order]
    table["everything"] = everything
    measured = [found[params] for params in order]
    by_fit = np.stack([each.values[0].mean(axis=1) for each in measured])
    table["between_fits"] = by_fit.std(axis=1, ddof=1) if by_fit.shape[1] > 1 else np.nan
    return table.assign(**figures(measured, ground.resampling))
