"""The guides do what they say: every block of code in them is run, in order, in a folder of its own."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from recsys.artifacts.store import ArtifactSet, verify

ROOT = Path(__file__).resolve().parents[2]


def blocks(guide: str) -> list[tuple[str, str]]:
    """Language and code of each block of a guide."""
    return re.findall(r"^```(python|shell)\n(.*?)^```", (ROOT / "docs/guide" / guide).read_text("utf-8"), re.S | re.M)


@pytest.fixture
def workplace(tmp_path: Path) -> Path:
    """The package and the demo, to write beside as one likes."""
    shutil.copytree(ROOT / "recsys", tmp_path / "recsys", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "artifacts" / "demo", tmp_path / "artifacts" / "demo")
    return tmp_path


def run(command: list[str], workplace: Path) -> str:
    env = {**os.environ, "PYTHONHASHSEED": "0", "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=workplace, env=env, capture_output=True, text=True, timeout=500, check=False)
    assert done.returncode == 0, f"{command}: {done.stdout[-1000:]}{done.stderr[-3000:]}"
    return done.stdout


def test_a_notebook_does_what_the_guide_to_python_says(workplace: Path, small_log: Path) -> None:
    shutil.copy(small_log, workplace / "listens.csv")
    code = "\n".join(code for _, code in blocks("python.md"))
    assert len(blocks("python.md")) >= 7
    said = run([sys.executable, "-c", code], workplace)
    assert "no item has the id or name 'Radiohed'. Did you mean: Radiohead" in said
    assert "Radiohead: the models share" in said
    assert "items were found in the file" in said
    assert verify(workplace / "sets" / "own") == []


def test_models_trained_elsewhere_are_compared_as_the_guide_says(workplace: Path) -> None:
    said: list[str] = []
    for language, code in blocks("bring-your-model.md"):
        if language == "python":
            (workplace / "steps.py").open("a", encoding="utf-8").write(code)
            continue
        if (steps := workplace / "steps.py").exists():
            run([sys.executable, "steps.py"], workplace)
            steps.unlink()
        for line in code.splitlines():
            words = shlex.split(line)
            said.append(run([sys.executable if words[0] == "python" else words[0], *words[1:]], workplace))
    spoken = "\n".join(said)
    assert "each file: 748 of 748 items were found in the file (748 by id)" in spoken
    assert "each file: 748 of 748 items were found in the file (748 by name)" in spoken
    assert re.search(r"sessions: 4 replicates, 0 items missing, noise floor 0\.\d", spoken)
    assert re.search(r"Radiohead: the models share \d+ of 10\. Re-run with other seeds, plain-als shares", spoken)
    assert "has the models als, word2vec, plain-als" in spoken
    left = ArtifactSet.open(workplace / "my-set")
    assert left.model_names == ["als", "word2vec", "plain-als"]
    assert {"als.txt", "word2vec.npz", "neighbours.csv"} <= {path.name for path in workplace.iterdir()}
