"""Commands that start from listening data: build, fetch, profile, simulate."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from recsys.cli.console import Json, app, err, out, print_facts, print_json, progress_bars
from recsys.cli.sets import passport_json, print_passport
from recsys.config import load_config
from recsys.errors import ParameterError
from recsys.interactions.profile import Profile
from recsys.interactions.sources import SOURCES
from recsys.plural import counted

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


class Engine(StrEnum):
    """What reads and fits."""

    LOCAL = "local"
    SPARK = "spark"


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
    maps: Annotated[str | None, typer.Option(help="of both models: umap, tsne, both or none [default: both]")] = None,
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
    word2vec_minutes: Annotated[
        float | None,
        typer.Option(help="budget of all Word2vec fits, decides epochs and window [default: large data 30]"),
    ] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="take nothing up from an interrupted build")] = False,
    engine: Annotated[
        Engine, typer.Option(help="what reads and fits: this machine by itself, or Spark")
    ] = Engine.LOCAL,
    master: Annotated[
        str | None, typer.Option(help="of --engine spark: local[CORES] or spark://HOST:PORT [default: local[*]]")
    ] = None,
    as_json: Json = False,
) -> None:
    """Train both models on listening data and put the artifact set in use. Goes on where it was interrupted."""
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
            "word2vec_minutes": word2vec_minutes,
            "maps": None if maps is None else {"both": ["umap", "tsne"], "none": []}.get(maps, [maps]),
            "als": {
                "k1": k1, "b": b, "factors": factors, "iterations": iterations, "regularization": regularization,
            },
            "word2vec": {
                "window": window, "epochs": epochs, "sample": sample, "ns_exponent": ns_exponent,
                "negative": negative, "vector_size": vector_size, "workers": workers,
            },
        },
    )  # fmt: skip
    if engine is Engine.LOCAL and master is not None:
        raise ParameterError(f"--master {master} is for --engine spark; add that or leave --master out")
    at = (master or "local[*]") if engine is Engine.SPARK else None
    with progress_bars(quiet=as_json) as progress:
        artifacts = run_build(reader, input or _fetched(reader), out_, settings, progress, fresh=fresh, master=at)
    if as_json:
        print_json(passport_json(artifacts))
    else:
        print_passport(artifacts.manifest, out_)
        out.print(f"\nin use now: {escape(str(out_))}. Open the app with: make app", soft_wrap=True)


@app.command()
def fetch(
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="lastfm-360k, lastfm-1k, lastfm-2k, …")],
    yes: Annotated[bool, typer.Option("--yes", help="accept the licence without being asked")] = False,
    as_json: Json = False,
) -> None:
    """Bring a public data set to the cache folder (RECSYS_CACHE), checked; goes on where it was stopped."""
    from recsys.interactions import fetching

    if source not in SOURCES:
        raise ParameterError(f"there is no source {source!r}; choose one of {', '.join(SOURCES)}")
    wanted = SOURCES[source]
    if wanted.address and not fetching.accepted(wanted):
        err.print(f"{escape(wanted.title)} · {wanted.page}\n{escape(wanted.licence)}", soft_wrap=True)
        if not yes and not sys.stdin.isatty():
            raise ParameterError("the licence has not been accepted yet; read it above and pass --yes")
        if not yes and not typer.confirm("Do you accept that?", err=True):
            raise typer.Exit(1)
        fetching.accept(wanted)
    with progress_bars(quiet=as_json) as progress:
        progress.stage(f"fetching {source}", wanted.n_bytes)
        path = fetching.fetch(wanted, on_bytes=progress.advance, on_total=progress.expect)
    if as_json:
        print_json({"source": source, "path": str(path), "reader": wanted.reader, "licence": wanted.licence})
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
    with progress_bars(quiet=as_json) as progress:
        found = profiled(read_log(reader, path, settings, progress), settings.min_listeners)
    if as_json:
        print_json(found.as_json())
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
    with progress_bars(quiet=as_json) as progress:
        progress.stage("inventing listeners", listeners)
        rows = write(simulation, out_, format_, progress.advance)
    if as_json:
        print_json({"rows": rows, "listeners": listeners, "path": str(out_), "format": format_})
    else:
        out.print(
            f"{counted(rows, 'row')} of {counted(listeners, 'invented listener')} in {escape(str(out_))}. Next: "
            f"python -m recsys build {format_} --input {escape(str(out_))} --out artifacts/NAME",
            soft_wrap=True,
        )


def _fetched(reader: str) -> Path:
    """The public data set of a reader, if it was fetched."""
    from recsys.interactions.fetching import fetched

    path = fetched(reader)
    if path is None:
        hint = f", or bring the public set first: python -m recsys fetch {reader}" if reader in SOURCES else ""
        raise ParameterError(f"there is no --input; name a file or folder of listening data{hint}")
    return path


def _print_profile(found: Profile, path: Path, reader: str) -> None:
    each = "median {0.median:,.0f}, 95% have at most {0.p95:,.0f}, most {0.most:,}"
    order = "in the order they were played" if found.queues_ordered else "listeners' whole sets: no order is known"
    facts = {
        "rows": f"{found.rows:,} read, {found.rows - found.rows_used:,} cannot be used",
        "listeners": f"{found.listeners:,}",
        "items": f"{found.items:,}",
        "plays": f"{found.plays:,.0f} in {counted(found.pairs, 'pair')} of listener and item",
        "time": f"{found.first} to {found.last}" if found.first else "no times",
        "density": f"{found.density:.4%} of all pairs",
        "items a listener": each.format(found.items_a_listener),
        "listeners an item": each.format(found.listeners_an_item),
        "long tail": f"{found.single_listener_items:.0%} of the items have one listener; the most played 1% have "
        f"{found.head_plays:.0%} of the plays",
        f"with {counted(found.min_listeners, 'listener')}": f"{counted(found.kept_items, 'item')}, "
        f"{found.kept_plays:.0%} of the plays",
        "queues": f"{found.queues:,}, {order}",
        "queue length": f"{each.format(found.queue_length)}; {found.single_play_queues:.0%} have one",
        "feeds ALS": f"{found.als.verdict}: {found.als.why}",
        "feeds Word2vec": f"{found.word2vec.verdict}: {found.word2vec.why}",
    }
    print_facts(facts)
    for kind, count in found.bad_rows.items():
        out.print(f"· {count:,} × {escape(kind)}", soft_wrap=True)
        for example in found.bad_examples[kind]:
            out.print(f"    {escape(example)}", soft_wrap=True)
    for note in found.notes:
        out.print(f"· {escape(note)}", soft_wrap=True)
    out.print(
        f"\nNext: python -m recsys build {reader} --input {escape(str(path))} --out artifacts/NAME", soft_wrap=True
    )
