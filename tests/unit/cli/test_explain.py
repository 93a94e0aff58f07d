import nbformat
import pytest
from typer.testing import CliRunner

from maskrcnn_core.cli.app import app
from maskrcnn_core.explain.stages import STAGES
from maskrcnn_core.images.reading import encode_png
from maskrcnn_core.synthetic.samples import draw_sample
from maskrcnn_core.synthetic.scenes import write_scenes


@pytest.fixture(scope="module")
def photo(tmp_path_factory):
    file = tmp_path_factory.mktemp("photo") / "a photo 猫.png"
    file.write_bytes(encode_png(draw_sample("shapes")[:240, :320]))
    return file


def explain(*arguments):
    return CliRunner().invoke(app, ["explain", *map(str, arguments), "--device", "cpu"])


def test_without_files_it_tells_the_numbers_of_every_stage(photo):
    outcome = explain(photo, "--model", "shapes")
    assert outcome.exit_code == 0, outcome.output
    without_numbers = {"truth", "missed", "weights"}
    for stage in STAGES:
        assert (f"{stage.title} (" in outcome.stdout) == (stage.key not in without_numbers)
    assert "regions of interest" in outcome.stdout and "detections: " in outcome.stdout


def test_it_writes_both_files_and_answers_for_a_box(photo, tmp_path):
    html, book = tmp_path / "traced.html", tmp_path / "traced.ipynb"
    outcome = explain(
        photo, "--model", "shapes", "--html", html, "--notebook", book, "--box", "1,1,5,5", "-q"
    )
    assert outcome.exit_code == 0, outcome.output
    explanation, counts, wrote = outcome.stdout.splitlines()
    assert explanation.startswith("Not proposed: ") and counts.startswith("detections: ")
    assert wrote == f"wrote {html} and {book}"
    text = html.read_text(encoding="utf-8")
    assert "a photo 猫.png" in text and "Not proposed: " in text
    made = nbformat.read(book, as_version=4)
    assert repr(str(photo)) in made.cells[1].source and "BOX = (1.0, 1.0, 5.0, 5.0)" in made.cells[1].source
    assert {f.name for f in tmp_path.iterdir()} == {"traced.html", "traced.ipynb"}


def test_with_a_ground_truth_it_tells_what_is_right(tmp_path):
    write_scenes(tmp_path, [5])
    image, truth = tmp_path / "images" / "scene_000005.png", tmp_path / "instances.json"
    html, book = tmp_path / "traced.html", tmp_path / "traced.ipynb"
    outcome = explain(image, "--model", "shapes", "--ground-truth", truth, "--html", html, "--notebook", book)
    assert outcome.exit_code == 0, outcome.output
    assert "Ground truth in instances.json, masks compared at IoU 0.50: " in outcome.stdout
    assert "regions of interest reach" in outcome.stdout and "AP50 " in outcome.stdout
    assert "Overlaps of objects and detections" in html.read_text("utf-8")
    assert f"TRUTH = {str(truth)!r}" in nbformat.read(book, as_version=4).cells[1].source
    other = explain(image, "--model", "shapes", "--ground-truth", tmp_path / "absent.json")
    assert other.exit_code == 2 and "absent.json: cannot read this file" in other.stderr


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--box", "1,2,3"], "expected four numbers"),
        (["--box", "a,b,c,d"], "expected four numbers"),
        (["--box", "nan,1,2,3"], "box"),
        (["--box", "900,900,950,950"], "box"),
        (["--model", "no-such-model"], "no-such-model"),
        (["--score-threshold", "2"], "score threshold"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(photo, options, says):
    outcome = explain(photo, "--model", "shapes", *options)
    assert outcome.exit_code == 2
    assert says in outcome.stderr and len(outcome.stderr.strip().splitlines()) == 1


def test_a_file_that_is_no_image_is_refused(tmp_path):
    file = tmp_path / "a.png"
    file.write_bytes(b"hello")
    outcome = explain(file, "--model", "shapes")
    assert outcome.exit_code == 2 and outcome.stderr.startswith("a.png: ")


def test_no_file_is_written_over_the_image_or_the_other_one(photo, tmp_path):
    before = photo.read_bytes()
    assert "which is the image" in explain(photo, "--html", photo).stderr
    both = tmp_path / "both"
    assert "which is --html" in explain(photo, "--html", both, "--notebook", both).stderr
    assert photo.read_bytes() == before and not both.exists()


def test_a_place_that_cannot_be_written_is_named(photo, tmp_path):
    outcome = explain(photo, "--model", "shapes", "--notebook", tmp_path / "absent" / "traced.ipynb")
    assert outcome.exit_code == 1 and "cannot write" in outcome.stderr
