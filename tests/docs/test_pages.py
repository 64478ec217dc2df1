"""The README and the guide do what they say, lead where they say, and show what they say."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from recsys.artifacts.store import ArtifactSet, verify
from recsys.cli import app
from recsys.interactions.readers import READERS
from tests.docs.pages import GUIDE, PAGES, README, ROOT, Block, Follower, blocks_of, compare, of_the_public_set

DECISIONS = sorted((ROOT / "docs" / "decisions").glob("*.md"))


def named(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.fixture
def follower(tmp_path: Path) -> Follower:
    return Follower(tmp_path)


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_block_of_a_page_does_what_the_page_says(page: Path, follower: Follower) -> None:
    follower.follow(page)
    for folder in sorted((follower.folder / "artifacts").iterdir()):
        assert verify(folder) == []


def test_the_lines_for_the_public_set_run_on_it(
    real_data: Path, follower: Follower, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Tests bring nothing over the network: what a person fetched by hand and put there is checked and used.
    monkeypatch.setenv("RECSYS_CACHE", str(follower.folder / "cache"))
    (follower.folder / "cache").mkdir()
    name = "hetrec2011-lastfm-2k"
    shutil.make_archive(str(follower.folder / "cache" / name), "zip", real_data / name)
    monkeypatch.chdir(follower.folder)
    lines = [line for page in PAGES for block in blocks_of(page) for line in block.lines if block.language == "sh"]
    wanted = list(dict.fromkeys(filter(of_the_public_set, lines)))
    assert [line.split()[3] for line in wanted] == ["fetch", "build"]
    for line in wanted:
        follower.line(line)
    assert ArtifactSet.open(follower.folder / "artifacts" / "lastfm-2k").manifest.counts.items == 2_828


def test_the_readme_has_the_two_commands_and_the_guide_every_command() -> None:
    lines = [line for block in blocks_of(README) for line in block.lines]
    assert {"make app", "make test"} <= {line.split(" #")[0].strip() for line in lines}
    commands_page = next(page for page in GUIDE if page.stem == "commands")
    lines = [line for block in blocks_of(commands_page) if block.language == "sh" for line in block.lines]
    shown = {line.split()[3] for line in lines if line.endswith("--help")}
    assert shown == {each.name or each.callback.__name__ for each in app.registered_commands if each.callback}


def test_the_guide_shows_the_format_of_every_reader() -> None:
    formats = next(page for page in GUIDE if page.stem == "data-formats")
    lines = [line for block in blocks_of(formats) for line in block.lines]
    assert {reader for reader in READERS if any(f"--reader {reader}" in line for line in lines)} == set(READERS)


@pytest.mark.parametrize("page", [*PAGES, *DECISIONS], ids=named)
def test_links_lead_to_files_that_are_there(page: Path) -> None:
    text = re.sub(r"^ *```.*?^ *```", "", page.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
    targets = re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r'(?:src|href)="([^"]+)"', text)
    inside = [target for target in targets if not target.startswith(("http://", "https://"))]
    for target in inside:
        file, _, heading = target.partition("#")
        path = (page.parent / file).resolve() if file else page
        assert path.exists(), f"{page.name} names {target}"
        if heading:
            titles = re.findall(r"^#+ (.*)$", path.read_text("utf-8"), re.MULTILINE)
            assert heading in {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}, target
    if page in DECISIONS:  # tells what was there then
        return
    for path in re.findall(r"`((?:docs|benchmarks|deploy|recsys|tests|pages|artifacts/demo)/[\w./-]*)`", text):
        assert (ROOT / path).exists(), f"{page.name} names {path}"


def test_every_page_is_named_by_its_index() -> None:
    for folder, pages in ((ROOT / "docs/guide", GUIDE), (ROOT / "docs/decisions", DECISIONS)):
        indexed = set(re.findall(r"\]\(([\w.-]+\.md)\)", (folder / "README.md").read_text("utf-8")))
        assert indexed >= {page.name for page in pages} - {"README.md"}, folder


def test_the_readme_is_short_and_shows_every_page_of_the_app() -> None:
    text = README.read_text("utf-8")
    prose = re.sub(r"```.*?```|<[^>]+>|\]\([^)]*\)", " ", text, flags=re.DOTALL)
    assert 500 < len(prose.split()) <= 900
    pages = {path.stem for path in (ROOT / "pages").glob("*.py")}
    shown = set(re.findall(r'src="docs/pictures/(\w+)\.png"', text))
    assert shown == pages
    assert all((ROOT / "docs" / "pictures" / f"{page}.png").is_file() for page in pages)


@pytest.mark.parametrize(
    ("shown", "said"),
    [("a\nb\n", "a\nb\n"), ("a\n…\nd\n", "a\nb\nc\nd\n"), ("…\nc\n", "a\nb\nc\n"), ("a\n…\n", "a\nb\n"), ("", "")],
)
def test_what_is_said_may_be_left_out_where_a_page_says_so(shown: str, said: str) -> None:
    compare(Block("page.md", 1, "text", "", shown), said)


@pytest.mark.parametrize(
    ("shown", "said"),
    [("a\nc\n", "a\nb\nc\n"), ("a\n", "a\nb\n"), ("b\n", "a\nb\n"), ("a\n…\nb\na\n", "a\nb\n"), ("a\n", "")],
)
def test_what_a_page_shows_and_nobody_says_is_found(shown: str, said: str) -> None:
    with pytest.raises(AssertionError, match="is not what is said|more is said"):
        compare(Block("page.md", 1, "text", "", shown), said)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("```perl\nprint 1;\n```\n", "nobody runs a block of kind 'perl'"),
        ("Do this:\n\n    rm -r artifacts\n", "nobody runs a block of kind ''"),
        ("```sh\ncurl https://example.org\n```\n", "nobody runs 'curl https://example.org'"),
        ("```sh\npython -m recsys neighbours artifacts/demo Radiohed\n```\n", "Did you mean: Radiohead"),
        ("```sh\npython -m recsys inspect artifacts/demo\n```\n```text\nerror: no\n```\n", "exit code 0"),
        ("```sh\nmake tea\n```\n", "make tea"),
        ("```csv unread.csv\nuser,item\n```\n", "nothing uses"),
        ("```sh\nRECSYS_NOTHING=1\n```\n", "nothing reads RECSYS_NOTHING"),
        ("```python\nassert 1 == 2, 'not so'\n```\n", "not so"),
    ],
)
def test_a_block_that_does_not_do_what_the_page_says_is_found(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "page.md").write_text(text, "utf-8")
    (tmp_path / "place").mkdir()
    with pytest.raises(AssertionError, match=re.escape(message)):
        Follower(tmp_path / "place").follow(tmp_path / "page.md")
