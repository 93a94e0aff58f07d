import base64
import re
from dataclasses import replace
from io import BytesIO

import pytest
from PIL import Image

from maskrcnn_core.dataset.categories import LabelMap
from maskrcnn_core.explain.glossary import GLOSSARY, PAPERS
from maskrcnn_core.explain.html_report import html_report
from maskrcnn_core.explain.pictures import PICTURES
from maskrcnn_core.explain.stages import STAGES
from tests.builders.core import make_model
from tests.builders.html_page import HOSTILE, Page, nothing_leads_outside
from tests.builders.traced_images import blind_model, traced_random, traced_sample


@pytest.fixture(scope="module")
def page():
    return Page(html_report(traced_sample()))


def test_the_report_has_every_stage_with_its_words_and_numbers(page):
    for stage in STAGES:
        assert stage.title in page.text and stage.source in page.text
        assert all(sentence in page.text for sentence in stage.sentences)
        for name, value in stage.facts(traced_sample().trace):
            assert name in page.text and value in page.text
        assert {"id": stage.key, "aria-labelledby": f"{stage.key}-title"} in page.of("section")
    for term, meaning in GLOSSARY:
        assert term in page.text and meaning in page.text
    assert all(paper.title in page.text and paper.where in page.text for paper in PAPERS)


def test_the_report_says_what_it_was_made_of(page):
    traced = traced_sample()
    model = traced.predictor.model
    for part in (traced.name, "320 × 240 pixels", model.title, model.backbone, model.digest, traced.counts()):
        assert part in page.text


def test_every_picture_is_in_it_with_words_for_those_who_cannot_see(page):
    images = page.of("img")
    assert len(images) == sum(len(draw(traced_sample())) for draw in PICTURES.values())
    for attrs in images:
        kind, data = re.fullmatch(r"data:image/(png|jpeg);base64,([A-Za-z0-9+/=]+)", attrs["src"]).groups()
        with Image.open(BytesIO(base64.b64decode(data, validate=True))) as picture:
            picture.load()
            assert picture.format.lower() == kind
            assert picture.size == (int(attrs["width"]), int(attrs["height"]))
        assert attrs["alt"]


def test_nothing_in_it_leads_outside(page):
    nothing_leads_outside(page)


def test_hostile_names_stay_words():
    model = make_model(classes=len(HOSTILE) + 1)
    names = [*HOSTILE[:-1], "cat 猫"]
    model = replace(model, label_map=LabelMap.from_names(names), title=HOSTILE[0], licence=HOSTILE[3])
    for name in HOSTILE:
        traced = traced_random(model=model, name=name)
        assert len(traced.detections)
        page = Page(html_report(traced, title=HOSTILE[1]))
        nothing_leads_outside(page)
        assert HOSTILE[0] in page.text and HOSTILE[1] in page.text
        assert "\u202e" not in page.text
    assert "猫.png" in page.text


def test_walks_on_which_nothing_was_found_are_reported_too():
    for traced in (traced_random(score=1.0), traced_random(model=blind_model())):
        page = Page(html_report(traced))
        assert traced.counts() == "none" and "Detectionsnone" in page.text
        nothing_leads_outside(page)


def test_it_follows_the_light_or_dark_of_its_reader_and_can_be_printed(page):
    style = "".join(page.styles)
    assert (
        "prefers-color-scheme: dark" in style
        and "@media print" in style
        and "color-scheme: light dark" in style
    )
