"""All stages as a Jupyter notebook: the same words, and the very calls that lead from stage to stage.

It is written in nbformat 4 (https://nbformat.readthedocs.io), without outputs: whoever opens it runs it on a
picture of their own. Values that come from outside stand in one cell, each as Python's own literal, so that a
file's name can be nothing but a string.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from string import Template
from types import MappingProxyType

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from maskrcnn_core.detection.candidates import Thresholds
from maskrcnn_core.detection.conventions import ConventionKey
from maskrcnn_core.explain.glossary import GLOSSARY, PAPERS
from maskrcnn_core.explain.law_sentences import sentences_of
from maskrcnn_core.explain.stages import STAGES, Stage
from maskrcnn_core.images.formats import FORMATS_SAID
from maskrcnn_core.images.reading import Stretch
from maskrcnn_core.models.spec import Origin

__all__ = ["STAGE_CODE", "notebook"]

_INTRO = f"""# Mask R-CNN, explained on your own image

Every stage of the network, in order, with the same calls as MaskDesk.

1. Choose a kernel with MaskDesk installed, so that `maskrcnn_core` can be imported.
2. Set `IMAGE` below to one of your image files ({FORMATS_SAID}).
3. Run all cells. Nothing is fetched from the network; the model's weights must be on this computer."""

_SETUP = Template("""\
from pathlib import Path

import numpy as np
from IPython.display import Image, display

from maskrcnn_core.detection.candidates import Thresholds
from maskrcnn_core.evaluation.image_truth import read_image_truth
from maskrcnn_core.images.reading import encode_png, read_image
from maskrcnn_core.inference.predictor import Predictor
from maskrcnn_core.explain.tracing import trace_network
from maskrcnn_core.explain.stages import stage_by_key
from maskrcnn_core.explain.pictures import PICTURES
from maskrcnn_core.explain.traced_image import TracedImage
$model_import
image = read_image(IMAGE$stretch)
model = $model_call
predictor = Predictor(model, "cpu")  # two runs on a GPU may differ in the last bits
trace = trace_network(predictor, image.pixels, THRESHOLDS)
truth = None if TRUTH is None else read_image_truth(Path(TRUTH), (image.name, image.size))
traced = TracedImage(predictor, image.name, image.pixels, THRESHOLDS, trace, BOX, truth)


def show(key):
    for name, value in stage_by_key(key).facts(trace):
        print(f"{name}: {value}")
    for picture in PICTURES[key](traced):
        print(f"\\n{picture.title}. {picture.caption}")
        display(Image(encode_png(picture.pixels), alt=picture.title))


print(f"{model.title} on {image.name}, {image.size[1]} x {image.size[0]} pixels")""")

