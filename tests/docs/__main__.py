"""Write what commands say today into the pages: `python -m tests.docs PAGE.md …`; what a page shows whole, no prose."""

from __future__ import annotations

import sys
import tempfile
from contextlib import chdir
from pathlib import Path

from tests.docs.pages import PAGES, Follower, blocks_of


def rewritten(page: Path, folder: Path) -> str:
    """The page with every `text` block that leaves nothing out made what the block before it says."""
    follower = Follower(folder)
    lines = page.read_text("utf-8").splitlines()
    fresh: list[tuple[int, int, list[str]]] = []
    with chdir(folder):
        blocks = blocks_of(page)
        for block, after in zip(blocks, [*blocks, None][1:], strict=True):
            shown = block.code.splitlines()
            if not block.is_output:
                follower.do(block, after)
            elif "…" not in shown:
                said = [line.rstrip() for line in follower.said.strip("\n").splitlines()]
                fresh.append((block.line, block.line + len(shown), said))
    for start, end, said in reversed(fresh):
        lines[start:end] = said
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    wanted = sys.argv[1:] or [page.name for page in PAGES]
    for page in PAGES:
        if page.name in wanted:
            with tempfile.TemporaryDirectory() as folder:
                page.write_text(rewritten(page, Path(folder)), "utf-8")
