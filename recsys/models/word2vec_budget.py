"""How many epochs, and how wide a window, a budget of minutes allows Word2vec."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from dataclasses import dataclass

from recsys.errors import ParameterError
from recsys.models.word2vec import FEWEST_EPOCHS, ORDERED_WINDOW, Pace, Word2vecParams

RESERVE = 0.1  # of the budget, for a machine that is not always as fast as when it was measured
SHORTEST = 1e-9  # seconds


@dataclass(frozen=True)
class Allowed:
    """What a budget allows. window, epochs : to fit with. words : what was chosen of what, and why."""

    window: int
    epochs: int
    words: str


def allowed(
    wanted: Word2vecParams,
    minutes: float,
    *,
    rounds: int,
    given: Collection[str],
    pace_at: Callable[[int], Pace],
    refuse: bool = True,
) -> Allowed:
    """The most epochs, up to the wanted ones, with which all fits end within the budget.

    Where the wanted window leaves no time for FEWEST_EPOCHS, it is halved until there is, but never below
    ORDERED_WINDOW.

    Parameters
    ----------
    minutes : > 0, for all fits together. rounds : of fits, one after the other.
    given : of window and epochs those that stay as they are wanted.
    pace_at : measures a fit with this window.
    refuse : what the budget is too small for; else it is gone beyond, and the words say so.

    Raises
    ------
    ParameterError : the budget is too small for one epoch, or for the given ones.
    """
    fewest = wanted.epochs if "epochs" in given else 1
    enough = max(fewest, min(FEWEST_EPOCHS, wanted.epochs))
    window = wanted.window
    while True:
        pace = pace_at(window)
        seconds = 60 * (1 - RESERVE) * minutes / rounds - pace.preparing
        epochs = int(min(wanted.epochs, max(0.0, seconds) / max(pace.epoch, SHORTEST)))
        if epochs >= enough or "window" in given or window <= ORDERED_WINDOW:
            break
        window = max(ORDERED_WINDOW, window // 2)
    beyond = epochs < fewest
    needed = rounds * (pace.preparing + fewest * pace.epoch) / (60 * (1 - RESERVE))
    if beyond and refuse:
        raise ParameterError(
            f"--word2vec-minutes is {minutes:g}; {fewest} epochs with a window of {window} take all fits "
            f"{math.ceil(needed)} minutes here: give that many, or fewer --replicates"
        )
    epochs = max(epochs, fewest)
    chosen = f"epochs {epochs} of {wanted.epochs}"
    if window != wanted.window:
        chosen = f"{chosen}, window {window} of {wanted.window}"
    if beyond:
        return Allowed(window, epochs, f"{chosen}: the least there is; about {math.ceil(needed)} minutes here")
    all_of_it = (epochs, window) == (wanted.epochs, wanted.window)
    return Allowed(window, epochs, f"{chosen}: {'which' if all_of_it else 'all that'} {minutes:g} minutes allow here")
