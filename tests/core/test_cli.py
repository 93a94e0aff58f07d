import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from safetensors.torch import save_file
from typer.testing import CliRunner

from maskrcnn_core import cli, console
from maskrcnn_core.batch import journal_file
from maskrcnn_core.domains import OWN, looks
from maskrcnn_core.formats.coco import coco_document, dump_json, result_rows
from maskrcnn_core.images import encode_png
from maskrcnn_core.model_cards import card_file
from maskrcnn_core.models import MODELS, STARTER_FILE, load_trained_model
from maskrcnn_core.scenes import draw_scene
from tests.core.builders import make_image, make_model, make_network
from tests.core.test_evaluation import make_dataset, with_scores
from tests.shared_data import shared_path

ROOT = Path(__file__).resolve().parents[2]


def shared_or_none(*parts: str) -> Path | None:
    try:
        return shared_path(*parts)
    except pytest.skip.Exception:
        return None


@pytest.fixture(autouse=True)
def weights(tmp_path_factory, monkeypatch):
    """Only the shared weights, if any: what lies on this computer decides nothing."""
    empty = tmp_path_factory.getbasetemp() / "no weights"
    folder = shared_or_none("weights") or empty
    for name, value in (("MASKDESK_WEIGHTS", folder), ("XDG_CACHE_HOME", empty), ("TORCH_HOME", empty)):
        monkeypatch.setenv(name, str(value))


@pytest.fixture(scope="module")
def custom(tmp_path_factory):
    """A random model of a person's own, as options."""
    folder = tmp_path_factory.mktemp("custom")
    state = make_network(4, seed=1).state_dict()
    save_file({name: t.contiguous() for name, t in state.items()}, folder / "own.safetensors")
    (folder / "names.txt").write_text("apple\nbread\ncheese\n")
    return ["--model", str(folder / "own.safetensors"), "--names", str(folder / "names.txt")]


@pytest.fixture(scope="module")
def model(request):
    """A fast model where the shared weights are there, else a random one: as options."""
    return ["--model", "mobile"] if shared_or_none("weights") else request.getfixturevalue("custom")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """A folder of eight photos, or drawn images, with a good deal to find in them."""
    folder = tmp_path_factory.mktemp("pictures")
    photos = shared_or_none("data", "coco_val2017", "images")
    if photos:
        for photo in sorted(photos.iterdir())[:8]:
            shutil.copyfile(photo, folder / photo.name)
    else:
        for n in range(1, 9):
            (folder / f"{n}.png").write_bytes(encode_png(make_image(60, 90, n)))
    return folder


@pytest.fixture
def tiny(monkeypatch):
    """A random model in place of every published one, for tests in which the command line is at stake."""
    loaded = make_model()
    monkeypatch.setattr(console, "load_model", lambda spec, **options: loaded)
    monkeypatch.setattr(console, "default_model", lambda: MODELS[0])


@pytest.fixture
def drawn(tmp_path):
    """Two small images."""
    folder = tmp_path / "in"
    folder.mkdir()
    for n in (1, 2):
        (folder / f"{n}.png").write_bytes(encode_png(make_image(seed=n)))
    return folder


def invoke(*arguments):
    result = CliRunner().invoke(cli.app, [str(a) for a in arguments], catch_exceptions=False)
    assert "Traceback" not in result.output
    return result


def start(*arguments, **options) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "maskrcnn_core", *map(str, arguments)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def run(*arguments, **options) -> tuple[int, str, str]:
    process = start(*arguments, **options)
    out, err = process.communicate(timeout=300)
    return process.returncode, out, err


def wait_for_images(process: subprocess.Popen, journal: Path, images: int) -> None:
    """Until so many are in the journal."""
    deadline = time.monotonic() + 300
    while not journal.exists() or journal.read_bytes().count(b"\n") < images + 1:
        assert process.poll() is None and time.monotonic() < deadline, process.stderr.read()
        time.sleep(0.002)


# -- annotate: broken off ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def undisturbed(pictures, model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("clean")
    with pytest.MonkeyPatch.context() as patch:
        if shared_or_none("weights"):
            patch.setenv("MASKDESK_WEIGHTS", str(shared_path("weights")))
        code, out, err = run("annotate", pictures, *outputs(folder), *model)
    assert code == 0, err
    assert "8 of 8 images annotated" in out
    assert "least mask IoU read back 1.000000" in out
    return contents(folder)


