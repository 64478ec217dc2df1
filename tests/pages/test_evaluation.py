"""The Evaluation page, against what the set keeps."""

from __future__ import annotations

import json
import re
import shutil
from html import unescape
from pathlib import Path

import pytest
from streamlit.dataframe_util import convert_arrow_bytes_to_pandas_df
from streamlit.testing.v1 import AppTest

from recsys.artifacts.store import ArtifactSet
from recsys.evaluation.kept import evaluate_set
from recsys.evaluation.settings import EvaluationSettings
from recsys.report.facts import evaluation_basis
from tests.pages.conftest import Open, texts

STATED = {"als": {"iterations": 2}, "word2vec": {"epochs": 1}}
ESCAPED = re.compile(r"\\(.)|[\u2060\u2068\u2069]")


@pytest.fixture(scope="module")
def evaluated(built_once: Path, tmp_path_factory: pytest.TempPathFactory) -> ArtifactSet:
    path = Path(shutil.copytree(built_once, tmp_path_factory.mktemp("evaluated") / "small"))
    quick = EvaluationSettings(listeners=60, replicates=2)
    evaluate_set(path, quick, STATED)
    return evaluate_set(path, quick.model_copy(update={"protocol": "next-event"}), STATED)


def opened(open_page: Open, artifacts: ArtifactSet, **query: str) -> AppTest:
    at = open_page("evaluation", root=artifacts.folder.parents[1], **query)
    assert not at.exception
    return at


def words(at: AppTest) -> str:
    return unescape(ESCAPED.sub(lambda found: found[1] or "", texts(at)))


def specs(at: AppTest) -> list[dict[str, object]]:
    return [json.loads(chart.proto.spec) for chart in at.get("vega_lite_chart")]


def test_without_an_evaluation_the_page_says_how_to_make_one(open_page: Open, small_set: Path) -> None:
    at = open_page("evaluation")
    assert not at.exception
    assert at.header[0].value == "Which model recommends better? Not measured yet"
    assert at.code[0].value == f"python -m recsys evaluate {small_set}"
    assert not at.get("vega_lite_chart")
    assert [button.label for button in at.get("download_button")] == ["Report (HTML)"]


def test_the_verdict_stands_at_the_top_with_what_it_rests_on_and_what_speaks_against_it(
    open_page: Open, evaluated: ArtifactSet
) -> None:
    at = opened(open_page, evaluated)
    found = evaluated.evaluation["holdout"]
    assert ESCAPED.sub(lambda each: each[1] or "", at.header[0].value) == found.verdict
    assert "**nDCG**: how high the held-out items stand" in at.header[0].help
    shown = words(at)
    assert evaluation_basis(found) in shown
    assert found.split[:12] in shown
    assert found.distrust
    for each in found.distrust:
        assert f"- {each}" in shown


def test_the_table_holds_the_stored_figures(open_page: Open, evaluated: ArtifactSet) -> None:
    at = opened(open_page, evaluated)
    found = evaluated.evaluation["holdout"]
    table = next(element.proto.body for element in at.get("html") if "figures" in element.proto.body)
    rows = dict(re.findall(r'<tr><th scope="row">(.*?)</th>(.*?)</tr>', table, re.S))
    assert list(rows) == [model.title for model in found.models.values()]
    for model in found.models.values():
        means = re.findall(r"<td[^>]*>([^<]*)", rows[model.title])
        ndcg = model.figures["ndcg"].mean
        assert ndcg is not None
        assert float(means[0]) == pytest.approx(ndcg, abs=0.5 * 10 ** -len(means[0].partition(".")[2]))
        assert means[-2] == f"{model.coverage:.0%}"
    assert table.index("Baselines") < table.index("Popularity</th>")
    assert '<abbr title="how high the held-out items stand' in table


def test_charts_draw_the_stored_numbers(open_page: Open, evaluated: ArtifactSet) -> None:
    at = opened(open_page, evaluated)
    found = evaluated.evaluation["holdout"]
    stored = [d.difference.mean for d in found.differences if (d.left, d.right) == ("als", "word2vec")]
    drawn = [convert_arrow_bytes_to_pandas_df(each.data.data) for each in at.get("vega_lite_chart")[0].proto.datasets]
    assert next(table for table in drawn if "mean" in table)["mean"].tolist() == stored
    assert len(specs(at)) == 5


def test_another_protocol_is_chosen_by_the_address_and_by_hand(open_page: Open, evaluated: ArtifactSet) -> None:
    at = opened(open_page, evaluated, protocol="next-event")
    found = evaluated.evaluation
    assert at.radio(key="protocol").options == ["holdout", "next-event"]
    assert found["next-event"].verdict in words(at)
    assert "of the queues end in a repeat" in words(at)
    assert len(specs(at)) == 6
    at = at.radio(key="protocol").set_value("holdout").run()
    assert found["holdout"].verdict in words(at)
    assert found["next-event"].verdict not in words(at)
    assert "end in a repeat" not in words(at)


def test_the_other_side_of_the_trade_off_can_be_chosen(open_page: Open, evaluated: ArtifactSet) -> None:
    at = opened(open_page, evaluated)
    assert "share of the catalogue in anybody" in json.dumps(specs(at)[4])
    at = at.radio(key="against").set_value("popularity").run()
    assert "mean percentile of popularity" in json.dumps(specs(at)[4])
    assert "of percentile" in words(at)
