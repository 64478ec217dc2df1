"""What an artifact set, an upload or a link from a stranger tries, and what comes of it: must-hold by must-hold."""

from __future__ import annotations

import csv
import gzip
import io
import os
import shutil
import zipfile
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import quote, urlsplit
from xml.etree import ElementTree

import numpy as np
import pyarrow as pa
import pytest
from playwright.sync_api import Browser, Dialog, Page, Request, expect
from streamlit.testing.v1 import AppTest

from recsys.artifacts.store import ArtifactSet, verify
from recsys.errors import ArtifactError, DamagedArtifacts
from recsys.report.page import report_html
from tests.e2e.conftest import PATIENCE, Window, settled
from tests.e2e.server import ROOT, running_app
from tests.fuzz.sets import WATCH
from tests.report.test_page import Read
from tests.security.forge import NAMES, as_parquet, forge, hostile_set, put
from tests.security.heaviest import HEAVIEST, MOST_MEGABYTES
from tests.security.limited import taken

PAGES = ["", *(path.stem for path in sorted((ROOT / "pages").glob("*.py")) if path.stem != "overview")]


def header(shape: tuple[int, ...], dtype: str = "<f4") -> bytes:
    """A .npy file's header, with nothing behind it but a few zeros."""
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": dtype, "fortran_order": False, "shape": shape})
    return stream.getvalue() + bytes(4_000)


@pytest.mark.parametrize(
    "name",
    [
        "../../../etc/passwd", "/etc/passwd", "als/../../secret.npy", "..", "a//b.npy", "./x.npy", "als\\..\\x.npy",
        "C:\\x.npy",
        ".hidden.npy", "als/.hidden.npy", "", "als/", "a\u0000.npy", "a\nb.npy", "\uff0e\uff0e/x.npy",
    ],
)  # fmt: skip
def test_a_path_in_a_manifest_cannot_leave_the_set(small_set: Path, name: str) -> None:
    entry = {"size": 1, "sha256": "0" * 64, "dtype": "float32", "shape": [1]}
    folder = forge(small_set, lambda document: document["files"].update({name: entry}))
    with pytest.raises(DamagedArtifacts, match="is not a plain relative path"), WATCH.only(folder.resolve()):
        ArtifactSet.open(folder)


@pytest.mark.parametrize("name", ["x" * 256, "x" * 5_000, "a/" * 2_500 + "x"])
def test_a_name_that_no_file_system_takes_is_refused_in_words(small_set: Path, name: str) -> None:
    """Found by the fuzzer: the system's own error came out of opening."""
    files = ArtifactSet.open(small_set).manifest.files
    first = {name: {"size": 1, "sha256": "0" * 64}, **{each: files[each].model_dump() for each in files}}
    forge(small_set, lambda document: document.update(files=first))
    with pytest.raises(DamagedArtifacts, match="is not a plain relative path of at most 255 characters"):
        ArtifactSet.open(small_set)


def test_the_watch_sees_what_lies_outside(small_set: Path, tmp_path: Path) -> None:
    (tmp_path / "outside").write_text("x")
    with pytest.raises(AssertionError, match="outside"), WATCH.only(small_set.resolve()):
        (tmp_path / "outside").read_text()


@pytest.mark.parametrize("link", ["CURRENT", "build", "manifest", "endless", "folder"])
def test_a_link_in_a_set_leads_nowhere(small_set: Path, tmp_path: Path, link: str) -> None:
    build = small_set / (small_set / "CURRENT").read_text().strip()
    elsewhere = tmp_path / "elsewhere"
    path = {"CURRENT": small_set / "CURRENT", "build": build, "folder": build / "als"}.get(
        link, build / "manifest.json"
    )
    path.rename(elsewhere)
    if link in ("CURRENT", "manifest"):
        elsewhere.write_text("root:secret:0:0\n")
    path.symlink_to("/dev/zero" if link == "endless" else elsewhere)
    said = taken(small_set, "catalogue")
    assert said.startswith("refused:")
    assert "secret" not in said


@pytest.mark.parametrize("title", NAMES[:6])
def test_a_model_is_called_what_is_text_everywhere(small_set: Path, title: str) -> None:
    """Found in the browser: titles stand in headings and labels, where Markdown fetches pictures."""
    folder = forge(small_set, lambda document: document["models"]["als"].update(title=title))
    with pytest.raises(DamagedArtifacts, match="models.als.title"):
        ArtifactSet.open(folder)


