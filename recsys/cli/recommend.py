"""Recommendations for a person on the command line."""

from __future__ import annotations

from math import isnan
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.markup import escape
from rich.table import Table

from recsys.analysis.side_by_side import headline
from recsys.artifacts.store import ArtifactSet
from recsys.cli.console import Artifacts, Json, app, out, print_json, progress_bars
from recsys.cli.data import READERS_HELP
from recsys.errors import ParameterError, UnknownItem
from recsys.listener.history import History
from recsys.listener.matching import Match, Matcher, has_tracks, matches_json, wanted_item, weights_of
from recsys.listener.profile import Profile
from recsys.listener.recommend import (
    Recommended,
    Recommender,
    Way,
    compare,
    model_of,
    strongest,
    usual_way,
    ways,
)
from recsys.listener.rerank import Wish
from recsys.listener.uploads import MAX_BAD_SHARE

SHOWN_MISSING = 20
BOTH = "both"


@app.command()
def recommend(
    artifacts: Artifacts,
    items: Annotated[
        list[str] | None,
        typer.Argument(metavar="[ITEM]...", help='names or ids; "Björk=3" counts three times, "Coldplay=-1" against'),
    ] = None,
    input: Annotated[Path | None, typer.Option(readable=False, help="a listening history instead of items")] = None,
    reader: Annotated[str | None, typer.Option(help=f"of --input: {READERS_HELP}")] = None,
    listener: Annotated[int | None, typer.Option(help="a listener of the set by number instead, from 0")] = None,
    model: Annotated[
        str, typer.Option(help="one model (als: both ways to ask it), two as als,word2vec, or both of the build")
    ] = BOTH,
    n: Annotated[int, typer.Option("-n", help="length of the lists")] = 10,
    keep_known: Annotated[bool, typer.Option("--keep-known", help="recommend the person's own items too")] = False,
    popularity: Annotated[float, typer.Option(help="-1 pulls towards the tail, 1 towards the head")] = 0.0,
    diversity: Annotated[float, typer.Option(help="0 to 1: how unlike each other the items should be")] = 0.0,
    as_json: Json = False,
) -> None:
    """What both models would give a person, which of their items drove it, and how much of the difference is noise."""
    if sum(each is not None for each in (items or None, input, listener)) != 1:
        raise ParameterError("name items, or a history with --input FILE --reader READER, or a --listener of the set")
    if (input is None) != (reader is None):
        raise ParameterError("--input and --reader go together: a file, and how to read it")
    wish = Wish(popularity, diversity)
    opened = ArtifactSet.open(artifacts)
    asked = _asked(opened, model)
    matches: list[Match] = []
    remarks: list[str] = []
    if listener is not None:
        profile = Profile.of_listener(opened, listener)
    elif input is not None and reader is not None:
        with progress_bars(quiet=as_json) as progress:
            history = _read(opened, reader, input, progress)
            remarks = history.remarks
            progress.stage("finding its items in the set", len(history.wanted))
            matches = Matcher.of(opened).match(history.wanted, progress.advance)
        profile = Profile.of_plays(_weights(matches, input), opened.manifest.counts.items)
    else:
        matches = Matcher.of(opened).match([wanted_item(item) for item in items or ()])
        for match in matches:
            if not match.is_sure and match.certainty != "several":
                raise UnknownItem(match.wanted.text, opened.catalogue["name"].iloc[list(match.candidates)].tolist())
        profile = Profile.of_picks(weights_of(matches), opened)
    recommender = Recommender(opened)
    lists = [recommender.recommend(profile, way, n=n, keep_known=keep_known, wish=wish) for way in asked]
    if as_json:
        print_json({**_json(opened, profile, matches, lists), "remarks": remarks})
    else:
        for remark in remarks:
            out.print(f"· {escape(remark)}", soft_wrap=True)
        _print(opened, profile, matches, lists, wish)


