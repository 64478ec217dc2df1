"""The README and the guide as blocks, and what following a page means: each block is done, in order, in one folder.

| block | what is done with it |
| --- | --- |
| `sh` | each line, see `Follower.LINES`: most are run, the others are checked as their function says |
| `python` | run, in one namespace for the whole page |
| `text` | compared with what the block before it said, a line `…` standing for any number of lines; where it shows an
           error, that block's command has to be refused |
| with a name behind the language, as `csv listens.csv` | written to that file, which a later block has to use; what
           Streamlit's cloud reads is looked at instead |
| `toml` without one | read as Streamlit's secrets, the only such file that the guide asks for |
| `json` without one | has the fields of a line of the server's log |

Any other block, and one that is only indented, is an error: nobody would run it.
"""

from __future__ import annotations

import io
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from contextlib import chdir, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar
from unittest import mock

import typer.main
from streamlit import config as streamlit_config
from threadpoolctl import threadpool_limits

from recsys.cli import app, main
from recsys.interactions.simulate import Simulation
from recsys.interactions.writers import write
from recsys.serving.runs import PageRun, as_line
from recsys.ui.sign_in import SHORTEST_SECRET, may_enter

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
GUIDE = sorted((ROOT / "docs" / "guide").glob("*.md"))
PAGES = [README, *GUIDE]

_FENCE = re.compile(r"^( *)```([^\s`]*)[ \t]*(.*)$")
_INDENTED = re.compile(r"^ {4,}\S")
_LIST = re.compile(r"^ *([-*]|\d+\.) ")
_ERROR = "\nerror: "
# Added to a build that says nothing of settings: what the defaults make of it is tested elsewhere, and takes a minute.
QUICKER = ["--replicates", "2", "--iterations", "3", "--epochs", "2", "--maps", "none"]


@dataclass(frozen=True)
class Block:
    """One block of code. line : of its fence, from 1. file : what stands behind the language; "" without it."""

    page: str
    line: int
    language: str
    file: str
    code: str

    @property
    def place(self) -> str:
        return f"{self.page}, line {self.line}"

    @property
    def is_output(self) -> bool:
        """Whether it shows what the block before it says."""
        return self.language == "text" and not self.file

    @property
    def lines(self) -> list[str]:
        """The commands of a shell block; one that goes on in the next line is one."""
        joined = self.code.replace("\\\n", " ")
        return [stripped for line in joined.splitlines() if (stripped := line.strip()) and stripped[0] != "#"]


def blocks_of(page: Path) -> list[Block]:
    """All blocks of a page, in their order; those without a fence have no language."""
    found: list[Block] = []
    opened: tuple[int, str, str, str] | None = None
    code: list[str] = []
    before, in_list = "", False
    for number, line in enumerate(page.read_text("utf-8").splitlines(), 1):
        fence = _FENCE.match(line)
        if opened is not None:
            if fence and fence[1] == opened[1] and not fence[2]:
                text = "".join(f"{each.removeprefix(opened[1])}\n" for each in code)
                found.append(Block(page.name, opened[0], opened[2], opened[3], text))
                opened, code = None, []
            else:
                code.append(line)
        elif fence:
            opened = number, fence[1], fence[2], fence[3].strip()
        else:
            in_list = bool(_LIST.match(line)) or (in_list and (not line or line.startswith(" ")))
            if _INDENTED.match(line) and not before and not in_list:
                found.append(Block(page.name, number, "", "", line))
        before = line
    assert opened is None, f"{page.name}, line {opened[0] if opened else 0}: the block never ends"
    return found


def of_the_public_set(line: str) -> bool:
    """Whether a line needs HetRec Last.fm-2K, which is not everywhere."""
    return re.search(r"recsys (fetch|build) lastfm-2k", line) is not None


