"""Annotates the images of a request, each by itself: one that fails says why, and the others go on."""

from __future__ import annotations

import asyncio
import io
import json
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, BinaryIO, cast

from maskrcnn_core.batch.finding import description_of
from maskrcnn_core.common.one_line import counted, one_line, shortened
from maskrcnn_core.dataset.annotations import AnnotatedImage, ImageRecord, Instance, ids_from_names
from maskrcnn_core.detection.candidates import Detections, Thresholds
from maskrcnn_core.detection.limits import limit_note, resolution_note
from maskrcnn_core.detection.runs import Failure, Run
from maskrcnn_core.errors import CoreError, ImageError
from maskrcnn_core.formats import format_by_key
from maskrcnn_core.formats.base import Export, Member, write_zip
from maskrcnn_core.service.asking import AnnotateOptions, Asked
from maskrcnn_core.service.desk import Desk
from maskrcnn_core.service.fetching import fetch_into
from maskrcnn_core.service.pictures import Picture
from maskrcnn_core.service.settings import AllowedHosts, Limits
from maskrcnn_core.service.work import Threads

if TYPE_CHECKING:
    from maskrcnn_core.inference.predictor import Predictor

__all__ = ["REPORT", "Annotated", "Annotator", "Turn"]

REPORT = "report.json"
"""The member of a zip that says what became of each image."""

_IN_MEMORY = 2**22  # bytes of an answer; a larger one goes to the disk
_SHOWN = 200

_Seen = tuple[Run, Detections]


class Turn:
    """One image's turn; ``reason`` says why it failed."""

    def __init__(self, id_: int, picture: Picture, url: str = "") -> None:
        self.id, self.picture, self.url = id_, picture, url
        self.record: ImageRecord | None = None
        self.reason = ""
        self.is_own_fault = True
        self.notes: list[str] = []
        self.instances: tuple[Instance, ...] = ()

    @property
    def shown(self) -> str:
        """What the image is called in sentences."""
        return one_line(shortened(self.url or self.picture.name, _SHOWN))

    def open(self, limits: Limits) -> None:
        """Decode the image, or say why that cannot be."""
        try:
            self.record = self.picture.open(self.id, limits)
        except ImageError as error:
            self.fail(str(error))
        self.notes += self.picture.notes

    def fail(self, reason: str, *, is_own_fault: bool = True) -> None:
        """Say why there is no result."""
        self.record, self.is_own_fault = None, is_own_fault
        self.reason = reason if reason.startswith(f"{self.shown}: ") else f"{self.shown}: {reason}"

    def report(self) -> dict[str, object]:
        """Return what became of the image."""
        status = "failed" if self.record is None else "annotated" if self.instances else "empty"
        facts: dict[str, object] = {"id": self.id, "file_name": one_line(self.picture.name), "status": status}
        if self.record is None:
            return facts | {"error": self.reason, "notes": self.notes}
        size = {"width": self.record.width, "height": self.record.height}
        return facts | size | {"instances": len(self.instances), "notes": self.notes}


@dataclass(frozen=True)
class Annotated:
    """An answer.

    Args:
        file: its bytes, from the beginning; ``None`` if no image could be annotated.
        mime: of them.
        reports: what became of each image.
        error: why none could be annotated; empty otherwise.
        is_own_fault: of whoever asked, and not the server's.
    """

    file: BinaryIO | None
    mime: str
    reports: list[dict[str, object]]
    error: str = ""
    is_own_fault: bool = True


class Annotator:
    """Annotates for requests.

    Args:
        desk: models and queue.
        threads: for what is not the network's.
        allowed: hosts of addresses.
        limits: how much is taken on.
    """

    def __init__(self, desk: Desk, threads: Threads, allowed: AllowedHosts, limits: Limits) -> None:
        self._desk, self._threads, self._allowed, self._limits = desk, threads, allowed, limits

    async def annotate(self, asked: Asked, options: AnnotateOptions) -> Annotated:
        """Return what a request gets.

        Raises:
            InputError: for values that do not suit the model.
            Refused: if too many are waiting, or there is no such model.
        """
        predictor = await self._threads.work(partial(self._desk.predictor, options.model))
        thresholds = options.thresholds(predictor.model)
        names = [picture.name for picture in asked.pictures]
        ids = ids_from_names(names) or range(1, len(names) + 1)
        urls = asked.urls or [""] * len(names)
        turns = [Turn(*one) for one in zip(ids, asked.pictures, urls, strict=True)]
        await asyncio.gather(*(self.open(turn) for turn in turns))
        open_ = [turn for turn in turns if turn.record is not None]
        looks = [partial(_look, predictor, turn.picture, thresholds) for turn in open_]
        outcomes = await self._desk.run(predictor, looks) if looks else []
        stop = threading.Event()
        try:
            return await self._threads.work(
                partial(_compose, turns, list(zip(open_, outcomes, strict=True)), predictor, options, stop)
            )
        finally:
            stop.set()  # who has gone needs no more files

    async def open(self, turn: Turn) -> None:
        """Fetch an image if it has an address, and decode it."""
        if turn.url:
            job = partial(fetch_into, turn.picture.file, turn.url, self._allowed, self._limits)
            try:
                await self._threads.fetch(job)
            except ImageError as error:
                turn.fail(str(error))
                return
        await self._threads.work(partial(turn.open, self._limits))


