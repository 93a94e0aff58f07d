"""What tests of batch runs are made of."""

from dataclasses import replace
from pathlib import Path

import pytest

from maskrcnn_core.batch import BatchSettings, annotate, find_files
from maskrcnn_core.detection.candidates import Thresholds
from maskrcnn_core.images.reading import encode_png
from maskrcnn_core.inference.predictor import Predictor
from tests.builders.core import make_image

LOW = Thresholds(0.05, 0.5, 6)


class RememberingPredictor(Predictor):
    """Runs the network once for the same pixels, as the tests below ask for them many times."""

    def __init__(self, model):
        super().__init__(model, "cpu")
        self.known = {}
        self.calls = 0

    def run(self, images, thresholds=None):
        self.calls += 1
        (image,) = images
        key = image.shape, image.tobytes()
        if key not in self.known:
            self.known[key] = super().run(images, Thresholds(0.05, 0.5))
        return self.known[key]


def write_image(path: Path, seed: int = 0, height: int = 90, width: int = 120) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode_png(make_image(height, width, seed)))
    return path


def settings_for(*named, out: Path, **changes) -> BatchSettings:
    return replace(BatchSettings(tuple(find_files(named)), out / "a.json", LOW, out / "r.json"), **changes)


def files_in(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


class Killed(BaseException):
    """As Ctrl-C: no handler of exceptions may stop it."""


def annotate_until(settings, predictor, images):
    def on_progress(done, total, outcome):
        if done == images:
            raise Killed

    with pytest.raises(Killed):
        annotate(settings, predictor, on_progress)
