"""A Ray of two nodes on this computer, with a store that both see, and workers that stop where they are told.

``python -m tests.builders.cluster ADDRESS FOLDER CONTROL WORKER`` is a run of such workers in a process of
its own, that can be killed.
"""

import importlib
import os
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

from maskrcnn_core.batch.finding import Tally, description_of, settings_of
from maskrcnn_core.cluster.joining import joined
from maskrcnn_core.cluster.shards import ShardWorker, run_shards_on, shards_task
from maskrcnn_core.cluster.shipping import task_of
from maskrcnn_core.detection.candidates import Thresholds
from maskrcnn_core.errors import CoreError
from maskrcnn_core.inference.predictor import Predictor
from maskrcnn_core.models.loading import load_model
from maskrcnn_core.shards.facts import RunFacts, keep_facts
from maskrcnn_core.shards.plan import read_plan
from maskrcnn_core.shards.shard_files import ShardWriter
from maskrcnn_core.shards.stores import Folder


class WatchedWorker(ShardWorker):
    """Notes each shard that it makes, and stops for ever between a shard and its marker, if a file says so.

    In the folder of control: ``stop-NAME`` is what a worker waits for; it holds the node that is meant, or
    nothing. ``stopped-NAME`` says who waits.
    """

    def __init__(self, control, *given):
        super().__init__(*given)
        self._control = control

    def annotate(self, number):
        control = Path(self._control)

        class WatchedWriter(ShardWriter):
            def write(self):
                self._folder = _Stopping(self._folder, control)
                marker = super().write()
                (control / f"made-{number}-{time.monotonic_ns()}").touch()
                return marker

        import maskrcnn_core.shards.run as run

        run.ShardWriter = WatchedWriter
        return super().annotate(number)


class _Stopping:
    def __init__(self, folder, control):
        self._folder, self._control = folder, control

    def write(self, name, data):
        if name.endswith(".done.json"):
            self._stop()
        self._folder.write(name, data)

    def _stop(self):
        import ray

        here = ray.get_runtime_context().get_node_id()
        for stop in self._control.glob("stop-*"):
            try:
                if stop.read_text() not in ("", here):
                    continue
                stop.unlink()
            except FileNotFoundError:  # another worker was first
                continue
            put_text(self._control / f"stopped-{stop.name.removeprefix('stop-')}", str(os.getpid()))
            threading.Event().wait()


class DyingWorker(ShardWorker):
    """Dies of shard 1, as of an image that needs more memory than there is."""

    most_tries = 2

    def annotate(self, number):
        if number == 1:
            os._exit(1)
        return super().annotate(number)


def put_text(file, text):
    """Write a file that is whole as soon as it is there."""
    new = file.with_name(f".{file.name}")
    new.write_text(text)
    new.rename(file)


class TwoNodes:
    """A cluster whose second node can be taken away."""

    def __init__(self, client_port):
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.builders.ray_nodes", str(client_port)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.address, self.second = self._answer("nodes")

    def remove(self):
        self._ask("remove")
        self._answer("removed")

    def add(self):
        self._ask("add")
        (self.second,) = self._answer("added")

    def close(self):
        self._process.stdin.close()
        self._process.stdout.read()
        self._process.stdout.close()
        assert self._process.wait(60) == 0

    def _ask(self, what):
        self._process.stdin.write(f"{what}\n")
        self._process.stdin.flush()

    def _answer(self, word):
        for line in self._process.stdout:  # Ray itself talks, too
            if line.split()[:1] == [word]:
                return line.split()[1:]
        raise AssertionError("the nodes are gone")


@contextmanager
def two_nodes(folder, client_port):
    """A cluster, and in the environment what leads to it."""
    os.makedirs(Path(folder) / "ray")
    os.environ |= {
        "RAY_TMPDIR": str(folder),
        "RAY_USAGE_STATS_ENABLED": "0",
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }
    nodes = TwoNodes(client_port)
    try:
        yield nodes
    finally:
        nodes.close()


def run_watched(address, named, control, worker):
    """Annotate what is left of a plan with the shapes model, as the command line does."""
    plan = read_plan(Folder(named))
    model, thresholds = load_model("shapes"), Thresholds(max_detections=500)
    predictor = Predictor(model, "cpu")
    settings = settings_of(thresholds, "auto", predictor)
    keep_facts(
        plan.folder,
        RunFacts(settings, tuple(model.label_map.categories), description_of(thresholds, predictor)),
    )
    told = shards_task(plan, task_of(model, thresholds, "auto", "cpu", "exact", plan.images), settings, None)
    given = (control,) if worker.__name__ == "WatchedWorker" else ()
    with joined(address) as cluster:
        return run_shards_on(cluster, plan, told, model, Tally(model, thresholds), worker=worker, extra=given)


if __name__ == "__main__":
    address, folder, control, named = sys.argv[1:]
    # The module's own classes, as the nodes know them by its name.
    worker = getattr(importlib.import_module("tests.builders.cluster"), named)
    try:
        report = run_watched(address, folder, control, worker)
        print(report.counts.images, report.is_whole, flush=True)
    except CoreError as error:
        print(error, flush=True)
