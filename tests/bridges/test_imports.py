from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from recsys.analysis.agreement import catalogue_agreement, pair_agreement
from recsys.analysis.neighbours import exact_neighbours
from recsys.analysis.side_by_side import compare_neighbours, headline
from recsys.analysis.stability import noise_floors
from recsys.artifacts.manifest import MOST_MODELS
from recsys.artifacts.store import ArtifactSet, verify
from recsys.bridges.exports import export_vectors
from recsys.bridges.imports import RESERVED, import_vectors, remove_model
from recsys.errors import ArtifactError, InputError, ParameterError
from recsys.evaluation.kept import evaluate_set
from recsys.evaluation.settings import EvaluationSettings
from recsys.listener.profile import Profile
from recsys.listener.recommend import Recommender, ways
from recsys.maps.kept import add_maps
from recsys.models.vectors import unit_rows


@pytest.fixture
def fits(small_set: Path, tmp_path: Path) -> list[Path]:
    """The four fits of the set's own Word2vec, as if somebody else had trained them."""
    opened = ArtifactSet.open(small_set)
    return [
        export_vectors(opened, "word2vec", "word2vec-binary", tmp_path / f"fit{r}.bin", replicate=r)[0]
        for r in range(4)
    ]


def text(file: Path, rows: dict[str, list[float]]) -> Path:
    d = len(next(iter(rows.values())))
    lines = [f"{len(rows)} {d}", *(f"{label} {' '.join(map(str, row))}" for label, row in rows.items())]
    file.write_text("\n".join(lines) + "\n", "utf-8")
    return file


def test_fits_that_come_back_are_the_model_they_were(small_set: Path, fits: list[Path]) -> None:
    opened = import_vectors(small_set, "mine", fits)
    assert opened.model_names == ["als", "word2vec", "mine"]
    own, back = (opened.manifest.models[name] for name in ("word2vec", "mine"))
    assert back.imported is not None
    # On some processors the last bit of a unit vector is another one, and what is as near as the next changes places.
    assert back.n_replicates == 4
    assert back.noise_floor == pytest.approx(own.noise_floor, abs=1e-3)
    assert back.replicate_overlap == pytest.approx(own.replicate_overlap, abs=1e-3)
    similarities = [opened.array(f"{name}/similarities") for name in ("mine", "word2vec")]
    np.testing.assert_allclose(*similarities, atol=1e-6)
    assert np.equal(opened.neighbours("mine"), opened.neighbours("word2vec")).mean() > 0.99
    assert back.imported.sha256 == [hashlib.sha256(file.read_bytes()).hexdigest() for file in fits]
    assert verify(small_set) == []


def test_what_was_open_and_what_is_kept_stay_as_they_were(small_set: Path, fits: list[Path]) -> None:
    before = ArtifactSet.open(small_set)
    after = import_vectors(small_set, "mine", fits[:2])
    assert ArtifactSet.open(small_set).fingerprint == after.fingerprint != before.fingerprint
    assert before.model_names == ["als", "word2vec"]
    assert {name: after.manifest.files[name] for name in before.manifest.files} == before.manifest.files
    linked = [(folder / "als/vectors.npy").stat().st_ino for folder in (before.folder, after.folder)]
    assert linked[0] == linked[1]


def test_an_imported_model_never_takes_the_place_of_the_builds_own(small_set: Path, fits: list[Path]) -> None:
    # In a file, keys stand in the order of the alphabet: a, als, word2vec.
    opened = import_vectors(small_set, "a", fits[:1])
    assert opened.model_names == ["als", "word2vec", "a"]
    assert opened.pair == ("als", "word2vec")
    assert list(compare_neighbours(opened, 3, n=5).lists) == ["als", "word2vec"]


def test_items_that_a_file_lacks_or_has_as_zeros_are_missing(small_set: Path, tmp_path: Path) -> None:
    opened = ArtifactSet.open(small_set)
    ids = opened.catalogue["item_id"].tolist()
    rows = {ids[5]: [1.0, 0.0], ids[2]: [0.6, 0.8], ids[9]: [0.0, 0.0], "stranger": [1.0, 1.0], ids[7]: [0.0, 2.0]}
    mine = import_vectors(small_set, "mine", [text(tmp_path / "v.txt", rows)])
    entry = mine.manifest.models["mine"]
    assert entry.items_missing == len(ids) - 3
    assert np.flatnonzero(np.any(mine.array("mine/vectors"), axis=1)).tolist() == [2, 5, 7]
    # Cosines by hand: 5 with 2 is 0.6, with 7 is 0; 2 with 7 is 0.8.
    assert mine.neighbours("mine")[5, :3].tolist() == [2, 7, -1]
    assert mine.neighbours("mine")[2, :3].tolist() == [7, 5, -1]
    assert (mine.neighbours("mine")[9] == -1).all()
    notes = "\n".join(entry.notes)
    assert f"v.txt: 4 of {len(ids)} items were found in the file (4 by id)" in notes
    assert "1 rows are of no item of the set: 'stranger'" in notes
    assert "1 of them are zeros" in notes