def test_a_scenario_is_of_a_set_beside_it_and_of_nothing_else(small_set: Path) -> None:
    for base in ("../outside", "/etc", "a/b", "..", "a\\b", ".hidden", "", "x" * 256):
        scenario = {"name": "x", "base_set": base, "base_build": "0" * 64}
        forge(small_set, lambda document, own=scenario: document.update(scenario=own))  # type: ignore[misc]
        with pytest.raises(DamagedArtifacts, match="base_set"):
            ArtifactSet.open(small_set)


@pytest.mark.parametrize("shape", [(2**40,), (2**40, 2**20), (2**62, 2**62), (2**63 - 1, 4), (10**30,)])
def test_an_array_that_claims_more_than_its_file_holds_takes_no_memory(small_set: Path, shape: tuple[int, ...]) -> None:
    put(small_set, "als/vectors.npy", header(shape), dtype="float32", shape=list(shape))
    assert taken(small_set, "als/vectors").startswith("refused:")


@pytest.mark.parametrize("rows", [2**26, 10], ids=["many", "few"])
def test_a_table_of_endless_rows_takes_no_memory(small_set: Path, rows: int) -> None:
    same = pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, np.int8)), pa.array(["x"]))
    folder = put(small_set, "items.parquet", as_parquet(pa.table({"name": same, "plays": same})))
    assert (folder / "items.parquet").stat().st_size < 1 << 20
    said = taken(small_set, "catalogue")
    assert ("unpacks to" if rows > 10 else "does not hold the catalogue") in said


def test_a_table_whose_footer_contradicts_itself_does_not_end_the_process(small_set: Path) -> None:
    """Found by the fuzzer: Arrow ends the process when asked for the metadata of such a column."""
    content = ArtifactSet.open(small_set).folder.joinpath("items.parquet").read_bytes()
    optional = b"\x25\x02\x18\x07item_id"  # in the schema, for which the statistics then have one count too many
    assert content.count(optional) == 1
    put(small_set, "items.parquet", content.replace(optional, optional.replace(b"\x02", b"\x00")))
    said = taken(small_set, "catalogue")
    assert "Definition level histogram size mismatch" in said


@pytest.mark.parametrize("column", ["name", "tags"])
def test_a_table_of_one_long_text_again_and_again_takes_no_memory(small_set: Path, column: str) -> None:
    texts = pa.DictionaryArray.from_arrays(pa.array(np.zeros(40_000, np.int8)), pa.array(["x" * 1_000_000]))
    values = texts if column == "name" else pa.ListArray.from_arrays(pa.array([0, 40_000], pa.int32()), texts)
    put(small_set, "items.parquet", as_parquet(pa.table({column: values})))
    assert "unpacks to" in taken(small_set, "catalogue")


@pytest.mark.parametrize(
    ("part", "at", "value"),
    [("indices", 0, 10**6), ("indices", -1, -5), ("indptr", 1, 10**9), ("indptr", 2, -7)],
)
def test_play_counts_that_point_beyond_the_catalogue_are_refused(
    small_set: Path, part: str, at: int, value: int
) -> None:
    name = f"user_items.{part}"
    array = np.array(ArtifactSet.open(small_set).array(name))
    array[at] = value
    kept = io.BytesIO()
    np.save(kept, array)
    put(small_set, f"{name}.npy", kept.getvalue(), dtype=array.dtype.name, shape=list(array.shape))
    with pytest.raises(DamagedArtifacts, match="user_items"):
        ArtifactSet.open(small_set).user_items.tocsc()


