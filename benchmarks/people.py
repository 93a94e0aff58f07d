"""Several people at once: how long each waits for the first masks, and what waiting costs the server.

The server is a real one with the real page, and the model in the box; people are `Visitor`s. CPU time is the
server's own, as the system counts it, so that other work on the machine matters little to it.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import psutil

from benchmarks.browser import ROOT, serve
from benchmarks.report import NOT_MEASURED, Claim, Report, megabytes, seconds
from benchmarks.visitors import Visitor
from maskrcnn_core.images.reading import encode_png
from maskrcnn_core.synthetic.scenes import draw_scene

__all__ = ["open_server", "run_people", "watch_health"]

_APP = ROOT / "benchmarks" / "people_app.py"
_SEED = 300_000
_HEALTH_EVERY = 0.1  # seconds
_LATE = 0.95  # quantile
_WAITING_SHARE = 0.10  # of one core, that 20 waiting sessions may take
_PATIENCE = 120.0  # seconds
_SETTLE = 2.0  # seconds until those that wait know about how long
_LEAST = 2.0  # seconds of health checks
_LET_GO = 4.0  # seconds after which a session that was left may be gone, as `people_app` has it
_HOLD, _QUICK_HOLD = 3.0, 2.0  # seconds that the network takes where waiting is measured
_LEFT = 150e6  # bytes
_ALIVE = "alive.txt"
_ROUNDS_JUDGED = 4  # a quick run's two say nothing of the process's size


def run_people(quick: bool) -> Report:
    """See the module."""
    claims: list[Claim] = []
    count = 3 if quick else 20
    # One server does for a quick run, with a stand-in for the network.
    with open_server(_QUICK_HOLD if quick else 0) as (address, folder):
        asyncio.run(_group(address, 1, 0))  # loads the model
        rows = [_together(address, people, claims) for people in ((1, 2) if quick else (1, 5, 20))]
        rows.append(_come_and_go(address, folder, claims, *((2, 2, 2) if quick else (4, 5, 10))))
        if quick:
            share, intervals = asyncio.run(_waiting(address, count, 1.0))
    if not quick:
        with open_server(_HOLD) as (address, _):
            share, intervals = asyncio.run(_waiting(address, count, 20.0))
    rows.append((f"{count} that wait", *3 * [NOT_MEASURED], f"{share:.1%} of a core", NOT_MEASURED))
    further_back = max(intervals) > min(intervals)
    claims.append(Claim("people further back in the queue look less often", further_back, "equality"))
    if not quick:
        words = f"{count} sessions that wait take at most {_WAITING_SHARE:.0%} of a core"
        claims.append(Claim(words, share <= _WAITING_SHARE, "cost"))
    looks = f"Those that wait look every {min(intervals):.1f} to {max(intervals):.1f} s."
    columns = (
        "people",
        "first masks, p95",
        "health check, p95",
        "longest",
        "CPU of the server",
        "memory kept",
    )
    return Report(columns, tuple(rows), tuple(claims), (looks,))


def _together(address: str, count: int, claims: list[Claim]) -> tuple[str, ...]:
    waits, health, cpu = asyncio.run(_group(address, count, 1000 * count))
    claims.append(Claim(f"{count} of {count} got their masks", len(waits) == count, "equality"))
    return (
        f"{count} at once with a photo each",
        seconds(float(np.quantile(waits, _LATE))),
        seconds(float(np.quantile(health, _LATE))),
        seconds(max(health)),
        f"{seconds(cpu / count)} each",
        NOT_MEASURED,
    )


async def _group(address: str, count: int, first: int) -> tuple[list[float], list[float], float]:
    """People who open the page, and then hand in a photo each at the same time.

    Returns:
        Seconds from the photo to its masks for each who got them, seconds that each health check took, and
        CPU seconds of the server.
    """
    people = [Visitor(address) for _ in range(count)]
    await asyncio.gather(*(person.open() for person in people))
    before, began = _cpu(), time.perf_counter()
    health: list[float] = []
    watch = asyncio.create_task(watch_health(address, health))
    photos = [await asyncio.to_thread(_photo, first + n) for n in range(count)]

    async def wait(person: Visitor, photo: bytes) -> float:
        began = time.perf_counter()
        await person.upload({"photo.png": photo})
        return await person.masks() - began

    outcomes = await asyncio.gather(
        *(asyncio.wait_for(wait(*each), _PATIENCE) for each in zip(people, photos, strict=True)),
        return_exceptions=True,
    )
    await asyncio.sleep(max(_LEAST - (time.perf_counter() - began), 0))  # some health checks, too
    watch.cancel()
    cpu = _cpu() - before
    await asyncio.gather(*(person.close() for person in people))
    for outcome in outcomes:
        if isinstance(outcome, BaseException) and not isinstance(outcome, TimeoutError):
            raise outcome
    return [outcome for outcome in outcomes if isinstance(outcome, float)], health, cpu


async def watch_health(address: str, taken: list[float]) -> None:
    """Asks for the server's health again and again, and notes how many seconds each answer took."""

    def check() -> float:
        began = time.perf_counter()
        with urllib.request.urlopen(f"{address}/_stcore/health", timeout=60):
            return time.perf_counter() - began

    while True:
        taken.append(await asyncio.to_thread(check))
        await asyncio.sleep(_HEALTH_EVERY)


