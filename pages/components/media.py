"""Image bytes on a URL of the running server, for components that load images themselves."""

from __future__ import annotations

import hashlib
import mimetypes

from streamlit.runtime import get_instance

from maskrcnn_core.images.browser_pictures import BrowserPicture


def media_url(data: bytes, mime: str, key: str, *, content: str = "") -> str:
    """Return the URL, relative to the server's root, where this session's browser finds the bytes.

    Call it in each run that shows the image: Streamlit drops files that a run did not ask for. An image put
    in another's place (same ``key``) frees that one.

    Streamlit names files above 1 MiB after their length and three samples of 64 kB, so two photos that differ
    elsewhere would share a URL. The file name is part of that name, so we make it the bytes' SHA-256, or the
    name that a caller has for them.

    Args:
        data: the image.
        mime: its type.
        key: of its place on the page.
        content: tells these bytes from all others, where that is known; else all of them are read for it.
    """
    name = (content or hashlib.sha256(data).hexdigest()) + (mimetypes.guess_extension(mime) or "")
    return get_instance().media_file_mgr.add(data, mime, coordinates=f"viewer-{key}", file_name=name)


def picture_urls(picture: BrowserPicture, key: str, *, content: str = "") -> tuple[str, str]:
    """Return the URLs of a picture and of its small copy, empty where there is none; see `media_url`."""
    small = picture.small and media_url(
        picture.small, "image/jpeg", f"{key}-small", content=content and f"{content}-small"
    )
    return media_url(picture.whole, "image/jpeg", key, content=content), small or ""