def test_with_one_file_the_noise_is_not_known_and_that_is_said(small_set: Path, fits: list[Path]) -> None:
    opened = import_vectors(small_set, "mine", fits[:1])
    entry = opened.manifest.models["mine"]
    assert (entry.noise_floor, entry.replicate_overlap) == (None, None)
    assert "noise is not known" in entry.notes[-1]
    view = compare_neighbours(opened, 4, n=6, pair=("als", "mine"))
    assert (view.noise_floor["mine"], view.p_value, view.verdict) == (None, None, "unknown")
    assert headline(view).endswith("How much of that is noise is not known: mine has one replicate.")


def test_an_item_that_only_some_files_have_is_missing(small_set: Path, tmp_path: Path) -> None:
    ids = ArtifactSet.open(small_set).catalogue["item_id"].tolist()
    first = text(tmp_path / "a.txt", {ids[0]: [1, 2], ids[1]: [3, 1], ids[2]: [1, 1]})
    second = text(tmp_path / "b.txt", {ids[0]: [2, 1], ids[1]: [1, 5]})
    opened = import_vectors(small_set, "mine", [first, second])
    assert np.flatnonzero(np.any(opened.array("mine/vectors"), axis=1)).tolist() == [0, 1]
    assert "1 items that only some of the files have are missing" in opened.manifest.models["mine"].notes


@pytest.mark.parametrize("name", ["", "Mine", "9lives", "über", "a b", "../als", "a" * 33, "mine\n"])
def test_a_name_that_is_none_is_refused(small_set: Path, fits: list[Path], name: str) -> None:
    with pytest.raises(ParameterError, match="small letters, digits, _ or -"):
        import_vectors(small_set, name, fits)


@pytest.mark.parametrize(
    "name", ["als", "word2vec", "evaluation", "overlap", "verdict", "als_mean", "word2vec_2", "bm25"]
)
def test_a_name_that_means_something_else_is_refused(small_set: Path, fits: list[Path], name: str) -> None:
    with pytest.raises(ParameterError, match=f"'{name}', which means something else"):
        import_vectors(small_set, name, fits)


def test_every_key_beside_which_a_models_name_stands_is_reserved(small_artifacts: ArtifactSet) -> None:
    keys = set(compare_neighbours(small_artifacts, 0, n=3).as_json()) | {"evidence"}
    tops = {name.split("/")[0].split(".")[0] for name in small_artifacts.manifest.files}
    assert keys | tops <= RESERVED


def test_what_does_not_go_together_is_refused(small_set: Path, fits: list[Path], tmp_path: Path) -> None:
    ids = ArtifactSet.open(small_set).catalogue["item_id"].tolist()
    short = text(tmp_path / "short.txt", {ids[0]: [1, 2], ids[1]: [3, 1]})
    with pytest.raises(ParameterError, match="fit0.bin has vectors of 16 numbers, short.txt of 2"):
        import_vectors(small_set, "mine", [fits[0], short])
    with pytest.raises(
        ParameterError, match="fit1.bin and fit1.bin hold equal vectors, and of copies no noise is known"
    ):
        import_vectors(small_set, "mine", [fits[0], fits[1], fits[1]])
    with pytest.raises(ParameterError, match="0 files"):
        import_vectors(small_set, "mine", [])
    strange = text(tmp_path / "strange.txt", {"nobody": [1, 2], ids[1]: [3, 1]})
    with pytest.raises(InputError, match=f"1 of its 2 rows are items of the set: it calls them 'nobody'.*'{ids[0]}'"):
        import_vectors(small_set, "mine", [strange])
    with pytest.raises(ArtifactError, match="is a single build"):
        import_vectors(ArtifactSet.folder_in_use(small_set), "mine", fits)
    assert ArtifactSet.open(small_set).model_names == ["als", "word2vec"]


def test_a_set_holds_no_more_models_than_there_are_colours(small_set: Path, fits: list[Path]) -> None:
    for at in range(MOST_MODELS - 2):
        import_vectors(small_set, f"m{at}", [fits[at]])
    with pytest.raises(ParameterError, match="has a model 'm1' already.*remove-model"):
        import_vectors(small_set, "m1", fits)
    with pytest.raises(ArtifactError, match="the most that it can hold.*remove-model .* m3"):
        import_vectors(small_set, "another", fits)


