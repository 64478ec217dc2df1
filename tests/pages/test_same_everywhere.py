"""The command line and the Neighbours page show one and the same thing, and it is what loops over the raw log say.

The data are worked by hand: 5 listeners, 7 items, vectors of two and three numbers; nothing is square or symmetric.
"""

from __future__ import annotations

import json
import re
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from typer.testing import CliRunner

from recsys.analysis.agreement import catalogue_agreement, popularity_percentiles
from recsys.analysis.neighbours import neighbour_graph
from recsys.artifacts.manifest import Counts
from recsys.artifacts.store import ArtifactSet
from recsys.artifacts.writer import ArtifactWriter
from recsys.cli import app
from recsys.models.vectors import ItemVectors
from tests.pages.conftest import Open, texts

NAMES = ["Abba", "Beck", "Cher", "Dido", "Enya", "Feist", "Gus Gus"]
# Listener by item.
PLAYS = np.array(
    [
        [9, 2, 0, 0, 1, 0, 0],
        [4, 0, 3, 0, 0, 0, 2],
        [1, 1, 0, 5, 0, 0, 0],
        [7, 0, 0, 2, 0, 3, 0],
        [2, 6, 1, 0, 0, 0, 0],
    ],
    np.float32,
)
QUEUES = [[0, 1, 0, 4], [2, 0, 6, 0], [3, 1], [0, 5, 3, 3, 0, 0], [1, 2, 1, 0, 1]]
WINDOW = 2
# By model four replicates of the item vectors, so far apart that lists and halves differ.
VECTORS = {
    "als": [
        [[4, 1], [3, 2], [1, 4], [5, 0], [2, 2], [0, 3], [-1, 2]],
        [[4, 1], [2, 2], [1, 4], [5, 1], [3, 2], [0, 3], [-1, 2]],
        [[4, 2], [3, 1], [2, 4], [0, 5], [2, 3], [1, 3], [-1, 1]],
        [[3, 1], [3, 2], [1, 5], [5, 2], [2, 1], [0, 3], [-2, 2]],
    ],
    "word2vec": [
        [[1, 0, 2], [0, 1, 2], [2, 0, 3], [5, 1, 0], [0, 4, 1], [1, 1, 1], [3, 0, 1]],
        [[1, 0, 2], [0, 1, 3], [2, 1, 3], [5, 0, 0], [0, 4, 2], [1, 2, 1], [3, 1, 1]],
        [[1, 1, 2], [0, 2, 2], [2, 0, 2], [4, 1, 0], [0, 4, 1], [1, 1, 2], [3, 0, 2]],
        [[2, 0, 2], [0, 1, 1], [2, 0, 4], [5, 1, 1], [1, 4, 1], [2, 1, 1], [3, 0, 0]],
    ],
}  # fmt: skip
N, DEPTH = 3, 5


