"""Can a server serve its sets? That it is alive is another question, which Streamlit's own health page answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from recsys.artifacts.store import ArtifactSet, artifact_sets
from recsys.errors import ArtifactError


@dataclass(frozen=True)
class Readiness:
    """What opening every set, and checking those that are shown, found.

    usable : how many sets can be opened and are not known to be damaged.
    problems : by name of a set that is not, why.
    """

    usable: int
    problems: dict[str, str]

    @property
    def status(self) -> Literal["ok", "degraded", "unavailable"]:
        """Unavailable only where nothing can be served: one damaged set is no reason to send everybody away."""
        if not self.usable:
            return "unavailable"
        return "degraded" if self.problems else "ok"


def readiness(root: Path, damage: Mapping[Path, str]) -> Readiness:
    """Open every artifact set below `root` as a page would: manifest, presence, sizes and headers of files. Large files
    are not read.

    damage : by folder of a build, what was found when they were, in words.
    """
    usable, problems = 0, {}
    for path in artifact_sets(root):
        try:
            folder = ArtifactSet.open(path).folder
        except ArtifactError as error:
            problems[path.name] = str(error)
        else:
            if folder in damage:
                problems[path.name] = damage[folder]
            else:
                usable += 1
    return Readiness(usable, problems)
