"""Every option of the commands together with its others, in mixes from a seed."""

import itertools
import random

import pytest
import typer
from typer.testing import CliRunner

from maskrcnn_core.cli import app as cli

LEFT_OUT = "left out"
"""For options that no mix can have, as another test has them."""

VALUES = {
    "annotate": {
        "--out": "{new}/a.json",
        "--model": "shapes",
        "--names": LEFT_OUT,  # belongs to a file of weights
        "--results": "{new}/r.json",
        "--segments": "{new}/segments",
        "--overlays": "{new}/overlays",
        "--masks": "{new}/masks",
        "--splash": "{new}/splash",
        "--format": "yolo,table",
        "--with-images": None,
        "--methods": "{new}/methods.txt",
        "--score-threshold": "0.3",
        "--mask-threshold": "0.4",
        "--nms-threshold": "0.4",
        "--max-detections": "3",
        "--domain": "drawings",
        "--categories": "circle,square",
        "--simplify": "1",
        "--device": "cpu",
        "--stretch": "off",
        "--page": "max",
        "--z": "max",
        "--channels": LEFT_OUT,  # these images have none to choose: test_annotate_stacks.py
        "--contrast": "full",
        "--tiles": "96",
        "--tile-overlap": "0.3",
        "--object-size": LEFT_OUT,  # instead of --tiles
        "--look-closer": "on",
        "--engine": "folded",
        "--workers": "1",
        "--batch-size": "1",
        "--shards": LEFT_OUT,  # refuses most others: test_annotate_shards.py
        "--shard-size": LEFT_OUT,
        "--column": LEFT_OUT,
        "--merge": LEFT_OUT,
        "--cluster": LEFT_OUT,  # needs one: tests/integration/cluster
        "--resume": None,
        "--download": None,
        "--quiet": None,
    },
    "evaluate": {
        "--results": "{scenes}/results.json",
        "--images": LEFT_OUT,  # instead of --results
        "--model": LEFT_OUT,
        "--names": LEFT_OUT,
        "--device": LEFT_OUT,
        "--engine": LEFT_OUT,
        "--look-closer": LEFT_OUT,
        "--tiles": LEFT_OUT,
        "--tile-overlap": "0.1",
        "--object-size": LEFT_OUT,
        "--stretch": LEFT_OUT,
        "--save": LEFT_OUT,
        "--max-detections": "5",
        "--map": LEFT_OUT,
        "--crowds": "objects",
        "--per-category": None,
        "--per-image": "{new}/images.csv",
        "--differences": LEFT_OUT,  # needs --pictures
        "--pictures": LEFT_OUT,
        "--score-threshold": "0.3",
        "--curve": "{new}/curve.png",
        "--json": None,
        "--quiet": None,
    },
    "measure": {
        "--out": "{new}/m.csv",
        "--images": "{scenes}/images",
        "--plot": "{new}/m.png",
        "--pixel-size": "0.5",
        "--quiet": None,
    },
    "draw-scenes": {
        "--count": "1",
        "--first-seed": "7",
        "--over": None,
        "--kind": "fluorescence",
        "--quiet": None,
    },
    "explain": {
        "--html": "{new}/stages.html",
        "--notebook": "{new}/stages.ipynb",
        "--box": "40,40,200,200",
        "--ground-truth": "{scenes}/instances.json",
        "--model": "shapes",
        "--names": LEFT_OUT,
        "--score-threshold": "0.3",
        "--mask-threshold": "0.4",
        "--nms-threshold": "0.4",
        "--max-detections": "3",
        "--device": "cpu",
        "--stretch": "off",
        "--download": None,
        "--quiet": None,
    },
}
GIVEN = {
    "annotate": ["{scenes}/images", "--out", "{new}/a.json", "--model", "shapes"],
    "evaluate": ["--ground-truth", "{scenes}/instances.json", "--results", "{scenes}/results.json"],
    "measure": ["{scenes}/a.json", "--out", "{new}/m.csv", "--images", "{scenes}/images"],
    "draw-scenes": ["{new}/drawn", "--count", "1"],
    "explain": ["{scenes}/images/scene_000001.png", "--model", "shapes"],
}
MIXES = {"annotate": 14, "evaluate": 10, "measure": 6, "draw-scenes": 6, "explain": 4}


def commands():
    return typer.main.get_command(cli.app).commands


@pytest.mark.parametrize("name", VALUES)
def test_each_option_is_in_the_mixes(name):
    options = {p.opts[0] for p in commands()[name].params if p.param_type_name == "option"}
    required = {p.opts[0] for p in commands()[name].params if p.required}
    assert options - required == set(VALUES[name])


def mixes(name):
    """Half of the options each, until any two have been together."""
    chance = random.Random(name)
    options = [option for option, value in VALUES[name].items() if value is not LEFT_OUT]
    drawn = [[o for o in options if chance.random() < 0.6] for _ in range(MIXES[name] - 1)] + [options]
    together = {pair for mix in drawn for pair in itertools.combinations(mix, 2)}
    assert together == set(itertools.combinations(options, 2))
    return drawn


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scenes")
    assert invoke("draw-scenes", folder, "--count", "2", "--over", "--quiet").exit_code == 0
    arguments = ["--out", folder / "a.json", "--results", folder / "results.json", "--model", "shapes"]
    assert invoke("annotate", folder / "images", *arguments, "--quiet").exit_code == 0
    return folder


def invoke(*arguments):
    return CliRunner().invoke(cli.app, [str(a) for a in arguments], catch_exceptions=False)


@pytest.mark.parametrize(("name", "at"), [(name, at) for name in VALUES for at in range(MIXES[name])])
def test_options_of_a_command_go_together(name, at, scenes, tmp_path):
    arguments = list(GIVEN[name])
    for option in mixes(name)[at]:
        value = VALUES[name][option]
        if option not in arguments:
            arguments += [option] if value is None else [option, value]
    result = invoke(name, *(a.format(new=tmp_path, scenes=scenes) for a in arguments))
    assert result.exit_code == 0, (arguments, result.output)
    if "--quiet" in arguments:
        assert "%|" not in result.stderr, "a bar"
