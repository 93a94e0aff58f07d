"""The table of stages, its numbers and its words."""

import pytest

from maskrcnn_core.detection.conventions import CONVENTIONS
from maskrcnn_core.explain.glossary import GLOSSARY, PAPERS
from maskrcnn_core.explain.law_sentences import LAW_SENTENCES, sentences_of
from maskrcnn_core.explain.stages import STAGES, stage_by_key
from maskrcnn_core.explain.tracing import trace_network
from tests.unit.explain.test_tracing import photos, shapes_model, tiny


@pytest.mark.parametrize("make", [tiny, shapes_model, photos])
def test_every_stage_has_three_sentences_a_source_and_numbers_that_can_be_told(make):
    predictor, image = make()
    trace = trace_network(predictor, image)
    cited = [paper.key.removesuffix(" 2017").removesuffix(" 2015") for paper in PAPERS]
    for stage in STAGES:
        assert len(stage.sentences) == 3
        assert all(sentence.endswith(".") for sentence in stage.sentences), stage.key
        assert any(paper in stage.source for paper in cited), stage.key
        for name, value in stage.facts(trace):
            assert name
            assert value
    facts = dict(stage_by_key("proposals").facts(trace))
    assert facts["regions of interest"] == f"{len(trace.regions.boxes):,}"
    anchors = dict(stage_by_key("anchors").facts(trace))
    assert anchors["together"] == f"{len(trace.all_anchors):,} anchors"


def test_other_projects_networks_have_sentences_of_their_own():
    assert {laws for _, laws in LAW_SENTENCES} == CONVENTIONS.keys() - {"torchvision"}
    for (key, laws), told in LAW_SENTENCES.items():
        stage = stage_by_key(key)
        changed = sentences_of(stage, laws)
        assert len(changed) == 3 and all(sentence.endswith(".") for sentence in changed)
        assert {n for n in range(3) if changed[n] != stage.sentences[n]} == told.keys()
        assert sentences_of(stage, "torchvision") == stage.sentences
    for laws in CONVENTIONS.keys() - {"torchvision"}:  # these differ in every project
        assert {(key, laws) for key in ("input", "roi-align", "mask")} <= LAW_SENTENCES.keys()


def test_keys_and_terms_are_each_there_once():
    assert len({stage.key for stage in STAGES}) == len(STAGES)
    terms = [term for term, _ in GLOSSARY]
    assert terms == sorted(terms, key=str.lower)
    assert len(set(terms)) == len(terms)
    with pytest.raises(KeyError, match="expected one of input, backbone"):
        stage_by_key("middle")
