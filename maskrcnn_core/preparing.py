"""``python -m maskrcnn_core.preparing``: does once, while setting up, what the first picture would wait for.

Functions that are compiled at their first call are compiled, and kept beside their source; samples are drawn,
and kept in the person's cache. Nothing is fetched, and nothing fails for the want of it.
"""

from __future__ import annotations

from dataclasses import replace

from maskrcnn_core.detections import SCORE_FLOOR, Thresholds
from maskrcnn_core.inference import Predictor
from maskrcnn_core.models import PHOTOS_KEY, get_model
from maskrcnn_core.rendering import cut_out_thumbnail
from maskrcnn_core.runs import Run
from maskrcnn_core.samples import ready_samples, sample_png
from maskrcnn_core.workspace import Workspace

__all__ = ["prepare"]


def prepare() -> int:
    """Draws all samples, and takes one of them through the network to what a page shows.

    Returns:
        How many instances would be drawn, those below the score threshold included.
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