STAGE_CODE: Mapping[str, str] = MappingProxyType(
    {
        "input": """\
seen = trace.input
print(seen.values.shape, seen.values.dtype, "scaled by", round(seen.scale, 3))
show("input")""",
        "backbone": """\
for level in trace.backbone:
    print(level.name, level.module, level.pictures.shape, "strongest channels:", level.strongest[:5])
show("backbone")""",
        "pyramid": """\
for level in trace.pyramid:
    print(level.name, level.size, "silent channels:", len(level.silent))
show("pyramid")""",
        "anchors": """\
height, width = trace.input.input_size
for level in trace.anchors:
    row, column = level.cell_at(width / 2, height / 2)
    print(level.name, "anchors of cell", (row, column))
    print(level.boxes[row, column].round(1))
show("anchors")""",
        "proposals": """\
proposals = trace.proposals
best = np.argsort(-proposals.scores)[:5]
for row in best:
    print(proposals.scores[row].round(4), proposals.boxes[row].round(1), proposals.fates.of(row))
show("proposals")""",
        "iou": """\
from maskrcnn_core.geometry.boxes import box_ious

regions = trace.regions
if traced.subject is not None:
    ious = box_ious(regions.boxes, traced.subject.final_box[None])[:, 0]
    print(traced.subject.what, "- the greatest overlaps:", np.sort(ious)[::-1][:5].round(3))
show("iou")""",
        "roi-align": """\
from maskrcnn_core.explain.roi_crops import crop_region

if traced.subject is not None:
    crop = crop_region(predictor, trace, traced.subject.box, image.pixels)
    print("level", trace.pyramid[crop.level].name, "box in cells", crop.box.round(2))
    print("crop", crop.crop.shape, "from points", crop.points.shape)
show("roi-align")""",
        "box-head": """\
if traced.subject is not None:
    scores = regions.scores[traced.subject.region]
    for label in np.argsort(-scores)[:5].tolist():
        print(f"{scores[label]:.4f} {traced.name_of(label)}")
show("box-head")""",
        "suppression": """\
from maskrcnn_core.explain.fates import FATES, fates_of_candidates

fates = fates_of_candidates(trace.run.candidates, THRESHOLDS, model.label_map)
for fate in FATES:
    print(f"{fates.count(fate):6,} {fate}")
show("suppression")""",
        "mask": """\
detections = predictor.detections(trace.run, THRESHOLDS, image.pixels)
masks = detections.masks(THRESHOLDS.mask_threshold)
for label, score, mask in list(zip(detections.labels.tolist(), detections.scores, masks))[:5]:
    print(f"{traced.name_of(label)} {score:.2f}: {mask.area:,} pixels")
show("mask")""",
        "kinds": """\
from maskrcnn_core.dataset.annotations import Instance

instances = Instance.from_detections(detections, model.label_map, 1, THRESHOLDS.mask_threshold)
segment = np.zeros_like(image.pixels)
for instance in instances:
    inside = instance.mask.to_mask()
    segment[inside] = image.pixels[inside]
print(len(instances), "instances,", int((segment.any(axis=2)).sum()), "pixels that are not zero")
show("kinds")""",
        "truth": """\
from maskrcnn_core.evaluation.image_scores import score_image

if traced.judgement is not None:
    # the same detections as all others; AP has those of lower scores, too
    matches = traced.judgement.comparison.at(0.5)
    print(score_image(traced.judgement.comparison, matches, THRESHOLDS.score_threshold))
show("truth")""",
        "missed": """\
from maskrcnn_core.explain.misses import explain_box
from maskrcnn_core.explain.pictures.misses import example_of_a_miss

found = example_of_a_miss(traced)
if found is not None:
    # the same as asking yourself: set BOX above to a box around any object
    found = explain_box(trace, THRESHOLDS, model.label_map, found.box.tolist())
    print(found.verdict, "-", found.sentence, found.helps)
show("missed")""",
        "weights": """\
from maskrcnn_core.models.summary import summarise

for name, value in summarise(model).rows():
    print(f"{name}: {value}")
for part in trace.times:
    print(f"{part.seconds * 1000:8.1f} ms  {part.group}: {part.name}")
show("weights")""",
    }
)
"""By the key of the stage in :data:`~maskrcnn_core.explain.stages.STAGES`: what its cell runs."""

_LAST = """\
expected = predictor.predict([image.pixels], THRESHOLDS)[0]
for name in ("boxes", "labels", "scores", "mask_probs", "rows"):
    assert np.array_equal(getattr(traced.detections, name), getattr(expected, name)), name
print(f"The {len(expected)} detections are those of Predictor.predict, bit for bit.")"""


