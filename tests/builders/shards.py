"""Runs in shards without a network: what is found in an image is drawn from its digest.

``python -m tests.builders.shards SOURCE FOLDER SIZE IMAGES`` is such a run in a process of its own; it says
each image once it is done, and waits for ever in the network after so many.
"""

import sys
import threading
from pathlib import Path

import numpy as np

from maskrcnn_core.batch.finding import Finding
from maskrcnn_core.batch.running import Here
from maskrcnn_core.dataset.annotations import Instance
from maskrcnn_core.dataset.categories import Category
from maskrcnn_core.errors import InferenceError
from maskrcnn_core.geometry.rle import Rle
from maskrcnn_core.images.archives import Refusal
from maskrcnn_core.images.reading import encode_png
from maskrcnn_core.shards.entries import Reader
from maskrcnn_core.shards.facts import RunFacts, keep_facts
from maskrcnn_core.shards.merge import Merger
from maskrcnn_core.shards.plan import make_plan, read_plan
from maskrcnn_core.shards.run import run_shards
from maskrcnn_core.shards.sources import Sources
from maskrcnn_core.shards.stores import Folder
from tests.builders.core import make_image

CATEGORIES = (Category(1, "apple"), Category(4, "bread", "food"))
SETTINGS = {"model": "simulated", "weights (SHA-256)": "0" * 64, "score threshold": 0.5}


class SimulatedFinder:
    """Finds up to three boxes, one of them with a hole, and fails where the first pixel is red."""

    def __init__(self, stops_after=None):
        self.stops_after = stops_after
        self.seen = []

    def bucket(self, size):
        return size

    def look(self, images):
        return [self._looked(image) for image in images]

    def _looked(self, source):
        if len(self.seen) == self.stops_after:
            threading.Event().wait()
        self.seen.append(source.name)
        if tuple(source.pixels[0, 0]) == (255, 0, 0):
            return InferenceError("the network gave NaN")
        return source.digest

    def finish(self, source, looked, image_id):
        generator = np.random.default_rng(int(source.digest[:8], 16))
        found = []
        for number in range(generator.integers(0, 4)):
            mask = np.zeros(source.size, np.bool_)
            y, x = (int(generator.integers(0, side - 9)) for side in source.size)
            mask[y : y + 8, x : x + 9] = True
            if number == 1:
                mask[y + 3 : y + 5, x + 3 : x + 5] = False
            box = (x + 0.25, float(y), x + 9.0, y + 8.125)
            category = CATEGORIES[int(generator.integers(0, 2))].id
            found.append(Instance(image_id, category, Rle.from_mask(mask), 0.9 - number / 7, box))
        return Finding(tuple(found))


def png(seed=0, height=24, width=32, *, is_red=False):
    pixels = make_image(height, width, seed)
    if is_red:
        pixels[0, 0] = 255, 0, 0
    return encode_png(pixels)


def make_folder(folder: Path, count: int) -> Path:
    """Images without numbers for names, some in a sub-folder."""
    for n in range(count):
        file = folder / ("sub" if n % 3 == 0 else ".") / f"image {n}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(png(n))
    return folder


def plan_for(*named, folder, size=4, column=None):
    sources = Sources([str(name) for name in named], column)
    return make_plan(sources.entries(), Folder(str(folder)), {"named": [*map(str, named)]}, size)


def entries_of(*named, column=None):
    """What can be used of sources, and the reasons of what cannot."""
    every = list(Sources([str(name) for name in named], column).entries())
    return [one for one in every if not isinstance(one, Refusal)], [
        one.message for one in every if isinstance(one, Refusal)
    ]


def run(plan, finder=None, settings=SETTINGS, **options):
    keep_facts(plan.folder, RunFacts(settings, CATEGORIES, "drawn"))
    reader = Reader()
    try:
        return run_shards(plan, Here(finder or SimulatedFinder(), reader.bytes_of), settings, **options)
    finally:
        reader.close()


def merge(plan, out: Path, results=None, **options):
    return Merger(plan, CATEGORIES, "drawn", **options).write(out, results)


def shards_in(folder: Path) -> dict[str, bytes]:
    """The shards and their markers."""
    return {p.name: p.read_bytes() for p in sorted(folder.glob("0*")) if p.is_file()}


def main(source, folder, size, images):
    plan = read_plan(Folder(folder)) or plan_for(source, folder=folder, size=int(size))

    def say(count, image):
        print("done", count, flush=True)

    run(plan, SimulatedFinder(int(images)), on_image=say)


if __name__ == "__main__":
    main(*sys.argv[1:])
