"""Weights layer by layer: quiet on networks that work, loud on damaged ones; and the blocks of one image."""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils import prune
from torchvision.ops import FrozenBatchNorm2d

from maskrcnn_core.explain.blocks import blocks_of
from maskrcnn_core.explain.layers import BINS, layers_of
from maskrcnn_core.explain.tracing import trace_network
from maskrcnn_core.inference.predictor import Predictor
from maskrcnn_core.models.loading import get_model
from maskrcnn_core.models.summary import PARTS, part_of, summarise
from maskrcnn_core.networks.maskrcnn2go.network import load_maskrcnn2go
from tests.builders.core import make_image, make_model
from tests.shared_data import shared_path

CONV = "backbone.body.layer1.0.conv1"
NORM = "backbone.body.layer1.0.bn1"
UP = "roi_heads.mask_predictor.conv5_mask"


@pytest.fixture(scope="module")
def shapes_model():
    return get_model("shapes")


@pytest.fixture(scope="module")
def healthy(shapes_model):
    return layers_of(shapes_model)


def mobile_model():
    network = load_maskrcnn2go(shared_path("weights", "maskrcnn2go", "model_init.pb"))
    return replace(make_model(), network=network, mask_size=24)


def freeze_norms(module):
    for name, child in module.named_children():
        if isinstance(child, nn.BatchNorm2d):
            setattr(module, name, FrozenBatchNorm2d(child.num_features))
        freeze_norms(child)


def damaged(shapes_model, damage):
    """The model with something done to the layers of a copy, which is handed over as name to module."""
    network = copy.deepcopy(shapes_model.network)
    with torch.no_grad():
        damage(dict(network.named_modules()))
    return layers_of(replace(shapes_model, network=network))


def odd_layers(layers):
    return {layer.name: layer for layer in layers if layer.oddities}


def test_every_parameter_belongs_to_one_layer(shapes_model, healthy):
    names = [layer.name for layer in healthy]
    modules = dict(shapes_model.network.named_modules())
    assert len(names) == len(set(names))
    assert names == [name for name in modules if name in set(names)], "in the network's order"
    for part, count in summarise(shapes_model).parameters.items():
        assert sum(layer.parameters for layer in healthy if layer.group == part) == count


def test_numbers_of_a_layer_are_those_of_its_weights(shapes_model, healthy):
    modules = dict(shapes_model.network.named_modules())
    for layer in healthy:
        weight = modules[layer.name].weight.detach().double()
        assert layer.shape == tuple(weight.shape)
        assert (layer.least, layer.greatest) == (weight.min(), weight.max())
        assert layer.mean == pytest.approx(weight.mean().item(), rel=1e-6, abs=1e-12)
        assert layer.deviation == pytest.approx(weight.std(unbiased=False).item(), rel=1e-6)
        assert layer.counts.sum() == weight.numel() and len(layer.counts) == BINS
        assert (layer.edges[0], layer.edges[-1]) == (layer.least, layer.greatest)
        assert np.square(layer.norms, dtype=np.float64).sum() == pytest.approx(
            weight.square().sum().item(), rel=1e-5
        )


def test_outputs_of_a_transposed_convolution_are_counted_as_outputs(shapes_model):
    layer = nn.ConvTranspose2d(6, 4, 2, groups=2)
    with torch.no_grad():
        layer.weight[3:, 1] = 0  # of the second group's two outputs, the latter
        dead_by_run = layer(torch.randn(1, 6, 5, 5)).amax((0, 2, 3)) == layer.bias
    network = copy.deepcopy(shapes_model.network)
    network.roi_heads.mask_predictor.conv5_mask = layer
    found = next(each for each in layers_of(replace(shapes_model, network=network)) if each.name == UP)
    assert found.outputs == 4 and found.dead.tolist() == torch.where(dead_by_run)[0].tolist() == [3]


def test_a_trained_network_has_nothing_odd(healthy):
    assert not odd_layers(healthy)


def test_a_network_of_random_weights_has_nothing_odd():
    model = make_model()
    freeze_norms(model.network.backbone)  # as in the published network of version 1
    layers = layers_of(model)
    assert not odd_layers(layers)
    norms = [layer for layer in layers if layer.kind == "frozen batch norm"]
    assert len(norms) == 53, "of a ResNet-50"
    assert all(layer.parameters == 0 for layer in norms)
    assert sum(layer.parameters for layer in layers) == summarise(model).total_parameters


