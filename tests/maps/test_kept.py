"""Maps are kept with a new build of the same set, follow one another, and a run that was stopped goes on."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from recsys.analysis.faithfulness import faithfulness
from recsys.analysis.projection import TsneParams, UmapParams, aligned, shifts
from recsys.analysis.regions import regions, tags_of_items
from recsys.artifacts.manifest import Manifest, from_bytes, to_bytes
from recsys.artifacts.names import MAPS
from recsys.artifacts.store import ArtifactSet, verify
from recsys.artifacts.writer import ArtifactWriter
from recsys.config import BuildConfig
from recsys.errors import ArtifactError, MissingArtifacts, ParameterError
from recsys.maps import kept as keeping
from recsys.maps import made
from recsys.maps.kept import add_maps, map_like_base
from recsys.pipeline import build
from recsys.scenarios import fit_scenario, keep_scenario, scenarios_of
from recsys.steps.progress import Silence
from recsys.whatif.engine import WhatIfEngine
from tests.conftest import StopsAt
from tests.test_cli import ROOT, run

QUICK = TsneParams(perplexity=8, iterations=50)
BOTH = ["als", "word2vec"]


@pytest.fixture(scope="module")
def mapped_once(built_once: Path, tmp_path_factory: pytest.TempPathFactory) -> ArtifactSet:
    """The small set with quick maps of both models by both methods; never changed by a test."""
    path = Path(shutil.copytree(built_once, tmp_path_factory.mktemp("mapped") / "small"))
    add_maps(path, "tsne", params=QUICK)
    return add_maps(path, "umap", params=UmapParams(epochs=60))


@pytest.fixture
def mapped_set(mapped_once: ArtifactSet, tmp_path: Path) -> Path:
    """A copy of it, to do with as one likes."""
    return Path(shutil.copytree(mapped_once.folder.parent, tmp_path / "mapped"))


@pytest.fixture
def projected(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What the mapping asked `project` for."""
    calls: list[dict[str, Any]] = []
    project = made.project

    def noted(neighbours: Any, similarities: Any, params: Any, rng: Any, **more: Any) -> Any:
        calls.append({"neighbours": neighbours, "params": params, "initial": more["initial"]})
        return project(neighbours, similarities, params, rng, **more)

    monkeypatch.setattr(made, "project", noted)
    return calls


def entry(artifacts: ArtifactSet, name: str) -> Any:
    assert artifacts.manifest.maps is not None
    return artifacts.manifest.maps[name]


def lies_better_than_turned(layout: Any, reference: Any, than: Callable[[list[float]], float] = min) -> bool:
    """Whether items stand nearer to where the reference has them than after any quarter turn or reflection; `than` says
    with which of these it is compared."""
    middle = np.nanmean(layout, axis=0)
    quarter = np.array([[0, 1], [-1, 0]])
    turns = [np.linalg.matrix_power(quarter, k) @ flip for k in range(4) for flip in (np.eye(2), np.diag([1, -1]))]
    apart = [float(np.nanmedian(shifts((layout - middle) @ turn + middle, reference))) for turn in turns]
    return apart[0] <= than(apart)


def unfinished(path: Path) -> list[Path]:
    return list(path.glob(f"{MAPS}*"))


def test_maps_are_kept_with_a_new_build_and_all_else_by_links(built_once: Path, mapped_once: ArtifactSet) -> None:
    base, path = ArtifactSet.open(built_once), mapped_once.folder.parent
    assert (base.maps, base.manifest.maps) == ([], None)
    assert "maps" not in base.manifest.as_document()
    assert mapped_once.maps == ["als/tsne", "als/umap", "word2vec/tsne", "word2vec/umap"]
    assert base.manifest.files.items() <= mapped_once.manifest.files.items()
    assert ArtifactSet.open(path).fingerprint == mapped_once.fingerprint != base.fingerprint
    assert verify(path) == []
    assert unfinished(path) == []
    before = next(p for p in path.iterdir() if p.is_dir() and p != mapped_once.folder)
    for name in ArtifactSet.open(before).manifest.files:
        assert os.path.samefile(before / name, mapped_once.folder / name)
    assert {"map_tsne_als", "map_umap_word2vec", "map_quality_umap"} <= mapped_once.manifest.timings.keys()
    assert {"umap-learn", "openTSNE"} <= mapped_once.manifest.versions.keys()


