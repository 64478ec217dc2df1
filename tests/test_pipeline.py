from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from recsys.analysis.projection import MapParams, Method, TsneParams, UmapParams, aligned, project, shifts
from recsys.artifacts.names import BUILDING, STAGES
from recsys.artifacts.store import ArtifactSet, verify
from recsys.config import BuildConfig, load_config
from recsys.errors import InputError, ParameterError
from recsys.interactions.simulate import catalogue
from recsys.maps.kept import add_maps
from recsys.pipeline import build
from tests.conftest import StopsAt

ROOT = Path(__file__).resolve().parents[1]
TINY = {
    "als": {"iterations": 2, "factors": 8}, "word2vec": {"epochs": 2, "vector_size": 8}, "maps": [],
    "measure_whatif": False,
}  # fmt: skip
WHATIF = {**TINY, "measure_whatif": True}


def test_the_same_seed_builds_the_same_set_and_another_seed_another(small_log: Path, tmp_path: Path) -> None:
    first, again, other = (
        build("events", small_log, tmp_path / name, BuildConfig(replicates=2, seed=seed, **WHATIF))
        for name, seed in (("a", 0), ("b", 0), ("c", 1))
    )
    assert first.fingerprint == again.fingerprint != other.fingerprint
    assert all(model.repeatable for model in first.manifest.models.values())


def test_a_build_makes_the_maps_that_could_be_added_later(small_log: Path, tmp_path: Path) -> None:
    quick = {**TINY, "replicates": 1}
    mapped, again = (
        build("events", small_log, tmp_path / name, BuildConfig(**quick | {"maps": ["tsne", "umap"]})) for name in "ab"
    )
    assert mapped.fingerprint == again.fingerprint
    # In the one build that is published.
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == sorted(["CURRENT", mapped.folder.name])
    assert verify(tmp_path / "a") == []
    without = build("events", small_log, tmp_path / "c", BuildConfig(**quick))
    assert (without.maps, without.manifest.maps) == ([], None)
    for method in ("umap", "tsne"):
        added = add_maps(tmp_path / "c", method)
        for model in ("als", "word2vec"):
            np.testing.assert_array_equal(mapped.layout(model, method), added.layout(model, method))
            assert mapped.map_faithfulness(model, method).tolist() == added.map_faithfulness(model, method).tolist()
    assert set(mapped.maps) == {"als/tsne", "als/umap", "word2vec/tsne", "word2vec/umap"} == set(added.maps)
    for name, entry in (mapped.manifest.maps or {}).items():
        assert entry.seconds == mapped.manifest.timings[f"map_{entry.method}_{entry.model}"] > 0
        assert entry.peak_megabytes is None or 20 < entry.peak_megabytes < 20_000
        same = {"seconds": None, "peak_megabytes": None}
        assert entry.model_copy(update=same) == (added.manifest.maps or {})[name].model_copy(update=same)
    assert mapped.manifest.versions == added.manifest.versions
    assert mapped.manifest.warnings == without.manifest.warnings


