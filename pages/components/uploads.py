"""What an uploader does not do by itself: it takes images from the clipboard, and says why files are refused.

Nothing is shown as long as uploads work; see ``web/uploads/uploads.js`` for what is known.
"""

from __future__ import annotations

from streamlit.web.server.server_util import is_xsrf_enabled

from pages.components.mounting import mount

__all__ = ["say_why_uploads_fail"]


def say_why_uploads_fail(key: str) -> None:
    """Draw the reason, if there is one.

    Args:
        key: unique on the page.
    """
    mount("uploads", key=key, data={"isProtected": is_xsrf_enabled()})
