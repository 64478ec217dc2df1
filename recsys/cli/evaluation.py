"""The command that says which model is better, by how much, and how sure that is: evaluate."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from recsys.artifacts.evaluations import Evaluated, Figure
from recsys.cli.console import Json, app, given, narrow_table, out, print_json, progress_bars, share_words
from recsys.cli.data import READERS_HELP, Delimiter, Level, MaxBadShare, Merge, SessionGap
from recsys.config import load_config, validated
from recsys.errors import ParameterError
from recsys.plural import counted

# What a column is called, and what it leaves out.
ACCURACY = {
    "ndcg": ("nDCG", ""), "recall": ("Recall", ""), "hr": ("HR", ""), "map": ("MAP", ""), "mrr": ("MRR", ""),
    "ndcg_new": ("nDCG", "\nnew"), "hr_new": ("HR", "\nnew"), "mrr_new": ("MRR", "\nnew"),
}  # fmt: skip
WITH_INTERVAL = ("ndcg", "hr")
BEYOND = {
    "popularity": ("popu-\nlarity", 1), "novelty": ("novelty,\nbits", 2),
    "intra_list_similarity": ("similar\nin list", 3), "tag_share": ("tag\nshare", 3), "stability": ("stabi-\nlity", 3),
}  # fmt: skip


@app.command()
def evaluate(
    artifacts: Annotated[
        Path | None,
        typer.Argument(metavar="[ARTIFACTS]", readable=False, help="folder of an artifact set, which keeps the result"),
    ] = None,
    input: Annotated[
        Path | None, typer.Option(readable=False, help="instead of a set: file or folder of listening data")
    ] = None,
    reader: Annotated[str | None, typer.Option(help=f"of --input: {READERS_HELP}")] = None,
    protocol: Annotated[
        str | None, typer.Option(help="holdout, leave-last-out or next-event [default: holdout]")
    ] = None,
    n: Annotated[int | None, typer.Option("-n", "--n", help="length of the lists [default: 10]")] = None,
    held_out: Annotated[float | None, typer.Option(help="share of items that holdout takes [default: 0.2]")] = None,
    listeners: Annotated[
        int | None, typer.Option(help="ask at most so many, or queues for next-event [default: 5000]")
    ] = None,
    replicates: Annotated[int | None, typer.Option(help="fits of each model [default: 2]")] = None,
    seed: Annotated[int | None, typer.Option(help="of everything random [default: 0]")] = None,
    min_listeners: Annotated[
        int | None,
        typer.Option(help="items with fewer in training are left out [default: the set's; of --input 5, next-event 1]"),
    ] = None,
    beside: Annotated[
        list[str] | None, typer.Option(metavar="K1,B", help="another K1 and B to measure beside; may come again")
    ] = None,
    config: Annotated[
        Path | None, typer.Option(readable=False, help="TOML file with settings of a build; options win over it")
    ] = None,
    delimiter: Delimiter = None,
    session_gap: SessionGap = None,
    max_bad_share: MaxBadShare = None,
    level: Level = None,
    merge: Merge = None,
    k1: Annotated[float | None, typer.Option(help="BM25 saturation [default: the set's, else 1.2]")] = None,
    b: Annotated[float | None, typer.Option(help="BM25 length normalisation [default: the set's, else 0.75]")] = None,
    factors: Annotated[int | None, typer.Option(help="ALS factors [default: the set's, else 50]")] = None,
    iterations: Annotated[int | None, typer.Option(help="ALS iterations [default: the set's, else 15]")] = None,
    regularization: Annotated[float | None, typer.Option(help="of ALS [default: the set's, else 0.01]")] = None,
    window: Annotated[int | None, typer.Option(help="Word2vec window [default: the set's, else as below]")] = None,
    epochs: Annotated[int | None, typer.Option(help="Word2vec epochs [default: the set's, else as below]")] = None,
    sample: Annotated[float | None, typer.Option(help="Word2vec subsampling [default: the set's, else 1e-4]")] = None,
    ns_exponent: Annotated[float | None, typer.Option(help="of negatives [default: the set's, else 0.75]")] = None,
    negative: Annotated[int | None, typer.Option(help="Word2vec negatives [default: the set's, else 5]")] = None,
    vector_size: Annotated[int | None, typer.Option(help="of Word2vec [default: the set's, else 50]")] = None,
    alpha: Annotated[float | None, typer.Option(help="Word2vec learning rate [default: the set's, else 0.05]")] = None,
    workers: Annotated[int | None, typer.Option(help="threads of one Word2vec fit; 1 is repeatable")] = None,
    as_json: Json = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="show no progress")] = False,
) -> None:
    """Which model recommends better, by how much and how sure, beside baselines, on what the fits never saw.

    Word2vec's window and epochs are by the data where nobody states them. For next-event of --input all of Word2vec's
    parameters are then those of the published figures: window 5, 5 epochs, sample 1e-3, exponent 0.75, 5 negatives,
    learning rate 0.025, size 50.
    """
    from recsys.evaluation.kept import evaluate_set
    from recsys.evaluation.run import evaluate as run_evaluation
    from recsys.evaluation.settings import EvaluationSettings, als_params, word2vec_params
    from recsys.pipeline import read_log

    if (artifacts is None) == (input is None):
        raise ParameterError("give either the folder of an artifact set or --input with --reader")
    if (input is None) != (reader is None):
        raise ParameterError("--input and --reader belong together; a set knows its own listening data")
    build = load_config(
        config,
        {
            "seed": seed, "replicates": replicates, "min_listeners": min_listeners, "delimiter": delimiter,
            "session_gap_minutes": session_gap, "max_bad_share": max_bad_share, "level": level,
            "merge_spellings": merge,
            "als": {
                "k1": k1, "b": b, "factors": factors, "iterations": iterations, "regularization": regularization,
            },
            "word2vec": {
                "window": window, "epochs": epochs, "sample": sample, "ns_exponent": ns_exponent,
                "negative": negative, "vector_size": vector_size, "alpha": alpha, "workers": workers,
            },
        },
    )  # fmt: skip
    stated = given(
        protocol=protocol, n=n, held_out=held_out, listeners=listeners, replicates=build.replicates, seed=build.seed,
        beside=None if beside is None else [_point(each) for each in beside],
        min_listeners=build.min_listeners if "min_listeners" in build.model_fields_set else None,
    )  # fmt: skip
    settings = validated(EvaluationSettings, stated, "command line")
    with progress_bars(quiet=as_json or quiet) as progress:
        if artifacts is not None:
            kept = evaluate_set(artifacts, settings, {"als": build.als, "word2vec": build.word2vec}, progress)
            evaluated, identity = kept.evaluation[settings.protocol], {"fingerprint": kept.fingerprint}
        elif input is not None and reader is not None:
            # The published figures of next events are over all items.
            otherwise = 1 if settings.protocol == "next-event" else build.min_listeners
            least = settings.min_listeners or otherwise
            log = read_log(reader, input, build, progress).with_min_listeners(least)
            evaluated, identity = (
                run_evaluation(
                    log,
                    settings.model_copy(update={"min_listeners": least}),
                    als_params({}, build.als),
                    word2vec_params({}, build.word2vec, log.queues, settings.protocol),
                    progress,
                ).evaluated,
                {},
            )
    if as_json:
        print_json({**identity, **evaluated.model_dump(mode="json")})
    else:
        _print_evaluation(evaluated)


def _point(text: str) -> tuple[float, float]:
    try:
        k1, b = (float(part) for part in text.split(","))
    except ValueError as error:
        raise ParameterError(f"--beside is {text!r}; give K1 and B with a comma between them, as 100,0.8") from error
    return k1, b


def _print_evaluation(found: Evaluated) -> None:
    out.print(f"\n{escape(found.verdict)}\n", soft_wrap=True)
    rows = [*found.models.items()]
    accuracy = [name for name in ACCURACY if any(name in model.figures for _, model in rows)]
    table = _table(f"{title}@{found.n}{of}" for title, of in (ACCURACY[name] for name in accuracy))
    for _, model in rows:
        table.add_row(
            escape(model.title),
            *(_words(model.figures.get(name), 3, interval=name in WITH_INTERVAL) for name in accuracy),
        )
    out.print(table)
    table = _table([*(title for title, _ in BEYOND.values()), "cover-\nage", "Gini"])
    for _, model in rows:
        figures = (_words(model.figures.get(name), digits) for name, (_, digits) in BEYOND.items())
        table.add_row(escape(model.title), *figures, share_words(model.coverage), share_words(model.gini))
    out.print(table)
    table = _table(f"{segment.name}\n{segment.lowest:,}–{segment.highest:,}" for segment in found.segments)
    for name, model in rows:
        table.add_row(escape(model.title), *(_words(segment.figures[name], 3) for segment in found.segments))
    out.print(table)
    for fact in _facts(found):
        out.print(f"· {escape(fact)}", soft_wrap=True)
    if found.distrust:
        out.print("\nWhat speaks against these figures:")
    for words in found.distrust:
        out.print(f"· {escape(words)}", soft_wrap=True)


def _table(columns: Iterable[str]) -> Table:
    table = narrow_table()
    table.add_column("", no_wrap=True)
    for column in columns:
        table.add_column(column, justify="right", no_wrap=True)
    return table


def _words(figure: Figure | None, digits: int, *, interval: bool = False) -> str:
    if figure is None or figure.mean is None:
        return "–"
    mean = f"{figure.mean:.{digits}f}"
    if not interval or figure.low is None or figure.high is None:
        return mean
    return f"{mean} ±{(figure.high - figure.low) / 2:.{digits}f}".replace("±0.", "±.")


def _facts(found: Evaluated) -> Iterator[str]:
    """How it was done, a sentence each."""
    yield (
        f"{found.protocol}: held out were {found.held_out_words}; learnt from {counted(found.pairs, 'pair')} over "
        f"{counted(found.items, 'item')}, those with {counted(found.min_listeners, 'listener')} or more in training. "
        f"Split {found.split[:12]}, seed {found.seed}"
    )
    if found.protocol == "next-event":
        yield (
            f"the last item is the one before it once more in {counted(found.repeats, 'queue')}: counted as right, as "
            f"in the paper, and left out in the columns called new; it is one from earlier in the queue in "
            f"{found.returns:,} more"
        )
    yield "± is half a 95% interval over listeners; differences of two models, with theirs, are in --json"
    yield "the segments: recall by listeners of the held-out item, nDCG by items of the listener, both in training"
    for model in found.models.values():
        if model.params:
            params = ", ".join(
                f"{name} {value}" if isinstance(value, str) else f"{name} {value:g}"
                for name, value in model.params.items()
            )
            yield f"{model.title}: {params}" + ("" if model.baseline else f"; {counted(model.replicates, 'fit')}")
