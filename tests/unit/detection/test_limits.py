"""What a run could not find is said, and what decoding did is counted; ``--stretch`` is everywhere."""

import io
import json
import logging

import numpy as np
import pytest
import tifffile
from typer.testing import CliRunner

from maskrcnn_core.batch import BatchSettings, annotate, find_files
from maskrcnn_core.cli import app as cli
from maskrcnn_core.detection.candidates import Candidates, Thresholds
from maskrcnn_core.detection.limits import LimitTally, NoteTally, limit_note, resolution_note
from maskrcnn_core.detection.runs import Run
from maskrcnn_core.errors import InputError
from maskrcnn_core.evaluation.ground_truth import read_ground_truth
from maskrcnn_core.evaluation.of_models import evaluate_on
from maskrcnn_core.evaluation.unlearned import Reading
from maskrcnn_core.images.reading import decode_image, encode_png
from maskrcnn_core.inference.predictor import Predictor
from maskrcnn_core.models.loading import get_model
from maskrcnn_core.synthetic.samples import sample_png
from maskrcnn_core.workspace import Workspace
from tests.builders.core import dim_tiff, make_image, make_model
from tests.shared_data import shared_path

logging.getLogger("tifffile").setLevel(logging.CRITICAL)


def make_run(count=0, input_size=(100, 100), image_size=(100, 100)):
    """That many boxes that do not overlap, all of one label, scores from .99 down."""
    x = np.arange(count, dtype=np.float32)
    boxes = np.stack([x, x * 0, x + 1, x * 0 + 1], axis=1)
    scores = (0.99 - x / 1000).astype(np.float32)
    return Run(Candidates(boxes, np.ones(count, np.int64), scores, input_size, image_size), 28, "cpu")


@pytest.fixture(scope="module")
def predictor():
    return Predictor(make_model(), "cpu")


@pytest.fixture(scope="module")
def nuclei_model():
    return Predictor(get_model("nuclei"), "cpu")


# -- sentences ----------------------------------------------------------------------------------------


def test_the_limit_says_how_many_it_left_out_and_nothing_where_it_cut_nothing():
    thresholds = Thresholds(0.5, 0.5, 10)
    assert limit_note(make_run(10), thresholds) == ""
    assert limit_note(make_run(13), thresholds).startswith(
        "3 more pass these thresholds but exceed the limit of 10"
    )


@pytest.mark.parametrize(
    ("image_size", "input_size", "share", "lost"),
    [
        ((29417, 1125), (640, 24), "1/46", 368),
        ((300, 10044), (19, 640), "1/16", 126),
        ((90, 90), (30, 30), "1/3", 24),
    ],
)
def test_an_input_much_smaller_than_the_image_says_what_is_lost(image_size, input_size, share, lost):
    note = resolution_note(make_run(0, input_size, image_size))
    assert f"at {input_size[1]} x {input_size[0]} pixels, {share} of its size" in note
    assert f"smaller than about {lost} pixels are lost; cut the image into parts" in note


def test_an_input_of_nearly_the_images_size_says_nothing():
    assert resolution_note(make_run(0, (800, 1067), (1200, 1600))) == ""
    assert resolution_note(make_run(0, (800, 800), (60, 60))) == ""


def test_many_images_are_counted_in_a_sentence_each():
    tally, thresholds = LimitTally(), Thresholds(0.5, 0.5, 10)
    assert tally.sentences() == []
    for name, count in (("a", 10), ("b", 12), ("c", 15)):
        tally.add(name, make_run(count), thresholds)
    tally.add("long", make_run(0, (24, 640), (1125, 29417)), thresholds)
    limit, size = tally.sentences()
    assert limit == (
        "2 images reached the limit of 10 detections, and 7 detections were left out; raise it with "
        "--max-detections"
    )
    assert "saw 1 image at a third of their size or less; the smallest at 1/46 of it: long" in size


def test_notes_that_differ_in_numbers_alone_are_one_sentence():
    tally = NoteTally()
    tally.add("a.tif", ("16-bit grey of 4 to 214 (0.32% of its range) stretched to 8 bit",))
    tally.add(
        "b.tif",
        (
            "16-bit grey of 0 to 99 (1e-2% of its range) stretched to 8 bit",
            "transparency flattened onto white",
        ),
    )
    assert tally.sentences() == [
        "2 images: 16-bit grey of 4 to 214 (0.32% of its range) stretched to 8 bit (a.tif and 1 like it)",
        "b.tif: transparency flattened onto white",
    ]


# -- annotate -----------------------------------------------------------------------------------------


def settings_for(folder, out, **changes):
    return BatchSettings(tuple(find_files([folder])), out, Thresholds(0.05, 0.5, 6), **changes)


def test_annotate_counts_what_decoding_did_and_what_the_limits_cut(tmp_path, predictor):
    folder = tmp_path / "in"
    folder.mkdir()
    for n in range(2):
        (folder / f"dim{n}.tif").write_bytes(dim_tiff(n))
    (folder / "plain.png").write_bytes(encode_png(make_image()))
    (folder / "thin.png").write_bytes(encode_png(make_image(40, 600)))
    report = annotate(settings_for(folder, tmp_path / "a.json"), predictor)
    told = " | ".join(report.notes)
    assert "2 images: 16-bit grey of " in told and "(dim0.tif and 1 like it)" in told
    assert "reached the limit of 6 detections" in told
    assert "saw 1 image at a third of their size or less" in told and "thin.png" in told


