"""Model cards that ask for gigabytes, and model files whose names no file system takes."""

import json
from dataclasses import replace

import pytest

from maskrcnn_core.dataset.categories import Category
from maskrcnn_core.errors import InputError, WeightsError
from maskrcnn_core.models.cards import is_card, read_card, write_card_bytes
from maskrcnn_core.networks.configs import LiteConfig, SlimConfig
from tests.shared_data import shared_path
from tests.unit.models.test_cards import CARD


def card_with(tmp_path, **changes):
    document = json.loads(write_card_bytes(CARD))
    for name, value in changes.items():
        place = document["architecture"] if name in document["architecture"] else document
        place[name] = value
    file = tmp_path / "card.json"
    file.write_text(json.dumps(document))
    return file


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"min_size": 8192, "max_size": 8192}, "expected inputs of at most 2.1 megapixels, got 8192 x 8192"),
        ({"min_size": 8192, "max_size": 1280, "pyramid": 512}, "expected feature maps of at most 64 MiB"),
        ({"widths": [1024, 64, 64, 64]}, "expected feature maps of at most 64 MiB"),
        ({"pyramid": 4096}, "expected feature maps of at most 64 MiB"),
        ({"title": "t" * 1025}, "title: expected at most 1,024 characters, got 1,025"),
        ({"title": "\ud800"}, "title: expected whole characters, got half of one"),
        ({"knows": "k" * 10_001}, "knows: expected at most 10,000 characters, got 10,001"),
        ({"notes": ["n" * 10_001]}, "notes: expected at most 10,000 whole characters"),
        ({"data": {"rows": [[]] * 200_000}}, "values in 100 levels"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_what_a_card_asks_for_is_bounded(tmp_path, changes, said):
    with pytest.raises(WeightsError, match=said):
        read_card(card_with(tmp_path, **changes))


@pytest.mark.parametrize(
    "changes",
    [{"widths": [8] * 100_000}, {"min_size": 10**4000}, {"family": "f" * 10**6}, {"k" * 10**6: 1}],
    ids=lambda changes: next(iter(changes))[:10],
)
def test_what_is_told_of_a_card_is_one_sentence(tmp_path, changes):
    document = json.loads(write_card_bytes(CARD))
    document["architecture"] |= changes
    (tmp_path / "card.json").write_text(json.dumps(document))
    with pytest.raises(WeightsError, match="architecture: ") as raised:
        read_card(tmp_path / "card.json")
    assert len(str(raised.value)) < 400


def test_a_card_nested_deep_is_refused(tmp_path):
    file = card_with(tmp_path, data={"x": "HERE"})
    file.write_text(file.read_text().replace('"HERE"', "[" * 300 + "]" * 300))
    with pytest.raises(WeightsError, match="in 100 levels, got"):
        read_card(file)


@pytest.mark.parametrize("id_", [2**60, -(2**60)])
def test_a_card_counts_and_names_its_categories_within_bounds(tmp_path, id_):
    row = {"label": 1, "id": id_, "name": "c", "supercategory": ""}
    with pytest.raises(WeightsError, match=r"categories\[0\].id: expected a whole number"):
        read_card(card_with(tmp_path, categories=[row]))
    with pytest.raises(WeightsError, match=r"categories\[0\].name: expected at most 1,024"):
        read_card(card_with(tmp_path, categories=[row | {"id": 1, "name": "n" * 1025}]))
    many = replace(CARD, categories=tuple(Category(n, f"c{n}") for n in range(2001)))
    (tmp_path / "many.json").write_bytes(write_card_bytes(many))
    with pytest.raises(WeightsError, match="categories: expected at most 2,000, got 2,001"):
        read_card(tmp_path / "many.json")


@pytest.mark.parametrize("run", [{"seconds": 10**400}, {"seconds": float("nan")}, {"epochs": 10**400}])
def test_the_sentence_on_how_a_model_was_made_takes_any_number(tmp_path, run):
    card = read_card(card_with(tmp_path, run={"date": "2026", "epochs": 2, "device": "d" * 10**6} | run))
    assert len(card.made) < 300


def test_networks_that_people_train_are_within_the_bounds():
    SlimConfig(min_size=1024, max_size=2048)
    SlimConfig(widths=(128, 256, 512, 1024), pyramid=256)
    LiteConfig(min_size=800, max_size=1333, pyramid=112)
    with pytest.raises(InputError, match="lite network, min_size and max_size"):
        LiteConfig(min_size=2048, max_size=2048)


def test_a_file_is_no_card_without_being_read_to_its_end(tmp_path):
    file = tmp_path / "weights.safetensors"
    with file.open("wb") as opened:
        opened.truncate(2**40)  # a hole: it takes no room on the disk
    assert not is_card(file)


def test_a_card_that_others_reported_is_refused():
    with pytest.raises(WeightsError, match="got 8192 x 8192"):
        read_card(shared_path("cases", "bounds", "m8192.json"))
