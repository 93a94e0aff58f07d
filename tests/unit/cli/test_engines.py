import json

import pytest

from maskrcnn_core.images.reading import encode_png
from maskrcnn_core.inference.engines.kept import place_of
from maskrcnn_core.inference.engines.table import ENGINES
from maskrcnn_core.synthetic.samples import draw_sample
from maskrcnn_core.synthetic.scenes import write_scenes
from tests.builders.cli import invoke


def test_engines_are_listed_from_the_table():
    listed = invoke("engines")
    assert listed.exit_code == 0
    for spec in ENGINES:
        assert spec.key in listed.stdout and spec.how in listed.stdout


def test_an_unknown_engine_is_refused_before_anything_runs(tmp_path):
    (tmp_path / "a.png").write_bytes(encode_png(draw_sample("fluorescence")[:60, :80]))
    out = tmp_path / "a.json"
    told = invoke("annotate", tmp_path / "a.png", "--out", out, "--model", "nuclei", "--engine", "fold", "-q")
    assert told.exit_code == 2 and "did you mean folded?" in told.stderr
    assert not out.exists()


def test_the_export_says_what_ran(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(
        "maskrcnn_core.cli.engines.pixels_for", lambda _: [draw_sample("fluorescence")[:160, :200]]
    )
    (tmp_path / "a.png").write_bytes(encode_png(draw_sample("fluorescence")[:60, :80]))
    out = tmp_path / "a.json"
    asked = ("annotate", tmp_path / "a.png", "--out", out, "--model", "nuclei", "-q")
    assert invoke(*asked).exit_code == 0
    assert "engine" not in json.loads(out.read_bytes())["info"]["description"]
    assert invoke(*asked, "--engine", "folded").exit_code == 0
    said = json.loads(out.read_bytes())["info"]["description"]
    assert "; engine folded (of " in said and "boxes within" in said


def test_evaluate_runs_exactly_unless_asked_and_says_what_ran(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(
        "maskrcnn_core.cli.engines.pixels_for", lambda _: [draw_sample("fluorescence")[:160, :200]]
    )
    write_scenes(tmp_path, [1])
    given = ("--ground-truth", tmp_path / "instances.json", "--images", tmp_path / "images")
    asked = ("evaluate", *given, "--model", "shapes", "--json", "-q")
    exact, folded = (json.loads(invoke(*asked, *more).stdout) for more in ((), ("--engine", "folded")))
    assert not any("engine" in note for note in exact["notes"])
    assert any(note.startswith("engine folded (of ") for note in folded["notes"])
    assert folded["mask"]["AP"] == pytest.approx(exact["mask"]["AP"], abs=0.01)
    assert exact["mask"]["AP"] > 0.2


def test_what_is_kept_is_said_and_can_be_removed(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    place = place_of("openvino", "1" * 64, "1")
    place.mkdir(parents=True)
    (place / "backbone.bin").write_bytes(bytes(2_500_000))
    assert "1 model, 2.5 MB of at most 2,000 MB; --clean removes them" in invoke("engines").stdout
    assert invoke("engines", "--clean").stdout == "removed 1 model, 2.5 MB\n"
    assert not place.exists() and "0 models, 0.0 MB of" in invoke("engines").stdout
