"""Machines of a team: a bucket that all see, and workers with homes of their own that can be killed."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from sqlalchemy import select

from maskrcnn_core.images.reading import encode_png
from maskrcnn_core.models.catalog import SHAPES_FILE
from maskrcnn_core.projects.db.tables import ANSWER, IMAGE, INSTANCE, JOURNAL, SHARE
from maskrcnn_core.projects.new_rows import new_image
from maskrcnn_core.projects.store import Store
from maskrcnn_core.synthetic.scenes import SCENE_CATEGORIES, draw_scene
from tests.needs import lacks

ROOT = Path(__file__).parents[2]
SIDE = 96  # pixels
_PATIENCE = 60.0  # seconds that a process may take to end


@contextmanager
def bucket_server() -> Iterator[dict[str, str]]:
    """Serve an empty object store on this computer; yields the variables by which it is found."""
    if not (find_spec("moto") and find_spec("s3fs")):
        lacks("no store to test with: install requirements-dev.txt")
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # a line for each request
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        yield {
            "AWS_ENDPOINT_URL": f"http://{host}:{port}",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "us-east-1",
        }
    finally:
        server.stop()


class Machine:
    """A computer with a worker: its own home, in which nothing of a person is.

    Args:
        folder: for its home and its log.
        team: the variables that name the database and the bucket.
        command: what Python is to run.
    """

    def __init__(
        self,
        folder: Path,
        team: Mapping[str, str],
        command: Sequence[str] = ("-m", "maskrcnn_core", "project", "work"),
    ) -> None:
        self.command = (sys.executable, *command)
        self.folder = folder
        self.log = folder / "worker.log"
        self.process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True)
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("MASKDESK_")},
            "HOME": str(folder),
            "XDG_DATA_HOME": str(folder / "data"),
            "XDG_CACHE_HOME": str(folder / "cache"),
            "TORCH_HOME": str(folder / "torch"),
            **team,
        }

    def start(self) -> None:
        """Begin to work for whatever comes."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command,
                cwd=ROOT,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
            )

    def kill(self) -> None:
        """End it as a power cut does."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(_PATIENCE)

    def stop(self) -> int:
        """Ask it to end, and return how it did."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(_PATIENCE)


def make_quick_model(folder: Path, key: str, side: int = SIDE) -> None:
    """Put a model of a person's own into a folder: the shapes model, but it sees images of another size."""
    folder.mkdir(parents=True, exist_ok=True)
    card = json.loads(SHAPES_FILE.with_suffix(".json").read_bytes())
    card |= {"title": key, "architecture": card["architecture"] | {"min_size": side, "max_size": 2 * side}}
    shutil.copyfile(SHAPES_FILE, folder / f"{key}.safetensors")
    (folder / f"{key}.json").write_text(json.dumps(card))


def make_small_pictures(store: Store, name: str, count: int, different: int = 40) -> int:
    """Make a project of so many tiny pictures, each with other bytes, and return its id."""
    project = store.create_project(name, "ann", categories=SCENE_CATEGORIES).id
    scenes = [draw_scene(210_000 + n).pixels[:SIDE, :SIDE].copy() for n in range(min(different, count))]
    files = {}
    for n in range(count):
        pixels = scenes[n % len(scenes)].copy()
        pixels[0, 0] = (n % 256, n // 256, 0)
        data = encode_png(pixels)
        files[hashlib.sha256(data).hexdigest()] = data
    if store.blobs.folder is None:  # many at once: one by one takes minutes
        store.blobs._files.pipe({store.blobs._place(digest): data for digest, data in files.items()})
    else:
        for data in files.values():
            store.blobs.put(data)
    rows = [new_image(n, f"{n:05}.png", (SIDE, SIDE), digest) for n, digest in enumerate(files, start=1)]
    store.decide(project, "ann", "add images", rows)
    return project


def doubled_and_lost(store: Store, job_id: int, project_id: int) -> tuple[list[str], list[str]]:
    """Say what of a job's images is there more than once, and what is not there, by all rows that tell.

    Shares, runs, journal lines and instances are held against each other.
    """
    of_images = select(IMAGE.c.id, IMAGE.c.file_name).where(IMAGE.c.project_id == project_id)
    finished = select(SHARE.c.image_id).where(SHARE.c.job_id == job_id, SHARE.c.done_at.is_not(None))
    offered = select(ANSWER.c.image_id).join(IMAGE).where(IMAGE.c.project_id == project_id)
    lines = select(JOURNAL.c.image_id, JOURNAL.c.changes).where(
        JOURNAL.c.project_id == project_id, JOURNAL.c.kind == "propose", ~JOURNAL.c.is_refused
    )
    columns = (INSTANCE.c.image_id, INSTANCE.c.category_id, INSTANCE.c.counts, INSTANCE.c.score)
    present = select(*columns).where(INSTANCE.c.project_id == project_id, ~INSTANCE.c.gone)
    with store.reading() as connection:
        names = {row.id: row.file_name for row in connection.execute(of_images)}
        done = Counter(connection.execute(finished).scalars())
        runs = Counter(connection.execute(offered.where(ANSWER.c.offered != "")).scalars())
        journal = [(row.image_id, len(row.changes)) for row in connection.execute(lines)]
        objects = [tuple(row) for row in connection.execute(present)]
    said = Counter(id_ for id_, _ in journal)
    there, told = Counter(row[0] for row in objects), Counter(dict(journal))
    doubled = [
        f"{names[id_]}: {what} {times} times"
        for what, counts in (("done", done), ("run", runs), ("in the journal", said))
        for id_, times in counts.items()
        if times > 1
    ]
    doubled += [f"{names[row[0]]}: one instance {n} times" for row, n in Counter(objects).items() if n > 1]
    doubled += [f"{names[id_]}: more instances than the journal says" for id_ in there - told]
    lost = [f"{name}: not done" for id_, name in names.items() if id_ not in done]
    lost += [f"{name}: no run" for id_, name in names.items() if id_ not in runs]
    lost += [f"{names[id_]}: fewer instances than the journal says" for id_ in told - there]
    return doubled, lost


def wait_for(condition: object, what: str, seconds: float = 240.0) -> None:
    """Look every tenth of a second until something is so."""
    assert callable(condition)
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds:g} s for {what}")
        time.sleep(0.1)
