"""Scenarios on the what-if page: kept, opened, compared two at a time, deleted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from html import escape
from pathlib import Path

import streamlit as st

from recsys.analysis.side_by_side import Lists, SideBySide, compare_lists, stored_lists
from recsys.artifacts.manifest import Evaluation
from recsys.artifacts.store import ArtifactSet
from recsys.errors import ArtifactError, RecsysError
from recsys.ui.controls import as_text
from recsys.ui.glossary import marked
from recsys.ui.loading import opened_set, set_path
from recsys.ui.ranked_lists import ranked_lists, verdict_strip
from recsys.whatif.result import MEANINGS, setting

THIS = "this set"


def kept_at(artifacts: ArtifactSet, k1: float, b: float) -> ArtifactSet | None:
    """The scenario of the set on show that was fitted in full with this K1 and B, over the same items."""
    for scenario in _scenarios().values():
        params = scenario.manifest.models["als"].params
        if (params["k1"], params["b"]) == (k1, b) and scenario.has_items_of(artifacts):
            return scenario
    return None


def _scenarios() -> dict[str, ArtifactSet]:
    """Those that can be opened, by name, without the set on show."""
    from recsys.scenarios import scenarios_of

    found = {}
    for name, path in scenarios_of(set_path()).items():
        # A damaged one must not take the page of its base with it.
        with suppress(ArtifactError):
            if path != set_path():
                found[name] = opened_set(path)
    return found


def scenario_panel(artifacts: ArtifactSet, item_row: int, n: int) -> None:
    """Scenarios of this set: two of them compared for the item on show; ways to open and to delete them."""
    found = _scenarios()
    if artifacts.manifest.scenario is not None:
        base = artifacts.manifest.scenario.base_set
        st.write(f"This set is itself a scenario of **{as_text(base)}**.")
    if not found:
        return
    st.subheader("Scenarios kept beside this set", anchor=False)
    _table(found)
    names = [THIS, *found]
    left, right, more = st.columns([2, 2, 3], gap="large", vertical_alignment="bottom")
    with left:
        first = st.selectbox("Compare", names, key="scenario", bind="query-params")
    with right:
        second = st.selectbox("with", names, index=1, key="scenario_with", bind="query-params")
    with more:
        _open_and_delete({name: each.folder.parent for name, each in found.items() if name in (first, second)})
    _compare(artifacts, {name: found.get(name) for name in (first, second)}, item_row, n)


def _table(found: dict[str, ArtifactSet]) -> None:
    """What is known of each scenario: its setting, and whether it recommends better than what it was made from."""
    rows = []
    for name, each in found.items():
        manifest = each.manifest
        params = manifest.models["als"].params
        evaluation = manifest.scenario.evaluation if manifest.scenario else None
        cells = [setting(params["k1"], params["b"]), *_evaluation_words(evaluation)]
        rows.append(
            f'<tr><th scope="row"><bdi>{escape(name)}</bdi></th>'
            + "".join(f"<td>{cell}</td>" for cell in cells)
            + "</tr>"
        )
    heads = ("scenario", "setting", "nDCG, held-out items", "against the base", "that is")
    head = "".join(f'<th scope="col">{marked(each)}</th>' for each in heads)
    st.html(
        '<div class="scroll" tabindex="0" role="region" aria-label="Scenarios">'
        f'<table class="trust pins"><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table></div>'
    )


def _evaluation_words(found: Evaluation | None) -> tuple[str, str, str]:
    if found is None or found.ndcg is None:
        return "not known", "not known", "not known"
    low, high = found.difference_low, found.difference_high
    verdict = "better" if low > 0 else "worse" if high < 0 else "not told from noise"
    return f"{found.ndcg:.3f}", f"{found.difference:+.3f} ({low:+.3f} to {high:+.3f})", verdict


def _open_and_delete(chosen: dict[str, Path]) -> None:
    for name, path in chosen.items():
        st.button(f"Open {as_text(name)}", key=f"open_{path.name}", on_click=_open, args=(path,))
        # A key of its own closes it when the scenario is gone.
        with st.expander(f"Delete {as_text(name)} …", key=f"ask_{path.name}"):
            st.write("It goes for everybody, and cannot be brought back.")
            st.button("Delete it", key=f"delete_{path.name}", on_click=_delete, args=(path,))


def _open(path: Path) -> None:
    # The whole address at once: one step back leads here again.
    item = st.query_params.get("item", "")
    with _in_words():
        st.query_params.from_dict({"set": path.name, "build": opened_set(path).fingerprint[:12], "item": item})


def _delete(path: Path) -> None:
    from recsys.scenarios import delete_scenario

    with _in_words():
        delete_scenario(path)


@contextmanager
def _in_words() -> Iterator[None]:
    """For what a click does before its page is drawn."""
    try:
        yield
    except RecsysError as error:
        st.error(as_text(str(error)))


def _compare(artifacts: ArtifactSet, chosen: dict[str, ArtifactSet | None], item_row: int, n: int) -> None:
    if len(chosen) < 2:
        st.write("Choose two different ones.")
        return
    lists: dict[str, Lists] = {}
    titles: dict[str, str] = {}
    for side, (name, scenario) in zip(("baseline", "whatif"), chosen.items(), strict=True):
        one = scenario or artifacts
        if not one.has_items_of(artifacts):
            st.write(f"{as_text(name)} was made from another build, with other items; fit it again to compare.")
            return
        params = one.manifest.models["als"].params
        lists[side] = stored_lists(one, "als", item_row, n=n)
        titles[side] = f"{name} · {setting(params['k1'], params['b'])}"
    view = compare_lists(artifacts.catalogue, item_row, lists, n=n, titles=titles)
    verdict_strip(view, _words(view), MEANINGS[view.verdict])
    ranked_lists(view, key="scenario_lists")


def _words(view: SideBySide) -> str:
    return f"{view.name}: the two share {view.n_shared} of {view.length}; {MEANINGS[view.verdict]}"
