"""``inspect-data``, as a person calls it."""

import base64
import json
from io import BytesIO

import pytest
from PIL import Image

from maskrcnn_core.cli import train as commands
from maskrcnn_core.training.inspection import inspecting
from tests.builders.cli import invoke
from tests.builders.html_page import HOSTILE, Page, nothing_leads_outside
from tests.builders.training import TINY, make_scenes


@pytest.fixture(autouse=True)
def tiny(monkeypatch):
    monkeypatch.setattr(commands, "SlimConfig", lambda: TINY)


@pytest.fixture
def drawn(tmp_path):
    """Scenes whose first image and first category have names that could do harm, and an image is broken."""
    make_scenes(tmp_path, count=4)
    file = tmp_path / "instances.json"
    document = json.loads(file.read_text())
    old, new = document["images"][0]["file_name"], '"><img src=x onerror=alert(1)>.png'
    (tmp_path / "images" / old).rename(tmp_path / "images" / new)
    document["images"][0]["file_name"] = new
    document["categories"][0]["name"] = HOSTILE[0]
    (tmp_path / "images" / document["images"][3]["file_name"]).write_bytes(b"no image")
    file.write_text(json.dumps(document))
    return tmp_path


def options(folder, *more):
    given = ["inspect-data", "--ground-truth", folder / "instances.json", "--images", folder / "images"]
    return [*given, "--crop", 96, "--batch-size", 1, "--workers", 0, "--device", "cpu", *more]


def test_the_report_shows_samples_and_says_what_looks_wrong(drawn):
    out = drawn / "report.html"
    result = invoke(*options(drawn, "--out", out, "--samples", 3, "--over", 3, "--quiet"))
    assert result.exit_code == 0, result.output
    assert "What looks wrong:\n- " in result.stdout and "Regions learned" in result.stdout
    assert "1 x" not in result.stderr and "scene_" in result.stderr, "the broken one is named"
    assert "Starts from random values" in result.stderr and f"wrote {out}" in result.stderr
    page = Page(out.read_text("utf-8"))
    nothing_leads_outside(page)
    assert HOSTILE[0] in page.text and "onerror=alert(1)>.png" in page.text
    for title in (
        "Image and sample",
        "The same image in later epochs",
        "Anchors of the step",
        "Regions of the step",
    ):
        assert sum(title in attrs["alt"] for attrs in page.of("img")) == 3
    assert "Mask targets" in page.text and "What the RPN has to learn" in page.text
    for attrs in page.of("img"):
        with Image.open(BytesIO(base64.b64decode(attrs["src"].partition(",")[2]))) as picture:
            assert picture.size == (int(attrs["width"]), int(attrs["height"]))
    again = invoke(*options(drawn, "--out", out))
    assert again.exit_code == 2 and "this file already exists" in again.stderr


def test_numbers_are_one_json_document(drawn):
    result = invoke(*options(drawn, "--json", "--over", 2, "--quiet", "--rois", 16))
    assert result.exit_code == 0, result.output
    values = json.loads(result.stdout)
    assert values["model"] == "random values" and values["recall"] is None
    assert len(values["samples"]) == 3, "as many as the report would show, if there are as many"
    assert all(sum(v for k, v in s["regions"].items() if k != "true boxes") == 16 for s in values["samples"])
    assert values["images"] == 3 and HOSTILE[0] in values["instances"]


def test_proposals_of_a_trained_model_are_measured(drawn):
    result = invoke(*options(drawn, "--from", "shapes", "--over", 1, "--samples", 1, "--quiet", "--json"))
    assert result.exit_code == 0, result.output
    recall = json.loads(result.stdout)["recall"]
    assert recall["images"] == 1 and recall["proposals per image"] > 0
    sizes = [recall[size] for size in ("small", "medium", "large")]
    reached, objects = (sum(row[name] for row in sizes) for name in ("reached", "objects"))
    assert reached > objects / 2


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (["--over", 0], "--over: expected 1 to"),
        (["--samples", 101], "--samples: expected 1 to 100, got 101"),
        (["--crowds", "maybe"], "--crowds: expected one of"),
        (["--batch-size", 100], "batch-size: expected at most"),
        (["--crop", 5], "crop: expected 32 to 4096"),
        (["--from", "no-such-model"], "no-such-model"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(drawn, more, says):
    result = invoke(*options(drawn, "--quiet", *more))
    assert result.exit_code == 2 and says in result.stderr
    assert "Traceback" not in result.output


def test_a_stopped_inspection_leaves_nothing(drawn, monkeypatch):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(inspecting, "watch_step", stop)
    result = invoke(*options(drawn, "--out", drawn / "report.html", "--quiet"))
    assert result.exit_code == 130 and "interrupted; nothing was written" in result.stderr
    assert not (drawn / "report.html").exists()


def test_images_that_are_gone_by_then_are_passed_over_and_counted(drawn, monkeypatch):
    watch = inspecting.watch_step

    def lose(*arguments, **options):
        for file in (drawn / "images").iterdir():
            file.unlink()
        return watch(*arguments, **options)

    monkeypatch.setattr(inspecting, "watch_step", lose)
    result = invoke(*options(drawn, "--json", "--over", 3, "--samples", 1, "--quiet"))
    assert result.exit_code == 0, result.output
    values = json.loads(result.stdout)
    assert len(values["samples"]) == 1
    gone = [
        sentence
        for sentence in values["findings"]
        if "the image is no longer" in sentence or "left out" in sentence
    ]
    assert len(gone) == 2 and gone[0].startswith("step 2 is left out: ")
