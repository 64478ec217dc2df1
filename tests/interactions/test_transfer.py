"""Fetching over bad networks from bad servers: what arrives is the published file, whole, or a sentence why not."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from urllib3.util import connection

from recsys.errors import InputError
from recsys.interactions import transfer
from recsys.interactions.sources import SOURCES
from tests.interactions.site import ROOT, Site, at, beside, closed_port, get, lastfm_360k, names, running, wait_for_part

pytestmark = pytest.mark.usefixtures("own_surroundings")


def test_a_stalled_transfer_goes_on_where_it_stopped(site: Site) -> None:
    came: list[int] = []
    begin = time.monotonic()
    path = get(at(site.address("stalls_once")), on_bytes=came.append, stall_seconds=0.7)
    assert time.monotonic() - begin < 5, "the server would have kept silent for 10 seconds"
    assert site.ranges == [None, "bytes=30000-"]
    assert site.asked[1].if_range == '"one"'
    assert path.read_bytes() == site.content
    assert sum(came) == len(site.content)
    assert min(came) >= 0, "nothing was thrown away"


def test_breaks_that_bring_bytes_do_not_use_up_attempts(site: Site) -> None:
    path = get(at(site.address("breaks_thrice")), attempts=1)
    assert site.ranges == [None, "bytes=20000-", "bytes=40000-", "bytes=60000-"]
    assert path.read_bytes() == site.content


@pytest.mark.parametrize("behaviour", ["breaks_at_50000", "breaks_at_50000_without_ranges"])
def test_a_server_that_never_gets_further_is_given_up_and_the_next_run_goes_on(
    site: Site, place: Path, behaviour: str
) -> None:
    source = at(site.address(behaviour))
    with pytest.raises(InputError, match="brought no new byte in 3 attempts") as caught:
        get(source, attempts=3)
    assert len(site.asked) == 1 + 3
    assert f"50,000 of {len(site.content):,} bytes are kept in {beside(place, '.part')}" in str(caught.value)
    assert "the same command goes on from there" in str(caught.value)
    assert "(the connection ended early)" in str(caught.value)
    assert beside(place, ".part").read_bytes() == site.content[:50_000]
    assert not place.exists()
    site.mended = True
    came: list[int] = []
    assert get(source, on_bytes=came.append).read_bytes() == site.content
    assert (site.ranges[-1], site.asked[-1].if_range) == ("bytes=50000-", '"one"')
    assert came[0] == 50_000, "what was kept is told first"
    assert sum(came) == len(site.content)


def test_only_the_furthest_that_was_reached_counts_as_new(site: Site) -> None:
    with pytest.raises(InputError, match="brought no new byte in 3 attempts"):
        get(at(site.address("breaks_later_or_sooner_without_ranges")), attempts=3)
    assert len(site.asked) == 1 + 3


def test_waits_grow_while_nothing_comes(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr(transfer, "WAIT_SECONDS", 0.5)
    monkeypatch.setattr(transfer, "time", SimpleNamespace(sleep=waits.append))
    with pytest.raises(InputError, match="answered 503 Service Unavailable"):
        get(at(site.address("always_503")), attempts=4)
    assert len(site.asked) == 4
    assert waits == [1, 2, 4]


def test_a_person_who_stops_it_keeps_what_has_arrived(site: Site, place: Path) -> None:
    def stop(n_bytes: int) -> None:
        if n_bytes:
            raise KeyboardInterrupt

    source = at(site.address("plain"))
    with pytest.raises(KeyboardInterrupt):
        get(source, on_bytes=stop)
    assert names(place.parent) == {f"{place.name}{suffix}" for suffix in (".part", ".part.json", ".lock")}
    kept = beside(place, ".part").stat().st_size
    assert kept > 0
    assert get(source).read_bytes() == site.content
    assert site.ranges[1:] == [f"bytes={kept}-"]


def test_a_killed_fetch_leaves_what_the_next_one_goes_on_from(site: Site, place: Path) -> None:
    source = at(site.address("stalls_once"))
    script = (
        "from dataclasses import replace; from recsys.interactions.fetching import SOURCES, fetch; "
        f"fetch(replace(SOURCES['lastfm-360k'], address={source.address!r}))"
    )
    first = subprocess.Popen([sys.executable, "-c", script], cwd=ROOT)
    try:
        arrived = wait_for_part(place)
    finally:
        first.kill()
        first.wait()
    assert get(source).read_bytes() == site.content
    assert site.ranges == [None, f"bytes={arrived}-"]


@pytest.mark.parametrize("behaviour", ["breaks_once_without_ranges", "changes", "changes_and_does_not_see_if_range"])
def test_what_cannot_be_gone_on_from_is_begun_anew(site: Site, behaviour: str) -> None:
    came: list[int] = []
    path = get(at(site.address(behaviour)), on_bytes=came.append)
    assert site.ranges[:2] == [None, "bytes=40000-"]
    assert path.read_bytes() == site.content, "no mixture of two versions"
    assert sum(came) == len(site.content)
    assert -40_000 in came, "what was thrown away is taken back"


@pytest.mark.parametrize("behaviour", ["wrong_start", "wrong_total", "no_content_range", "shrinks"])
def test_an_answer_that_does_not_fit_what_is_there_is_not_added_to_it(site: Site, behaviour: str) -> None:
    path = get(at(site.address(behaviour)))
    assert site.ranges == [None, "bytes=40000-", None]
    assert path.read_bytes() == site.content


def test_a_part_is_added_although_its_server_does_not_say_the_size_again(site: Site) -> None:
    path = get(at(site.address("does_not_say_how_large")))
    assert site.ranges == [None, "bytes=40000-", "bytes=70000-"]
    assert path.read_bytes() == site.content


def test_a_server_that_gives_small_parts_is_asked_for_all_of_them(site: Site) -> None:
    path = get(at(site.address("small_parts")), attempts=1)
    assert site.ranges == [None, "bytes=20000-", "bytes=60000-", "bytes=100000-"]
    assert path.read_bytes() == site.content


def test_a_weak_mark_is_not_used_to_go_on(site: Site) -> None:
    site.marks = {"ETag": 'W/"one"', "Last-Modified": "Tue, 30 Mar 2010 10:00:00 GMT"}
    path = get(at(site.address("breaks_thrice")))
    assert [asked.if_range for asked in site.asked] == [None] + 3 * ["Tue, 30 Mar 2010 10:00:00 GMT"]
    assert path.read_bytes() == site.content


def test_without_any_mark_the_size_decides(site: Site) -> None:
    site.marks = {}
    path = get(at(site.address("breaks_thrice")))
    assert [asked.if_range for asked in site.asked] == 4 * [None]
    assert site.ranges[3] == "bytes=60000-"
    assert path.read_bytes() == site.content


def test_a_part_of_another_address_is_not_gone_on_from(site: Site, place: Path) -> None:
    with pytest.raises(InputError, match="50,000 of"):
        get(at(site.address("breaks_at_50000")), attempts=1)
    path = get(at(site.address("plain")))
    assert site.ranges[-1] is None
    assert path.read_bytes() == site.content


def test_a_part_whose_card_is_torn_is_not_gone_on_from(site: Site, place: Path) -> None:
    source = at(site.address("breaks_at_50000"))
    with pytest.raises(InputError, match="50,000 of"):
        get(source, attempts=1)
    beside(place, ".part.json").write_text('{"url": "htt')
    site.mended = True
    assert get(source).read_bytes() == site.content
    assert site.ranges[-1] is None


def test_a_whole_part_is_recognised_although_more_was_promised(site: Site) -> None:
    path = get(at(site.address("promises_too_much")))
    assert site.ranges == [None, f"bytes={len(site.content)}-"]
    assert path.read_bytes() == site.content


@pytest.mark.parametrize("marks", [{}, {"Content-Length": "10"}])
def test_chunks_are_brought_without_a_length_or_in_spite_of_it(site: Site, marks: dict[str, str]) -> None:
    site.marks = marks
    totals: list[int] = []
    assert get(at(site.address("chunked")), on_total=totals.append).read_bytes() == site.content
    assert totals == []


def test_chunks_that_break_off_are_gone_on_from(site: Site) -> None:
    path = get(at(site.address("chunked_breaks_once")))
    assert site.ranges == [None, "bytes=30000-"]
    assert path.read_bytes() == site.content


def test_an_archive_that_a_server_calls_encoded_is_not_unpacked_on_the_way(site: Site) -> None:
    assert get(at(site.address("says_encoding"))).read_bytes() == site.content


def test_a_busy_server_is_asked_again(site: Site) -> None:
    assert get(at(site.address("busy_twice")), attempts=3).read_bytes() == site.content
    assert len(site.asked) == 3


@pytest.mark.parametrize(
    ("behaviour", "said"),
    [("status_404", "answered 404 Not Found"), ("status_500", "answered 500 Internal Server Error")],
)
def test_an_error_status_is_said_at_once_with_what_to_do(site: Site, place: Path, behaviour: str, said: str) -> None:
    source = at(site.address(behaviour))
    with pytest.raises(InputError, match=said) as caught:
        get(source)
    assert len(site.asked) == 1
    assert f"see {source.page}, or download {source.address} by hand to {place}" in str(caught.value)


def test_a_redirect_is_followed_and_gone_on_from(site: Site) -> None:
    site.elsewhere = site.address("breaks_thrice")
    path = get(at(site.address("moved")))
    assert site.ranges == [None, None, *(2 * ["bytes=20000-"]), *(2 * ["bytes=40000-"]), *(2 * ["bytes=60000-"])]
    assert path.read_bytes() == site.content


def test_a_circle_of_redirects_ends(site: Site) -> None:
    with pytest.raises(InputError, match="Exceeded 10 redirects.*by hand"):
        get(at(site.address("circle")))
    assert len(site.asked) == 11


def test_a_redirect_to_another_protocol_is_refused(site: Site) -> None:
    site.elsewhere = "ftp://127.0.0.1/file.tar.gz"
    with pytest.raises(InputError, match="cannot be fetched .*ftp://127"):
        get(at(site.address("moved")))


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificate, and is not here")
def test_a_redirect_from_https_to_http_is_refused(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    options = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=test"
    subprocess.run(
        ["openssl", *options.split(), "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate],
        check=True, capture_output=True,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    secure = Site()
    secure.scheme, secure.elsewhere = "https", site.address("plain")
    secure.socket = context.wrap_socket(secure.socket, server_side=True)
    with running(secure) as server:
        with pytest.raises(InputError, match=r"cannot reach 127.0.0.1 \(.*certificate"):
            get(at(server.address("moved")))
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
        with pytest.raises(InputError, match="leads away from https, to http://"):
            get(at(server.address("moved")))
        assert len(server.asked) == 1
        server.elsewhere = server.address("plain")
        assert get(at(server.address("moved"))).read_bytes() == server.content
    assert site.asked == [], "nothing was asked without encryption"


def test_a_web_page_in_between_does_not_cost_what_has_arrived(site: Site, place: Path) -> None:
    source = at(site.address("login_in_between"))
    with pytest.raises(InputError, match=r"is now a web page, perhaps to log in; 40,000 of .* are kept"):
        get(source)
    assert get(source).read_bytes() == site.content
    assert site.ranges == [None, "bytes=40000-", "bytes=40000-"]


def test_without_a_server_one_line_says_how_to_do_it_by_hand(place: Path) -> None:
    source = at(f"http://127.0.0.1:{closed_port()}/file.tar.gz")
    with pytest.raises(InputError) as caught:
        get(source)
    assert str(caught.value) == (
        f"cannot reach 127.0.0.1 (Connection refused); download {source.address} by hand to {place}, "
        "then run the same command"
    )
    place.write_bytes(lastfm_360k())
    assert get(source) == place, "as the message said"


def test_without_names_one_line_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody_knows(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", nobody_knows)
    with pytest.raises(InputError, match=r"^cannot reach mtg.upf.edu \(Name or service not known\); [^\n]*$"):
        get(SOURCES["lastfm-360k"])


def test_a_network_that_goes_away_on_the_way_is_waited_for(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    connect = connection.create_connection
    turn = iter(range(100))

    def sometimes(*args: Any, **settings: Any) -> socket.socket:
        if next(turn) in (1, 2):
            raise OSError(101, "Network is unreachable")
        return connect(*args, **settings)

    monkeypatch.setattr(connection, "create_connection", sometimes)
    path = get(at(site.address("breaks_thrice")))
    assert path.read_bytes() == site.content
    assert site.ranges == [None, "bytes=20000-", "bytes=40000-", "bytes=60000-"]
    assert next(turn) == 6


def test_too_little_room_is_said_before_anything_is_brought(
    site: Site, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=9_999))
    said = f"{len(site.content):,} more bytes are needed and 9,999 are free; make room, or set RECSYS_CACHE"
    with pytest.raises(InputError, match=said):
        get(at(site.address("plain")))
    assert beside(place, ".part").stat().st_size == 0
    with pytest.raises(InputError, match="2,600,000 more bytes are needed"):
        get(replace(at(site.address("chunked")), n_bytes=2_600_000))


def test_room_is_needed_only_for_what_is_missing(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    free = iter([len(site.content), len(site.content) - 20_000, len(site.content) - 40_001])
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=next(free)))
    with pytest.raises(InputError, match=f"{len(site.content) - 40_000:,} more bytes are needed"):
        get(at(site.address("breaks_thrice")))
    assert len(site.asked) == 3


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="/dev/full is the disk without room, and is not here")
def test_a_disk_that_fills_up_on_the_way_is_named(site: Site, place: Path) -> None:
    place.parent.mkdir()
    beside(place, ".part").symlink_to("/dev/full")
    with pytest.raises(InputError, match=r"\.part: cannot be written \(No space left on device\)"):
        get(at(site.address("plain")))