def notebook(
    model: str,
    image: str,
    thresholds: Thresholds,
    *,
    origin: Origin = "row",
    names: Sequence[str] = (),
    laws: ConventionKey = "torchvision",
    box: tuple[float, float, float, float] | None = None,
    stretch: Stretch = "auto",
    truth: str | None = None,
) -> bytes:
    """Return all stages as a notebook file (``.ipynb``); the same arguments give the same bytes.

    Args:
        model: a key of the model table, or the path of a weights file.
        image: the path of the image that it begins with; whoever runs it may change it.
        thresholds: as in the run that it shows.
        origin: how the model is loaded.
        names: of a checkpoint's categories, in the order of its labels.
        laws: by which the network was built, for the words.
        box: x1 y1 x2 y2 in pixels of the image around an object that one wonders about.
        stretch: as in :func:`~maskrcnn_core.images.reading.decode_image`.
        truth: the path of a COCO file that has the image's objects.
    """
    imported, call = _MODEL_CODE[origin]
    asked = "" if stretch == "auto" else f", stretch={stretch!r}"
    cells = [
        _words("about", _INTRO),
        _code(
            "settings",
            _settings(model, image, thresholds, names if origin == "checkpoint" else (), box, truth),
        ),
        _code("setup", _SETUP.substitute(model_import=imported, model_call=call, stretch=asked)),
    ]
    for number, stage in enumerate(STAGES, start=1):
        cells += [
            _words(f"{stage.key}-words", _sentences(number, stage, laws)),
            _code(stage.key, _run(stage)),
        ]
    cells += [
        _words("check-words", "## Is it the same?\n\nThe stages end with the app's own detections."),
        _code("check", _LAST),
        _words("glossary", _glossary()),
        _words("papers", _papers()),
    ]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    about = {"kernelspec": kernel, "language_info": {"name": "python"}}
    made = new_notebook(cells=cells, metadata=about)  # type: ignore[no-untyped-call]
    nbformat.validate(made)
    text: str = nbformat.writes(made)  # type: ignore[no-untyped-call]
    return f"{text}\n".encode()


def _settings(
    model: str,
    image: str,
    thresholds: Thresholds,
    names: Sequence[str],
    box: tuple[float, float, float, float] | None,
    truth: str | None,
) -> str:
    lines = [
        "from maskrcnn_core.detection.candidates import Thresholds",
        "",
        f"IMAGE = {image!r}  # one of your image files",
        f"MODEL = {model!r}",
    ]
    if names:
        lines += ["NAMES = [", *(f"    {name!r}," for name in names), "]"]
    labels = None if thresholds.labels is None else sorted(thresholds.labels)
    lines += [
        "THRESHOLDS = Thresholds(",
        f"    score_threshold={float(thresholds.score_threshold)!r},",
        f"    nms_threshold={float(thresholds.nms_threshold)!r},",
        f"    max_detections={int(thresholds.max_detections)!r},",
        f"    mask_threshold={float(thresholds.mask_threshold)!r},",
        f"    labels={None if labels is None else f'frozenset({[int(v) for v in labels]!r})'},",
        ")",
        f"BOX = {None if box is None else tuple(float(v) for v in box)!r}"
        "  # or (x1, y1, x2, y2) in pixels, around an object",
        f"TRUTH = {truth!r}  # or the path of a COCO file that has the image's objects",
    ]
    return "\n".join(lines)


_MODEL_CODE: dict[Origin, tuple[str, str]] = {
    "row": ("from maskrcnn_core.models.loading import get_model\n", "get_model(MODEL)"),
    "card": (
        "from maskrcnn_core.models.loading import load_trained_model\n",
        "load_trained_model(Path(MODEL))",
    ),
    "checkpoint": (
        "from maskrcnn_core.models.loading import load_custom_model\n",
        "load_custom_model(Path(MODEL), NAMES)",
    ),
}
"""The import and the call that load a model."""


def _run(stage: Stage) -> str:
    return STAGE_CODE.get(stage.key, f"show({stage.key!r})")


def _sentences(number: int, stage: Stage, laws: ConventionKey) -> str:
    lines = "\n".join(f"- {sentence}" for sentence in sentences_of(stage, laws))
    return f"## {number}. {stage.title}\n\n{lines}\n\n*Source: {stage.source}*"


def _glossary() -> str:
    return "\n".join(["## Glossary", "", *(f"- **{term}**: {meaning}" for term, meaning in GLOSSARY)])


def _papers() -> str:
    return "\n".join(["## Papers", "", *(f"- {p.key}: {p.title}. {p.where}." for p in PAPERS)])


def _words(key: str, text: str) -> NotebookNode:
    # without an id of ours the library draws lots for one
    cell: NotebookNode = new_markdown_cell(text, id=key)  # type: ignore[no-untyped-call]
    return cell


def _code(key: str, text: str) -> NotebookNode:
    cell: NotebookNode = new_code_cell(text, id=f"{key}-code")  # type: ignore[no-untyped-call]
    return cell
