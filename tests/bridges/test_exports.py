"""What is exported is opened by the programs that it is meant for, and comes back as it was."""

from __future__ import annotations

from pathlib import Path

import gensim.models
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from implicit.cpu.als import AlternatingLeastSquares

from recsys.artifacts.store import ArtifactSet
from recsys.bridges import word2vec_format
from recsys.bridges.exports import FORMATS, export_neighbours, export_vectors, neighbour_table
from recsys.bridges.imports import import_vectors
from recsys.errors import ArtifactError, ParameterError


@pytest.mark.parametrize("form", ["word2vec", "word2vec-binary"])
def test_gensim_loads_word2vec_formats(small_artifacts: ArtifactSet, tmp_path: Path, form: str) -> None:
    (file,) = export_vectors(small_artifacts, "als", form, tmp_path / "v")
    loaded = gensim.models.KeyedVectors.load_word2vec_format(str(file), binary=form == "word2vec-binary")
    assert loaded.index_to_key == small_artifacts.catalogue["item_id"].tolist()
    np.testing.assert_array_equal(loaded.vectors, small_artifacts.array("als/vectors"))
    ids = small_artifacts.catalogue["item_id"]
    near = [ids.iloc[row] for row in small_artifacts.neighbours("als")[7, :5]]
    assert [key for key, _ in loaded.most_similar(ids.iloc[7], topn=5)] == near


def test_implicit_loads_als_as_it_was_fitted_and_recommends_with_it(
    small_artifacts: ArtifactSet, tmp_path: Path
) -> None:
    file, ids = export_vectors(small_artifacts, "als", "implicit", tmp_path / "als.npz", replicate=2)
    loaded = AlternatingLeastSquares.load(str(file))
    factors = {of: np.array(small_artifacts.array(f"als/{of}_factors")[2]) for of in ("user", "item")}
    np.testing.assert_array_equal(loaded.item_factors, factors["item"])
    assert ids.read_text("utf-8").splitlines() == small_artifacts.catalogue["item_id"].tolist()
    plays = small_artifacts.user_items[11].copy()
    rows, scores = loaded.recommend(11, plays, N=4, filter_already_liked_items=True)
    expected = factors["item"] @ factors["user"][11]
    expected[plays.indices] = -np.inf
    assert rows.tolist() == np.argsort(-expected, kind="stable")[:4].tolist()
    np.testing.assert_allclose(scores, np.sort(expected)[::-1][:4], rtol=1e-4)


def test_implicit_finds_similar_items_of_any_model(small_artifacts: ArtifactSet, tmp_path: Path) -> None:
    file, _ = export_vectors(small_artifacts, "word2vec", "implicit", tmp_path / "w.npz", replicate=1)
    rows, _ = AlternatingLeastSquares.load(str(file)).similar_items(5, N=7)
    own = small_artifacts.replicate_neighbours("word2vec")[1][5, :6]
    assert rows[0] == 5
    assert sorted(rows[1:]) == sorted(own)


@pytest.mark.parametrize("form", FORMATS)
def test_what_is_exported_comes_back_as_the_same_neighbours(small_set: Path, tmp_path: Path, form: str) -> None:
    opened = ArtifactSet.open(small_set)
    files = [export_vectors(opened, "als", form, tmp_path / f"fit{r}", replicate=r) for r in range(4)]
    ids = files[0][1] if form in ("npy", "implicit") else None
    back = import_vectors(small_set, "back", [each[0] for each in files], ids=ids)
    np.testing.assert_array_equal(back.neighbours("back"), opened.neighbours("als"))
    assert back.manifest.models["back"].noise_floor == opened.manifest.models["als"].noise_floor


