"""Detectron2's and mmdetection's networks answer as the originals did, from a photo's bytes to its masks."""

from dataclasses import replace

import pytest
import torch

from maskrcnn_core.models.foreign.detectron2 import read_detectron2
from maskrcnn_core.models.foreign.mmdetection import read_mmdetection
from maskrcnn_core.networks.families import family_of
from tests.integration.models.goldens import assert_equal_to, golden, weights_of

ONLY_ALL = pytest.mark.only_all
CASES = [
    ("d2_r50_fpn_3x", "480"),
    pytest.param("d2_r50_fpn_3x", "800", marks=ONLY_ALL),
    pytest.param("d2_r101_fpn_3x", "480", marks=ONLY_ALL),
    pytest.param("d2_x101_32x8d_fpn_3x", "480", marks=ONLY_ALL),
    ("d2_lsj_r50", "480"),
    ("mmdet_r50_fpn_1x", "480"),
    pytest.param("mmdet_r101_caffe_fpn_1x", "480", marks=ONLY_ALL),
]


def facts_of(name, spec):
    if spec["family"] == "detectron2":
        return read_detectron2(weights_of(name), name)
    wrapping = spec["wrapping"]
    meta = {"dataset_meta": {"classes": wrapping["classes"]}, "cfg": wrapping["config_text"]}
    if wrapping["form"] == "v2":
        meta = {"CLASSES": tuple(wrapping["classes"]), "config": wrapping["config_text"]}
    return read_mmdetection(weights_of(name), name, meta)


@pytest.mark.parametrize(("name", "case"), CASES)
def test_a_network_answers_as_the_original(name, case):
    known = golden(name, case)
    facts = facts_of(name, known.spec)
    sizes = {field: known.case[field] for field in ("min_size", "max_size")}
    network = family_of(facts.architecture).build(replace(facts.architecture, **sizes), facts.num_classes)
    counters = {n: torch.tensor(0) for n in network.state_dict() if n.endswith("num_batches_tracked")}
    network.load_state_dict({**counters, **facts.tensors}, assign=True)
    network.requires_grad_(False).eval()
    assert_equal_to(known, network)
