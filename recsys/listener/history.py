"""A listening history as the items that a person names, heaviest first."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recsys.errors import InputError
from recsys.interactions.log import Interactions
from recsys.listener.matching import Wanted

MOST_ITEMS = 300_000


@dataclass(frozen=True)
class History:
    """What somebody played.

    wanted : an item each, with its plays as weight, most played first. remarks : what could not be used, in words.
    """

    wanted: list[Wanted]
    remarks: list[str]

    @classmethod
    def of_log(cls, log: Interactions) -> History:
        """All that a log holds; the plays of several listeners are added up, and a remark says so.

        Raises
        ------
        InputError : it holds more than MOST_ITEMS items, which is no one person's history.
        """
        if log.n_items > MOST_ITEMS:
            raise InputError(f"{log.report.source} holds {log.n_items:,} items; at most {MOST_ITEMS:,} are one history")
        catalogue = log.catalogue
        order = np.argsort(-catalogue["plays"].to_numpy(), kind="stable")
        names, ids, plays = (catalogue[column].to_numpy(object)[order] for column in ("name", "item_id", "plays"))
        remarks = [log.report.summary(), *log.report.notes]
        if log.n_users > 1:
            remarks.append(f"the plays of {log.n_users:,} listeners or playlists were added up")
        return cls([Wanted(*each) for each in zip(names, map(float, plays), ids, strict=True)], remarks)
