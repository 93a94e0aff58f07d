"""Sends scripts compressed and for keeps, and tells a browser early which of ours its page needs.

Streamlit leaves its own scripts, three megabytes of a first visit, to a proxy to compress: it would do so
anew for every request. Here each is compressed once in a server's life.
"""

from __future__ import annotations

import asyncio
import functools
import gzip
import json
import mimetypes
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware import Middleware

from pages.components.mounting import file_of_path, module_paths
from pages.shared.page_table import PAGES
from pages.shell.fonts.small import small_font
from pages.shell.shrinking import without_comments
from pages.shell.slide_tiles import SlideTiles
from pages.shell.streamlit_scripts import element_scripts

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["MIDDLEWARE", "Delivery"]

_FOR_GOOD = "public, immutable, max-age=31536000"
_FOR_A_DAY = "private, max-age=86400"
_SCRIPT = re.compile(r"/static/(js|css)/[^/]+$")
_TEXT = re.compile(r"(text|application)/(javascript|css)\b")
_HASHED_WHOLE = 1 << 20  # bytes: of larger media files Streamlit's names tell only samples
_HEAD_END = b"</head>"
_FONT = re.compile(rb'<link\s[^>]*?href="([^"]+\.woff2)"[^>]*>')
_LATER = """<script type="module">
for (const one of {}) document.head.append(Object.assign(document.createElement("link"), one));
</script>"""
_PAGES = {page.address: page for page in PAGES} | {"": PAGES[0]}


@dataclass(frozen=True)
class _Answer:
    """A whole answer as it goes to every browser that reads gzip."""

    headers: list[tuple[bytes, bytes]]
    body: bytes

    async def send(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.headers})
        await send({"type": "http.response.body", "body": self.body})


class Delivery:
    """A layer around the app's server.

    - The components' files, whose address has a hash of them: as they were when the server started, whatever
      has happened to them on the disk since; without comments, compressed, and for good.
    - Streamlit's scripts and styles: compressed. Of its fonts, the icons and letters that can appear.
    - The page of HTML: compressed, with links to the scripts and modules that the page of this address will
      ask for. So they come together, not one level of imports after another. They, and the font of texts, are
      added when Streamlit's own script has come, which asks the server then: until it has the line to itself.
    - Pictures that are named after all of their bytes: the browser may keep them for a day.

    Everything else goes through as it is, as does a request for a range, with a method other than GET, or
    from a browser that reads no gzip.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._kept: dict[str, _Answer] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        if scope["type"] != "http" or scope["method"] != "GET":
            await self._app(scope, receive, send)
            return
        asked, path = Headers(scope=scope), scope["path"]
        if "range" in asked or "gzip" not in asked.get("accept-encoding", ""):
            await self._app(scope, receive, send)
        elif (kept := self._kept.get(path)) is not None:
            await kept.send(send)
        elif (font := small_font(path)) is not None:
            kept = _Answer(_headers(path, font), font)
            await kept.send(send)
        elif (file := file_of_path(path)) is not None:
            body = without_comments(file) if path.endswith(".js") else file
            self._kept[path] = kept = await _compressed(MutableHeaders(raw=_headers(path, body)), body)
            await kept.send(send)
        elif _SCRIPT.search(path) or _page_of(path) is not None:
            held = _Held(path, send)
            await self._app(_without_gzip(scope), receive, held.send)
            if held.lasting is not None:
                self._kept[path] = held.lasting
        else:
            await self._app(scope, receive, lambda message: send(_with_leave_to_keep(message, path)))


MIDDLEWARE = (Middleware(SlideTiles), Middleware(Delivery))
"""What the app's server has around it."""


