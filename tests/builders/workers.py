"""Worker processes without a network: ``python -m tests.builders.workers`` is one.

What is found is drawn from an image's digest. The first pixel says what an image does to its process: blue
kills it, green kills the first one that has it, red fails.
"""

import os
import signal
from pathlib import Path

import numpy as np

from maskrcnn_core.batch.finding import Finding
from maskrcnn_core.batch.run import bytes_of
from maskrcnn_core.batch.running import Here, Task
from maskrcnn_core.batch.worker import Job, serve
from maskrcnn_core.batch.workers import Workers
from maskrcnn_core.dataset.annotations import Instance
from maskrcnn_core.detection.candidates import Thresholds
from maskrcnn_core.detection.limits import Limits
from maskrcnn_core.errors import ExportError, InferenceError
from maskrcnn_core.geometry.rle import Rle
from maskrcnn_core.images.reading import encode_png
from maskrcnn_core.models.domains.rule import Guess

RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)
KILLED = "KILLED_IN"
"""Variable that names a folder for marks of who was killed."""


class Simulated:
    """Finds a few boxes; ``is_deadly`` if it heeds first pixels that kill."""

    def __init__(self, *, is_deadly=False):
        self.is_deadly = is_deadly

    def bucket(self, size):
        return size

    def look(self, images):
        return [self.looked(image) for image in images]

    def looked(self, source):
        first = tuple(source.pixels[0, 0])
        if self.is_deadly and first in (BLUE, GREEN):
            mark = Path(os.environ[KILLED]) / source.digest
            if first == BLUE or not mark.exists():
                mark.touch()
                os.kill(os.getpid(), signal.SIGKILL)
        return InferenceError("the network gave NaN") if first == RED else source.digest

    def finish(self, source, looked, image_id):
        generator = np.random.default_rng(int(looked[:8], 16))
        found = []
        for number in range(generator.integers(0, 4)):
            mask = np.zeros(source.size, np.bool_)
            y, x = (int(generator.integers(0, side - 9)) for side in source.size)
            mask[y : y + 8, x : x + 9] = True
            box = (x + float(generator.random()), float(y), x + 9.0, y + 8.125)
            found.append(Instance(image_id, 1, Rle.from_mask(mask), 0.9 - number / 7, box))
        guess = Guess("photos", float(generator.random()), True)
        return Finding(tuple(found), ("a note",), Limits(int(generator.integers(0, 3)), 1 / 3), guess)


def png(seed, first=None, height=24, width=32):
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    pixels[0, 0] = (9, 9, 9) if first is None else first
    return encode_png(pixels)


def tasks_in(folder, count, **odd):
    """Write so many images, of which some begin with an odd pixel, as ``at_3=BLUE``."""
    folder.mkdir(parents=True, exist_ok=True)
    tasks = []
    for n in range(count):
        file = folder / f"{n}.png"
        file.write_bytes(png(n, odd.get(f"at_{n}")))
        tasks.append(Task(n + 1, file.name, file.name, (str(file),)))
    return tasks


def job(**changes):
    given = {"origin": "row", "model": "simulated", "names": None, "digest": "", "engine": "exact"}
    return Job(**{**given, "thresholds": Thresholds(), **changes})


def workers(count=2, model="simulated", **options):
    return Workers(job(model=model), ("simulated",) * count, module="tests.builders.workers", **options)


def here(tasks):
    return list(Here(Simulated(), bytes_of).results(tasks))


def make(made, device, given):
    if made.model == "dies at once":
        os._exit(3)

    def write(result, source):
        raise ExportError("out: cannot write (No space left on device)")

    return Here(Simulated(is_deadly=True), bytes_of, write=write if made.model == "cannot write" else None)


if __name__ == "__main__":
    serve(make)