def test_of_the_phones_network_only_the_box_of_the_background_is_dead():
    odd = odd_layers(layers_of(mobile_model()))
    assert list(odd) == ["roi_heads.box_predictor.bbox_pred.0"]
    (layer,) = odd.values()
    assert layer.dead.tolist() == [0, 1, 2, 3]
    assert "background" in layer.oddities[0]


@pytest.mark.parametrize("name", [CONV, UP, "roi_heads.box_head.2"])
def test_an_output_without_weights_is_dead(shapes_model, name):
    def damage(modules):
        weight = modules[name].weight
        (weight.transpose(0, 1) if name == UP else weight)[[3, 5]] = 0

    odd = odd_layers(damaged(shapes_model, damage))
    assert list(odd) == [name]
    assert odd[name].dead.tolist() == [3, 5]
    assert odd[name].oddities == (f"2 of {odd[name].outputs} outputs are dead: 3, 5.",)


def test_small_weights_are_dead_unless_batch_norm_makes_them_large(shapes_model):
    def shrink(modules):
        modules[CONV].weight[4] *= 1e-6

    def shrink_and_make_up(modules):
        modules[CONV].weight[4] *= 1e-6
        modules[NORM].running_var[4] = 0
        modules[NORM].eps = 1e-12
        modules[NORM].running_var *= 1e-6
        modules[NORM].running_var[4] *= 1e-6

    assert odd_layers(damaged(shapes_model, shrink))[CONV].dead.tolist() == [4]
    assert CONV not in odd_layers(damaged(shapes_model, shrink_and_make_up))


def test_a_gain_near_zero_is_a_dead_channel(shapes_model):
    def damage(modules):
        modules[NORM].weight[7] = 1e-7

    odd = odd_layers(damaged(shapes_model, damage))
    assert list(odd) == [NORM] and odd[NORM].dead.tolist() == [7]


def test_variances_near_zero_and_below_are_told(shapes_model):
    def damage(modules):
        modules[NORM].running_var[[2, 3, 4]] = 1e-9
        modules[NORM].running_var[9] = -1

    odd = odd_layers(damaged(shapes_model, damage))
    assert list(odd) == [NORM]
    negative, steady = odd[NORM].oddities
    assert "1 of 32 channels is negative" in negative
    assert "3 of 32 channels is next to zero: 2 to 4." in steady


@pytest.mark.parametrize("name", [CONV, NORM, UP, "roi_heads.box_predictor.cls_score"])
def test_one_weight_far_beyond_the_others_is_found(shapes_model, name):
    def damage(modules):
        weight = modules[name].weight
        where = (1, 2, 0, 1)[: weight.ndim]
        weight[where] = 1e4 * weight.std()

    odd = odd_layers(damaged(shapes_model, damage))
    assert list(odd) == [name]
    assert odd[name].odd.tolist() == [2 if name == UP else 1]
    (sentence,) = odd[name].oddities
    assert sentence.startswith("1 weight is far outside the rest") and "standard deviations" in sentence


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_number_that_is_none_is_found_wherever_it_is(shapes_model, value):
    def damage(modules):
        modules[CONV].weight[6, 1, 0, 0] = value
        modules[NORM].running_mean[0] = value
        modules["rpn.head.cls_logits"].bias[0] = value

    odd = odd_layers(damaged(shapes_model, damage))
    assert list(odd) == [CONV, NORM, "rpn.head.cls_logits"]
    conv, norm, logits = odd.values()
    assert conv.odd.tolist() == [6] and not len(conv.dead)
    assert np.isfinite([conv.least, conv.greatest, conv.mean, conv.deviation]).all()
    assert conv.counts.sum() == np.prod(conv.shape) - 1
    assert conv.oddities == (f"NaN or infinity: 1 of {np.prod(conv.shape):,} numbers of the weight.",)
    assert "running mean" in norm.oddities[0] and "bias" in logits.oddities[0]


def test_a_layer_of_nothing_but_nan_has_no_numbers(shapes_model):
    (layer,) = odd_layers(damaged(shapes_model, lambda m: m[CONV].weight.fill_(np.nan))).values()
    assert np.isnan([layer.least, layer.greatest, layer.mean, layer.deviation]).all()
    assert not layer.counts.any() and len(layer.odd) == layer.outputs


