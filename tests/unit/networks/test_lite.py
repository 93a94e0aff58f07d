"""The network of the photo model: its shapes, its padding, and one box and mask for all categories."""

import copy
import warnings

import numpy as np
import pytest
import torch

from maskrcnn_core.errors import InputError
from maskrcnn_core.inference.predictor import Predictor
from maskrcnn_core.models.loading import get_model
from maskrcnn_core.models.summary import summarise
from maskrcnn_core.networks.configs import LiteConfig
from maskrcnn_core.networks.families import FAMILIES, family_of
from maskrcnn_core.networks.heads import replace_heads
from maskrcnn_core.networks.lite import SameConv2d, build_lite


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return build_lite(LiteConfig(pyramid=16, box_hidden=32), 5).eval()


def test_a_row_of_the_table_builds_it_without_values():
    family = family_of(LiteConfig())
    assert family in FAMILIES and family.key == "lite0"
    empty = family.build(LiteConfig(), 81)
    assert {p.device.type for p in empty.parameters()} == {"meta"}
    assert sum(p.numel() for p in empty.parameters()) == 6_934_916


def test_its_levels_have_strides_8_to_64(network):
    with torch.inference_mode():
        maps = network.backbone(torch.zeros(1, 3, 96, 160))
    assert [tuple(level.shape) for level in maps.values()] == [
        (1, 16, 12, 20),
        (1, 16, 6, 10),
        (1, 16, 3, 5),
        (1, 16, 2, 3),
    ]


@pytest.mark.parametrize("kernel", [1, 3, 5])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("size", [(8, 6), (7, 9), (1, 2)], ids=str)
def test_padding_is_tensorflows(kernel, stride, size):
    """Against its definition, pixel by pixel: ceil(n / s) outputs, and the odd zero comes last."""
    torch.manual_seed(1)
    layer = SameConv2d(1, 1, kernel, stride).double()
    image = torch.randn(*size, dtype=torch.double)
    rows, columns = (-(-n // stride) for n in size)
    before = [
        max((out - 1) * stride + kernel - n, 0) // 2 for out, n in zip((rows, columns), size, strict=True)
    ]
    weight, bias = layer.weight.detach()[0, 0].numpy(), float(layer.bias.detach())
    wanted = np.zeros((rows, columns))
    for y in range(rows):
        for x in range(columns):
            for i in range(kernel):
                for j in range(kernel):
                    r, c = y * stride - before[0] + i, x * stride - before[1] + j
                    if 0 <= r < size[0] and 0 <= c < size[1]:
                        wanted[y, x] += weight[i, j] * float(image[r, c])
    got = layer(image[None, None])[0, 0].detach().numpy()
    np.testing.assert_allclose(got, wanted + bias, atol=1e-12)


def test_what_is_traced_at_one_size_runs_at_others(network):
    """Converters follow a network once: what it computes of the size must not become a number on the way."""
    with torch.inference_mode(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch calls tracing old, and warns of the branch for the padding
        traced = torch.jit.trace(network.backbone.body.stem, torch.randn(1, 3, 64, 64))
        for size in ((64, 64), (96, 160), (160, 32)):
            image = torch.randn(1, 3, *size)
            assert torch.equal(traced(image), network.backbone.body.stem(image))


def test_all_categories_share_one_box_and_one_mask(network):
    heads = network.roi_heads
    with torch.inference_mode():
        logits, deltas = heads.box_predictor(heads.box_head(torch.randn(3, 16, 7, 7)))
        masks = heads.mask_predictor(heads.mask_head(torch.randn(3, 16, 14, 14)))
    assert logits.shape == (3, 5) and deltas.shape == (3, 20) and masks.shape == (3, 5, 28, 28)
    assert torch.equal(deltas[:, :4], deltas[:, 16:]) and torch.equal(masks[:, 0], masks[:, 4])
    assert not torch.equal(logits[:, 0], logits[:, 4])


def test_other_categories_need_new_class_logits_only(network):
    changed = copy.deepcopy(network)
    replace_heads(changed, [0, None, 2])
    old, new = network.roi_heads.box_predictor.cls_score, changed.roi_heads.box_predictor.cls_score
    assert torch.equal(new.weight[[0, 2]], old.weight[[0, 2]])
    assert torch.allclose(new.weight[1], old.weight[1:].mean(0)) and new.out_features == 3
    others = {n: p for n, p in network.named_parameters() if "cls_score" not in n}
    assert all(torch.equal(p, others[n]) for n, p in changed.named_parameters() if "cls_score" not in n)
    with torch.inference_mode():
        answer = changed([torch.rand(3, 64, 80)])[0]
    assert len(answer["boxes"]) == len(answer["masks"])


@pytest.mark.parametrize(
    ("field", "value"), [("pyramid", 12), ("pyramid", 0), ("box_hidden", 0.5), ("min_size", 10_000)]
)
def test_sizes_out_of_range_are_named(field, value):
    with pytest.raises(InputError, match=f"lite network, {field}: expected"):
        LiteConfig(**{field: value})


def test_the_summary_tells_its_parts():
    summary = summarise(get_model("photos"))
    assert summary.total_parameters == 6_934_916 and all(summary.parameters.values())
    assert (summary.num_classes, summary.num_categories, summary.mask_size) == (81, 80, 28)
    assert summary.anchors_per_cell == (6, 6, 6, 6) and summary.min_size == 384


def test_a_drawn_box_gets_a_mask_and_a_category():
    predictor = Predictor(get_model("photos"), "cpu")
    image = np.full((120, 160, 3), 90, np.uint8)
    image[30:90, 40:120] = (200, 60, 40)
    prompted = predictor.prompt(predictor.open(image), [[40, 30, 120, 90]], image)
    assert prompted.mask_probs.shape == (1, 5, 28, 28) and prompted.boxes.tolist() == [[40, 30, 120, 90]]
