"""How the service says no: a status, one clear sentence as JSON, and nothing of its insides."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from pydantic import ValidationError
from starlette.exceptions import HTTPException

from maskrcnn_core.common.one_line import one_line, shortened
from maskrcnn_core.errors import CoreError, InputError

__all__ = ["Refused", "add_handlers", "refusal", "sentence_of"]

_LONGEST = 1000  # characters of a sentence: a name in it may be long

_log = logging.getLogger(__name__)


class Refused(Exception):
    """A request that is not served, and why.

    Args:
        status: of HTTP.
        sentence: for people.
        retry_after: seconds after which it may be tried again; 0 if that would not help.
    """

    def __init__(self, status: int, sentence: str, retry_after: int = 0) -> None:
        super().__init__(sentence)
        self.status, self.retry_after = status, retry_after


def refusal(
    status: int, sentence: str, headers: Mapping[str, str] | None = None, **more: object
) -> JSONResponse:
    """Return a sentence as the service's answer."""
    said = shortened(one_line(sentence), _LONGEST)
    return JSONResponse({"error": said, **more}, status, dict(headers or {}))


def sentence_of(error: ValidationError) -> str:
    """Return what is wrong first in a request's values, with its place."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in first["loc"])
    text = str(first["msg"]).removeprefix("Value error, ")
    return f"{place.lstrip('.') or 'the request'}: {text[:1].lower()}{text[1:]}"


def add_handlers(app: FastAPI) -> None:
    """Answer every error of an app as :func:`refusal` does."""

    @app.exception_handler(Refused)
    async def refused(_: Request, error: Refused) -> JSONResponse:
        headers = {"Retry-After": str(error.retry_after)} if error.retry_after else {}
        return refusal(error.status, str(error), headers)

    @app.exception_handler(CoreError)
    async def core(_: Request, error: CoreError) -> JSONResponse:
        if isinstance(error, InputError):
            return refusal(422, str(error))
        _log.warning("a request failed: %s", error)
        return refusal(500, "this could not be done; the server's log says why")

    @app.exception_handler(HTTPException)
    async def http(_: Request, error: HTTPException) -> JSONResponse:
        detail = str(error.detail)
        return refusal(error.status_code, detail[:1].lower() + detail[1:], error.headers)

    @app.exception_handler(Exception)
    async def bug(_: Request, _error: Exception) -> JSONResponse:
        return refusal(500, "something went wrong in the server; its log says what")
