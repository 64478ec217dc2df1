"""A Spark session for one build: on this machine, or on a cluster that is handed this package."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from recsys.errors import ParameterError, RecsysError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

PACKAGE = Path(__file__).resolve().parents[1]
DRIVER_MEMORY = "4g"
# Spark's serialiser goes one call deeper for each step of a fit.
DEEP_STACKS = "-Xss16m"


def check_installed() -> None:
    """Raises ParameterError where PySpark or Java is missing."""
    if find_spec("pyspark") is None:
        raise ParameterError("--engine spark needs PySpark: pip install -r requirements-spark.txt")
    if not (os.environ.get("JAVA_HOME") or shutil.which("java")):
        raise ParameterError("--engine spark needs Java 17 or newer, and there is no java on the PATH; install one")


@contextmanager
def spark_session(master: str) -> Iterator[SparkSession]:
    """A session at `master`: local[n] for n cores of this machine, or a cluster's address; stopped at the end.

    What spark-defaults.conf says (SPARK_CONF_DIR) holds, except for what is set here; SPARK_DRIVER_MEMORY sets the
    memory of this machine's part.

    Raises
    ------
    RecsysError : Spark gave up, in its words.
    """
    from py4j.protocol import Py4JError  # type: ignore[import-untyped]
    from pyspark.errors import PySparkException
    from pyspark.sql import SparkSession

    # It warns of what it does with pandas, which nothing here asks of it.
    warnings.filterwarnings("ignore", "PySpark does not yet fully support pandas", FutureWarning)
    # Else workers run whatever python3 is on their PATH.
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    here = master.startswith("local")
    with tempfile.TemporaryDirectory(prefix="recsys-spark-") as scratch:
        settings: dict[str, bool | float | int | str | None] = {
            "spark.driver.memory": os.environ.get("SPARK_DRIVER_MEMORY", DRIVER_MEMORY),
            "spark.driver.extraJavaOptions": DEEP_STACKS,
            "spark.executor.extraJavaOptions": DEEP_STACKS,
            # What comes back is checked before it is asked for.
            "spark.driver.maxResultSize": "0",
            "spark.ui.enabled": "false",
            "spark.ui.showConsoleProgress": "false",
        }
        if here:
            settings |= {
                "spark.driver.host": "127.0.0.1",
                "spark.driver.bindAddress": "127.0.0.1",
                "spark.executorEnv.PYTHONPATH": str(PACKAGE.parent),
                "spark.checkpoint.dir": scratch,
            }
        builder = SparkSession.builder.master(master).appName("recsys")
        try:
            session = builder.config(map=settings).getOrCreate()
            try:
                session.sparkContext.setLogLevel("ERROR")
                if not here:
                    session.sparkContext.addPyFile(str(_packed(Path(scratch))))
                yield session
            finally:
                session.stop()
        except (Py4JError, PySparkException) as error:
            raise RecsysError(f"Spark at {master} gave up: {_first_lines(str(error))}") from error


def _packed(folder: Path) -> Path:
    """This package as one file."""
    path = folder / "recsys.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(PACKAGE.rglob("*.py")):
            archive.write(file, file.relative_to(PACKAGE.parent))
    return path


def _first_lines(text: str) -> str:
    """What an error says before its traces."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return " ".join(lines[:3])[:500]
