"""`annotate --page`, `--z`, `--channels`, `--contrast`: what is seen of stacks, and that files say it."""

import csv
import hashlib
import io
import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from maskrcnn_core.batch import BatchSettings, annotate, find_files
from maskrcnn_core.batch.worker import Job
from maskrcnn_core.dataset.annotations import Dataset, ImageRecord, Instance
from maskrcnn_core.dataset.categories import Category
from maskrcnn_core.detection.candidates import Thresholds
from maskrcnn_core.errors import InputError
from maskrcnn_core.formats.coco import coco_document
from maskrcnn_core.formats.json_writing import dump_json
from maskrcnn_core.geometry.rle import Rle
from maskrcnn_core.images.reading import encode_png
from maskrcnn_core.inference.predictor import Predictor
from maskrcnn_core.microscopy.compositing import render
from maskrcnn_core.microscopy.stacks import open_stack
from maskrcnn_core.microscopy.views import View, view_of
from tests.builders.cli import annotated, invoke
from tests.builders.core import make_image, make_model
from tests.builders.microscopes import PIXEL, czi, lif, nd2
from tests.builders.stacks import nuclei, numbered, ome

pytestmark = pytest.mark.usefixtures("weights")

CHOICE = ["--z", "max", "--channels", "DAPI:grey", "--contrast", "0.1%..99.9%"]
CHOSEN = "page=1;z=max;channels=1:#ffffff;contrast=1:0.1%..99.9%"


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stack")
    values, labels = nuclei()
    (folder / "nuclei.tif").write_bytes(ome(values, names=("DAPI", "GFP"), pixel=0.325))
    return folder, labels


def test_the_network_sees_what_is_chosen_and_the_file_says_it(stack, tmp_path):
    folder, labels = stack
    count = labels.max()
    found = {}
    for name, choice in (("first", []), ("slice", ["--z", "2", *CHOICE[2:]]), ("all", CHOICE)):
        out = tmp_path / f"{name}.json"
        given = [folder, "--out", out, "--model", "nuclei", "--domain", "microscopy", *choice]
        result = invoke("annotate", *given, "-q")
        assert result.exit_code == 0, result.stderr
        document = json.loads(out.read_bytes())
        (row,) = document["images"]
        found[name] = len(document["annotations"])
        assert row["sha256"] == hashlib.sha256((folder / "nuclei.tif").read_bytes()).hexdigest()
        assert row["pixel_um"] == [0.325, 0.325]
        wanted = {"first": None, "slice": CHOSEN.replace("max", "2"), "all": CHOSEN}
        assert row.get("view") == wanted[name]
    assert found["all"] == count
    assert found["slice"] < count


def test_what_is_seen_is_told(stack, tiny, tmp_path):
    folder, _ = stack
    result = annotated(folder, "--out", tmp_path / "a.json", *CHOICE)
    assert f"seen as {CHOSEN} of 5 slices of 2 channels, 16 bit" in result.stderr
    assert "first of 10 frames" in annotated(folder, "--out", tmp_path / "b.json").stderr


def test_pictures_that_come_along_are_what_was_seen(stack, tiny, tmp_path):
    folder, _ = stack
    annotated(folder, "--out", tmp_path / "a.json", *CHOICE, "--format", "yolo", "--with-images")
    (picture,) = (tmp_path / "a_yolo").rglob("nuclei.png")
    shown = render(open_stack((folder / "nuclei.tif").read_bytes(), "nuclei.tif"), View.of_text(CHOSEN))
    assert np.array_equal(np.asarray(Image.open(picture)), shown)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_whoever_runs_the_network(workers, custom, tmp_path):
    (tmp_path / "in").mkdir()
    for number in range(4):
        (tmp_path / "in" / f"{number}.tif").write_bytes(ome(numbered(size=(64, 80)), pixel=0.5))
    seen = ["--z", "2", "--channels", "2", "--workers", workers]
    annotated(tmp_path / "in", "--out", tmp_path / "a.json", *custom, *seen)
    images = json.loads((tmp_path / "a.json").read_bytes())["images"]
    assert {image["view"] for image in images} == {"page=1;z=2;channels=2:#ffffff;contrast=2:0.1%..99.9%"}
    assert [image["pixel_um"] for image in images] == [[0.5, 0.5]] * 4


def test_a_run_that_goes_on_keeps_what_was_seen(stack, tiny, tmp_path):
    folder, _ = stack
    (tmp_path / "in").mkdir()
    for name in ("a.tif", "b.tif"):
        (tmp_path / "in" / name).write_bytes((folder / "nuclei.tif").read_bytes())
    given = [tmp_path / "in", "--out", tmp_path / "a.json", *CHOICE]
    annotated(*given)
    whole = (tmp_path / "a.json").read_bytes()
    loaded = make_model()
    settings = BatchSettings(
        tuple(find_files([tmp_path / "in"])),
        tmp_path / "a.json",
        Thresholds(0.05, max_detections=5),
        resume=True,
        domain=None,
        view=view_of(z="max", channels="DAPI:grey", contrast="0.1%..99.9%"),
    )
    predictor = Predictor(loaded)
    stops = iter([False, True])
    broken_off = annotate(replace(settings, resume=False), predictor, cancelled=lambda: next(stops))
    assert not broken_off.files and broken_off.succeeded == 1
    report = annotate(settings, predictor)
    assert report.reused == 1
    assert json.loads((tmp_path / "a.json").read_bytes())["images"] == json.loads(whole)["images"]
    assert not (tmp_path / "a.json.journal").exists()
    stops = iter([False, True])
    annotate(replace(settings, resume=False), predictor, cancelled=lambda: next(stops))
    with pytest.raises(InputError, match="the interrupted run had view page=1;z=max"):
        annotate(replace(settings, view=None), predictor)


