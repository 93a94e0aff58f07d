import contextlib
import io
import json
from dataclasses import replace

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from maskrcnn_core.dataset.annotations import Dataset, ImageRecord, Instance
from maskrcnn_core.dataset.categories import Category
from maskrcnn_core.errors import DatasetError
from maskrcnn_core.evaluation.coco_metrics import METRICS, evaluate
from maskrcnn_core.formats.coco import coco_document, result_rows
from maskrcnn_core.formats.coco_reader import read_coco
from maskrcnn_core.formats.coco_results import read_results_file
from maskrcnn_core.formats.json_writing import dump_json
from maskrcnn_core.geometry.rle import Rle
from tests.builders.core import disc, make_mask
from tests.shared_data import shared_path

SIZE = (120, 160)
NAMES = [metric.name for metric in METRICS]


def make_dataset(images: int = 4, per_image: int = 5, seed: int = 0) -> Dataset:
    """Discs of all three of COCO's sizes, of three categories with gaps between their ids."""
    rng = np.random.default_rng(seed)
    records = tuple(ImageRecord(10 + 7 * n, f"{n}.jpg", SIZE[1], SIZE[0]) for n in range(images))
    categories = tuple(Category(id_, name) for id_, name in ((3, "car"), (18, "dog"), (90, "toothbrush")))
    instances = [
        Instance(
            record.id,
            categories[n % 3].id,
            disc(*SIZE, rng.uniform(20, 100), rng.uniform(20, 140), (6, 25, 70)[rng.integers(3)], n % 2 * 3),
        )
        for record in records
        for n in range(per_image)
    ]
    return Dataset(records, categories, tuple(instances))


def make_results(dataset: Dataset, seed: int = 0) -> list[Instance]:
    """The truth moved a little, some of it missed, some of it twice, and some out of nothing."""
    rng = np.random.default_rng(seed)
    found = []
    for instance in dataset.instances:
        for _ in range(rng.choice(3, p=(0.2, 0.6, 0.2))):
            shift = tuple(rng.integers(-4, 5, 2))
            mask = Rle.from_mask(np.roll(instance.mask.to_mask(), shift, (0, 1)))
            x, y, width, height = mask.box_xywh
            noise = rng.uniform(-2, 2, 4)
            box = tuple(float(v) for v in np.array([x, y, x + width, y + height]) + noise)
            found.append(replace(instance, mask=mask, score=float(rng.uniform(0.05, 1)), given_box=box))
    for n, image in enumerate(dataset.images):
        found.append(Instance(image.id, 18, Rle.from_mask(make_mask(n, *SIZE)), 0.5))
    return found


def with_scores(instances):
    return [replace(i, score=0.9 - 0.001 * n, is_crowd=False) for n, i in enumerate(instances)]


def by_pycocotools(truth, rows, kind, limit=100):
    """The numbers as its own documentation gets them, from files in its own forms."""
    with contextlib.redirect_stdout(io.StringIO()):
        gt = COCO()
        gt.dataset = json.loads(dump_json(truth))
        gt.createIndex()
        rows = json.loads(dump_json(rows))
        if kind == "segm":
            for row in rows:
                del row["bbox"]
        evaluator = COCOeval(gt, gt.loadRes(rows), kind)
        evaluator.params.maxDets = [1, 10, limit]
        evaluator.evaluate()
        evaluator.accumulate()
        evaluator.summarize()
    return evaluator.stats


def numbers(scores):
    return [getattr(scores, name) for name in NAMES]


def test_perfect_detections_get_one_in_everything_but_recall_with_few():
    dataset = make_dataset()
    evaluation = evaluate(dataset, with_scores(dataset.instances))
    for scores in (evaluation.box, evaluation.mask):
        values = dict(zip(NAMES, numbers(scores), strict=True))
        few = values.pop("AR1")
        assert all(value == pytest.approx(1) for value in values.values()), values
        assert few < 1
    assert (evaluation.images, evaluation.ground_truths, evaluation.detections) == (4, 20, 20)


@pytest.mark.parametrize("seed", range(4))
def test_the_numbers_are_those_of_pycocotools_on_files(seed):
    dataset = make_dataset(seed=seed)
    results = make_results(dataset, seed)
    evaluation = evaluate(dataset, results)
    document, rows = coco_document(dataset), result_rows(results)
    assert numbers(evaluation.box) == pytest.approx(by_pycocotools(document, rows, "bbox"), abs=1e-12)
    assert numbers(evaluation.mask) == pytest.approx(by_pycocotools(document, rows, "segm"), abs=1e-12)
    assert 0 < evaluation.mask.AP < 1
    assert evaluation.mask.AP != evaluation.box.AP