@pytest.fixture(scope="module", params=["ordered", "sets"])
def hand_set(request: pytest.FixtureRequest, built_once: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An artifact set of the data above; "sets" says of its queues that nobody knows their order."""
    sample = ArtifactSet.open(built_once).manifest
    out = tmp_path_factory.mktemp("sets") / "hand"
    listeners = (PLAYS > 0).sum(axis=0)
    user_items = sp.csr_matrix(PLAYS)
    rng = np.random.default_rng(0)
    with ArtifactWriter(out) as writer:
        writer.table(
            "items",
            pd.DataFrame(
                {
                    "item_id": [f"x{row}" for row in range(7)], "name": NAMES, "listeners": listeners,
                    "plays": PLAYS.sum(axis=0).astype(float), "tags": [[] for _ in NAMES],
                    "popularity": popularity_percentiles(listeners).astype(np.float32),
                }
            ),
        )  # fmt: skip
        for part in ("data", "indices", "indptr"):
            writer.array(f"user_items.{part}", getattr(user_items, part))
        writer.array("queues.items", np.concatenate(QUEUES).astype(np.int32))
        writer.array("queues.offsets", np.cumsum([0, *map(len, QUEUES)]).astype(np.int64))
        lists: dict[str, dict[str, Any]] = {"neighbours": {}, "similarities": {}, "replicates": {}, "halves": {}}
        for model, fits in VECTORS.items():
            consensus = ItemVectors.consensus([np.array(fit, np.float32) for fit in fits])
            graph = neighbour_graph(consensus.vectors, DEPTH, rng, exact_below=1000)
            lists["neighbours"][model], lists["similarities"][model] = graph.neighbours, graph.similarities
            parts = {
                "replicates": {str(r): consensus.only([r]) for r in range(4)},
                "halves": dict(zip(("half_a", "half_b"), consensus.halves(), strict=True)),
            }
            for kind, members in parts.items():
                lists[kind][model] = []
                for name, vectors in members.items():
                    found = neighbour_graph(vectors.vectors, DEPTH, rng, exact_below=1000).neighbours
                    lists[kind][model].append(found)
                    writer.array(f"{model}/replicates/{name}", found)
            writer.array(f"{model}/vectors", consensus.vectors)
            writer.array(f"{model}/neighbours", graph.neighbours)
            writer.array(f"{model}/similarities", graph.similarities)
        writer.table("agreement", catalogue_agreement(**lists, n=N))
        counts = Counts(
            items=7, listeners=5, interactions=user_items.nnz, plays=float(PLAYS.sum()), queues=len(QUEUES),
            queues_ordered=request.param == "ordered",
        )  # fmt: skip
        models = {
            name: entry.model_copy(update={"params": {**entry.params, "window": WINDOW} if name == "word2vec" else {}})
            for name, entry in sample.models.items()
        }
        changed = {
            "counts": counts, "models": models, "depth": DEPTH, "replicate_depth": DEPTH, "agreement_n": N,
            "files": writer.files,
        }  # fmt: skip
        writer.publish(sample.model_copy(update=changed))
    return out


def cosine_lists(model: str, replicates: list[int], row: int) -> tuple[list[int], list[float]]:
    """All other items by the mean cosine over some replicates, in plain Python."""
    scores = []
    for other in range(7):
        cosines = []
        for r in replicates:
            a, b = VECTORS[model][r][row], VECTORS[model][r][other]
            dot = sum(x * y for x, y in zip(a, b, strict=True))
            cosines.append(dot / (sum(x * x for x in a) * sum(y * y for y in b)) ** 0.5)
        scores.append(sum(cosines) / len(cosines))
    order = sorted((other for other in range(7) if other != row), key=lambda other: -scores[other])
    return order[:N], [scores[other] for other in order[:N]]


def counted(item: int, other: int) -> dict[str, Any]:
    """Evidence of a pair, counted by loops over PLAYS and QUEUES."""
    both = sum(1 for plays in PLAYS if plays[item] and plays[other])
    first, second = (sum(1 for plays in PLAYS if plays[each]) for each in (item, other))
    times, queues = 0, 0
    for queue in QUEUES:
        near = sum(
            1
            for i, a in enumerate(queue)
            for j, b in enumerate(queue)
            if a == item and b == other and abs(i - j) <= WINDOW
        )
        times += near
        queues += near > 0
    return {
        "shared_listeners": both,
        "lift": pytest.approx(both * len(PLAYS) / (first * second)),
        "listener_share": pytest.approx(both / first),
        "times_within_window": times,
        "queues": queues,
    }


def overlap(left: list[int], right: list[int]) -> float:
    return len(set(left) & set(right)) / N


def rbo(left: list[int], right: list[int], p: float = 0.9) -> float:
    agreement = [len(set(left[:d]) & set(right[:d])) / d for d in range(1, N + 1)]
    return (1 - p) / p * sum(a * p**d for d, a in enumerate(agreement, 1)) + agreement[-1] * p**N


def printed(folder: Path, item: str) -> dict[str, Any]:
    done = CliRunner().invoke(app, ["neighbours", str(folder), item, "-n", str(N), "--json"])
    assert done.exit_code == 0, done.output
    return dict(json.loads(done.stdout))


@pytest.mark.parametrize("row", range(7))
def test_json_equals_loops_over_vectors_and_log(hand_set: Path, row: int) -> None:
    document = printed(hand_set, f"x{row}")
    listeners = (PLAYS > 0).sum(axis=0)
    lists = {}
    for model in VECTORS:
        lists[model], scores = cosine_lists(model, [0, 1, 2, 3], row)
        shown = document[model]
        assert [each["item_id"] for each in shown] == [f"x{other}" for other in lists[model]]
        assert [each["similarity"] for each in shown] == pytest.approx(scores, abs=1e-6)
        singles = [cosine_lists(model, [r], row)[0] for r in range(4)]
        assert [each["stability"] for each in shown] == [
            sum(other in single for single in singles) / 4 for other in lists[model]
        ]
        halves = [cosine_lists(model, half, row)[0] for half in ([0, 1], [2, 3])]
        assert document["noise_floor"][model] == pytest.approx(overlap(*halves))
        assert [each["listeners"] for each in shown] == [listeners[other] for other in lists[model]]
        assert [each["popularity"] for each in shown] == pytest.approx(
            [100 * sum(listeners <= listeners[other]) / 7 for other in lists[model]], abs=1e-4
        )
    left, right = lists["als"], lists["word2vec"]
    assert document["overlap"] == pytest.approx(overlap(left, right))
    assert document["jaccard"] == pytest.approx(len(set(left) & set(right)) / len(set(left) | set(right)))
    assert document["rbo"] == pytest.approx(rbo(left, right))
    for model, own, other in (("als", left, right), ("word2vec", right, left)):
        assert [each["move"] for each in document[model]] == [
            own.index(item) - other.index(item) if item in other else None for item in own
        ]
    asked = {each["item_id"]: each for each in document["evidence"]}
    assert set(asked) == {f"x{other}" for other in (*left, *right)}
    for item_id, found in asked.items():
        expected = counted(row, int(item_id[1:]))
        assert {key: found[key] for key in expected} == expected


@pytest.mark.parametrize("row", [0, 3, 6])
def test_the_page_shows_what_the_command_line_prints(hand_set: Path, open_page: Open, row: int) -> None:
    document = printed(hand_set, f"x{row}")
    at = open_page("neighbours", root=hand_set.parent, item=f"x{row}", n=str(N))
    assert not at.exception
    shown = json.loads(at.get("bidi_component")[0].proto.json)["lists"]
    for model, table in zip(VECTORS, shown, strict=True):
        for cells, expected in zip(table["rows"], document[model], strict=True):
            assert cells["item_id"] == expected["item_id"]
            assert cells["name"] == expected["name"]
            assert cells["rank"] == str(expected["rank"])
            assert cells["similarity"] == f"{expected['similarity']:.2f}"
            assert cells["stability"].count("●") == round(4 * expected["stability"])
            assert cells["popularity_help"] == f"{(own := expected['listeners'])} listener{'s' * (own != 1)}"
            assert cells["shared"] == expected["shared"] == (expected["move"] is not None)
            if expected["shared"]:
                there = expected["rank"] - expected["move"]
                assert re.search(rf"\b{there:.0f}(st|nd|rd|th)\b", cells["where"])
    words = unescape(re.sub("<[^>]*>", " ", texts(at)))
    words = re.sub(r"\s+", " ", words)
    assert f"RBO {document['rbo']:.2f}" in words
    for share in (document["overlap"], *document["noise_floor"].values()):
        assert f"{share * N:.0f} of {N}" in words
    for found in document["evidence"]:
        at.selectbox(key="why").set_value(int(found["item_id"][1:])).run()
        words = re.sub(r"\s+", " ", unescape(re.sub("<[^>]*>", " ", texts(at))))
        assert re.search(rf"\b{found['shared_listeners']} listeners? played both", words)
        if found["shared_listeners"]:
            assert f"{found['listener_share']:.0%} of those of" in words
            assert f"{found['lift']:.1f} times what chance would give" in words
        ordered = ArtifactSet.open(hand_set).manifest.counts.queues_ordered
        if not ordered:
            assert re.search(rf"together in the sets of {found['queues']} listeners?\b", words)
            assert "in which order they were played is not known" in words
            assert "▸" not in words
            assert found["excerpts"] == []
        elif found["times_within_window"]:
            assert re.search(rf"\b{found['times_within_window']} times? within {WINDOW} plays of each other", words)
            assert re.search(rf"in {found['queues']} queues?\b", words)
            names = [NAMES[int(found["item_id"][1:])], NAMES[row]]
            assert all(set(names) <= set(excerpt["items"]) for excerpt in found["excerpts"])
            assert words.count("▸") >= len(found["excerpts"])
        else:
            assert f"never within {WINDOW} plays" in words
