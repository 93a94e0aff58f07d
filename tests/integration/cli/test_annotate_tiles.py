"""`annotate --tiles`: large pictures in tiles, whoever runs the network, and what is said of it."""

import json

import numpy as np
import pytest

from maskrcnn_core.batch.worker import Job
from maskrcnn_core.detection.candidates import Thresholds
from maskrcnn_core.images.reading import encode_png, read_image
from maskrcnn_core.tiling.choosing import Tiling
from tests.builders.cli import annotated, invoke
from tests.builders.core import make_image
from tests.shared_data import shared_path

pytestmark = pytest.mark.usefixtures("weights")


@pytest.fixture
def wide(drawn):
    """Two small images, and one that is three times as wide."""
    (drawn / "wide.png").write_bytes(encode_png(make_image(90, 360, 5)))
    return drawn


def test_only_large_pictures_are_cut_and_it_is_said(tiny, wide, tmp_path):
    plain = annotated(wide, "--out", tmp_path / "a.json")
    tiled = annotated(wide, "--out", tmp_path / "b.json", "--tiles", "128", "--tile-overlap", "0.2")
    assert "tiles" not in plain.stderr.replace("--tiles", "")
    assert "wide.png: seen in 4 tiles of 128 x 90 pixels" in tiled.stderr
    a, b = (json.loads((tmp_path / name).read_bytes()) for name in ("a.json", "b.json"))
    assert b["info"]["description"] == a["info"]["description"] + "; tiles: 128, overlap 0.2"
    (cut,) = [image["id"] for image in a["images"] if image["file_name"] == "wide.png"]
    rows = [
        [(row["image_id"], row["category_id"], row["segmentation"]) for row in one["annotations"]]
        for one in (a, b)
    ]
    whole, tiles = ([row for row in one if row[0] != cut] for one in rows)
    assert whole == tiles and whole
    # The limit of five counts for each tile.
    assert len(rows[1]) - len(tiles) > 5 >= len(rows[0]) - len(whole) > 0


def test_shards_give_the_same_file(tiny, wide, tmp_path):
    annotated(wide, "--out", tmp_path / "a.json", "--tiles", "128")
    annotated(wide, "--out", tmp_path / "b.json", "--tiles", "128", "--shards", tmp_path / "s")
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()


def test_workers_give_the_same_file(wide, tmp_path):
    asked = ("--tiles", "128", "--model", "shapes", "--score-threshold", "0.05")
    for workers in ("1", "2"):
        annotated(wide, "--out", tmp_path / f"{workers}.json", "--workers", workers, *asked)
    assert json.loads((tmp_path / "1.json").read_bytes())["annotations"]
    assert (tmp_path / "1.json").read_bytes() == (tmp_path / "2.json").read_bytes()


@pytest.mark.parametrize("tiling", [None, Tiling(), Tiling(640, 0.1)])
def test_a_job_keeps_its_tiles_on_the_way_to_workers(tiling):
    job = Job("row", "nuclei", None, "0" * 64, "exact", Thresholds(), tiling=tiling)
    assert Job.of_row(json.loads(json.dumps(job.row()))) == job


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--tiles", "yes"), "tiles: expected auto, off, or 64 to 16,384 pixels, got 'yes'"),
        (("--tiles", "10"), "tiles: expected auto, off, or 64 to 16,384 pixels, got 10"),
        (("--tiles", "128", "--tile-overlap", "0.9"), "tile overlap: expected 0 to 0.5, got 0.9"),
        (("--tiles", "auto", "--cluster", "auto"), "--tiles: expected none with --cluster"),
    ],
)
def test_values_out_of_range_are_told_before_anything_is_read(tmp_path, options, said):
    result = invoke("annotate", tmp_path / "nothing.png", "--out", tmp_path / "a.json", *options)
    assert result.exit_code == 2 and said in result.stderr


def test_a_slide_gives_what_its_parts_give(tmp_path):
    """A stained picture twelve times, turned so that its seams fit; without tiles half of it at most."""
    part = read_image(shared_path("cases", "large", "sd_histo.jpg")).pixels
    mirrored = part[:, ::-1]
    rows = [np.concatenate(row, axis=1) for row in ((part, mirrored, part), (part, mirrored, part))]
    rows = [rows[0], rows[1][::-1], rows[0], rows[1][::-1]]
    (tmp_path / "slide.png").write_bytes(encode_png(np.concatenate(rows)))
    (tmp_path / "part.png").write_bytes(encode_png(part))
    counts = {}
    for tiles in ("auto", "off"):
        out = tmp_path / f"{tiles}.json"
        options = ("--domain", "microscopy", "--max-detections", "1000", "--tiles", tiles, "-q")
        result = invoke("annotate", tmp_path / "slide.png", tmp_path / "part.png", "--out", out, *options)
        assert result.exit_code == 0, result.stderr
        document = json.loads(out.read_bytes())
        names = {image["id"]: image["file_name"] for image in document["images"]}
        counts[tiles] = dict.fromkeys(names.values(), 0)
        for row in document["annotations"]:
            counts[tiles][names[row["image_id"]]] += 1
    assert counts["auto"]["part.png"] == counts["off"]["part.png"] > 150
    assert counts["auto"]["slide.png"] == pytest.approx(12 * counts["off"]["part.png"], rel=0.08)
    assert counts["off"]["slide.png"] < 0.5 * counts["auto"]["slide.png"]
