"""The command line: python -m recsys …

Exit codes: 0 fine, 1 a finding or refused input, 2 wrong usage.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from math import isnan
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from recsys.analysis.evidence import Evidence, evidence
from recsys.analysis.search import NameIndex
from recsys.analysis.side_by_side import SideBySide, compare_neighbours, headline
from recsys.artifacts.manifest import Manifest
from recsys.artifacts.store import ArtifactSet
from recsys.artifacts.store import verify as verify_artifacts
from recsys.config import load_config
from recsys.errors import ParameterError, RecsysError, UnknownItem
from recsys.interactions.profile import Profile

app = typer.Typer(
    name="python -m recsys",
    help="Compare ALS and Word2vec music recommenders, never without the noise beside the difference.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
out = Console(highlight=False)
err = Console(stderr=True, highlight=False)
INTERRUPTED = 130

Artifacts = Annotated[
    Path, typer.Argument(metavar="ARTIFACTS", readable=False, help="folder of an artifact set, as artifacts/demo")
]
READERS_HELP = (
    "events, queues, playlists, lastfm-360k, lastfm-1k, lastfm-2k, listenbrainz, spotify-history or spotify-mpd"
)
Delimiter = Annotated[str | None, typer.Option(help="tab, comma, semicolon, pipe, space or a character")]
SessionGap = Annotated[float | None, typer.Option(help="minutes of pause that end a queue [default: 30]")]
MaxBadShare = Annotated[float | None, typer.Option(help="largest share of unusable rows [default: 0.1]")]
Level = Annotated[str | None, typer.Option(help="artist or track, for logs that know tracks")]
Merge = Annotated[
    bool | None, typer.Option("--merge/--no-merge", help="one item for all spellings of a name [default: merge]")
]
Json = Annotated[bool, typer.Option("--json", help="print JSON for machines")]


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
        _fail(f"{error.strerror or error}{f': {error.filename}' if error.filename else ''}", 1, as_json)
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


@app.command()
def build(
    reader: Annotated[
        str,
        typer.Argument(metavar="READER", help=READERS_HELP),
    ],
    out_: Annotated[Path, typer.Option("--out", readable=False, help="folder of the artifact set, as artifacts/NAME")],
    input: Annotated[
        Path | None, typer.Option(readable=False, help="file or folder of listening data [default: what was fetched]")
    ] = None,
    config: Annotated[
        Path | None, typer.Option(readable=False, help="TOML file with settings; options win over it")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="of everything random [default: 0]")] = None,
    replicates: Annotated[int | None, typer.Option(help="fits of each model [default: 4, large data 2]")] = None,
    min_listeners: Annotated[int | None, typer.Option(help="items with fewer are left out [default: 5]")] = None,
    delimiter: Delimiter = None,
    session_gap: SessionGap = None,
    max_bad_share: MaxBadShare = None,
    level: Level = None,
    merge: Merge = None,
    depth: Annotated[int | None, typer.Option(help="length of stored neighbour lists [default: 100]")] = None,
    k1: Annotated[float | None, typer.Option(help="BM25 saturation [default: 1.2]")] = None,
    b: Annotated[float | None, typer.Option(help="BM25 length normalisation [default: 0.75]")] = None,
    factors: Annotated[int | None, typer.Option(help="ALS factors [default: 50]")] = None,
    iterations: Annotated[int | None, typer.Option(help="ALS iterations [default: 15]")] = None,
    regularization: Annotated[float | None, typer.Option(help="ALS regularization [default: 0.01]")] = None,
    window: Annotated[int | None, typer.Option(help="Word2vec window [default: by the data]")] = None,
    epochs: Annotated[int | None, typer.Option(help="Word2vec epochs [default: by the data]")] = None,
    sample: Annotated[float | None, typer.Option(help="Word2vec subsampling [default: 1e-4]")] = None,
    ns_exponent: Annotated[float | None, typer.Option(help="Word2vec negatives' exponent [default: 0.75]")] = None,
    negative: Annotated[int | None, typer.Option(help="Word2vec negatives [default: 5]")] = None,
    vector_size: Annotated[int | None, typer.Option(help="Word2vec vector size [default: 50]")] = None,
    workers: Annotated[int | None, typer.Option(help="threads of one Word2vec fit; 1 is repeatable")] = None,
    as_json: Json = False,
) -> None:
    """Train both models on listening data and put the artifact set in use."""
    from recsys.pipeline import build as run_build

    settings = load_config(
        config,
        {
            "seed": seed,
            "replicates": replicates,
            "min_listeners": min_listeners,
            "delimiter": delimiter,
            "session_gap_minutes": session_gap,
            "max_bad_share": max_bad_share,
            "level": level,
            "merge_spellings": merge,
            "depth": depth,
            "als": {
                "k1": k1, "b": b, "factors": factors, "iterations": iterations, "regularization": regularization,
            },
            "word2vec": {
                "window": window, "epochs": epochs, "sample": sample, "ns_exponent": ns_exponent,
                "negative": negative, "vector_size": vector_size, "workers": workers,
            },
        },
    )  # fmt: skip
    with _progress(quiet=as_json) as progress:
        artifacts = run_build(reader, input or _fetched(reader), out_, settings, progress)
    if as_json:
        _print_json(_passport_json(artifacts))
    else:
        _print_passport(artifacts.manifest, out_)
        out.print(f"\nin use now: {escape(str(out_))}. Open the app with: make app", soft_wrap=True)


@app.command()
def neighbours(
    artifacts: Artifacts,
    item: Annotated[str, typer.Argument(metavar="ITEM", help="an item's id or name")],
    n: Annotated[int | None, typer.Option("-n", help="length of the lists [default: 10]")] = None,
    popularity: Annotated[
        tuple[float, float], typer.Option(help="lowest and highest percentile of the neighbours' popularity")
    ] = (0, 100),
    as_json: Json = False,
) -> None:
    """Both models' nearest items of one item, with the noise beside the difference."""
    opened = ArtifactSet.open(artifacts)
    catalogue = opened.catalogue
    row = NameIndex(catalogue["item_id"].tolist(), catalogue["name"].tolist()).find(item)
    length = min(10, opened.manifest.replicate_depth) if n is None else n
    view = compare_neighbours(opened, row, n=length, popularity=popularity)
    found = {neighbour: evidence(opened, row, neighbour) for neighbour in view.neighbour_rows()}
    if as_json:
        _print_json({**view.as_json(), "evidence": [each.as_json(catalogue) for each in found.values()]})
    else:
        _print_neighbours(view, found)


