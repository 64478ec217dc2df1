"""Who may enter: sign-in by OpenID Connect, which Streamlit does (`st.login`), and nothing for anybody else."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

import streamlit as st
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit.auth_util import get_secrets_auth_section
from streamlit.errors import StreamlitAuthError, StreamlitMissingAuthlibError
from streamlit.web.server.starlette.starlette_server_config import USER_COOKIE_NAME
from streamlit.web.server.starlette.starlette_websocket import _get_signed_cookie_with_chunks

ALLOWED = "RECSYS_ALLOWED"
EVERYBODY = "*"
SHORTEST_SECRET = 32
# What Streamlit answers beside the pages to whoever knows the address: files of downloads and charts, and uploads.
FILES = ("/media/", "/_stcore/upload_file/")
# The address of each page; the first one has none.
PAGES = {"", *(path.stem for path in (Path(__file__).parents[2] / "pages").glob("*.py") if path.stem != "overview")}
LINK_COOKIE = "recsys_link"
LONGEST_LINK = 3_000  # of 4,096 that browsers take as a cookie, and of 8,192 for all of them that proxies take
MOST_PARAMETERS = 50
SECONDS_TO_SIGN_IN = 600
Person = Mapping[str, Any]


def enter_or_stop() -> None:
    """The name of the person and the way out, above every page; who may not enter sees how to, and the page ends.

    Nothing where sign-in is off: no [auth] in secrets.toml and no RECSYS_ALLOWED.
    """
    stop_strangers()
    if not _is_on():
        return
    with st.container(horizontal=True, horizontal_alignment="right", vertical_alignment="center", key="signed_in"):
        st.text(str(st.user.get("email") or "Signed in"), width="content")
        st.button("Sign out", key="sign_out", type="tertiary", on_click=st.logout)


def stop_strangers() -> None:
    """End the run for who may not enter, with the sign-in page and nothing else."""
    if not _is_on():
        return
    person = st.user.to_dict()
    trouble = _trouble()
    if not trouble and may_enter(person):
        return
    st.header("Sign in to see this", anchor=False)
    if trouble:
        st.write(f"Nobody can, at present: {trouble}")
    elif person.get("is_logged_in"):
        st.write("You are signed in, but your address is not one of those that may enter. Ask who runs this server.")
        st.button("Sign out", key="sign_out", on_click=st.logout)
    else:
        for provider in _providers():
            if st.button("Sign in" if provider is None else f"Sign in with {provider}", key=f"sign_in_{provider}"):
                _sign_in(provider)
    st.stop()


def may_enter(person: Person) -> bool:
    """Whether the provider signed this person in, and RECSYS_ALLOWED names the address, its domain, or everybody.

    An address counts only if the provider says that it is verified: in some, people write what they like there.
    """
    if person.get("is_logged_in") is not True:
        return False
    allowed = {each.strip().lower() for each in os.environ.get(ALLOWED, "").split(",")}
    address = str(person.get("email") or "").lower()
    _, at, domain = address.rpartition("@")
    named = bool(at) and bool(allowed & {address, f"@{domain}"}) and person.get("email_verified") is True
    return EVERYBODY in allowed or named


class FilesForWhoMayEnter:
    """ASGI middleware: files answer to nobody who may not enter. Pages are kept by `enter_or_stop`."""

    in_place = False

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        FilesForWhoMayEnter.in_place = True

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        asks_for_file = scope["type"] == "http" and any(part in scope["path"] for part in FILES)
        if asks_for_file and _is_on() and not may_enter(_in_cookie(Request(scope).cookies)):
            await PlainTextResponse("Sign in first.\n", 403, {"Cache-Control": "no-store"})(scope, receive, send)
        else:
            await self._app(scope, receive, send)


class LinkAcrossSignIn:
    """ASGI middleware: a link is kept while its visitor signs in, and opened after it.

    Streamlit leads everybody to the first page. The link waits in a cookie of the visitor's own browser, who may write
    into it what they like: what comes out of it is the address of one of PAGES in this app, or nothing.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        link = _link(scope["path"], scope["query_string"].decode("latin-1")) if _is_visit(scope) else None
        if link is None or not _is_on():
            await self._app(scope, receive, send)
            return
        cookies = Request(scope).cookies
        kept = _link(*cookies.get(LINK_COOKIE, "").partition("?")[::2])
        if not may_enter(_in_cookie(cookies)):
            await self._app(scope, receive, send if link == _first_page() else _keeping(link, send))
        elif link == _first_page() and kept is not None:
            opened = RedirectResponse(kept, 303, {"Cache-Control": "no-store"})
            opened.delete_cookie(LINK_COOKIE, _first_page())
            await opened(scope, receive, send)
        else:
            await self._app(scope, receive, send)


