import base64
import re
from dataclasses import replace
from html.parser import HTMLParser
from io import BytesIO

import pytest
from PIL import Image

from maskrcnn_core.dataset.categories import LabelMap
from maskrcnn_core.explain.glossary import GLOSSARY, PAPERS
from maskrcnn_core.explain.html_report import html_report
from maskrcnn_core.explain.pictures import PICTURES
from maskrcnn_core.explain.stages import STAGES
from tests.builders.core import make_model
from tests.builders.traced_images import blind_model, traced_random, traced_sample

VOID = {"meta", "img", "br", "link", "input", "hr"}


class Page(HTMLParser):
    """What a browser would make of the report."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.tags, self.open, self.words, self.styles = [], [], [], []
        self.feed(text)
        self.close()
        assert not self.open, "unclosed"

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        (self.styles if self.open and self.open[-1] == "style" else self.words).append(data)

    @property
    def text(self):
        return " ".join("".join(self.words).split())

    def of(self, tag):
        return [attrs for name, attrs in self.tags if name == tag]


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


def nothing_leads_outside(page):
    for tag, attrs in page.tags:
        assert tag not in ("script", "iframe", "object", "embed", "link", "base", "form")
        for name, value in attrs.items():
            assert not name.startswith("on")
            if name in ("src", "href", "srcset", "action", "data", "poster", "background"):
                assert value.startswith(("data:image/", "#")), f"{tag} {name}={value[:60]}"
    assert not re.search(r"url\(|@import|://", "".join(page.styles))
    ids = [attrs["id"] for _, attrs in page.tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    assert {attrs["href"].removeprefix("#") for attrs in page.of("a")} <= set(ids)
    (policy,) = [m["content"] for m in page.of("meta") if m.get("http-equiv") == "Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; img-src data:;") and "script" not in policy


def test_nothing_in_it_leads_outside(page):
    nothing_leads_outside(page)


HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "![x](http://evil.example/x.png)",
    "</title></style><svg onload=alert(1)>",
    "&lt;b&gt; \u202egnp.\nexe",
    "猫.png",
)


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
