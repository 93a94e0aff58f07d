"""The panel that compares the detections with what is known to be on the image."""

from __future__ import annotations

import math

import streamlit as st

from maskrcnn_core.common.one_line import counted
from maskrcnn_core.drawing.board import GREEN, GREY, RED
from maskrcnn_core.drawing.outlines import draw_outlines
from maskrcnn_core.drawing.palette import hex_color
from maskrcnn_core.errors import CoreError
from maskrcnn_core.evaluation.counting import Kind
from maskrcnn_core.evaluation.differences import Mark, marks_of, outlines_of
from maskrcnn_core.evaluation.image_scores import ImageScores, curve_of, score_image
from maskrcnn_core.evaluation.image_truth import ImageTruth, truths_in_file
from maskrcnn_core.evaluation.judging import Judgement
from maskrcnn_core.explain.against_truth import recall_of_proposals, told_precision, told_recall, told_scores
from maskrcnn_core.explain.misses import SAME
from maskrcnn_core.images.reading import encode_png
from maskrcnn_core.workspace import data_url
from pages.components.stage_view import Layer, StageMessage, stage_view
from pages.components.uploads import say_why_uploads_fail
from pages.explain.controls import choose_number, choose_one
from pages.explain.look import Look
from pages.explain.truth_charts import curve_figure, overlaps_figure
from pages.shared.texts import plain

__all__ = ["draw_truth"]

_DRAWN_SIDE = 1200  # pixels of the outlines' picture: they stay narrow on a small image
_FILL = 0.15
_KINDS: dict[str, Kind] = {"masks": "segm", "boxes": "bbox"}


def draw_truth(look: Look) -> None:
    """Draw what is right, missed and wrong, and what helps where nothing is known of the image."""
    truth = look.truth
    if truth is None:
        _draw_nothing_known(look)
        return
    left, right = st.columns([1, 2])
    with left:
        kind = _KINDS[choose_one(look.ui, "truth-kind", "Compare", list(_KINDS))]
    with right:
        chosen = choose_number(
            look.ui, "truth-iou", "IoU from which on a detection is right", 0.05, 0.95, SAME, 0.05
        )
    iou = round(chosen, 2)  # the browser's steps are not exact
    judgement = look.judge(truth, kind)
    comparison = judgement.comparison
    matches = comparison.at(iou)
    threshold = look.thresholds.score_threshold
    scores = score_image(comparison, matches, threshold)
    _draw_picture(look, judgement, marks_of(comparison, matches, judgement.names, threshold), kind, scores)
    _draw_numbers(look, truth, scores)
    st.plotly_chart(
        overlaps_figure(comparison, matches, judgement.names, threshold),
        key="explain-overlaps",
        width="stretch",
    )
    st.plotly_chart(
        curve_figure(curve_of(comparison, iou), iou, threshold),
        key="explain-precision",
        width="stretch",
    )
    recall = recall_of_proposals(look.trace, truth)
    told = [told_precision(scores), told_recall(recall), *judgement.sentences()]
    st.caption(plain(" ".join([f"Ground truth: {truth.source}.", *filter(None, told)])))
    if look.image.digest in look.ui.truths and truth.source != "as drawn":
        st.button("Forget this file", key="explain-truth-forget", on_click=_forget, args=(look,))


