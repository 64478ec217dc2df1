"""What files, folders and columns of artifact sets are called."""

from __future__ import annotations

import re

from recsys.artifacts.evaluations import Protocol

CURRENT = "CURRENT"
MANIFEST = "manifest.json"
BETWEEN = "--"  # between the names of a set and of a scenario that is kept beside it
BUILDING = ".building-"
TUNING = ".tuning-"
MAPS = ".maps-"
STAGES = ".stages-"
EVALUATION = "evaluation"
WORD2VEC_TRIALS = "word2vec_trials"
REGION_COLUMNS = ["level", "x", "y", "items", "label"]
TUNING_COLUMNS = (
    "k1", "b", "ndcg", "ndcg_low", "ndcg_high", "recall", "recall_low", "recall_high", "behind", "behind_low",
    "behind_high", "best_region", "noise_floor", "coverage", "popularity", "tag_share", "clipped", "reason",
)  # fmt: skip
TRIAL_COLUMNS = (
    "trial", "origin", "everything", "window", "epochs", "sample", "ns_exponent", "negative", "vector_size", "alpha",
    "ndcg", "ndcg_low", "ndcg_high", "recall", "recall_low", "recall_high", "between_fits", "behind", "behind_low",
    "behind_high", "best_region",
)  # fmt: skip
_BUILD_ID = re.compile(r"[0-9a-f]{12}(-[0-9a-f]{8})?\Z")
_UNFINISHED_ID = re.compile(rf"({'|'.join(map(re.escape, (TUNING, MAPS, STAGES)))})[0-9a-f]{{12}}\Z")


def is_build_id(name: str) -> bool:
    """Whether a folder of this name in a set is a published build."""
    return _BUILD_ID.match(name) is not None


def belongs_to_set(name: str) -> bool:
    """Whether what has this name in the folder of a set is part of it, or of work on it."""
    return name == CURRENT or name.startswith(BUILDING) or is_build_id(name) or bool(_UNFINISHED_ID.match(name))


def evaluated_lists(protocol: Protocol) -> str:
    """Name of the table with every list's measures."""
    return f"{EVALUATION}/{protocol}"


def map_file(model: str, method: str) -> str:
    """Name of a map's array of places; of what else is kept of it, what comes before the second point."""
    return f"{model}/maps/{method}"
