"""The command that maps the models of an artifact set: map."""

from __future__ import annotations

from typing import Annotated, Any, get_args

import typer
from rich.markup import escape

from recsys.analysis.projection import METHOD_TITLES, METHODS, PARAMS, Method
from recsys.artifacts.manifest import MapEntry, MapQuality
from recsys.artifacts.store import ArtifactSet
from recsys.cli.console import (
    Artifacts,
    Json,
    app,
    given,
    narrow_table,
    out,
    print_json,
    progress_bars,
    share_words,
)
from recsys.config import validated
from recsys.errors import ParameterError

BOTH = "both"


@app.command(name="map")
def map_models(
    artifacts: Artifacts,
    method: Annotated[str, typer.Option(help="umap or tsne")],
    model: Annotated[str, typer.Option(help="als, word2vec, an imported one, or both for all")] = BOTH,
    n_neighbors: Annotated[int | None, typer.Option(help="of UMAP: items in a neighbourhood [default: 15]")] = None,
    min_dist: Annotated[float | None, typer.Option(help="of UMAP: how close points come [default: 0.1]")] = None,
    perplexity: Annotated[float | None, typer.Option(help="of t-SNE: effective neighbours [default: 30]")] = None,
    seed: Annotated[int, typer.Option(min=0, help="of everything random")] = 0,
    as_json: Json = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="show no progress")] = False,
) -> None:
    """Map the models in two dimensions, from the stored neighbours, and keep the maps; goes on where it was stopped."""
    from recsys.maps.kept import add_maps

    known = next((each for each in get_args(Method) if each == method), None)
    if known is None:
        raise ParameterError(f"there is no method {method!r}; choose {' or '.join(METHODS)}")
    stated = given(n_neighbors=n_neighbors, min_dist=min_dist, perplexity=perplexity)
    if foreign := [name for name in stated if name not in PARAMS[known].model_fields]:
        raise ParameterError(f"--{foreign[0].replace('_', '-')} is not for {METHOD_TITLES[known]}; leave it out")
    params = validated(PARAMS[known], stated, "command line")
    with progress_bars(quiet=as_json or quiet) as progress:
        mapped = add_maps(artifacts, known, None if model == BOTH else [model], params, seed, progress)
    if as_json:
        print_json(_maps_json(mapped))
    else:
        _print_maps(mapped, known)


def _maps_json(mapped: ArtifactSet) -> dict[str, Any]:
    entries = mapped.manifest.maps or {}
    timings = {name: value for name, value in mapped.manifest.timings.items() if name.startswith("map_")}
    return {
        "fingerprint": mapped.fingerprint,
        "maps": {name: entries[name].model_dump() for name in mapped.maps},
        "seconds": timings,
    }


def _print_maps(mapped: ArtifactSet, method: Method) -> None:
    entries = [(mapped.manifest.maps or {})[name] for name in mapped.maps if name.endswith(f"/{method}")]
    table = narrow_table()
    table.add_column("")
    for column in ("faithfulness", "trustworthiness", "continuity", "median shift"):
        table.add_column(column, justify="right", no_wrap=True)
    for entry in entries:
        title = mapped.titles[entry.model]
        shift = "" if entry.median_shift is None else f"{entry.median_shift:.2f}"
        table.add_row(f"{title}, {METHOD_TITLES[entry.method]}", *_measures(entry), shift)
        table.add_row(f"{title}, PCA", *_measures(entry.pca), "")
        table.add_row(f"{title}, random", *_measures(entry.random), "")
    out.print(table)
    for fact in _facts(entries):
        out.print(f"· {escape(fact)}", soft_wrap=True)


def _measures(quality: MapQuality) -> list[str]:
    return [share_words(value) for value in (quality.faithfulness, quality.trustworthiness, quality.continuity)]


def _facts(entries: list[MapEntry]) -> list[str]:
    n = entries[0].n
    return [
        f"faithfulness: how many of an item's {n} true neighbours are among its {n} nearest on the map",
        "trustworthiness falls where the map shows neighbours that are none, continuity where it parts neighbours",
        *(
            f"median shift of {entry.model}: how far items stand from where {entry.shift_from} has them; two points "
            f"picked at random lie about 1.4 apart"
            for entry in entries
            if entry.shift_from is not None
        ),
    ]
