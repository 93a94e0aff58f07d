"""A server that many share: the last of twenty answers, a page opened meanwhile, and turns in the queue.

The server is that of `people` with the default model; people are `Visitor`s. What the network takes by itself
is measured before, in a process of its own, while the server has nothing to do.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, count
from pathlib import Path
from unittest.mock import patch

import numpy as np
import numpy.typing as npt

from benchmarks.browser import ROOT
from benchmarks.people import open_server, watch_health
from benchmarks.report import NOT_MEASURED, Claim, Report, seconds, times
from benchmarks.scenes import shared_file
from benchmarks.visitors import Visitor
from maskrcnn_core.images.reading import decode_image, encode_jpeg
from maskrcnn_core.inference.predictor import Predictor, Run
from maskrcnn_core.models.catalog import default_model
from maskrcnn_core.models.loading import get_model
from maskrcnn_core.synthetic.scenes import draw_scene

__all__ = ["run_sharing"]

_SEED = 400_000
_WEIGHTS = shared_file("weights")
_PATIENCE = 300.0  # seconds
_TRIED = 500  # pictures on which a model may find nothing
_PAGE, _HEALTH = 3.0, 0.5  # seconds
_LAST = 1.5  # times what one run over the same photos takes
_NOW_AND_THEN = 0.5  # seconds
_TURNS = 2  # photos of another that one may wait for


@dataclass(frozen=True)
class _Meeting:
    """What twenty at once had to wait for: seconds."""

    waits: tuple[float, ...]
    pages: tuple[float, ...]
    health: tuple[float, ...]


def run_sharing(quick: bool) -> Report:
    """See the module."""
    # Processes that are started here take the same model as the server.
    with patch.dict(os.environ, {"MASKDESK_WEIGHTS": str(_WEIGHTS)} if _WEIGHTS else {}):
        return _share(*((3, 6) if quick else (20, 150)), quick)


def _share(people: int, many: int, quick: bool) -> Report:
    model = default_model().key
    photos = _photos(people + 2, many, model)
    alone = _in_one_run(photos[:people], model)
    run = _annotate(photos[:people], model)
    with open_server(weights=_WEIGHTS) as (address, _):
        asyncio.run(_one_photo(address, photos[people + 1]))  # loads the model
        asyncio.run(_one_photo(address, photos[people]))
        session = asyncio.run(_one_session(address, photos[:people]))
        met = asyncio.run(_meet(address, photos[:people]))
        single = asyncio.run(_one_photo(address, photos[people]))
        beside, before = asyncio.run(_beside(address, photos[people + 2 :], photos[people + 1]))
    last = max(met.waits)
    claims = [
        Claim(f"{people} of {people} got their masks", len(met.waits) == people, "equality"),
        Claim(f"one photo waits for {_TURNS} of another's {many}", before <= _TURNS, "equality"),
    ]
    if not quick:
        claims += [
            Claim(f"the last has them within {_LAST} times one run of annotate", last <= _LAST * run, "cost"),
            Claim(f"the last has them within {_LAST} times one session's", last <= _LAST * session, "cost"),
            Claim(f"a page opened meanwhile is there in {_PAGE:.0f} s", max(met.pages) < _PAGE, "cost"),
            Claim(f"health checks take less than {_HEALTH} s", max(met.health) < _HEALTH, "cost"),
        ]
    rows = (
        (f"the network alone on {people} photos, in a process of its own", seconds(alone), NOT_MEASURED),
        ("`annotate` on them, from start to exit", seconds(run), NOT_MEASURED),
        (f"one session that uploads all {people}", seconds(session), NOT_MEASURED),
        (f"{people} sessions with one of them each: the first", seconds(min(met.waits)), NOT_MEASURED),
        ("the last", seconds(last), f"{times(last, run)}, {times(last, session)}, {times(last, alone)}"),
        ("slowest page opened meanwhile", seconds(max(met.pages)), NOT_MEASURED),
        ("slowest health check meanwhile", seconds(max(met.health)), NOT_MEASURED),
        ("one photo, nobody else there", seconds(single), NOT_MEASURED),
        (f"one photo while another's {many} wait", seconds(beside), f"{before} go first"),
    )
    return Report(("what", "time", "compared"), rows, tuple(claims), (f"Model: `{model}`.",))


def _photos(found: int, more: int, model: str) -> list[bytes]:
    """Files, no two alike: photos where they can be had, else drawn scenes.

    Args:
        found: so many come first, in each of which the model finds something.
        more: any.
    """
    folder = shared_file("data", "coco_val2017", "images")
    files = sorted(folder.glob("*.jpg")) if folder else []
    drawn = (encode_jpeg(draw_scene(_SEED + n).pixels, quality=90) for n in count())
    every = chain((file.read_bytes() for file in files), drawn)
    predictor = Predictor(get_model(model))
    first: list[bytes] = []
    others: list[bytes] = []
    while len(first) < found or len(others) < more:
        if len(others) > more + _TRIED:
            raise RuntimeError(
                f"{model} finds nothing on {len(others)} of {len(others) + len(first)} pictures"
            )
        photo = next(every)
        is_found = len(first) < found and len(predictor.predict([_pixels(photo)])[0])
        (first if is_found else others).append(photo)
    return first + others[:more]


def _pixels(photo: bytes) -> npt.NDArray[np.uint8]:
    return decode_image(photo, "photo.jpg").pixels


def _in_one_run(photos: Sequence[bytes], model: str) -> float:
    """Seconds that decoding and the network take for the photos, one after another, with nothing beside."""
    job = json.dumps([photo.hex() for photo in photos])
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.sharing", model],
        input=job,
        cwd=ROOT,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return float(done.stdout.split()[-1])


def _annotate(photos: Sequence[bytes], model: str) -> float:
    """Seconds of the command, its start and its files included."""
    with tempfile.TemporaryDirectory(prefix="maskdesk-benchmark-") as folder:
        for number, photo in enumerate(photos):
            Path(folder, f"{number}.jpg").write_bytes(photo)
        command = ["-m", "maskrcnn_core", "annotate", folder, "--model", model, "--quiet"]
        began = time.perf_counter()
        subprocess.run([sys.executable, *command, "--out", f"{folder}/out"], cwd=ROOT, check=True)
        return time.perf_counter() - began


def _measure(photos: Sequence[bytes], model: str) -> float:
    predictor = Predictor(get_model(model))
    predictor.run([_pixels(photos[0])])
    began = time.perf_counter()
    for photo in photos:
        (outcome,) = predictor.run([_pixels(photo)])
        assert isinstance(outcome, Run)
    return time.perf_counter() - began


async def _one_photo(address: str, photo: bytes) -> float:
    """Seconds from handing in a photo to its masks, for a page that stands."""
    person = Visitor(address)
    await person.open()
    try:
        return await _answer(person, {"photo.jpg": photo})
    finally:
        await person.close()


async def _answer(person: Visitor, files: dict[str, bytes]) -> float:
    began = time.perf_counter()
    await person.upload(files)
    return await asyncio.wait_for(person.masks(), _PATIENCE) - began


async def _meet(address: str, photos: Sequence[bytes]) -> _Meeting:
    """All hand in a photo at the same time; meanwhile others open pages, and the server's health is asked."""
    people = [Visitor(address) for _ in photos]
    await asyncio.gather(*(person.open() for person in people))
    pages: list[float] = []
    health: list[float] = []
    watches = [
        asyncio.create_task(watch_health(address, health)),
        asyncio.create_task(_open_pages(address, pages)),
    ]
    waits = await asyncio.gather(
        *(_answer(person, {"photo.jpg": photo}) for person, photo in zip(people, photos, strict=True))
    )
    for watch in watches:
        watch.cancel()
    await asyncio.gather(*watches, return_exceptions=True)
    await asyncio.gather(*(person.close() for person in people))
    return _Meeting(tuple(waits), tuple(pages), tuple(health))


