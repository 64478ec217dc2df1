"""Scenarios on the what-if page: kept, opened, compared two at a time, deleted."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from recsys.analysis.side_by_side import Lists, SideBySide, compare_lists, stored_lists
from recsys.artifacts.store import ArtifactSet
from recsys.errors import ArtifactError
from recsys.ui.controls import as_text
from recsys.ui.loading import artifacts_root, opened_set
from recsys.ui.ranked_lists import ranked_lists, verdict_strip
from recsys.whatif.engine import MEANINGS, setting

THIS = "this set"


def set_path() -> Path:
    """The folder of the artifact set that is shown."""
    return artifacts_root() / str(st.session_state["set_kept"])


def scenario_panel(artifacts: ArtifactSet, item_row: int, n: int) -> None:
    """Scenarios of this set: two of them compared for the item on show; ways to open and to delete them."""
    from recsys.scenarios import scenarios_of

    found = scenarios_of(set_path())
    found = {name: path for name, path in found.items() if path != set_path()}
    if artifacts.manifest.scenario is not None:
        base = artifacts.manifest.scenario.base_set
        st.write(f"This set is itself a scenario of **{as_text(base)}**.")
    if not found:
        return
    st.subheader("Scenarios kept beside this set", anchor=False)
    names = [THIS, *found]
    left, right, more = st.columns([2, 2, 3], gap="large", vertical_alignment="bottom")
    with left:
        first = st.selectbox("Compare", names, key="scenario", bind="query-params")
    with right:
        second = st.selectbox("with", names, index=1, key="scenario_with", bind="query-params")
    with more:
        _open_and_delete({name: path for name, path in found.items() if name in (first, second)})
    _compare(artifacts, {name: found.get(name) for name in (first, second)}, item_row, n)


def _open_and_delete(chosen: dict[str, Path]) -> None:
    for name, path in chosen.items():
        with st.container(horizontal=True):
            if st.button(f"Open {as_text(name)}", key=f"open_{path.name}"):
                st.query_params.from_dict({"set": path.name})
                st.rerun()
            with st.popover("Delete …"):
                st.write(f"{as_text(name)} goes for everybody, and cannot be brought back.")
                st.button("Delete it", key=f"delete_{path.name}", on_click=_delete, args=(path,))


def _delete(path: Path) -> None:
    from recsys.scenarios import delete_scenario

    delete_scenario(path)


def _compare(artifacts: ArtifactSet, chosen: dict[str, Path | None], item_row: int, n: int) -> None:
    if len(chosen) < 2:
        st.write("Choose two different ones.")
        return
    lists: dict[str, Lists] = {}
    titles: dict[str, str] = {}
    for side, (name, path) in zip(("baseline", "whatif"), chosen.items(), strict=True):
        try:
            one = artifacts if path is None else opened_set(path)
        except ArtifactError as error:
            st.error(as_text(str(error)))
            return
        if one.catalogue["item_id"].tolist() != artifacts.catalogue["item_id"].tolist():
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
