"""Large files of an open build, checked against their digests beside what the process is there for."""

from __future__ import annotations

import logging
import threading
import time

from recsys.artifacts.files import FileState, file_state
from recsys.artifacts.store import ArtifactSet
from recsys.errors import DamagedArtifacts

# After each block of a MiB: a check takes a tenth of a core and reads some 80 MiB a second, so others hardly feel it.
PAUSE = 0.01
# A set and its scenarios are opened at once, and share most of their files.
_one_at_a_time = threading.Lock()


class ContentCheck:
    """One pass over the files that opening a build has not read, in a thread of its own that ends with the process.

    damage : what it has found, in words; None while it has found nothing.
    """

    def __init__(self, artifacts: ArtifactSet) -> None:
        self.damage: str | None = None
        self._artifacts = artifacts
        self._states = self._now()
        self._thread = threading.Thread(target=self._run, name=f"check {artifacts.folder.name}", daemon=True)
        if artifacts.large_files:
            self._thread.start()

    @property
    def is_going_on(self) -> bool:
        return self._thread.is_alive()

    def wait(self, seconds: float) -> None:
        """Until it is over, or so long."""
        if self._thread.ident is not None:
            self._thread.join(seconds)

    def still_holds(self) -> bool:
        """Whether all files of the build are those that were there when the check began."""
        return self._states is not None and self._states == self._now()

    def _run(self) -> None:
        try:
            for name in sorted(self._artifacts.large_files):
                with _one_at_a_time:
                    self._artifacts.check_content(name, lambda _: time.sleep(PAUSE))
        except DamagedArtifacts as error:
            self.damage = str(error)
            logging.getLogger(__name__).error("artifact set cannot be trusted: %s", error)

    def _now(self) -> list[FileState] | None:
        """None where a file is missing."""
        try:
            return [file_state(self._artifacts.folder / name) for name in self._artifacts.manifest.files]
        except OSError:
            return None
