"""Every command of the README runs."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def commands() -> list[str]:
    blocks = re.findall(r"```sh\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)
    return [line.split(" #")[0].strip() for block in blocks for line in block.splitlines() if line.strip()]


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what the commands need, so that they can write where they like."""
    folder = tmp_path_factory.mktemp("readme")
    shutil.copytree(ROOT / "recsys", folder / "recsys", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "artifacts" / "demo", folder / "artifacts" / "demo")
    return folder


def test_there_are_commands_to_run() -> None:
    assert sum(command.startswith("make ") for command in commands()) >= 2
    assert sum(command.startswith("python -m recsys ") for command in commands()) >= 6


@pytest.mark.parametrize("command", [c for c in commands() if c.startswith("make ")])
def test_make_commands_name_real_targets(command: str) -> None:
    # -n: what they would run; the targets themselves are what CI runs and what starts the browser tests' app.
    done = subprocess.run([*shlex.split(command), "-n"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert ("streamlit run app.py" in done.stdout) or ("pytest" in done.stdout)


@pytest.mark.parametrize("command", [c for c in commands() if c.startswith("python ")])
def test_recsys_commands_run(command: str, workplace: Path) -> None:
    if "lastfm-2k" in command:
        data = os.environ.get("RECSYS_REAL_DATA")
        if not data:
            pytest.skip("RECSYS_REAL_DATA is not set: no HetRec data here")
        if not (workplace / "hetrec2011-lastfm-2k").exists():
            (workplace / "hetrec2011-lastfm-2k").symlink_to(Path(data).resolve() / "hetrec2011-lastfm-2k")
        command += " --replicates 1 --epochs 1" if " build " in command else ""
    env = {**os.environ, "RECSYS_CACHE": str(workplace / "cache")}
    if " fetch " in command:
        # Tests bring nothing over the network: what a person fetched by hand and put there is checked and used.
        (workplace / "cache").mkdir()
        shutil.make_archive(
            str(workplace / "cache" / "hetrec2011-lastfm-2k"), "zip", workplace / "hetrec2011-lastfm-2k"
        )
    words = shlex.split(command)
    done = subprocess.run(
        [sys.executable, *words[1:]], cwd=workplace, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_every_command_is_of_a_kind_that_is_run() -> None:
    assert [c for c in commands() if not c.startswith(("make ", "python -m recsys "))] == []


def test_files_that_the_readme_names_exist() -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    for path in re.findall(r"\]\(([\w/.-]+)\)", text) + re.findall(r"^\| `([\w/.]+)`", text, re.MULTILINE):
        if "/" in path or "." in path:
            assert (ROOT / path).exists(), path
