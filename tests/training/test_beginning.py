"""What training begins with: the same values for the same seed, and heads that keep what they knew."""

from dataclasses import replace

import pytest
import torch

from maskrcnn_core.architectures import MobileConfig, ResNet50Config, family_of
from maskrcnn_core.categories import Category
from maskrcnn_core.checkpoints import load_custom_checkpoint
from maskrcnn_core.models import get_model
from maskrcnn_core.training.augmentation import Augmentation
from maskrcnn_core.training.beginning import begin_from, begin_from_nothing
from maskrcnn_core.training.data import TrainingImages, joint_categories
from tests.core.builders import make_model
from tests.shared_data import shared_path
from tests.training.builders import TINY, make_scenes

ABC = tuple(Category(n, name) for n, name in enumerate("abcde", start=1))


def logits_of(model, label):
    return model.network.roi_heads.box_predictor.cls_score.weight[label]


def test_equal_seeds_give_equal_networks():
    one, same, other = (begin_from_nothing(TINY, ABC, seed) for seed in (1, 1, 2))
    assert torch.equal(logits_of(one.model, 1), logits_of(same.model, 1))
    assert not torch.equal(logits_of(one.model, 1), logits_of(other.model, 1))
    assert "random values" in one.notes[0] and one.architecture == TINY


def test_the_same_categories_keep_everything():
    model = make_model()
    begun = begin_from(model, ABC, seed=0)
    for name, tensor in model.network.state_dict().items():
        assert torch.equal(tensor, begun.model.network.state_dict()[name]), name
    assert "the same 5 categories" in begun.notes[0]
    assert begun.model.network is not model.network, "the table's network is never touched"


def test_other_categories_get_new_heads_and_it_is_said():
    model = make_model()
    begun = begin_from(model, (Category(4, "C"), Category(9, "new"), Category(2, "a")), seed=0)
    assert (
        "the last layers of its box and mask head are replaced. Kept for C, a; new for new." in begun.notes[0]
    )
    heads, old = begun.model.network.roi_heads, model.network.roi_heads
    assert torch.equal(logits_of(begun.model, 0), logits_of(model, 0)), "background"
    assert torch.equal(logits_of(begun.model, 1), logits_of(model, 3))
    assert torch.equal(logits_of(begun.model, 3), logits_of(model, 1))
    assert torch.equal(heads.box_predictor.bbox_pred.bias[4:8], old.box_predictor.bbox_pred.bias[12:16])
    assert torch.equal(
        heads.mask_predictor.mask_fcn_logits.weight[3], old.mask_predictor.mask_fcn_logits.weight[1]
    )
    assert heads.mask_predictor.mask_fcn_logits.out_channels == 4
    assert torch.equal(old.mask_predictor.conv5_mask.weight, heads.mask_predictor.conv5_mask.weight)
    assert begun.model.label_map.category(2).id == 9


def test_a_network_tells_what_it_would_be_built_from(tmp_path):
    torch.save(make_model().network.state_dict(), tmp_path / "own.pth")
    network, _, facts = load_custom_checkpoint(tmp_path / "own.pth", list("abcde"))
    begun = begin_from(replace(make_model(), network=network), ABC, seed=0)
    assert begun.architecture == ResNet50Config(facts.version, facts.norm_eps, 256)
    fresh = family_of(begun.architecture).build(begun.architecture, 6)
    assert fresh.state_dict().keys() == network.state_dict().keys()
    slim = begin_from_nothing(TINY, ABC, seed=0)
    assert begin_from(slim.model, ABC, seed=0).architecture == TINY


@pytest.mark.parametrize("names", [("person", "dog"), ("nucleus",)])
def test_the_mobile_model_can_be_trained(names, monkeypatch, tmp_path):
    monkeypatch.setenv("MASKDESK_WEIGHTS", str(shared_path("weights", "maskrcnn2go").parent))
    begun = begin_from(get_model("mobile"), [Category(n, c) for n, c in enumerate(names, start=1)], seed=0)
    assert isinstance(begun.architecture, MobileConfig)
    network = begun.model.network
    fresh = family_of(begun.architecture).build(begun.architecture, len(names) + 1)
    fresh.load_state_dict(network.state_dict(), assign=True)
    assert torch.equal(
        fresh.rpn.anchor_generator.cell_anchors[0], network.rpn.anchor_generator.cell_anchors[0]
    )
    truth = make_scenes(tmp_path, count=1)
    label_map = begun.model.label_map
    images = TrainingImages(
        [truth], _renamed(joint_categories([truth]), label_map), Augmentation(96), (64, 99), 0
    )
    image, target = images[images.order(0)[0]]
    target["labels"] = target["labels"].clamp(max=len(names))
    network.requires_grad_(True).train()
    network.transform._skip_resize = True
    losses = network([image], [target])
    sum(losses.values()).backward()
    assert all(bool(torch.isfinite(loss)) for loss in losses.values())
    assert network.backbone.body[1][0].weight.grad.abs().sum() > 0


def _renamed(categories, label_map):
    """A label map of the scenes' categories, as the model's own are others."""
    return type(label_map).contiguous(categories)