class Follower:
    """Somebody who does what a page says, in a folder with a copy of the demo and a log of their own in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.said = ""
        self.must_fail = False
        self.names: dict[str, Any] = {"__name__": "__main__"}
        self.unused: dict[str, str] = {}  # by file that a block holds, where that block is
        shutil.copytree(ROOT / "artifacts" / "demo", folder / "artifacts" / "demo")
        write(Simulation(250, n_items=120, seed=3), folder / "listens.csv")

    def follow(self, page: Path) -> None:
        """Do all of a page but for the lines that need the public set."""
        blocks = blocks_of(page)
        with chdir(self.folder):
            for block, after in zip(blocks, [*blocks, None][1:], strict=True):
                self.do(block, after)
        assert not self.unused, f"nothing uses {self.unused}"

    def do(self, block: Block, after: Block | None) -> None:
        """Do one block; `after` is the next one of the page."""
        self.must_fail = after is not None and after.is_output and _ERROR in f"\n{after.code}"
        if block.file:
            self._write(block)
        elif block.language == "sh":
            self.said = ""
            for line in block.lines:
                if not of_the_public_set(line):
                    self.line(line, block.place)
        elif block.language == "python":
            # implicit alone, as people use it, waits for BLAS threads that do nothing.
            with redirect_stdout(io.StringIO()) as out, threadpool_limits(1, "blas"):
                exec(compile(block.code, block.place, "exec"), self.names)
            self.said = out.getvalue()
            self._use(block.code)
        elif block.is_output:
            compare(block, self.said)
        elif block.language == "toml":
            check_secrets(tomllib.loads(block.code))
        elif block.language == "json":
            line = as_line(PageRun("Overview", 0.1, "demo", "ok", None), datetime.now(UTC))
            assert json.loads(block.code).keys() == json.loads(line).keys(), block.place
        else:
            raise AssertionError(f"{block.place}: nobody runs a block of kind {block.language!r}")

    def line(self, line: str, place: str = "") -> None:
        """Do one line of a shell block."""
        self._use(line)
        words = shlex.split(line, comments=True)
        done = next((do for start, do in self.LINES.items() if line.startswith(start)), None)
        assert done, f"{place}: nobody runs {line!r}"
        try:
            done(self, words)
        except AssertionError as error:
            raise AssertionError(f"{place}: {line}\n{error}") from error

    def recsys(self, words: list[str]) -> None:
        """Run a command of the package, in this process; on Spark, which takes Java and minutes, only look at it.

        tests/spark builds there.
        """
        if "spark" in words:
            typer.main.get_command(app).commands[words[3]].make_context(words[3], words[4:])  # type: ignore[attr-defined]
            return
        quicker = QUICKER if words[3] == "build" and "--config" not in words and "--help" not in words else []
        code, out, error = run_recsys([*words[3:], *quicker])
        assert code in ((1, 2) if self.must_fail else (0,)), f"exit code {code}\n{out[-2000:]}{error[-3000:]}"
        self.said += error if self.must_fail else out

    def make(self, words: list[str]) -> None:
        """Only look what it would run. CI runs `make test`, and the tests in a browser what `make app` does."""
        done = subprocess.run([*words, "-n"], cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert "streamlit run app.py" in done.stdout or "pytest" in done.stdout, done.stdout

    def server(self, words: list[str]) -> None:
        """The script is there and Streamlit knows the options; tests/serving and tests/e2e start it."""
        script, *options = words[words.index("run") + 1 :]
        assert (ROOT / script).is_file(), script
        known = streamlit_config.get_config_options()
        assert all(option.removeprefix("--").partition("=")[0] in known for option in options), options

    def pip(self, words: list[str]) -> None:
        """The lists of packages are there, pinned; a fresh install of them is `make lock`'s and CI's."""
        files = [Path(word) for word in words if word.endswith(".txt")]
        assert files, "installs nothing that is ours"
        pinned = (ROOT / "constraints.txt").read_text("utf-8").lower()
        for file in files:
            for name in re.findall(r"^([A-Za-z][\w-]*)", (ROOT / file).read_text("utf-8"), re.MULTILINE):
                assert re.search(rf"^{name.lower()}\b", pinned, re.MULTILINE), f"{name} of {file} is not pinned"

    def copy(self, words: list[str]) -> None:
        """Copy within the folder; into the system's folders, only look whether there is such a file to copy."""
        if words[-1].startswith("/"):
            assert all((ROOT / word).is_file() for word in words[1:-1]), words
        else:
            subprocess.run(words, check=True)

    def as_root(self, words: list[str]) -> None:
        """What changes a machine is not run. Units are named as the file in deploy/ is; tests/serving runs nginx."""
        units = [word.partition("@")[0] for word in words if "@" in word]
        assert all((ROOT / "deploy" / f"{unit}@.service").is_file() for unit in units), words
        assert words[0] != "systemctl" or units or "nginx" in words, words

    def environment(self, words: list[str]) -> None:
        """A line of the environment: the app reads that variable, and takes that value; a command may follow."""
        name, _, value = words[0].partition("=")
        if words[1:]:
            self.make(words[1:])
        sources = [*(ROOT / "recsys").rglob("*.py"), ROOT / "app.py", ROOT / "serve.py"]
        assert any(f'"{name}"' in source.read_text("utf-8") for source in sources), f"nothing reads {name}"
        if name == "RECSYS_ALLOWED":
            check_allowed(value)

    LINES: ClassVar[dict[str, Callable[[Follower, list[str]], None]]] = {
        "python -m recsys ": recsys,
        "make ": make,
        ".venv/bin/python -m streamlit ": server,
        "pip install ": pip,
        ".venv/bin/python -m pip ": pip,
        "cp ": copy,
        "apt-get install ": as_root,
        "useradd ": as_root,
        "systemctl ": as_root,
        "RECSYS_": environment,
    }

    def _write(self, block: Block) -> None:
        path = self.folder / block.file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block.code, "utf-8")
        if block.file == ".streamlit/config.toml":
            known = streamlit_config.get_config_options()
            sections = tomllib.loads(block.code)
            assert all(f"{name}.{key}" in known for name, keys in sections.items() for key in keys), block.place
        elif block.file == "packages.txt":
            assert re.fullmatch(r"([a-z0-9][a-z0-9.+-]+\n)+", block.code), f"{block.place}: no names of Debian packages"
        else:
            self.unused[block.file] = block.place

    def _use(self, text: str) -> None:
        """Files of earlier blocks that this one names are used; so is what describes them, and a named folder's."""
        for file in list(self.unused):
            names = {file, file.removesuffix(".items.csv") + ".csv", f"{Path(file).parent} "} - {". "}
            if any(name in text for name in names):
                del self.unused[file]


