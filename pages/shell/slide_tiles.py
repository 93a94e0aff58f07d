"""Serves the tiles of open slides, and instances that are too many for a message."""

from __future__ import annotations

import asyncio
import re
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from starlette.responses import Response

from maskrcnn_core.errors import ImageError
from maskrcnn_core.slides.pyramid import NotReady, TilePyramid
from pages.components.slide_addresses import ROUTE, ServedSlide, served_slide

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

__all__ = ["SlideTiles"]

_ADDRESS = re.compile(
    rf"/{ROUTE}/([\w-]{{20,64}})/(?:(\d{{1,2}})/(\d{{1,7}})_(\d{{1,7}})\.jpg|([\w-]{{1,64}}\.json))$"
)
# The address is a secret of one browser, and what is behind it never changes.
_KEEP = {"Cache-Control": "private, immutable, max-age=86400"}
_SOON = {"Retry-After": "1", "Cache-Control": "no-store"}
_NEVER = {"Cache-Control": "no-store"}
_MAKERS = ThreadPoolExecutor(2, thread_name_prefix="tiles")
"""Threads that decode: others are left to the pages."""


class SlideTiles:
    """A layer around the app's server that answers for addresses of open slides, and for these alone."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        found = _ADDRESS.search(scope["path"]) if scope["type"] == "http" else None
        if found is None:
            await self._app(scope, receive, send)
            return
        if scope["method"] != "GET":
            answer = Response(status_code=405, headers=_NEVER)
        else:
            answer = await _answer(served_slide(found[1]), found)
        await answer(scope, receive, send)


async def _answer(served: ServedSlide | None, found: re.Match[str]) -> Response:
    if served is None:
        return Response(status_code=404, headers=_NEVER)
    if found[5] is not None:
        data = served.instances.get(found[5])
        if data is None:
            return Response(status_code=404, headers=_NEVER)
        return Response(data, media_type="application/json", headers={**_KEEP, "Content-Encoding": "gzip"})
    level, column, row = int(found[2]), int(found[3]), int(found[4])
    return await asyncio.get_running_loop().run_in_executor(_MAKERS, _tile, served.tiles, level, row, column)


def _tile(tiles: TilePyramid, level: int, row: int, column: int) -> Response:
    try:
        return Response(tiles.jpeg(level, row, column), media_type="image/jpeg", headers=_KEEP)
    except LookupError:
        return Response(status_code=404, headers=_NEVER)
    except NotReady:
        return Response(status_code=503, headers=_SOON)
    except ImageError:
        return Response(status_code=410, headers=_NEVER)