def outputs(folder: Path) -> list[str]:
    low = ["--score-threshold", "0.05", "--max-detections", "10"]
    return ["--out", f"{folder}/a.json", "--results", f"{folder}/r.json", *low]


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_killed_run_resumed_ends_byte_for_byte_as_an_undisturbed_one(
    pictures, model, undisturbed, tmp_path
):
    assert len(json.loads(undisturbed["r.json"])) > 8
    arguments = ["annotate", pictures, *outputs(tmp_path), *model]
    journal = journal_file(tmp_path / "a.json")
    process = start(*arguments)
    wait_for_images(process, journal, 2)
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert not (tmp_path / "a.json").exists() and not (tmp_path / "r.json").exists()
    with journal.open("ab") as file:  # and once more in the middle of a line
        file.write(b'{"path":"')
    code, out, err = run(*arguments, "--resume")
    assert code == 0, err
    assert re.search(r"8 of 8 images annotated; [2-7] of them before the run was resumed", out)
    left = contents(tmp_path)
    assert {name: left[name] for name in undisturbed} == undisturbed
    assert set(left) - set(undisturbed) <= {".a.json.journal.lock"}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_asked_to_end_tells_how_to_go_on(number, pictures, model, undisturbed, tmp_path):
    arguments = ["annotate", pictures, *outputs(tmp_path), *model]
    # Tests that a shell has put into the background ignore SIGINT, and hand that down.
    process = start(*arguments, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
    wait_for_images(process, journal_file(tmp_path / "a.json"), 1)
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert re.search(r"interrupted after [0-8] of 8 images; the same command with --resume goes on", err)
    assert "Traceback" not in err
    assert list(contents(tmp_path)) == ["a.json.journal"]
    code, _, err = run(*arguments, "--resume")
    assert code == 0, err
    assert contents(tmp_path) == undisturbed


def test_other_settings_are_refused_when_resuming(tiny, drawn, tmp_path):
    out = tmp_path / "a.json"

    def interrupt(settings, predictor, on_progress):
        def stop(done, total, outcome):
            on_progress(done, total, outcome)
            raise KeyboardInterrupt

        return run_batch(settings, predictor, stop)

    run_batch = cli.run_batch
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cli, "run_batch", interrupt)
        stopped = invoke("annotate", drawn, "--out", out)
    assert stopped.exit_code == 130
    assert "interrupted after 1 of 2 images" in stopped.stderr
    result = invoke("annotate", drawn, "--out", out, "--resume", "--score-threshold", "0.3")
    assert result.exit_code == 2
    assert "score threshold 0.5, this one has 0.3" in result.stderr
    assert invoke("annotate", drawn, "--out", out, "--resume", "--quiet").exit_code == 0


# -- annotate: files --------------------------------------------------------------------------------


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
    assert re.search(rf"^{re.escape(str(tmp_path / 'bad.png'))}: wanted", result.stderr, re.M)
    assert re.search(r"^/no-such-folder/x\.jpg: cannot read", result.stderr, re.M)
    (image,) = json.loads((tmp_path / "a.json").read_bytes())["images"]
    assert image["file_name"] == (drawn / "1.png").as_posix().removeprefix("/")
    below = invoke("annotate", "bad.png", tmp_path / "in" / "gone.jpg", "--out", "b.json", "-q")
    assert re.search(r"^bad\.png: wanted", below.stderr, re.M)
    assert re.search(r"^in/gone\.jpg: cannot read", below.stderr, re.M)


