"""Boxes become objects as in the app."""

import json

import numpy as np
import pytest

from maskrcnn_core.images.reading import decode_image
from tests.builders.service import MODEL, files, png, post, tiny

BOXES = [[10, 10, 60, 50], [70, 40, 30, 5]]


def test_boxes_give_what_the_predictor_gives():
    data = png()
    answer = post(
        "/v1/box-to-mask", files=files(("a.png", data), field="image"), data={"boxes": json.dumps(BOXES)}
    )
    assert answer.status_code == 200, answer.text
    objects = answer.json()["objects"]
    pixels, predictor = decode_image(data, "a").pixels, tiny()
    prompted = predictor.prompt(predictor.open(pixels), BOXES, pixels)
    for index, (found, mask) in enumerate(zip(objects, prompted.detections().masks(), strict=True)):
        assert found["box"] == prompted.boxes[index].tolist()
        assert found["score"] == pytest.approx(float(prompted.probabilities[index, 0]))
        assert found["category"]["name"] == MODEL.label_map.category(int(prompted.labels[index, 0])).name
        assert len(found["runners_up"]) == prompted.labels.shape[1] - 1
        if not found["is_rectangle"]:
            assert found["segmentation"] == {"size": [60, 90], "counts": mask.counts}
            assert found["area"] == mask.area and found["bbox"] == list(mask.box_xywh)
    assert answer.json()["image"]["file_name"] == "a.png"


def blind(key=None):
    predictor = tiny()
    original = predictor.prompt

    def prompt(*given, **options):
        prompted = original(*given, **options)
        np.copyto(prompted.mask_probs, 0)
        return prompted

    predictor.prompt = prompt
    return predictor


def test_a_box_on_nothing_stays_a_rectangle():
    answer = post(
        "/v1/box-to-mask",
        make=blind,
        files=files(("a.png", png()), field="image"),
        data={"boxes": "[[10,10,60,50]]"},
    )
    (found,) = answer.json()["objects"]
    assert found["is_rectangle"] and found["bbox"] == [10, 10, 50, 40] and found["area"] == 2000


@pytest.mark.parametrize(
    ("boxes", "said"),
    [
        ("[[10, 10, 10.5, 60]]", "boxes[0]: expected at least 1 x 1 pixels"),
        ("[[500, 500, 600, 600]]", "boxes[0]: expected at least"),
        ("[[1, 2, 3]]", "boxes[0]: "),
        ("[]", "boxes: "),
        ("[[1, 2, 3, NaN]]", "boxes[0]: expected finite numbers"),
        ("no", "boxes: expected JSON"),
        ("[" * 5000, "boxes: "),
    ],
)
def test_what_is_no_box_is_refused(boxes, said):
    answer = post("/v1/box-to-mask", files=files(("a.png", png()), field="image"), data={"boxes": boxes})
    assert answer.status_code == 422
    assert said in answer.json()["error"]


@pytest.mark.parametrize("image", [b"no image", png(1, 3000)], ids=["broken", "thin"])
def test_an_image_that_cannot_be_used_is_refused(image):
    answer = post(
        "/v1/box-to-mask", files=files(("a.png", image), field="image"), data={"boxes": "[[0, 0, 2, 1]]"}
    )
    assert answer.status_code == 422 and answer.json()["error"]


def test_two_images_are_one_too_many():
    both = files(("a.png", png()), ("b.png", png()), field="image")
    answer = post("/v1/box-to-mask", files=both, data={"boxes": "[[0, 0, 9, 9]]"})
    assert answer.status_code == 422 and "one file" in answer.json()["error"]
