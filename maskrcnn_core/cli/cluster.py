"""``--cluster``: the shards of ``annotate`` on the computers of a Ray cluster."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Annotated

import typer

from maskrcnn_core.batch.finding import HasModel, Tally
from maskrcnn_core.batch.resume_log import Header
from maskrcnn_core.batch.sharing import AUTO as ALL
from maskrcnn_core.batch.sharing import one_thread
from maskrcnn_core.cli.engines import chosen_engine
from maskrcnn_core.cli.running import How
from maskrcnn_core.cli.shards import RunsShards, ShardsJob
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
    from maskrcnn_core.models.spec import AskedCloser, LoadedModel

__all__ = [
    "ClusterOption",
    "WorkersOption",
    "check_cluster",
    "number_of",
    "on_cluster",
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


def number_of(workers: str) -> int | None:
    """Return at most how many workers a cluster has for a run; ``None`` for all that fit."""
    return None if workers == ALL else int(workers)


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
    cluster: Joined,
    loaded: LoadedModel,
    device: str,
    key: str,
    *,
    count: int,
    quiet: bool,
    closer: AskedCloser = "off",
) -> tuple[Predictor, str]:
    """Return the model as it says what it does, and the device of the workers.

    Raises:
        InputError: if the device or engine cannot be used.
    """
    import torch

    from maskrcnn_core.inference.predictor import Predictor

    kind, looks_closer = device_on(cluster, device), loaded.looks_closer(closer)
    tell(f"joined {cluster.text}; workers run on {'GPUs' if kind == 'cuda' else 'CPUs'}")
    if kind == "cpu" or torch.cuda.is_available():
        with one_thread(kind):  # as each worker has it
            engine = chosen_engine(loaded, kind, key, count=count, quiet=quiet)
        return Predictor(loaded, kind, engine=engine, looks_closer=looks_closer), kind
    if key not in (AUTO, EXACT.key):
        raise InputError(
            f"engine {key}: it has to be compared with the exact one where the run begins, and here is no "
            "GPU; begin on a node with one, or take --engine exact"
        )
    return Predictor(loaded, "cpu", looks_closer=looks_closer), kind


@contextmanager
def on_cluster(
    address: str, job: ShardsJob, plan: Plan, loaded: LoadedModel, thresholds: Thresholds, how: How
) -> Iterator[tuple[HasModel, RunsShards]]:
    """Give what runs a model over shards on all nodes of a cluster."""
    from maskrcnn_core.cluster.shards import run_shards_on, shards_task
    from maskrcnn_core.cluster.shipping import task_of

    with joined(address) as cluster:
        predictor, kind = predictor_for(
            cluster,
            loaded,
            how.device,
            how.engine,
            count=plan.images,
            quiet=how.quiet,
            closer=how.closer,
        )
        task = task_of(
            loaded,
            thresholds,
            job.stretch,
            kind,
            predictor.engine.spec.key,
            plan.images,
            looks_closer=predictor.looks_closer,
        )
        tally, workers = Tally(loaded, thresholds, job.domain), number_of(how.workers)

        def run(plan: Plan, settings: Header, *, on_image: OnImage) -> ShardsReport:
            told = shards_task(plan, task, settings, job.domain)
            return run_shards_on(cluster, plan, told, loaded, tally, workers=workers, on_image=on_image)

        yield predictor, run
