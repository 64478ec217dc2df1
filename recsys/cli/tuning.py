"""The command that measures other parameters, a grid of K1 and B or trials of Word2vec: tune."""

from __future__ import annotations

from math import isnan
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import typer
from rich.markup import escape

from recsys.artifacts.manifest import Word2vecTuning
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
from recsys.tuning.word2vec_words import best_words, build_command, on_everything, region_words


@app.command()
def tune(
    artifacts: Artifacts,
    model: Annotated[str, typer.Option(help="als, on a grid of K1 and B, or word2vec, by a search")] = "als",
    k1: Annotated[str | None, typer.Option(help="values of K1 [default: 0,0.3,1.2,4,10,30,100]")] = None,
    b: Annotated[str | None, typer.Option(help="values of B [default: 0,0.25,0.5,0.8,1]")] = None,
    n: Annotated[int | None, typer.Option("-n", "--n", help="length of the lists [default: 10]")] = None,
    held_out: Annotated[float | None, typer.Option(help="share of items held out [default: 0.2]")] = None,
    listeners: Annotated[int | None, typer.Option(help="evaluate at most so many [default: 5000]")] = None,
    replicates: Annotated[int | None, typer.Option(help="fits at each point or trial [default: 2]")] = None,
    seed: Annotated[int | None, typer.Option(help="of everything random [default: 0]")] = None,
    jobs: Annotated[int | None, typer.Option(help="points at a time [default: by the cores and the data]")] = None,
    minutes: Annotated[float | None, typer.Option(help="budget of the word2vec search [default: 10]")] = None,
    trials: Annotated[int | None, typer.Option(help="of word2vec, on a sample, at most [default: 200]")] = None,
    finalists: Annotated[int | None, typer.Option(help="best trials fitted to everything [default: 5]")] = None,
    sample_share: Annotated[float | None, typer.Option(help="of the queues [default: 0.5, less if large]")] = None,
    as_json: Json = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="show no progress")] = False,
) -> None:
    """Measure what other K1 and B, or other Word2vec parameters, would give, and keep it with the set.

    Goes on where it was stopped. The search for Word2vec goes on where its budget ended when it is asked for again.
    """
    both = given(n=n, held_out=held_out, listeners=listeners, replicates=replicates, seed=seed)
    of_als = given(k1=k1, b=b, jobs=jobs)
    of_word2vec = given(minutes=minutes, trials=trials, finalists=finalists, sample_share=sample_share)
    if model not in ("als", "word2vec"):
        raise ParameterError(f"--model is {model!r}; give als or word2vec")
    for name in of_als if model == "word2vec" else of_word2vec:
        raise ParameterError(f"--{name.replace('_', '-')} says nothing of --model {model}; leave it out")
    if model == "word2vec":
        _search(artifacts, both | of_word2vec, as_json, quiet)
        return

    from recsys.tuning.grid import B_VALUES, K1_VALUES, full_grid
    from recsys.tuning.grid import tune as run_tuning
    from recsys.tuning.measure import TuningSettings

    settings = validated(TuningSettings, both | given(jobs=jobs), "command line")
    grid = full_grid(_numbers(k1, "--k1", K1_VALUES), _numbers(b, "--b", B_VALUES))
    with progress_bars(quiet=as_json or quiet) as progress:
        tuned = run_tuning(artifacts, grid, settings, progress)
    if as_json:
        print_json(_tuning_json(tuned))
    else:
        _print_tuning(tuned)


def _search(artifacts: Path, stated: dict[str, Any], as_json: bool, quiet: bool) -> None:
    from recsys.tuning.word2vec_search import SearchSettings, search_word2vec

    settings = validated(SearchSettings, stated, "command line")
    with progress_bars(quiet=as_json or quiet) as progress:
        searched = search_word2vec(artifacts, settings, progress)
    how, trials = searched.manifest.word2vec_tuning, searched.word2vec_trials
    if how is None or trials is None:
        return
    if as_json:
        rows = _known_rows(trials)
        print_json({"fingerprint": searched.fingerprint, "settings": how.model_dump(), "trials": rows})
    else:
        _print_search(how, trials)


def _numbers(text: str | None, option: str, otherwise: tuple[float, ...]) -> tuple[float, ...]:
    if text is None:
        return otherwise
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError as error:
        raise ParameterError(f"{option} is {text!r}; give numbers with commas between them, as 0,0.5,1") from error


def _points(tuned: ArtifactSet) -> list[dict[str, Any]]:
    return [] if tuned.tuning is None else _known_rows(tuned.tuning)


