"""One's own model, from upload to export, in a real Chromium; needs nothing that is not in the repository."""

import json

import pytest
import torch
from playwright.sync_api import expect

from maskrcnn_core.explain.law_sentences import sentences_of
from maskrcnn_core.explain.stages import stage_by_key
from maskrcnn_core.models.cards import card_file
from maskrcnn_core.models.catalog import SHAPES_FILE
from tests.browser.desk import Desk
from tests.browser.explain_page import ExplainPage
from tests.browser.review_page import settle
from tests.builders.core import make_network
from tests.builders.matterport import write_keras_file

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def address(boxed_address):
    return boxed_address


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
    weights.write_bytes(SHAPES_FILE.read_bytes())
    card.write_bytes(card_file(SHAPES_FILE).read_bytes())
    Desk(page, address)
    page.get_by_role("link", name="Models").click()
    page.get_by_text("Your own model").wait_for()
    inputs = page.locator("input[type=file]")
    inputs.nth(0).set_input_files(weights)
    inputs.nth(1).set_input_files(card)
    page.get_by_role("button", name="Load", exact=True).click(timeout=120_000)
    page.get_by_text("3 categories. The Annotate page uses it now.").wait_for(timeout=120_000)


def load(page, weights, names, settings=""):
    """On the Models page, a Matterport model."""
    page.get_by_role("link", name="Models").click()
    page.get_by_text("Your own model").wait_for()
    page.locator("input[type=file]").nth(0).set_input_files(weights)
    page.get_by_text(weights.name).first.wait_for(timeout=120_000)
    field = page.get_by_role("textbox", name="Or type the category names")
    field.fill("\n".join(names))
    field.press("Control+Enter")
    if settings:
        page.get_by_text("What the weights do not say").click()
        lines = page.get_by_role("textbox", name="Matterport: settings")
        lines.fill(settings)
        lines.press("Control+Enter")
    settle(page)
    page.get_by_role("button", name="Load", exact=True).click(timeout=120_000)
    page.get_by_text(f"Loaded {weights.name}: {len(names)} ").wait_for(timeout=300_000)


NARROW_SETTINGS = """
IMAGE_MIN_DIM                  96
IMAGE_MAX_DIM                  128
RPN_ANCHOR_SCALES              (8, 16, 32, 64, 128)
POST_NMS_ROIS_INFERENCE        100
DETECTION_MIN_CONFIDENCE       0.1
DETECTION_NMS_THRESHOLD        0.35
"""


def test_a_matterport_file_opens_with_typed_names_and_settings_and_is_explained(page, address, tmp_path):
    desk = Desk(page, address)
    load(page, write_keras_file(tmp_path / "narrow.h5"), ["left", "right", "猫"], NARROW_SETTINGS)
    # What was loaded is what the page shows the inside of.
    expect(page.get_by_role("combobox", name="Model", exact=True)).to_have_value("narrow.h5")
    page.get_by_role("link", name="Annotate").click()
    desk.open_sample("Street signs")
    page.locator("[data-ready=true]:not([data-shown-count='0'])").wait_for(timeout=180_000)
    expect(page.get_by_role("slider", name="NMS IoU")).to_have_value("0.35")
    count = desk.shown
    _, data = desk.download("COCO JSON")
    assert len(json.loads(data)["annotations"]) == count > 0
    page.get_by_role("link", name="How it works").click()
    explained = ExplainPage.on(page)
    for key in ("input", "roi-align", "mask"):
        explained.go(key)
        for sentence in sentences_of(stage_by_key(key), "matterport"):
            expect(page.get_by_text(sentence)).to_be_visible()
        assert explained.errors == []
