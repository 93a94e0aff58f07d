"""Another threshold, answered from the table of candidates, beside another run of the network."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from benchmarks.report import NOT_MEASURED, Claim, Report, seconds, times
from benchmarks.scenes import candidates_of, mobile, photo, random_resnet50
from benchmarks.stock import run_stock
from benchmarks.timing import median_seconds
from maskrcnn_core.detection.candidates import SCORE_FLOOR, Candidates, Thresholds
from maskrcnn_core.inference.predictor import Failure, Predictor, Run
from maskrcnn_core.models.spec import LoadedModel

__all__ = ["run_thresholds"]

_SWEEP = tuple(
    Thresholds(score, nms, limit)
    for score in (SCORE_FLOOR, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9)
    for nms in (0.3, 0.5, 0.7)
    for limit in (20, 100)
)
_CHECKED = (Thresholds(SCORE_FLOOR), Thresholds(0.3, 0.3), Thresholds(0.6, 0.7, 20))


def run_thresholds(quick: bool) -> Report:
    """Sweeps the thresholds over a drawn table and over those of real runs."""
    drawn = candidates_of(60 if quick else 1500)
    select = _median_select(drawn, quick)
    rows = [("a drawn, crowded table", f"{len(drawn):,}", *_times(select), *[NOT_MEASURED] * 4)]
    claims = []
    if not quick:
        for where, taken in (("on average", select[0]), ("at the lowest score", select[SCORE_FLOOR])):
            text = f"1,500 candidates: a threshold change takes less than 1 ms {where}"
            claims.append(Claim(text, taken < 1e-3, "cost"))
    image, what = photo(0.03 if quick else 2)
    notes = [
        f"A threshold change: `Candidates.select`, the mean over {len(_SWEEP)} settings of score, NMS and "
        "limit; at the lowest score all candidates take part. With masks: the detections at score 0.5 and "
        "their pasted masks.",
        f"The image: {image.shape[1]} x {image.shape[0]}, {what}. Checked against fresh runs of torchvision "
        f"with {len(_CHECKED)} settings: boxes, labels, scores.",
    ]
    if mobile() is None:
        notes.append("The model `mobile` is left out: its weights are not on this machine.")
    for model in _models(quick):
        row, claim = _of_model(model, image, quick)
        rows.append(row)
        claims.append(claim)
    columns = (
        "candidates of",
        "rows",
        "a threshold change",
        "at the lowest score",
        "with masks",
        "the network again",
        "ratio",
        "equal to a fresh run",
    )
    return Report(columns, tuple(rows), tuple(claims), tuple(notes))


def _models(quick: bool) -> list[LoadedModel]:
    resnet50 = random_resnet50(96, 144) if quick else random_resnet50()
    published = mobile()
    return [resnet50] if published is None else [published, resnet50]


def _of_model(model: LoadedModel, image: npt.NDArray[np.uint8], quick: bool) -> tuple[tuple[str, ...], Claim]:
    predictor = Predictor(model, "cpu")
    run = _run(predictor, image)
    equal = sum(_equals_fresh_run(predictor, run, model, image, thresholds) for thresholds in _CHECKED)
    select = _median_select(run.candidates, quick)

    def paste() -> object:
        return predictor.detections(run, Thresholds()).masks()

    paste()
    taken = median_seconds({"masks": paste, "again": lambda: _run(predictor, image)}, 1 if quick else 2)
    row = (
        model.title,
        f"{len(run.candidates):,}",
        *_times(select),
        seconds(taken["masks"]),
        seconds(taken["again"]),
        times(taken["again"], select[0]),
        f"{equal} of {len(_CHECKED)}",
    )
    claim = f"{model.title}: the table gives what a fresh run of torchvision gives"
    return row, Claim(claim, equal == len(_CHECKED), "equality")


def _run(predictor: Predictor, image: npt.NDArray[np.uint8]) -> Run:
    (outcome,) = predictor.run([image])
    if isinstance(outcome, Failure):
        raise RuntimeError(outcome.reason)
    return outcome


def _equals_fresh_run(
    predictor: Predictor,
    run: Run,
    model: LoadedModel,
    image: npt.NDArray[np.uint8],
    thresholds: Thresholds,
) -> bool:
    ours, fresh = predictor.detections(run, thresholds), run_stock(model.network, image, thresholds)
    return (
        np.array_equal(ours.boxes, fresh["boxes"].numpy())
        and np.array_equal(ours.labels, fresh["labels"].numpy())
        and np.array_equal(ours.scores, fresh["scores"].numpy())
    )


def _median_select(candidates: Candidates, quick: bool) -> dict[float, float]:
    """Seconds of one :meth:`Candidates.select`: under 0 over the whole sweep, under the floor at it."""

    def timed(settings: tuple[Thresholds, ...]) -> Callable[[], object]:
        return lambda: [candidates.select(thresholds) for thresholds in settings]

    lowest = tuple(t for t in _SWEEP if t.score_threshold == SCORE_FLOOR)
    sweeps = {"all": timed(_SWEEP), "lowest": timed(lowest)}
    for sweep in sweeps.values():
        sweep()
    taken = median_seconds(sweeps, 1 if quick else 3)
    return {0: taken["all"] / len(_SWEEP), SCORE_FLOOR: taken["lowest"] / len(lowest)}


def _times(select: dict[float, float]) -> tuple[str, str]:
    return seconds(select[0]), seconds(select[SCORE_FLOOR])