def test_what_a_folder_holds_besides_images_is_said(tiny, drawn, tmp_path):
    (drawn / "scan.dcm").write_bytes(bytes(128) + b"DICM")
    (drawn / "notes.txt").write_bytes(b"x")
    result = invoke("annotate", drawn, "--out", tmp_path / "a.json", "-q")
    assert result.exit_code == 0
    words = "left alone in the folders, as they are no images: 1 .dcm (a DICOM file), 1 .txt\n"
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
        (["--score-threshold", "0.01"], "score threshold: wanted 0.05 to 1, got 0.01"),
        (["--score-threshold", "nan"], "score threshold"),
        (["--out", "-"], "wanted a file to write, found a device or a pipe"),
        (["--out", "/dev/null"], "wanted a file to write, found a device or a pipe"),
        (["--simplify", "-1"], "--simplify: wanted 0 to 20 pixels, found -1.0"),
        (["--score-threshold", "high"], "--score-threshold"),
        (["--nms-threshold", "2"], "NMS threshold: wanted 0 to 1, got 2.0"),
        (["--mask-threshold", "1"], "mask threshold"),
        (["--max-detections", "0"], "detections per image"),
        (["--model", "moble"], "did you mean mobile?"),
        (["--model", "own.pth"], "--names"),
        (["--names", "names.txt"], "--model"),
        (["--categories", "a,pple"], "category 'pple': wanted one of the model's 5 categories"),
        (["--categories", ","], "--categories"),
        (["--overlays", "in"], "choose another output folder"),
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
    folders = [tmp_path / name for name in ("segments", "overlays", "masks")]
    options = [option for f in folders for option in (f"--{f.name}", f)]
    result = invoke("annotate", drawn, "--out", tmp_path / "a.json", "--score-threshold", "0.1", *options)
    assert result.exit_code == 0
    assert all(any(folder.iterdir()) for folder in folders)


def test_categories_are_chosen_by_name(tiny, drawn, tmp_path):
    out = tmp_path / "a.json"
    low = ["--score-threshold", "0.05"]
    assert invoke("annotate", drawn, "--out", out, "--categories", "B, d", *low).exit_code == 0
    assert {a["category_id"] for a in json.loads(out.read_bytes())["annotations"]} <= {2, 4}


# -- annotate: which model pictures are for -----------------------------------------------------------


@pytest.fixture
def nuclei(tmp_path):
    """Three micrographs of nuclei and one scene of drawn shapes."""
    folder = tmp_path / "nuclei"
    folder.mkdir()
    for seed, kind in enumerate(("fluorescence", "fluorescence", "tissue", "shapes")):
        (folder / f"{seed}.png").write_bytes(encode_png(draw_scene(300_000 + seed, kind).pixels))
    return folder


@pytest.fixture
def tiny_photos(monkeypatch):
    """A random model that is for photos."""
    loaded = replace(make_model(), key="photos", domains=("photos",))
    monkeypatch.setattr(console, "load_model", lambda spec, **options: loaded)
    monkeypatch.setattr(console, "default_model", lambda: MODELS[0])


def hints_of(result):
    return [line for line in result.stderr.splitlines() if " look" in line]


def test_pictures_that_a_model_is_not_for_are_counted_once_with_what_helps(tiny_photos, nuclei, tmp_path):
    out = tmp_path / "a.json"
    assert hints_of(invoke("annotate", nuclei, "--out", out, "--quiet")) == [
        "3 of 4 images look like microscopy, but the model photos is for photos; --domain microscopy takes "
        "starter and finds nucleus only",
        "1 of 4 images looks like drawings, but the model photos is for photos; --domain drawings takes "
        "starter and finds circle, square, triangle only",
    ]
    assert hints_of(invoke("annotate", nuclei / "3.png", nuclei / "0.png", "--out", out)) != []


def test_what_is_written_and_printed_is_the_same_with_a_hint(tiny_photos, tiny_own, nuclei, tmp_path):
    hinted = invoke("annotate", nuclei, "--out", tmp_path / "a.json", "--results", tmp_path / "r.json")
    written = [(tmp_path / name).read_bytes() for name in ("a.json", "r.json")]
    with tiny_own():
        plain = invoke("annotate", nuclei, "--out", tmp_path / "a.json", "--results", tmp_path / "r.json")
    assert hints_of(hinted) and not hints_of(plain)
    assert [(tmp_path / name).read_bytes() for name in ("a.json", "r.json")] == written
    assert hinted.stdout == plain.stdout


@pytest.fixture
def tiny_own(monkeypatch):
    """The same random model as a person's own, which nobody may guess for."""

    @contextmanager
    def own():
        with monkeypatch.context() as patch:
            loaded = replace(make_model(), key="photos", domains=("photos", OWN))
            patch.setattr(console, "load_model", lambda spec, **options: loaded)
            patch.setattr(looks, "guess_domain", lambda pixels: pytest.fail("guessed"))
            yield

    return own


def test_a_persons_own_model_is_never_doubted(custom, nuclei, tmp_path, monkeypatch):
    monkeypatch.setattr(looks, "guess_domain", lambda pixels: pytest.fail("guessed"))
    result = invoke("annotate", nuclei / "0.png", "--out", tmp_path / "a.json", *custom)
    assert result.exit_code == 0 and not hints_of(result)


