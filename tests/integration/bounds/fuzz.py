"""Reads what has been changed at random: COCO files, zips of them, model cards, and messages of a browser.

Every case is made by its number alone, so that one that failed can be run again by itself::

    python -m tests.integration.bounds.fuzz --count 20000
    python -m tests.integration.bounds.fuzz --only 1234

The process ends with 0 if each was read or refused as it should be, and says how many megabytes that took; a
crash says which number it was at.
"""

from __future__ import annotations

import argparse
import copy
import faulthandler
import json
import random
import sys
import tempfile
import warnings
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from maskrcnn_core.errors import CoreError
from maskrcnn_core.formats.coco_reader import read_coco, read_coco_file
from maskrcnn_core.formats.coco_results import read_results_file
from maskrcnn_core.images.reading import encode_png
from maskrcnn_core.models.cards import read_card, write_card_bytes
from maskrcnn_core.projects.db.location import StorePlace
from maskrcnn_core.projects.exchange.coco_out import export_coco
from maskrcnn_core.projects.exchange.exporting import Selection, checked_coco
from maskrcnn_core.projects.exchange.intake import import_files
from maskrcnn_core.projects.mask_edits import MadeMask, edit_masks
from maskrcnn_core.projects.review.operations import Edit
from maskrcnn_core.projects.store import Store
from pages.components.review_protocol import read_operations
from pages.components.stage_view_messages import Slider, StageMessage, read_answer
from pages.components.viewer_messages import ViewerImage, ViewerMessage, read_report
from tests.builders.core import disc, make_image
from tests.builders.hostile import SIZE, annotation, as_bytes, document, zigzag, zipped
from tests.integration.bounds.memory import peak_megabytes

_HANG = 60
"""Seconds after which a case counts as hanging: real ones take milliseconds."""

_DATA = Path(__file__).parents[2] / "data"
_PHOTO = encode_png(make_image(*SIZE))
_COUNTS = disc(*SIZE, 60, 60, 30).counts

EVIL = (
    None, True, False, 0, 1, -1, 2**31, 2**32 - 1, 2**53, -(2**63), 10**400, 1e308, -1e308, 0.5, 1e-320,
    float("nan"), float("inf"), float("-inf"), "", "1", "NaN", "\0", "\ud800", "=cmd|' /C calc'!A0", "../..",
    "n" * 2000, "\N{MICROSCOPE}" * 80, [], {}, [[]], [None], [[[]]], [1], [1, 2], [1, 2, 3, 4, 5, 6, 7],
    [float("nan")] * 6, [[1, 1, 50, 1, 50, 50]], {"size": list(SIZE), "counts": _COUNTS},
    {"size": list(SIZE), "counts": [0] * 500 + [SIZE[0] * SIZE[1]]},
    {"size": [2**31, 2**31], "counts": [2**62]},
    {"size": list(SIZE), "counts": "o" * 300}, {"maskdesk": {"status": [1]}}, zigzag(50), zigzag(3000),
    [zigzag(50)], [zigzag(20_000)], [zigzag(3000), [1, 1, 9, 1, 9, 9]], 
    [0] * 3000, [[]] * 3000, {"a": {"b": [{"c": []}]}},
)  # fmt: skip


def _deep(levels: int) -> object:
    value: object = []
    for _ in range(levels):
        value = [value]
    return value


def _coco_seed() -> dict[str, object]:
    height, width = SIZE
    ring = [1, 1, 50, 1, 50, 50, 1, 50]
    return document(
        info={"year": 2020},
        licenses=[{"id": 1, "name": "free"}],
        maskdesk={"project": "0123456789abcdef"},
        images=[
            {
                "id": 1,
                "file_name": "photo.png",
                "width": width,
                "height": height,
                "maskdesk": {"status": "new"},
            },
            {"id": 2, "file_name": "sub/gone.png", "width": 640, "height": 480, "sha256": "ab" * 32},
        ],
        categories=[
            {"id": 1, "name": "c", "supercategory": "s", "maskdesk": {"colour": "#12ab34"}},
            {"id": 7, "name": "d", "keypoints": ["a"]},
        ],
        annotations=[
            annotation(area=2401, bbox=[1, 1, 49, 49], score=0.5, attributes={"x": [1.5, None]}),
            annotation(id=2, segmentation={"size": [height, width], "counts": _COUNTS}, category_id=7),
            annotation(
                id=3, segmentation={"size": [height, width], "counts": [90, 20, height * width - 110]}
            ),
            annotation(id=4, segmentation=[ring, [60, 60, 70, 60, 70, 70]], image_id=2, iscrowd=1),
            annotation(id=5, segmentation=[], bbox=[5, 5, 20, 20]),
            annotation(id=6, maskdesk={"status": "accepted", "source": "ann", "mark": "0123456789abcdef"}),
        ],
    )