@app.command()
def verify(artifacts: Artifacts, as_json: Json = False) -> None:
    """Check every byte of an artifact set against the digests in its manifest."""
    with _progress(quiet=as_json) as progress:
        progress.stage("checking every byte", _bytes_below(artifacts))
        problems = verify_artifacts(artifacts, progress.advance)
    if as_json:
        _print_json({"sound": not problems, "problems": problems})
    elif problems:
        for problem in problems:
            err.print(escape(problem), soft_wrap=True)
        err.print(f"[bold red]{len(problems)} problem(s).[/] Build the set again, or fetch it again.")
    else:
        out.print(f"{escape(str(artifacts))}: every byte is as it was written")
    if problems:
        raise typer.Exit(1)


@app.command()
def inspect(artifacts: Artifacts, as_json: Json = False) -> None:
    """The passport of an artifact set: what it was built from, how, and how far it can be trusted."""
    opened = ArtifactSet.open(artifacts)
    if as_json:
        _print_json(_passport_json(opened))
    else:
        _print_passport(opened.manifest, artifacts)


@app.command()
def fetch(
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="lastfm-360k, lastfm-1k, lastfm-2k, …")],
    yes: Annotated[bool, typer.Option("--yes", help="accept the licence without being asked")] = False,
    as_json: Json = False,
) -> None:
    """Bring a public data set to the cache folder (RECSYS_CACHE), checked; goes on where it was stopped."""
    from recsys.interactions import sources

    if source not in sources.SOURCES:
        raise ParameterError(f"there is no source {source!r}; choose one of {', '.join(sources.SOURCES)}")
    wanted = sources.SOURCES[source]
    if wanted.address and not sources.accepted(wanted):
        err.print(f"{escape(wanted.title)} · {wanted.page}\n{escape(wanted.licence)}", soft_wrap=True)
        if not yes and not sys.stdin.isatty():
            raise ParameterError("the licence has not been accepted yet; read it above and pass --yes")
        if not yes and not typer.confirm("Do you accept that?", err=True):
            raise typer.Exit(1)
        sources.accept(wanted)
    with _progress(quiet=as_json) as progress:
        progress.stage(f"fetching {source}", wanted.n_bytes)
        path = sources.fetch(wanted, on_bytes=progress.advance, on_total=progress.expect)
    if as_json:
        _print_json({"source": source, "path": str(path), "reader": wanted.reader, "licence": wanted.licence})
    else:
        out.print(
            f"{escape(str(path))}: as it was published. Next: "
            f"python -m recsys build {wanted.reader} --out artifacts/{source}",
            soft_wrap=True,
        )


