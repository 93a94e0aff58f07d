"""Twenty people on one project: what it costs that each sees what the others do, and how soon they see it.

The server is a real one with the real Review page. Pages are `Reviewer`s, which speak Streamlit's protocol;
decisions are made by somebody else, in this process, on the same database. CPU time is the server's own.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psutil
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from benchmarks.browser import ROOT, serve
from benchmarks.report import NOT_MEASURED, Claim, Report, seconds
from benchmarks.visitors import Visitor
from maskrcnn_core.dataset.categories import Category
from maskrcnn_core.geometry.rle import Rle
from maskrcnn_core.images.reading import encode_jpeg
from maskrcnn_core.projects.db.location import DATA_VARIABLE, DATABASE_VARIABLE, StorePlace
from maskrcnn_core.projects.journal import Change
from maskrcnn_core.projects.new_rows import new_image, new_instance
from maskrcnn_core.projects.store import Store
from maskrcnn_core.projects.team.presence import glance

__all__ = ["run_team"]

_APP = ROOT / "app.py"
_SIZE = (480, 640)
_EACH = 10  # instances of an image
_SHARE = 0.10  # of one core, that the pages may take while nobody does anything
_SEEN = 2.0  # seconds
_LATE = 0.95  # quantile
_SETTLE = 4.0  # seconds until all know of each other
_PATIENCE = 20.0  # seconds
_EVERY = 1.0  # seconds between two decisions


@dataclass
class Reviewer(Visitor):
    """One open Review page.

    Attributes:
        drawn_at: when runs of the page, or of a part of it, have ended.
    """

    drawn_at: list[float] = field(default_factory=list)

    async def review(self, project_id: int, image_id: int) -> None:
        """Opens the page at an image, and returns once it is drawn."""
        await self._connect()
        message = BackMsg()
        message.rerun_script.query_string = f"project={project_id}&image={image_id}"
        message.rerun_script.page_name = "review"
        await self._rerun(message)
        await self._until(lambda: self.runs > 0)

    def _take(self, message: ForwardMsg, kind: str) -> None:
        super()._take(message, kind)
        if kind == "script_finished":
            self.drawn_at.append(time.monotonic())


def run_team(quick: bool) -> Report:
    """See the module."""
    people, measured = (3, 3.0) if quick else (20, 20.0)
    with tempfile.TemporaryDirectory(prefix="maskdesk-benchmark-") as folder:
        store = Store(StorePlace.in_folder(Path(folder)))
        project, images = _make_project(store, people)
        environment = {
            **dict.fromkeys((DATA_VARIABLE, "MASKDESK_WEIGHTS", "TORCH_HOME"), folder),
            DATABASE_VARIABLE: "",
        }
        with serve(_APP, environment) as address:
            outcome = asyncio.run(_measure(address, store, project, images, measured))
        store.close()
    alone, resting, deciding, waits, missed, there = outcome
    at_once = f"{people} open Review pages"
    rows = (
        ("no page open", f"{alone:.1%} of a core", NOT_MEASURED),
        (f"{at_once}, nobody does anything", f"{resting:.1%} of a core", NOT_MEASURED),
        (
            f"{at_once}, one decision each second",
            f"{deciding:.1%} of a core",
            seconds(float(np.quantile(waits, _LATE))) if waits else NOT_MEASURED,
        ),
    )
    claims = [
        Claim(f"all {people} are seen by all", there == people, "equality"),
        Claim("every decision was drawn on the page that shows its image", missed == 0, "equality"),
    ]
    if not quick:
        share = f"{at_once} cost at most {_SHARE:.0%} of a core while nobody does anything"
        claims.append(Claim(share, resting - alone <= _SHARE, "cost"))
        soon = f"{_LATE:.0%} of the decisions are drawn on others' pages within {_SEEN:.0f} s"
        claims.append(Claim(soon, bool(waits) and float(np.quantile(waits, _LATE)) <= _SEEN, "cost"))
    columns = ("Review pages", "CPU of the server", "a decision drawn on another's page, p95")
    note = (
        "Each page shows an image of its own. A decision is drawn on its page, and on those that have the "
        "image ready as one of their next."
    )
    return Report(columns, rows, tuple(claims), (note,))


async def _measure(
    address: str, store: Store, project: int, images: list[int], measured: float
) -> tuple[float, float, float, list[float], int, int]:
    """Returns shares of a core, seconds that each decision took, those missed, and how many are seen."""
    await asyncio.sleep(_SETTLE)
    alone = await _share(measured)
    people = [Reviewer(address) for _ in images]
    for person, image in zip(people, images, strict=True):
        await person.review(project, image)
    await asyncio.sleep(_SETTLE)
    there = len(glance(store, project, 0).visitors)
    resting = await _share(measured)
    deciding = asyncio.create_task(_share(measured))
    waits, missed = [], 0
    while not deciding.done():
        for person, image in zip(people, images, strict=True):
            if deciding.done():
                break
            wait = await _decide(store, project, image, person)
            missed += wait is None
            waits += [] if wait is None else [wait]
            await asyncio.sleep(max(_EVERY - (wait or 0), 0))
    share = await deciding
    await asyncio.gather(*(person.close() for person in people))
    return alone, resting, share, waits, missed, there


async def _decide(store: Store, project: int, image: int, person: Reviewer) -> float | None:
    """Decides on an image, and returns the seconds until its page was drawn; ``None`` if it never was."""
    row = store.instances(project, image_id=image)[0]
    status = "rejected" if row.status == "accepted" else "accepted"
    change = Change("instance", row.id, row.version, {"status": status})
    await asyncio.to_thread(store.decide, project, "Eve", "accept", [change], image_id=image)
    began = time.monotonic()
    while time.monotonic() - began < _PATIENCE:
        if person.drawn_at and person.drawn_at[-1] > began:
            return person.drawn_at[-1] - began
        await asyncio.sleep(0.01)
    return None


async def _share(measured: float) -> float:
    before, began = _cpu(), time.monotonic()
    await asyncio.sleep(measured)
    return (_cpu() - before) / (time.monotonic() - began)


def _cpu() -> float:
    server = next(child for child in psutil.Process().children() if str(_APP) in child.cmdline())
    times = server.cpu_times()
    return float(times.user + times.system)


def _make_project(store: Store, images: int) -> tuple[int, list[int]]:
    project = store.create_project("Team", "Eve", categories=[Category(1, "disc")]).id
    generator = np.random.default_rng(0)
    pictures = [generator.integers(0, 255, (*_SIZE, 3), dtype=np.uint8) for _ in range(images)]
    news = [
        new_image(n, f"{n}.jpg", _SIZE, store.blobs.put(encode_jpeg(picture)))
        for n, picture in enumerate(pictures, start=1)
    ]
    store.decide(project, "Eve", "add images", news)
    (category,) = store.categories(project)
    rows, columns = np.mgrid[: _SIZE[0], : _SIZE[1]]
    masks = [
        Rle.from_mask((rows - 60 - 35 * k) ** 2 + (columns - 60 - 50 * k) ** 2 < 30**2) for k in range(_EACH)
    ]
    ids = [image.id for image in store.images(project)]
    instances = [
        new_instance(image, category.id, _EACH * image + k, mask, source="shapes", score=0.9)
        for image in ids
        for k, mask in enumerate(masks)
    ]
    store.decide(project, "Eve", "propose", instances)
    return project, ids