def test_the_regions_of_a_map_are_kept_with_it(mapped_once: ArtifactSet) -> None:
    catalogue = mapped_once.catalogue
    tags = tags_of_items(catalogue["tags"].tolist())
    for name in mapped_once.maps:
        model, method = name.split("/")
        found = mapped_once.map_regions(model, method)
        expected = regions(np.asarray(mapped_once.layout(model, method)), tags, catalogue["name"].tolist())
        pd.testing.assert_frame_equal(found, expected, check_dtype=False)
        assert len(found)


def test_what_is_kept_is_what_is_said_of_it(mapped_once: ArtifactSet) -> None:
    for name in mapped_once.maps:
        model, method = name.split("/")
        layout, said = mapped_once.layout(model, method), entry(mapped_once, name)
        assert (layout.dtype, layout.shape) == (np.float32, (mapped_once.manifest.counts.items, 2))
        held = faithfulness(layout, mapped_once.neighbours(model), 15)
        np.testing.assert_array_equal(mapped_once.map_faithfulness(model, method), held)
        assert said.faithfulness == pytest.approx(float(np.nanmean(held)), abs=1e-4)
        assert said.random.faithfulness == pytest.approx(15 / 118, abs=0.04)
        assert said.random.trustworthiness == pytest.approx(0.5, abs=0.05)
        assert min(said.faithfulness, said.pca.faithfulness) > said.random.faithfulness
        # A UMAP of this few epochs is as good as the PCA: 0.27 to 0.30 against 0.28, by seed and processor.
        assert method == "umap" or said.faithfulness > said.pca.faithfulness
        assert said.trustworthiness > said.random.trustworthiness
        assert said.continuity > said.random.continuity
    assert entry(mapped_once, "als/tsne").params == QUICK.model_dump()
    assert entry(mapped_once, "als/umap").params == {"n_neighbors": 15, "min_dist": 0.1, "epochs": 60}


@pytest.mark.parametrize("method", ["umap", "tsne"])
def test_the_second_model_is_aligned_to_the_first(mapped_once: ArtifactSet, method: str) -> None:
    first, second = (mapped_once.layout(model, method) for model in BOTH)
    assert mapped_once.map_shift("als", method) is None
    assert entry(mapped_once, f"als/{method}").reference is None
    said = entry(mapped_once, f"word2vec/{method}")
    assert (said.reference, said.shift_from) == (f"als/{method}", f"als/{method}")
    # Two UMAPs of so few epochs have little in common: on some processors another turn is a tenth better.
    assert lies_better_than_turned(second, first, than=np.median if method == "umap" else min)
    moved = mapped_once.map_shift("word2vec", method)
    np.testing.assert_array_equal(moved, shifts(second, first))  # type: ignore[arg-type]
    assert said.median_shift == pytest.approx(float(np.nanmedian(shifts(second, first))), abs=1e-4)


def test_the_second_model_starts_where_the_first_ended(
    small_set: Path, projected: list[dict[str, Any]], mapped_once: ArtifactSet
) -> None:
    mapped = add_maps(small_set, "tsne", params=QUICK)
    assert projected[0]["initial"] is None
    np.testing.assert_array_equal(projected[1]["initial"], mapped.layout("als", "tsne"))
    np.testing.assert_array_equal(mapped.layout("word2vec", "tsne"), mapped_once.layout("word2vec", "tsne"))


