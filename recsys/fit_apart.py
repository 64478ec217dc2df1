"""A scenario fitted in a process of its own: a server goes on drawing pages, and what a fit takes goes back with it.

Both ends speak in lines. The process says, in JSON, what it is doing, and goes on when it is answered with an empty
line; once nothing can answer any more, because nobody waits or the server is gone, it ends with nothing kept.
"""

from __future__ import annotations

import json
import os
import subprocess  # nosec B404
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO, cast

from recsys.artifacts.store import ArtifactSet
from recsys.errors import RecsysError
from recsys.whatif.turns import NICENESS

Tell = Callable[[str, int, int], object]


class Unanswered(RecsysError):
    """Whoever asked is gone."""


def fit_scenario_apart(base: ArtifactSet, base_path: Path, name: str, *, k1: float, b: float, tell: Tell) -> Path:
    """As `recsys.scenarios.fit_scenario`, in another process.

    Parameters
    ----------
    base : the build whose listening data are fitted. base_path : the artifact set that it is of.
    tell : what it raises ends the process with nothing kept, and comes out here.

    Raises
    ------
    RecsysError : what the fit was refused for or failed with, in its words; or its process was ended.
    """
    asked = {"base": str(base.folder.resolve()), "path": str(base_path.resolve()), "name": name, "k1": k1, "b": b}
    tell("Getting ready", 0, 1)
    # What is run is this module by this Python; what was asked goes in as data.
    with subprocess.Popen(  # nosec B603
        [sys.executable, "-m", __name__],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8",
        cwd=Path(__file__).parents[1], start_new_session=True,
    ) as process:  # fmt: skip
        said: dict[str, Any] = {}
        with suppress(BrokenPipeError), cast(TextIO, process.stdin) as answers:
            print(json.dumps(asked), file=answers, flush=True)
            for line in cast(TextIO, process.stdout):
                said = json.loads(line)
                if "doing" in said:
                    tell(*said["doing"])
                    print(file=answers, flush=True)
    if "kept" in said:
        return Path(said["kept"])
    raise RecsysError(said.get("failed") or _ended_by(process.returncode))


def _ended_by(code: int) -> str:
    if code < 0:
        return f"its process was ended from outside (signal {-code}); mostly that is for want of memory"
    return f"its process ended unexpectedly (code {code}); the server's log says why"


def main(questions: TextIO, answers: TextIO) -> None:
    """The other end."""
    from recsys.memory import frugal_heap
    from recsys.scenarios import fit_scenario
    from recsys.whatif.engine import WhatIfEngine

    def say(**words: Any) -> None:
        print(json.dumps(words), file=answers, flush=True)

    def tell(words: str, done: int, total: int) -> None:
        say(doing=[words, done, total])
        if not questions.readline():
            raise Unanswered("nobody waits for the fit any more")

    asked = json.loads(questions.readline())
    frugal_heap()
    try:
        engine = WhatIfEngine(ArtifactSet.open(Path(asked["base"])))
        kept = fit_scenario(engine, Path(asked["path"]), asked["name"], k1=asked["k1"], b=asked["b"], tell=tell)
        say(kept=str(kept))
    except RecsysError as error:
        say(failed=str(error))
    except (MemoryError, OSError) as error:
        say(failed=f"it could not be computed: {error or type(error).__name__}")


if __name__ == "__main__":
    os.nice(NICENESS)
    # What a library prints must not be taken for an answer.
    with suppress(BrokenPipeError), os.fdopen(os.dup(1), "w", encoding="utf-8") as channel:
        os.dup2(2, 1)
        main(sys.stdin, channel)
