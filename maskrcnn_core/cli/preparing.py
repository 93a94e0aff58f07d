"""``python -m maskrcnn_core.cli.preparing``: do once, at setup, what the first image would wait for.

Compile the functions that are compiled at their first call, and keep the code next to their source; draw the
samples, and keep them in the user's cache. Nothing is fetched, and nothing fails without it.
"""

from __future__ import annotations

from dataclasses import replace

from maskrcnn_core.detection.candidates import SCORE_FLOOR, Thresholds
from maskrcnn_core.detection.runs import Run
from maskrcnn_core.drawing.instances import cut_out_thumbnail
from maskrcnn_core.inference.predictor import Predictor
from maskrcnn_core.models.catalog import PHOTOS_KEY
from maskrcnn_core.models.loading import get_model
from maskrcnn_core.synthetic.samples import ready_samples, sample_png
from maskrcnn_core.workspace import Workspace

__all__ = ["prepare"]


def prepare() -> int:
    """Draw all samples, and take one of them through the network to what a page shows.

    Returns:
        How many instances would be drawn, including those below the score threshold.
    """
    drawn = [sample_png(sample.key) for sample in ready_samples()]
    predictor, thresholds, workspace = Predictor(get_model(PHOTOS_KEY)), Thresholds(), Workspace()
    (digest,) = workspace.add("sample.png", drawn[0]).added
    floor = replace(thresholds, score_threshold=SCORE_FLOOR)
    run = predictor.run([workspace.pixels(digest)], floor)[0]
    if not isinstance(run, Run):
        return 0
    workspace.adopt(digest, predictor, run)
    workspace.state_of(digest, predictor, thresholds)
    shown = workspace.shown(digest, predictor, thresholds)
    instances = shown.instances if shown else ()
    sent = sum(len(instance.mask.counts) for instance in instances)  # as the viewer gets them
    for instance in instances:
        cut_out_thumbnail(workspace.pixels(digest), instance, 40)
    return len(instances) if sent else 0


if __name__ == "__main__":
    prepare()