def _mutated(value: Any, rng: random.Random) -> Any:
    """A copy with one or some of its values changed, taken away, doubled, or put elsewhere."""
    root = [copy.deepcopy(value)]
    for _ in range(rng.choice((1, 1, 1, 2, 3, 6))):
        places = list(_places(root))
        holder, key = rng.choice(places[1:] or places)
        what = rng.randrange(7)
        if what == 0 and holder is not root:
            del holder[key]
        elif what == 1 and isinstance(holder, list) and holder is not root:
            holder.insert(rng.randrange(len(holder) + 1), copy.deepcopy(holder[key]))
        elif what == 2 and isinstance(holder, dict):
            holder[str(rng.choice(EVIL))[:3000]] = copy.deepcopy(rng.choice(EVIL))
        elif what == 3:
            other, there = rng.choice(places)
            holder[key] = copy.deepcopy(other[there])
        elif what == 4 and rng.random() < 0.1:
            holder[key] = _deep(rng.choice((90, 150, 200)))
        else:
            holder[key] = copy.deepcopy(rng.choice(EVIL))
    return root[0]


def _places(root: list[Any]) -> Iterator[tuple[Any, Any]]:
    """Each list or object with each of its keys, those of the first 100 of a long one."""
    waiting: list[Any] = [root]
    while waiting:
        holder = waiting.pop()
        for key in islice(holder, 100) if isinstance(holder, dict) else range(min(len(holder), 100)):
            yield holder, key
            if isinstance(holder[key], dict | list):
                waiting.append(holder[key])


def _damaged(data: bytes, rng: random.Random) -> bytes:
    """The same bytes with some flipped, cut out, put in or repeated."""
    text = bytearray(data)
    for _ in range(rng.choice((1, 2, 5))):
        at, length = rng.randrange(len(text) + 1), rng.randrange(1, 40)
        what = rng.randrange(4)
        if what == 0:
            del text[at : at + length]
        elif what == 1:
            text[at:at] = rng.randbytes(rng.randrange(1, 4))
        elif what == 2:
            text[at:at] = text[at : at + length] * rng.choice((1, 2, 500))
        elif at < len(text):
            text[at] ^= 1 << rng.randrange(8)
    return bytes(text)


def _json(value: object) -> bytes:
    try:
        return as_bytes(value)
    except RecursionError:
        return b"[]"


