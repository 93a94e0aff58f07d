"""Start the service for programs: the network behind HTTP, with the app's queue."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from maskrcnn_core.cli.console import check_named, load_named_model
from maskrcnn_core.cli.engines import chosen_engine
from maskrcnn_core.cli.options import (
    CustomNamesOption,
    DeviceOption,
    DownloadOption,
    EngineOption,
    LookCloserOption,
    ModelOption,
)
from maskrcnn_core.common.extras import missing_extra
from maskrcnn_core.common.terminal import errors_told
from maskrcnn_core.errors import InputError
from maskrcnn_core.inference.engines.table import EXACT, check_engine
from maskrcnn_core.models.loading import get_model

if TYPE_CHECKING:
    from maskrcnn_core.inference.predictor import Predictor

__all__ = ["serve"]

_MANY = 10_000  # images: an engine for a server is worth its making
_FEATURES = 128 * 2**20  # bytes: a request's box is asked once, so nothing is kept for later ones


def serve(
    model: ModelOption = None,
    names: CustomNamesOption = None,
    device: DeviceOption = "auto",
    engine: EngineOption = EXACT.key,
    look_closer: LookCloserOption = "off",
    address: Annotated[
        str, typer.Option(help="Where to listen; another one than 127.0.0.1 needs MASKDESK_TOKEN.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="The port to listen on.")] = 8600,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(
            help="Fetch images by address from this host (HOST or HOST:PORT); repeat it for more. Also "
            "MASKDESK_ALLOWED_HOSTS, separated by commas. [default: none]"
        ),
    ] = None,
    download: DownloadOption = False,
) -> None:
    """Serve annotation and box to mask over HTTP; /docs on its address says how to ask."""
    with errors_told():
        if missing := missing_extra("serve", "the service"):
            raise InputError(missing)
        from maskrcnn_core.service.running import run_service
        from maskrcnn_core.service.settings import AllowedHosts, check_address, token_from_environment

        token = token_from_environment()
        check_address(address, token)
        allowed = AllowedHosts.from_environment(allow_host or ())
        if model is not None:
            check_named(model)
        check_engine(engine)

        def make(key: str | None) -> Predictor:
            from maskrcnn_core.inference.predictor import Predictor  # imports torch

            if key is None:
                loaded = load_named_model(model, names, download=download, quiet=True)
            else:
                loaded = get_model(key)
            made = chosen_engine(loaded, device, engine, count=_MANY, quiet=True)
            looks_closer = loaded.looks_closer(look_closer)
            return Predictor(
                loaded, device, feature_cache_bytes=_FEATURES, engine=made, looks_closer=looks_closer
            )

        run_service(make, address, port, token, allowed)