def test_a_manifest_of_a_gigabyte_is_not_read(small_set: Path) -> None:
    build = small_set / (small_set / "CURRENT").read_text().strip()
    os.truncate(build / "manifest.json", 1 << 30)
    assert "more than 16,777,216" in taken(small_set, "catalogue", megabytes=100)


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a set in which every word is a try."""
    root = tmp_path_factory.mktemp("hostile")
    assert verify(hostile_set(root / "hostile")) == [], "digests agree: this is what a person would be handed"
    own = {"name": NAMES[1], "base_set": "hostile", "base_build": ArtifactSet.open(root / "hostile").fingerprint}
    scenario = Path(shutil.copytree(root / "hostile", root / f"hostile--{NAMES[1]}"))
    forge(scenario, lambda document: document.update(scenario=own))
    return root


@pytest.fixture(scope="module")
def hostile_app(sets: Path) -> Iterator[str]:
    with running_app(sets) as address:
        yield address


@pytest.fixture(scope="module")
def served(sets: Path) -> Iterator[str]:
    with running_app(sets, script="serve.py") as address:
        yield address


class Witness:
    """A page, and what it asked for."""

    def __init__(self, page: Page) -> None:
        self.page = page
        page.set_viewport_size({"width": 1440, "height": 1200})
        page.set_default_timeout(PATIENCE * 1000)
        self.asked: list[str] = []
        self.dialogs: list[str] = []
        page.on("request", self._hear)
        page.on("dialog", self._dismiss)

    def _hear(self, request: Request) -> None:
        self.asked.append(request.url)

    def _dismiss(self, dialog: Dialog) -> None:
        self.dialogs.append(dialog.message)
        dialog.dismiss()

    def leave(self) -> None:
        self.page.remove_listener("request", self._hear)
        self.page.remove_listener("dialog", self._dismiss)

    def see(self, address: str) -> Page:
        self.page.goto(address)
        self.page.get_by_test_id("stElementContainer").first.wait_for(state="attached")
        return settled(self.page)

    def unharmed(self) -> None:
        """No script has run, nothing was asked of another machine, and no link or frame would."""
        assert self.page.evaluate("window.harmed") is None
        assert self.dialogs == []
        strangers = [url for url in self.asked if urlsplit(url).hostname not in ("127.0.0.1", None)]
        assert strangers == []
        for selector in (
            "a[href*='harm.invalid']", "a[href^='javascript:']", "img[src*='harm.invalid']", "iframe[src*='harm']",
            "img[onerror]",
            "svg[onload]",
        ):  # fmt: skip
            expect(self.page.locator(selector)).to_have_count(0)


@pytest.fixture(scope="module")
def window(browser: Browser) -> Iterator[Window]:
    opened = Window(browser)
    yield opened
    opened.context.close()


@pytest.fixture
def witness(window: Window) -> Iterator[Witness]:
    seeing = Witness(window.emptied())
    yield seeing
    seeing.leave()


def test_the_witness_would_see_harm(witness: Witness, hostile_app: str) -> None:
    page = witness.see(hostile_app)
    page.evaluate("document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=window.harmed=1>')")
    page.wait_for_function("window.harmed === 1")
    with pytest.raises(AssertionError, match="1"):
        witness.unharmed()


@pytest.mark.parametrize("path", PAGES)
def test_names_of_a_strangers_set_are_text_on_every_page(witness: Witness, hostile_app: str, path: str) -> None:
    for row in (0, 2):
        page = witness.see(f"{hostile_app}/{path}?item=i{row}&n=20")
        page.mouse.wheel(0, 4_000)
        settled(page)
        witness.unharmed()
    # The evaluation names no item.
    assert path == "evaluation" or "harm" in page.inner_text("body"), "the names are there to be seen"


def test_names_in_the_notes_of_charts_are_text(witness: Witness, hostile_app: str) -> None:
    page = witness.see(f"{hostile_app}/maps?item=i0")
    canvas = page.locator("canvas").first
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    assert box
    note = page.locator("#vg-tooltip-element")
    seen = set()
    for at in range(400):
        page.mouse.move(
            box["x"] + box["width"] * (0.03 + at % 20 / 21), box["y"] + box["height"] * (0.03 + at // 20 / 21)
        )
        if note.count() and note.is_visible():
            seen.add(note.inner_text())
            assert note.locator("img, script, iframe, a, svg").count() == 0
    assert any("harm" in words for words in seen), seen
    witness.unharmed()


def test_the_name_of_a_strangers_scenario_is_text(witness: Witness, hostile_app: str) -> None:
    page = witness.see(f"{hostile_app}/whatif?set=hostile&item=i0")
    heading = page.get_by_role("heading", name="Scenarios kept beside this set")
    heading.scroll_into_view_if_needed()
    expect(page.get_by_text(NAMES[1], exact=True).first).to_be_visible()
    witness.see(f"{hostile_app}/whatif?set={quote(f'hostile--{NAMES[1]}')}&item=i0")
    witness.unharmed()


def test_tables_to_take_away_hold_no_formula(witness: Witness, hostile_app: str) -> None:
    page = witness.see(f"{hostile_app}/neighbours?set=hostile&item=i0&n=20")
    with page.expect_download() as coming:
        page.get_by_role("button", name="CSV").first.click()
    rows = list(csv.reader(io.StringIO(Path(coming.value.path()).read_text("utf-8-sig"))))
    cells = [cell for row in rows for cell in row]
    formulas = [name for name in NAMES if name.startswith(("=", "+", "-", "@"))]
    assert any(name in cell for name in formulas for cell in cells), "names are in it"
    for cell in cells:
        assert not cell.startswith(("=", "+", "-", "@", "\t", "\r")) or float(cell) < 0, cell


@pytest.mark.parametrize("turns", [2, pytest.param(8, marks=pytest.mark.long)])
@pytest.mark.parametrize("path", PAGES)
def test_a_link_runs_no_script_in_the_page_of_who_follows_it(
    witness: Witness, hostile_app: str, path: str, turns: int
) -> None:
    """Each key has another of the harms; in eight turns each has had all."""
    keys = ("item", "build", "n", "pair", "why", "pin", "own", "k1", "b", "window", "tag", "colour", "fold")
    for turn in range(turns):
        harms = [quote(NAMES[(turn + place) % 8]) for place in range(len(keys))]
        query = "&".join(f"{key}={harm}" for key, harm in zip(keys, harms, strict=True))
        witness.see(f"{hostile_app}/{path}?{query}{f'&set={harms[0]}' if turn == 0 else ''}#{harms[0]}")
        witness.unharmed()


def test_pictures_to_take_away_hold_no_script(witness: Witness, hostile_app: str) -> None:
    page = witness.see(f"{hostile_app}/maps?item=i0")
    page.get_by_role("button", name="Download", exact=True).first.click()
    with page.expect_download() as coming:
        page.get_by_role("button", name="Both maps as shown (SVG)").click()
    root = ElementTree.fromstring(Path(coming.value.path()).read_text("utf-8"))
    tags = {element.tag.rpartition("}")[2] for element in root.iter()}
    assert tags <= {
        "svg",
        "g",
        "path",
        "rect",
        "text",
        "tspan",
        "defs",
        "clipPath",
        "image",
        "line",
        "style",
        "linearGradient",
        "stop",
    }
    for element in root.iter():
        for name, value in element.attrib.items():
            assert not name.rpartition("}")[2].startswith("on")
            assert not name.endswith("href") or value.startswith(("data:image/png", "#")), value
    assert any("harm" in (element.text or "") for element in root.iter()), "names are in it"
    witness.unharmed()


def test_the_report_of_a_strangers_set_runs_nothing(witness: Witness, sets: Path, tmp_path: Path) -> None:
    artifacts = ArtifactSet.open(sets / "hostile")
    page = report_html(artifacts, [0, 1, 2])
    assert "script" not in {tag for tag, _ in Read(page).elements}
    (tmp_path / "report.html").write_text(page, "utf-8")
    witness.page.goto((tmp_path / "report.html").as_uri())
    witness.unharmed()


QUERIES: list[dict[str, str]] = [
    {"item": "<script>", "n": "1" * 5_000, "k1": "nan", "b": "1e400", "window": "nan,nan,nan,nan",
     "own": "inf*s000000"},
    {"item": "\u202e", "n": "-1", "k1": "-1", "b": "²", "window": "1,2", "pair": "als,als", "tag": "no such tag",
     "fold": "x"},
    {"set": "../demo", "build": "x" * 100_000, "item": "' OR 1=1", "pin": "x", "why": "x", "popularity": "9,1",
     "colour": "x"},
    {"set": "demo", "item": "s000000", "n": "٣", "popularity": "nan,nan", "method": "x", "own": "1*s000000",
     "why": "s0"},
]  # fmt: skip


@pytest.mark.parametrize("query", QUERIES, ids=["numbers", "words", "paths", "nearly right"])
@pytest.mark.parametrize("page", PAGES)
def test_a_link_with_anything_in_it_shows_a_page(
    monkeypatch: pytest.MonkeyPatch, page: str, query: dict[str, str], tmp_path: Path
) -> None:
    monkeypatch.setenv("RECSYS_ARTIFACTS", str(ROOT / "artifacts"))
    monkeypatch.setenv("RECSYS_VOTES", f"sqlite:///{tmp_path / 'votes.sqlite'}")
    at = AppTest.from_file(ROOT / "app.py", default_timeout=180)
    for name, value in query.items():
        at.query_params[name] = value
    at.switch_page(f"pages/{page or 'overview'}.py").run()
    assert not at.exception
    assert at.header


def test_a_length_of_thousands_of_digits_is_refused_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """Found by the fuzzer: Python reads no number of more than 4,300 digits."""
    monkeypatch.setenv("RECSYS_ARTIFACTS", str(ROOT / "artifacts"))
    at = AppTest.from_file(ROOT / "app.py", default_timeout=180)
    at.query_params["n"] = "1" * 5_000
    at.switch_page("pages/neighbours.py").run()
    assert not at.exception
    assert any("lists of length" in warning.value for warning in at.warning)


@pytest.mark.parametrize("name", ["x.csv.gz", "x.json.gz", "x.zip"])
def test_an_upload_that_unpacks_to_gigabytes_takes_no_memory(tmp_path: Path, name: str) -> None:
    unit = b"artist\n" if "csv" in name else b'[{"a":1},'
    content = unit * ((16 << 20) // len(unit))
    path = tmp_path / name
    if name.endswith(".zip"):
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            for at in range(20):
                archive.writestr(f"Streaming_History_{at}.json", content)
    else:
        path.write_bytes(gzip.compress(content, 1) * 64)
    assert taken(path, "upload", MOST_MEGABYTES).startswith("refused:")


@pytest.mark.parametrize("kind", ["long names", "one text", "table"])
def test_the_heaviest_upload_of_its_kind_stays_within_the_stated_memory(tmp_path: Path, kind: str) -> None:
    """Found by measuring: a megabyte of listens with long names took 4.8 GB. `make fuzz` tries all kinds."""
    name, content = HEAVIEST[kind]()
    (tmp_path / name).write_bytes(content)
    assert taken(tmp_path / name, "upload", MOST_MEGABYTES).startswith("refused:")


def test_no_exception_but_its_own_comes_out_of_a_wrong_set(small_set: Path) -> None:
    """Found by the fuzzer: an .npz in place of an array, brackets that Python's parser does not hold,
    a text that is none."""
    kept = io.BytesIO()
    np.savez(kept, x=np.zeros(3, "float32"))
    magic = b"\x93NUMPY\x01\x00"
    for content in (kept.getvalue(), magic + (9_000).to_bytes(2, "little") + b"(" * 8_999 + b"\n"):
        put(small_set, "als/vectors.npy", content, dtype="float32", shape=[3])
        with pytest.raises(ArtifactError, match="not a plain array"):
            ArtifactSet.open(small_set)


@pytest.mark.parametrize(
    ("host", "origin", "status"),
    [
        ("127.0.0.1:PORT", "http://127.0.0.1:PORT", 101),
        ("localhost:PORT", "http://localhost:PORT", 101),
        ("harm.invalid:PORT", "http://harm.invalid:PORT", 403),
        ("harm.invalid", "http://127.0.0.1:PORT", 403),
        ("127.0.0.1.harm.invalid:PORT", "http://127.0.0.1.harm.invalid:PORT", 403),
        ("127.0.0.1:PORT", "http://harm.invalid", 403),
        ("127.0.0.1:PORT", "https://127.0.0.1.harm.invalid", 403),
        ("127.0.0.1:PORT", "null", 403),
    ],
)
@pytest.mark.parametrize("server", ["hostile_app", "served"])
def test_a_page_of_another_name_gets_no_connection(
    request: pytest.FixtureRequest, server: str, host: str, origin: str, status: int
) -> None:
    """What a page can do whose name was bound to this machine after it had been loaded from another."""
    port = str(urlsplit(request.getfixturevalue(server)).port)
    connection = HTTPConnection("127.0.0.1", int(port), timeout=PATIENCE)
    connection.putrequest("GET", "/_stcore/stream", skip_host=True)
    for name, value in {
        "Host": host, "Origin": origin, "Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==", "Sec-WebSocket-Protocol": "streamlit",
    }.items():  # fmt: skip
        connection.putheader(name, value.replace("PORT", port))
    connection.endheaders()
    assert connection.getresponse().status == status
    connection.close()
