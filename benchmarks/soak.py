"""``python -m benchmarks.soak``: people work for a while on a server of which something dies again and again.

Some hand in pictures on the Annotate page, others decide on the Review page, each in a project of their own,
and a worker runs a model over one more project. The server and the worker are killed with SIGKILL, and
PostgreSQL, where its tools are there, is restarted. People are `Visitor`s: they come back when the server is
there again, and send once more what was not acknowledged, as a browser does. At the end nothing that was
acknowledged may be missing or stand twice, every job is done, and each project can be verified and exported.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.exceptions import WebSocketException

from benchmarks.browser import ROOT
from benchmarks.people import watch_health
from benchmarks.report import Claim, Report, megabytes, seconds
from benchmarks.visitors import Visitor
from maskrcnn_core.dataset.categories import Category
from maskrcnn_core.errors import StoreError
from maskrcnn_core.geometry.rle import Rle
from maskrcnn_core.images.reading import encode_png
from maskrcnn_core.projects.db.location import find_place
from maskrcnn_core.projects.exchange.intake import import_files
from maskrcnn_core.projects.new_rows import new_instance
from maskrcnn_core.projects.proposals import job_rows, jobs
from maskrcnn_core.projects.store import Store
from maskrcnn_core.synthetic.scenes import SCENE_CATEGORIES, draw_scene
from pages.components.mounting import full_name
from pages.components.review_messages import VERSION
from tests.integration.postgres import PostgresServer, find_tools

__all__ = ["main"]

_SEED = 500_000
_MODEL = "shapes"
_JOB_IMAGES = 60
_INSTANCES = 30  # of a project in which somebody decides
_GONE = (OSError, WebSocketException, TimeoutError)  # what the server's death looks like from outside
_PATIENCE = 120.0  # seconds for masks, or an acknowledgement, while something may be restarting
_BACK_AFTER = 2.0  # seconds from a server's death to the next one


@dataclass
class Log:
    """What happened."""

    waits: list[float] = field(default_factory=list)
    given_up: int = 0
    decided: Counter[str] = field(default_factory=Counter)
    acknowledged: set[str] = field(default_factory=set)
    refused: list[str] = field(default_factory=list)
    kills: Counter[str] = field(default_factory=Counter)
    downs: list[float] = field(default_factory=list)
    health: list[float] = field(default_factory=list)
    memory: int = 0
    jobs: int = 0


class Reviewer(Visitor):
    """One open Review page; what it decides is kept until Python has acknowledged it."""

    message: dict[str, Any] | None = None
    _id: str = ""

    async def open_project(self, project: int) -> None:
        """Opens the page, and returns once its reviewer is there."""
        self.project = project
        self.message = None
        await self._connect()
        await self._say(BackMsg())
        await asyncio.wait_for(self._until(lambda: self.message is not None), _PATIENCE)

    async def send(self, report: dict[str, Any]) -> None:
        """What a person did, as the component says it."""
        message = BackMsg()
        state = message.rerun_script.widget_states.widgets.add(id=self._id)
        state.json_value = json.dumps({"ops": report})
        await self._say(message)

    async def hears(self, client: str, seq: int) -> None:
        """Until an operation is acknowledged."""

        def is_there() -> bool:
            message = self.message
            return message is not None and message["ack_client"] == client and message["ack_seq"] >= seq

        await asyncio.wait_for(self._until(is_there), _PATIENCE)

    async def _say(self, message: BackMsg) -> None:
        script = message.rerun_script
        script.query_string, script.page_name = f"project={self.project}", "review"
        await self._rerun(message)

    def _take(self, message: ForwardMsg, kind: str) -> None:
        super()._take(message, kind)
        component = message.delta.new_element.bidi_component
        if component.component_name == full_name("review"):
            self._id = component.id
            self.message = json.loads(component.json)


async def _upload(address: str, photos: Sequence[bytes], log: Log, end: float, rng: random.Random) -> None:
    """One after another: a page, a picture, its masks, and gone."""
    while time.monotonic() < end:
        person = Visitor(address)
        try:
            await asyncio.wait_for(person.open(), _PATIENCE)
            began = time.perf_counter()
            await person.upload({"scene.png": rng.choice(photos)})
            log.waits.append(await asyncio.wait_for(person.masks(), _PATIENCE) - began)
            await asyncio.sleep(rng.uniform(1, 8))
        except _GONE:
            log.given_up += 1  # with the server; the picture is still the person's
            await asyncio.sleep(1)
        with suppress(*_GONE, AttributeError):
            await person.close()


async def _decide(address: str, project: int, log: Log, end: float, rng: random.Random) -> None:
    """Accepts and rejects, each time what has been acknowledged so far."""
    client, name, seq = uuid.uuid4().hex[:24], f"person {project}", 0
    pending: dict[str, Any] | None = None
    while time.monotonic() < end or pending is not None:
        person = Reviewer(address)
        try:
            await person.open_project(project)
            while time.monotonic() < end or pending is not None:
                if pending is None:
                    seq += 1
                    pending = _decision(person.message or {}, seq, name, rng)
                    log.decided[name] += 1
                await person.send({"version": VERSION, "client": client, "ops": [pending]})
                await person.hears(client, seq)
                log.acknowledged.add(f"{client}:{seq}")
                log.refused += [one["text"] for one in (person.message or {})["refused"] if one["seq"] == seq]
                pending = None
                await asyncio.sleep(rng.uniform(0.2, 2))
        except _GONE:
            await asyncio.sleep(1)
        with suppress(*_GONE, AttributeError):
            await person.close()


def _decision(message: dict[str, Any], seq: int, name: str, rng: random.Random) -> dict[str, Any]:
    frame = next(frame for frame in message["frames"] if frame["at"] == message["queue"]["at"])
    ref, state = rng.choice(sorted(frame["states"].items()))
    status = "rejected" if state["status"] == "accepted" else "accepted"
    rows = [[int(ref), state["version"]]]
    kind = {"seq": seq, "kind": "set_status", "image_id": frame["image_id"], "status": status}
    return {**kind, "instances": rows, "who": name}


class Stage:
    """The server, the database and the worker, and how each of them dies.

    Args:
        folder: for all files.
        log: what happened.
    """

    def __init__(self, folder: Path, log: Log) -> None:
        self.folder, self.log = folder, log
        tools = find_tools()
        self.database = PostgresServer(tools) if tools is not None else None
        url = self.database.url() if self.database is not None else ""
        with closing(socket.socket()) as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.environment = {
            **os.environ,
            **dict.fromkeys(("MASKDESK_WEIGHTS", "MASKDESK_DATA", "TORCH_HOME"), str(folder)),
            "MASKDESK_DATABASE": url,
            "MASKDESK_FETCH": "no",
            "STREAMLIT_SERVER_ENABLE_XSRF_PROTECTION": "false",  # a visitor keeps no cookies
        }
        os.environ.update(MASKDESK_DATA=str(folder), MASKDESK_DATABASE=url)
        self.server: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def begin(self) -> None:
        """Starts the server."""
        command = [sys.executable, "-m", "pages.shell.serve", f"--server.port={self.port}"]
        command += ["--server.address=127.0.0.1", "--server.headless=true"]
        with (self.folder / "server.log").open("ab") as log:
            self.server = subprocess.Popen(
                command, cwd=ROOT, env=self.environment, stdout=log, stderr=subprocess.STDOUT
            )

    def end(self) -> None:
        """Ends all."""
        if self.server is not None:
            for child in psutil.Process(self.server.pid).children(recursive=True):
                with suppress(psutil.Error):
                    child.kill()
            self.server.kill()
            self.server.wait()
        if self.database is not None:
            self.database.stop()

    async def kill_server(self) -> None:
        assert self.server is not None
        self.server.kill()
        self.server.wait()
        self.log.kills["server"] += 1
        began = time.monotonic()
        await asyncio.sleep(_BACK_AFTER)
        self.begin()
        health: list[float] = []
        while not health:
            watch = asyncio.create_task(watch_health(self.address, health))
            await asyncio.wait({watch}, timeout=0.5)
            watch.cancel()
            await asyncio.gather(watch, return_exceptions=True)
        self.log.downs.append(time.monotonic() - began)

    async def kill_worker(self) -> None:
        """The worker; the server where there is none."""
        for process in psutil.process_iter(["cmdline", "environ"]):
            with suppress(psutil.Error):
                of_this = (process.info["environ"] or {}).get("MASKDESK_DATA") == str(self.folder)
                if of_this and "work" in (process.info["cmdline"] or []):
                    process.kill()
                    self.log.kills["worker"] += 1
                    return
        await self.kill_server()

    async def restart_database(self) -> None:
        if self.database is None:
            await self.kill_worker()
            return
        await asyncio.to_thread(self.database.end)
        await asyncio.sleep(1)
        await asyncio.to_thread(self.database.begin)
        self.log.kills["database"] += 1

    async def kill_now_and_then(self, kills: int, end: float, rng: random.Random) -> None:
        pause = (end - time.monotonic()) / (kills + 1)
        ways = (self.kill_server, self.kill_worker, self.restart_database, self.kill_worker)
        for number in range(kills):
            await asyncio.sleep(pause * rng.uniform(0.6, 1.2))
            await ways[number % len(ways)]()

    async def watch(self) -> None:
        """Notes the server's health, and its memory, until it is cancelled."""
        while True:
            taken: list[float] = []
            with suppress(OSError, psutil.Error):
                await asyncio.wait_for(watch_health(self.address, taken), 5)
            self.log.health += taken
            with suppress(psutil.Error):
                assert self.server is not None
                memory = psutil.Process(self.server.pid).memory_info().rss
                self.log.memory = max(self.log.memory, memory)
            await asyncio.sleep(0.5)


