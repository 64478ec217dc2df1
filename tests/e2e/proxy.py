"""nginx with the shipped configuration, on ports of this machine."""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = ROOT / "deploy" / "nginx.conf"


def find_nginx() -> str | None:
    return shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def running_proxy(servers: Sequence[str]) -> Iterator[tuple[str, Path]]:
    """Serve these addresses through nginx; yields its own address, and the access log."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        site = SHIPPED.read_text("utf-8")
        for shipped, here in {
            "127.0.0.1:8501": servers[0].removeprefix("http://"),
            "127.0.0.1:8502": servers[1].removeprefix("http://"),
            "listen 80;": f"listen 127.0.0.1:{port};",
            "server_name music.example.org;": "server_name 127.0.0.1;",
            "/var/log/nginx/": f"{folder}/",
        }.items():
            assert shipped in site, f"{SHIPPED} no longer says {shipped!r}"
            site = site.replace(shipped, here)
        (folder / "site.conf").write_text(site, "utf-8")
        temporary = "".join(
            f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        (folder / "nginx.conf").write_text(
            f"daemon off; pid {folder}/pid; error_log {folder}/own.log; events {{}}"
            f"http {{ include /etc/nginx/mime.types; {temporary} include {folder}/site.conf; }}",
            "utf-8",
        )
        folder.chmod(0o755)  # its workers run as somebody else
        nginx = str(find_nginx())
        process = subprocess.Popen(
            [nginx, "-p", place, "-e", f"{folder}/own.log", "-c", f"{folder}/nginx.conf"], stderr=subprocess.PIPE
        )
        try:
            deadline = time.monotonic() + 120
            while not listens(port):
                if time.monotonic() > deadline or process.poll() is not None:
                    raise RuntimeError(f"nginx did not begin: {(folder / 'own.log').read_text()}")
                time.sleep(0.05)
            yield f"http://127.0.0.1:{port}", folder / "recsys.log"
        finally:
            process.terminate()
            process.communicate(timeout=120)
