"""Runs the service until somebody ends it."""

from __future__ import annotations

import uvicorn

from maskrcnn_core.errors import CoreError
from maskrcnn_core.service.desk import MakePredictor
from maskrcnn_core.service.server import create_service
from maskrcnn_core.service.settings import AllowedHosts

__all__ = ["run_service"]

_PATIENCE = 20  # seconds that open requests have when the server ends


def run_service(make: MakePredictor, address: str, port: int, token: str, allowed: AllowedHosts) -> None:
    """Serve until Ctrl-C.

    Raises:
        CoreError: if the service's own model cannot be loaded.
    """
    failures: list[CoreError] = []

    def stop(error: CoreError) -> None:
        failures.append(error)
        server.should_exit = True

    app = create_service(make, token=token, allowed=allowed, on_failure=stop)
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            host=address,
            port=port,
            log_level="info",
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=_PATIENCE,
        )
    )
    server.run()
    if failures:
        raise failures[0]
