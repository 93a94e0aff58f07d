"""Model cards: what is written is read, and what is not one is refused by the field."""

import json
from dataclasses import replace

import pytest

from maskrcnn_core.dataset.categories import Category
from maskrcnn_core.errors import WeightsError
from maskrcnn_core.models.cards import ModelCard, card_file, is_card, read_card, write_card_bytes
from maskrcnn_core.networks.configs import LiteConfig, SlimConfig
from maskrcnn_core.networks.families import (
    FAMILIES,
    MobileConfig,
    ResNet50Config,
    architecture_as_json,
    architecture_from_json,
    family_of,
)

ARCHITECTURES = [
    SlimConfig(),
    LiteConfig(),
    LiteConfig(pyramid=8, box_hidden=16, min_size=96, max_size=160),
    SlimConfig(widths=(8, 16, 16, 16), blocks=(1, 1, 1, 1), pyramid=16),
    ResNet50Config("v1", 0.0, 64),
    ResNet50Config(),
    MobileConfig(tuple((-float(n), -1.0, float(n), 2.5) for n in range(1, 16))),
]

CARD = ModelCard(
    title="Nuclei \N{MICROSCOPE}",
    knows="Finds nuclei.",
    architecture=SlimConfig(),
    categories=(Category(7, "nucleus", "cell"), Category(3, "細胞")),
    sha256="ab" * 32,
    size_bytes=12,
    max_detections=500,
    closer_gain=2.5,
    licence="CC0-1.0",
    data={"training": [{"images": 3}]},
    settings={"epochs": 2},
    results=({"name": "val", "mask AP": 0.5, "box AP": 0.25}, {"name": "other", "mask AP": 0.7}),
    notes=("Starts from random values.",),
)


@pytest.fixture
def file(tmp_path):
    return tmp_path / "card.json"


@pytest.mark.parametrize("architecture", ARCHITECTURES, ids=lambda a: type(a).__name__)
def test_a_card_reads_as_it_was_written(architecture, file):
    card = replace(CARD, architecture=architecture)
    file.write_bytes(write_card_bytes(card))
    assert is_card(file)
    assert read_card(file) == card


def test_labels_follow_the_categories_order():
    assert CARD.label_map.category(1).name == "nucleus" and CARD.label_map.category(2).id == 3


def test_a_card_lies_beside_its_weights(tmp_path):
    assert card_file(tmp_path / "a.b.safetensors") == tmp_path / "a.b.json"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"maskdesk_model_card": 2}, "version 1, got 2"),
        ({"title": 3}, "title: expected a text, got 3"),
        ({"categories": []}, "categories: expected at least 1, got 0"),
        (
            {"categories": [{"label": 2, "id": 1, "name": "a", "supercategory": ""}]},
            r"categories\[0\]: .*label 1",
        ),
        ({"categories": [{"label": 1, "id": "x", "name": "a", "supercategory": ""}]}, r"categories\[0\]\.id"),
        (
            {"categories": [{"label": n, "id": n, "name": "a", "supercategory": ""} for n in (1, 2)]},
            "'a' twice",
        ),
        ({"weights": []}, "weights: expected named fields"),
        ({"weights": {"sha256": 1, "bytes": 3}}, "sha256: expected a text"),
        ({"weights": {"sha256": "ab" * 4, "bytes": 3}}, "sha256: expected 64 lower-case"),
        ({"nms_threshold": 2}, "nms_threshold: expected a number up to 1, got 2"),
        ({"max_detections": 0}, "max_detections: expected a whole number from 1, got 0"),
        ({"architecture": None}, "architecture: expected an object"),
        ({"architecture": {"family": "yolo"}}, "architecture: expected a family of slim, .* got 'yolo'"),
        ({"architecture": {"family": "resnet50-fpn"}}, "has the fields mask_hidden, norm_eps, version"),
        (
            {"architecture": {"family": "resnet50-fpn", "version": "v3", "norm_eps": 0, "mask_hidden": 9}},
            "v3",
        ),
        (
            {"architecture": architecture_as_json(SlimConfig()) | {"pyramid": 1 << 40}},
            "pyramid: expected a whole number",
        ),
        ({"architecture": architecture_as_json(SlimConfig()) | {"widths": [1]}}, "widths: expected 4"),
        ({"architecture": architecture_as_json(SlimConfig()) | {"widths": None}}, "architecture: "),
    ],
)
def test_a_card_with_a_wrong_field_is_refused_by_its_name(change, message, file):
    document = json.loads(write_card_bytes(CARD)) | change
    file.write_text(json.dumps(document))
    with pytest.raises(WeightsError, match=rf"card\.json: .*{message}"):
        read_card(file)


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b"nucleus\n", b"\xff{", b"[" * 100_000])
def test_what_is_no_card_is_told_as_such(content, file):
    file.write_bytes(content)
    assert not is_card(file)
    with pytest.raises(WeightsError, match=r"card\.json: "):
        read_card(file)


def test_a_changed_card_is_read_again(file):
    file.write_bytes(write_card_bytes(CARD))
    assert read_card(file).title == CARD.title
    file.write_bytes(write_card_bytes(replace(CARD, title="Other, and longer")))
    assert read_card(file).title == "Other, and longer"


@pytest.mark.parametrize("architecture", ARCHITECTURES, ids=lambda a: type(a).__name__)
def test_every_architecture_builds_without_values(architecture):
    network = family_of(architecture).build(architecture, 4)
    assert all(p.device.type == "meta" for p in network.parameters())
    assert architecture_from_json(json.loads(json.dumps(architecture_as_json(architecture)))) == architecture


def test_families_have_different_keys():
    assert len({family.key for family in FAMILIES}) == len(FAMILIES)
