"""Says beside an uploader why files cannot be uploaded, where the browser or the server refuses them.

Nothing is shown as long as uploads work; see ``frontend/uploads.js`` for what is known.
"""

from __future__ import annotations

from pathlib import Path

import streamlit as st
from streamlit.web.server.server_util import is_xsrf_enabled

from pages.ui.viewer.bundle import bundle_modules

__all__ = ["say_why_uploads_fail", "uploads_script"]

HERE = Path(__file__).parent


def uploads_script() -> str:
    """The component's module as a script."""
    return bundle_modules({"uploads.js": (HERE / "frontend" / "uploads.js").read_text("utf-8")})


_mount = st.components.v2.component(
    "maskdesk_uploads",
    html=(HERE / "uploads.html").read_text("utf-8"),
    css=(HERE / "uploads.css").read_text("utf-8"),
    js=uploads_script(),
)


def say_why_uploads_fail(key: str) -> None:
    """Draws the reason, where there is one.

    Args:
        key: unique on the page.
    """
    _mount(key=key, data={"isProtected": is_xsrf_enabled()})