def _known_rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of the table; None for what is not known."""
    return [
        {str(name): None if isinstance(value, float) and isnan(value) else value for name, value in row.items()}
        for row in table.to_dict("records")
    ]


def _tuning_json(tuned: ArtifactSet) -> dict[str, Any]:
    how = tuned.manifest.tuning
    return {
        "fingerprint": tuned.fingerprint,
        "settings": None if how is None else how.model_dump(),
        "points": _points(tuned),
    }


def _print_tuning(tuned: ArtifactSet) -> None:
    how, points = tuned.manifest.tuning, _points(tuned)
    if how is None:
        return
    used = tuned.manifest.models["als"].params
    own = (used.get("k1"), used.get("b"))
    best = max((point for point in points if point["ndcg"] is not None), key=lambda point: point["ndcg"])
    table = narrow_table()
    for column in ("K1", "B", f"nDCG@{how.n}", "noise\nfloor", "coverage", "popularity", "tag\nshare"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("")
    for point in points:
        marks = {
            "best": point is best,
            "as good": point["best_region"] and point is not best,
            "this set": (point["k1"], point["b"]) == own,
            "does not converge": point["ndcg"] is None,
        }
        popularity = point["popularity"]
        table.add_row(
            f"{point['k1']:g}", f"{point['b']:g}", _ndcg_words(point),
            *(share_words(point[name]) for name in ("noise_floor", "coverage")),
            "not known" if popularity is None else f"{popularity:.1f}", share_words(point["tag_share"]),
            ", ".join(words for words, holds in marks.items() if holds),
        )  # fmt: skip
    out.print(table)
    on_grid = any((point["k1"], point["b"]) == own for point in points)
    facts = [
        f"nDCG@{how.n}: mean over {how.listeners:,} listeners of whose items {how.held_out:.0%} were kept from the "
        f"fits; ± half a 95% interval over listeners. {how.replicates} fits at each point",
        "as good: with these listeners and seeds not to be told from the best",
        f"noise floor: what the top {how.n} neighbours of two fits share. coverage: of the catalogue by anybody's top "
        f"{how.n}. popularity: mean percentile of what is recommended",
        *([] if on_grid else [f"this set was built with K1 {own[0]} and B {own[1]}, which is not on the grid"]),
        *sorted({point["reason"] for point in points if point["reason"]}),
    ]
    for fact in facts:
        out.print(f"· {escape(fact)}", soft_wrap=True)
    out.print(f"\nTo build with the best: python -m recsys build … --k1 {best['k1']:g} --b {best['b']:g}")


def _ndcg_words(point: dict[str, Any]) -> str:
    value = point["ndcg"]
    return "not known" if value is None else f"{value:.3f} ± {(point['ndcg_high'] - point['ndcg_low']) / 2:.3f}"


def _print_search(how: Word2vecTuning, trials: pd.DataFrame) -> None:
    table = narrow_table()
    columns = ("win-\ndow", "epochs", "sample", "ns\nexp", "neg", "size", f"nDCG@{how.n}", "behind\nthe best")
    for column in columns:
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("")
    ranked = on_everything(trials)
    for row in ranked.to_dict("records"):
        best = row["behind"] == 0
        marks = {row["origin"]: row["origin"] != "search", "best": best, "as good": row["best_region"] and not best}
        behind = "" if best else f"{row['behind']:.3f} ± {row['behind_high'] - row['behind']:.3f}"
        table.add_row(
            *(f"{row[name]:g}" for name in ("window", "epochs", "sample", "ns_exponent", "negative", "vector_size")),
            f"{row['ndcg']:.3f}", behind,
            ", ".join(words for words, holds in marks.items() if holds),
        )  # fmt: skip
    out.print(f"\n{best_words(trials, how.n)}. {region_words(trials)}.", soft_wrap=True)
    out.print(table)
    for fact in (
        f"nDCG@{how.n}: mean over {how.listeners:,} listeners of whose items {how.held_out:.0%} were kept from the "
        f"fits. {how.replicates} fits a trial, on the same seeds",
        "behind the best: mean difference, listener by listener and seed by seed, ± half its 95% interval; as good: "
        "with these not to be told from the best",
        f"{int((~trials['everything']).sum())} trials on {how.share:.3g} of the queues, the table shows those on all",
        "the best was chosen on the listeners that measured it, which flatters it a little",
    ):
        out.print(f"· {fact}", soft_wrap=True)
    out.print(
        "\nAsk again with more --minutes, --trials or --finalists to go on. To build with the best:", soft_wrap=True
    )
    out.print(escape(build_command(ranked.iloc[0].to_dict())), soft_wrap=True)
