"""Files to take away from a page, made when somebody asks for them."""

from __future__ import annotations

from collections.abc import Callable
from threading import Thread

import streamlit as st
from streamlit.runtime import get_instance
from streamlit.runtime.scriptrunner import add_script_run_ctx, get_script_run_ctx


def file_button(
    label: str, data: Callable[[], bytes], file_name: str, mime: str, key: str | None = None, help: str | None = None
) -> None:
    """A button that downloads a file; the page does not run for it.

    data : makes the file's content after the click, outside of any run: it must not ask for the session's state.
    """
    key = key or f"get_{file_name}"
    kept = _kept(data, file_name, mime, key)
    st.download_button(label, kept, file_name=file_name, mime=mime, key=key, on_click="ignore", help=help)


def _kept(data: Callable[[], bytes], file_name: str, mime: str, key: str) -> Callable[[], bytes]:
    """`data`, whose file the server keeps until this visit's next run.

    Streamlit 1.67 counts a file made on demand as nobody's, and whoever's run ends next but one, anywhere on the
    server, deletes it: often before the browser of who asked for it has begun to fetch it.
    """
    visit = get_script_run_ctx()

    def made() -> bytes:
        content = data()
        # Streamlit knows by its thread for whom a file is added; same content, same file.
        keep = Thread(
            target=get_instance().media_file_mgr.add, args=(content, mime, f"made for {key}", file_name, True)
        )
        add_script_run_ctx(keep, visit)
        keep.start()
        keep.join()
        return content

    return made