async def _work(store: Store, project: int, log: Log, end: float) -> None:
    """Asks for another run of the model as soon as the last has ended, and waits for the last one's end."""
    mapping = {row.name: row.id for row in store.categories(project)}
    number = 0
    while True:
        with suppress(StoreError):  # the database may just be away
            if not await asyncio.to_thread(jobs.open_jobs, store):
                if time.monotonic() > end:
                    return
                settings = job_rows.JobSettings(0.5 + 0.01 * (number % 20), 0.5, 0.5, 100, mapping)
                jobs.add_job(store, project, _MODEL, settings, "soak")
                number += 1
                log.jobs = number
        await asyncio.sleep(2)


def _fill(store: Store, deciders: int) -> tuple[list[int], int]:
    """Projects to decide in, and the one that a model runs over."""
    names = [Category(n, category.name) for n, category in enumerate(SCENE_CATEGORIES, start=1)]
    own = []
    for number in range(deciders):
        row = store.create_project(f"decisions {number}", "soak", categories=names)
        picture = encode_png(draw_scene(_SEED + number).pixels)
        import_files(store, row.id, "soak", [("scene.png", picture)])
        (image,) = store.images(row.id)
        category = store.categories(row.id)[0].id
        made = [
            new_instance(
                image.id, category, n, _square(image.height, image.width, n), source="soak", score=0.9
            )
            for n in range(1, _INSTANCES + 1)
        ]
        store.decide(row.id, "model soak", "propose", made)
        own.append(row.id)
    row = store.create_project("run over", "soak", categories=names)
    pictures = ((f"{n}.png", encode_png(draw_scene(_SEED + 1000 + n).pixels)) for n in range(_JOB_IMAGES))
    import_files(store, row.id, "soak", list(pictures))
    return own, row.id


