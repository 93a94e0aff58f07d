"""``project annotate --cluster``: a project's job, whose network runs on the computers of a Ray cluster."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import typer

from maskrcnn_core.cli.cluster import predictor_for
from maskrcnn_core.cli.jobs import tell_with_time
from maskrcnn_core.cluster.joining import Joined, joined
from maskrcnn_core.common.one_line import counted, one_line
from maskrcnn_core.common.terminal import bar_of, tell
from maskrcnn_core.errors import StoreError
from maskrcnn_core.projects.proposals import jobs
from maskrcnn_core.projects.proposals.job_rows import JobRow, JobSettings
from maskrcnn_core.projects.proposals.proposing import RunsElsewhere
from maskrcnn_core.projects.proposals.worker import StopAsked
from maskrcnn_core.projects.proposals.working_elsewhere import work_on
from maskrcnn_core.projects.records import ProjectRow
from maskrcnn_core.projects.store import Store

if TYPE_CHECKING:
    from maskrcnn_core.inference.predictor import Predictor
    from maskrcnn_core.models.spec import LoadedModel, ModelSpec

__all__ = ["OnCluster", "work_on_cluster"]


@dataclass
class OnCluster:
    """A job's network on a cluster."""

    store: Store
    cluster: Joined
    device: str
    workers: int | None
    kind: str = "cpu"
    count: int = 0

    def predictor(self, model: LoadedModel, engine: str, count: int) -> tuple[Predictor, str]:
        """Return the model of this process, and what the workers run on."""
        made, self.kind = predictor_for(self.cluster, model, self.device, engine, count=count, quiet=True)
        self.count = count
        return made, f"{self.kind} of {self.cluster.text}"

    def runs(self, predictor: Predictor) -> RunsElsewhere:
        """Return what runs it over the project's images."""
        from maskrcnn_core.cluster.images import runs_on

        return runs_on(self.cluster, predictor, self.kind, self.store.blobs, self.count, self.workers)


def work_on_cluster(
    store: Store,
    project: ProjectRow,
    spec: ModelSpec,
    settings: JobSettings,
    who: str,
    address: str,
    workers: int | None,
    device: str,
    *,
    quiet: bool,
) -> None:
    """Do a job of a project on a cluster: a new one, or the one that was broken off."""
    with joined(address) as cluster, bar_of(total=None, unit="image", quiet=quiet) as bar:
        job, stop = _job_for(store, project, spec, settings, who), StopAsked()

        def show() -> None:
            now = jobs.job(store, job.id)
            bar.total = now.total
            bar.update(now.done - bar.n)

        with stop.by_signals(tell):
            done = work_on(
                store,
                job.id,
                OnCluster(store, cluster, device, workers),
                on_event=tell_with_time,
                on_image=show,
                stop=stop,
            )
    typer.echo(
        f"job {done.id} is {done.state}: {done.done:,} of {counted(done.total, 'image')} done, "
        f"{counted(done.proposed, 'instance')} proposed, {done.failed:,} failed"
    )
    if stop.is_asked:
        raise typer.Exit(130)
    if done.state != "done":
        raise typer.Exit(1)


def _job_for(store: Store, project: ProjectRow, spec: ModelSpec, settings: JobSettings, who: str) -> JobRow:
    """Return the open job of a model, or a new one that no other worker takes.

    Raises:
        StoreError: if the open one was asked for with other settings.
    """
    for job in jobs.jobs_of(store, project.id):
        if job.is_open and job.model_key == spec.key:
            if job.settings != settings:
                raise StoreError(
                    f"model {one_line(spec.key)}: this project already has a {job.state} job of it with "
                    "other settings; use the same, or cancel it ('project cancel')"
                )
            tell(f"going on with job {job.id}")
            return job
    return jobs.add_job(store, project.id, spec.key, settings, who, state="paused")