class _Held:
    """Streamlit's answer on its way, held until it is complete if it is to be changed.

    Attributes:
        lasting: the answer to any later request for this path, once it is known.
    """

    def __init__(self, path: str, send: Send) -> None:
        self._path, self._send = path, send
        self._start: Message | None = None
        self._body = bytearray()
        self.lasting: _Answer | None = None

    async def send(self, message: Message) -> None:
        """Take a part of the answer."""
        if message["type"] == "http.response.start" and _is_changed(message):
            self._start = message
        elif self._start is None:
            await self._send(message)
        else:
            self._body += message.get("body", b"")
            if not message.get("more_body", False):
                await self._finish(MutableHeaders(raw=list(self._start["headers"])))

    async def _finish(self, headers: MutableHeaders) -> None:
        body, is_page = bytes(self._body), headers["content-type"].startswith("text/html")
        # They tell of the file on the disk; a page changes with MaskDesk, and of the rest nobody asks again.
        for name in ("etag", "last-modified", "accept-ranges"):
            if name in headers:
                del headers[name]
        if is_page:
            body = _with_links(body, _page_of(self._path) or "")
        answer = await _compressed(headers, body)
        if "immutable" in headers.get("cache-control", ""):
            self.lasting = answer
        await answer.send(self._send)


def _is_changed(start: Message) -> bool:
    headers = Headers(raw=start["headers"])
    kind = headers.get("content-type", "")
    lasts = "immutable" in headers.get("cache-control", "") and _TEXT.match(kind)
    return start["status"] == 200 and (kind.startswith("text/html") or bool(lasts))


def _headers(path: str, body: bytes) -> list[tuple[bytes, bytes]]:
    """Return those of a file of our own whose address changes with it."""
    kind = mimetypes.guess_type(path)[0] or "application/octet-stream"
    size = str(len(body))
    return MutableHeaders({"Content-Type": kind, "Content-Length": size, "Cache-Control": _FOR_GOOD}).raw


async def _compressed(headers: MutableHeaders, body: bytes) -> _Answer:
    """Return an answer with this body, and complete its headers."""
    body = await asyncio.to_thread(gzip.compress, body, mtime=0)
    headers["Content-Encoding"] = "gzip"
    headers["Content-Length"] = str(len(body))
    headers.add_vary_header("Accept-Encoding")
    return _Answer(headers.raw, body)


def _without_gzip(scope: Scope) -> Scope:
    """Return the request as that of a browser that reads no gzip: compressed here, and only once."""
    headers = [(name, value) for name, value in scope["headers"] if name != b"accept-encoding"]
    return {**scope, "headers": headers}


def _with_leave_to_keep(message: Message, path: str) -> Message:
    if message["type"] == "http.response.start" and message["status"] == 200 and "/media/" in path:
        headers = MutableHeaders(raw=list(message["headers"]))
        is_picture = headers.get("content-type", "").startswith("image/")
        if is_picture and int(headers.get("content-length", _HASHED_WHOLE + 1)) <= _HASHED_WHOLE:
            headers["Cache-Control"] = _FOR_A_DAY
            return {**message, "headers": headers.raw}
    return message


def _page_of(path: str) -> str | None:
    """Return the address in the page table that a path asks for; ``None`` if it is no page's."""
    address = path.rpartition("/")[2]
    return address if address in _PAGES else None


def _with_links(page: bytes, address: str) -> bytes:
    """Return the page of HTML with links to what it will ask for, those that it has to fonts among them.

    A module in the page runs after those above it, of which Streamlit's own script is one.
    """
    links: list[dict[str, str]] = []
    for font in _FONT.findall(page):
        links.append(
            {"rel": "preload", "as": "font", "type": "font/woff2", "crossOrigin": "", "href": font.decode()}
        )
    links += ({"rel": "modulepreload", "fetchPriority": "low", "href": one} for one in _scripts(address))
    later = _LATER.format(json.dumps(links)).encode()
    return _FONT.sub(b"", page).replace(_HEAD_END, later + _HEAD_END, 1)


@functools.cache
def _scripts(address: str) -> tuple[str, ...]:
    page = _PAGES[address]
    modules = (module for component in page.components for module in module_paths(component))
    return tuple(f"./{path}" for path in (*element_scripts(page.elements), *modules))
