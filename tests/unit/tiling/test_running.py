"""A network over tiles: one tile gives what the picture gives, and every tile's objects lie where it does."""

import numpy as np
import pytest

from maskrcnn_core.batch.finding import Finder, TiledFinder, finder_of, settings_of
from maskrcnn_core.dataset.annotations import Instance
from maskrcnn_core.detection.candidates import Thresholds
from maskrcnn_core.errors import InferenceError
from maskrcnn_core.images.reading import decode_image, encode_png
from maskrcnn_core.inference.predictor import Predictor
from maskrcnn_core.tiling.choosing import Tiling
from maskrcnn_core.tiling.planning import Tile, plan_tiles
from maskrcnn_core.tiling.running import pixels_of, run_tiles
from tests.builders.core import make_image, make_model

THRESHOLDS = Thresholds(0.06, 0.5, 40)


@pytest.fixture(scope="module")
def predictor():
    return Predictor(make_model())


def plain(predictor, image, image_id=3):
    (found,) = predictor.predict([image], THRESHOLDS)
    return Instance.from_detections(found, predictor.model.label_map, image_id, THRESHOLDS.mask_threshold)


def test_one_tile_gives_what_the_picture_gives(predictor):
    image = make_image(90, 120)
    run = run_tiles(predictor, image, [Tile(0, 0, 90, 120)], THRESHOLDS)
    found = run.instances(predictor, THRESHOLDS, image, 3)
    assert len(found) > 3
    assert sorted(found, key=lambda one: one.row) == sorted(plain(predictor, image), key=lambda one: one.row)


def test_tiles_side_by_side_give_what_each_gives(predictor):
    image = make_image(90, 240)
    tiles = plan_tiles((90, 240), 120, 0)
    assert len(tiles) == 2
    run = run_tiles(predictor, image, tiles, THRESHOLDS)
    found = {
        (one.category_id, one.score, one.mask.area, one.mask.box_xywh)
        for one in run.instances(predictor, THRESHOLDS, image, 3)
    }
    alone = set()
    for tile in tiles:
        for one in plain(predictor, pixels_of(tile, image)):
            x, y, width, height = one.mask.box_xywh
            place = (x + tile.left, y + tile.top, width, height)
            alone.add((one.category_id, one.score, one.mask.area, place))
    assert found == alone


def test_thresholds_move_without_another_run(predictor, monkeypatch):
    image = make_image(150, 240)
    run = run_tiles(predictor, image, plan_tiles((150, 240), 120, 40), THRESHOLDS)
    monkeypatch.setattr(Predictor, "run", lambda *_more: pytest.fail("the network ran again"))
    counts = [
        len(run.instances(predictor, Thresholds(score, 0.5, 40), image, 1)) for score in (0.06, 0.3, 0.9)
    ]
    assert counts == sorted(counts, reverse=True) and counts[0] > counts[-1]
    assert run.left_out(Thresholds(0.06, 0.5, 1)) > 0


def test_rows_name_candidates_of_all_tiles(predictor):
    image = make_image(90, 240)
    run = run_tiles(predictor, image, plan_tiles((90, 240), 120, 0), THRESHOLDS)
    rows = [one.row for one in run.instances(predictor, THRESHOLDS, image, 1)]
    assert len(set(rows)) == len(rows)
    assert max(rows) >= len(run.runs[0].candidates)


def test_progress_within_a_picture(predictor):
    steps = []
    image = make_image(90, 240)
    run_tiles(predictor, image, plan_tiles((90, 240), 90, 20), THRESHOLDS, lambda *step: steps.append(step))
    assert steps == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_a_tile_that_gives_nothing_is_named(predictor, monkeypatch):
    from maskrcnn_core.detection.runs import Failure

    real = Predictor.run

    def run(self, images, thresholds):
        found = real(self, images, thresholds)
        return [Failure("it broke")] if (images[0] == 7).all() else found

    monkeypatch.setattr(Predictor, "run", run)
    image = make_image(90, 240)
    image[:, 120:] = 7
    with pytest.raises(InferenceError, match="the tile of 120 x 90 pixels at 120, 0: it broke"):
        run_tiles(predictor, image, plan_tiles((90, 240), 120, 0), THRESHOLDS)


def test_settings_that_decide_a_run_name_its_tiles(predictor):
    """A run that was broken off is not resumed with other tiles, and older ones had none."""
    settings = [
        settings_of(THRESHOLDS, "auto", predictor, tiling) for tiling in (None, Tiling(), Tiling(128, 0.1))
    ]
    assert settings[0] == settings_of(THRESHOLDS, "auto", predictor) and "tiles" not in settings[0]
    assert [one["tiles"] for one in settings[1:]] == ["auto, overlap 0.25", "128, overlap 0.1"]


def source(height, width, seed=0):
    return decode_image(encode_png(make_image(height, width, seed)), "a.png")


def test_only_pictures_that_need_it_are_cut_and_all_come_in_order(predictor):
    finder = finder_of(predictor, THRESHOLDS, Tiling(120, 0.2))
    assert isinstance(finder, TiledFinder) and isinstance(finder_of(predictor, THRESHOLDS, None), Finder)
    images = [source(90, 120), source(90, 240), source(90, 120, 1)]
    found = [
        finder.finish(image, looked, 3) for image, looked in zip(images, finder.look(images), strict=True)
    ]
    assert [one.notes for one in found] == [(), ("seen in 3 tiles of 120 x 90 pixels",), ()]
    for place in (0, 2):
        assert found[place].instances == plain(predictor, images[place].pixels)
    assert found[1].limits.scale == pytest.approx(96 / 90, abs=0.01)
    assert np.array([one.mask.size for one in found[1].instances]).tolist() == [[90, 240]] * len(
        found[1].instances
    )


def test_a_higher_score_needs_no_other_masks(predictor):
    image = make_image(150, 240)
    run = run_tiles(predictor, image, plan_tiles((150, 240), 120, 40), THRESHOLDS)
    found = run.found(predictor, THRESHOLDS, image)
    for score in (0.06, 0.1, 0.3, 0.9):
        asked = Thresholds(score, 0.5, 40)
        assert found.above(score).instances(3) == run.instances(predictor, asked, image, 3)


def test_an_instance_leads_to_the_run_of_its_tile(predictor):
    image = make_image(90, 240)
    run = run_tiles(predictor, image, plan_tiles((90, 240), 120, 0), THRESHOLDS)
    for one in run.instances(predictor, THRESHOLDS, image, 1):
        of_tile, row = run.run_of_row(one.row)
        assert float(of_tile.candidates.scores[row]) == one.score
    with pytest.raises(IndexError, match="one of the candidates"):
        run.run_of_row(sum(len(each.candidates) for each in run.runs))
