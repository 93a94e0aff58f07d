"""Several machines at one job, killed at random: each image is done once, and how many are done in a second.

Machines are processes with homes of their own that share a PostgreSQL database and a bucket, as in the tests.
The network is simulated: each of some different pictures is run once by the real one, which is remembered for
all images that look like it, so that all else is measured. Run as a module this is one worker.
"""

from __future__ import annotations

import os
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, ClassVar

import fsspec
import numpy as np
from sqlalchemy import make_url

from benchmarks.report import Claim, Report
from maskrcnn_core.projects.db.location import DATA_VARIABLE, DATABASE_VARIABLE, StorePlace
from maskrcnn_core.projects.proposals import jobs
from maskrcnn_core.projects.proposals.job_rows import JobRow, JobSettings
from maskrcnn_core.projects.proposals.pace import look_at_workers
from maskrcnn_core.projects.store import Store
from tests.builders.machines import Machine, bucket_server, doubled_and_lost, make_small_pictures
from tests.integration.postgres import PostgresServer, find_tools

__all__ = ["run_workers"]

_NETWORK = 0.02  # seconds that the simulated network takes
_IMAGES = 5_000
_MACHINES = 2
_PATIENCE = 480.0  # seconds


def run_workers(quick: bool = False) -> Report:
    """Let two machines do one job while they are killed again and again."""
    images = 60 if quick else _IMAGES
    with _team() as (folder, variables), ExitStack() as running:
        store = Store(StorePlace(make_url(variables[DATABASE_VARIABLE]), variables[DATA_VARIABLE] + "/files"))
        running.callback(store.close)
        project = make_small_pictures(store, "Many", images, different=10)
        mapping = {row.name: row.id for row in store.categories(project)}
        job = jobs.add_job(store, project, "shapes", JobSettings(0.5, 0.5, 0.5, 100, mapping, "exact"), "ann")
        machines = [
            Machine(folder / f"machine-{n}", variables, ("-m", "benchmarks.workers"))
            for n in range(_MACHINES)
        ]
        began = time.monotonic()
        for one in machines:
            one.start()
            running.callback(one.kill)
        kills = _kill_at_random(lambda: jobs.job(store, job.id), machines)
        took = time.monotonic() - began
        done = jobs.job(store, job.id)
        doubled, lost = doubled_and_lost(store, job.id, project)
        seen = look_at_workers(store)
        hosts = sum(one.images for one in seen.done)
        instances = len(store.facts(project))
    return Report(
        ("images", "workers", "killed", "twice", "lost", "images a second"),
        (
            (
                f"{done.done:,}",
                str(_MACHINES),
                str(kills),
                str(len(doubled)),
                str(len(lost)),
                f"{done.done / took:.1f}",
            ),
        ),
        (
            Claim(
                "every image is done", (done.state, done.done, done.failed) == ("done", images, 0), "equality"
            ),
            Claim("no image, run, journal line or instance is there twice", not doubled, "equality"),
            Claim("none is lost", not lost, "equality"),
            Claim("the job counts what is stored", done.proposed == instances, "equality"),
        ),
        (
            f"The network is simulated and takes {_NETWORK * 1e3:g} ms. A worker that was killed is started "
            "again at once, loads torch and the model, and goes on; the seconds contain that.",
            f"The page counts {hosts:,} images of the last half hour; all took {took:.0f} s.",
            *doubled[:3],
            *lost[:3],
        ),
    )


@contextmanager
def _team() -> Iterator[tuple[Path, dict[str, str]]]:
    tools = find_tools()
    if tools is None:
        raise RuntimeError("no PostgreSQL on this machine: install the system's package `postgresql`")
    with (
        tempfile.TemporaryDirectory(prefix="benchmark-") as folder,
        bucket_server() as bucket,
        ExitStack() as ends,
    ):
        server = PostgresServer(tools)
        ends.callback(server.stop)
        before = {name: os.environ.get(name) for name in bucket}
        os.environ.update(bucket)
        ends.callback(_restore, before)
        fsspec.filesystem("s3", skip_instance_cache=True).mkdir("desk")
        yield Path(folder), {**bucket, DATABASE_VARIABLE: server.url(), DATA_VARIABLE: "s3://desk/team"}


def _restore(before: dict[str, str | None]) -> None:
    for name, value in before.items():
        if value is None:
            del os.environ[name]
        else:
            os.environ[name] = value


def _kill_at_random(job: Callable[[], JobRow], machines: list[Machine]) -> int:
    """Kill one machine after another while a job goes on, start each again, and return how many were.

    By images, not by the clock: on a busy computer a worker needs its time to load torch, and one that is
    killed before it has begun shows nothing.
    """
    chance, kills, began = random.Random(11), 0, time.monotonic()
    due = 1
    while (at := job()).is_open:
        spent = time.monotonic() - began
        if spent > _PATIENCE:
            raise TimeoutError(f"{at.done} of {at.total} images were done after {spent:.0f} s")
        if at.done >= due:
            one = chance.choice(machines)
            one.kill()
            one.start()
            kills += 1
            due = at.done + chance.randint(at.total // 40 + 1, at.total // 10 + 1)
        time.sleep(0.02)
    return kills


# -- a worker ---------------------------------------------------------------------------------------


def _main() -> None:
    """Be a worker whose network is simulated."""
    from maskrcnn_core.__main__ import main
    from maskrcnn_core.inference import predictor

    class Remembering(predictor.Predictor):
        """A predictor that runs each picture once, and those that look like it not again."""

        runs: ClassVar[dict[bytes, Any]] = {}
        found: ClassVar[dict[int, Any]] = {}

        def run(self, images: Any, *rest: Any, **options: Any) -> Any:
            (pixels,) = images
            key = np.ascontiguousarray(pixels[1:]).tobytes()
            if key not in self.runs:
                self.runs[key] = super().run(images, *rest, **options)
            time.sleep(_NETWORK)
            return self.runs[key]

        def detections(self, run: Any, *rest: Any, **options: Any) -> Any:
            if id(run) not in self.found:
                self.found[id(run)] = run, super().detections(run, *rest, **options)
            return self.found[id(run)][1]

    predictor.Predictor = Remembering  # type: ignore[misc]
    sys.argv = ["maskdesk", "project", "work"]
    main()


if __name__ == "__main__":
    _main()
