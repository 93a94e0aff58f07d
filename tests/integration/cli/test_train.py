"""``train``, ``draw-scenes``, ``add`` and ``evaluate --images``, as a person calls them."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from maskrcnn_core.cli import app as cli
from maskrcnn_core.cli import train as commands
from maskrcnn_core.images.reading import encode_png
from maskrcnn_core.models.cards import card_file, read_card
from maskrcnn_core.models.catalog import MODELS, SHAPES_FILE, all_models, model_by_key, ready_models
from maskrcnn_core.models.loading import load_model
from maskrcnn_core.networks.configs import SlimConfig
from maskrcnn_core.synthetic.samples import draw_sample
from maskrcnn_core.training.artifacts import curves_file, last_file, log_file, written_files
from maskrcnn_core.training.checkpoint import state_file
from tests.builders.training import TINY, make_scenes

ROOT = Path(__file__).parents[3]


@pytest.fixture
def weights(tmp_path, monkeypatch):
    """An empty place for weights."""
    folder = tmp_path / "weights"
    for name in ("MASKDESK_WEIGHTS", "MASKDESK_DATA", "XDG_CACHE_HOME", "TORCH_HOME"):
        monkeypatch.setenv(name, str(folder))
    return folder


@pytest.fixture
def tiny(monkeypatch):
    """Slim networks of the command are as small as can be."""
    monkeypatch.setattr(commands, "SlimConfig", lambda: TINY)
    assert isinstance(TINY, SlimConfig)


@pytest.fixture
def drawn(tmp_path):
    make_scenes(tmp_path / "train", count=3)
    make_scenes(tmp_path / "val", count=2, first=50)
    return tmp_path


def invoke(*arguments):
    result = CliRunner().invoke(cli.app, [str(a) for a in arguments], catch_exceptions=False)
    assert "Traceback" not in result.output
    return result


def options(folder, out, *, epochs=1, validation=True):
    rows = ["train", "--ground-truth", folder / "train/instances.json", "--images", folder / "train/images"]
    if validation:
        rows += ["--val-ground-truth", folder / "val/instances.json", "--val-images", folder / "val/images"]
    rows += ["--out", out, "--epochs", epochs, "--batch-size", 2, "--crop", 96, "--workers", 0]
    return [*rows, "--device", "cpu"]


def test_a_trained_model_is_one_choice_more_in_every_menu(drawn, weights, tiny):
    out = drawn / "my-shapes.safetensors"
    result = invoke(*options(drawn, out), "--title", "My shapes", "--licence", "CC0-1.0", "--half")
    assert result.exit_code == 0, result.output
    assert "mask AP" in result.stderr and "Starts from random values" in result.stderr
    assert "it now appears in every menu: --model my-shapes" in result.stdout
    for file in (out, card_file(out), last_file(out), log_file(out), curves_file(out)):
        assert file.stat().st_size > 0
    spec = model_by_key("my-shapes")
    assert "my-shapes" in [row.key for row in all_models()]
    assert (spec.title, spec.licence) == ("My shapes", "CC0-1.0")
    assert not spec.is_published and Path(spec.file).is_relative_to(weights)
    assert "my-shapes" in invoke("models").stdout
    assert [c.name for c in load_model("my-shapes").label_map] == ["circle", "square", "triangle"]
    assert "Starts from random values" in invoke("summary", out).stdout
    image = drawn / "val/images"
    result = invoke("annotate", image, "--model", "my-shapes", "--out", drawn / "a.json")
    assert result.exit_code == 0 and json.loads((drawn / "a.json").read_text())["images"]
    truth = drawn / "val/instances.json"
    told = invoke(
        "evaluate", "--ground-truth", truth, "--images", image, "--model", "my-shapes", "--json", "--quiet"
    )
    measured = json.loads(told.stdout)
    assert measured["images"] == 2
    assert measured["mask"]["AP"] == pytest.approx(read_card(card_file(out)).results[0]["mask AP"], abs=0.02)


def test_without_a_place_a_model_goes_into_the_persons_own_folder_and_into_the_menus(drawn, weights, tiny):
    given = options(drawn, drawn / "x.safetensors", validation=False)
    at = given.index("--out")
    given = [*given[:at], *given[at + 2 :], "--title", "My shapes, 2nd", "--quiet"]
    result = invoke(*given)
    assert result.exit_code == 0, result.output
    out = weights / "models" / "My-shapes-2nd.safetensors"
    assert f"writes {out}, and everything else next to it" in result.stderr
    assert "it now appears in every menu: --model My-shapes-2nd" in result.stdout
    mine = [spec for spec in all_models() if spec not in MODELS]
    assert [(spec.key, spec.file) for spec in mine] == [("My-shapes-2nd", str(out))], "there once, not twice"
    assert load_model("My-shapes-2nd").title == "My shapes, 2nd"
    again = invoke(*given)
    assert again.exit_code == 2 and "this already exists" in again.stderr
    longer = invoke(*given, "--epochs", 2, "--resume")
    assert longer.exit_code == 0, longer.output
    assert "Extends a run of 1 epoch to 2" in longer.stderr
    assert read_card(card_file(out)).run["extended_after"] == [1]


def test_a_name_of_another_model_in_the_menus_is_refused_in_ones_own_folder(drawn, weights, tiny):
    (weights / "trained").mkdir(parents=True)
    copy_of_model(weights / "trained", "instances.safetensors")
    given = options(drawn, drawn / "x.safetensors", validation=False)
    at = given.index("--out")
    result = invoke(*given[:at], *given[at + 2 :], "--quiet")
    assert result.exit_code == 2 and "instances: the menus already have a model of this name" in result.stderr


def test_training_goes_on_from_a_trained_model(drawn, weights, tiny):
    first = drawn / "first.safetensors"
    assert invoke(*options(drawn, first, validation=False), "--no-menu", "--quiet").exit_code == 0
    assert [spec.key for spec in all_models()] == [spec.key for spec in MODELS]
    second = drawn / "second.safetensors"
    given = options(drawn, second, validation=False)
    result = invoke(*given, "--from", first, "--crop", 40, "--no-menu", "--quiet")
    assert result.exit_code == 0, result.output
    assert "the same 3 categories, so everything is kept" in result.stderr
    assert "leave" in result.stderr and "without --crop the network sees whole images" in result.stderr
    card = read_card(card_file(second))
    assert card.settings["begins from"] == f"SHA-256 {read_card(card_file(first)).sha256}"
    assert card.settings["peak_rate"] == pytest.approx(1e-4)


def test_a_killed_command_goes_on_with_resume_and_ends_with_the_same_bytes(drawn, weights, tiny):
    whole, broken = drawn / "whole" / "m.safetensors", drawn / "broken" / "m.safetensors"
    for out in (whole, broken):
        out.parent.mkdir()
    common = ("--no-menu", "--quiet", "--batch-size", 1, "--checkpoint-every", 2)
    assert invoke(*options(drawn, whole, epochs=2), *common).exit_code == 0
    given = [*options(drawn, broken, epochs=2), *common]
    process = subprocess.Popen([sys.executable, "-c", _TINY_COMMAND, *map(str, given)])
    state = broken.with_name(broken.name + ".training")
    end = time.monotonic() + 200
    seen = set()
    while len(seen) < 3 and time.monotonic() < end and process.poll() is None:
        seen |= {state.stat().st_mtime_ns} if state.exists() else set()  # the first is from before any step
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert state.exists()
    refused = invoke(*given)
    assert refused.exit_code == 2 and "--resume continues it" in refused.stderr
    assert invoke(*given, "--resume").exit_code == 0
    assert broken.read_bytes() == whole.read_bytes()
    cards = [json.loads(card_file(out).read_text()) for out in (whole, broken)]
    for card in cards:
        assert card["run"].pop("date") and card["run"].pop("seconds") > 0
    assert cards[0] == cards[1]


_TINY_COMMAND = """
from maskrcnn_core.cli import app as cli
from maskrcnn_core.cli import train as commands
from tests.builders.training import TINY
commands.SlimConfig = lambda: TINY
cli.app()
"""


def test_one_trains_on_what_maskdesk_exported(tmp_path, weights, tiny):
    """The README's five lines, with the shapes model in place of a person's own corrections."""
    (tmp_path / "pictures").mkdir()
    for key in ("fluorescence", "shapes"):
        (tmp_path / "pictures" / f"{key}.png").write_bytes(encode_png(draw_sample(key)))
    exported = tmp_path / "annotations.json"
    result = invoke("annotate", tmp_path / "pictures", "--model", "shapes", "--out", exported, "--quiet")
    assert result.exit_code == 0 and json.loads(exported.read_text())["annotations"]
    out = tmp_path / "mine.safetensors"
    result = invoke(
        *("train", "--ground-truth", exported, "--images", tmp_path / "pictures", "--out", out),
        *("--from", "shapes", "--epochs", 1, "--batch-size", 1, "--crop", 96, "--workers", 0, "--quiet"),
    )
    assert result.exit_code == 0, result.output
    assert "the same 3 categories, so everything is kept" in result.stderr
    assert model_by_key("mine").title == "mine"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (["--out", "a.pth"], "ends with .safetensors"),
        (["--epochs", "0"], "epochs: expected 1"),
        (["--from", "mobil"], "did you mean mobile"),
        (["--rate", "0"], "peak-rate: expected"),
        (["--crop", "0"], "crop: expected 32"),
        (["--rois", "0"], "rois: expected 4"),
        (["--crowds", "some"], "--crowds: expected one of ignore, objects, got 'some'"),
        (["--names", "x.txt"], "name that file with --from"),
        (["--images", "a", "--images", "b"], "--images: expected one folder for each of 1 ground truths"),
        (["--device", "tpu"], "is not on this machine"),
        (["--out", "shapes.safetensors"], "'shapes' is the key of one of MaskDesk's own models"),
    ],
)
def test_wrong_usage_is_told_in_one_line(change, message, drawn, weights, tiny):
    result = invoke(*options(drawn, drawn / "a.safetensors"), "--quiet", *change)
    assert result.exit_code == 2
    assert message in result.stderr and len(result.stderr.strip().splitlines()) <= 2


def test_what_is_there_already_is_never_overwritten(drawn, weights, tiny):
    out = drawn / "a.safetensors"
    out.write_bytes(b"precious")
    result = invoke(*options(drawn, out))
    assert result.exit_code == 2 and "already exists" in result.stderr
    assert out.read_bytes() == b"precious"


@pytest.mark.parametrize("resume", [(), ("--resume",)])
@pytest.mark.parametrize("file", [*written_files(Path("a.safetensors")), state_file(Path("a.safetensors"))])
def test_nor_is_anything_that_a_run_would_write(drawn, weights, tiny, file, resume):
    if resume and file == state_file(Path("a.safetensors")):
        pytest.skip("that is what --resume continues")
    (drawn / file).write_bytes(b"precious")
    result = invoke(*options(drawn, drawn / "a.safetensors"), *resume)
    assert result.exit_code == 2 and f"{file}: this already exists" in result.stderr
    assert (drawn / file).read_bytes() == b"precious"
    assert [p.name for p in drawn.glob("a.*")] == [file.name]


@pytest.mark.parametrize("resume", [(), ("--resume",)])
def test_what_is_learned_from_is_never_written_over(drawn, weights, tiny, resume):
    truth = drawn / "train" / "instances.json"
    before = truth.read_bytes()
    if resume:
        state_file(truth.with_suffix(".safetensors")).write_bytes(b"")
    result = invoke(*options(drawn, truth.with_suffix(".safetensors")), *resume)
    assert result.exit_code == 2
    assert "instances.json: training would overwrite a file it reads" in result.stderr
    assert truth.read_bytes() == before


def marked(folder, **changes):
    """Ground truth of drawn scenes whose first annotations say something else of themselves."""
    file = folder / "train/instances.json"
    document = json.loads(file.read_text())
    for row, change in zip(document["annotations"], changes.values(), strict=False):
        row |= change
    file.write_text(json.dumps(document))
    return document


def test_what_is_no_ground_truth_is_counted_with_the_switch_for_it(drawn, weights, tiny):
    marked(
        drawn,
        crowd={"iscrowd": 1},
        proposal={"maskdesk": {"status": "proposed"}, "score": 0.5},
        rejected={"maskdesk": {"status": "rejected"}},
        refused={"category_id": 99},
    )
    result = invoke(*options(drawn, drawn / "a.safetensors", validation=False), "--no-menu", "--quiet")
    assert result.exit_code == 0, result.output
    told = " ".join(result.stderr.split())
    assert "1 crowd (iscrowd 1), 1 open proposal, 1 row that cannot be read: not learned, and" in told
    assert "--crowds objects treats each" in told and "--with-proposals learns" in told
    assert "1 rejected instance is left out" in told
    facts = read_card(card_file(drawn / "a.safetensors")).data["training"][0]
    assert facts["not learned"] == {"crowd": 1, "proposal": 1, "refused": 1}


def test_a_file_of_crowds_alone_says_what_helps_and_can_be_learned_as_objects(drawn, weights, tiny):
    """CVAT writes each mask that is no polygon as a crowd."""
    count = len(json.loads((drawn / "train/instances.json").read_text())["annotations"])
    marked(drawn, **{str(n): {"iscrowd": 1} for n in range(count)})
    given = [*options(drawn, drawn / "a.safetensors", validation=False), "--no-menu", "--quiet"]
    result = invoke(*given)
    assert result.exit_code == 2 and "none of the images has an instance to learn from" in result.stderr
    assert f"{count:,} crowds" in result.stderr and "as in CVAT's mask exports" in result.stderr
    result = invoke(*given, "--crowds", "objects")
    assert result.exit_code == 0, result.output
    assert read_card(card_file(drawn / "a.safetensors")).data["training"][0]["instances"] == count


def test_a_trained_model_writes_the_category_ids_of_its_file_also_0(drawn, weights, tiny):
    file = drawn / "train/instances.json"
    document = json.loads(file.read_text())
    for row in document["categories"]:
        row["id"] -= 1
    for row in document["annotations"]:
        row["category_id"] -= 1
    file.write_text(json.dumps(document))
    out = drawn / "a.safetensors"
    assert invoke(*options(drawn, out, validation=False), "--no-menu", "--quiet").exit_code == 0
    assert [c.id for c in read_card(card_file(out)).categories] == [0, 1, 2]
    results = drawn / "results.json"
    given = ("--model", out, "--score-threshold", 0.05, "--out", drawn / "out.json", "--results", results)
    assert invoke("annotate", drawn / "val/images", *given, "--quiet").exit_code == 0
    assert {row["category_id"] for row in json.loads(results.read_text())} <= {0, 1, 2}
    written = json.loads((drawn / "out.json").read_text())
    assert [(c["id"], c["name"]) for c in written["categories"]] == [
        (c["id"], c["name"]) for c in document["categories"]
    ]


def test_validation_images_need_their_truth(drawn, weights, tiny):
    given = options(drawn, drawn / "a.safetensors", validation=False)
    result = invoke(*given, "--val-images", drawn / "val/images")
    assert result.exit_code == 2 and "expected --val-ground-truth with it" in result.stderr


def test_the_limit_of_the_model_before_is_kept_and_a_crowd_is_told(drawn, weights, tiny):
    first, second = drawn / "first.safetensors", drawn / "second.safetensors"
    result = invoke(*options(drawn, first, validation=False), "--max-detections", 3, "--quiet", "--no-menu")
    assert result.exit_code == 0, result.output
    assert "instances per image, but the model keeps at most 3; --max-detections" in result.stderr
    again = invoke(*options(drawn, second, validation=False), "--from", first, "--quiet", "--no-menu")
    assert again.exit_code == 0, again.output
    assert read_card(card_file(second)).max_detections == 3
    assert "at most 3 per image" in invoke("summary", second).stdout


def test_two_validation_sets_of_one_name_are_told_apart(drawn, weights, tiny):
    make_scenes(drawn / "more" / "val", count=2, first=70)
    folder = drawn / "more" / "val"
    out = drawn / "a.safetensors"
    more = ("--val-ground-truth", folder / "instances.json", "--val-images", folder / "images")
    result = invoke(*options(drawn, out), *more, "--quiet", "--no-menu")
    assert result.exit_code == 0, result.output
    head = log_file(out).read_text().splitlines()[0].split(",")
    assert [c for c in head if c.endswith("mask AP")] == [
        "val/instances.json: mask AP",
        "val/instances (2).json: mask AP",
    ]


def test_a_name_that_is_in_the_menus_already_is_told_before_the_run(drawn, weights, tiny):
    for place in ("one", "two"):
        (drawn / place).mkdir()
        given = options(drawn, drawn / place / "mine.safetensors", validation=False)
        result = invoke(*given, "--quiet")
        assert result.exit_code == 0
        assert ("replaces it once trained" in result.stderr) == (place == "two")


def test_scenes_are_drawn_by_the_command(tmp_path):
    result = invoke("draw-scenes", tmp_path / "drawn", "--count", 2, "--first-seed", 7, "--quiet")
    assert result.exit_code == 0 and result.stdout.startswith("2 scenes with ")
    assert sorted(p.name for p in (tmp_path / "drawn/images").iterdir()) == [
        "scene_000007.png",
        "scene_000008.png",
    ]
    assert invoke("draw-scenes", tmp_path, "--count", 0).exit_code == 2
    again = invoke("draw-scenes", tmp_path / "drawn", "--count", 1, "--quiet")
    assert again.exit_code == 2 and "instances.json: this already exists" in again.stderr
    drawn = json.loads((tmp_path / "drawn/instances.json").read_text())
    assert len(drawn["images"]) == 2
    over = invoke("draw-scenes", tmp_path / "drawn", "--count", 1, "--over", "--quiet")
    assert over.exit_code == 0
    assert len(json.loads((tmp_path / "drawn/instances.json").read_text())["images"]) == 1
    assert {c["name"] for c in drawn["categories"]} == {"circle", "square", "triangle"}


def test_scenes_of_another_kind_are_drawn_by_the_command(tmp_path):
    result = invoke("draw-scenes", tmp_path, "--kind", "tissue", "--count", 1, "--quiet")
    assert result.exit_code == 0 and result.stdout.startswith("1 scene with ")
    drawn = json.loads((tmp_path / "instances.json").read_text())
    assert [c["name"] for c in drawn["categories"]] == ["nucleus"]
    result = invoke("draw-scenes", tmp_path, "--kind", "cats")
    assert result.exit_code == 2
    assert "expected one of shapes, fluorescence, tissue, got 'cats'" in result.stderr


# -- add --------------------------------------------------------------------------------------------


def copy_of_model(folder, name):
    file = folder / name
    file.write_bytes(SHAPES_FILE.read_bytes())
    card_file(file).write_bytes(card_file(SHAPES_FILE).read_bytes())
    return file


def test_a_model_is_added_from_anywhere_and_its_copy_lives_on(tmp_path, weights):
    file = copy_of_model(tmp_path, "cells.safetensors")
    result = invoke("add", file)
    assert result.exit_code == 0 and "cells now appears in every menu" in result.stdout
    file.unlink()
    assert load_model("cells").label_map == model_by_key("shapes").label_map
    assert ready_models()[-1].key == "cells"


def test_what_cannot_be_added_is_told(tmp_path, weights):
    assert (
        "is the key of one of MaskDesk's own models"
        in invoke("add", copy_of_model(tmp_path, "mobile.safetensors")).stderr
    )
    file = copy_of_model(tmp_path, "cells.safetensors")
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    assert "its card belongs to other weights" in invoke("add", file).stderr
    card_file(file).unlink()
    assert "cells.json: cannot be read" in invoke("add", file).stderr
    assert [spec.key for spec in all_models()] == [spec.key for spec in MODELS]


def test_a_changed_weights_file_is_refused_when_it_is_loaded(tmp_path, weights):
    invoke("add", copy_of_model(tmp_path, "cells.safetensors"))
    file = Path(model_by_key("cells").file)
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    result = invoke("summary", "cells")
    assert result.exit_code == 1 and "expected the weights its card describes" in result.stderr


def test_a_card_that_cannot_be_read_does_not_spoil_the_menu(tmp_path, weights):
    invoke("add", copy_of_model(tmp_path, "cells.safetensors"))
    card_file(Path(model_by_key("cells").file)).write_text("{")
    assert [spec.key for spec in all_models()] == [spec.key for spec in MODELS]