@app.command()
def profile(
    path: Annotated[Path, typer.Argument(metavar="PATH", readable=False, help="file or folder of listening data")],
    reader: Annotated[str, typer.Option(help=READERS_HELP)],
    min_listeners: Annotated[int, typer.Option(help="what a build would leave items out by")] = 5,
    delimiter: Delimiter = None,
    session_gap: SessionGap = None,
    max_bad_share: MaxBadShare = None,
    level: Level = None,
    merge: Merge = None,
    as_json: Json = False,
) -> None:
    """What listening data hold, before any training, and which of the models they can feed."""
    from recsys.interactions.profile import profile as profiled
    from recsys.pipeline import read_log

    settings = load_config(
        None,
        {
            "min_listeners": min_listeners, "delimiter": delimiter, "session_gap_minutes": session_gap,
            "max_bad_share": max_bad_share, "level": level, "merge_spellings": merge,
        },
    )  # fmt: skip
    with _progress(quiet=as_json) as progress:
        found = profiled(read_log(reader, path, settings, progress), settings.min_listeners)
    if as_json:
        _print_json(found.as_json())
    else:
        _print_profile(found, path, reader)


@app.command()
def simulate(
    listeners: Annotated[int, typer.Option(help="how many people to invent")],
    out_: Annotated[Path, typer.Option("--out", metavar="PATH", help="file or folder; of events .csv, .tsv, .parquet")],
    format_: Annotated[str, typer.Option("--format", help="any reader's format")] = "events",
    items: Annotated[int | None, typer.Option(help="size of the catalogue [default: the hand-written artists]")] = None,
    sessions: Annotated[float, typer.Option(help="sessions a listener, on average")] = 14.0,
    seed: Annotated[int, typer.Option(help="of everything random")] = 0,
    as_json: Json = False,
) -> None:
    """Write an invented listening log whose truth is known, in the format of any reader."""
    from recsys.interactions.simulate import Simulation
    from recsys.interactions.writers import write

    simulation = Simulation(listeners, n_items=items, mean_sessions=sessions, seed=seed)
    with _progress(quiet=as_json) as progress:
        progress.stage("inventing listeners", listeners)
        rows = write(simulation, out_, format_, progress.advance)
    if as_json:
        _print_json({"rows": rows, "listeners": listeners, "path": str(out_), "format": format_})
    else:
        out.print(
            f"{rows:,} rows of {listeners:,} invented listeners in {escape(str(out_))}. Next: "
            f"python -m recsys build {format_} --input {escape(str(out_))} --out artifacts/NAME",
            soft_wrap=True,
        )


def _fetched(reader: str) -> Path:
    """The public data set of a reader, if it was fetched."""
    from recsys.interactions.sources import SOURCES, fetched

    path = fetched(reader)
    if path is None:
        hint = f", or bring the public set first: python -m recsys fetch {reader}" if reader in SOURCES else ""
        raise ParameterError(f"there is no --input; name a file or folder of listening data{hint}")
    return path


