"""The table of domains, and the rule that tells pictures apart."""

import numpy as np
import pytest

from maskrcnn_core.dataset.categories import COCO_CATEGORIES
from maskrcnn_core.errors import InputError
from maskrcnn_core.images.reading import read_image
from maskrcnn_core.models.catalog import MODELS, model_by_key, models_of
from maskrcnn_core.models.domains import DOMAINS, OWN, check_domains, domain_by_key, domains_of, offered_names
from maskrcnn_core.models.domains.eyes import see_with
from maskrcnn_core.models.domains.rule import SURE, Rule, guess_domain, the_rule
from maskrcnn_core.synthetic.samples import SAMPLES, draw_sample
from maskrcnn_core.synthetic.scenes import draw_scene
from tests.builders.mixed_model import MIXED, add_mixed_model
from tests.shared_data import shared_path

UNSEEN = 300_000


def test_each_domain_has_a_key_a_sentence_and_a_model_in_the_box():
    assert len({d.key for d in DOMAINS}) == len({d.title for d in DOMAINS}) == len(DOMAINS) == 4
    ready = {key for spec in MODELS[-3:] for key in spec.domains}
    assert ready == {d.key for d in DOMAINS} - {OWN}
    for domain in DOMAINS:
        assert domain.finds and not domain.finds.endswith(".")
        assert domain.key == OWN or domain.sample in {sample.key for sample in SAMPLES}


def test_each_model_of_the_table_is_for_a_domain_whose_categories_it_knows():
    for spec in MODELS:
        names = {category.name for category in spec.label_map}
        assert spec.domains
        for key in spec.domains:
            assert domain_by_key(key).categories <= names
    assert [spec.key for spec in models_of("microscopy")] == ["nuclei"]
    assert [spec.key for spec in models_of("drawings")] == ["shapes"]
    assert [category.name for category in model_by_key("nuclei").label_map] == ["nucleus"]


def test_domains_follow_from_categories_where_nobody_says():
    assert domains_of(c.name for c in COCO_CATEGORIES) == ("photos",)
    assert domains_of(["nucleus", "debris"]) == ("microscopy",)
    assert domains_of(["person", "car"]) == (OWN,)
    assert domains_of([]) == (OWN,)


def test_a_domain_offers_its_own_categories_alone(monkeypatch):
    names = [category.name for category in add_mixed_model(monkeypatch).label_map]
    assert model_by_key(MIXED).domains == ("microscopy", "drawings")
    assert offered_names("microscopy", names) == ["nucleus"]
    assert set(offered_names("drawings", names)) == {"circle", "square", "triangle"}
    assert offered_names(OWN, names) == names
    assert offered_names("microscopy", ["weed", "crop"]) == ["weed", "crop"], "better all than none"


def test_an_unknown_domain_names_the_known_ones():
    with pytest.raises(InputError, match="'x-rays': expected one of photos, microscopy, drawings, own"):
        check_domains(["photos", "x-rays"])


@pytest.mark.parametrize("size", [(1, 1), (1, 900), (900, 1), (31, 33), (700, 500)])
@pytest.mark.parametrize("value", [0, 255])
def test_any_picture_gets_an_answer_even_without_anything_on_it(size, value):
    responses = see_with(the_rule().body, np.full((*size, 3), value, np.uint8))
    assert responses.shape == the_rule().mean.shape and responses.dtype == np.float32
    assert np.isfinite(responses).all()


def test_the_body_in_numpy_answers_as_it_does_in_torch():
    import torch

    from maskrcnn_core.networks.configs import LiteConfig
    from maskrcnn_core.networks.lite import build_lite

    body = build_lite(LiteConfig(), 2).backbone.body
    body.load_state_dict({name: torch.from_numpy(value) for name, value in the_rule().body.items()})
    pixels = np.random.default_rng(0).integers(0, 256, (160, 160, 3), np.uint8)
    x = torch.from_numpy(pixels).permute(2, 0, 1)[None].float().sub(127).div(128)
    wanted = []
    with torch.no_grad():
        for name, stage in body.items():
            x = stage(x)
            wanted += [x.mean((2, 3))[0], x.std((2, 3))[0]] if name != "stem" else []
    responses = see_with(the_rule().body, pixels)
    assert responses == pytest.approx(torch.cat(wanted).numpy(), abs=1e-3)


def test_a_rule_whose_parts_do_not_go_together_is_refused():
    rule = the_rule()
    with pytest.raises(ValueError, match="make the rule again"):
        Rule(rule.body, rule.mean[:-1], rule.scale, rule.weights, rule.bias)


def test_probabilities_add_up_and_only_likely_guesses_are_sure():
    rule = the_rule()
    responses = np.random.default_rng(0).normal(rule.mean, 3 * rule.scale, (50, len(rule.mean)))
    assert rule.probabilities(responses.astype(np.float32)).sum(1) == pytest.approx(np.ones(50), abs=1e-5)
    for seed in range(5):
        guess = guess_domain(np.random.default_rng(seed).integers(0, 256, (90, 120, 3), np.uint8))
        assert guess.is_sure == (guess.probability >= SURE)


@pytest.mark.parametrize("key", ["astronaut", "cat", "admiral", "coffee"])
@pytest.mark.parametrize("is_grey", [False, True], ids=["colour", "grey"])
def test_photos_that_packages_carry_are_photos_also_without_colour(key, is_grey):
    pixels = draw_sample(key)
    if is_grey:
        pixels = np.repeat(pixels.mean(2, keepdims=True).astype(np.uint8), 3, 2)
    guess = guess_domain(pixels)
    assert guess.domain == "photos"


@pytest.mark.parametrize(
    ("kind", "domain"), [("shapes", "drawings"), ("tissue", "microscopy"), ("fluorescence", "microscopy")]
)
def test_drawn_scenes_that_it_was_not_made_from_are_told_apart(kind, domain):
    said = [guess_domain(draw_scene(UNSEEN + seed, kind).pixels) for seed in range(10)]
    assert [guess.domain for guess in said].count(domain) >= 9


@pytest.mark.parametrize(
    ("path", "pattern", "domain"),
    [
        (("data", "coco_val2017"), "**/*.jpg", "photos"),
        (("data", "photos"), "*.jpg", "photos"),
        (("data", "nuclei", "val"), "*.png", "microscopy"),
    ],
    ids=["COCO", "photos", "nuclei"],
)
def test_real_pictures_are_told_apart_at_least_95_of_100_times(path, pattern, domain):
    files = sorted(shared_path(*path).glob(pattern))[:60]
    said = [guess_domain(read_image(file).pixels) for file in files]
    assert len(said) >= 2
    assert sum(guess.domain == domain for guess in said) >= 0.95 * len(said)
    wrong = [guess for guess in said if guess.is_sure and guess.domain != domain]
    assert len(wrong) <= 0.05 * len(said)


def test_tissue_of_another_laboratory_is_never_said_to_be_something_else():
    files = sorted(shared_path("cases", "large").glob("*.jpg"))
    said = [guess_domain(read_image(file).pixels) for file in files]
    assert said and not [guess for guess in said if guess.is_sure and guess.domain != "microscopy"]