def run_recsys(arguments: list[str]) -> tuple[int, str, str]:
    """Exit code, output and errors of `python -m recsys …`, as its own `main` gives them, at 80 columns."""
    as_called = ModuleType("__main__")
    as_called.__package__ = "recsys"  # what the usage in --help is called after
    before = sys.modules["__main__"]
    with (
        mock.patch.object(sys, "argv", [str(ROOT / "recsys" / "__main__.py"), *arguments]),
        mock.patch.dict(os.environ, {"COLUMNS": "80"}),
        redirect_stdout(io.StringIO()) as out,
        redirect_stderr(io.StringIO()) as error,
    ):
        try:
            sys.modules["__main__"] = as_called
            main()
            code = 0
        except SystemExit as stopped:
            code = stopped.code if isinstance(stopped.code, int) else int(bool(stopped.code))
        finally:
            sys.modules["__main__"] = before
    return code, out.getvalue(), error.getvalue()


def compare(block: Block, said: str) -> None:
    """What a page shows is what was said, line by line; `…` alone on a line stands for any lines."""
    shown, spoken = ([line.rstrip() for line in text.strip("\n").splitlines()] for text in (block.code, said))
    at, free = 0, False
    for number, line in enumerate(shown, 1):
        if line == "…":
            free = True
            continue
        here = range(at, len(spoken) if free else min(at + 1, len(spoken)))
        found = next((place for place in here if spoken[place] == line), -1)
        assert found >= 0, (
            f"{block.place}: line {number} of the block is not what is said:\n{line}\n---\n{said}\n---\n"
            f"python -m tests.docs {block.page} writes it anew"
        )
        at, free = found + 1, False
    assert free or at == len(spoken), f"{block.place}: more is said than is shown:\n" + "\n".join(spoken[at:])


def check_secrets(secrets: dict[str, Any]) -> None:
    """Streamlit's [auth] is whole, and our own demand of the cookie's secret is met."""
    auth = secrets["auth"]
    assert auth.keys() == {"redirect_uri", "cookie_secret", "client_id", "client_secret", "server_metadata_url"}
    assert len(auth["cookie_secret"]) >= SHORTEST_SECRET


def check_allowed(value: str) -> None:
    """Everybody whom the value names may enter."""
    with mock.patch.dict(os.environ, {"RECSYS_ALLOWED": value}):
        for each in value.split(","):
            address = f"somebody{each}" if each.startswith("@") else each
            assert may_enter({"is_logged_in": True, "email": address, "email_verified": True}), each