def test_files_without_a_stack(tiny, tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.png").write_bytes(encode_png(make_image()))
    result = annotated(tmp_path / "in", "--out", tmp_path / "a.json", "--z", "max")
    assert "it holds no stack to choose from: seen as it is" in result.stderr
    assert "view" not in json.loads((tmp_path / "a.json").read_bytes())["images"][0]
    refused = invoke("annotate", tmp_path / "in", "--out", tmp_path / "b.json", "--z", "3", "-q")
    assert refused.exit_code == 1
    assert (
        "a.png: expected a TIFF with what was chosen (page=1;z=3;contrast=auto), got a PNG" in refused.stderr
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--z", "9"], "nuclei.tif: expected z 1 to 5, got 9"),
        (["--channels", "Cy5"], "nuclei.tif: expected a channel of 1 (DAPI), 2 (GFP), got 'Cy5'"),
        (["--page", "x"], "page: expected a number from 1 on, or max, got 'x'"),
        (["--z", "1", "--shards", "{new}/s"], "expected none of them with --shards"),
    ],
)
def test_what_cannot_be_chosen_is_said(options, message, stack, tiny, tmp_path):
    given = [option.format(new=tmp_path) for option in options]
    result = invoke("annotate", stack[0], "--out", tmp_path / "a.json", "-q", *given)
    assert result.exit_code in (1, 2) and message in result.stderr


@pytest.mark.parametrize("view", [None, view_of("2", "max", "1:red,2:blue", "1:5..9,2:1%..2%")])
def test_a_job_keeps_its_view_on_the_way_to_workers(view):
    job = Job("row", "nuclei", None, "0" * 64, "exact", Thresholds(), view=view)
    assert Job.of_row(json.loads(json.dumps(job.row()))) == job


# -- measuring, and the methods statement -----------------------------------------------------------


@pytest.fixture
def annotations(stack, tmp_path):
    """All nuclei of the stack as COCO, as `annotate` writes a choice of it."""
    _, labels = stack
    rows = [Instance(1, 1, Rle.from_mask(labels == n), 0.9) for n in range(1, labels.max() + 1)]
    record = ImageRecord(1, "nuclei.tif", 256, 192, view=CHOSEN, pixel_um=(0.325, 0.325))
    document = coco_document(Dataset((record,), (Category(1, "nucleus"),), tuple(rows)))
    (tmp_path / "a.json").write_bytes(dump_json(document))
    return tmp_path / "a.json"


def test_measure_writes_a_table_and_a_plot(stack, annotations, tmp_path):
    folder, labels = stack
    out, plot = tmp_path / "m.csv", tmp_path / "m.png"
    result = invoke("measure", annotations, "--images", folder, "--out", out, "--plot", plot, "-q")
    assert result.exit_code == 0, result.stderr
    rows = list(csv.DictReader(io.StringIO(out.read_text("utf-8-sig"))))
    assert [float(row["mean GFP"]) for row in rows] == [1000 + 50 * n for n in range(1, labels.max() + 1)]
    assert float(rows[0]["area_um2"]) == pytest.approx(float(rows[0]["area_px"]) * 0.325**2, rel=1e-5)
    assert plot.read_bytes().startswith(b"\x89PNG")
    assert (
        invoke("measure", annotations, "--images", folder, "--out", out, "--pixel-size", "2").exit_code == 0
    )
    rows = list(csv.DictReader(io.StringIO(out.read_text("utf-8-sig"))))
    assert float(rows[0]["area_um2"]) == 4 * float(rows[0]["area_px"])


def test_measure_says_what_it_needs(stack, annotations, tmp_path):
    for options, message in (
        (["--pixel-size", "0"], "--pixel-size: expected micrometres from 0 to 1000, got 0"),
        ([], "1 image has no file here (nuclei.tif); left out with 20 instances, as pixels are needed"),
        (["--images", stack[0], "--out", annotations], "this is what is read; name another place"),
    ):
        result = invoke("measure", annotations, *(options or ["--out", tmp_path / "m.csv"]), "-q")
        assert result.exit_code and message in result.stderr


def test_measurements_are_a_format_like_any_other(stack, annotations, tmp_path):
    result = invoke(
        "convert", annotations, tmp_path / "m.csv", "--to", "measurements", "--images", stack[0], "-q"
    )
    assert result.exit_code == 0 and (tmp_path / "m.csv").read_text("utf-8-sig").startswith(
        "image,view,number"
    )