def _look(predictor: Predictor, picture: Picture, thresholds: Thresholds) -> _Seen | Failure:
    """Do all that the network does for an image, in its turn: a closer look, too, where the model has one."""
    try:
        pixels = picture.pixels()
        (outcome,) = predictor.run([pixels], thresholds)
        if isinstance(outcome, Failure):
            return outcome
        return outcome, predictor.detections(outcome, thresholds, pixels)
    except CoreError as error:
        return Failure(str(error))


def _compose(
    turns: Sequence[Turn],
    outcomes: Sequence[tuple[Turn, _Seen | Failure | None]],
    predictor: Predictor,
    options: AnnotateOptions,
    stop: threading.Event,
) -> Annotated:
    thresholds = options.thresholds(predictor.model)
    for turn, outcome in outcomes:
        _take(turn, outcome, predictor, thresholds)
    failed = [turn for turn in turns if turn.record is None]
    reports = [turn.report() for turn in turns]
    if len(failed) == len(turns):
        rest = f" (and {counted(len(failed) - 1, 'image')} more)" if len(failed) > 1 else ""
        is_own_fault = all(turn.is_own_fault for turn in failed)
        return Annotated(None, "", reports, failed[0].reason + rest, is_own_fault)
    export = Export(
        tuple(
            AnnotatedImage(turn.record, turn.instances, turn.picture.pixels)
            for turn in turns
            if turn.record is not None
        ),
        predictor.model.label_map.categories,
        description=description_of(thresholds, predictor),
        tolerance=options.simplify,
    )
    head: dict[str, object] = {"model": predictor.model.key, "format": options.format, "images": reports}
    return _written(export, head, stop)


def _take(turn: Turn, outcome: _Seen | Failure | None, predictor: Predictor, thresholds: Thresholds) -> None:
    """Turn what the network said of an image into its instances."""
    if outcome is None or isinstance(outcome, Failure):
        reason = "the server could not look at it; its log says why" if outcome is None else outcome.reason
        turn.fail(reason, is_own_fault=outcome is not None and outcome.is_final)
        return
    run, detections = outcome
    turn.instances = Instance.from_detections(
        detections, predictor.model.label_map, turn.id, thresholds.mask_threshold
    )
    notes = (*run.notes, limit_note(run, thresholds), resolution_note(run))
    turn.notes += [note for note in notes if note]


def _written(export: Export, head: dict[str, object], stop: threading.Event) -> Annotated:
    """Write JSON into the answer's JSON, and all else into a zip."""
    reports = cast("list[dict[str, object]]", head["images"])
    row = format_by_key(str(head["format"]))

    def checked(_: Member) -> None:
        if stop.is_set():
            raise CoreError("nobody waits for it any more")

    if row.mime == "application/json" and not row.per_image:
        member = next(row.members(export))
        if member.note:
            head = head | {"notes": [member.note]}
        start = json.dumps(head, ensure_ascii=False).encode()[:-1]
        return Annotated(io.BytesIO(start + b', "result": ' + member.data + b"}"), row.mime, reports)
    file = cast("BinaryIO", tempfile.SpooledTemporaryFile(_IN_MEMORY))  # noqa: SIM115  # its reader closes it
    try:
        report = Member(REPORT, json.dumps(head, ensure_ascii=False, indent=1).encode())
        write_zip((member for part in ([report], row.members(export)) for member in part), file, checked)
    except BaseException:
        file.close()
        raise
    file.seek(0)
    return Annotated(file, "application/zip", reports)
