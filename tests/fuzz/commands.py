"""Command lines of every command, in any state of mind: exit code 0, 1 or 2 and words, never a traceback."""

from __future__ import annotations

import io
import os
import random
import shutil
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from unittest.mock import patch

import typer.main
from typer.core import TyperArgument, TyperOption

from recsys.cli import app, main
from tests.fuzz.sets import DEMO
from tests.listener.hostile import HARM

TREE = typer.main.get_command(app)
COMMANDS = TREE.commands  # type: ignore[attr-defined]
# These answer at once; others are given sets and logs that cannot be used, or they would train.
QUICK = ("inspect", "verify", "neighbours")
VALUES = [
    "", " ", "-", "--", "0", "1", "-1", "3", "1.5", "nan", "inf", "-inf", "1e400", "1" * 5_000, "0x10", "²", "٣",
    "True", "none",
    "both", "als", "word2vec", "als,word2vec", "umap", "json", "csv", "events", "playlists", "[red]x[/]", "[/]",
    "[link=x]y",
    "%s", "{0}", "\udcff", "a\nb", "Radiohead", "s000000", "\u202e", "𝕏", "-x", "--json", "--help", "=1+1", *HARM,
]  # fmt: skip
PATHS = [
    "missing",
    "empty",
    "file",
    "torn",
    "no/such/folder",
    "",
    ".",
    "a\nb",
    "x" * 300,
    "\udcff",
    "log.csv",
    "bad.csv",
    "[red]",
]


class Place:
    """A folder to be in, with sets and logs of which most cannot be used."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "inner" / "most"
        self.folder.mkdir(parents=True)
        shutil.copytree(DEMO, self.folder / "demo")
        (self.folder / "empty").mkdir()
        (self.folder / "file").write_text("x")
        (self.folder / "torn" / "0123456789ab").mkdir(parents=True)
        (self.folder / "torn" / "CURRENT").write_text("0123456789ab\n")
        (self.folder / "torn" / "0123456789ab" / "manifest.json").write_text("{")
        (self.folder / "log.csv").write_text("user,item\nann,a\n")
        (self.folder / "bad.csv").write_bytes(b"\xff\0\n,,,\n")
        os.chdir(self.folder)


def arguments(rng: random.Random) -> list[str]:
    """One command with some of its options, of which some are given what they do not take."""
    name = rng.choice(sorted(COMMANDS))
    found = [name]
    for parameter in COMMANDS[name].params:
        wanted = parameter.required
        if rng.random() > (0.95 if wanted else 0.15):
            continue
        if isinstance(parameter, TyperOption):
            found.append(rng.choice([*parameter.opts, *parameter.secondary_opts]))
            if parameter.is_flag:
                continue
        found.append(value(name, parameter, rng))
    if rng.random() < 0.1:
        found.insert(rng.randrange(len(found) + 1), rng.choice(VALUES))
    if rng.random() < 0.05:
        rng.shuffle(found)
    return [each.replace("\0", "") for each in found]


def value(command: str, parameter: TyperArgument | TyperOption, rng: random.Random) -> str:
    if rng.random() < 0.15:
        return rng.choice(VALUES)
    if parameter.name == "artifacts" and command in QUICK and rng.random() < 0.8:
        return "demo"
    if parameter.name == "reader":
        return rng.choice(["events", "queues", "lastfm-2k", "playlists", "spotify-history", "nothing"])
    if parameter.name == "listeners":
        return rng.choice(["3", "0", "-1", "x", "1.5"])
    if "Path" in str(parameter.type_descriptor.annotation):
        return rng.choice(PATHS)
    return rng.choice(VALUES)


def command(place: Place, rng: random.Random) -> str:
    given = arguments(rng)
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8") for _ in range(2))
    before, sys.argv = sys.argv, ["python -m recsys", *given]
    try:
        # Typer would read every command's signature anew, 40 ms, and make the same tree of it.
        with redirect_stdout(out), redirect_stderr(err), patch.object(typer.main, "get_command", lambda _: TREE):
            main()
        code: object = 0
    except SystemExit as ended:
        code = ended.code or 0
    finally:
        sys.argv = before
    said = []
    for stream in (out, err):
        stream.flush()
        said.append(stream.buffer.getvalue().decode())  # type: ignore[attr-defined]
    assert code in (0, 1, 2), (given, code, said)
    assert "Traceback" not in "".join(said), (given, said)
    assert "".join(said).strip(), given
    return f"exit {code}"
