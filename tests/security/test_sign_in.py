"""Sign-in against a provider on this machine: who is signed in sees the pages, a stranger gets nothing of the data."""

from __future__ import annotations

import contextlib
import inspect
import json
import re
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import streamlit as st
from itsdangerous import URLSafeTimedSerializer
from playwright.sync_api import Browser, BrowserContext, Page, expect
from starlette.responses import PlainTextResponse
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.testing.v1 import AppTest
from streamlit.util import calc_hash
from streamlit.web.server.starlette import starlette_app_utils, starlette_websocket
from websockets.sync.client import connect

from recsys.artifacts.store import ArtifactSet
from recsys.ui import sign_in
from tests.e2e.conftest import PATIENCE, settled
from tests.e2e.server import ROOT, running_app
from tests.security.provider import CLIENT, SECRET, Provider, running_provider

COOKIE_SECRET = "a secret of the server, long enough"
PAGES = ["", *(path.stem for path in sorted((ROOT / "pages").glob("*.py")) if path.stem != "overview")]
ANN = {"email": "ann@example.org", "email_verified": True}
HEADING = "Two models of one listening log"
WAY_IN = b"Sign in to see this"
AUTH = {"cookie_secret": COOKIE_SECRET, "client_id": "x"}


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    with running_provider() as running:
        yield running