def test_areas_of_the_file_decide_what_is_small():
    dataset = make_dataset()
    tiny = tuple(replace(i, given_area=10.0) for i in dataset.instances)
    evaluation = evaluate(replace(dataset, instances=tiny), with_scores(dataset.instances))
    assert evaluation.mask.APs == pytest.approx(1)
    assert evaluation.mask.APm == evaluation.mask.APl == -1


def test_a_given_box_is_compared_instead_of_the_masks():
    dataset = make_dataset()
    elsewhere = [replace(i, given_box=(0.0, 0.0, 1.0, 1.0)) for i in with_scores(dataset.instances)]
    evaluation = evaluate(dataset, elsewhere)
    assert evaluation.box.AP == 0
    assert pytest.approx(1) == evaluation.mask.AP


def test_crowds_are_neither_right_nor_wrong():
    dataset = make_dataset(per_image=6)
    # The last of each image is a crowd now, and two detections lie in each.
    crowds = tuple(replace(i, is_crowd=n % 6 == 5) for n, i in enumerate(dataset.instances))
    results = with_scores([*dataset.instances, *dataset.instances[5::6]])
    evaluation = evaluate(replace(dataset, instances=crowds), results)
    assert pytest.approx(1) == evaluation.mask.AP
    assert evaluation.ground_truths == 20


def test_no_detections_score_zero_and_no_truth_scores_minus_one():
    dataset = make_dataset()
    nothing = evaluate(dataset, [])
    assert set(numbers(nothing.box) + numbers(nothing.mask)) == {0.0}
    no_truth = evaluate(replace(dataset, instances=()), with_scores(dataset.instances))
    assert set(numbers(no_truth.box) + numbers(no_truth.mask)) == {-1.0}
    empty = evaluate(Dataset((), (), ()), [])
    assert set(numbers(empty.mask)) == {-1.0}


def test_only_images_and_categories_of_the_truth_count():
    dataset = make_dataset()
    good = with_scores(dataset.instances)
    strangers = [replace(good[0], image_id=999), replace(good[0], category_id=999)]
    assert evaluate(dataset, [*strangers, *good]) == evaluate(dataset, good)


@pytest.mark.parametrize("limit", [1, 5, 10, 100])
def test_fewer_detections_an_image_can_be_asked_for(limit):
    dataset = make_dataset(images=2, per_image=30)
    results = make_results(dataset)
    evaluation = evaluate(dataset, results, max_detections=limit)
    best = sorted(results, key=lambda i: -i.score)
    kept = [
        i
        for image in dataset.images
        for category in dataset.categories
        for i in [i for i in best if (i.image_id, i.category_id) == (image.id, category.id)][:limit]
    ]
    full = evaluate(dataset, kept)
    assert numbers(evaluation.mask) == pytest.approx(numbers(full.mask))


def test_what_cannot_be_compared_is_refused_by_name():
    dataset = make_dataset()
    good = with_scores(dataset.instances)
    small = replace(good[0], mask=disc(10, 10, 5, 5, 3))
    with pytest.raises(DatasetError, match=r"results, instance 1: expected a mask of its image's size"):
        evaluate(dataset, [good[0], small])
    with pytest.raises(DatasetError, match=r"results, instance 0: expected finite numbers"):
        evaluate(dataset, [replace(good[0], given_box=(0.0, 0.0, float("nan"), 1.0))])
    with pytest.raises(ValueError, match="expected 1 or more, got 0"):
        evaluate(dataset, good, max_detections=0)


def test_nothing_is_printed(capsys):
    dataset = make_dataset(2, 2)
    evaluate(dataset, with_scores(dataset.instances))
    assert capsys.readouterr() == ("", "")


def test_rows_are_in_the_order_of_cocos_summary():
    dataset = make_dataset(2, 2)
    rows = evaluate(dataset, with_scores(dataset.instances)).rows()
    assert [row[0] for row in rows] == NAMES
    assert NAMES[:3] == ["AP", "AP50", "AP75"]
    assert len(rows) == 12


def test_the_truth_of_coco_as_its_own_detections_is_perfect(tmp_path):
    data = shared_path("data", "coco_val2017", "instances.json").read_bytes()
    dataset, refusals = read_coco(data)
    assert not refusals
    results = with_scores([i for i in dataset.instances if not i.is_crowd])
    rows = result_rows(results)
    (tmp_path / "results.json").write_bytes(dump_json(rows))
    again = read_results_file(tmp_path / "results.json", dataset)
    assert not again.refusals
    evaluation = evaluate(dataset, again.found)
    assert evaluation.mask.AP == evaluation.box.AP == 1
    assert numbers(evaluation.mask) == pytest.approx(by_pycocotools(json.loads(data), rows, "segm"))
    assert numbers(evaluation.box) == pytest.approx(by_pycocotools(json.loads(data), rows, "bbox"))