async def _waiting(address: str, count: int, measured: float) -> tuple[float, list[float]]:
    """The share of a core that the server takes while all wait, and at what intervals they look."""
    people = [Visitor(address) for _ in range(count)]
    await asyncio.gather(*(person.open() for person in people))
    for number, person in enumerate(people):
        await person.upload({f"{k}.png": _photo(100 * number + k) for k in range(3)})
    await asyncio.gather(*(person.waits() for person in people))
    await asyncio.sleep(_SETTLE)
    before, began = _cpu(), time.perf_counter()
    await asyncio.sleep(measured)
    share = (_cpu() - before) / (time.perf_counter() - began)
    intervals = [interval for person in people for interval in person.intervals.values()]
    await asyncio.gather(*(person.close() for person in people))
    return share, intervals


def _come_and_go(
    address: str, folder: Path, claims: list[Claim], rounds: int, people: int, images: int
) -> tuple[str, ...]:
    """Memory that is kept once all have gone, after the first round and after the last."""

    async def come_and_go(start: int) -> None:
        group = [Visitor(address) for _ in range(people)]
        await asyncio.gather(*(person.open() for person in group))
        for n, person in enumerate(group):
            photos = {f"{k}.png": _photo(start + images * n + k) for k in range(images)}
            await person.upload(photos)
        await asyncio.gather(*(asyncio.wait_for(person.masks(), _PATIENCE) for person in group))
        await asyncio.gather(*(person.close() for person in group))

    memory, left = [], 0
    for turn in range(rounds):
        asyncio.run(come_and_go(100_000 + turn * people * images))
        left = _sessions_left(folder)
        time.sleep(_LET_GO)  # what was freed is given back at the next look
        memory.append(_server_process().memory_info().rss)
    kept = memory[-1] - memory[0]
    visits, photos = rounds * people, rounds * people * images
    row = f"{visits} come and go, {images} photos each", *4 * [NOT_MEASURED], megabytes(max(kept, 0))
    claims.append(Claim("ended sessions leave nothing in memory", left == 0, "equality"))
    if rounds < _ROUNDS_JUDGED:
        return row
    words = f"{photos} photos of {visits} sessions leave less than {_LEFT / 1e6:.0f} MB behind"
    claims.append(Claim(words, kept < _LEFT, "cost"))
    return row


def _sessions_left(folder: Path) -> int:
    """How many sessions are in the server's memory though all have gone, after some patience."""
    end = time.monotonic() + 10 * _LET_GO
    time.sleep(_LET_GO)
    while (left := int((folder / _ALIVE).read_text("utf-8") or -1)) != 0 and time.monotonic() < end:
        time.sleep(0.5)
    return left


def _photo(number: int) -> bytes:
    return encode_png(draw_scene(_SEED + number).pixels)


def _server_process() -> psutil.Process:
    return next(child for child in psutil.Process().children() if str(_APP) in child.cmdline())


def _cpu() -> float:
    times = _server_process().cpu_times()
    return float(times.user + times.system)


@contextmanager
def open_server(hold: float = 0, weights: Path | None = None) -> Iterator[tuple[str, Path]]:
    """A server of the app.

    Args:
        hold: seconds that a stand-in for the network takes; 0 for the default model itself.
        weights: folder of models that are ready; none but those in the box without it.

    Returns:
        Its address, and its folder.
    """
    with tempfile.TemporaryDirectory(prefix="maskdesk-benchmark-") as folder:
        environment = {
            **dict.fromkeys(("MASKDESK_WEIGHTS", "MASKDESK_DATA", "TORCH_HOME"), folder),
            **({"MASKDESK_WEIGHTS": str(weights)} if weights else {}),
            "MASKDESK_DATABASE": "",
            "MASKDESK_BENCHMARK_HOLD": str(hold),
            "MASKDESK_BENCHMARK_ALIVE": str(Path(folder) / _ALIVE),
            "STREAMLIT_SERVER_ENABLE_XSRF_PROTECTION": "false",  # a visitor keeps no cookies
        }
        with serve(_APP, environment) as address:
            yield address, Path(folder)