class Fuzzer:
    """All that cases need, made once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = Store(StorePlace.in_folder(folder / "data"))
        self.truth, _ = read_coco(_json(document()))
        self.card = json.loads((_DATA.parent.parent / "maskrcnn_core/models/nuclei/nuclei.json").read_bytes())
        self.report = json.loads((_DATA / "review" / "report.json").read_bytes())
        self.view = json.loads((_DATA / "viewer" / "report.json").read_bytes())
        self.answer = json.loads((_DATA / "stage_view" / "answer.json").read_bytes())
        # What is changed at random has to be right as it stands: of another version, each case would be
        # refused for that alone, and nothing would be read.
        given = read_operations(self.report)
        assert given.operations and len(given.names) == len(given.operations)
        self.kinds = (
            *[self.coco] * 4, *[self.imported] * 1, *[self.card_of] * 2, *[self.review] * 3, self.viewer,
            self.stage, self.results,
        )  # fmt: skip

    def run(self, number: int) -> None:
        """One case; what it raises is a fault."""
        rng = random.Random(number)
        self.kinds[number % len(self.kinds)](number, rng)

    def coco(self, number: int, rng: random.Random) -> None:
        try:
            file = read_coco_file(self._bytes(_coco_seed(), rng))
        except CoreError as error:
            str(error).encode("utf-8", "backslashreplace")
            return
        for row in file.annotations:
            assert (
                row.value.mask.area >= 0
                and row.value.mask.runs.sum() == row.value.mask.size[0] * (row.value.mask.size[1])
            )

    def imported(self, number: int, rng: random.Random) -> None:
        """In, out, and read back with pycocotools."""
        project = self.store.create_project(f"P{number}", "ann").id
        data = self._bytes(_coco_seed(), rng)
        name, data = (
            ("a.zip", _damaged(zipped(a__json=data, photo__png=_PHOTO), rng))
            if rng.random() < 0.3
            else ("a.json", data)
        )
        report = import_files(self.store, project, "ann", [(name, data), ("photo.png", _PHOTO)])
        assert report.images >= 1 or report.refused
        json.loads(export_coco(self.store, project), parse_constant=lambda constant: 1 / 0)
        rows = frozenset(row.id for row in self.store.instances(project))
        checked_coco(self.store, project, Selection(tuple(self.store.images(project)), rows))

    def results(self, number: int, rng: random.Random) -> None:
        rows = [
            {
                "image_id": 1,
                "category_id": 1,
                "score": 0.5,
                "segmentation": {"size": list(SIZE), "counts": _COUNTS},
            },
            {"image_id": 1, "category_id": 1, "score": 0.5, "bbox": [1, 2, 3, 4]},
            {"image_id": 1, "category_id": 1, "score": 0.5, "segmentation": [[1, 1, 50, 1, 50, 50]]},
        ]
        file = self.folder / "results.json"
        file.write_bytes(self._bytes(rows, rng))
        try:
            read_results_file(file, self.truth)
        except CoreError:
            return

    def card_of(self, number: int, rng: random.Random) -> None:
        file = self.folder / f"{number}.json"
        file.write_bytes(self._bytes(self.card, rng))
        try:
            card = read_card(file)
        except CoreError:
            return
        finally:
            file.unlink()
        assert len(card.made) < 5000
        write_card_bytes(card)

    def review(self, number: int, rng: random.Random) -> None:
        for keeps in (True, False):
            try:
                given = read_operations(_mutated(self.report, rng), keeps_unreadable=keeps)
            except ValueError as error:
                assert len(str(error)) < 1000
                continue
            for operation in given.operations:
                if isinstance(operation, Edit):
                    self._carry_out(operation)

    def _carry_out(self, operation: Edit) -> None:
        project = next((row for row in self.store.projects() if row.name == "Edits"), None)
        if project is None:
            project = self.store.create_project("Edits", "ann")
            import_files(
                self.store, project.id, "ann", [("a.json", _json(document())), ("photo.png", _PHOTO)]
            )
        image, category = self.store.images(project.id)[0], self.store.categories(project.id)[0]
        made = [MadeMask(category.id, one.counts, one.polygons, one.is_crowd) for one in operation.added]
        try:
            edit_masks(self.store, image.id, "ann", operation.what, [], made)
        except CoreError:
            return

    def viewer(self, number: int, rng: random.Random) -> None:
        message = ViewerMessage(
            ViewerImage(key="sha256-5f1d", url="/x.png", width=160, height=120, name="x"), ()
        )
        try:
            read_report(_mutated(self.view, rng), message)
        except ValueError as error:
            assert len(str(error)) < 1000

    def stage(self, number: int, rng: random.Random) -> None:
        slider = Slider("IoU", 0, 1, 0.05, 0.5)
        message = StageMessage("iou-3", "/x.png", SIZE, "", slider=slider, boxes=((0, 0, 9, 9), (1, 1, 5, 5)))
        try:
            read_answer(_mutated(self.answer, rng), message)
        except ValueError as error:
            assert len(str(error)) < 1000

    @staticmethod
    def _bytes(seed: object, rng: random.Random) -> bytes:
        data = _json(seed if rng.random() < 0.2 else _mutated(seed, rng))
        return _damaged(data, rng) if rng.random() < 0.25 else data


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--only", type=int)
    given = parser.parse_args()
    faulthandler.enable()
    warnings.simplefilter("error")
    numbers = range(given.count) if given.only is None else [given.only]
    with tempfile.TemporaryDirectory() as folder:
        fuzzer = Fuzzer(Path(folder))
        before = peak_megabytes()
        for number in numbers:
            print(number, file=sys.stderr)  # the last one is the one that crashed
            faulthandler.dump_traceback_later(_HANG, exit=True)
            fuzzer.run(number)
        faulthandler.cancel_dump_traceback_later()
    print(peak_megabytes() - before)


if __name__ == "__main__":
    main()