def test_annotate_sees_what_the_setting_says_and_resumes_only_with_it(tmp_path, predictor):
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "dim.tif").write_bytes(dim_tiff())
    seen = {}
    for stretch in ("auto", "off"):
        report = annotate(settings_for(folder, tmp_path / f"{stretch}.json", stretch=stretch), predictor)
        seen[stretch] = json.loads(report.files[0].read_bytes())["annotations"]
        assert ("stretched to 8 bit" if stretch == "auto" else "though its values use") in report.notes[0]
    assert seen["auto"] != seen["off"]

    def stop(*_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        annotate(settings_for(folder, tmp_path / "c.json"), predictor, stop)
    with pytest.raises(InputError, match="stretch"):
        annotate(settings_for(folder, tmp_path / "c.json", stretch="off", resume=True), predictor)


# -- a dim image is as good as its 8-bit twin -----------------------------------------------------------


def found(predictor, pixels):
    thresholds = Thresholds(0.5, 0.5, 500)
    (run,) = predictor.run([pixels], thresholds)
    return len(run.candidates.select(thresholds))


def test_nuclei_in_a_corner_of_16_bits_are_found_like_those_of_8_bits(nuclei_model):
    grey = decode_image(sample_png("fluorescence"), "a").pixels[:, :, 0]
    out = io.BytesIO()
    tifffile.imwrite(out, grey.astype(np.uint16), photometric="minisblack")
    dim = decode_image(out.getvalue(), "dim.tif")
    twin = found(nuclei_model, np.repeat(grey[:, :, None], 3, axis=2))
    assert twin > 5 and abs(found(nuclei_model, dim.pixels) - twin) <= 0.15 * twin
    dark = decode_image(out.getvalue(), "dim.tif", stretch="off")
    assert found(nuclei_model, dark.pixels) <= 0.2 * twin


def test_a_real_dim_micrograph_has_the_mask_ap_of_its_8_bit_twin(nuclei_model):
    case = shared_path("cases", "images16", "gt_sd_img2d.tif.json")
    result = {}
    for stretch in ("auto", "off"):
        truth = read_ground_truth(case, case.parent, reading=Reading(stretch=stretch))
        (measured,) = evaluate_on(nuclei_model, [truth], max_detections=500)
        result[stretch] = measured.evaluation.mask.AP
    assert result["auto"] > 0.56
    assert result["off"] < 0.05


# -- the other commands, and the page's workspace ---------------------------------------------------------


def write_truth(folder, file_name="dim.tif"):
    folder.mkdir(exist_ok=True)
    (folder / file_name).write_bytes(dim_tiff())
    box = [10, 10, 30, 10, 30, 30, 10, 30]
    document = {
        "images": [{"id": 1, "file_name": file_name, "width": 80, "height": 60}],
        "categories": [{"id": 1, "name": "nucleus"}],
        "annotations": [
            {
                "id": 1,
                "image_id": 1,
                "category_id": 1,
                "iscrowd": 0,
                "area": 400,
                "bbox": [10, 10, 20, 20],
                "segmentation": [box],
            }
        ],
    }
    file = folder / "truth.json"
    file.write_text(json.dumps(document))
    return file


def test_ground_truth_keeps_the_setting_and_says_what_decoding_did(tmp_path):
    file = write_truth(tmp_path / "in")
    for stretch, says in (("auto", "stretched to 8 bit"), ("off", "though its values use")):
        truth = read_ground_truth(file, file.parent, reading=Reading(stretch=stretch))
        assert truth.stretch == stretch
        assert len(truth.notes) == 1 and truth.notes[0].startswith("dim.tif: ") and says in truth.notes[0]


@pytest.mark.parametrize(
    ("stretch", "says"), [("auto", "stretched to 8 bit"), ("off", "though its values use")]
)
def test_evaluate_and_explain_print_what_they_did_to_an_image(tmp_path, stretch, says):
    file = write_truth(tmp_path / "in")
    evaluate = ["evaluate", "--ground-truth", file, "--images", file.parent, "--model", "nuclei"]
    explain = ["explain", file.parent / "dim.tif", "--model", "nuclei"]
    for command in (evaluate, explain):
        arguments = [*map(str, command), "--stretch", stretch, "-q"]
        result = CliRunner().invoke(cli.app, arguments, catch_exceptions=False)
        assert result.exit_code == 0
        assert "dim.tif: 16-bit grey" in result.stderr and says in result.stderr


def test_a_setting_that_is_none_is_refused_by_every_command_that_decodes(tmp_path):
    for command in (["annotate", "x"], ["explain", "x"], ["evaluate", "--ground-truth", "x"]):
        result = CliRunner().invoke(cli.app, [*command, "--stretch", "maybe"])
        assert result.exit_code == 2 and "--stretch" in result.stderr


def test_a_workspace_shows_dim_images_as_its_switch_says_and_runs_them_again(predictor):
    workspace = Workspace()
    dim = workspace.add("dim.tif", dim_tiff()).added[0]
    plain = workspace.add("plain.png", encode_png(make_image())).added[0]
    workspace.start(predictor, Thresholds())
    for queued in workspace._queued.values():
        assert queued.wait(60)
    bright, picture, before = workspace.pixels(dim), workspace.picture(dim), workspace.images[dim]
    assert before.is_dim and not workspace.images[plain].is_dim
    assert workspace.set_stretch("off") == 1
    assert workspace.pixels(dim).max() <= 1 and bright.max() == 255
    assert workspace.picture(dim) != picture
    assert workspace.images[dim].thumbnail != before.thumbnail
    assert "though its values use" in workspace.images[dim].notes[0]
    assert workspace.run_of(dim, predictor) is None
    assert workspace.run_of(plain, predictor) is not None
    assert list(workspace.images) == [dim, plain]
    assert workspace.set_stretch("off") == 0
    assert workspace.set_stretch("auto") == 1
    assert np.array_equal(workspace.pixels(dim), bright)
