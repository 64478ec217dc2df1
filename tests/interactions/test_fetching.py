"""What is fetched is checked once, kept, and refused where it is not what was published."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import threading
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from recsys.errors import InputError
from recsys.interactions.fetching import accept, accepted, cache_folder, fetch, fetched
from recsys.interactions.readers import read
from recsys.interactions.sources import SOURCES, Source
from tests.interactions.site import (
    HTML,
    MEMBER,
    PLAYS,
    ROOT,
    Site,
    at,
    beside,
    get,
    lastfm_2k,
    names,
    tar_gz,
    wait_for_part,
)

pytestmark = pytest.mark.usefixtures("own_surroundings")


def test_a_fetched_file_is_the_published_one_and_can_be_read(
    site: Site, place: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    came: list[int] = []
    totals: list[int] = []
    path = get(at(site.address("plain")), on_bytes=came.append, on_total=totals.append)
    assert path == place
    assert path.read_bytes() == site.content
    assert (sum(came), totals) == (len(site.content), [len(site.content)])
    assert names(place.parent) == {place.name, f"{place.name}.checked", f"{place.name}.lock"}
    assert site.asked[0].encoding == "identity"
    assert capfd.readouterr() == ("", ""), "words are for those who call it"
    log = read("lastfm-360k", path)
    assert (log.report.rows, log.n_users, log.n_items) == (3, 2, 2)


def test_what_was_fetched_once_is_not_asked_for_again(site: Site) -> None:
    source = at(site.address("plain"))
    assert get(source) == get(source)
    assert len(site.asked) == 1


@pytest.mark.parametrize(("larger", "later"), [(1, 0), (0, 1)])
def test_what_was_checked_once_is_not_read_again_until_it_changes(
    site: Site, place: Path, larger: int, later: int
) -> None:
    def put(size: int, mtime_ns: int) -> None:
        place.write_bytes(b"x" * size)
        os.utime(place, ns=(mtime_ns, mtime_ns))

    source = at(site.address("plain"))
    get(source)
    state = place.stat()
    put(state.st_size, state.st_mtime_ns)
    assert get(source) == place, "same size and time: the check is not repeated"
    put(state.st_size + larger, state.st_mtime_ns + later)
    with pytest.raises(InputError, match="is not a gzip archive"):
        get(source)
    assert len(site.asked) == 1


def test_a_file_checked_against_another_digest_is_checked_again(site: Site) -> None:
    source = at(site.address("plain"))
    get(source)
    with pytest.raises(InputError, match=f"expected {'0' * 32}"):
        get(replace(source, member_md5={MEMBER: "0" * 32}))


def test_a_file_cut_by_a_server_that_says_it_is_whole_is_refused_and_kept_aside(site: Site, place: Path) -> None:
    source = at(site.address("promises_too_little"))
    with pytest.raises(InputError, match=r"cut or damaged.*kept as .*\.refused; the same command fetches it anew"):
        get(source)
    assert beside(place, ".refused").read_bytes() == site.content[:-10]
    assert not place.exists()
    site.mended = True
    assert get(source).read_bytes() == site.content


def test_a_web_page_instead_of_the_file_is_named(site: Site, place: Path) -> None:
    source = at(site.address("login"))
    with pytest.raises(InputError, match="is not a gzip archive; it begins with '<!DOCTYPE html"):
        get(source)
    assert beside(place, ".refused").read_bytes() == HTML
    site.mended = True
    assert get(source).read_bytes() == site.content


def test_a_cache_that_cannot_be_written_to_is_named(tmp_path: Path, place: Path) -> None:
    place.parent.write_text("a file where the folder should be")
    with pytest.raises(InputError, match=r"cache: cannot be written to \(File exists\); set RECSYS_CACHE"):
        get(at("http://127.0.0.1:9/file.tar.gz"))


def test_two_fetches_of_one_file_do_not_meet(site: Site, place: Path) -> None:
    source = at(site.address("stalls_once"))
    first = threading.Thread(target=fetch, args=(source,), daemon=True)
    first.start()
    wait_for_part(place)
    with pytest.raises(InputError, match="another fetch of this file is running"):
        fetch(source)
    site.released.set()  # the server ends the connection that it let stall
    first.join()
    assert fetch(source).read_bytes() == site.content
    assert len(site.asked) == 2


def test_a_file_put_there_by_hand_is_checked_and_used_without_the_network(site: Site, place: Path) -> None:
    place.parent.mkdir()
    place.write_bytes(site.content)
    assert get(at(site.address("status_404"))) == place
    assert beside(place, ".checked").exists()
    assert site.asked == []


def test_a_file_put_there_by_hand_ends_a_transfer_that_stopped(site: Site, place: Path) -> None:
    source = at(site.address("breaks_at_50000"))
    with pytest.raises(InputError, match="50,000 of"):
        get(source, attempts=1)
    place.write_bytes(site.content)
    get(source)
    assert names(place.parent) == {place.name, f"{place.name}.checked", f"{place.name}.lock"}


@pytest.mark.parametrize("length", [0, 1, 30, 60_000, -9, -1])
def test_a_cut_file_put_there_by_hand_is_refused(site: Site, place: Path, length: int) -> None:
    place.parent.mkdir()
    cut = site.content[:length]
    place.write_bytes(cut)
    source = at(site.address("plain"))
    with pytest.raises(InputError, match="(is empty|is cut or damaged|is not a gzip archive)") as caught:
        get(source)
    assert str(caught.value).startswith(str(place))
    assert str(caught.value).count(str(place)) == 1
    assert beside(place, ".refused").read_bytes() == cut
    assert site.asked == []
    assert get(source).read_bytes() == site.content


def test_other_content_is_refused_with_both_digests(site: Site, place: Path) -> None:
    other = PLAYS.replace(b"7", b"8")
    site.content = tar_gz((f"data/{MEMBER}", other))
    expected, found = hashlib.md5(PLAYS).hexdigest(), hashlib.md5(other).hexdigest()
    with pytest.raises(
        InputError, match=f"{place}: is not what was published: MD5 of {MEMBER} is {found}, expected {expected}"
    ):
        get(at(site.address("plain")))
    assert beside(place, ".refused").exists()


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ([("data/README.txt", b"about")], f"MD5 of {MEMBER} is missing, expected"),
        ([(f"a/{MEMBER}", PLAYS), (f"b/{MEMBER}", b"eve\t\tX\t1\n")], f"{MEMBER} is .* and .*, expected"),
    ],
)
def test_an_archive_without_the_member_or_with_two_of_it_is_refused(
    site: Site, members: list[tuple[str, bytes]], said: str
) -> None:
    site.content = tar_gz(*members)
    with pytest.raises(InputError, match=said):
        get(at(site.address("plain")))


def test_nothing_from_an_archive_reaches_the_disk(site: Site, place: Path, tmp_path: Path) -> None:
    site.content = tar_gz(("../../outside.txt", b"x"), (str(tmp_path / "absolute.txt"), b"x"), (f"../{MEMBER}", PLAYS))
    get(at(site.address("plain")))
    everything = {path for path in tmp_path.rglob("*") if path.is_file()}
    assert everything == {place, beside(place, ".checked"), beside(place, ".lock")}


def small_2k(place: Path, **counts: int) -> Source:
    """The archive of `lastfm_2k`, put there by hand, and its source with its counts."""
    source = replace(SOURCES["lastfm-2k"], counts={"rows": 5, "listeners": 3, "items": 4, **counts})
    place.parent.mkdir(exist_ok=True)
    (place.parent / source.file_name).write_bytes(lastfm_2k())
    return source


def test_a_set_without_a_digest_is_checked_by_its_counts(place: Path) -> None:
    path = get(small_2k(place))
    assert json.loads(beside(path, ".checked").read_text())["checked"] == {"rows": 5, "listeners": 3, "items": 4}


@pytest.mark.parametrize(("what", "found"), [("rows", 5), ("listeners", 3), ("items", 4)])
def test_other_counts_are_refused_with_both(place: Path, what: str, found: int) -> None:
    source = small_2k(place, **{what: 6})
    with pytest.raises(InputError, match=f"is not what was published: {what} is {found}, expected 6"):
        get(source)
    assert (place.parent / f"{source.file_name}.refused").read_bytes() == lastfm_2k()


def test_the_published_counts_are_those_of_the_published_files(real_data: Path, place: Path) -> None:
    source = SOURCES["lastfm-2k"]
    place.parent.mkdir()
    path = place.parent / source.file_name
    rows = (real_data / "hetrec2011-lastfm-2k" / "user_artists.dat").read_bytes()

    def put(rows: bytes) -> None:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.write(real_data / "hetrec2011-lastfm-2k" / "artists.dat", "artists.dat")
            archive.writestr("user_artists.dat", rows)

    put(rows[: rows.rstrip().rfind(b"\n") + 1])
    with pytest.raises(InputError, match="rows is 92833, expected 92834"):
        get(source)
    put(rows)
    assert get(source) == path


def test_a_licence_is_asked_for_once_and_again_when_its_words_change(tmp_path: Path) -> None:
    source = SOURCES["lastfm-360k"]
    assert not accepted(source)
    accept(source)
    assert accepted(source)
    assert not accepted(SOURCES["lastfm-1k"]), "another set, though the same licence"
    assert not accepted(replace(source, licence="Only on Sundays."))
    assert not accepted(source, tmp_path / "another folder")


def test_a_reader_finds_its_fetched_file_only_once_it_is_checked(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = small_2k(place)
    monkeypatch.setitem(SOURCES, source.name, source)
    assert fetched("lastfm-2k") is None, "there, but not checked"
    path = get(source)
    assert fetched("lastfm-2k") == path
    assert fetched("lastfm-360k") is None
    assert fetched("events") is None
    path.unlink()
    assert fetched("lastfm-2k") is None


def test_the_cache_is_where_the_environment_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert cache_folder() == tmp_path / "cache"
    monkeypatch.setenv("RECSYS_CACHE", "~/music")
    assert cache_folder() == Path.home() / "music"
    monkeypatch.setenv("RECSYS_CACHE", "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder().name == "recsys"


def test_what_fetching_needs_is_loaded_when_something_is_fetched() -> None:
    script = "import sys, recsys.interactions.fetching; print({'requests', 'pooch', 'numba'} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == "set()"
