"""Artifact sets as somebody would make them who means harm: whole, signed, and wrong."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tests.fuzz.sets import DEMO, signed

# Each would leave a trace: a variable of the page, or a request to another machine.
NAMES = [
    "<script>window.harmed=1</script>", "<img src=x onerror=window.harmed=1>", "<img src=http://harm.invalid/a.png>",
    "![x](http://harm.invalid/b.png)", "[x](javascript:window.harmed=1)", "<svg/onload=window.harmed=1>",
    "\"><iframe src=http://harm.invalid>", "=HYPERLINK(\"http://harm.invalid\",\"x\")", "=cmd|' /C calc'!A0",
    "+1+cmd", "@SUM(A1)",
    "-2+3", "\u202egnp.exe", "\u2067abc", "a\u0000b\u0007c", "x\ny\tz", "http://harm.invalid/c", ":material/home:", "$\\url{http://harm.invalid}$",
    "{{7*7}}", "</script><script>window.harmed=1</script>", "&lt;b&gt;", "'-window.harmed=1-'",
    "signal: window.harmed=1",
    "<a href=javascript:window.harmed=1>x</a>", "<style>@import url(http://harm.invalid/d.css)</style>", ":red[x]",
]  # fmt: skip


def forge(path: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    """Change the manifest of the set at `path`, with the digests that belong to it; returns the build's folder."""
    folder = path / (path / "CURRENT").read_text().strip()
    document = json.loads((folder / "manifest.json").read_text("utf-8"))
    change(document)
    (folder / "manifest.json").write_bytes(signed(document))
    return folder


def put(path: Path, name: str, content: bytes, **described: Any) -> Path:
    """Put a file into the set at `path`, described as its author likes."""
    entry = {
        "size": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "dtype": None,
        "shape": None,
        **described,
    }
    folder = forge(path, lambda document: document["files"].update({name: entry}))
    (folder / name).write_bytes(content)
    return folder


def as_parquet(table: pa.Table) -> bytes:
    kept = io.BytesIO()
    pq.write_table(table, kept, compression="zstd")
    return kept.getvalue()


def hostile_set(out: Path) -> Path:
    """The demo set with harm in every name, tag and word of its manifest."""
    shutil.copytree(DEMO, out)
    folder = out / (out / "CURRENT").read_text().strip()
    table = pq.read_table(folder / "items.parquet")
    n = table.num_rows
    names = [f"{NAMES[row % len(NAMES)]}{'' if row < len(NAMES) else f' {row}'}" for row in range(n)]
    for column, values in {
        "name": names,
        "item_id": [f"{NAMES[row % len(NAMES)]}{row}" if row % 2 else f"i{row}" for row in range(n)],
        "tags": [[NAMES[row % 7], NAMES[row % 5]] for row in range(n)],
    }.items():
        table = table.set_column(table.column_names.index(column), column, pa.array(values))

    def change(document: dict[str, Any]) -> None:
        document["source"].update(title=NAMES[0], files=NAMES, reader=NAMES[1])
        document.update(warnings=NAMES, checks=NAMES)
        for model in document["models"].values():
            model.update(notes=NAMES, repeatable_note=NAMES[2])

    put(out, "items.parquet", as_parquet(table))
    forge(out, change)
    return out