def test_how_objects_were_found_is_written_for_a_paper(stack, tiny, tmp_path):
    folder, _ = stack
    annotated(folder, "--out", tmp_path / "a.json", *CHOICE, "--methods", tmp_path / "methods.txt")
    text = (tmp_path / "methods.txt").read_text()
    assert f"Of 1 stack the maximum projection over slices was seen ({CHOSEN})." in text
    assert "The size of a pixel is 0.325 µm in 1 image." in text
    assert "a score above 0.05" in text and "at most 5 an image" in text
    assert f"weights with SHA-256 {make_model().digest}" in text


def test_a_project_tells_its_methods(stack, tmp_path, monkeypatch):
    monkeypatch.setenv("MASKDESK_DATA", str(tmp_path / "data"))
    assert invoke("project", "new", "cells", "--who", "ann").exit_code == 0
    assert invoke("project", "add", "cells", stack[0] / "nuclei.tif", "--who", "ann", "-q").exit_code == 0
    result = invoke("project", "methods", "cells")
    assert result.exit_code == 0
    assert "1 image was analysed. The size of a pixel is 0.325 µm in 1 image." in result.stdout


def test_a_project_keeps_what_is_chosen_of_stacks(stack, tmp_path, monkeypatch):
    monkeypatch.setenv("MASKDESK_DATA", str(tmp_path / "data"))
    folder = stack[0]
    assert invoke("project", "new", "cells", "--who", "ann").exit_code == 0
    added = invoke("project", "add", "cells", folder, *CHOICE, "--who", "ann", "-q")
    assert added.exit_code == 0
    assert f"view of nuclei.tif ({CHOSEN})" in added.stderr
    none = invoke("project", "add", "cells", folder, "--z", "9", "--who", "ann", "-q")
    assert "nuclei.tif: expected z 1 to 5, got 9" in none.stderr
    given = ["--model", "nuclei", "--domain", "microscopy", "--who", "ann", "-q"]
    ran = invoke("project", "annotate", "cells", *given)
    assert ran.exit_code == 0, ran.output
    out = tmp_path / "out"
    exported = invoke(
        "project",
        "export",
        "cells",
        "--out",
        out,
        "--format",
        "measurements",
        "--status",
        "accepted,proposed",
    )
    assert exported.exit_code == 0, exported.output
    (file,) = out.rglob("*.csv") if out.is_dir() else [out]
    rows = list(csv.DictReader(io.StringIO(file.read_text("utf-8-sig"))))
    assert len(rows) == stack[1].max() and {row["view"] for row in rows} == {CHOSEN}
    text = invoke("project", "methods", "cells").stdout
    assert f"Of 1 stack the maximum projection over slices was seen ({CHOSEN})." in text
    assert "Of 20 proposals people accepted 0 and rejected 0; 20 were not decided on." in text
    assert "Its thresholds are not recorded here." in text  # no job of the background


# -- files of Zeiss, Leica and Nikon -----------------------------------------------------------------


def test_a_file_of_a_microscope_is_found_in_a_folder_annotated_and_measured(tmp_path):
    values, labels = nuclei()
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "nuclei.czi").write_bytes(czi(values))
    out = tmp_path / "a.json"
    given = [folder, "--out", out, "--model", "nuclei", "--domain", "microscopy", *CHOICE]
    result = invoke("annotate", *given)
    assert result.exit_code == 0, result.stderr
    assert f"seen as {CHOSEN} of 5 slices of 2 channels, 16 bit" in result.stderr
    document = json.loads(out.read_bytes())
    (row,) = document["images"]
    assert row["file_name"] == "nuclei.czi" and row["view"] == CHOSEN
    assert row["sha256"] == hashlib.sha256((folder / "nuclei.czi").read_bytes()).hexdigest()
    assert row["pixel_um"] == pytest.approx([PIXEL, PIXEL])
    assert len(document["annotations"]) == labels.max()
    table = tmp_path / "m.csv"
    result = invoke("measure", out, "--images", folder, "--out", table, "-q")
    assert result.exit_code == 0, result.stderr
    rows = list(csv.DictReader(io.StringIO(table.read_text("utf-8-sig"))))
    assert len(rows) == labels.max() and all(900 < float(row["mean GFP"]) < 2200 for row in rows)
    assert float(rows[0]["area_um2"]) == pytest.approx(float(rows[0]["area_px"]) * PIXEL**2, rel=1e-5)


@pytest.mark.parametrize(("write", "name"), [(lif, "nuclei.lif"), (nd2, "nuclei.nd2")])
def test_a_project_takes_what_is_chosen_of_a_file_of_a_microscope(write, name, tmp_path, monkeypatch):
    monkeypatch.setenv("MASKDESK_DATA", str(tmp_path / "data"))
    (tmp_path / name).write_bytes(write(nuclei()[0]))
    assert invoke("project", "new", "cells", "--who", "ann").exit_code == 0
    added = invoke("project", "add", "cells", tmp_path / name, *CHOICE, "--who", "ann", "-q")
    assert added.exit_code == 0, added.stderr
    assert f"view of {name} ({CHOSEN})" in added.stderr