def test_a_copy_of_a_model_from_a_file_is_a_persons_own(nuclei, tmp_path):
    for file in (STARTER_FILE, card_file(STARTER_FILE)):
        shutil.copyfile(file, tmp_path / file.name)
    loaded = load_trained_model(tmp_path / STARTER_FILE.name)
    assert loaded.domains == (OWN,)


def test_a_domain_takes_the_model_for_it_and_its_categories_alone(nuclei, tmp_path):
    out = tmp_path / "a.json"
    result = invoke("annotate", nuclei, "--out", out, "--domain", "microscopy", "-q")
    assert "for microscopy: taking starter" in result.stderr
    assert hints_of(result) == [
        "1 of 4 images looks like drawings, but the model starter is asked for microscopy; --domain drawings "
        "takes starter and finds circle, square, triangle only"
    ]
    document = json.loads(out.read_bytes())
    names = {row["id"]: row["name"] for row in document["categories"]}
    assert {names[row["category_id"]] for row in document["annotations"]} == {"nucleus"}
    assert "only nucleus" in document["info"]["description"]
    assert hints_of(invoke("annotate", nuclei, "--out", out, "--model", "starter", "-q")) == []


def test_categories_that_are_named_go_before_those_of_the_domain(nuclei, tmp_path):
    asked = ["--domain", "microscopy", "--categories", "circle", "-q"]
    result = invoke("annotate", nuclei / "3.png", "--out", tmp_path / "a.json", *asked)
    assert result.exit_code == 0
    assert "only circle" in json.loads((tmp_path / "a.json").read_bytes())["info"]["description"]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--domain", "x-rays"], "domain 'x-rays': expected one of photos, microscopy, drawings, own"),
        (
            ["--domain", "photos", "--model", "starter"],
            "domain 'photos': starter is for microscopy and drawings; for photos there is: ",
        ),
        (["--domain", "own"], "domain 'own': there is no model for it yet; 'train' makes one"),
    ],
)
def test_a_domain_that_cannot_be_is_told(nuclei, tmp_path, monkeypatch, options, says):
    monkeypatch.setenv("MASKDESK_DATA", str(tmp_path / "data"))
    result = invoke("annotate", nuclei, "--out", tmp_path / "a.json", *options)
    assert result.exit_code == 2 and says in result.stderr
    assert not (tmp_path / "a.json").exists()


def test_the_models_own_nms_threshold_is_the_default(tiny, drawn, tmp_path, monkeypatch):
    seen = []
    run_batch = cli.run_batch
    monkeypatch.setattr(cli, "run_batch", lambda s, p, f: (seen.append(s.thresholds), run_batch(s, p, f))[1])
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


# -- models, summary, download ----------------------------------------------------------------------


def test_models_are_listed_from_the_table(monkeypatch, tmp_path):
    monkeypatch.setenv("MASKDESK_WEIGHTS", str(tmp_path))
    ready = tmp_path / MODELS[2].file
    ready.parent.mkdir()
    ready.write_bytes(b"")
    result = invoke("models")
    assert result.exit_code == 0
    for spec in MODELS:
        assert spec.title in result.stdout and spec.licence in result.stdout
        assert all(row.text in result.stdout for row in spec.measured) and spec.measured
        assert ", ".join(spec.domains) in result.stdout
    states = [line.split()[-1] for line in result.stdout.splitlines()[1:6]]
    assert states == ["no", "no", "yes", "yes", "yes"], "two are in the box"
    assert f"weights  {ready}" in result.stdout
    assert f"'download {MODELS[0].key}' fetches {MODELS[0].url}" in result.stdout


def test_summary_tells_what_a_model_is_made_of(tiny, custom):
    result = invoke("summary", "mobile")
    assert result.exit_code == 0
    assert re.search(r"^Model +Tiny$", result.stdout, re.M)
    assert re.search(r"^Parameters +\d\d,\d{3},\d{3}$", result.stdout, re.M)
    result = invoke("summary", custom[1], *custom[2:])
    assert result.exit_code == 0
    assert "own.safetensors" in result.stdout
    assert invoke("summary", "moble").exit_code == 2


