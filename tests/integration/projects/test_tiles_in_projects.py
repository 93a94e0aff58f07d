"""Large images of a project: seen in tiles by a job, and where a person draws a box."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from maskrcnn_core.cli import app as cli
from maskrcnn_core.dataset.categories import Category
from maskrcnn_core.detection.candidates import Thresholds
from maskrcnn_core.errors import InputError, StoreError
from maskrcnn_core.geometry.rle import mask_iou
from maskrcnn_core.images.reading import encode_png
from maskrcnn_core.inference.predictor import Predictor
from maskrcnn_core.models.loading import get_model
from maskrcnn_core.projects.exchange.images_in import import_images
from maskrcnn_core.projects.proposals.category_matching import category_mapping
from maskrcnn_core.projects.proposals.job_rows import JobSettings
from maskrcnn_core.projects.proposals.jobs import add_job, jobs_of
from maskrcnn_core.projects.proposals.network_edits import BoxDrawer
from maskrcnn_core.projects.proposals.proposing import offered_before, propose
from maskrcnn_core.projects.proposals.worker import work_off
from maskrcnn_core.projects.review.doubts import doubts_of_run
from maskrcnn_core.synthetic.scenes import draw_scene
from maskrcnn_core.tiling.around_boxes import prompt_around, tile_around
from maskrcnn_core.tiling.choosing import Tiling, tiles_for
from maskrcnn_core.tiling.planning import Tile
from maskrcnn_core.tiling.running import run_tiles

SCENES = [draw_scene(320_000 + n, "fluorescence") for n in range(6)]
THRESHOLDS = Thresholds(0.5, 0.5, 500)
AUTO = Tiling()


CELL = 325
"""Pixels: of a scene in the mosaic, at most."""


def mosaic():
    """Scenes side by side, too large for the network to see their nuclei."""
    picture = np.zeros((4 * CELL, 4 * CELL, 3), np.uint8)
    for place in range(16):
        part = SCENES[place % len(SCENES)].pixels[:CELL, :CELL]
        top, left = place // 4 * CELL, place % 4 * CELL
        picture[top : top + part.shape[0], left : left + part.shape[1]] = part
    return picture


LARGE, SMALL = mosaic(), SCENES[0].pixels


@pytest.fixture(scope="module")
def predictor():
    return Predictor(get_model("nuclei"), "cpu")


@pytest.fixture
def project(store):
    project = store.create_project("Cells", "ann", categories=[Category(1, "nucleus")]).id
    import_images(store, project, "ann", [("large.png", encode_png(LARGE)), ("small.png", encode_png(SMALL))])
    return project


@pytest.fixture
def mapping(store, project, predictor):
    return category_mapping(store, project, predictor)


def of(store, project, name):
    (image,) = [row for row in store.images(project) if row.file_name == name]
    return image, [row for row in store.instances(project) if row.image_id == image.id]


def test_tiles_find_what_a_whole_look_does_not_and_small_images_are_not_run_again(
    store, project, predictor, mapping
):
    plain = propose(store, project, predictor, THRESHOLDS, mapping)
    few = len(of(store, project, "large.png")[1])
    small = {row.counts for row in of(store, project, "small.png")[1]}
    assert offered_before(store, project, predictor, THRESHOLDS, mapping, tiling=AUTO) == (0, 0)
    tiled = propose(store, project, predictor, THRESHOLDS, mapping, tiling=AUTO)
    assert (plain.ran, tiled.ran, tiled.offered) == (2, 1, 2), "the small one has its run"
    rows = of(store, project, "large.png")[1]
    assert len(rows) > 1.25 * few
    assert {row.counts for row in of(store, project, "small.png")[1]} == small

    tiles = tiles_for(AUTO, predictor.model, LARGE.shape[:2])
    found = run_tiles(predictor, LARGE, tiles, THRESHOLDS).instances(predictor, THRESHOLDS, LARGE, 1)
    assert sorted(row.counts for row in rows) == sorted(one.mask.counts for one in found)

    again = propose(store, project, predictor, THRESHOLDS, mapping, tiling=AUTO)
    assert (again.offered, again.ran) == (0, 0)
    other = propose(store, project, predictor, Thresholds(0.7, 0.5, 500), mapping, tiling=AUTO)
    assert (other.offered, other.ran) == (2, 0), "another threshold needs no other run"
    assert len(of(store, project, "large.png")[1]) < len(rows)


def test_what_speaks_against_an_object_is_what_its_tile_said(predictor):
    tiles = tiles_for(Tiling(320), predictor.model, (512, 640))
    pixels = np.ascontiguousarray(LARGE[:512, :640])
    run = run_tiles(predictor, pixels, tiles, THRESHOLDS)
    instances = run.instances(predictor, THRESHOLDS, pixels, 1)
    doubts = doubts_of_run(run, instances, predictor.model.label_map)
    assert len(doubts) == len(instances) > 20
    for instance, doubt in zip(instances, doubts, strict=True):
        part, row = run.run_of_row(instance.row)
        assert part.candidates.scores[row] == np.float32(instance.score)
        probs = part.detections(np.array([row])).mask_probs[0]
        between = ((probs > 0.25) & (probs < 0.75)).sum() / max((probs > 0.5).sum(), 1)
        assert doubt.soft_edge == pytest.approx(between)


def lies_in_its_cell(mask):
    x, y, width, height = mask.box_xywh
    return max(x + width, y + height) < CELL


def test_a_box_on_a_large_image_gets_the_mask_that_its_scale_gives(store, project, predictor):
    image, _ = of(store, project, "large.png")
    drawer = BoxDrawer(store, predictor)
    truth = [mask for mask in SCENES[0].masks if mask.area > 150 and lies_in_its_cell(mask)][:8]
    overlaps, whole = [], []
    run = predictor.run([LARGE])[0]
    for mask in truth:
        x, y, width, height = mask.box_xywh
        box = (x, y, x + width, y + height)
        prompted = drawer.prompt(project, image, [box])
        assert prompted.image_size == LARGE.shape[:2] and np.allclose(prompted.boxes[0], box)
        drawn = np.zeros(LARGE.shape[:2], np.bool_)
        drawn[:CELL, :CELL][: mask.size[0], : mask.size[1]] = mask.to_mask()[:CELL, :CELL]
        wanted = type(mask).from_mask(drawn)
        overlaps.append(mask_iou(prompted.detections().masks()[0], wanted))
        whole.append(mask_iou(predictor.prompt(run, [box], LARGE).detections().masks()[0], wanted))
    assert len(overlaps) == 8 and min(overlaps) > 0.6 and np.mean(overlaps) > np.mean(whole)
    assert len(drawer._runs) <= 4, "boxes in one tile share its run"
    with pytest.raises(InputError, match="within the image's 1300 x 1300"):
        drawer.prompt(project, image, [(2000, 2000, 2100, 2100)])


def test_a_job_sees_in_tiles_and_says_so(store, project, predictor, mapping):
    (image,) = [row for row in store.images(project) if row.file_name == "large.png"]
    settings = JobSettings(0.5, 0.5, 0.5, 500, {"nucleus": mapping[1]}, "exact", "off", AUTO)
    assert JobSettings.from_json(json.loads(json.dumps(settings.to_json()))) == settings
    add_job(store, project, "nuclei", settings, "ann")
    work_off(store)
    (job,) = jobs_of(store, project)
    assert job.state == "done" and job.engine.endswith("tiles auto, overlap 0.25")
    assert len(of(store, project, "large.png")[1]) > 60 and image.id


def test_settings_of_older_jobs_see_images_whole_and_odd_ones_are_told():
    settings = JobSettings(0.5, 0.5, 0.5, 500, {"nucleus": 1})
    stored = settings.to_json()
    older = {key: value for key, value in stored.items() if not key.startswith("tile")}
    assert JobSettings.from_json(older) == settings and settings.tiling is None
    with pytest.raises(StoreError, match=r"job settings.tiles: expected auto, off, or 64 to 16,384 pixels"):
        JobSettings.from_json(stored | {"tiles": "many"})


def test_a_cluster_sees_images_whole_and_says_so(monkeypatch, tmp_path):
    monkeypatch.setenv("MASKDESK_DATA", str(tmp_path))
    invoke = CliRunner().invoke
    assert invoke(cli.app, ["project", "new", "P", "--categories", "nucleus"]).exit_code == 0
    asked = ["project", "annotate", "P", "--model", "nuclei", "--tiles", "auto"]
    refused = invoke(cli.app, [*asked, "--cluster", "auto"])
    assert refused.exit_code == 2 and "expected it or --cluster, got both" in refused.stderr
    queued = invoke(cli.app, [*asked, "--background"])
    assert queued.exit_code == 0, queued.output


def test_boxes_of_a_large_picture_come_back_in_their_order_each_seen_in_its_tile(predictor):
    masks = [mask for mask in SCENES[0].masks if mask.area > 150 and lies_in_its_cell(mask)][:3]
    boxes = []
    for place, mask in enumerate(masks):
        x, y, width, height = mask.box_xywh
        left, top = (0, 0) if place != 1 else (2 * CELL, CELL)  # that cell shows the first scene, too
        boxes.append((x + left, y + top, x + left + width, y + top + height))
    assert np.array_equal(LARGE[CELL : CELL + 300, 2 * CELL : 2 * CELL + 300], LARGE[:300, :300])
    runs = {}

    def run_of(tile, pixels):
        runs.setdefault(tile, predictor.open(pixels()))
        return runs[tile]

    size = LARGE.shape[:2]
    prompted = prompt_around(predictor, size, lambda: LARGE, boxes, run_of=run_of, labels=[1, 1, 1])
    assert np.allclose(prompted.boxes, boxes) and prompted.image_size == LARGE.shape[:2]
    assert len(runs) >= 2 and all(tile.height == 320 for tile in runs)
    overlaps = []
    for place, (box, found) in enumerate(zip(boxes, prompted.detections().masks(), strict=True)):
        x, y = masks[place].box_xywh[:2]
        drawn = np.zeros(LARGE.shape[:2], np.bool_)
        crop = masks[place].crop()
        top, left = int(box[1]), int(box[0])
        drawn[top : top + crop.shape[0], left : left + crop.shape[1]] = crop
        overlaps.append(mask_iou(found, type(found).from_mask(drawn)))
    assert min(overlaps) > 0.6
    kept = dict(runs)
    one = prompt_around(predictor, size, lambda: LARGE, boxes[:1], run_of=run_of, labels=[1])
    assert runs == kept, "further boxes on the picture take the runs that are there"
    alone = prompt_around(predictor, size, lambda: LARGE, boxes[:1], labels=[1])
    assert one.detections().masks() == alone.detections().masks() == prompted.detections().masks()[:1]


@pytest.mark.parametrize(
    ("box", "wanted"),
    [
        ((10, 10, 50, 50), (0, 0)),  # in a corner
        ((150, 150, 180, 180), (0, 0)),  # nearest to the middle of the first
        ((90, 90, 310, 310), (0, 0)),  # whole in the first alone
        ((300, 300, 500, 500), (240, 240)),  # whole in the second alone
        ((200, 200, 500, 500), (190, 190)),  # whole in none: one of its own
        ((0, 0, 400, 50), None),  # larger than a tile
    ],
)
def test_the_tile_of_a_box_is_where_it_lies_in_the_middle(box, wanted):
    tiles = [Tile(top, left, 320, 320) for top in (0, 240) for left in (0, 240)]
    found = tile_around(box, tiles)
    assert (None if found is None else (found.top, found.left)) == wanted
    assert tile_around(box, tiles[:1]) is None, "a picture of one tile is seen whole"
