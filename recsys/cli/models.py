"""Commands that take models in and out of an artifact set: import, remove-model, export."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from recsys.artifacts.manifest import ModelEntry
from recsys.artifacts.store import ArtifactSet
from recsys.cli.console import Artifacts, Json, app, out, print_json, progress_bars, share_words
from recsys.errors import ParameterError

NEIGHBOURS = "neighbours"
Quiet = Annotated[bool, typer.Option("--quiet", help="show no progress")]


@app.command(name="import")
def import_model(
    artifacts: Artifacts,
    model_name: Annotated[str, typer.Option(help="what to call the model: small letters, digits, _ and -")],
    vectors: Annotated[
        list[Path],
        typer.Option(
            readable=False,
            help="word2vec text or binary, implicit's .npz, .npy, Parquet, or the Embedding Projector's vectors.tsv; "
            "again for each fit with another seed, so that the noise is known",
        ),
    ],
    ids: Annotated[
        Path | None,
        typer.Option(readable=False, help="what the rows are called, in their order, where the vectors do not say"),
    ] = None,
    id_column: Annotated[str | None, typer.Option(help="column of the ids [default: item_id, id, name, …]")] = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Add vectors that were trained elsewhere as a model, to compare with the set's own; nothing of a file is run."""
    from recsys.bridges.imports import import_vectors

    with progress_bars(quiet=as_json or quiet) as progress:
        opened = import_vectors(artifacts, model_name, vectors, ids=ids, id_column=id_column, progress=progress)
    entry = opened.manifest.models[model_name]
    if as_json:
        print_json({"fingerprint": opened.fingerprint, "model": model_name, **entry.model_dump(mode="json")})
    else:
        _print_imported(artifacts, model_name, entry)


@app.command(name="remove-model")
def remove(
    artifacts: Artifacts,
    model_name: Annotated[str, typer.Argument(metavar="MODEL", help="an imported model")],
    as_json: Json = False,
) -> None:
    """Take an imported model out of a set again, with its maps and what an evaluation found of it."""
    from recsys.bridges.imports import remove_model

    opened = remove_model(artifacts, model_name)
    if as_json:
        print_json({"fingerprint": opened.fingerprint, "models": opened.model_names})
    else:
        out.print(f"{escape(str(artifacts))} has the models {', '.join(opened.model_names)}", soft_wrap=True)


@app.command()
def export(
    artifacts: Artifacts,
    model: Annotated[str, typer.Option(help="als, word2vec or an imported one")],
    out_: Annotated[Path, typer.Option("--out", metavar="PATH", help="the file; for projector a folder")],
    format: Annotated[
        str,
        typer.Option(
            help="word2vec, word2vec-binary, npy, parquet, projector or implicit; or neighbours, as PATH ends: .csv or "
            ".parquet"
        ),
    ],
    replicate: Annotated[int | None, typer.Option(help="one fit, from 0, instead of all of them together")] = None,
    n: Annotated[int | None, typer.Option("-n", help="length of the neighbour lists [default: 10]")] = None,
    as_json: Json = False,
) -> None:
    """Write a model's vectors or neighbour lists for another program."""
    from recsys.bridges.exports import export_neighbours, export_vectors

    if n is not None and format != NEIGHBOURS:
        raise ParameterError(f"-n is for --format {NEIGHBOURS}; leave it out")
    if replicate is not None and format == NEIGHBOURS:
        raise ParameterError(f"--replicate is not for --format {NEIGHBOURS}; leave it out")
    opened = ArtifactSet.open(artifacts)
    if format == NEIGHBOURS:
        length = min(10, opened.manifest.depth) if n is None else n
        files = [export_neighbours(opened, model, length, out_)]
    else:
        files = export_vectors(opened, model, format, out_, replicate)
    if as_json:
        print_json({"fingerprint": opened.fingerprint, "files": [str(file) for file in files]})
    else:
        for file in files:
            out.print(f"{escape(str(file))}: {file.stat().st_size / 1000:,.0f} kB", soft_wrap=True)


def _print_imported(path: Path, name: str, entry: ModelEntry) -> None:
    for note in entry.notes:
        out.print(f"· {escape(note)}", soft_wrap=True)
    out.print(
        f"{name}: {entry.n_replicates} {'replicate' if entry.n_replicates == 1 else 'replicates'}, "
        f"{entry.items_missing:,} items missing, noise floor {share_words(entry.noise_floor)}, tag share "
        f"{share_words(entry.tag_share)}",
        soft_wrap=True,
    )
    out.print(f"compare it: python -m recsys neighbours {escape(str(path))} ITEM --models als,{name}", soft_wrap=True)
