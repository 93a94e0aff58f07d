"""Images from addresses: only of hosts that were allowed, without redirects, within bytes and seconds.

A name can lead anywhere, also into the network that the server stands in. So the name is looked up once, an
address that is not public counts only if it was allowed itself, and that very address is connected to.
"""

from __future__ import annotations

import http.client
import ipaddress
import socket
import ssl
import threading
import time
from contextlib import suppress
from pathlib import PurePosixPath
from typing import BinaryIO
from urllib.parse import SplitResult, unquote, urlsplit

from maskrcnn_core.common.one_line import one_line, shortened
from maskrcnn_core.errors import ImageError
from maskrcnn_core.service.settings import AllowedHosts, Limits

__all__ = ["fetch_into", "name_of"]

_CHUNK = 2**16
_LONGEST = 2000  # characters of an address
_SHOWN = 200


def name_of(url: str) -> str:
    """Return what an image from an address is called: the last part of its path."""
    with suppress(ValueError):
        name = PurePosixPath(unquote(urlsplit(url).path)).name
        if name:
            return name
    return "image"


def fetch_into(target: BinaryIO, url: str, allowed: AllowedHosts, limits: Limits) -> None:
    """Write what an address gives to a file.

    Args:
        target: where it goes.
        url: ``http`` or ``https``.
        allowed: the hosts that may be asked.
        limits: bytes and seconds that it may take.

    Raises:
        ImageError: if it may not be fetched, or cannot be; one sentence that begins with the address.
    """
    shown = one_line(shortened(url, _SHOWN))
    deadline = time.monotonic() + limits.fetch_seconds
    late = ImageError(f"{shown}: took longer than {limits.fetch_seconds:g} s")
    parts, host, port = _checked(url, shown, allowed)
    try:
        place = _looked_up(host, port, shown, allowed)
        with _connected(place, parts.scheme, host, deadline) as sock:
            # However slowly the bytes come, and in whatever part of the answer: this ends it.
            clock = threading.Timer(max(deadline - time.monotonic(), 0), _cut, [sock])
            clock.daemon = True
            clock.start()
            try:
                if isinstance(sock, ssl.SSLSocket):
                    sock.do_handshake()
                _answer_into(target, sock, parts, host, port, shown, limits)
            finally:
                clock.cancel()
    except (OSError, http.client.HTTPException) as error:
        if time.monotonic() >= deadline:
            raise late from error
        said = getattr(error, "strerror", None) or type(error).__name__
        raise ImageError(f"{shown}: cannot be fetched ({one_line(str(said))})") from error
    if time.monotonic() >= deadline:  # what was cut may look like an end
        raise late


def _checked(url: str, shown: str, allowed: AllowedHosts) -> tuple[SplitResult, str, int]:
    """Return an address in parts, its host and port, if it may be asked."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        parts, host, port = urlsplit(""), "", None
    is_plain = url.isascii() and url.isprintable() and " " not in url and len(url) <= _LONGEST
    if parts.scheme not in ("http", "https") or not host or "@" in parts.netloc or not is_plain:
        raise ImageError(f"{shown}: expected an address such as https://host/path, without a user in it")
    port = port or (443 if parts.scheme == "https" else 80)
    if not allowed.has(parts.scheme, host, port):
        raise ImageError(
            f"{shown}: images are not fetched from this host; the server allows "
            f"{'only others' if len(allowed) else 'none'} (--allow-host)"
        )
    return parts, host, port


def _looked_up(host: str, port: int, shown: str, allowed: AllowedHosts) -> tuple[str, int]:
    """Return the address to connect to."""
    found = [str(entry[4][0]) for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    for address in found:
        if not (ipaddress.ip_address(address.partition("%")[0]).is_global or allowed.has_address(address)):
            raise ImageError(
                f"{shown}: this host has an address that is not public; the server has to allow that "
                "address itself"
            )
    return found[0], port


def _connected(place: tuple[str, int], scheme: str, host: str, deadline: float) -> socket.socket:
    plain = socket.create_connection(place, max(deadline - time.monotonic(), 0.01))
    if scheme == "http":
        return plain
    context = ssl.create_default_context()
    return context.wrap_socket(plain, server_hostname=host, do_handshake_on_connect=False)


def _answer_into(
    target: BinaryIO,
    sock: socket.socket,
    parts: SplitResult,
    host: str,
    port: int,
    shown: str,
    limits: Limits,
) -> None:
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(host, port)
    connection.sock = sock
    try:
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.request("GET", path, headers={"Accept": "image/*", "User-Agent": "MaskDesk"})
        with connection.getresponse() as answer:  # it holds the socket, too
            if 300 <= answer.status < 400:
                raise ImageError(f"{shown}: leads to another address, which is not followed; name that one")
            if answer.status != 200:
                raise ImageError(f"{shown}: the host answered with status {answer.status}")
            most = limits.image_bytes
            large = ImageError(f"{shown}: expected at most {most / 2**20:g} MiB, got more")
            if (answer.length or 0) > most:
                raise large
            count = 0
            while piece := answer.read1(_CHUNK):
                count += len(piece)
                if count > most:
                    raise large
                target.write(piece)
            if answer.length:
                raise http.client.IncompleteRead(b"", answer.length)
    finally:
        connection.close()


def _cut(sock: socket.socket) -> None:
    with suppress(OSError):
        socket.socket.shutdown(sock, socket.SHUT_RDWR)  # TLS's own would forget its state under a reader
