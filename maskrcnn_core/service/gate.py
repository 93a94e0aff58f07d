"""What every request passes first: who asks, how much they send, and how long they take over it.

Before a byte of a body is read, a request without the token is refused, and so is one of a web page that
somebody looks at on the same computer: without a token only those who ask for a loopback host get in.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from maskrcnn_core.service.refusals import Refused, refusal
from maskrcnn_core.service.settings import TOKEN_SETTING, Limits, is_loopback

__all__ = ["GUARDED", "Gate"]

GUARDED = "/v1/"
"""Paths that begin so need the token; the others say nothing that is secret."""


class Gate:
    """A layer around the service.

    Args:
        app: the service.
        token: that requests have to bring; empty for none.
        limits: how much is taken on.
    """

    def __init__(self, app: ASGIApp, token: str, limits: Limits) -> None:
        self._app, self._limits = app, limits
        self._token = _digest(token) if token else b""
        self._open = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or answer it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        if answer := self._stopped(scope, headers):
            status, sentence, more = answer
            await refusal(status, sentence, more)(scope, receive, send)
            return
        self._open += 1
        try:
            await self._app(scope, self._limited(receive), send)
        finally:
            self._open -= 1

    def _stopped(self, scope: Scope, headers: Headers) -> tuple[int, str, dict[str, str]] | None:
        """Return status, sentence and headers with which a request is refused; ``None`` if it is not."""
        if not self._token and not _asks_loopback(headers):
            return 403, f"expected a loopback host while {TOKEN_SETTING} is not set, got another", {}
        if not scope["path"].startswith(GUARDED):
            return None
        scheme, _, given = headers.get("authorization", "").partition(" ")
        if self._token and not (
            scheme.casefold() == "bearer" and hmac.compare_digest(_digest(given.strip()), self._token)
        ):
            return (
                401,
                "expected the token in the header 'Authorization: Bearer ...', got none or another",
                {"WWW-Authenticate": "Bearer"},
            )
        length = headers.get("content-length", "0")
        if not (length.isascii() and length.isdigit()) or int(length) > self._limits.request_bytes:
            return 413, _too_much(self._limits), {}
        if self._open >= self._limits.open_requests:
            return 503, f"{self._open} requests are open already; try again in a moment", {"Retry-After": "5"}
        return None

    def _limited(self, receive: Receive) -> Receive:
        deadline = asyncio.get_running_loop().time() + self._limits.upload_seconds
        count, is_whole = 0, False

        async def limited() -> Message:
            nonlocal count, is_whole
            if is_whole:  # what comes now is that the other side has gone
                return await receive()
            try:
                async with asyncio.timeout_at(deadline):
                    message = await receive()
            except TimeoutError as error:
                late = f"the request took longer than {self._limits.upload_seconds:g} s to arrive"
                raise Refused(408, late) from error
            count += len(message.get("body", b""))
            if count > self._limits.request_bytes:
                raise Refused(413, _too_much(self._limits))
            is_whole = not message.get("more_body", False)
            return message

        return limited


def _too_much(limits: Limits) -> str:
    return f"expected a request of at most {limits.request_bytes / 2**20:g} MiB, got more"


def _digest(token: str) -> bytes:
    """Return bytes of one length for any token, so that comparing says nothing of its length either."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()


def _asks_loopback(headers: Headers) -> bool:
    """Return whether a request names a loopback host, and comes from no page of another site.

    A name of somebody's can be made to lead here (DNS rebinding); a browser then still says that name.
    """
    origin = headers.get("origin")
    hosts = [_host(f"//{headers.get('host', '')}"), *([] if origin is None else [_host(origin)])]
    return all(is_loopback(host) for host in hosts)


def _host(address: str) -> str:
    try:
        return urlsplit(address).hostname or ""
    except ValueError:
        return ""
