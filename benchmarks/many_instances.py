"""Hundreds of instances on 12 megapixels: the page in a real browser, its table, and every export."""

from __future__ import annotations

import json
from collections.abc import Callable

from benchmarks.browser import Frames, Visit, measure_viewer
from benchmarks.crowd import CrowdPredictor, crowd_image, crowd_jpeg
from benchmarks.memory import peak_extra_bytes
from benchmarks.report import NOT_MEASURED, Claim, Report, megabytes, seconds
from benchmarks.timing import median_seconds
from maskrcnn_core.formats import FORMATS, Export, Format, format_by_key
from pages.annotate.image_panel import detection_table
from pages.shared.session import UiState

__all__ = ["run_many_instances"]

_COUNTS = (60, 100, 400)
_SIZE = (3000, 4000)
_TINY_COUNTS, _TINY_SIZE = (12,), (300, 400)
_FRAME = 6e-3  # seconds of script in a frame of 16.7 ms: raster and the rest of the page want theirs, too
_HEAVIEST = "masks"  # the format whose memory is measured: its array is [H, W, N]

_NO_BROWSER = (
    "**There is no Chromium on this machine, so nothing was measured in a browser.** `make browser` installs "
    "one; `MASKDESK_CHROMIUM` names one."
)
_WHAT = (
    "A drawn image with nucleus-like instances, all of them shown, on the real Annotate page with a stand-in "
    "for the model. Frames: the browser paints at most 60 a second. Script: the median (95th percentile) of "
    "the time the page's scripts take before a frame. Main thread: all its work for a frame, including the "
    "canvas raster. Table: its data with a segment of each instance, made and then kept. Exports: all that a "
    "format writes, with its checks, and how large that is."
)


def run_many_instances(quick: bool) -> Report:
    """Times the page where there is a browser, and table and exports everywhere."""
    counts, size = (_TINY_COUNTS, _TINY_SIZE) if quick else (_COUNTS, _SIZE)
    rows: list[tuple[str, ...]] = []
    claims: list[Claim] = []
    notes = [f"{size[1]} x {size[0]} pixels. {_WHAT}"]
    measured = measure_viewer(counts, size, frames=12 if quick else 150, visits=1 if quick else 3)
    if measured is None:
        notes.append(_NO_BROWSER)
    else:
        version, visits = measured
        notes.append(f"Headless Chromium {version} without a GPU.")
        rows += _browser_rows(visits)
        claims += _browser_claims(counts, visits, quick)
    core_rows, core_claims = _core(counts[-1], size, quick)
    blank = [NOT_MEASURED] * (len(counts) - 1)
    rows += [(what, *blank, cell) for what, cell in core_rows]
    columns = ("what", *(f"{count} instances" for count in counts))
    return Report(columns, tuple(rows), tuple(claims + core_claims), tuple(notes))


# --- in the browser ---------------------------------------------------------------------------------


def _browser_rows(visits: list[Visit]) -> list[tuple[str, ...]]:
    def row(what: str, cell: Callable[[Visit], str]) -> tuple[str, ...]:
        return (what, *(cell(visit) for visit in visits))

    rows = [
        row("page opened until the viewer is ready", lambda v: seconds(v.opened)),
        row("of which since the viewer is there", lambda v: seconds(v.mounted)),
    ]
    for name in visits[0].gestures:

        def gesture(what: str, cell: Callable[[Frames], str], name: str = name) -> tuple[str, ...]:
            return row(f"{name}: {what}", lambda v: cell(v.gestures[name]))

        rows += [
            gesture("frames a second", lambda f: f"{f.rate:.1f}"),
            gesture("script", lambda f: f"{seconds(f.script)} ({seconds(f.script_late)})"),
            gesture("main thread", lambda f: seconds(f.thread)),
        ]
    return [*rows, row("JavaScript's objects", lambda v: megabytes(v.heap))]


def _browser_claims(counts: tuple[int, ...], visits: list[Visit], quick: bool) -> list[Claim]:
    shown = all(visit.shown == count for visit, count in zip(visits, counts, strict=True))
    claims = [Claim("the viewer shows every instance", shown, "equality")]
    if not quick:
        gestures = visits[-1].gestures
        least = min(frames.rate for name, frames in gestures.items() if name.startswith("pan"))
        claims += [
            Claim(f"{counts[-1]} instances: panning reaches 57 frames a second", least >= 57, "cost"),
            Claim(
                f"{counts[-1]} instances: the script of a frame takes less than 6 ms (median)",
                max(frames.script for frames in gestures.values()) < _FRAME,
                "cost",
            ),
        ]
    return claims


# --- table and exports ------------------------------------------------------------------------------


def prepare(key: str, count: int, height: int, width: int) -> Callable[[], object]:
    """One export, ready to be measured; see :func:`benchmarks.memory.peak_extra_bytes`."""
    _write(format_by_key(key), _export(3, (30, 40)))
    export = _export(count, (height, width))
    return lambda: _write(format_by_key(key), export)


def _core(count: int, size: tuple[int, int], quick: bool) -> tuple[list[tuple[str, str]], list[Claim]]:
    export = _export(count, size)
    image = export.images[0]
    state = UiState()
    opened = state.workspace.images[state.workspace.add("crowd.jpg", crowd_jpeg(count, size)).added[0]]
    numbered = list(enumerate(image.instances, start=1))

    def make_table() -> int:
        state.cut_outs.clear()
        return keep_table()

    def keep_table() -> int:
        return len(detection_table(state, opened, numbered, export.names))

    taken = median_seconds({"made": make_table, "kept": keep_table}, 1 if quick else 3)
    rows = [
        ("the detection table's data, made", seconds(taken["made"])),
        ("the same again", seconds(taken["kept"])),
    ]
    small = _export(3, (30, 40))
    for row in FORMATS:
        sizes: list[int] = []
        _write(row, small)  # what is compiled once is no cost of an export
        once = median_seconds({row.key: lambda row=row, sizes=sizes: sizes.append(_write(row, export))}, 1)
        rows.append((f"export, {row.title}", f"{seconds(once[row.key])} ({megabytes(sizes[0])})"))
    document = json.loads(next(format_by_key("coco").members(export)).data)
    claims = [
        Claim("the table has a row for every instance", keep_table() == count, "equality"),
        Claim("COCO JSON holds every instance", len(document["annotations"]) == count, "equality"),
    ]
    if not quick:
        title = format_by_key(_HEAVIEST).title
        extra = peak_extra_bytes(prepare, _HEAVIEST, count, *size)
        rows.append((f"export, {title}: extra memory", megabytes(extra)))
        text = f"{title} of {count} instances, {size[0] * size[1] * count / 1e9:.1f} GB unpacked: "
        claims.append(Claim(text + "less than 200 MB of extra memory", extra < 200e6, "cost"))
    return rows, claims


def _export(count: int, size: tuple[int, int]) -> Export:
    return Export((crowd_image(count, size),), CrowdPredictor(count).model.label_map.categories)


def _write(row: Format, export: Export) -> int:
    """All of a format's files, one after another, as a download makes them; their bytes."""
    return sum(len(member.data) for member in row.members(export))