def test_download_shows_progress_and_where_the_weights_are(monkeypatch):
    spec = MODELS[2]

    def load_model(wanted, *, download, on_progress):
        assert wanted is spec and download
        for done in (400_000, 2_000_000, spec.size_bytes):
            on_progress(done, spec.size_bytes)

    monkeypatch.setattr(console, "load_model", load_model)
    monkeypatch.setattr(cli, "weights_file", lambda spec: Path("here/model.pb"))
    result = invoke("download", "mobile")
    assert result.exit_code == 0
    assert result.stdout == f"mobile is ready: {Path('here/model.pb')}\n"
    assert "100%" in result.stderr
    assert invoke("download", "mobil").exit_code == 2


def test_a_download_that_fails_is_told(monkeypatch, tmp_path):
    monkeypatch.setenv("MASKDESK_WEIGHTS", str(tmp_path))
    monkeypatch.setenv("MASKDESK_MIRROR", "http://127.0.0.1:9")
    result = invoke("download", "mobile")
    assert result.exit_code == 1
    assert "model_init.pb" in result.stderr and "put it into" in result.stderr


# -- evaluate ---------------------------------------------------------------------------------------


@pytest.fixture
def truth_and_results(tmp_path):
    dataset = make_dataset()
    truth, results = tmp_path / "truth.json", tmp_path / "results.json"
    truth.write_bytes(dump_json(coco_document(dataset)))
    results.write_bytes(dump_json(result_rows(with_scores(dataset.instances))))
    return truth, results


def test_evaluate_prints_the_twelve_numbers(truth_and_results):
    truth, results = truth_and_results
    result = invoke("evaluate", "--ground-truth", truth, "--results", results)
    assert result.exit_code == 0
    assert "4 images, 20 objects in the ground truth, 20 detections" in result.stdout
    assert re.search(r"^AP +1\.0000 +1\.0000 ", result.stdout, re.M)
    assert len(re.findall(r"^A[PR]\w* +\d\.\d{4} +\d\.\d{4} ", result.stdout, re.M)) == 12
    numbers = json.loads(invoke("evaluate", "--ground-truth", truth, "--results", results, "--json").stdout)
    assert numbers["mask"]["AP"] == numbers["box"]["AP"] == 1
    assert len(numbers["mask"]) == len(numbers["box"]) == 12


def test_evaluate_names_what_it_refuses(truth_and_results):
    truth, results = truth_and_results
    rows = json.loads(results.read_bytes())
    rows[3]["image_id"] = 999
    rows[4]["segmentation"]["counts"] = "\x1b"
    results.write_bytes(dump_json(rows))
    result = invoke("evaluate", "--ground-truth", truth, "--results", results)
    assert result.exit_code == 0
    assert "results.json: results[3].image_id: there is no image with id 999" in result.stderr
    assert "results.json: results[4].segmentation: " in result.stderr
    assert "18 detections" in result.stdout


@pytest.mark.parametrize("content", [None, b"", b"{", b"[" * 100_000, b'{"images":[]}', b"\xff"])
def test_evaluate_refuses_what_is_no_coco_file(truth_and_results, content):
    truth, results = truth_and_results
    truth.unlink() if content is None else truth.write_bytes(content)
    result = invoke("evaluate", "--ground-truth", truth, "--results", results)
    assert result.exit_code == 2
    assert "truth.json: " in result.stderr and len(result.stderr.splitlines()) == 1


# -- the whole way ----------------------------------------------------------------------------------


def test_help_names_every_model_and_option():
    result = invoke("annotate", "--help")
    text = " ".join(result.stdout.split())
    for spec in MODELS:
        assert f"{spec.key} {spec.nms_threshold:g}" in text
    assert "--resume" in text and "--names" in text
    assert {"annotate", "models", "summary", "download", "evaluate"} <= set(invoke("--help").stdout.split())


def test_mobile_reaches_its_published_quality_on_coco_val2017(tmp_path):
    shared_path("weights", "maskrcnn2go", "model_init.pb")
    images = shared_path("data", "coco_val2017", "images")
    truth = shared_path("data", "coco_val2017", "instances.json")
    out, results = tmp_path / "a.json", tmp_path / "r.json"
    code, text, err = run(
        *("annotate", images, "--model", "mobile", "--score-threshold", "0.05"),
        *("--out", out, "--results", results),
    )
    assert code == 0, err
    assert text.startswith("206 of 206 images annotated")
    code, text, err = run("evaluate", "--ground-truth", truth, "--results", results, "--json")
    assert (code, err) == (0, "")
    numbers = json.loads(text)
    assert numbers["mask"]["AP"] >= 0.205
    assert numbers["box"]["AP"] >= 0.225
