"""What training begins with: the same values for the same seed, and heads that keep what they knew."""

from dataclasses import replace

import pytest
import torch

from maskrcnn_core.dataset.categories import Category, LabelMap
from maskrcnn_core.evaluation.ground_truth import joint_categories
from maskrcnn_core.models.checkpoints import load_custom_checkpoint
from maskrcnn_core.models.loading import get_model
from maskrcnn_core.networks.families import MobileConfig, family_of
from maskrcnn_core.networks.heads import replace_heads
from maskrcnn_core.training.augmentation import Augmentation
from maskrcnn_core.training.loading import TrainingImages
from maskrcnn_core.training.starting import begin_from, begin_from_nothing
from maskrcnn_core.training.views import View
from tests.builders.core import make_model
from tests.builders.training import TINY, make_scenes
from tests.shared_data import shared_path

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
        "the last layers of its box and mask head are replaced. Kept for C, a; new for new, "
        "as the mean of all 5 it knows." in begun.notes[0]
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


def rows_of(model):
    """Weights and biases of the last layers, a row for each class."""
    heads = model.network.roi_heads
    for layer, rows in (
        (heads.box_predictor.cls_score, 1),
        (heads.box_predictor.bbox_pred, 4),
        (heads.mask_predictor.mask_fcn_logits, 1),
    ):
        for tensor in (layer.weight, layer.bias):
            yield tensor.reshape(-1, rows, *tensor.shape[1:])


def test_a_new_category_begins_as_the_mean_of_those_that_the_model_knows():
    model = make_model()
    # As in published heads, a row that stands for nothing.
    model = replace(model, label_map=LabelMap(model.label_map.categories[:4], (1, 2, 3, 5)))
    begun = begin_from(model, (Category(1, "new"), Category(2, "b"), Category(3, "newer")), seed=0)
    for old, new in zip(rows_of(model), rows_of(begun.model), strict=True):
        mean = old[[1, 2, 3, 5]].mean(0)
        assert torch.equal(new[1], mean) and torch.equal(new[3], mean)
        assert torch.equal(new[0], old[0]) and torch.equal(new[2], old[2])


def test_without_any_object_to_take_the_mean_of_new_rows_are_random():
    begun = [begin_from(replace(make_model(), label_map=LabelMap((), ())), ABC[:2], seed) for seed in (0, 1)]
    assert not torch.equal(logits_of(begun[0].model, 1), logits_of(begun[1].model, 1))


def test_the_mean_knows_more_of_a_new_category_than_random_rows_do(tmp_path):
    """Before any step, on what the model has seen under other names: boxes and masks fit far better."""
    truth = make_scenes(tmp_path, count=4)
    renamed = tuple(replace(c, name=f"my {c.name}") for c in truth.dataset.categories)
    truth = replace(truth, dataset=replace(truth.dataset, categories=renamed))
    shapes_model = get_model("shapes")
    mean = losses_of(begin_from(shapes_model, joint_categories([truth]), seed=0), truth)
    random = begin_from(shapes_model, joint_categories([truth]), seed=0)
    replace_heads(random.model.network, [0, None, None, None], [])
    random_losses = losses_of(random, truth)
    assert mean["loss_box_reg"] < 0.7 * random_losses["loss_box_reg"]
    assert mean["loss_mask"] < 0.5 * random_losses["loss_mask"]


def losses_of(begun, truth):
    network = begun.model.network.train()
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.eval()
    network.transform._skip_resize = True
    images = TrainingImages([truth], begun.model.label_map, Augmentation(160), View(320, 640), 0)
    pictures, targets = zip(*(images[key] for key in images.order(0)), strict=True)
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(0)
        return network(list(pictures), list(targets))


def test_a_network_tells_what_it_would_be_built_from(tmp_path):
    torch.save(make_model().network.state_dict(), tmp_path / "own.pth")
    network, _, facts = load_custom_checkpoint(tmp_path / "own.pth", list("abcde"))
    begun = begin_from(replace(make_model(), network=network), ABC, seed=0)
    assert begun.architecture == facts.architecture
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
        [truth], _renamed(joint_categories([truth]), label_map), Augmentation(96), View(64, 99), 0
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
