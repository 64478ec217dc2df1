"""The report: what it says, that nothing in it runs or leads out, and the command that writes it."""

from __future__ import annotations

import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest

from recsys.analysis.agreement import most_agreed, most_disputed
from recsys.analysis.side_by_side import compare_neighbours, headline
from recsys.artifacts.evaluations import Evaluations
from recsys.artifacts.manifest import MapEntry, MapQuality
from recsys.artifacts.store import ArtifactSet
from recsys.artifacts.writer import ArtifactWriter
from recsys.report.facts import evaluation_basis, figures_of, passport_facts
from recsys.report.page import report_html
from recsys.tuning.grid import tune
from recsys.tuning.measure import TuningSettings
from tests.evaluation.found import an_evaluation, figure, measured
from tests.test_cli import run

HOSTILE = "<script>alert(1)</script> \"&' <img src=http://x onerror=x>"
QUALITY = MapQuality(faithfulness=0.05, trustworthiness=0.5, continuity=0.5)


class Read(HTMLParser):
    """Elements, attributes and text of a page."""

    VOID = ("meta", "img", "br", "link", "hr")

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(page)
        self.close()
        self.words = " ".join(self.text.split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self.text += " "
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(scope="module")
def full_set(built_once: Path, tmp_path_factory: pytest.TempPathFactory) -> ArtifactSet:
    """The small set with evaluations, a measured grid, an entry of a map, and a name that would like to run."""
    path = Path(shutil.copytree(built_once, tmp_path_factory.mktemp("full") / "small"))
    tune(path, [(1.2, 0.8), (100.0, 0.8), (100.0, 0.0)], TuningSettings(replicates=1, listeners=50))
    now = ArtifactSet.open(path)
    hostile = most_disputed(now.agreement, now.catalogue["listeners"].to_numpy())[0]
    entry = MapEntry(
        model="als", method="umap", params={}, seed=0, n=10, random=QUALITY, pca=QUALITY, reference=None,
        shift_from=None, median_shift=None, faithfulness=0.41, trustworthiness=0.9, continuity=0.9,
    )  # fmt: skip
    with ArtifactWriter(path) as writer:
        writer.adopt(now, but=lambda name: name == "items.parquet")
        table = pd.read_parquet(now.folder / "items.parquet")
        table.loc[hostile, "name"] = HOSTILE
        writer.table("items", table)
        found = {each: an_evaluation(each, models=models(each)) for each in ("holdout", "next-event")}
        writer.document("evaluation", Evaluations(protocols=found).model_dump(mode="json"))
        writer.array("als/maps/umap", now.array("als/vectors")[:, :2])
        source = now.manifest.source.model_copy(update={"title": f"Title {HOSTILE}"})
        update = {"files": writer.files, "maps": {"als/umap": entry}, "source": source, "warnings": ["<b>mind</b>"]}
        writer.publish(now.manifest.model_copy(update=update))
    return ArtifactSet.open(path)


def models(protocol: str) -> dict[str, object]:
    found = dict(an_evaluation().models)
    if protocol == "next-event":
        found["als"] = measured("ALS", 0.2, figures={"hr_new": figure(0.31)})
    return found


@pytest.fixture(scope="module")
def page(full_set: ArtifactSet) -> str:
    return report_html(full_set, [5, 2])


def test_nothing_in_it_runs_or_leads_out_of_the_file(page: str) -> None:
    read = Read(page)
    assert read.open == []
    tags = {tag for tag, _ in read.elements}
    assert not tags & {
        "script",
        "link",
        "img",
        "image",
        "iframe",
        "object",
        "embed",
        "form",
        "base",
        "foreignobject",
        "a",
    }
    for tag, attributes in read.elements:
        for name, value in attributes.items():
            assert not name.startswith("on"), (tag, name)
            assert name not in ("src", "srcset", "action", "data", "href", "xlink:href"), (tag, name)
            if not name.startswith("xmlns"):
                assert "//" not in (value or ""), (tag, name, value)
            assert not re.search(r"url\((?!#)", value or ""), (tag, name, value)
    assert "@import" not in page
    policy = [each["content"] for tag, each in read.elements if tag == "meta" and "http-equiv" in each]
    assert policy == ["default-src 'none'; style-src 'unsafe-inline'"]


def test_names_from_the_data_are_text(page: str) -> None:
    assert "<script" not in page
    assert f"Title {HOSTILE}" in Read(page).text
    assert HOSTILE in Read(page).text.replace("Title ", "")


def test_no_two_charts_share_a_name_inside_and_every_name_used_is_there(page: str) -> None:
    read = Read(page)
    names = [each["id"] for _, each in read.elements if each.get("id")]
    assert names
    assert len(set(names)) == len(names)
    used = {
        name
        for _, each in read.elements
        for value in each.values()
        for name in re.findall(r"url\(#(.*?)\)", value or "")
    }
    assert used
    assert used <= set(names)


def test_it_says_what_the_set_is_and_what_was_found(full_set: ArtifactSet, page: str) -> None:
    words = Read(page).words
    for value in passport_facts(full_set).values():
        assert " ".join(value.split()) in words
    assert full_set.fingerprint in words
    for found in full_set.evaluation.values():
        assert found.verdict in words
        assert evaluation_basis(found) in words
        assert "the *measures* disagree" in words
        for row in figures_of(found).rows:
            assert row.title in words
    assert words.count("of the queues end in a repeat") == 1
    assert "ALS, UMAP 0.41 0.05 0.05" in words
    assert "<b>mind</b>" in words


def test_chosen_items_come_first_and_are_not_shown_twice(full_set: ArtifactSet, page: str) -> None:
    listeners = full_set.catalogue["listeners"].to_numpy()
    disputed, agreed = (find(full_set.agreement, listeners) for find in (most_disputed, most_agreed))
    words = Read(report_html(full_set, [int(disputed[0])])).words
    assert words.index("Chosen items") < words.index("Most disputed items") < words.index("Most agreed items")
    for row in [*disputed[:4], *agreed[:3]]:
        view = compare_neighbours(full_set, int(row), n=full_set.manifest.agreement_n)
        assert words.count(" ".join(headline(view).split())) == 1
        for table in view.lists.values():
            assert " ".join(table["name"].iloc[-1].split()) in words
    fifth = headline(compare_neighbours(full_set, int(disputed[4]), n=full_set.manifest.agreement_n))
    assert fifth not in words


def test_the_command_in_it_makes_the_same_report_again(full_set: ArtifactSet, page: str, tmp_path: Path) -> None:
    items = full_set.catalogue["item_id"]
    assert f"python -m recsys report artifacts/small --out report.html --item {items[5]} --item {items[2]}" in page
    out = tmp_path / "new" / "report.html"
    done = run("report", full_set.folder.parent, "--out", out, "--item", items[5], "--item", items[2], "--json")
    assert done.returncode == 0, done.stderr
    assert out.read_text("utf-8") == page
    answer = json.loads(done.stdout)
    assert answer == {"path": str(out), "bytes": len(page.encode()), "fingerprint": full_set.fingerprint}
    assert [each.name for each in out.parent.iterdir()] == ["report.html"]


def test_a_set_without_evaluation_grid_and_maps_says_less(built_once: Path) -> None:
    words = Read(report_html(ArtifactSet.open(built_once))).words
    assert "Which model recommends better was not measured on this artifact set." in words
    for heading in ("Would another K1", "How true the maps are", "Chosen items"):
        assert heading not in words


def test_what_is_there_is_not_written_over_unless_told_so(built_once: Path, tmp_path: Path) -> None:
    out = tmp_path / "report.html"
    out.write_text("mine")
    done = run("report", built_once, "--out", out)
    assert done.returncode == 2
    assert "is there already; choose another --out or pass --overwrite" in " ".join(done.stderr.split())
    assert out.read_text() == "mine"
    done = run("report", built_once, "--out", out, "--overwrite")
    assert done.returncode == 0, done.stderr
    assert out.read_text("utf-8").startswith("<!DOCTYPE html>")
    assert "opens in any browser" in done.stdout
    done = run("report", built_once, "--out", tmp_path, "--overwrite")
    assert done.returncode == 2
    assert "is there already; choose another --out" in " ".join(done.stderr.split())


def test_an_item_that_is_not_there_is_named(built_once: Path, tmp_path: Path) -> None:
    done = run("report", built_once, "--out", tmp_path / "report.html", "--item", "no such item at all")
    assert done.returncode == 1
    assert "no item has the id or name 'no such item at all'" in " ".join(done.stderr.split())
    assert not list(tmp_path.iterdir())


def test_figures_have_as_many_decimals_as_the_widest_interval_of_their_column_allows() -> None:
    figures = figures_of(an_evaluation())
    cells = {row.title: row.cells for row in figures.rows}
    assert [title for title, _ in figures.columns] == ["nDCG@7", "HR@7", "Popularity percentile", "Coverage", "Gini"]
    assert [mean for mean, _, _ in cells["ALS"]] == ["0.30", "0.60", "80.0", "60%", "0.50"]
    assert cells["Word2vec"][0] == ("0.25", "±0.01", "95% interval 0.24 to 0.26")
    assert cells["Word2vec"][2][1] == "±0.2"
    assert cells["Co-occurrence"][2:4] == [("–", "", ""), ("–", "", "")]
    finer = an_evaluation(models={"als": measured("ALS", 0.30004, figures={"ndcg": figure(0.30004, 0.0007)})})
    assert figures_of(finer).rows[0].cells[0][:2] == ("0.3000", "±0.0007")