@pytest.mark.parametrize("name", [CONV, NORM])
def test_a_layer_of_zeros_is_dead_altogether(shapes_model, name):
    odd = odd_layers(damaged(shapes_model, lambda m: m[name].weight.zero_()))
    assert list(odd) == [name]
    assert odd[name].oddities == ("All weights are zero.",)
    assert len(odd[name].dead) == odd[name].outputs


def test_weights_that_are_all_equal_are_told(shapes_model):
    odd = odd_layers(damaged(shapes_model, lambda m: m[CONV].weight.fill_(0.25)))
    assert odd[CONV].oddities == ("All weights are equal: 0.25.",)


def test_outputs_that_repeat_each_other_are_told(shapes_model):
    def damage(modules):
        modules[CONV].weight[[1, 2]] = modules[CONV].weight[0].clone()

    assert odd_layers(damaged(shapes_model, damage))[CONV].oddities == (
        "2 outputs have the very weights of another.",
    )


def test_pruned_weights_are_told(shapes_model):
    def damage(modules):
        size = modules[CONV].weight.abs()
        prune.custom_from_mask(modules[CONV], "weight", size > size.quantile(0.75))

    odd = odd_layers(damaged(shapes_model, damage))
    assert odd[CONV].zeros == pytest.approx(0.75, abs=1e-3)
    assert odd[CONV].oddities == ("75% of the weights of living outputs are exactly zero.",)


def test_pruned_outputs_are_dead(shapes_model):
    odd = odd_layers(damaged(shapes_model, lambda m: prune.ln_structured(m[CONV], "weight", 0.5, 2, 0)))
    assert len(odd[CONV].dead) == 16
    (sentence,) = odd[CONV].oddities
    assert "16 of 32 outputs are dead" in sentence


def test_gains_of_batch_norm_that_hardly_left_one_are_not_odd(shapes_model):
    def damage(modules):
        weight = modules[NORM].weight
        weight.fill_(1)
        weight[0] += torch.finfo(torch.float32).eps
        weight[1] = 1.5

    assert not odd_layers(damaged(shapes_model, damage))


def test_layers_are_read_and_not_changed(shapes_model):
    before = {name: tensor.clone() for name, tensor in shapes_model.network.state_dict().items()}
    layers_of(shapes_model)
    assert all(
        torch.equal(before[name], tensor) for name, tensor in shapes_model.network.state_dict().items()
    )


def test_only_parts_of_a_mask_rcnn_have_a_group():
    with pytest.raises(ValueError, match=r"transform\.x: expected a name within"):
        part_of("transform.x")


# -- blocks ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["shapes", "mobile", "resnet"])
def test_blocks_are_the_way_of_the_image_and_share_all_there_is(key):
    models = {"shapes": lambda: get_model("shapes"), "mobile": mobile_model, "resnet": make_model}
    model = models[key]()
    trace = trace_network(Predictor(model), make_image(60, 90))
    blocks = blocks_of(model, trace)
    order = ["input", *PARTS]
    positions = [order.index(block.group) for block in blocks]
    assert positions == sorted(positions)
    assert ("feature pyramid" in {block.group for block in blocks}) == (key != "mobile")
    for part, count in summarise(model).parameters.items():
        assert sum(block.parameters for block in blocks if block.group == part) == count
    assert sum(block.seconds for block in blocks) == pytest.approx(sum(t.seconds for t in trace.times))
    assert [name for block in blocks for name in block.parts] == [t.name for t in trace.times]
    assert sum(block.parameter_share for block in blocks) == pytest.approx(1)
    assert sum(block.time_share for block in blocks) == pytest.approx(1)
    backbone = [block for block in blocks if block.group == "backbone"]
    assert [block.name for block in backbone] == [m.name for m in trace.backbone]
    assert [block.maps for block in backbone] == [((m.channels, *m.size),) for m in trace.backbone]
    assert [block.silent for block in backbone] == [len(m.silent) for m in trace.backbone]
    assert all(block.output for block in blocks)


def test_the_stages_of_a_resnet_are_its_blocks():
    model = make_model()
    blocks = blocks_of(model, trace_network(Predictor(model), make_image(60, 90)))
    assert [block.name for block in blocks] == ["input", "C1", "C2", "C3", "C4", "C5", *PARTS[1:]]
    assert blocks[2].parts == ("maxpool", "layer1")
    assert blocks[2].parameters == sum(p.numel() for p in model.network.backbone.body["layer1"].parameters())