def test_a_catalogue_too_small_for_maps_is_built_without_and_says_so(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("user,item\nu,a\nu,b\nv,a\nv,b\nw,c\nu,c\n")
    config = BuildConfig(min_listeners=1, **WHATIF | {"maps": ["umap", "tsne"]})
    built = build("events", tmp_path / "log.csv", tmp_path / "set", config)
    assert (built.manifest.counts.items, built.maps) == (3, [])
    for title in ("UMAP", "t-SNE"):
        words = f"there is no {title} map: a map needs at least 5 items that have neighbours; here are 3"
        assert words in built.manifest.warnings
    assert verify(tmp_path / "set") == []


def test_a_build_that_is_stopped_at_its_maps_leaves_the_set_in_use_alone(small_set: Path, small_log: Path) -> None:
    def whole_set() -> dict[Path, bytes]:
        files = [path for path in small_set.rglob("*") if path.is_file()]
        return {
            path: path.read_bytes() for path in files if not path.relative_to(small_set).parts[0].startswith(STAGES)
        }

    before = whole_set()
    config = BuildConfig(replicates=1, **TINY | {"maps": ["tsne"]})
    with pytest.raises(KeyboardInterrupt):
        build("events", small_log, small_set, config, StopsAt("Word2vec: t-SNE map"))
    assert whole_set() == before
    assert verify(small_set) == []


def test_more_replicates_leave_the_first_ones_as_they_were(small_log: Path, tmp_path: Path) -> None:
    two, three = (build("events", small_log, tmp_path / str(r), BuildConfig(replicates=r, **TINY)) for r in (2, 3))
    for model in ("als", "word2vec"):
        np.testing.assert_array_equal(two.replicate_neighbours(model)[1], three.replicate_neighbours(model)[1])


def test_one_replicate_has_no_noise_floor_and_says_so(small_log: Path, tmp_path: Path) -> None:
    single = build("events", small_log, tmp_path / "one", BuildConfig(replicates=1, **TINY))
    assert single.manifest.models["als"].noise_floor is None
    assert single.replicate_neighbours("als") == []
    assert any("one replicate" in warning for warning in single.manifest.warnings)


def test_manifest_holds_what_was_asked_and_what_was_found(small_artifacts: ArtifactSet) -> None:
    manifest = small_artifacts.manifest
    assert manifest.models["als"].params["factors"] == 16
    assert manifest.models["word2vec"].params["window"] == 5
    assert manifest.source.simulated
    assert manifest.counts.plays == len(small_artifacts.queues.items)
    assert manifest.source.report["rows"] == manifest.counts.plays + manifest.dropped["plays"]
    assert manifest.counts.queues_ordered
    assert 0 < manifest.models["als"].noise_floor < 1  # type: ignore[operator]
    assert len(manifest.checks) == 5
    assert {"numpy", "implicit", "gensim", "python"} <= set(manifest.versions)


def test_refused_input_leaves_the_set_in_use_alone(small_set: Path, tmp_path: Path) -> None:
    before = ArtifactSet.open(small_set).fingerprint
    (tmp_path / "bad.csv").write_text("who,what\n1,2\n")
    with pytest.raises(InputError):
        build("events", tmp_path / "bad.csv", small_set, BuildConfig(**TINY))
    assert ArtifactSet.open(small_set).fingerprint == before
    assert not [*small_set.glob(f"{BUILDING}*"), *small_set.glob(f"{STAGES}*")]


@pytest.mark.parametrize("kills", [3, pytest.param(12, marks=pytest.mark.long)])
def test_killed_builds_leave_the_set_in_use_and_the_next_build_clears_up(
    small_set: Path, small_log: Path, kills: int
) -> None:
    config = small_set.parent / "quick.toml"
    config.write_text("measure_whatif = false\nmaps = []\n")
    command = [
        sys.executable, "-m", "recsys", "build", "events", "--input", str(small_log), "--out", str(small_set),
        "--config", str(config), "--replicates", "2", "--epochs", "2", "--iterations", "2", "--seed",
    ]  # fmt: skip
    start = time.monotonic()
    subprocess.run([*command, "100"], cwd=ROOT, check=True, capture_output=True)
    seconds = time.monotonic() - start
    rng = random.Random(7)
    killed = 0
    for attempt in range(5 * kills):
        before = ArtifactSet.open(small_set).folder
        # In a group of its own, so that the kill reaches everything it started and nothing else.
        process = subprocess.Popen(
            [*command, str(200 + attempt)], cwd=ROOT, start_new_session=True,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        time.sleep(rng.uniform(0.3, 1.0) * seconds)
        os.killpg(process.pid, signal.SIGKILL) if process.poll() is None else None
        killed += process.wait() == -signal.SIGKILL
        after = ArtifactSet.open(small_set)
        assert after.problems() == []
        assert process.returncode == 0 or after.folder == before or after.manifest.seed == 200 + attempt
        if killed == kills:
            break
        if process.returncode == 0:
            seconds *= 0.8  # the machine is less busy than it was
    assert killed == kills
    subprocess.run([*command, "300"], cwd=ROOT, check=True, capture_output=True)
    assert ArtifactSet.open(small_set).manifest.seed == 300
    assert verify(small_set) == []
    assert not [*small_set.glob(f"{BUILDING}*"), *small_set.glob(f"{STAGES}*")]


def test_models_recover_the_truth_of_the_simulation() -> None:
    """ALS finds what the same people like (an era of an audience), Word2vec what is played together (a scene)."""
    demo = ArtifactSet.open(ROOT / "artifacts" / "demo")
    truth = catalogue().set_index("item_id").loc[demo.catalogue["item_id"]]

    def share(model: str, *columns: str) -> float:
        lists = demo.neighbours(model)[:, :10]
        values = [truth[column].to_numpy(object) for column in columns]
        return float(np.logical_and.reduce([value[lists] == value[:, None] for value in values]).mean())

    assert share("word2vec", "scene") > 0.9
    assert share("als", "audience", "era") > 0.9
    assert share("word2vec", "scene") > share("als", "scene") + 0.2
    assert share("als", "audience", "era") > share("word2vec", "audience", "era") + 0.2


def test_config_file_and_command_line_are_put_together(tmp_path: Path) -> None:
    file = tmp_path / "build.toml"
    file.write_text("replicates = 2\n[als]\nk1 = 9.0\nfactors = 20\n")
    config = load_config(file, {"replicates": None, "seed": 3, "als": {"k1": 1.5, "b": None}})
    assert (config.replicates, config.seed, config.als) == (2, 3, {"k1": 1.5, "factors": 20})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('maps = ["pca"]', "maps.0 = 'pca': input should be 'umap' or 'tsne'"),
        ("replicates = 0", "replicates = 0: input should be greater than or equal to 1"),
        ("nonsense = 1", "no setting nonsense; there are seed, replicates"),
        ("als = 3", "als = 3"),
        ("seed = ", "cannot be read as TOML"),
    ],
)
def test_config_mistakes_name_setting_value_and_limit(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "build.toml").write_text(text)
    with pytest.raises(ParameterError, match=words):
        load_config(tmp_path / "build.toml", {})


