"""The command line as a whole: its help, models, weights, evaluation, and the whole way on COCO."""

import json
import re
from pathlib import Path

import pytest

from maskrcnn_core.cli import app as cli
from maskrcnn_core.cli import console
from maskrcnn_core.formats.coco import coco_document, result_rows
from maskrcnn_core.formats.json_writing import dump_json
from maskrcnn_core.models.catalog import MODELS, model_by_key
from tests.builders.cli import invoke, run_here
from tests.shared_data import shared_path
from tests.unit.evaluation.test_coco_metrics import make_dataset, with_scores

pytestmark = pytest.mark.usefixtures("weights")

# -- models, summary, download ----------------------------------------------------------------------


def test_models_are_listed_from_the_table(monkeypatch, tmp_path):
    monkeypatch.setenv("MASKDESK_WEIGHTS", str(tmp_path))
    ready = tmp_path / model_by_key("mobile").file
    ready.parent.mkdir()
    ready.write_bytes(b"")
    result = invoke("models")
    assert result.exit_code == 0
    for spec in MODELS:
        assert spec.title in result.stdout and spec.licence in result.stdout
        assert all(row.text in result.stdout for row in spec.measured) and spec.pinning in result.stdout
        assert ", ".join(spec.domains) in result.stdout
    states = {line.split()[0]: line.split()[-1] for line in result.stdout.splitlines()[1 : len(MODELS) + 1]}
    ready_now = {key for key, state in states.items() if state == "yes"}
    assert ready_now == {"mobile", "photos", "nuclei", "shapes"}
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
    spec = model_by_key("mobile")

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
    code, text, err = run_here(
        *("annotate", images, "--model", "mobile", "--score-threshold", "0.05"),
        *("--look-closer", "off", "--out", out, "--results", results),  # the network's own masks
    )
    assert code == 0, err
    assert text.startswith("206 of 206 images annotated")
    code, text, err = run_here("evaluate", "--ground-truth", truth, "--results", results, "--json")
    assert (code, err) == (0, "")
    numbers = json.loads(text)
    assert numbers["mask"]["AP"] >= 0.205
    assert numbers["box"]["AP"] >= 0.225
