"""A Spark session on this machine, and a cluster of a master and two workers; skipped by name where neither can be."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from recsys.spark.session import spark_session

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


@pytest.fixture(scope="session", autouse=True)
def small_machine() -> Iterator[None]:
    """Tests run side by side, and Java compiles no further than what lives for seconds gains by."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPARK_DRIVER_MEMORY", "1g")
        patch.setenv("JAVA_TOOL_OPTIONS", "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC")
        yield


@pytest.fixture(scope="session")
def java_and_pyspark() -> None:
    if find_spec("pyspark") is None:
        pytest.skip("PySpark is not installed: pip install -r requirements-spark.txt")
    java = shutil.which("java")
    told = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr if java else ""
    version = re.search(r'version "(\d+)', told)
    if version is None or int(version[1]) < 17:
        pytest.skip("Java 17 is not installed")


@pytest.fixture(scope="module")
def spark(java_and_pyspark: None) -> Iterator[SparkSession]:
    with spark_session("local[2]") as session:
        yield session


@pytest.fixture
def thorough(java_and_pyspark: None) -> None:
    """For tests that take minutes."""
    if "RECSYS_SPARK" not in os.environ:
        pytest.skip("RECSYS_SPARK is not set: run make spark")


@dataclass
class Cluster:
    """A standalone cluster on this machine; every process is a child of the test."""

    address: str
    workers: list[subprocess.Popen[bytes]]

    def kill_a_worker(self) -> None:
        """The worker and what it runs, at once, as a machine goes when it loses its power."""
        worker = self.workers[0]
        for process in (worker.pid, *_below(worker.pid)):
            os.kill(process, 9)
        worker.wait()


@pytest.fixture
def cluster(thorough: None, tmp_path: Path) -> Iterator[Cluster]:
    import pyspark

    home = Path(pyspark.__file__).parent
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"spark://127.0.0.1:{port}"
    environment = {
        **os.environ, "SPARK_HOME": str(home), "SPARK_LOCAL_IP": "127.0.0.1", "SPARK_DAEMON_MEMORY": "256m",
        "PYSPARK_PYTHON": sys.executable,
    }  # fmt: skip
    own = ["--host", "127.0.0.1", "--webui-port", "0"]
    started: list[subprocess.Popen[bytes]] = []

    def start(name: str, *arguments: str) -> None:
        command = [
            str(home / "bin" / "spark-class"),
            f"org.apache.spark.deploy.{name.lower()}.{name}",
            *own,
            *arguments,
        ]
        with (tmp_path / f"{name}-{len(started)}.log").open("wb") as log:
            started.append(subprocess.Popen(command, env=environment, stdout=log, stderr=subprocess.STDOUT))

    try:
        start("Master", "--port", str(port))
        for worker in ("one", "other"):
            start("Worker", "--cores", "1", "--memory", "1g", "--work-dir", str(tmp_path / worker), address)
        log, until = tmp_path / "Master-0.log", time.monotonic() + 120
        while log.read_text().count("Registering worker") < 2:
            assert time.monotonic() < until, log.read_text()[-2000:]
            time.sleep(0.5)
        yield Cluster(address, started[1:])
    finally:
        for process in started:
            if process.poll() is None:
                process.terminate()
                process.wait(30)


def _below(pid: int) -> list[int]:
    """The processes that a process has started, and those that these have."""
    children: list[int] = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        children += [int(child) for child in (task / "children").read_text().split()]
    return children + [further for child in children for further in _below(child)]