def test_one_model_made_again_follows_the_map_that_stays(mapped_set: Path, projected: list[dict[str, Any]]) -> None:
    before = ArtifactSet.open(mapped_set)
    again = add_maps(mapped_set, "tsne", ["als"], QUICK, seed=4)
    (call,) = projected
    np.testing.assert_array_equal(call["initial"], before.layout("word2vec", "tsne"))
    assert again.maps == before.maps
    assert (entry(again, "als/tsne").seed, entry(again, "als/tsne").reference) == (4, "word2vec/tsne")
    # The distances from the map that was replaced are gone.
    assert again.map_shift("word2vec", "tsne") is None
    assert entry(again, "word2vec/tsne").median_shift is None
    assert again.map_shift("als", "tsne") is not None
    for name in ("als/umap", "word2vec/umap"):
        assert entry(again, name) == entry(before, name)
    kept = before.manifest.files.keys() - {"word2vec/maps/tsne.shift.npy"}
    assert again.manifest.files.keys() == kept | {"als/maps/tsne.shift.npy"}
    assert verify(mapped_set) == []


def test_a_run_that_was_stopped_goes_on_with_the_next_model(
    small_set: Path, projected: list[dict[str, Any]], mapped_once: ArtifactSet
) -> None:
    with pytest.raises(KeyboardInterrupt):
        add_maps(small_set, "tsne", params=QUICK, progress=StopsAt("Word2vec: t-SNE map"))
    assert len(projected) == 2
    assert ArtifactSet.open(small_set).maps == []
    assert verify(small_set) == []
    projected.clear()
    mapped = add_maps(small_set, "tsne", params=QUICK)
    assert len(projected) == 1
    for model in BOTH:
        np.testing.assert_array_equal(mapped.layout(model, "tsne"), mapped_once.layout(model, "tsne"))
    assert mapped.manifest.timings["map_tsne_als"] == entry(mapped, "als/tsne").seconds > 0
    # Memory is known of the layout that waited, where it is of the other.
    assert [entry(mapped, f"{model}/tsne").peak_megabytes is None for model in BOTH] in ([True] * 2, [False] * 2)
    assert unfinished(small_set) == []


