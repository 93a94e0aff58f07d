"""What the service listens on, whom it lets in, and how much it takes on."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Iterable
from dataclasses import dataclass

from maskrcnn_core.common.one_line import one_line
from maskrcnn_core.errors import InputError

__all__ = [
    "HOSTS_SETTING",
    "TOKEN_SETTING",
    "AllowedHosts",
    "Limits",
    "check_address",
    "is_loopback",
    "token_from_environment",
]

TOKEN_SETTING = "MASKDESK_TOKEN"
"""The environment variable of the token that each request has to bring."""

HOSTS_SETTING = "MASKDESK_ALLOWED_HOSTS"
"""The environment variable of the hosts that images are fetched from, separated by commas."""

_LEAST_TOKEN = 16  # characters: what is shorter can be guessed over the network
_USUAL_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Limits:
    """How much the service takes on at once; what is beyond is refused with a sentence.

    Args:
        request_bytes: of a request's body. It lies on the disk, not in memory, while it waits.
        image_bytes: of one image, uploaded or fetched: a 50 MP JPEG of the best quality has 40 MB.
        images: in one request; more of them are more requests.
        boxes: in one request: the heads look at all of them together.
        detections: in an image; their masks take the mask head and memory.
        waiting: runs that wait for the device; who comes then is told when to come again.
        open_requests: that are read or answered at once, each with a file open.
        decoded_bytes: of pixels that wait in memory; those beyond are decoded again in their turn.
        text_bytes: of JSON, and of a form's other fields.
        seconds: from the first byte of a request to its answer.
        upload_seconds: within which a request's body has to be here.
        fetch_seconds: within which an image has to come from its address.
    """

    request_bytes: int = 128 * 2**20
    image_bytes: int = 64 * 2**20
    images: int = 16
    boxes: int = 200
    detections: int = 1000
    waiting: int = 128
    open_requests: int = 128
    decoded_bytes: int = 512 * 2**20
    text_bytes: int = 2**20
    seconds: float = 120.0
    upload_seconds: float = 60.0
    fetch_seconds: float = 20.0


def token_from_environment() -> str:
    """Return the token that requests have to bring; empty if there is none.

    Raises:
        InputError: if it is too short to be one.
    """
    token = os.environ.get(TOKEN_SETTING, "").strip()
    if token and (len(token) < _LEAST_TOKEN or not token.isascii() or not token.isprintable()):
        raise InputError(
            f"{TOKEN_SETTING}: expected at least {_LEAST_TOKEN} printable ASCII characters, got another "
            "token; 'openssl rand -hex 16' makes one"
        )
    return token


def is_loopback(host: str) -> bool:
    """Return whether an address, or a name, is this computer's own for itself."""
    if host.casefold() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def check_address(address: str, token: str) -> None:
    """Refuse to listen for others while everybody would be let in.

    Raises:
        InputError: saying which setting is missing.
    """
    if not token and not is_loopback(address):
        raise InputError(
            f"--address {one_line(address)}: expected 127.0.0.1 while {TOKEN_SETTING} is not set, as "
            "everybody on the network could use the service; set it to a secret of your own"
        )


class AllowedHosts:
    """The hosts that images may be fetched from; none, unless they are named.

    Args:
        entries: ``host`` for the usual ports, or ``host:port``; an IPv6 address stands in brackets.

    Raises:
        InputError: for an entry that is neither.
    """

    def __init__(self, entries: Iterable[str] = ()) -> None:
        self._places: set[tuple[str, int | None]] = set()
        for entry in entries:
            if entry.strip():
                self._places.add(_place(entry.strip()))

    @classmethod
    def from_environment(cls, entries: Iterable[str] = ()) -> AllowedHosts:
        """Return those named here, and those of the environment."""
        return cls([*entries, *os.environ.get(HOSTS_SETTING, "").split(",")])

    def __len__(self) -> int:
        """Return how many are named."""
        return len(self._places)

    def has(self, scheme: str, host: str, port: int) -> bool:
        """Return whether a host may be asked on this port."""
        usual = _USUAL_PORTS.get(scheme) == port
        host = host.casefold()
        return (host, port) in self._places or (usual and (host, None) in self._places)

    def has_address(self, address: str) -> bool:
        """Return whether an address that is not a public one was named itself, on whatever port."""
        hosts = {host for host, _ in self._places}
        return address in hosts or ("localhost" in hosts and is_loopback(address))


def _place(entry: str) -> tuple[str, int | None]:
    host, colon, port = entry.rpartition(":")
    if not colon or entry.endswith("]"):
        host, port = entry, ""
    host = host.removeprefix("[").removesuffix("]").casefold()
    is_host = bool(host) and not any(c in "/@?#*[] \t" for c in host) and host.isprintable()
    if not is_host or (colon and port and not (port.isascii() and port.isdigit() and 0 < int(port) < 65536)):
        raise InputError(
            f"allowed hosts: expected a host such as images.example.org or images.example.org:8080, got "
            f"{one_line(entry)!r}"
        )
    return host, int(port) if port else None