def _bytes_below(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


class _Bars:
    """Progress of a build as bars with time left."""

    def __init__(self, bars: Progress) -> None:
        self._bars = bars
        self._task: TaskID | None = None

    def stage(self, words: str, total: float | None) -> None:
        self._finish()
        self._task = self._bars.add_task(escape(words), total=total)

    def advance(self, amount: float) -> None:
        if self._task is not None:
            self._bars.advance(self._task, amount)

    def expect(self, total: float) -> None:
        """The stage turns out to be this long."""
        if self._task is not None:
            self._bars.update(self._task, total=total)

    def _finish(self) -> None:
        if self._task is not None:
            task = self._bars.tasks[self._task]
            self._bars.update(self._task, total=task.total or 1, completed=task.total or 1)


class _Lines:
    """Progress for a log file: one line a stage."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say

    def stage(self, words: str, total: float | None) -> None:
        self._say(words)

    def advance(self, amount: float) -> None: ...

    def expect(self, total: float) -> None: ...


@contextmanager
def _progress(quiet: bool) -> Iterator[_Bars | _Lines]:
    if quiet:
        yield _Lines(lambda words: None)
    elif not err.is_terminal:
        yield _Lines(lambda words: err.print(escape(words), soft_wrap=True))
    else:
        columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
        with Progress(*columns, console=err) as bars:
            view = _Bars(bars)
            yield view
            view._finish()


def _print_json(document: dict[str, Any]) -> None:
    print(json.dumps(document, ensure_ascii=False, indent=1, allow_nan=False))


def _passport_json(artifacts: ArtifactSet) -> dict[str, Any]:
    passport = {key: value for key, value in artifacts.manifest.as_document().items() if key != "files"}
    return {"fingerprint": artifacts.fingerprint, "build_id": artifacts.folder.name, **passport}


def _print_facts(facts: dict[str, str]) -> None:
    grid = Table.grid(padding=(0, 2))
    for name, value in facts.items():
        grid.add_row(name, escape(value))
    out.print(grid)


def _print_passport(manifest: Manifest, path: Path) -> None:
    counts, source = manifest.counts, manifest.source
    kind = "queues in order" if counts.queues_ordered else "sets without order"
    facts = {
        "artifact set": f"{path} · {manifest.fingerprint[:12]} · built {manifest.created}",
        "source": f"{source.title} (reader {source.reader})" + (" · SIMULATED" if source.simulated else ""),
        "trained on": f"{counts.listeners:,} listeners, {counts.items:,} items, {counts.interactions:,} pairs, "
        f"{counts.plays:,.0f} plays, {counts.queues:,} {kind}",
        "left out": ", ".join(f"{count:,} {what}" for what, count in manifest.dropped.items() if count) or "nothing",
        "rows": f"{source.report['rows']:,} read, {source.report['rows'] - source.report['rows_used']:,} skipped",
        "agreement": f"{_share(manifest.agreement)} mean overlap@{manifest.agreement_n} of the two models",
    }
    _print_facts(facts)
    table = Table(title_justify="left")
    table.add_column("")
    for model in manifest.models.values():
        table.add_column(escape(model.title), justify="right")
    rows: dict[str, Callable[[Any], str]] = {
        "replicates": lambda m: str(m.n_replicates),
        f"noise floor (halves, overlap@{manifest.agreement_n})": lambda m: _share(m.noise_floor),
        f"two single fits (overlap@{manifest.agreement_n})": lambda m: _share(m.replicate_overlap),
        "tag share of the top 10": lambda m: _share(m.tag_share),
        "recall of the neighbour graph": lambda m: _share(m.recall),
        "items without a vector": lambda m: f"{m.items_missing:,}",
        "repeatable": lambda m: "yes" if m.repeatable else "no",
    }
    for name, cell in rows.items():
        table.add_row(name, *(cell(model) for model in manifest.models.values()))
    parameters = [name for model in manifest.models.values() for name in model.params]
    for name in dict.fromkeys(parameters):
        table.add_row(name, *(str(model.params.get(name, "")) for model in manifest.models.values()))
    out.print(table)
    notes = [note for model in manifest.models.values() for note in model.notes]
    for note in [*manifest.warnings, *notes]:
        out.print(f"· {escape(note)}", soft_wrap=True)


def _print_profile(found: Profile, path: Path, reader: str) -> None:
    each = "median {0.median:,.0f}, 95% have at most {0.p95:,.0f}, most {0.most:,}"
    order = "in the order they were played" if found.queues_ordered else "listeners' whole sets: no order is known"
    facts = {
        "rows": f"{found.rows:,} read, {found.rows - found.rows_used:,} cannot be used",
        "listeners": f"{found.listeners:,}",
        "items": f"{found.items:,}",
        "plays": f"{found.plays:,.0f} in {found.pairs:,} pairs of listener and item",
        "time": f"{found.first} to {found.last}" if found.first else "no times",
        "density": f"{found.density:.4%} of all pairs",
        "items a listener": each.format(found.items_a_listener),
        "listeners an item": each.format(found.listeners_an_item),
        "long tail": f"{found.single_listener_items:.0%} of the items have one listener; the most played 1% have "
        f"{found.head_plays:.0%} of the plays",
        f"with {found.min_listeners} listeners": f"{found.kept_items:,} items, {found.kept_plays:.0%} of the plays",
        "queues": f"{found.queues:,}, {order}",
        "queue length": f"{each.format(found.queue_length)}; {found.single_play_queues:.0%} have one",
        "feeds ALS": f"{found.als.verdict}: {found.als.why}",
        "feeds Word2vec": f"{found.word2vec.verdict}: {found.word2vec.why}",
    }
    _print_facts(facts)
    for kind, count in found.bad_rows.items():
        out.print(f"· {count:,} × {escape(kind)}", soft_wrap=True)
        for example in found.bad_examples[kind]:
            out.print(f"    {escape(example)}", soft_wrap=True)
    for note in found.notes:
        out.print(f"· {escape(note)}", soft_wrap=True)
    out.print(
        f"\nNext: python -m recsys build {reader} --input {escape(str(path))} --out artifacts/NAME", soft_wrap=True
    )


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


def _share(value: float | None) -> str:
    return "not known" if value is None else f"{value:.3f}"
