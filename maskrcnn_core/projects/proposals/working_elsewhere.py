"""Works off one job whose network runs in other processes or on other computers; all else is done here.

It does with the job what any worker does (:mod:`maskrcnn_core.projects.proposals.worker`): signs of life,
progress, pausing, cancelling, and one commit for each image.
"""

from __future__ import annotations

import os
import socket
import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from maskrcnn_core.projects.proposals import job_claims, jobs
from maskrcnn_core.projects.proposals.job_rows import JobRow
from maskrcnn_core.projects.proposals.proposing import ProposeReport, RunsElsewhere
from maskrcnn_core.projects.proposals.worker import Go, Models, worker_prefix
from maskrcnn_core.projects.store import Store

if TYPE_CHECKING:
    from maskrcnn_core.inference.predictor import Predictor
    from maskrcnn_core.models.spec import LoadedModel

__all__ = ["Elsewhere", "work_on"]

Event = Callable[[str], object]


class Elsewhere(Protocol):
    """Where a job's network runs, if not in its worker's process."""

    def predictor(self, model: LoadedModel, engine: str, count: int) -> Predictor:
        """Return a model of this process with the engine that runs there, for so many images."""

    def runs(self, predictor: Predictor, count: int) -> RunsElsewhere:
        """Return what runs it over images."""


def work_on(
    store: Store,
    job_id: int,
    elsewhere: Elsewhere,
    *,
    on_event: Event = lambda _: None,
    on_report: Callable[[ProposeReport], object] = lambda _: None,
    stop: Callable[[], bool] = lambda: False,
) -> JobRow:
    """Do one job, whose network runs elsewhere; what is found is taken into the store here.

    It is taken from a worker of this computer that has died, as soon as it has; from one of another computer
    once it has given no sign of life for half a minute.

    Args:
        store: whose job.
        job_id: which; also one that is paused.
        elsewhere: where its network runs.
        on_event, stop: as in :func:`work_off`.
        on_report: called with the report so far, after each image.

    Returns:
        What became of it.

    Raises:
        StoreError: if it is over, or somebody else is at it or at another one of its project.
    """
    name = f"{worker_prefix(os.getpid())}{uuid.uuid4().hex[:8]}"
    held = jobs.job(store, job_id).worker
    if _has_died(held):
        job_claims.free_jobs(store, held)
    job = job_claims.take_job(store, job_id, name)
    Go(store, job, name, on_event, stop, elsewhere, on_report).do(Models())
    return jobs.job(store, job_id)


def _has_died(worker: str) -> bool:
    """Return whether a worker was a process of this computer, and is none any more."""
    host, _, rest = worker.partition(":")
    pid = rest.partition(":")[0]
    if host != socket.gethostname() or not pid.isdecimal() or os.name != "posix":
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except OSError:  # another person's
        pass
    return False
