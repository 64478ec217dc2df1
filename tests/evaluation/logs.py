"""Listening logs with and without order, as plain lists and as Interactions."""

from __future__ import annotations

import numpy as np
import pandas as pd

from recsys.interactions.log import Interactions
from recsys.interactions.report import ReadReport

# Of each listener the queues, of each queue the items.
Plays = dict[int, list[list[str]]]


def some_plays(seed: int = 0, n_listeners: int = 60, n_items: int = 23) -> Plays:
    """Queues of 1 to 7 plays, 1 to 4 a listener; low numbers are popular, and items repeat."""
    rng = np.random.default_rng(seed)
    share = 1 / np.arange(1, n_items + 1)
    return {
        listener: [
            [f"i{item:02d}" for item in rng.choice(n_items, rng.integers(1, 8), p=share / share.sum())]
            for _ in range(rng.integers(1, 5))
        ]
        for listener in range(n_listeners)
    }


def log_of(plays: Plays, *, ordered: bool = True, tags: dict[str, list[str]] | None = None) -> Interactions:
    """As a reader would give it: times that put every queue two hours after the one before."""
    rows = [
        (listener, item, 7200 * at + second)
        for listener, queues in plays.items()
        for at, queue in enumerate(queues)
        for second, item in enumerate(queue)
    ]
    items = sorted({item for _, item, _ in rows}, reverse=True)
    table = pd.DataFrame({"item_id": items, "name": items})
    if tags is not None:
        table["tags"] = [tags.get(item, []) for item in items]
    user, item, time = zip(*rows, strict=True)
    return Interactions.from_plays(
        user=np.array(user), item=np.array([items.index(each) for each in item]), plays=None, items=table,
        n_users=max(plays) + 1, time=np.array(time) if ordered else None, report=ReadReport("by hand", "test"),
    )  # fmt: skip
