import ast

import nbformat
import pytest
from nbclient import NotebookClient

from maskrcnn_core.dataset.annotations import Dataset, ImageRecord, Instance
from maskrcnn_core.dataset.categories import Category
from maskrcnn_core.detection.candidates import Thresholds
from maskrcnn_core.explain.notebook import STAGE_CODE, notebook
from maskrcnn_core.explain.stages import STAGES
from maskrcnn_core.formats.coco import coco_document
from maskrcnn_core.formats.json_writing import dump_json
from maskrcnn_core.images.reading import encode_png
from maskrcnn_core.synthetic.samples import draw_sample
from tests.builders.core import disc


def read(data: bytes) -> nbformat.NotebookNode:
    made = nbformat.reads(data.decode("utf-8"), as_version=4)
    nbformat.validate(made)
    return made


def settings_of(made) -> dict:
    """The values that its second cell binds."""
    (cell,) = [c for c in made.cells if c.id == "settings-code"]
    return {
        node.targets[0].id: node.value for node in ast.parse(cell.source).body if isinstance(node, ast.Assign)
    }


def test_every_stage_has_its_words_and_a_cell_that_runs_something():
    assert set(STAGE_CODE) == {stage.key for stage in STAGES}
    made = read(notebook("shapes", "photo.jpg", Thresholds()))
    by_id = {cell.id: cell for cell in made.cells}
    for stage in STAGES:
        words = by_id[f"{stage.key}-words"].source
        assert stage.title in words and stage.source in words
        assert all(sentence in words for sentence in stage.sentences)
        assert by_id[f"{stage.key}-code"].source == STAGE_CODE[stage.key]
    assert all(not cell.outputs for cell in made.cells if cell.cell_type == "code")
    assert "IMAGE" in made.cells[0].source


def test_the_same_arguments_give_the_same_bytes():
    arguments = "shapes", "photo.jpg", Thresholds(0.3, 0.4, 7, 0.6, frozenset({2, 1}))
    assert notebook(*arguments) == notebook(*arguments)


@pytest.mark.parametrize(
    "name",
    ["<script>alert(1)</script>.png", "![x](http://evil.example)", '"""\n!rm -rf ~\n%%bash', "a\\'b", "猫"],
)
def test_a_hostile_name_is_a_string_and_stands_nowhere_else(name):
    made = read(notebook(name, name, Thresholds(), origin="checkpoint", names=[name]))
    values = settings_of(made)
    assert [ast.literal_eval(values[key]) for key in ("IMAGE", "MODEL", "NAMES")] == [name, name, [name]]
    for cell in made.cells:
        if cell.id != "settings-code":
            assert name not in cell.source or name == "猫"
        else:
            # Jupyter takes lines that begin with these for commands
            assert not [
                line for line in cell.source.splitlines() if line.lstrip().startswith(("!", "%", "?"))
            ]


@pytest.mark.parametrize(
    ("origin", "call", "has_names"),
    [
        ("row", "get_model(MODEL)", False),
        ("card", "load_trained_model(Path(MODEL))", False),
        ("checkpoint", "load_custom_model(Path(MODEL), NAMES)", True),
    ],
)
def test_it_loads_the_model_as_it_was_loaded(origin, call, has_names):
    made = read(notebook("own.h5", "a.png", Thresholds(), origin=origin, names=["cat", "dog"]))
    (setup,) = [c for c in made.cells if c.id == "setup-code"]
    assert f"model = {call}\n" in setup.source
    assert ("NAMES" in settings_of(made)) == has_names


def test_every_code_cell_is_python():
    for cell in read(notebook("shapes", "a.png", Thresholds(), box=(1, 2, 3, 4))).cells:
        if cell.cell_type == "code":
            ast.parse(cell.source)


def test_it_runs_from_the_first_cell_to_the_last(tmp_path, monkeypatch):
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))
    image = tmp_path / "drawn 猫.png"
    image.write_bytes(encode_png(draw_sample("shapes")[:240, :320]))
    truth = tmp_path / "truth 猫.json"
    known = Dataset(
        (ImageRecord(1, image.name, 320, 240),),
        (Category(1, "circle"),),
        (Instance(1, 1, disc(240, 320, 60, 60, 30)),),
    )
    truth.write_bytes(dump_json(coco_document(known)))
    made = read(notebook("shapes", str(image), Thresholds(), box=(20, 20, 90, 90), truth=str(truth)))
    NotebookClient(made, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
    outputs = {c.id: c.outputs for c in made.cells if c.cell_type == "code"}
    assert not [o for found in outputs.values() for o in found if o.output_type == "error"]
    assert any("ImageScores(truths=1" in o.get("text", "") for o in outputs["truth-code"])
    assert "bit for bit" in outputs["check-code"][0].text
    for stage in STAGES:
        shown = outputs[f"{stage.key}-code"]
        assert shown, stage.key
        if stage.key != "weights":
            assert any("image/png" in o.get("data", {}) for o in shown), stage.key
