"""The service itself: its addresses, and what is behind each."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import BinaryIO

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, JSONResponse, Response, StreamingResponse
from fastapi.telemetry import TelemetryConfig

from maskrcnn_core import __version__
from maskrcnn_core.errors import CoreError
from maskrcnn_core.models.catalog import all_models
from maskrcnn_core.models.spec import ModelFacts
from maskrcnn_core.models.weights_files import weights_file
from maskrcnn_core.service.annotating import Annotator
from maskrcnn_core.service.asking import (
    AnnotateJson,
    AnnotateOptions,
    BoxJson,
    BoxOptions,
    body_schema,
    read_request,
)
from maskrcnn_core.service.boxes import boxes_to_masks
from maskrcnn_core.service.desk import Desk, MakePredictor
from maskrcnn_core.service.docs_page import HEADERS, docs_page
from maskrcnn_core.service.gate import Gate
from maskrcnn_core.service.pictures import Room
from maskrcnn_core.service.refusals import add_handlers, refusal
from maskrcnn_core.service.settings import AllowedHosts, Limits
from maskrcnn_core.service.work import Threads, within

__all__ = ["create_service"]

_DESCRIPTION = (
    'Instance segmentation with Mask R-CNN. Errors are JSON with one sentence: {"error": "..."}. If the '
    "server has a token, requests to /v1 bring it in the header 'Authorization: Bearer ...'."
)
_CHUNK = 2**16
_NOTHING_REPORTED: TelemetryConfig = {  # whatever FASTAPI_OTEL_AUTO_CONFIGURE says
    "tracing": False,
    "metrics": False,
    "logs": False,
    "operation_spans": False,
    "auto_configure": False,
}


def create_service(
    make: MakePredictor,
    *,
    token: str = "",
    allowed: AllowedHosts | None = None,
    limits: Limits | None = None,
    on_failure: Callable[[CoreError], None] = lambda _: None,
) -> FastAPI:
    """Return the service as an ASGI application; it loads its model once it has started.

    Args:
        make: loads a model by its key, or the service's own.
        token: that requests have to bring; empty for none.
        allowed: hosts that images are fetched from; none by default.
        limits: how much is taken on.
        on_failure: told why the service's own model cannot be loaded.
    """
    return _Service(make, token, allowed or AllowedHosts(), limits or Limits(), on_failure).app


class _Service:
    def __init__(
        self,
        make: MakePredictor,
        token: str,
        allowed: AllowedHosts,
        limits: Limits,
        on_failure: Callable[[CoreError], None],
    ) -> None:
        self._limits, self._on_failure = limits, on_failure
        self._desk, self._threads, self._room = Desk(make, limits), Threads(), Room(limits.decoded_bytes)
        self._annotator = Annotator(self._desk, self._threads, allowed, limits)
        # No page of Swagger's or Redoc's: they come from another host.
        self.app = FastAPI(
            title="MaskDesk",
            version=__version__,
            description=_DESCRIPTION,
            docs_url=None,
            redoc_url=None,
            telemetry=_NOTHING_REPORTED,
            lifespan=self._lifespan,
        )
        add_handlers(self.app)
        self._add_routes()
        self.app.add_middleware(Gate, token=token, limits=limits)

    @asynccontextmanager
    async def _lifespan(self, _app: FastAPI) -> AsyncIterator[None]:
        loading = asyncio.ensure_future(self._load())
        try:
            yield
        finally:
            loading.cancel()
            self._threads.close()

    async def _load(self) -> None:
        try:
            await self._threads.work(self._desk.load)
        except CoreError as error:
            self._on_failure(error)

    def _add_routes(self) -> None:
        add = self.app.add_api_route
        annotate = body_schema(AnnotateOptions, AnnotateJson, "images")
        box = body_schema(BoxOptions, BoxJson, "image")
        add("/v1/annotate", self.annotate, methods=["POST"], openapi_extra=annotate, response_model=None)
        add("/v1/box-to-mask", self.box_to_mask, methods=["POST"], openapi_extra=box, response_model=None)
        add("/v1/models", self.models, methods=["GET"], response_model=None)
        add("/health", self.health, methods=["GET"], response_model=None)
        add("/docs", self.docs, methods=["GET"], include_in_schema=False, response_model=None)

    async def annotate(self, request: Request) -> Response:
        """Find objects in images, uploaded or by their addresses.

        For the formats coco and results the answer is JSON: "images" says what became of each, "result" is
        the file. For the others it is a zip with the format's files and report.json, which says the same.
        Where no image could be annotated, the status is 422 (500 if that was the server's fault).
        """
        asked = await read_request(request, AnnotateOptions, AnnotateJson, "images", self._limits, self._room)
        try:
            assert isinstance(asked.options, AnnotateOptions)
            answer = self._annotator.annotate(asked, asked.options)
            done = await within(request, self._limits.seconds, answer)
        finally:
            asked.close()
        if done.file is None:
            return refusal(422 if done.is_own_fault else 500, done.error, images=done.reports)
        size = done.file.seek(0, 2)
        done.file.seek(0)
        return StreamingResponse(
            _pieces(done.file), media_type=done.mime, headers={"Content-Length": str(size)}
        )

    async def box_to_mask(self, request: Request) -> Response:
        """Turn boxes in one image into objects, by the network's own heads.

        Each has its mask as COCO's compressed run lengths, the category with the best score, and runners-up.
        "is_rectangle" says that the network sees next to nothing in a box, which then stays as it is.
        """
        asked = await read_request(request, BoxOptions, BoxJson, "image", self._limits, self._room)
        try:
            assert isinstance(asked.options, BoxOptions)
            answer = boxes_to_masks(asked, asked.options, self._desk, self._threads, self._annotator)
            return JSONResponse(await within(request, self._limits.seconds, answer))
        finally:
            asked.close()

    def models(self) -> Response:
        """List the models that can be asked for, the service's own first."""
        own, loaded = self._desk.own, self._desk.loaded
        rows: list[ModelFacts] = [] if own is None else [own.model]
        first = rows[0].key if rows else ""
        rows += [spec for spec in all_models() if spec.key != first and weights_file(spec)]
        return JSONResponse({"models": [_facts(row, row.key in loaded) for row in rows]})

    def health(self) -> Response:
        """Say whether the model is loaded, and how many images are before the next one."""
        queue = self._desk.queue
        facts: dict[str, object] = {
            "status": "loading" if queue is None else "ready",
            "models": self._desk.loaded,
            "queue": 0 if queue is None else len(queue),
        }
        return JSONResponse(facts, 503 if queue is None else 200)

    def docs(self) -> Response:
        """Show what there is."""
        return HTMLResponse(docs_page(self.app.openapi()), headers=HEADERS)


def _facts(row: ModelFacts, is_loaded: bool) -> dict[str, object]:
    return {
        "key": row.key,
        "title": row.title,
        "is_loaded": is_loaded,
        "score_threshold": row.score_threshold,
        "nms_threshold": row.nms_threshold,
        "max_detections": row.max_detections,
        "licence": row.licence,
        "categories": [{"id": category.id, "name": category.name} for category in row.label_map],
    }


def _pieces(file: BinaryIO) -> Iterator[bytes]:
    try:
        while piece := file.read(_CHUNK):
            yield piece
    finally:
        file.close()