def test_a_run_that_was_killed_goes_on_with_the_next_model(small_set: Path, projected: list[dict[str, Any]]) -> None:
    script = (
        "import sys; from pathlib import Path; from recsys.maps.kept import add_maps; "
        "from recsys.analysis.projection import TsneParams; "
        "add_maps(Path(sys.argv[1]), 'tsne', params=TsneParams(perplexity=8, iterations=2000))"
    )
    # In a group of its own, so that the kill reaches everything it started and nothing else.
    process = subprocess.Popen([sys.executable, "-c", script, str(small_set)], cwd=ROOT, start_new_session=True)
    while process.poll() is None and not list(small_set.glob(f"{MAPS}*/als.npz")):
        time.sleep(0.002)
    os.killpg(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert verify(small_set) == []
    add_maps(small_set, "tsne", params=TsneParams(perplexity=8, iterations=2000))
    assert len(projected) == 1
    assert unfinished(small_set) == []


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def change(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[200] ^= 1
    path.write_bytes(bytes(content))


@pytest.mark.parametrize("damage", [cut, change, Path.unlink, lambda path: path.write_bytes(b"")])
def test_damaged_leftovers_are_made_again(
    small_set: Path, mapped_once: ArtifactSet, projected: list[dict[str, Any]], damage: Callable[[Path], object]
) -> None:
    with pytest.raises(KeyboardInterrupt):
        add_maps(small_set, "tsne", params=QUICK, progress=StopsAt("Word2vec: t-SNE map"))
    damage(unfinished(small_set)[0] / "als.npz")
    projected.clear()
    mapped = add_maps(small_set, "tsne", params=QUICK)
    assert len(projected) == 2
    np.testing.assert_array_equal(mapped.layout("als", "tsne"), mapped_once.layout("als", "tsne"))


def test_layouts_made_with_other_settings_are_not_taken(small_set: Path, projected: list[dict[str, Any]]) -> None:
    with pytest.raises(KeyboardInterrupt):
        add_maps(small_set, "tsne", params=QUICK, progress=StopsAt("Word2vec: t-SNE map"))
    projected.clear()
    add_maps(small_set, "tsne", params=QUICK, seed=1)
    assert len(projected) == 2


def test_a_set_that_was_rebuilt_meanwhile_gets_no_maps_of_other_models(
    small_set: Path, small_log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured = made.MapMaker._measured

    def rebuild(*arguments: Any) -> Any:
        quick = {"als": {"iterations": 1, "factors": 4}, "word2vec": {"epochs": 1, "vector_size": 4}}
        build("events", small_log, small_set, BuildConfig(seed=9, replicates=1, measure_whatif=False, maps=[], **quick))
        return measured(*arguments)

    monkeypatch.setattr(made.MapMaker, "_measured", rebuild)
    with pytest.raises(ArtifactError, match="built anew while it was being mapped.*; map it again"):
        add_maps(small_set, "tsne", ["als"], QUICK)
    assert ArtifactSet.open(small_set).maps == []
    assert verify(small_set) == []


def test_what_was_added_to_the_set_meanwhile_is_kept(small_set: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    measured = made.MapMaker._measured

    def add(*arguments: Any) -> Any:
        now = ArtifactSet.open(small_set)
        with ArtifactWriter(small_set) as writer:
            writer.adopt(now)
            writer.publish(now.manifest.model_copy(update={"warnings": ["added meanwhile"]}))
        return measured(*arguments)

    monkeypatch.setattr(made.MapMaker, "_measured", add)
    mapped = add_maps(small_set, "tsne", ["als"], QUICK)
    assert mapped.manifest.warnings == ["added meanwhile"]
    assert mapped.maps == ["als/tsne"]


def test_maps_of_a_scenario_follow_those_of_its_base(mapped_set: Path, projected: list[dict[str, Any]]) -> None:
    base = ArtifactSet.open(mapped_set)
    fits = WhatIfEngine(base).fitted(k1=40.0, b=0.3)
    path = keep_scenario(base, mapped_set, "Forty", fits, k1=40.0, b=0.3)
    scenario = add_maps(path, "tsne", params=QUICK)
    # ALS is another model there and starts from the base's map; Word2vec is the same one and keeps its map.
    (call,) = projected
    np.testing.assert_array_equal(call["neighbours"], scenario.neighbours("als"))
    np.testing.assert_array_equal(call["initial"], base.layout("als", "tsne"))
    np.testing.assert_array_equal(scenario.layout("word2vec", "tsne"), base.layout("word2vec", "tsne"))
    als, word2vec = (entry(scenario, f"{model}/tsne") for model in BOTH)
    assert (als.reference, als.shift_from) == ("mapped:als/tsne", "mapped:als/tsne")
    assert (word2vec.reference, word2vec.shift_from) == ("mapped:word2vec/tsne", "als/tsne")
    layout = scenario.layout("als", "tsne")
    assert lies_better_than_turned(layout, base.layout("als", "tsne"))
    np.testing.assert_array_equal(
        scenario.map_shift("als", "tsne"),  # type: ignore[arg-type]
        shifts(layout, base.layout("als", "tsne")),
    )
    assert not np.allclose(layout, base.layout("als", "tsne"))
    assert verify(path) == []
    # With another seed Word2vec's map would be another, too; without the base there is nothing to follow.
    projected.clear()
    assert entry(add_maps(path, "tsne", ["word2vec"], QUICK, seed=1), "word2vec/tsne").seed == 1
    assert len(projected) == 1
    shutil.rmtree(mapped_set)
    assert entry(add_maps(path, "tsne", params=QUICK), "als/tsne").reference is None


def test_a_full_fit_that_is_kept_is_mapped_like_its_base(
    mapped_set: Path, projected: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "QUICK", 1e6)  # on a busy machine anything takes long
    base, told = ArtifactSet.open(mapped_set), list[tuple[str, int, int]]()
    path = fit_scenario(WhatIfEngine(base), mapped_set, "Forty", k1=40.0, b=0.3, tell=lambda *news: told.append(news))
    scenario = ArtifactSet.open(path)
    assert scenario.maps == base.maps
    assert verify(path) == []
    assert len(projected) == 2
    for method in ("tsne", "umap"):
        for kept in ("layout", "map_faithfulness"):
            before, after = (getattr(each, kept)("word2vec", method) for each in (base, scenario))
            np.testing.assert_array_equal(after, before)
        assert (entry(scenario, f"word2vec/{method}").seconds, entry(scenario, f"als/{method}").seconds > 0) == (
            0,
            True,
        )
        layout, before = (each.layout("als", method) for each in (scenario, base))
        assert entry(scenario, f"als/{method}").params == entry(base, f"als/{method}").params
        assert entry(scenario, f"als/{method}").reference == f"mapped:als/{method}"
        assert not np.allclose(layout, before)
        assert lies_better_than_turned(layout, before)
    maps_words = [news for news in told if news[0].startswith("The scenario is kept; ")]
    assert maps_words == told[-len(maps_words) :]
    steps = [(done, total) for words, done, total in maps_words if words == "The scenario is kept; ALS: t-SNE map"]
    assert steps == [(done, 300) for done in range(0, 301, 10)]


def test_a_scenario_stays_kept_when_its_maps_are_stopped(mapped_set: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeping, "QUICK", 1e6)

    def stop(words: str, done: int, total: int) -> None:
        if words == "The scenario is kept; ALS: UMAP map" and done:
            raise KeyboardInterrupt

    engine = WhatIfEngine(ArtifactSet.open(mapped_set))
    with pytest.raises(KeyboardInterrupt):
        fit_scenario(engine, mapped_set, "Forty", k1=40.0, b=0.3, tell=stop)
    (path,) = scenarios_of(mapped_set).values()
    assert ArtifactSet.open(path).maps == ["als/tsne", "word2vec/tsne"]
    assert verify(path) == []


@pytest.mark.parametrize("seconds", [None, keeping.QUICK])
def test_a_scenario_is_not_mapped_unasked_where_that_may_take_long(mapped_set: Path, seconds: float | None) -> None:
    base = ArtifactSet.open(mapped_set)
    with ArtifactWriter(mapped_set) as writer:
        writer.adopt(base)
        slow = {"als/tsne": entry(base, "als/tsne").model_copy(update={"seconds": seconds})}
        # What a map took alone would make no other build.
        changes = {"maps": {**(base.manifest.maps or {}), **slow}, "warnings": ["slow"], "files": writer.files}
        writer.publish(base.manifest.model_copy(update=changes))
    base = ArtifactSet.open(mapped_set)
    path = keep_scenario(base, mapped_set, "Forty", WhatIfEngine(base).fitted(k1=40.0, b=0.3), k1=40.0, b=0.3)
    map_like_base(path, Silence())
    assert ArtifactSet.open(path).maps == []


def test_what_a_layout_took_is_no_part_of_a_builds_identity(mapped_once: ArtifactSet) -> None:
    manifest = mapped_once.manifest
    assert manifest.maps is not None

    def changed(**changes: Any) -> Manifest:
        said = manifest.maps["als/tsne"].model_copy(update=changes)  # type: ignore[index]
        return manifest.model_copy(update={"maps": {**manifest.maps, "als/tsne": said}})  # type: ignore[dict-item]

    assert changed(seconds=1e6, peak_megabytes=7.0).fingerprint == manifest.fingerprint
    assert changed(faithfulness=0.5).fingerprint != manifest.fingerprint
    # Maps of sets made before that was noted.
    document = manifest.as_document()
    for said in document["maps"].values():
        del said["seconds"], said["peak_megabytes"]
    older = from_bytes(to_bytes(Manifest.model_validate(document)), "here")
    assert older.fingerprint == manifest.fingerprint
    assert older.maps is not None
    assert older.maps["als/tsne"].seconds is None


def test_seeds_of_one_model_lie_nearer_than_two_models(built_once: Path, tmp_path: Path) -> None:
    mapped = [add_maps(Path(shutil.copytree(built_once, tmp_path / str(seed))), "umap", seed=seed) for seed in range(4)]
    first, *others = (each.layout("als", "umap") for each in mapped)
    # Of a single pair chance and the processor's rounding decide too much: 0.24 to 0.83 between seeds here.
    between_seeds = np.median([np.nanmedian(shifts(aligned(each, first), first)) for each in others])
    between_models = np.median([entry(each, "word2vec/umap").median_shift for each in mapped])
    assert 0 < 1.3 * between_seeds < between_models


def test_items_without_a_vector_have_no_place(small_set: Path) -> None:
    base = ArtifactSet.open(small_set)
    gone = [3, 50]
    arrays = {part: np.array(base.array(f"als/{part}")) for part in ("vectors", "neighbours", "similarities")}
    with ArtifactWriter(small_set) as writer:
        writer.adopt(base, but=lambda name: name.removesuffix(".npy") in {f"als/{part}" for part in arrays})
        arrays["vectors"][gone] = 0
        lost = np.isin(arrays["neighbours"], gone)
        lost[gone] = True
        arrays["neighbours"][lost], arrays["similarities"][lost] = -1, np.nan
        for part, array in arrays.items():
            writer.array(f"als/{part}", array)
        writer.publish(base.manifest.model_copy(update={"files": writer.files}))
    mapped = add_maps(small_set, "tsne", params=QUICK)
    assert np.flatnonzero(np.isnan(mapped.layout("als", "tsne")).any(axis=1)).tolist() == gone
    assert np.flatnonzero(np.isnan(mapped.map_faithfulness("als", "tsne"))).tolist() == gone
    assert np.isfinite(mapped.layout("word2vec", "tsne")).all()
    assert np.flatnonzero(np.isnan(mapped.map_shift("word2vec", "tsne"))).tolist() == gone  # type: ignore[arg-type]


def test_what_cannot_be_mapped_is_refused_with_words(small_set: Path, tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="no model 'bert'; there are als, word2vec"):
        add_maps(small_set, "tsne", ["als", "bert"])
    with pytest.raises(ParameterError, match="no method 'pca'; choose umap or tsne"):
        add_maps(small_set, "pca")  # type: ignore[arg-type]
    with pytest.raises(ParameterError, match="t-SNE takes TsneParams, not UmapParams"):
        add_maps(small_set, "tsne", params=UmapParams())
    with pytest.raises(ParameterError, match="perplexity is 20; .* hold 40, so at most 13.33"):
        add_maps(small_set, "tsne", params=TsneParams(perplexity=20))
    with pytest.raises(ArtifactError, match="single build, which is never written to; map its set"):
        add_maps(ArtifactSet.open(small_set).folder, "tsne")
    with pytest.raises(MissingArtifacts):
        add_maps(tmp_path / "absent", "tsne")
    assert unfinished(small_set) == []


def test_the_command_prints_what_was_measured(small_set: Path) -> None:
    done = run("map", small_set, "--method", "tsne", "--perplexity", "9", "--seed", "2", "--json")
    assert done.returncode == 0, done.stderr
    document, mapped = json.loads(done.stdout), ArtifactSet.open(small_set)
    assert document["fingerprint"] == mapped.fingerprint
    assert list(document["maps"]) == ["als/tsne", "word2vec/tsne"]
    said = document["maps"]["word2vec/tsne"]
    assert said == entry(mapped, "word2vec/tsne").model_dump()
    assert (said["seed"], said["params"]["perplexity"]) == (2, 9)
    assert said.keys() >= {"faithfulness", "trustworthiness", "continuity", "random", "pca", "median_shift"}
    assert document["seconds"].keys() == {"map_tsne_als", "map_tsne_word2vec", "map_quality_tsne"}
    shown = run("map", small_set, "--method", "tsne", "--perplexity", "9", "--model", "als")
    assert shown.returncode == 0, shown.stderr
    for words in ("ALS, t-SNE", "ALS, PCA", "ALS, random", "median shift of als", "from where word2vec/tsne"):
        assert words in shown.stdout


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (["--method", "pca"], "there is no method 'pca'; choose umap or tsne"),
        (["--method", "tsne", "--min-dist", "0.2"], "--min-dist is not for t-SNE"),
        (["--method", "umap", "--n-neighbors", "1"], "n_neighbors = 1"),
        (["--method", "umap", "--n-neighbors", "60"], "n_neighbors is 60; the stored lists hold 40"),
        (["--method", "umap", "--model", "bert"], "there is no model 'bert'"),
    ],
)
def test_wrong_options_are_refused_with_words(built_once: Path, wrong: list[str], words: str) -> None:
    done = run("map", built_once, *wrong, "--json")
    assert done.returncode == 2
    assert words in json.loads(done.stdout)["error"]