def _asked(opened: ArtifactSet, model: str) -> list[Way]:
    """What is asked, side by side. ALS alone shows both ways to ask it, because they differ."""
    names = opened.pair if model == BOTH else model.split(",")
    if len(names) == 2:
        return [usual_way(name) for name in opened.pair_of(names)]
    if model not in opened.model_names:
        there = ", ".join([BOTH, *opened.model_names])
        raise ParameterError(f"there is no model {model!r} to ask; choose one of {there}, or two with a comma between")
    return [way for way in ways(opened) if model_of(way) == model]


def _read(opened: ArtifactSet, reader: str, path: Path, progress: Any) -> History:
    from recsys.interactions.readers import ReadOptions, read

    progress.stage(f"reading {path}", None)
    level: Literal["artist", "track"] = "track" if has_tracks(opened) else "artist"
    options = ReadOptions(max_bad_share=MAX_BAD_SHARE, level=level, on_bytes=progress.advance)
    return History.of_log(read(reader, path, options))


def _weights(matches: list[Match], path: Path) -> dict[int, float]:
    weights = weights_of(matches)
    if not weights:
        raise ParameterError(
            f"none of the {len(matches):,} items in {path} is in this artifact set; choose another set"
        )
    return weights


def _json(opened: ArtifactSet, profile: Profile, matches: list[Match], lists: list[Recommended]) -> dict[str, Any]:
    own = opened.catalogue.iloc[profile.rows]
    document: dict[str, Any] = {
        "fingerprint": opened.fingerprint,
        "profile": [
            {"item_id": item_id, "name": name, "weight": float(weight)}
            for item_id, name, weight in zip(own["item_id"], own["name"], profile.weights, strict=True)
        ],
        "matched": matches_json(matches, opened.catalogue),
        "n": lists[0].n,
        **{each.way: each.as_json(opened.catalogue) for each in lists},
    }
    if len(lists) == 2:
        view = compare(opened, lists[0], lists[1])
        compared = view.as_json()
        document |= {key: compared[key] for key in ("overlap", "jaccard", "rbo", "noise_floor", "p_value", "verdict")}
        for each in lists:
            for item, shared in zip(document[each.way]["items"], view.lists[each.way]["shared"], strict=True):
                item["shared"] = bool(shared)
    return document


def _print(opened: ArtifactSet, profile: Profile, matches: list[Match], lists: list[Recommended], wish: Wish) -> None:
    names = opened.catalogue["name"]
    for match in matches:
        if match.row is not None and not match.is_sure:
            out.print(f"{escape(match.wanted.text)} taken for {escape(names[match.row])}", soft_wrap=True)
    missing = [match.wanted.text for match in matches if match.row is None]
    if missing:
        more = ", … (--json lists all)" if len(missing) > SHOWN_MISSING else ""
        shown = ", ".join(missing[:SHOWN_MISSING])
        out.print(f"{len(missing):,} not in this set: {escape(shown)}{more}", soft_wrap=True)
    view = compare(opened, lists[0], lists[1]) if len(lists) == 2 else None
    if view:
        out.print(escape(headline(view)), soft_wrap=True)
    for each in lists:
        shared = view.lists[each.way]["shared"].tolist() if view else [False] * len(each.table)
        table = Table(title=each.title, title_justify="left")
        for column in ("#", "name", "score", "stability", "listeners", "in both", "because of"):
            table.add_column(column, justify="left" if column in ("name", "because of") else "right")
        for row, parts, both in zip(each.table.to_dict("records"), each.contributions, shared, strict=True):
            reasons = (f"{names[profile.rows[at]]} {parts[at]:+.2f}" for at in strongest(parts.round(2)))
            table.add_row(
                str(row["rank"]), escape(row["name"]), f"{row['score']:.2f}",
                "–" if isnan(row["stability"]) else f"{row['stability']:.0%}", f"{row['listeners']:,}",
                "both" if both else "", escape(", ".join(reasons)),
            )  # fmt: skip
        out.print(table)
        if not wish.is_none and not each.table.empty:
            before, after = each.price.before, each.price.after
            out.print(
                f"for that order: mean score {before.score:.3f} → {after.score:.3f}, mean popularity "
                f"{before.popularity:.0f} → {after.popularity:.0f}, sameness {before.sameness:.2f} → "
                f"{after.sameness:.2f}",
                soft_wrap=True,
            )
