"""A Ray cluster as a command line names it: joined for one run, or refused in a sentence.

Ray is imported here when a cluster is asked for, and nowhere sooner.
"""

from __future__ import annotations

import logging
import os
import socket
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from maskrcnn_core.common.extras import missing_extra
from maskrcnn_core.common.one_line import one_line
from maskrcnn_core.errors import InputError

__all__ = ["AUTO", "Joined", "check_address", "joined"]

AUTO = "auto"
"""The cluster that ``RAY_ADDRESS`` names or that runs on this computer; else one of this computer alone."""

_CLIENT = "ray://"
_EXTRA = "ray"
_SECONDS = 5.0


@dataclass(frozen=True)
class Joined:
    """A cluster that this process has joined.

    Args:
        nodes: how many computers it has now.
        cpus, gpus: of all of them together.
        is_client: this process is outside of the cluster and speaks to it through Ray's client.
    """

    nodes: int
    cpus: int
    gpus: int
    is_client: bool

    @property
    def text(self) -> str:
        """What the cluster is, for people."""
        nodes = "1 node" if self.nodes == 1 else f"{self.nodes} nodes"
        return f"a cluster of {nodes} with {self.cpus} CPUs and {self.gpus} GPUs"


def check_address(address: str) -> str:
    """Return the address that is meant; empty where no cluster runs and one has to be begun here.

    Raises:
        InputError: if Ray is not installed, or nothing can or does listen there.
    """
    if lack := missing_extra(_EXTRA, "--cluster"):
        raise InputError(lack)
    meant = address
    if address == AUTO:
        meant = os.environ.get("RAY_ADDRESS", "").strip()
        if meant in ("", AUTO, "local"):
            there = _begun_here()
            return there if there and not _silence(there) else ""
    host, colon, port = meant.removeprefix(_CLIENT).rpartition(":")
    shown = one_line(meant)
    if not (host and colon and port.isdecimal()):
        raise InputError(f"--cluster: expected auto, ray://HOST:PORT or HOST:PORT, got {shown}")
    if why := _silence(meant):
        raise InputError(
            f"--cluster: no Ray answers at {shown} ({why}); check the address, and that the cluster runs"
        )
    return meant


def _silence(address: str) -> str:
    """Return why nothing listens at an address; empty if something does.

    Ray itself would ask for minutes, also where a cluster that was killed is still noted.
    """
    host, _, port = address.removeprefix(_CLIENT).rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), _SECONDS).close()
    except (OSError, OverflowError, ValueError) as error:
        return one_line(str(error))
    return ""


def _begun_here() -> str:
    """Return the address of the cluster that ``ray start`` began last on this computer; empty for none."""
    from ray._private.utils import read_ray_address

    return read_ray_address() or ""


@contextmanager
def joined(address: str) -> Iterator[Joined]:
    """Join a cluster for a block, and leave it, or end it where it was begun for this.

    Args:
        address: ``auto``, ``ray://HOST:PORT`` or ``HOST:PORT``.

    Raises:
        InputError: as :func:`check_address`, or if the cluster has another version of Ray or Python.
    """
    meant = check_address(address)
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing leaves this computer unasked
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # what matters comes as an error, in a sentence
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Ray's of itself
        import ray
        import ray.data

    logging.getLogger("ray.data").setLevel(logging.ERROR)
    ray.data.DataContext.get_current().enable_progress_bars = False
    ray.data.DataContext.get_current().execution_no_progress_timeout_s = -1  # a shard may take hours
    shared: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    try:
        if meant:
            ray.init(meant, **shared)
        else:
            ray.init("local", include_dashboard=False, **shared)
    except (ConnectionError, RuntimeError, ValueError, OSError) as error:
        raise InputError(
            f"--cluster: cannot join {one_line(meant or address)}: {one_line(str(error))[:300]}"
        ) from error
    try:
        has = ray.cluster_resources()  # type: ignore[no-untyped-call]
        nodes = ray.nodes()  # type: ignore[no-untyped-call]
        yield Joined(
            sum(bool(node["Alive"]) for node in nodes),
            int(has.get("CPU", 0)),
            int(has.get("GPU", 0)),
            meant.startswith(_CLIENT),
        )
    finally:
        ray.shutdown()
