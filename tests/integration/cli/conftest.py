"""Weights, models and images for the command line."""

import shutil

import pytest
from safetensors.torch import save_file

from maskrcnn_core.cli import console
from maskrcnn_core.images.reading import encode_png
from maskrcnn_core.models.catalog import model_by_key
from tests.builders.cli import shared_or_none
from tests.builders.core import make_image, make_model, make_network


@pytest.fixture
def weights(tmp_path_factory, monkeypatch):
    """Only the shared weights, if any: what lies on this computer decides nothing."""
    empty = tmp_path_factory.getbasetemp() / "no weights"
    folder = shared_or_none("weights") or empty
    for name, value in (("MASKDESK_WEIGHTS", folder), ("XDG_CACHE_HOME", empty), ("TORCH_HOME", empty)):
        monkeypatch.setenv(name, str(value))


@pytest.fixture(scope="session")
def custom(tmp_path_factory):
    """A random model of a person's own, as options."""
    folder = tmp_path_factory.mktemp("custom")
    state = make_network(4, seed=1).state_dict()
    save_file({name: t.contiguous() for name, t in state.items()}, folder / "own.safetensors")
    (folder / "names.txt").write_text("apple\nbread\ncheese\n")
    return ["--model", str(folder / "own.safetensors"), "--names", str(folder / "names.txt")]


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
    monkeypatch.setattr(console, "default_model", lambda: model_by_key("coco-v2"))


@pytest.fixture
def drawn(tmp_path):
    """Two small images."""
    folder = tmp_path / "in"
    folder.mkdir()
    for n in (1, 2):
        (folder / f"{n}.png").write_bytes(encode_png(make_image(seed=n)))
    return folder