def _square(height: int, width: int, number: int) -> Rle:
    mask = np.zeros((height, width), np.bool_)
    at = 8 * number
    mask[at % (height - 9) : at % (height - 9) + 8, at % (width - 9) : at % (width - 9) + 8] = True
    return Rle.from_mask(mask)


async def _soak(stage: Stage, store: Store, people: int, minutes: float, kills: int) -> None:
    rng = random.Random(7)
    deciders = max(people * 2 // 5, 1)
    own, run_over = await asyncio.to_thread(_fill, store, deciders)
    photos = [encode_png(draw_scene(_SEED + 2000 + n).pixels) for n in range(40)]
    stage.begin()
    end = time.monotonic() + 60 * minutes
    watch = asyncio.create_task(stage.watch())
    await asyncio.gather(
        *(_upload(stage.address, photos, stage.log, end, random.Random(n)) for n in range(people - deciders)),
        *(_decide(stage.address, project, stage.log, end, random.Random(project)) for project in own),
        stage.kill_now_and_then(kills, end, rng),
        _work(store, run_over, stage.log, end),
    )
    watch.cancel()
    await asyncio.gather(watch, return_exceptions=True)


def _claims(stage: Stage, store: Store, kills: int) -> list[Claim]:
    log, done, doubled = stage.log, set[str](), 0
    for project in store.projects():
        for entry in store.journal(project.id, limit=1_000_000):
            if entry.operation is None or entry.is_refused:
                continue
            doubled += entry.operation in done
            done.add(entry.operation)
    ends = [row for project in store.projects() for row in jobs.jobs_of(store, project.id)]
    verified = all(_command(stage, "verify", project.name) == 0 for project in store.projects())
    return [
        Claim(f"{sum(log.kills.values())} of {kills} kills", sum(log.kills.values()) == kills, "equality"),
        Claim("every acknowledged decision is there", log.acknowledged <= done, "equality"),
        Claim("none is there twice", doubled == 0, "equality"),
        Claim("none was refused", not log.refused, "equality"),
        Claim("every job is done", all(row.state == "done" for row in ends) and bool(ends), "equality"),
        Claim("every project is sound", verified, "equality"),
    ]


def _command(stage: Stage, *words: str) -> int:
    command = [sys.executable, "-m", "maskrcnn_core", "project", *words]
    done = subprocess.run(command, cwd=ROOT, env=stage.environment, capture_output=True, text=True)
    if done.returncode:
        print(done.stdout, done.stderr, file=sys.stderr)
    return done.returncode


@contextmanager
def _stage() -> Iterator[Stage]:
    with tempfile.TemporaryDirectory(prefix="maskdesk-soak-") as folder:
        stage = Stage(Path(folder), Log())
        try:
            yield stage
        finally:
            stage.end()


def run_soak(people: int, minutes: float, kills: int) -> Report:
    """See the module."""
    with _stage() as stage:
        store = Store(find_place())
        asyncio.run(_soak(stage, store, people, minutes, kills))
        claims = _claims(stage, store, kills)
        store.close()
    log = stage.log
    rows = (
        ("kills", ", ".join(f"{count} of the {what}" for what, count in log.kills.items())),
        ("images with masks", f"{len(log.waits):,}"),
        ("cut off with the server, and started again", f"{log.given_up:,}"),
        (
            "first masks: median, longest",
            f"{seconds(statistics.median(log.waits))}, {seconds(max(log.waits))}",
        ),
        ("decisions acknowledged", f"{len(log.acknowledged):,}"),
        ("jobs", str(log.jobs)),
        ("from a server's death to the next response, longest", seconds(max(log.downs, default=0.0))),
        (
            "health checks: median, longest",
            f"{seconds(statistics.median(log.health))}, {seconds(max(log.health))}",
        ),
        ("memory of a server, at most", megabytes(log.memory)),
    )
    return Report(
        (f"{people} people, {minutes:g} min", "figures"), rows, tuple(claims), tuple(log.refused[:5])
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Soaks, and prints the table; 1 if anything did not hold."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--people", type=int, default=20)
    parser.add_argument("--kills", type=int, default=20)
    options = parser.parse_args(arguments)
    report = run_soak(options.people, options.minutes, options.kills)
    print(report.markdown())
    return 0 if all(claim.held for claim in report.claims) else 1


if __name__ == "__main__":
    sys.exit(main())
