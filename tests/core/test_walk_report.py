import base64
import re
from dataclasses import replace
from html.parser import HTMLParser
from io import BytesIO

import pytest
from PIL import Image

from maskrcnn_core.categories import LabelMap
from maskrcnn_core.walk import GLOSSARY, PAPERS, WALK
from maskrcnn_core.walk_pictures import PICTURES
from maskrcnn_core.walk_report import html_report
from tests.core.builders import make_model
from tests.core.walks import blind_model, random_walk, sample_walk

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
    return Page(html_report(sample_walk()))


def test_the_report_has_every_stage_with_its_words_and_numbers(page):
    for stage in WALK:
        assert stage.title in page.text and stage.source in page.text
        assert all(sentence in page.text for sentence in stage.sentences)
        for name, value in stage.facts(sample_walk().stages):
            assert name in page.text and value in page.text
        assert {"id": stage.key, "aria-labelledby": f"{stage.key}-title"} in page.of("section")
    for term, meaning in GLOSSARY:
        assert term in page.text and meaning in page.text
    assert all(paper.title in page.text and paper.where in page.text for paper in PAPERS)


def test_the_report_says_what_it_was_made_of(page):
    walk = sample_walk()
    model = walk.predictor.model
    for part in (walk.name, "320 × 240 pixels", model.title, model.backbone, model.digest, walk.counts()):
        assert part in page.text


def test_every_picture_is_in_it_with_words_for_those_who_cannot_see(page):
    images = page.of("img")
    assert len(images) == sum(len(draw(sample_walk())) for draw in PICTURES.values())
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
        walk = random_walk(model=model, name=name)
        assert len(walk.detections)
        page = Page(html_report(walk, title=HOSTILE[1]))
        nothing_leads_outside(page)
        assert HOSTILE[0] in page.text and HOSTILE[1] in page.text
        assert "\u202e" not in page.text
    assert "猫.png" in page.text


def test_walks_on_which_nothing_was_found_are_reported_too():
    for walk in (random_walk(score=1.0), random_walk(model=blind_model())):
        page = Page(html_report(walk))
        assert walk.counts() == "none" and "Detectionsnone" in page.text
        nothing_leads_outside(page)


def test_it_follows_the_light_or_dark_of_its_reader_and_can_be_printed(page):
    style = "".join(page.styles)
    assert (
        "prefers-color-scheme: dark" in style
        and "@media print" in style
        and "color-scheme: light dark" in style
    )
