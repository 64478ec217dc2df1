"""The command that writes what is known of an artifact set into one file to hand on: report."""

from __future__ import annotations

import os
import uuid
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from recsys.analysis.search import NameIndex
from recsys.artifacts.store import ArtifactSet
from recsys.cli.console import Artifacts, Json, app, out, print_json
from recsys.errors import ParameterError


@app.command()
def report(
    artifacts: Artifacts,
    out_: Annotated[Path, typer.Option("--out", metavar="PATH", help="the file, as report.html")],
    item: Annotated[
        list[str] | None, typer.Option(help="an item's id or name to show as an example; may come again")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="replace the file if it is there")] = False,
    as_json: Json = False,
) -> None:
    """One HTML file without network or script: passport, verdicts, charts, examples and limits; prints well."""
    from recsys.report.page import report_html

    if out_.exists() and not (overwrite and out_.is_file()):
        mend = "choose another --out" if out_.is_dir() or overwrite else "choose another --out or pass --overwrite"
        raise ParameterError(f"{out_} is there already; {mend}")
    opened = ArtifactSet.open(artifacts)
    catalogue = opened.catalogue
    index = NameIndex(catalogue["item_id"].tolist(), catalogue["name"].tolist())
    content = report_html(opened, list(dict.fromkeys(index.find(each) for each in item or []))).encode()
    out_.parent.mkdir(parents=True, exist_ok=True)
    # Beside and then in place: whoever reads the old file never meets half a new one.
    beside = out_.with_name(f".{out_.name}-{uuid.uuid4().hex[:8]}")
    try:
        beside.write_bytes(content)
        os.replace(beside, out_)
    finally:
        beside.unlink(missing_ok=True)
    if as_json:
        print_json({"path": str(out_), "bytes": len(content), "fingerprint": opened.fingerprint})
    else:
        out.print(f"{escape(str(out_))}: {len(content) / 1000:,.0f} kB, opens in any browser", soft_wrap=True)
