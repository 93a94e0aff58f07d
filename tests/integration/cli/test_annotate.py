"""`annotate`: which files and settings it takes, and what it says of the others."""

import json
import os
import re

import pytest

from maskrcnn_core.cli import app as cli
from maskrcnn_core.images.reading import encode_png
from tests.builders.cli import invoke, run
from tests.builders.core import make_image, make_model

pytestmark = pytest.mark.usefixtures("weights")


def test_a_bad_file_is_named_and_the_rest_goes_on(tiny, drawn, tmp_path):
    (drawn / "3.png").write_bytes(b"not an image")
    result = invoke("annotate", drawn, tmp_path / "gone.jpg", "--out", tmp_path / "a.json", "-q")
    assert result.exit_code == 0
    assert re.search(r"^in/3\.png: \S", result.stderr, re.M)
    assert re.search(r"^gone\.jpg: cannot read this file", result.stderr, re.M)
    assert "2 of 4 images annotated" in result.stdout and "2 failed" in result.stdout
    assert len(json.loads((tmp_path / "a.json").read_bytes())["images"]) == 2


def test_paths_that_share_only_the_root_are_told_whole(tiny, drawn, tmp_path, monkeypatch):
    """Else they read as paths below the present folder; what is written keeps its names."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad.png").write_bytes(b"not an image")
    result = invoke("annotate", "bad.png", "in/1.png", "/no-such-folder/x.jpg", "--out", "a.json", "-q")
    assert re.search(rf"^{re.escape(str(tmp_path / 'bad.png'))}: expected", result.stderr, re.M)
    assert re.search(r"^/no-such-folder/x\.jpg: cannot read", result.stderr, re.M)
    (image,) = json.loads((tmp_path / "a.json").read_bytes())["images"]
    assert image["file_name"] == (drawn / "1.png").as_posix().removeprefix("/")
    below = invoke("annotate", "bad.png", tmp_path / "in" / "gone.jpg", "--out", "b.json", "-q")
    assert re.search(r"^bad\.png: expected", below.stderr, re.M)
    assert re.search(r"^in/gone\.jpg: cannot read", below.stderr, re.M)


def test_what_a_folder_holds_besides_images_is_said(tiny, drawn, tmp_path):
    (drawn / "scan.dcm").write_bytes(bytes(128) + b"DICM")
    (drawn / "notes.txt").write_bytes(b"x")
    result = invoke("annotate", drawn, "--out", tmp_path / "a.json", "-q")
    assert result.exit_code == 0
    words = "left alone in the folders because they are not images: 1 .dcm (a DICOM file), 1 .txt\n"
    assert words in result.stderr


def test_only_bad_files_are_a_failure(tiny, tmp_path):
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"")
    result = invoke("annotate", bad, "--out", tmp_path / "a.json")
    assert result.exit_code == 1
    assert "no image was annotated" in result.stderr
    assert not (tmp_path / "a.json").exists()


def test_control_characters_never_reach_the_terminal(tiny, drawn, tmp_path):
    (drawn / "\x1b[2J\u202egood.png").write_bytes(encode_png(make_image()))
    (drawn / "\x1b[31mbad\n.png").write_bytes(b"")
    out = tmp_path / "\x1b[0m.json"
    for result in (
        invoke("annotate", drawn, "--out", out),
        invoke("annotate", tmp_path / "\x1b[31mnothing", "--out", out),
        invoke("annotate", drawn, "--out", out, "--model", "\x1b[31mmodel"),
        invoke("annotate", drawn, "--out", out, "--categories", "\x1b[31m"),
        invoke("evaluate", "--ground-truth", out, "--results", tmp_path / "\x1b[31m"),
        invoke("annotate", drawn, "--\x1b[31m"),
        invoke("annotate", drawn, "--max-detections", "\x1b[31m"),
        invoke("\x1b[31m"),
    ):
        assert "\x1b" not in result.output and "\u202e" not in result.output, result.output
    assert out.exists()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--score-threshold", "0.01"], "score threshold: expected 0.05 to 1, got 0.01"),
        (["--score-threshold", "nan"], "score threshold"),
        (["--out", "-"], "expected a file to write, got a device or a pipe"),
        (["--out", "/dev/null"], "expected a file to write, got a device or a pipe"),
        (["--simplify", "-1"], "--simplify: expected 0 to 20 pixels, got -1.0"),
        (["--score-threshold", "high"], "--score-threshold"),
        (["--nms-threshold", "2"], "NMS threshold: expected 0 to 1, got 2.0"),
        (["--mask-threshold", "1"], "mask threshold"),
        (["--max-detections", "0"], "detections per image"),
        (["--model", "moble"], "did you mean mobile?"),
        (["--model", "own.pth"], "--names"),
        (["--names", "names.txt"], "--model"),
        (["--categories", "a,pple"], "category 'pple': expected one of the model's 5 categories"),
        (["--categories", ","], "--categories"),
        (["--overlays", "in"], "choose another output folder"),
        (["--splash", "in"], "choose another output folder"),
        (["--colour", "red"], "--colour"),
    ],
)
def test_what_cannot_be_is_told_with_exit_code_2(tiny, drawn, monkeypatch, options, says):
    monkeypatch.chdir(drawn.parent)
    result = invoke("annotate", "in", *options)
    assert result.exit_code == 2
    assert says in result.stderr
    assert result.stdout == ""
    assert sorted(path.name for path in drawn.parent.iterdir()) == ["in"]


def test_no_files_are_told_with_exit_code_2(tiny, tmp_path):
    result = invoke("annotate", tmp_path)
    assert result.exit_code == 2
    assert "no images found in" in result.stderr


def test_an_unknown_device_and_absent_weights_are_told(tiny, drawn, monkeypatch):
    result = invoke("annotate", drawn, "--device", "tpu9")
    assert result.exit_code == 2
    assert "device 'tpu9'" in result.stderr
    monkeypatch.undo()
    monkeypatch.setenv("MASKDESK_WEIGHTS", str(drawn))
    result = invoke("annotate", drawn, "--model", "coco-v2")
    assert result.exit_code == 1
    assert "coco-v2: its weights are not on this computer" in result.stderr


def test_a_bug_shows_as_one(tiny, drawn, monkeypatch, tmp_path):
    def broken(*arguments):
        raise ZeroDivisionError

    monkeypatch.setattr(cli, "run_batch", broken)
    with pytest.raises(ZeroDivisionError):
        invoke("annotate", drawn, "--out", tmp_path / "a.json")


def test_folders_of_pictures_are_written(tiny, drawn, tmp_path):
    folders = [tmp_path / name for name in ("segments", "overlays", "masks", "splash")]
    options = [option for f in folders for option in (f"--{f.name}", f)]
    result = invoke("annotate", drawn, "--out", tmp_path / "a.json", "--score-threshold", "0.1", *options)
    assert result.exit_code == 0
    assert all(any(folder.iterdir()) for folder in folders)


def test_categories_are_chosen_by_name(tiny, drawn, tmp_path):
    out = tmp_path / "a.json"
    low = ["--score-threshold", "0.05"]
    assert invoke("annotate", drawn, "--out", out, "--categories", "B, d", *low).exit_code == 0
    assert {a["category_id"] for a in json.loads(out.read_bytes())["annotations"]} <= {2, 4}


def test_the_models_own_nms_threshold_is_the_default(tiny, drawn, tmp_path, monkeypatch):
    seen = []
    run_batch = cli.run_batch
    monkeypatch.setattr(
        cli, "run_batch", lambda r, s, *rest: (seen.append(s.thresholds), run_batch(r, s, *rest))[1]
    )
    for options in ([], ["--nms-threshold", "0.25"]):
        invoke("annotate", drawn, "--out", tmp_path / "a.json", *options)
    assert [t.nms_threshold for t in seen] == [make_model().nms_threshold, 0.25]


def test_quiet_shows_no_bar_but_failures(tiny, drawn, tmp_path):
    (drawn / "3.png").write_bytes(b"")
    out = ["--out", tmp_path / "a.json"]
    bar = re.compile(r"100%.* (\d+)/\1 \[.*image")  # a slow machine takes seconds an image
    assert bar.search(invoke("annotate", drawn, *out).stderr)
    quiet = invoke("annotate", drawn, *out, "-q").stderr
    assert "image/s" not in quiet and "s/image" not in quiet and quiet.startswith("3.png: ")


def test_a_persons_own_model_annotates(custom, drawn, tmp_path):
    out = tmp_path / "a.json"
    result = invoke("annotate", drawn / "1.png", "--out", out, "--score-threshold", "0.05", *custom)
    assert result.exit_code == 0, result.stderr
    document = json.loads(out.read_bytes())
    assert [c["name"] for c in document["categories"]] == ["apple", "bread", "cheese"]
    assert document["annotations"]


def test_names_that_the_terminal_cannot_show_are_no_reason_to_stop(custom, tmp_path):
    bad = tmp_path / "новый.png"
    bad.write_bytes(b"")
    environment = {**os.environ, "PYTHONIOENCODING": "ascii:strict"}
    code, out, err = run("annotate", bad, "--out", tmp_path / "ы.json", *custom, env=environment)
    assert code == 1, err
    assert r"\u043d\u043e\u0432\u044b\u0439.png: " in err
    assert "0 of 1 image annotated" in out
