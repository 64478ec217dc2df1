"""The command line: python -m recsys …

Exit codes: 0 fine, 1 a finding or refused input, 2 wrong usage.
"""

from __future__ import annotations

import json
import sys
from io import TextIOWrapper
from typing import Any, NoReturn

from rich.markup import escape

from recsys.cli import data, evaluation, maps, models, recommend, report, sets, tuning, whatif
from recsys.cli.console import app, err
from recsys.errors import ParameterError, RecsysError, UnknownItem, refusal

__all__ = ["app", "data", "evaluation", "main", "maps", "models", "recommend", "report", "sets", "tuning", "whatif"]
INTERRUPTED = 130


def main() -> None:
    """Run the command line and turn errors that a person can mend into words and an exit code."""
    as_json = "--json" in sys.argv
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    try:
        app()
    except RecsysError as error:
        more = {"suggestions": error.suggestions} if isinstance(error, UnknownItem) else {}
        _fail(str(error), 2 if isinstance(error, ParameterError) else 1, as_json, **more)
    except OSError as error:
        _fail(f"{f'{error.filename}: ' if error.filename else ''}{refusal(error)}", 1, as_json)
    except MemoryError as error:
        _fail(
            f"there is not enough memory{f' ({error})' if str(error) else ''}; close other programs, use a machine "
            "with more, or build with fewer items: see --min-listeners",
            1,
            as_json,
        )
    except SystemExit as stopped:
        if stopped.code == INTERRUPTED:
            err.print("stopped; what was in use before is still in use")
        elif stopped.code == 2 and as_json:
            print(json.dumps({"error": "wrong usage; --help lists what there is"}))
        raise


def _fail(message: str, code: int, as_json: bool, **more: Any) -> NoReturn:
    if as_json:
        print(json.dumps({"error": message, **more}, ensure_ascii=False))
    else:
        err.print(f"[bold red]error:[/] {escape(message)}", soft_wrap=True)
    sys.exit(code)