def _draw_picture(
    look: Look, judgement: Judgement, marks: list[Mark], kind: Kind, scores: ImageScores
) -> None:
    rows, columns = look.size
    layers = []
    if kind == "segm":
        scale = _DRAWN_SIDE / max(look.size)
        size = max(round(rows * scale), 1), max(round(columns * scale), 1)
        outlines = draw_outlines(outlines_of(judgement.comparison, marks, look.size), size, fill=_FILL)
        url = data_url(encode_png(outlines, compress_level=1), "image/png")
        layers.append(Layer("picture", url=url, box=(0, 0, columns, rows), smooth=True))
    else:
        # Objects are wider, and so seen where a detection fits them.
        for side, width in (("truth", 6), ("found", 2)):
            some = [mark for mark in reversed(marks) if mark.side == side]
            colors = tuple(hex_color(mark.color) for mark in some) or ("#ffffff",)
            layers.append(Layer("boxes", [mark.box for mark in some], colors, width=width))
    # From the best detection down, and objects last: so labels give way to those of better ones. Where masks
    # have outlines, boxes would only be in the way: a line of no length has a label all the same.
    told = [mark for mark in reversed(marks) if mark.is_told]
    layers.append(
        Layer(
            "lines",
            [(*mark.box[:2], *mark.box[:2]) for mark in told],
            tuple(hex_color(mark.color) for mark in told) or ("#ffffff",),
            labels=tuple(mark.text for mark in told),
        )
    )
    legend = [
        (GREEN, f"{counted(scores.truths, 'object')}, {scores.missed} missed"),
        (RED, f"{counted(scores.detections - scores.ignored, 'detection')}; score / IoU if right"),
    ]
    if scores.ignored or scores.crowds:
        legend.append((GREY, "ignored"))
    layers += [Layer("boxes", (), (hex_color(color),), title) for color, title in legend]
    stage_view(
        StageMessage(f"truth-{look.name}", look.url, look.size, told_scores(scores), tuple(layers)),
        key="explain-truth",
    )


def _draw_numbers(look: Look, truth: ImageTruth, scores: ImageScores) -> None:
    wrong = scores.wrong_category + scores.twice + scores.wrong
    recall = recall_of_proposals(look.trace, truth)
    columns = st.columns(4)
    columns[0].metric("objects", f"{scores.truths}")
    columns[1].metric("right", f"{scores.right}")
    columns[2].metric("missed", f"{scores.missed}")
    columns[3].metric(
        "wrong",
        f"{wrong}",
        help=f"{scores.wrong_category} on an object of another category, {scores.twice} on one that a better "
        f"detection has, {scores.wrong} on nothing that is known",
    )
    columns = st.columns(4)
    columns[0].metric("AP50", _share(scores.AP50), help="Whatever the score threshold")
    columns[1].metric("AP", _share(scores.AP), help="Mean over IoU .50, .55 ... .95")
    columns[2].metric(
        "proposals' recall", _share(recall.at50), help="Objects that a region of interest overlaps by IoU .50"
    )
    columns[3].metric("its mean", _share(recall.mean), help="Over IoU .50, .55 ... .95")
    st.caption(plain(told_scores(scores)))


def _share(share: float) -> str:
    return "-" if math.isnan(share) else f"{share:.3f}"


def _draw_nothing_known(look: Look) -> None:
    st.info(
        "Nobody has said what is on this image. Open a project in which its instances are accepted (on the "
        "Review page), draw a scene with known objects, or give a COCO file that has this image.",
        icon=":material/rule:",
    )
    key = f"explain-truth-file-{look.ui.truth_round}"
    file = st.file_uploader(
        "COCO JSON with the objects of the open images", key=key, help="Images are found by their names."
    )
    say_why_uploads_fail("explain-truth-uploads")
    if look.ui.truth_refused:
        st.error(plain(look.ui.truth_refused), icon=":material/error:")
    if file is not None:
        with st.spinner("Reading the file ..."):
            _take_file(look, file.name, file.getvalue())
        look.ui.truth_round += 1  # another key is another widget: the server keeps no copy of the file
        st.rerun()


def _take_file(look: Look, name: str, data: bytes) -> None:
    """Keep what a file says of the open images."""
    images = list(look.state.workspace.images.values())
    try:
        truths = truths_in_file(data, name, [(one.name, (one.height, one.width)) for one in images])
    except CoreError as error:
        look.ui.truth_refused = f"{name}: {error}"
        return
    look.ui.truth_refused = ""
    look.ui.truths |= {images[index].digest: truth for index, truth in truths.items()}
    if look.image.digest not in look.ui.truths:
        look.ui.truth_refused = f"{name}: it has other open images, but not {look.image.name}"


def _forget(look: Look) -> None:
    look.ui.truths.pop(look.image.digest, None)
