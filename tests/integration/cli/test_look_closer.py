"""`--look-closer`: finer masks in the same boxes, whoever runs the network, and what is said of it."""

import json

import pytest

from maskrcnn_core.batch.worker import Job
from maskrcnn_core.detection.candidates import Thresholds
from maskrcnn_core.images.reading import encode_png
from maskrcnn_core.models.catalog import MODELS
from maskrcnn_core.synthetic.scenes import draw_scene, write_scenes
from tests.builders.cli import annotated, invoke

pytestmark = pytest.mark.usefixtures("weights")


def rows_of(file):
    return json.loads(file.read_bytes())["annotations"]


def without_mask(rows):
    return [(row["id"], row["image_id"], row["category_id"], row["score"]) for row in rows]


def test_masks_are_finer_and_all_else_is_the_same(tmp_path):
    """``auto`` does nothing for a model of which nobody measured what it gains."""
    picture = tmp_path / "scene.png"
    picture.write_bytes(encode_png(draw_scene(200_000).pixels))
    asked = (picture, "--model", "shapes", "--out")
    plain = invoke("annotate", *asked, tmp_path / "a.json")
    closer = invoke("annotate", *asked, tmp_path / "b.json", "--look-closer", "on")
    assert "looks closer" not in plain.stderr and "looks closer at small" in closer.stderr
    a, b = (rows_of(tmp_path / name) for name in ("a.json", "b.json"))
    assert without_mask(a) == without_mask(b) and a
    assert [row["segmentation"] for row in a] != [row["segmentation"] for row in b]
    described = json.loads((tmp_path / "b.json").read_bytes())["info"]["description"]
    assert "; each object looked at closer" in described
    assert "closer" not in json.loads((tmp_path / "a.json").read_bytes())["info"]["description"]


def test_workers_and_shards_give_the_same_file(tmp_path):
    write_scenes(tmp_path / "in", range(2), kind="shapes")
    asked = ("--look-closer", "on", "--model", "shapes")
    drawn = tmp_path / "in" / "images"
    annotated(drawn, "--out", tmp_path / "1.json", "--workers", "1", *asked)
    annotated(drawn, "--out", tmp_path / "2.json", "--workers", "2", *asked)
    annotated(drawn, "--out", tmp_path / "3.json", "--shards", tmp_path / "s", *asked)
    assert rows_of(tmp_path / "1.json")
    assert (tmp_path / "1.json").read_bytes() == (tmp_path / "2.json").read_bytes()
    assert rows_of(tmp_path / "1.json") == rows_of(tmp_path / "3.json")


@pytest.mark.parametrize("looks_closer", [True, False])
def test_a_job_keeps_it_on_the_way_to_workers(looks_closer):
    job = Job("row", "shapes", None, "0" * 64, "exact", Thresholds(), looks_closer=looks_closer)
    assert Job.of_row(json.loads(json.dumps(job.row()))) == job


def test_evaluate_needs_images_for_it(tmp_path):
    result = invoke(
        "evaluate",
        "--ground-truth",
        tmp_path / "t.json",
        "--results",
        tmp_path / "r.json",
        "--look-closer",
        "on",
    )
    assert result.exit_code == 2 and "--look-closer: expected --images with it" in result.stderr


def test_a_model_looks_closer_by_itself_where_that_was_measured_to_gain():
    for spec in MODELS:
        gains = spec.closer_gain is not None and spec.closer_gain > 0
        assert spec.looks_closer("auto") is gains
        assert spec.looks_closer("on") and not spec.looks_closer("off")
    assert {spec.key for spec in MODELS if spec.looks_closer("auto")} == {"mobile", "photos"}