@pytest.fixture(scope="module")
def locked(provider: Provider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The app on the demo set, with sign-in."""
    with locked_app(provider, tmp_path_factory.mktemp("secrets")) as address:
        yield address


@contextlib.contextmanager
def locked_app(provider: Provider, folder: Path, base: str = "") -> Iterator[str]:
    """The same, with every page below a path such as /base."""
    secrets = folder / "secrets.toml"
    secrets.write_text(
        f'[auth]\nredirect_uri = "http://127.0.0.1:{{port}}{base}/oauth2callback"\ncookie_secret = "{COOKIE_SECRET}"\n'
        f'client_id = "{CLIENT}"\nclient_secret = "{SECRET}"\n'
        f'server_metadata_url = "{provider.address}/.well-known/openid-configuration"\n'
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RECSYS_ALLOWED", "@example.org, bob@elsewhere.net")
        options = ["--secrets.files", str(secrets)]
        with running_app(ROOT / "artifacts", script="serve.py", options=options, base=base) as address:
            yield address


@pytest.fixture
def window(browser: Browser) -> Iterator[BrowserContext]:
    """A browser that nobody has used."""
    context = browser.new_context(accept_downloads=True)
    context.set_default_timeout(PATIENCE * 1000)
    yield context
    context.close()


def secret_words() -> list[bytes]:
    """What stands in the data and nowhere else."""
    artifacts = ArtifactSet.open(ROOT / "artifacts" / "demo")
    items = artifacts.catalogue
    words = [*items["item_id"], *(name for name in items["name"] if len(name) > 5), artifacts.fingerprint[:12]]
    return [str(word).encode() for word in words]


def enter(window: BrowserContext, address: str) -> Page:
    page = window.new_page()
    page.goto(address)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_text(ANN["email"])).to_be_visible()
    return page


def answer(address: str, method: str = "GET", **headers: str) -> tuple[int, bytes]:
    request = urllib.request.Request(address, method=method, headers=headers, data=b"x" if method != "GET" else None)
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE) as found:
            return found.status, found.read()
    except urllib.error.HTTPError as error:
        with contextlib.closing(error):
            return error.code, error.read()


def told(
    address: str, state: Mapping[str, Any], cookies: Mapping[str, str] | None = None, session: str = ""
) -> tuple[bytes, list[ForwardMsg]]:
    """All that a raw client hears that asks for a run, and has these cookies."""
    cookies = dict(cookies or {})
    xsrf = cookies.get("_streamlit_xsrf", "")
    protocols = ["streamlit", *([xsrf or "none"] if xsrf or session else []), *([session] if session else [])]
    headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items())} if cookies else {}
    asked = BackMsg()
    for name, value in state.items():
        setattr(asked.rerun_script, name, value)
    heard: list[bytes] = []
    with connect(
        f"{address.replace('http', 'ws')}/_stcore/stream", subprotocols=protocols, additional_headers=headers,  # type: ignore[arg-type]
        origin=address if cookies else None, max_size=None,  # type: ignore[arg-type]
    ) as socket:  # fmt: skip
        socket.send(asked.SerializeToString())
        end = time.monotonic() + PATIENCE
        patience = 10.0  # the silence that a stranger meets is waited for, too
        while time.monotonic() < end:
            try:
                content = socket.recv(timeout=patience)
            except TimeoutError:
                break
            assert isinstance(content, bytes)
            heard.append(content)
            if ForwardMsg.FromString(content).WhichOneof("type") == "script_finished":
                patience = 1.0  # a run may begin another
    return b"".join(heard), [ForwardMsg.FromString(each) for each in heard]


def cookies_of(window: BrowserContext) -> dict[str, str]:
    return {each["name"]: each["value"] for each in window.cookies()}


def test_signing_in_opens_the_pages_and_signing_out_closes_them(
    window: BrowserContext, locked: str, provider: Provider
) -> None:
    provider.person = ANN
    page = enter(window, locked)
    expect(page.get_by_role("heading", name=HEADING)).to_be_visible()
    page.goto(f"{locked}/neighbours?item=s000000")
    expect(page.get_by_role("heading", name="Similar to Radiohead")).to_be_visible()
    ended = provider.signed_out
    settled(page)
    with page.expect_response(re.compile(f"^{re.escape(provider.address)}/end")):  # which may come after the heading
        page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in to see this")).to_be_visible()
    assert provider.signed_out == ended + 1, "signed out at the provider, too"
    for path in PAGES:
        page.goto(f"{locked}/{path}")
        expect(page.get_by_role("heading", name="Sign in to see this")).to_be_visible()
        assert "Radiohead" not in page.content()


def test_a_link_is_kept_while_its_visitor_signs_in(window: BrowserContext, locked: str, provider: Provider) -> None:
    provider.person = ANN
    page = enter(window, f"{locked}/neighbours?item=s000001&n=7")
    settled(page)
    assert urlsplit(page.url).path == "/neighbours"
    assert {"item": "s000001", "n": "7"}.items() <= dict(parse_qsl(urlsplit(page.url).query)).items()
    assert sign_in.LINK_COOKIE not in cookies_of(window), "it is opened once"
    page.goto(locked)
    expect(page.get_by_role("heading", name=HEADING)).to_be_visible()
    for harm in ("//harm.invalid", "https://harm.invalid/neighbours", "/neighbours/..//harm.invalid", "/auth/logout"):
        window.add_cookies([{"name": sign_in.LINK_COOKIE, "value": harm, "url": locked}])
        page.goto(locked)
        expect(page.get_by_role("heading", name=HEADING)).to_be_visible()
        assert page.url.startswith(f"{locked}/?")


@pytest.mark.long
def test_a_link_is_kept_below_a_path_too(window: BrowserContext, provider: Provider, tmp_path: Path) -> None:
    provider.person = ANN
    with locked_app(provider, tmp_path, "/music/lab") as address:
        page = settled(enter(window, f"{address}/neighbours?item=s000001&n=7"))
        assert urlsplit(page.url).path == "/music/lab/neighbours"
        assert {"item": "s000001", "n": "7"}.items() <= dict(parse_qsl(urlsplit(page.url).query)).items()
        assert sign_in.LINK_COOKIE not in cookies_of(window)


def test_files_answer_to_the_signed_in_only(window: BrowserContext, locked: str, provider: Provider) -> None:
    provider.person = ANN
    page = enter(window, locked)
    page.goto(f"{locked}/neighbours?item=s000000")
    expect(page.get_by_role("heading", name="Similar to Radiohead")).to_be_visible()
    with page.expect_download() as download:
        settled(page).get_by_role("button", name="CSV").first.click()
    address = download.value.url
    assert "/media/" in address
    own = page.request.get(address)
    assert own.status == 200
    assert b"s000000" in own.body()
    assert answer(address) == (403, b"Sign in first.\n")
    assert answer(address, Cookie="_streamlit_user=forged")[0] == 403
    assert answer(f"{locked}/_stcore/upload_file/s/f", "PUT")[0] == 403


@pytest.mark.parametrize("path", PAGES)
def test_no_message_of_any_page_reaches_a_stranger(locked: str, path: str) -> None:
    words = secret_words()
    script = ROOT / "pages" / f"{path or 'overview'}.py"
    states: list[dict[str, Any]] = [
        {"page_name": path, "query_string": "set=demo&item=s000000"},
        {"page_script_hash": calc_hash(path)},
        {"page_script_hash": calc_hash(str(script))},
    ]
    with ThreadPoolExecutor(len(states)) as strangers:
        for content, _ in strangers.map(partial(told, locked), states):
            assert WAY_IN in content
            assert [word for word in words if word in content] == []


def test_a_raw_client_with_the_cookies_of_a_person_hears_data_and_a_stranger_with_its_fragments_does_not(
    window: BrowserContext, locked: str, provider: Provider
) -> None:
    provider.person = ANN
    enter(window, locked)
    cookies, words = cookies_of(window), secret_words()
    content, messages = told(locked, {"page_name": "neighbours"}, cookies)
    assert any(word in content for word in words), "a client like the others would hear data"
    fragments = {message.delta.fragment_id for message in messages} - {""}
    assert fragments
    session = next(message.new_session.initialize.session_id for message in messages if message.HasField("new_session"))
    strangers: list[tuple[dict[str, Any], dict[str, str], str]] = [
        ({"fragment_id": min(fragments)}, {}, ""), ({"page_name": "neighbours"}, {}, session),
        ({"fragment_id": min(fragments)}, {}, session),
    ]  # fmt: skip
    for state, own, known in strangers:
        content, _ = told(locked, state, own, known)
        assert [word for word in words if word in content] == []


def test_a_forged_cookie_is_nobodys(window: BrowserContext, locked: str, provider: Provider) -> None:
    provider.person = ANN
    enter(window, locked)
    cookies = cookies_of(window)
    name = "_streamlit_user"
    claims = json.dumps({**ANN, "is_logged_in": True, "origin": locked})
    forged = URLSafeTimedSerializer("another secret", salt=name).dumps(claims)
    real = cookies[name]
    for value in (str(forged), real[:-2] + ("AA" if real[-2:] != "AA" else "BB"), "", "chunks-9"):
        content, _ = told(locked, {"page_name": "neighbours"}, {**cookies, name: value})
        assert WAY_IN in content
        assert not any(word in content for word in secret_words())


@pytest.mark.parametrize(
    "person",
    [
        {"email": "eve@elsewhere.net", "email_verified": True},
        {"email": "eve@notexample.org", "email_verified": True},
        {"email": "ann@example.org", "email_verified": False},
        {"email": "ann@example.org"},
        {"email": "ann@example.org.evil.net", "email_verified": True},
        {"name": "nobody"},
    ],
    ids=["stranger", "like the domain", "not verified", "not said to be", "domain in front", "no address"],
)
def test_who_is_signed_in_but_not_allowed_sees_nothing(
    window: BrowserContext, locked: str, provider: Provider, person: dict[str, Any]
) -> None:
    provider.person = person
    page = window.new_page()
    page.goto(locked)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_text("not one of those that may enter")).to_be_visible()
    content, _ = told(locked, {"page_name": "neighbours"}, cookies_of(window))
    assert not any(word in content for word in secret_words())


def test_nothing_else_that_the_server_answers_holds_data(locked: str) -> None:
    words = secret_words()
    for path in (
        "", "neighbours?item=s000000", "_stcore/health", "_stcore/host-config", "_stcore/metrics", "health", "metrics",
        "_stcore/agent/openapi.json", "media/", "media/../artifacts/demo/CURRENT", "component/x/y", "static/../app.py",
        "_stcore/bidi-components/x/y",
    ):  # fmt: skip
        content = answer(f"{locked}/{path}")[1]
        assert [word for word in words if word in content] == [], path
    content = answer(f"{locked}/_stcore/agent/interact", "POST", **{"Content-Type": "application/json"})[1]
    assert [word for word in words if word in content] == []


@pytest.mark.parametrize(
    ("allowed", "may"),
    [
        ("*", True), ("ann@example.org", True), ("ANN@Example.org", True), ("x@y.z , @example.org", True), ("", False),
        ("example.org", False), ("@xample.org", False), ("nn@example.org", False), ("@", False), (",", False),
    ],
)  # fmt: skip
def test_addresses_and_domains_are_compared_whole(monkeypatch: pytest.MonkeyPatch, allowed: str, may: bool) -> None:
    monkeypatch.setenv("RECSYS_ALLOWED", allowed)
    assert sign_in.may_enter({"is_logged_in": True, **ANN}) is may
    assert sign_in.may_enter({"is_logged_in": False, **ANN}) is False
    assert sign_in.may_enter({}) is False


@pytest.mark.parametrize(
    ("path", "query", "link"),
    [
        ("/", "", "/"),
        ("/", "set=demo", "/?set=demo"),
        ("/neighbours", "item=a b&n=&item=%26", "/neighbours?item=a+b&n=&item=%26"),
        ("/maps", "x=1\r\nSet-Cookie: y", "/maps?x=1%0D%0ASet-Cookie%3A+y"),
        ("/maps", "//harm.invalid=1", "/maps?%2F%2Fharm.invalid=1"),
        ("/maps", f"x={'y' * 2_990}", f"/maps?x={'y' * 2_990}"),
        ("/maps", f"x={'y' * 3_000}", None),
        ("/maps", "x=1&" * 51, None),
        ("", "", None),
        ("neighbours", "", None),
        ("//neighbours", "", None),
        ("//harm.invalid/neighbours", "", None),
        ("/\\harm.invalid", "", None),
        ("/neighbours/", "", None),
        ("/neighbours/../maps", "", None),
        ("https://harm.invalid/", "", None),
        ("/auth/logout", "", None),
        ("/metrics", "", None),
    ],
)
def test_a_kept_link_is_a_page_of_this_app_or_nothing(path: str, query: str, link: str | None) -> None:
    assert sign_in._link(path, query) == link


@pytest.mark.parametrize("base", ["music/lab", "/music/lab/"])
def test_a_link_below_a_path_is_one_of_this_app(monkeypatch: pytest.MonkeyPatch, base: str) -> None:
    monkeypatch.setattr(st, "get_option", {"server.baseUrlPath": base}.get)
    assert sign_in._link("/music/lab/maps", "item=a") == "/music/lab/maps?item=a"
    assert sign_in._link("/music/lab/", "") == "/music/lab/"
    for elsewhere in ("/maps", "/", "/music/lab", "/music/labmaps", "/music/lab//maps", "//music/lab/maps"):
        assert sign_in._link(elsewhere, "") is None, elsewhere


def test_each_page_of_the_navigation_may_be_linked_to() -> None:
    linked = re.findall(r'url_path="(\w+)"', (ROOT / "app.py").read_text("utf-8"))
    assert {"", *linked} == sign_in.PAGES


def asked(path: str, cookie: str = "") -> int:
    """The status of what the middleware answers; 200 from the app behind it."""
    heard: list[MutableMapping[str, Any]] = []

    async def send(message: MutableMapping[str, Any]) -> None:
        heard.append(message)

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.request"}

    scope = {
        "type": "http", "method": "GET", "path": path, "query_string": b"", "headers": [(b"cookie", cookie.encode())],
    }  # fmt: skip
    served = PlainTextResponse("data")
    # It waits for nothing; a loop of its own would not run beside Playwright's.
    with contextlib.suppress(StopIteration):
        sign_in.FilesForWhoMayEnter(sign_in.LinkAcrossSignIn(served))(scope, receive, send).send(None)
    return int(heard[0]["status"])


@pytest.fixture
def set_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECSYS_ALLOWED", "*")
    monkeypatch.setattr(sign_in, "get_secrets_auth_section", lambda: AUTH)
    monkeypatch.setattr(starlette_websocket, "get_cookie_secret", lambda: COOKIE_SECRET)


def signed_cookie(claims: Mapping[str, Any], secret: str = COOKIE_SECRET) -> str:
    value = starlette_app_utils.create_signed_value(secret, sign_in.USER_COOKIE_NAME, json.dumps(claims))
    return f"{sign_in.USER_COOKIE_NAME}={value.decode()}"


@pytest.mark.usefixtures("set_up")
def test_streamlits_private_reader_of_its_cookie_does_what_the_middleware_trusts_it_to() -> None:
    """`starlette_websocket._get_signed_cookie_with_chunks` has no public twin: what an upgrade changes shows here."""
    person = {**ANN, "is_logged_in": True, "origin": "http://x"}
    reader = starlette_websocket._get_signed_cookie_with_chunks
    assert sign_in._get_signed_cookie_with_chunks is reader
    assert list(inspect.signature(reader).parameters) == ["cookies", "cookie_name"]
    assert asked("/media/x", signed_cookie(person)) == 200
    for cookie in ("", signed_cookie(person, "another secret"), signed_cookie({**person, "is_logged_in": False})):
        assert asked("/media/x", cookie) == 403


@pytest.mark.usefixtures("set_up")
@pytest.mark.parametrize("found", [None, b"", b"null", b"[]", b'"ann"', b"{}"])
def test_a_cookie_that_reads_as_something_else_is_nobodys(monkeypatch: pytest.MonkeyPatch, found: bytes | None) -> None:
    monkeypatch.setattr(sign_in, "_get_signed_cookie_with_chunks", lambda *_: found)
    assert asked("/media/x", "_streamlit_user=x") == 403


@pytest.mark.usefixtures("set_up")
def test_where_the_private_reader_takes_other_arguments_nothing_is_served(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sign_in, "_get_signed_cookie_with_chunks", lambda request: b'{"is_logged_in": true}')
    with pytest.raises(TypeError, match="positional argument"):
        asked("/media/x", "_streamlit_user=x")


@pytest.mark.parametrize(
    ("allowed", "auth", "in_place", "words"),
    [
        ("*", {}, True, "no readable [auth]"),
        (None, AUTH, True, "RECSYS_ALLOWED names nobody"),
        (" , ", AUTH, True, "RECSYS_ALLOWED names nobody"),
        ("*", {**AUTH, "cookie_secret": "short"}, True, "shorter than 32"),
        ("*", AUTH, False, "streamlit run serve.py"),
    ],
)
@pytest.mark.parametrize("page", ["app.py", "pages/neighbours.py"])
def test_half_a_setting_opens_to_nobody_and_says_why(
    monkeypatch: pytest.MonkeyPatch, allowed: str | None, auth: dict[str, str], in_place: bool, words: str, page: str
) -> None:
    monkeypatch.delenv("RECSYS_ALLOWED", raising=False)
    if allowed is not None:
        monkeypatch.setenv("RECSYS_ALLOWED", allowed)
    monkeypatch.setenv("RECSYS_ARTIFACTS", str(ROOT / "artifacts"))
    monkeypatch.setattr(sign_in, "get_secrets_auth_section", lambda: auth)
    monkeypatch.setattr(sign_in.FilesForWhoMayEnter, "in_place", in_place)
    at = AppTest.from_file(ROOT / page, default_timeout=180).run()
    assert [header.value for header in at.header] == ["Sign in to see this"]
    assert words in at.markdown[0].value
    assert len(at.markdown) == 1
    assert not at.button


def test_each_provider_has_a_button(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECSYS_ALLOWED", "*")
    monkeypatch.setattr(sign_in.FilesForWhoMayEnter, "in_place", True)
    two = {"cookie_secret": COOKIE_SECRET, "google": {"client_id": "x"}, "work": {"client_id": "y"}}
    monkeypatch.setattr(sign_in, "get_secrets_auth_section", lambda: two)
    at = AppTest.from_file(ROOT / "app.py", default_timeout=180).run()
    assert [button.label for button in at.button] == ["Sign in with google", "Sign in with work"]


def test_without_sign_in_nothing_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RECSYS_ALLOWED", raising=False)
    monkeypatch.setenv("RECSYS_ARTIFACTS", str(ROOT / "artifacts"))
    at = AppTest.from_file(ROOT / "app.py", default_timeout=180).run()
    assert HEADING in at.header[0].value
    assert not [button for button in at.button if button.key == "sign_out"]


def test_the_guide_names_what_is_asked_for() -> None:
    guide = Path(ROOT / "docs/guide/sign-in.md").read_text("utf-8")
    for word in (sign_in.ALLOWED, "cookie_secret", "email_verified", "serve.py", "requirements-sign-in.txt"):
        assert word in guide
