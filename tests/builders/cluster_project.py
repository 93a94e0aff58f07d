"""``python -m tests.builders.cluster_project ADDRESS PROJECT`` does a job on a cluster, and stops for ever
after three images, for somebody to kill it.
"""

import sys
import threading

from maskrcnn_core.cli.cluster_jobs import OnCluster
from maskrcnn_core.cluster.joining import joined
from maskrcnn_core.projects.proposals import jobs
from maskrcnn_core.projects.proposals.working_elsewhere import work_on
from maskrcnn_core.projects.store import Store


class StopsAfter:
    """Stops for ever after so many images."""

    def __init__(self, count):
        self.left = count

    def __call__(self):
        self.left -= 1
        if not self.left:
            print("three", flush=True)
            threading.Event().wait()


def main(address, name):
    store = Store()
    (project,) = (row for row in store.projects() if row.name == name)
    (job,) = jobs.jobs_of(store, project.id)
    with joined(address) as cluster:
        work_on(store, job.id, OnCluster(store, cluster, "cpu", None), on_image=StopsAfter(3))


if __name__ == "__main__":
    main(*sys.argv[1:])