def test_projector_and_parquet_say_what_the_vectors_are_of(small_artifacts: ArtifactSet, tmp_path: Path) -> None:
    vectors, metadata = export_vectors(small_artifacts, "als", "projector", tmp_path / "p")
    assert (vectors.name, metadata.name) == ("vectors.tsv", "metadata.tsv")
    np.testing.assert_array_equal(np.loadtxt(vectors, np.float32, delimiter="\t"), small_artifacts.array("als/vectors"))
    told = pd.read_csv(metadata, sep="\t", quoting=3, na_filter=False)
    assert told["name"].tolist() == small_artifacts.catalogue["name"].tolist()
    assert told["listeners"].tolist() == small_artifacts.catalogue["listeners"].tolist()
    table = pq.read_table(export_vectors(small_artifacts, "als", "parquet", tmp_path / "v.parquet")[0])
    assert table.column("name").to_pylist() == told["name"].tolist()


def test_items_that_a_model_lacks_are_not_exported(small_set: Path, tmp_path: Path) -> None:
    ids = ArtifactSet.open(small_set).catalogue["item_id"].tolist()
    (tmp_path / "in.txt").write_text(f"2 2\n{ids[9]} 3 4\n{ids[2]} 0 2\n", "utf-8")
    opened = import_vectors(small_set, "mine", [tmp_path / "in.txt"])
    (file,) = export_vectors(opened, "mine", "word2vec", tmp_path / "out.txt")
    assert file.read_text("utf-8") == f"2 2\n{ids[2]} 0.0 1.0\n{ids[9]} 0.6 0.8\n"


def test_spaces_in_ids_are_underscores_and_may_not_make_two_ids_one(tmp_path: Path) -> None:
    vectors = np.array([[1, 2, 3], [4, 5, 6]], np.float32)
    word2vec_format.write(["a b\tc", "d"], vectors, tmp_path / "v.txt", binary=False)
    loaded = gensim.models.KeyedVectors.load_word2vec_format(str(tmp_path / "v.txt"))
    assert loaded.index_to_key == ["a_b_c", "d"]
    with pytest.raises(ParameterError, match="two ids are 'a_b' when spaces are underscores.*--format parquet"):
        word2vec_format.write(["a b", "a_b"], vectors, tmp_path / "w.txt", binary=False)


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_neighbours_are_those_of_the_set(small_artifacts: ArtifactSet, tmp_path: Path, ending: str) -> None:
    file = export_neighbours(small_artifacts, "word2vec", 3, tmp_path / f"near.{ending}")
    table = pd.read_csv(file, na_filter=False) if ending == "csv" else pd.read_parquet(file)
    ids = small_artifacts.catalogue["item_id"]
    assert len(table) == 3 * len(ids)
    own = table[table["item_id"] == ids.iloc[4]]
    assert own["rank"].tolist() == [1, 2, 3]
    assert own["neighbour_id"].tolist() == [ids.iloc[row] for row in small_artifacts.neighbours("word2vec")[4, :3]]
    np.testing.assert_allclose(own["similarity"], small_artifacts.similarities("word2vec")[4, :3], rtol=1e-6)


def test_what_cannot_be_exported_is_refused_and_leaves_nothing(small_artifacts: ArtifactSet, tmp_path: Path) -> None:
    out = tmp_path / "v.txt"
    with pytest.raises(ParameterError, match="no model 'bpr'; there are als, word2vec"):
        export_vectors(small_artifacts, "bpr", "npy", out)
    with pytest.raises(ParameterError, match="no format 'onnx'; choose word2vec, "):
        export_vectors(small_artifacts, "als", "onnx", out)
    with pytest.raises(ParameterError, match="no replicate 4; those of als go from 0 to 3"):
        export_vectors(small_artifacts, "als", "npy", out, replicate=4)
    with pytest.raises(ParameterError, match="n is 41; this artifact set holds lists of 1 to 40"):
        neighbour_table(small_artifacts, "als", 41)
    with pytest.raises(ParameterError, match="ends neither in .csv nor in .parquet"):
        export_neighbours(small_artifacts, "als", 3, tmp_path / "v.xls")
    out.write_text("mine")
    with pytest.raises(ArtifactError, match="v.txt is there already; choose another --out"):
        export_vectors(small_artifacts, "als", "word2vec", out)
    with pytest.raises(ArtifactError, match="cannot write to"):
        export_vectors(small_artifacts, "als", "word2vec", out / "below")
    assert [path.name for path in tmp_path.iterdir()] == ["v.txt"]
    assert out.read_text() == "mine"
