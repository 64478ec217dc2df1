"""What-ifs on the command line."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from recsys.analysis.search import NameIndex
from recsys.artifacts.store import ArtifactSet
from recsys.cli.console import Artifacts, Json, app, out, print_json, progress_bars
from recsys.errors import ParameterError
from recsys.whatif.engine import REFINE_ITERATIONS, WhatIfEngine
from recsys.whatif.result import WhatIf, headline


@app.command()
def whatif(
    artifacts: Artifacts,
    item: Annotated[str, typer.Option(help="an item's id or name")],
    k1: Annotated[float, typer.Option(help="BM25 saturation to try")],
    b: Annotated[float, typer.Option(help="BM25 length normalisation to try, 0 to 1")],
    mode: Annotated[str, typer.Option(help="preview, refine or full")] = "preview",
    n: Annotated[int | None, typer.Option("-n", help="length of the lists [default: 10]")] = None,
    iterations: Annotated[int, typer.Option(help="of refine")] = REFINE_ITERATIONS,
    keep: Annotated[str | None, typer.Option(help="keep a full fit as a scenario of this name, evaluated")] = None,
    as_json: Json = False,
) -> None:
    """What another K1 and B would change for one item: entered, left, moved, and whether that is noise."""
    if mode not in ("preview", "refine", "full"):
        raise ParameterError(f"there is no mode {mode!r}; choose preview, refine or full")
    if keep is not None and mode != "full":
        raise ParameterError(f"--keep goes with --mode full, not with {mode}")
    opened = ArtifactSet.open(artifacts)
    row = NameIndex(opened.catalogue["item_id"].tolist(), opened.catalogue["name"].tolist()).find(item)
    length = min(10, opened.manifest.replicate_depth) if n is None else n
    asked: dict[str, Any] = {"k1": k1, "b": b, "n": length}
    engine, start = WhatIfEngine(opened), time.perf_counter()
    with progress_bars(quiet=as_json) as progress:
        fits = opened.manifest.models["als"].n_replicates
        if mode == "preview":
            found = engine.preview(row, **asked)
        elif mode == "refine":
            progress.stage("training on from the stored factors", fits * iterations)
            found = engine.refine(
                row, **asked, iterations=iterations, on_iteration=lambda done, total, so_far: progress.advance(1)
            )
        elif keep is None:
            progress.stage("fitting from random factors", fits * engine.params.iterations)
            found = engine.full(row, **asked, on_iteration=lambda done, total: progress.advance(1))
        else:
            folder = _kept(engine, artifacts, keep, k1, b, progress)
            scenario = ArtifactSet.open(folder)
            found = replace(engine.as_kept(scenario, row, length), seconds=time.perf_counter() - start)
    kept: dict[str, Any] = {}
    if keep is not None and scenario.manifest.scenario:
        kept = {"path": str(folder), **scenario.manifest.scenario.model_dump()}
    if as_json:
        print_json({**found.as_json(), **({"scenario": kept} if kept else {})})
    else:
        _print(found)
        if kept:
            out.print(f"kept as {escape(str(kept['path']))}", soft_wrap=True)


def _kept(engine: WhatIfEngine, artifacts: Path, name: str, k1: float, b: float, progress: Any) -> Path:
    from recsys.scenarios import fit_scenario

    stage, before = "", 0

    def tell(words: str, done: int, total: int) -> None:
        nonlocal stage, before
        if words != stage:
            stage, before = words, 0
            progress.stage(words, total)
        progress.advance(done - before)
        before = done

    return fit_scenario(engine, artifacts, name, k1=k1, b=b, tell=tell)


def _print(found: WhatIf) -> None:
    out.print(escape(headline(found)), soft_wrap=True)
    table = Table()
    for column in ("#", found.view.titles["baseline"], "", found.view.titles["whatif"], "stability"):
        table.add_column(column, justify="right" if column in ("#", "stability") else "left")
    marks = {row["item_id"]: f"was {row['from']}" for row in found.moved}
    marks |= {row["item_id"]: "new" for row in found.entered}
    gone = {row["item_id"] for row in found.left}
    before, after = (found.view.lists[name].to_dict("records") for name in ("baseline", "whatif"))
    for rank in range(max(len(before), len(after))):
        old, new = (rows[rank] if rank < len(rows) else None for rows in (before, after))
        stability = new["stability"] if new else float("nan")
        table.add_row(
            str(rank + 1),
            escape(old["name"]) + (" (left)" if old["item_id"] in gone else "") if old else "",
            marks.get(new["item_id"], "") if new else "",
            escape(new["name"]) if new else "",
            "" if stability != stability else f"{stability:.0%}",
        )
    out.print(table)
    out.print(f"{found.mode}, {found.seconds:.2f} s: {found.computed}", soft_wrap=True)
