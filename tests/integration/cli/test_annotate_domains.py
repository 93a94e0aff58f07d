"""`annotate`: which model images are for."""

import json
import shutil
from contextlib import contextmanager
from dataclasses import replace

import pytest

from maskrcnn_core.cli import console
from maskrcnn_core.images.reading import encode_png
from maskrcnn_core.models.cards import card_file
from maskrcnn_core.models.catalog import NUCLEI_FILE, model_by_key
from maskrcnn_core.models.domains import OWN, looks
from maskrcnn_core.models.loading import load_trained_model
from maskrcnn_core.synthetic.scenes import draw_scene
from tests.builders.cli import invoke
from tests.builders.core import make_model

pytestmark = pytest.mark.usefixtures("weights")


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
    monkeypatch.setattr(console, "default_model", lambda: model_by_key("coco-v2"))


def hints_of(result):
    return [line for line in result.stderr.splitlines() if " look" in line]


def test_pictures_that_a_model_is_not_for_are_counted_once_with_what_helps(tiny_photos, nuclei, tmp_path):
    out = tmp_path / "a.json"
    assert hints_of(invoke("annotate", nuclei, "--out", out, "--quiet")) == [
        "3 of 4 images look like microscopy, but the model photos is for photos; --domain microscopy takes "
        "nuclei and finds nucleus only",
        "1 of 4 images looks like drawings, but the model photos is for photos; --domain drawings takes "
        "shapes and finds circle, square, triangle only",
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
    for file in (NUCLEI_FILE, card_file(NUCLEI_FILE)):
        shutil.copyfile(file, tmp_path / file.name)
    loaded = load_trained_model(tmp_path / NUCLEI_FILE.name)
    assert loaded.domains == (OWN,)


def test_a_domain_takes_the_model_for_it_and_its_categories_alone(nuclei, tmp_path):
    out = tmp_path / "a.json"
    result = invoke("annotate", nuclei, "--out", out, "--domain", "microscopy", "-q")
    assert "for microscopy: using nuclei" in result.stderr
    assert hints_of(result) == [
        "1 of 4 images looks like drawings, but the model nuclei is asked for microscopy; --domain drawings "
        "takes shapes and finds circle, square, triangle only"
    ]
    document = json.loads(out.read_bytes())
    names = {row["id"]: row["name"] for row in document["categories"]}
    assert {names[row["category_id"]] for row in document["annotations"]} == {"nucleus"}
    assert set(names.values()) == {"nucleus"}
    assert "Made with MaskDesk by Nuclei" in document["info"]["description"]
    assert hints_of(invoke("annotate", nuclei, "--out", out, "--model", "nuclei", "-q")) == [
        "1 of 4 images looks like drawings, but the model nuclei is for microscopy; --domain drawings takes "
        "shapes and finds circle, square, triangle only"
    ]


def test_categories_that_are_named_go_before_those_of_the_domain(nuclei, tmp_path):
    asked = ["--domain", "drawings", "--categories", "circle", "-q"]
    result = invoke("annotate", nuclei / "3.png", "--out", tmp_path / "a.json", *asked)
    assert result.exit_code == 0
    assert "only circle" in json.loads((tmp_path / "a.json").read_bytes())["info"]["description"]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--domain", "x-rays"], "domain 'x-rays': expected one of photos, microscopy, drawings, own"),
        (
            ["--domain", "photos", "--model", "nuclei"],
            "domain 'photos': nuclei is for microscopy; models for photos: ",
        ),
        (["--domain", "own"], "domain 'own': there is no model for it yet; 'train' trains one"),
    ],
)
def test_a_domain_that_cannot_be_is_told(nuclei, tmp_path, monkeypatch, options, says):
    monkeypatch.setenv("MASKDESK_DATA", str(tmp_path / "data"))
    result = invoke("annotate", nuclei, "--out", tmp_path / "a.json", *options)
    assert result.exit_code == 2 and says in result.stderr
    assert not (tmp_path / "a.json").exists()
