"""Works off one job whose network runs in other processes or on other computers; all else is done here.

It does with the job what any worker does (:mod:`maskrcnn_core.projects.proposals.worker`): signs of life,
progress, pausing, cancelling, and one commit for each image. Others may be at the same job.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

from maskrcnn_core.errors import StoreError
from maskrcnn_core.projects.proposals import job_claims, jobs, workers
from maskrcnn_core.projects.proposals.job_rows import JobRow
from maskrcnn_core.projects.proposals.proposing import RunsElsewhere
from maskrcnn_core.projects.proposals.worker import Go, Models, signs_of_life
from maskrcnn_core.projects.store import Store

if TYPE_CHECKING:
    from maskrcnn_core.inference.predictor import Predictor
    from maskrcnn_core.models.spec import LoadedModel

__all__ = ["Elsewhere", "work_on"]

Event = Callable[[str], object]


class Elsewhere(Protocol):
    """Where a job's network runs, if not in its worker's process."""

    def predictor(self, model: LoadedModel, engine: str, count: int) -> tuple[Predictor, str]:
        """Return a model of this process with the engine that runs there, and the devices that it runs on.

        Args:
            model: which.
            engine: the key that was asked for.
            count: of images that it is to run over.
        """

    def runs(self, predictor: Predictor) -> RunsElsewhere:
        """Return what runs it over images."""


def work_on(
    store: Store,
    job_id: int,
    elsewhere: Elsewhere,
    *,
    on_event: Event = lambda _: None,
    on_image: Callable[[], object] = lambda: None,
    stop: Callable[[], bool] = lambda: False,
) -> JobRow:
    """Do one job, whose network runs elsewhere; what is found is taken into the store here.

    Args:
        store: whose job.
        job_id: which; also one that is paused.
        elsewhere: where its network runs.
        on_event, stop: as in :func:`~maskrcnn_core.projects.proposals.worker.work_off`.
        on_image: called after each image that was taken in.

    Returns:
        What became of it.

    Raises:
        StoreError: if it is over, or others have all of it in hand or are at another one of its project.
    """
    name = f"{workers.worker_prefix(os.getpid())}{uuid.uuid4().hex[:8]}"
    workers.sign_on(store, name)  # which frees what dead ones of this computer had
    try:
        job = job_claims.join_job(store, job_id, name)
        with signs_of_life(store, name, on_event):
            Go(store, job, name, on_event, stop, elsewhere, on_image).do(Models())
    finally:
        with suppress(StoreError):  # it ages, and goes like that of a worker that died
            workers.sign_off(store, name)
    return jobs.job(store, job_id)