async def _one_session(address: str, photos: Sequence[bytes]) -> float:
    """Seconds from handing in all photos to the last answer."""
    person = Visitor(address)
    await person.open()
    began = time.perf_counter()
    await person.upload({f"{n}.jpg": photo for n, photo in enumerate(photos)})
    await asyncio.wait_for(person.masks(), _PATIENCE)
    await asyncio.wait_for(person.rests(), _PATIENCE)
    taken = time.perf_counter() - began
    await person.close()
    return taken


async def _open_pages(address: str, taken: list[float]) -> None:
    """Opens a page now and then, and notes how long each took to stand."""
    while True:
        await asyncio.sleep(_NOW_AND_THEN)
        person = Visitor(address)
        began = time.perf_counter()
        await person.open()
        taken.append(time.perf_counter() - began)
        await person.close()


async def _beside(address: str, many: Sequence[bytes], photo: bytes) -> tuple[float, int]:
    """What one photo takes whose page was open when another handed in many.

    Returns:
        Seconds, and how many the page said were before it.
    """
    greedy, person = Visitor(address), Visitor(address)
    await asyncio.gather(greedy.open(), person.open())
    await greedy.upload({f"{n}.jpg": each for n, each in enumerate(many)})
    await greedy.waits()
    waited = await _answer(person, {"photo.jpg": photo})
    await asyncio.gather(greedy.close(), person.close())
    return waited, max(person.places, default=0)


if __name__ == "__main__":
    print(_measure([bytes.fromhex(photo) for photo in json.loads(sys.stdin.read())], sys.argv[1]))
