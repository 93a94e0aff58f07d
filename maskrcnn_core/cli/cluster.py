"""``--cluster``: the shards of ``annotate`` on the computers of a Ray cluster."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Annotated

import typer

from maskrcnn_core.batch.finding import Finder
from maskrcnn_core.batch.resume_log import Header
from maskrcnn_core.cli.engines import chosen_engine
from maskrcnn_core.cli.shards import ShardsJob, annotate_in_shards
from maskrcnn_core.cluster.joining import Joined, check_address, joined
from maskrcnn_core.cluster.pool import device_on
from maskrcnn_core.common.terminal import tell
from maskrcnn_core.detection.candidates import Thresholds
from maskrcnn_core.errors import InputError
from maskrcnn_core.inference.engines.table import AUTO, EXACT
from maskrcnn_core.shards.plan import Plan
from maskrcnn_core.shards.run import OnImage, ShardsReport
from maskrcnn_core.shards.stores import is_address, last_part

if TYPE_CHECKING:
    from maskrcnn_core.inference.predictor import Predictor
    from maskrcnn_core.models.spec import LoadedModel

__all__ = [
    "ClusterOption",
    "WorkersOption",
    "annotate_on_cluster",
    "check_cluster",
    "places_of",
    "predictor_for",
]

ClusterOption = Annotated[
    str | None,
    typer.Option(
        help="Run on a Ray cluster: auto (the one that RAY_ADDRESS names or that runs here, or else this "
        "computer alone), HOST:PORT, or ray://HOST:PORT from outside of it."
    ),
]
WorkersOption = Annotated[
    int | None, typer.Option(help="With --cluster: at most so many workers. [default: all that fit]")
]


def check_cluster(cluster: str | None, workers: int | None) -> None:
    """Refuse what makes no sense, and a cluster that does not answer, before anything is read.

    Raises:
        InputError: saying what helps.
    """
    if cluster is None:
        if workers is not None:
            raise InputError("--workers: expected a cluster with it, got none; name one with --cluster")
        return
    if workers is not None and workers < 1:
        raise InputError(f"--workers: expected 1 or more, got {workers}")
    check_address(cluster)


def places_of(out: str, shards: str | None) -> tuple[str, str]:
    """Return the file that a run on a cluster becomes, and the folder of its shards.

    An address without ``.json`` is a folder for both.
    """
    if is_address(out) and PurePosixPath(last_part(out)).suffix.casefold() != ".json":
        return f"{out.rstrip('/')}/annotations.json", shards or f"{out.rstrip('/')}/shards"
    return out, shards or f"{out}.shards"


def predictor_for(
    cluster: Joined, loaded: LoadedModel, device: str, key: str, *, count: int, quiet: bool
) -> tuple[Predictor, str]:
    """Return the model as it says what it does, and the device of the workers.

    Raises:
        InputError: if the device or engine cannot be used.
    """
    import torch

    from maskrcnn_core.inference.predictor import Predictor

    kind = device_on(cluster, device)
    tell(f"joined {cluster.text}; workers run on {'GPUs' if kind == 'cuda' else 'CPUs'}")
    if kind == "cpu" or torch.cuda.is_available():
        return Predictor(
            loaded, kind, engine=chosen_engine(loaded, kind, key, count=count, quiet=quiet)
        ), kind
    if key not in (AUTO, EXACT.key):
        raise InputError(
            f"engine {key}: it has to be compared with the exact one where the run begins, and here is no "
            "GPU; begin on a node with one, or take --engine exact"
        )
    return Predictor(loaded, "cpu"), kind


def annotate_on_cluster(
    job: ShardsJob,
    plan: Plan,
    loaded: LoadedModel,
    thresholds: Thresholds,
    device: str,
    key: str,
    address: str,
    workers: int | None,
    *,
    quiet: bool,
) -> None:
    """Annotate what is left of a plan on all nodes of a cluster, and join the shards here."""
    from maskrcnn_core.cluster.shards import run_shards_on, shards_task
    from maskrcnn_core.cluster.shipping import task_of

    with joined(address) as cluster:
        predictor, kind = predictor_for(cluster, loaded, device, key, count=plan.images, quiet=quiet)
        task = task_of(loaded, thresholds, job.stretch, kind, predictor.engine.spec.key, plan.images)

        def run(plan: Plan, finder: Finder, settings: Header, *, on_image: OnImage) -> ShardsReport:
            told = shards_task(plan, task, settings, job.domain)
            return run_shards_on(cluster, plan, told, loaded, finder, workers=workers, on_image=on_image)

        annotate_in_shards(job, plan, predictor, thresholds, quiet=quiet, run=run)
