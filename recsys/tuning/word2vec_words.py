"""What the trials of a search for Word2vec's parameters say, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

REFERENCES = {"default": "this project's defaults", "gensim": "gensim's defaults", "set": "the parameters of this set"}


def on_everything(trials: pd.DataFrame) -> pd.DataFrame:
    """The trials that were fitted to everything, best first."""
    return trials[trials["everything"]].sort_values(["ndcg", "trial"], ascending=[False, True], ignore_index=True)


def trial_words(trial: Mapping[Any, Any]) -> str:
    """The parameters of a trial."""
    return (
        f"window {trial['window']}, {trial['epochs']} epochs, sample {trial['sample']:g}, "
        f"ns_exponent {trial['ns_exponent']:g}, {trial['negative']} negatives, size {trial['vector_size']}"
    )


def best_words(trials: pd.DataFrame, n: int) -> str:
    """The best trial on everything, and what it gains over each of the references, beside the noise."""
    ranked = on_everything(trials)
    best = ranked.iloc[0]
    half = (best["ndcg_high"] - best["ndcg_low"]) / 2
    reached = f"nDCG@{n} {best['ndcg']:.3f} ± {half:.3f}"
    origin = str(best["origin"])
    if origin in REFERENCES:
        words = f"No trial recommends better than {REFERENCES[origin]}: {reached}"
    else:
        words = f"Word2vec recommends best with {trial_words(best.to_dict())}: {reached}"
    gains = [_gain_words(row) for row in ranked.to_dict("records") if row["origin"] not in ("search", origin)]
    return f"{'; '.join([words, *gains])}. {_noise_words(best)}"


def _gain_words(row: Mapping[Any, Any]) -> str:
    over = REFERENCES[row["origin"]]
    interval = f"{row['behind']:.3f} ({row['behind_low']:.3f} to {row['behind_high']:.3f})"
    if row["best_region"]:
        return f"{interval} above {over}, which is not to be told from nothing"
    return f"{interval} above {over}"


def _noise_words(best: pd.Series[Any]) -> str:
    if np.isnan(best["between_fits"]):
        return "How far another seed would change this is not known: --replicates 2 would tell"
    return f"Fits of it that differ in their seed alone differ by {best['between_fits']:.4f} (standard deviation)"


def region_words(trials: pd.DataFrame) -> str:
    """How many trials on everything cannot be told from the best."""
    others = int(trials[trials["everything"]]["best_region"].sum()) - 1
    if others == 0:
        return "Every other trial on everything is worse beyond noise"
    return f"{others} of the other {int(trials['everything'].sum()) - 1} trials on everything cannot be told from it"


def build_command(trial: Mapping[Any, Any]) -> str:
    """What builds a set with these parameters."""
    names = ("window", "epochs", "sample", "ns_exponent", "negative", "vector_size")
    options = " ".join(f"--{name.replace('_', '-')} {trial[name]:g}" for name in names)
    command = f"python -m recsys build … {options}"
    # The learning rate is not searched, and a build takes another than its own from a file alone.
    own_rate = trial["origin"] in ("search", "default")
    return command if own_rate else f"{command} --config FILE  # with alpha = {trial['alpha']:g} under [word2vec]"