def test_agreement_of_another_pair_is_that_of_its_lists(small_set: Path, fits: list[Path]) -> None:
    opened = import_vectors(small_set, "mine", fits[1:])
    table = pair_agreement(opened, ("als", "mine"))
    vectors = np.hstack([unit_rows(block) for block in np.split(np.array(opened.array("mine/vectors")), 3, axis=1)])
    n = opened.manifest.agreement_n
    exact = exact_neighbours(unit_rows(vectors), np.arange(len(vectors)), n).neighbours
    own = opened.neighbours("als")[:, :n]
    shared = [len(set(left) & set(right)) / n for left, right in zip(own.tolist(), exact.tolist(), strict=True)]
    np.testing.assert_allclose(table["overlap"], shared, rtol=1e-6)
    np.testing.assert_allclose(table["floor_mine"], noise_floors(opened.half_neighbours("mine"), n), rtol=1e-6)
    # What is stored of the build's pair is what would be measured of it.
    names = opened.pair
    again = catalogue_agreement(
        {m: opened.neighbours(m) for m in names}, {m: opened.similarities(m) for m in names},
        {m: opened.replicate_neighbours(m) for m in names}, {m: opened.half_neighbours(m) for m in names}, n,
    )  # fmt: skip
    np.testing.assert_array_equal(pair_agreement(opened, names).to_numpy(), again.to_numpy())


def test_two_models_are_named_or_refused(small_set: Path, fits: list[Path]) -> None:
    opened = import_vectors(small_set, "mine", fits[:1])
    assert opened.pair_of(["mine", "als"]) == ("als", "mine")
    for names in (["als"], ["als", "als"], ["als", "nobody"], ["als", "mine", "word2vec"]):
        with pytest.raises(ParameterError, match="choose two of als, word2vec, mine"):
            opened.pair_of(names)


def test_any_model_recommends_by_the_mean_of_its_vectors(small_set: Path, fits: list[Path]) -> None:
    opened = import_vectors(small_set, "mine", fits)
    assert ways(opened) == ["als_fold_in", "als_mean", "word2vec_mean", "mine_mean"]
    recommender, profile = Recommender(opened), Profile.of_picks({3: 2.0, 8: 1.0}, opened)
    mine, own = (recommender.recommend(profile, way, n=6) for way in ("mine_mean", "word2vec_mean"))
    assert mine.title == "mine"
    assert mine.table["item_id"].tolist() == own.table["item_id"].tolist()


def test_an_evaluation_measures_an_imported_model_and_says_what_it_may_have_seen(
    small_set: Path, fits: list[Path]
) -> None:
    import_vectors(small_set, "mine", fits)
    settings = EvaluationSettings(n=5, listeners=60, replicates=1)
    plain = evaluate_set(small_set, settings, {}).evaluation["holdout"]
    mine = plain.models["mine"]
    assert (mine.baseline, mine.replicates) == (False, 4)
    assert any("mine was trained elsewhere" in words and "flatter" in words for words in plain.distrust)
    remove_model(small_set, "mine")
    without = evaluate_set(small_set, settings, {}).evaluation["holdout"]
    assert without.models["als"].figures == plain.models["als"].figures


def test_a_model_that_is_taken_out_leaves_nothing_behind(small_set: Path, fits: list[Path]) -> None:
    evaluate_set(small_set, EvaluationSettings(n=5, listeners=60, replicates=1), {})
    before = add_maps(small_set, "umap", ["als"])
    import_vectors(small_set, "mine", fits[:1])
    add_maps(small_set, "umap", ["mine"])
    evaluate_set(small_set, EvaluationSettings(n=5, listeners=60, replicates=1), {})
    after = remove_model(small_set, "mine")
    assert after.model_names == ["als", "word2vec"]
    assert not [name for name in after.manifest.files if "mine" in name]
    assert after.maps == before.maps == ["als/umap"]
    left, was = after.evaluation["holdout"], before.evaluation["holdout"]
    assert list(left.models) == list(was.models)
    assert [(each.left, each.right) for each in left.differences] == [(d.left, d.right) for d in was.differences]
    assert left.distrust == was.distrust
    assert set(after.evaluation_lists("holdout")["model"]) == set(was.models)
    assert verify(small_set) == []


def test_a_map_that_was_measured_from_one_that_goes_stays_without_its_distances(
    small_set: Path, fits: list[Path]
) -> None:
    import_vectors(small_set, "mine", fits[:1])
    add_maps(small_set, "umap", ["mine"])
    mapped = add_maps(small_set, "umap", ["als"])
    assert (mapped.manifest.maps or {})["als/umap"].shift_from == "mine/umap"
    after = remove_model(small_set, "mine")
    entry = (after.manifest.maps or {})["als/umap"]
    assert (entry.shift_from, entry.reference, entry.median_shift) == (None, None, None)
    assert after.map_shift("als", "umap") is None
    np.testing.assert_array_equal(after.layout("als", "umap"), mapped.layout("als", "umap"))


@pytest.mark.parametrize(("name", "words"), [("als", "was trained by its build and stays"), ("x", "is not there")])
def test_only_what_was_imported_can_be_taken_out(small_set: Path, name: str, words: str) -> None:
    before = ArtifactSet.open(small_set).fingerprint
    with pytest.raises(ParameterError, match=f"'{name}' {words}; imported are none"):
        remove_model(small_set, name)
    assert ArtifactSet.open(small_set).fingerprint == before
