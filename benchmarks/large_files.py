"""A COCO file as large as COCO's own training set: into a project and out of it again."""

from __future__ import annotations

import filecmp
import json
import math
import shutil
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from benchmarks.processes import Spent, run_process
from benchmarks.report import Claim, Report, megabytes, seconds

__all__ = ["IMAGES", "INSTANCES", "run_large_files", "write_large_coco"]

IMAGES, INSTANCES = 118_287, 800_000
"""What COCO's ``instances_train2017.json`` holds, but for its 60,001 further annotations."""

_HEIGHT, _WIDTH = 480, 640


def write_large_coco(file: Path, images: int = IMAGES, instances: int = INSTANCES, seed: int = 0) -> None:
    """Write a COCO file of drawn outlines: 22 corners on average, of sizes as in COCO, 80 categories.

    Rows are written as they are drawn, so that the generator takes no memory to speak of.
    """
    random = np.random.default_rng(seed)
    with file.open("w", encoding="utf-8") as out:
        out.write('{"info": {"description": "drawn"}, "licenses": [], "images": [')
        for number in range(images):
            row = {
                "license": 3,
                "file_name": f"{number + 1:012d}.jpg",
                "coco_url": f"http://images.example.org/train/{number + 1:012d}.jpg",
                "height": _HEIGHT,
                "width": _WIDTH,
                "date_captured": "2013-11-14 11:18:45",
                "id": number + 1,
            }
            out.write((", " if number else "") + json.dumps(row))
        out.write('], "annotations": [')
        for number in range(instances):
            out.write((", " if number else "") + json.dumps(_annotation(random, number, images)))
        out.write('], "categories": ')
        categories = [{"supercategory": "thing", "id": n, "name": f"category {n}"} for n in range(1, 81)]
        out.write(json.dumps(categories) + "}")


def _annotation(random: np.random.Generator, number: int, images: int) -> dict[str, object]:
    """A star-shaped outline around a random centre."""
    corners = int(random.integers(6, 39))
    radius = min(200.0, 6.0 * math.exp(random.exponential(1.1)))
    x, y = random.uniform(0, _WIDTH), random.uniform(0, _HEIGHT)
    angles = np.sort(random.uniform(0, 2 * math.pi, corners))
    reach = radius * random.uniform(0.6, 1.0, corners)
    xs = np.clip(x + reach * np.cos(angles), 0, _WIDTH).round(2)
    ys = np.clip(y + reach * np.sin(angles), 0, _HEIGHT).round(2)
    area = abs(float(np.dot(xs, np.roll(ys, 1)) - np.dot(ys, np.roll(xs, 1)))) / 2
    left, top = float(xs.min()), float(ys.min())
    return {
        "segmentation": [np.stack([xs, ys], axis=1).reshape(-1).tolist()],
        "area": area,
        "iscrowd": 0,
        "image_id": number % images + 1,
        "bbox": [left, top, round(float(xs.max()) - left, 2), round(float(ys.max()) - top, 2)],
        "category_id": number % 80 + 1,
        "id": 1_000_000 + number,
    }


def run_large_files(quick: bool = False) -> Report:
    """Import a COCO file into a project and export it, each in a process of its own, and time pycocotools."""
    images, instances = (300, 2_000) if quick else (IMAGES, INSTANCES)
    rows: list[tuple[str, ...]] = []
    spent: dict[tuple[str, int], Spent] = {}
    is_equal = True
    with tempfile.TemporaryDirectory() as folder:
        for share in (1,) if quick else (2, 1):
            size = f"{images // share:,} images, {instances // share:,} polygons"
            place = Path(folder) / str(share)
            place.mkdir()
            write_large_coco(place / "in.json", images // share, instances // share)
            for name, command in _commands(place).items():
                spent[name, share] = run_process(command, {"MASKDESK_DATA": str(place / "data")})
                rows.append(spent[name, share].row(size, name))
            if quick or share > 1:
                is_equal = _same_after_a_round(place)
            shutil.rmtree(place)
    claims = [Claim("an export, imported and exported again, is the same bytes", is_equal, "equality")]
    if not quick:
        claims += _costs(spent)
    notes = ("Each command is a whole process, including its start. Exports are read back with pycocotools.",)
    return Report(("file", "what", "time", "CPU", "peak memory"), tuple(rows), tuple(claims), notes)


def _costs(spent: Mapping[tuple[str, int], Spent]) -> list[Claim]:
    ways = ("project import", "project export")
    whole, half = (sum(spent[way, share].cpu for way in ways) for share in (1, 2))
    wall = max(spent[way, 1].wall for way in ways)
    peak = max(spent[way, 1].peak for way in ways)
    return [
        Claim(f"twice the file takes {whole / half:.1f} times as long", whole < 2.5 * half, "cost"),
        Claim(f"in and out take less than 60 s each ({seconds(wall)})", wall < 60, "cost"),
        Claim(f"they need less than 2.5 GB ({megabytes(peak)})", peak < 2.5e9, "cost"),
    ]


def _commands(place: Path) -> dict[str, list[str]]:
    core = [sys.executable, "-m", "maskrcnn_core", "project"]
    read = "import sys; from pycocotools.coco import COCO; COCO(sys.argv[1])"
    return {
        "pycocotools reads it": [sys.executable, "-c", read, str(place / "in.json")],
        "project import": [
            *core, "import", "Large", "--ground-truth", str(place / "in.json"), "--images", str(place),
        ],
        "project list": [*core, "list"],
        "project export": [*core, "export", "Large", "--out", str(place / "out.json")],
    }  # fmt: skip


def _same_after_a_round(place: Path) -> bool:
    """Whether the export comes out of an empty project as the same bytes."""
    again = place / "again"
    again.mkdir()
    (place / "out.json").rename(again / "in.json")
    commands = _commands(again)
    for name in ("project import", "project export"):
        run_process(commands[name], {"MASKDESK_DATA": str(again / "data")})
    return filecmp.cmp(again / "in.json", again / "out.json", shallow=False)
