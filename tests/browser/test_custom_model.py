"""One's own model, from upload to export, in a real Chromium; needs nothing that is not in the repository."""

import json
from pathlib import Path

import pytest
import torch

from maskrcnn_core.models.cards import card_file
from maskrcnn_core.models.catalog import STARTER_FILE
from tests.browser.desk import Desk
from tests.builders.core import make_network

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def address(serve_app, tmp_path_factory):
    empty = str(tmp_path_factory.mktemp("no-weights"))
    environment = {"MASKDESK_WEIGHTS": empty, "XDG_CACHE_HOME": empty, "TORCH_HOME": empty}
    return serve_app(ROOT / "app.py", environment, cwd=ROOT)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Random weights of a network with three categories, and their names, one of them an evil one."""
    folder = tmp_path_factory.mktemp("own-model")
    weights, names = folder / "own model.pth", folder / "names.txt"
    torch.save(make_network(classes=4).state_dict(), weights)
    names.write_text("left\nright\n![x](http://127.0.0.1:9/x.png)\n")
    return weights, names


def test_a_model_of_ones_own_annotates_a_sample_and_its_file_can_be_read(page, address, files):
    desk = Desk(page, address)
    page.get_by_role("link", name="Models").click()
    page.get_by_text("Your own model").wait_for()
    inputs = page.locator("input[type=file]")
    inputs.nth(0).set_input_files(files[0])
    inputs.nth(1).set_input_files(files[1])
    page.get_by_role("button", name="Load", exact=True).click(timeout=120_000)
    page.get_by_text("Loaded own model.pth: 3 categories").wait_for(timeout=120_000)
    page.get_by_role("link", name="Annotate").click()
    desk.open_sample("Street signs")
    page.locator("[data-ready=true]:not([data-shown-count='0'])").wait_for(timeout=180_000)
    count = desk.shown
    name, data = desk.download("COCO JSON")
    document = json.loads(data)
    assert name == "sample-street_coco.json"
    assert len(document["annotations"]) == count > 0
    assert [c["name"] for c in document["categories"]] == ["left", "right", "![x](http://127.0.0.1:9/x.png)"]
    assert page.locator("img[src*='127.0.0.1:9']").count() == 0


def test_a_trained_model_is_loaded_by_its_card_from_anywhere(page, address, tmp_path):
    """Weights and card under other names, as they come from a colleague."""
    weights, card = tmp_path / "cells.safetensors", tmp_path / "from a colleague.json"
    weights.write_bytes(STARTER_FILE.read_bytes())
    card.write_bytes(card_file(STARTER_FILE).read_bytes())
    Desk(page, address)
    page.get_by_role("link", name="Models").click()
    page.get_by_text("Your own model").wait_for()
    inputs = page.locator("input[type=file]")
    inputs.nth(0).set_input_files(weights)
    inputs.nth(1).set_input_files(card)
    page.get_by_role("button", name="Load", exact=True).click(timeout=120_000)
    page.get_by_text("4 categories. The Annotate page uses it now.").wait_for(timeout=120_000)
