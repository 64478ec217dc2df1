"""The walls of the house, read from the imports, and what is loaded at run time."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
HEAVY = {"implicit", "gensim", "numba", "umap", "openTSNE", "pynndescent", "pyspark", "optuna"}
OWNERS = {
    "implicit": {"recsys/models/als.py"},
    "gensim": {"recsys/models/word2vec.py"},
    "pynndescent": {"recsys/analysis/neighbours.py"},
    "umap": {"recsys/analysis/projection.py"},
    "openTSNE": {"recsys/analysis/projection.py"},
    "pyspark": {f"recsys/spark/{file}.py" for file in ("session", "reading", "models", "engine")},
    "numba": {"recsys/interactions/kernels.py"},
    "optuna": {"recsys/tuning/word2vec_search.py"},
}
# Which rooms a room may import; a room may always import itself.
MAY_IMPORT = {
    "errors": set(),
    "config": {"errors"},
    "memory": set(),
    "plural": set(),
    "interactions": {"errors", "config", "plural"},
    "models": {"interactions", "errors", "config"},
    "artifacts": {"analysis", "models", "interactions", "errors", "config", "plural"},
    "analysis": {"artifacts", "models", "interactions", "errors", "config", "plural"},
    "steps": {"analysis", "artifacts", "models", "interactions", "errors", "config", "plural", "memory"},
    "listener": {"artifacts", "analysis", "models", "interactions", "errors", "config"},
    "whatif": {"artifacts", "analysis", "models", "interactions", "errors", "config", "plural"},
    "spark": {"steps", "artifacts", "models", "interactions", "errors", "config"},
    "pipeline": {
        "spark",
        "steps",
        "whatif",
        "maps",
        "analysis",
        "artifacts",
        "models",
        "interactions",
        "errors",
        "config",
        "plural",
    },
    "scenarios": {"whatif", "tuning", "maps", "steps", "artifacts", "models", "interactions", "errors", "config"},
    "fit_apart": {"scenarios", "whatif", "artifacts", "memory", "errors"},
    "maps": {"steps", "analysis", "artifacts", "models", "interactions", "errors", "config"},
    "evaluation": {"steps", "analysis", "artifacts", "models", "interactions", "errors", "config", "plural"},
    "tuning": {"evaluation", "steps", "analysis", "artifacts", "models", "interactions", "errors", "config", "plural"},
    "bridges": {
        "evaluation",
        "maps",
        "listener",
        "steps",
        "analysis",
        "artifacts",
        "models",
        "interactions",
        "errors",
        "config",
    },
    "api": {
        "bridges",
        "pipeline",
        "listener",
        "analysis",
        "artifacts",
        "models",
        "interactions",
        "errors",
        "config",
    },
    "votes": {"errors"},
    "serving": {"artifacts", "errors"},
    # Modules of recsys/ui that draw and know no Streamlit, so that the report may draw with them too.
    "charts": {"artifacts", "analysis", "whatif"},
    "report": {"charts", "artifacts", "analysis", "whatif", "plural"},
    "ui": {
        "plural",
        "fit_apart",
        "bridges",
        "evaluation",
        "charts",
        "report",
        "scenarios",
        "serving",
        "votes",
        "tuning",
        "listener",
        "analysis",
        "whatif",
        "artifacts",
        "models",
        "interactions",
        "memory",
        "errors",
        "config",
    },
    "pages": {"ui", "charts", "listener", "analysis", "whatif", "artifacts"},
    "app": {"ui"},
    "serve": {"ui"},
    "cli": {
        "bridges",
        "report",
        "scenarios",
        "pipeline",
        "tuning",
        "evaluation",
        "maps",
        "listener",
        "analysis",
        "whatif",
        "artifacts",
        "models",
        "interactions",
        "errors",
        "config",
        "plural",
    },
    "__main__": {"cli"},
    "__init__": {"api", "errors"},
}


def sources() -> list[Path]:
    return [
        ROOT / "app.py",
        ROOT / "serve.py",
        *sorted((ROOT / "pages").glob("*.py")),
        *sorted((ROOT / "recsys").rglob("*.py")),
    ]


def imports(path: Path) -> list[tuple[str, bool]]:
    """Modules that a file imports, and whether at module level (that is, when it is imported itself)."""
    tree = ast.parse(path.read_text("utf-8"))
    inner = {
        id(node)
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        or (isinstance(function, ast.If) and ast.unparse(function.test) == "TYPE_CHECKING")
        for node in ast.walk(function)
    }
    found = []
    for node in ast.walk(tree):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            module = node.module or ""
            names = [module, *(f"{module}.{alias.name}" for alias in node.names if module in ("recsys", "pages"))]
        found += [(name, id(node) not in inner) for name in names]
    return found


def room(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return parts[0] if parts[0] != "recsys" else room_of(parts[1:])


def room_of(parts: Sequence[str]) -> str:
    """The room of what lies at this path in recsys."""
    draws = parts[0] == "ui" and len(parts) > 1 and parts[1].endswith("charts")
    return "charts" if draws else parts[0]


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_room_imports_only_what_its_walls_allow(path: Path) -> None:
    here = room(path)
    for name, at_start in imports(path):
        top, *rest = name.split(".")
        if top == "recsys" and rest:
            there = room_of(rest)
            assert there == here or there in MAY_IMPORT[here], f"{here} imports {name}"
        assert top != "pages", f"{path.name} imports the page {name}"
        if top == "streamlit":
            assert here in ("ui", "pages", "app", "serve"), f"{here} imports {name}"
        if top == "altair":
            assert here in ("charts", "report", "ui", "pages"), f"{here} imports {name}"
        if top == "prometheus_client":
            assert here == "serving", f"{here} imports {name}"
        if top == "sqlalchemy":
            assert here == "votes", f"{here} imports {name}"
        if top in HEAVY:
            assert str(path.relative_to(ROOT)) in OWNERS[top], f"{path.name} imports {name}"
            # The compiler's decorators stand at the top; that the app never gets there is tested at run time below.
            assert not at_start or top == "numba", f"{path.name} imports {name} when it is itself imported"


def test_interactions_do_no_model_work_and_analysis_no_training() -> None:
    for path in sources():
        names = {name for name, _ in imports(path)}
        if room(path) == "analysis":
            assert not {n for n in names if n.startswith("recsys.models.") and not n.endswith("vectors")}, path
        if path.name == "log.py":
            assert not names & {"pathlib", "pyarrow", "io", "os"}, "log.py does no I/O"


@pytest.mark.parametrize("path", sorted((ROOT / "pages").glob("*.py")), ids=lambda path: path.name)
def test_a_page_is_thin(path: Path) -> None:
    tree = ast.parse(path.read_text("utf-8"))
    forbidden = ast.FunctionDef | ast.ClassDef | ast.BinOp | ast.For | ast.While | ast.Try | ast.Lambda
    assert [type(node).__name__ for node in ast.walk(tree) if isinstance(node, forbidden)] == []
    assert len(path.read_text("utf-8").splitlines()) <= 40


def test_a_report_is_made_without_streamlit() -> None:
    script = "import sys, recsys.report.page; print('altair' in sys.modules, 'streamlit' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.stdout.split() == ["True", "False"], done.stderr[-2000:]


def test_opening_pages_imports_nothing_heavy(tmp_path: Path) -> None:
    script = """
import sys
from pathlib import Path
from streamlit.testing.v1 import AppTest
at = AppTest.from_file("app.py", default_timeout=180).run()
assert not at.exception, at.exception
for page in sorted(Path("pages").glob("*.py")):
    if page.name != "whatif.py":  # whose subject is training
        at.switch_page(str(page)).run()
        assert not at.exception, (page, at.exception)
print(",".join(sorted({name.split(".")[0] for name in sys.modules})))
"""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False,
        env={**os.environ, "RECSYS_VOTES": f"sqlite:///{tmp_path / 'votes.sqlite'}"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    loaded = set(done.stdout.strip().splitlines()[-1].split(","))
    assert "recsys" in loaded
    assert loaded & (HEAVY | {"sklearn", "torch"}) == set()