def _is_visit(scope: Scope) -> bool:
    return (scope["type"], scope.get("method")) == ("http", "GET")


def _first_page() -> str:
    """What the path of every page begins with: / or, with server.baseUrlPath, /base/."""
    base = str(st.get_option("server.baseUrlPath") or "").strip("/")
    return f"/{base}/" if base else "/"


def _link(path: str, query: str) -> str | None:
    """The address of a page of this app with its parameters, written anew; None for anything else."""
    if not path.startswith(_first_page()) or path.removeprefix(_first_page()) not in PAGES:
        return None
    try:
        parameters = parse_qsl(query, keep_blank_values=True, max_num_fields=MOST_PARAMETERS)
    except ValueError:
        return None
    link = f"{path}?{urlencode(parameters)}" if parameters else path
    return link if len(link) <= LONGEST_LINK else None


def _keeping(link: str, send: Send) -> Send:
    """The same, with the link put into the visitor's cookie; as it is written it has no character that ends one."""
    settings = f"Path={_first_page()}; Max-Age={SECONDS_TO_SIGN_IN}; HttpOnly; SameSite=Lax"
    cookie = f"{LINK_COOKIE}={link}; {settings}"

    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message).append("Set-Cookie", cookie)
        await send(message)

    return sent


def _is_on() -> bool:
    """Also where only one of the two is there: half of a setting must not open the door."""
    return bool(get_secrets_auth_section()) or ALLOWED in os.environ


def _trouble() -> str | None:
    """Why nobody can sign in as things are set, for who runs the server."""
    auth = get_secrets_auth_section()
    if not auth:
        return f"{ALLOWED} is set, but `.streamlit/secrets.toml` has no readable [auth]; see docs/guide/sign-in.md."
    if not os.environ.get(ALLOWED, "").strip(", "):
        return f"{ALLOWED} names nobody; set it to addresses, to domains such as @example.org, or to {EVERYBODY}."
    if len(str(auth.get("cookie_secret", ""))) < SHORTEST_SECRET:
        return f"cookie_secret in `.streamlit/secrets.toml` is shorter than {SHORTEST_SECRET} characters."
    if not FilesForWhoMayEnter.in_place:
        return "app.py alone cannot keep files from strangers; start the server with `streamlit run serve.py`."
    return None


def _providers() -> list[str | None]:
    """Names of the providers, [auth.NAME]; None stands for the one that [auth] itself describes."""
    auth = get_secrets_auth_section()
    return [name for name, value in auth.items() if isinstance(value, Mapping) and "client_id" in value] or [None]


def _sign_in(provider: str | None) -> None:
    try:
        st.login(provider)
    except (StreamlitAuthError, StreamlitMissingAuthlibError) as error:
        st.write("This server is not ready for it. Who runs it should read docs/guide/sign-in.md:")
        st.text(str(error))


def _in_cookie(cookies: dict[str, str]) -> Person:
    """Who the signed cookie says that this is; nobody where there is none, or the signature is another's."""
    content = _get_signed_cookie_with_chunks(cookies, USER_COOKIE_NAME)
    person = json.loads(content) if content else {}
    return person if isinstance(person, dict) else {}