@pytest.mark.parametrize(
    ("section", "settings", "words"),
    [
        ("als", {"k1": -1}, "als: k1 = -1"),
        ("als", {"alpha": 1}, "als: there is no setting alpha; there are k1, b"),
        ("word2vec", {"window": 0}, "word2vec: window = 0"),
    ],
)
def test_model_parameters_are_checked_before_anything_is_trained(
    small_log: Path, tmp_path: Path, section: str, settings: dict[str, float], words: str
) -> None:
    with pytest.raises(ParameterError, match=words):
        build("events", small_log, tmp_path / "x", BuildConfig(**{section: settings}))


@pytest.mark.long
def test_hetrec_meets_its_figures(real_data: Path, tmp_path: Path) -> None:
    built = build("lastfm-2k", real_data / "hetrec2011-lastfm-2k", tmp_path / "hetrec", BuildConfig(maps=[]))
    assert built.manifest.counts.items == 2_828
    assert built.manifest.models["als"].tag_share >= 0.72  # type: ignore[operator]
    assert built.manifest.models["word2vec"].tag_share >= 0.70  # type: ignore[operator]


@pytest.fixture(scope="module")
def hetrec_once(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> ArtifactSet:
    """HetRec with one fit of each model, otherwise as usual, without maps; never changed by a test."""
    config = BuildConfig(replicates=1, measure_whatif=False, maps=[])
    return build("lastfm-2k", real_data / "hetrec2011-lastfm-2k", tmp_path_factory.mktemp("sets") / "hetrec", config)


def test_one_fit_of_hetrec_meets_its_figures(hetrec_once: ArtifactSet) -> None:
    assert hetrec_once.manifest.counts.items == 2_828
    assert hetrec_once.manifest.models["als"].tag_share >= 0.72  # type: ignore[operator]
    assert hetrec_once.manifest.models["word2vec"].tag_share >= 0.70  # type: ignore[operator]


@pytest.mark.parametrize(
    "params",
    [pytest.param(UmapParams(), id="umap"), pytest.param(TsneParams(), id="tsne", marks=pytest.mark.long)],
)
def test_two_maps_of_one_model_on_hetrec_lie_several_times_nearer_than_two_models(
    hetrec_once: ArtifactSet, tmp_path: Path, params: MapParams
) -> None:
    method: Method = "umap" if isinstance(params, UmapParams) else "tsne"
    hetrec = add_maps(Path(shutil.copytree(hetrec_once.folder.parent, tmp_path / "hetrec")), method, params=params)
    assert_models_lie_several_times_farther_apart_than_seeds(hetrec, method, params)


def test_two_tsne_maps_of_one_model_on_the_demo_lie_several_times_nearer_than_two_models() -> None:
    demo = ArtifactSet.open(ROOT / "artifacts" / "demo")
    assert_models_lie_several_times_farther_apart_than_seeds(demo, "tsne", TsneParams())


def assert_models_lie_several_times_farther_apart_than_seeds(
    mapped: ArtifactSet, method: Method, params: MapParams
) -> None:
    first = mapped.layout("als", method)
    again = project(
        mapped.neighbours("als"), mapped.similarities("als"), params, np.random.default_rng(7), initial=first
    )
    between_seeds = float(np.nanmedian(shifts(aligned(again, first), first)))
    between_models = (mapped.manifest.maps or {})[f"word2vec/{method}"].median_shift
    assert between_models is not None
    assert 0 < 2.5 * between_seeds < between_models


@pytest.mark.parametrize(("k1", "b", "lowest", "highest"), [(100, 0.8, 0.33, 0.41), (1.2, 0.75, 0.65, 0.73)])
def test_two_als_seeds_on_hetrec_share_what_was_found_before(
    real_data: Path, tmp_path: Path, k1: float, b: float, lowest: float, highest: float
) -> None:
    config = BuildConfig(replicates=2, measure_whatif=False, maps=[], als={"k1": k1, "b": b}, word2vec={"epochs": 1})
    built = build("lastfm-2k", real_data / "hetrec2011-lastfm-2k", tmp_path / "hetrec", config)
    assert lowest <= built.manifest.models["als"].replicate_overlap <= highest  # type: ignore[operator]
