"""Commands that look at an artifact set: inspect, neighbours, verify."""

from __future__ import annotations

from collections.abc import Callable
from math import isnan
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from recsys.analysis.evidence import Evidence, evidence
from recsys.analysis.search import NameIndex
from recsys.analysis.side_by_side import SideBySide, compare_neighbours, headline
from recsys.artifacts.manifest import Manifest
from recsys.artifacts.store import ArtifactSet
from recsys.artifacts.store import verify as verify_artifacts
from recsys.cli.console import Artifacts, Json, app, err, out, print_facts, print_json, progress_bars, share_words
from recsys.plural import counted


@app.command()
def inspect(artifacts: Artifacts, as_json: Json = False) -> None:
    """The passport of an artifact set: what it was built from, how, and how far it can be trusted."""
    opened = ArtifactSet.open(artifacts)
    if as_json:
        print_json(passport_json(opened))
    else:
        print_passport(opened.manifest, artifacts)


@app.command()
def neighbours(
    artifacts: Artifacts,
    item: Annotated[str, typer.Argument(metavar="ITEM", help="an item's id or name")],
    n: Annotated[int | None, typer.Option("-n", help="length of the lists [default: 10]")] = None,
    popularity: Annotated[
        tuple[float, float], typer.Option(help="lowest and highest percentile of the neighbours' popularity")
    ] = (0, 100),
    models: Annotated[
        str | None, typer.Option(help="which two to compare, as als,word2vec [default: those of the build]")
    ] = None,
    as_json: Json = False,
) -> None:
    """Two models' nearest items of one item, with the noise beside the difference."""
    opened = ArtifactSet.open(artifacts)
    catalogue = opened.catalogue
    row = NameIndex(catalogue["item_id"].tolist(), catalogue["name"].tolist()).find(item)
    length = min(10, opened.manifest.replicate_depth) if n is None else n
    pair = None if models is None else opened.pair_of(models.split(","))
    view = compare_neighbours(opened, row, n=length, popularity=popularity, pair=pair)
    found = {neighbour: evidence(opened, row, neighbour) for neighbour in view.neighbour_rows()}
    if as_json:
        print_json({**view.as_json(), "evidence": [each.as_json(catalogue) for each in found.values()]})
    else:
        _print_neighbours(view, found)


@app.command()
def verify(artifacts: Artifacts, as_json: Json = False) -> None:
    """Check every byte of an artifact set against the digests in its manifest."""
    with progress_bars(quiet=as_json) as progress:
        progress.stage("checking every byte", _bytes_below(artifacts))
        problems = verify_artifacts(artifacts, progress.advance)
    if as_json:
        print_json({"sound": not problems, "problems": problems})
    elif problems:
        for problem in problems:
            err.print(escape(problem), soft_wrap=True)
        err.print(f"[bold red]{len(problems)} problem(s).[/] Build the set again, or fetch it again.")
    else:
        out.print(f"{escape(str(artifacts))}: every byte is as it was written")
    if problems:
        raise typer.Exit(1)


def passport_json(artifacts: ArtifactSet) -> dict[str, Any]:
    """The manifest without its list of files."""
    passport = {key: value for key, value in artifacts.manifest.as_document().items() if key != "files"}
    return {"fingerprint": artifacts.fingerprint, "build_id": artifacts.folder.name, **passport}


def print_passport(manifest: Manifest, path: Path) -> None:
    """The manifest for people."""
    counts, source = manifest.counts, manifest.source
    kind = ("queue", "in order") if counts.queues_ordered else ("set", "without order")
    facts = {
        "artifact set": f"{path} · {manifest.fingerprint[:12]} · built {manifest.created}",
        "source": f"{source.title} (reader {source.reader})" + (" · SIMULATED" if source.simulated else ""),
        "trained on": f"{counted(counts.listeners, 'listener')}, {counted(counts.items, 'item')}, "
        f"{counted(counts.interactions, 'pair')}, {counted(counts.plays, 'play')}, "
        f"{counted(counts.queues, kind[0])} {kind[1]}",
        "left out": ", ".join(f"{count:,} {what}" for what, count in manifest.dropped.items() if count) or "nothing",
        "rows": f"{source.report['rows']:,} read, {source.report['rows'] - source.report['rows_used']:,} skipped",
        "agreement": f"{share_words(manifest.agreement)} mean overlap@{manifest.agreement_n} of "
        f"{' and '.join(model.title for model in list(manifest.models.values())[:2])}",
    }
    print_facts(facts)
    table = Table(title_justify="left")
    table.add_column("")
    for model in manifest.models.values():
        table.add_column(escape(model.title), justify="right")
    rows: dict[str, Callable[[Any], str]] = {
        "replicates": lambda m: str(m.n_replicates),
        f"noise floor (halves, overlap@{manifest.agreement_n})": lambda m: share_words(m.noise_floor),
        f"two single fits (overlap@{manifest.agreement_n})": lambda m: share_words(m.replicate_overlap),
        "tag share of the top 10": lambda m: share_words(m.tag_share),
        "recall of the neighbour graph": lambda m: share_words(m.recall),
        "items without a vector": lambda m: f"{m.items_missing:,}",
        "repeatable": lambda m: "yes" if m.repeatable else "no",
    }
    for name, cell in rows.items():
        table.add_row(name, *(cell(model) for model in manifest.models.values()))
    parameters = [name for model in manifest.models.values() for name in model.params]
    for name in dict.fromkeys(parameters):
        table.add_row(name, *(str(model.params.get(name, "")) for model in manifest.models.values()))
    out.print(table)
    notes = [f"{model.title}: {note}" for model in manifest.models.values() for note in model.notes]
    for note in [*manifest.warnings, *notes]:
        out.print(f"· {escape(note)}", soft_wrap=True)


def _print_neighbours(view: SideBySide, found: dict[int, Evidence]) -> None:
    out.print(escape(headline(view)), soft_wrap=True)
    if view.rbo is not None:
        out.print(f"rank-biased overlap {view.rbo:.2f}")
    for model, rows in view.lists.items():
        table = Table(title=view.titles[model], title_justify="left")
        for column in ("#", "name", "similarity", "stability", "listeners", "in both", "together", "in queues"):
            table.add_column(column, justify="left" if column == "name" else "right")
        for row in rows.to_dict("records"):
            stability = "–" if isnan(row["stability"]) else f"{row['stability']:.0%}"
            table.add_row(
                str(row["rank"]), escape(row["name"]), f"{row['similarity']:.2f}", stability, f"{row['listeners']:,}",
                "both" if row["shared"] else "", f"{found[row['item_row']].listeners.shared:,}",
                f"{found[row['item_row']].queues.queues:,}",
            )  # fmt: skip
        out.print(table)
    window = next((each.queues.window for each in found.values()), 0)
    out.print(f"together: listeners who played both; in queues: where both stand within {window} plays", soft_wrap=True)


def _bytes_below(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
