"""Training that begins with a ResNet of torchvision's: its table, its weights, and a run."""

import hashlib
import io
import json
import math

import pytest
import torch
import torchvision
from torch import nn
from torchvision.models.resnet import BasicBlock, ResNet
from torchvision.ops.misc import FrozenBatchNorm2d

from maskrcnn_core.dataset.categories import Category
from maskrcnn_core.errors import InputError, WeightsError
from maskrcnn_core.evaluation.ground_truth import joint_categories
from maskrcnn_core.models.backbones import BACKBONES, Backbone, backbone_by_key, backbone_weights
from maskrcnn_core.models.downloads import DownloadFailed
from maskrcnn_core.models.loading import load_trained_model
from maskrcnn_core.networks.resnet_fpn import build_resnet_fpn
from maskrcnn_core.training.artifacts import Keeper, Words
from maskrcnn_core.training.augmentation import Augmentation
from maskrcnn_core.training.loading import TrainingImages
from maskrcnn_core.training.loop import train
from maskrcnn_core.training.starting import begin_from_backbone
from maskrcnn_core.training.views import view_of
from tests.builders.cli import run_here
from tests.builders.training import make_scenes, make_settings
from tests.integration.models.test_downloads import server

__all__ = ["server"]

AB = (Category(1, "a"), Category(2, "b"))


@pytest.fixture(scope="module")
def small():
    """A row of four blocks, the bytes of its weights, and their values."""
    torch.manual_seed(0)
    body = ResNet(BasicBlock, [1, 1, 1, 1])
    for module in body.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_var, 0.5, 1.5)
    saved = io.BytesIO()
    torch.save(body.state_dict(), saved)
    data = saved.getvalue()
    name = f"resnet10-{hashlib.sha256(data).hexdigest()[:8]}.pth"
    return Backbone("resnet10", "ResNet-10", name, 21.0, (1, 1, 1, 1), is_basic=True), data, body.state_dict()


@pytest.fixture(autouse=True)
def folder(monkeypatch, tmp_path, server):
    """An empty weights folder, and a mirror on this computer."""
    for name in ("MASKDESK_WEIGHTS", "XDG_CACHE_HOME", "TORCH_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "weights"))
    monkeypatch.setenv("MASKDESK_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("MASKDESK_MIRROR", server.url.rpartition("/")[0])
    return tmp_path / "weights"


@pytest.mark.parametrize("row", BACKBONES, ids=lambda row: row.key)
def test_the_table_agrees_with_torchvision(row):
    published = torchvision.models.get_model_weights(row.key).IMAGENET1K_V1
    assert row.url == published.url and len(row.sha256) == 8
    assert row.megabytes == pytest.approx(published.meta["_file_size"] * 1.048576, abs=0.1)
    with torch.device("meta"):
        theirs = torchvision.models.get_model(row.key).state_dict()
    ours = build_resnet_fpn(row.architecture(from_nothing=False), 3).backbone.body.state_dict()
    shapes = {n: t.shape for n, t in theirs.items() if not n.startswith("fc.") and "num_batches" not in n}
    assert shapes == {n: t.shape for n, t in ours.items()}


def test_weights_come_by_our_downloads_and_are_checked(small, server, folder):
    row, data, _ = small
    server.body = data
    with pytest.raises(WeightsError, match=rf"--download fetches {row.file} \(21 MB\), .* --from-nothing"):
        backbone_weights(row, download=False)
    file = backbone_weights(row, download=True)
    assert file == folder / row.file and backbone_weights(row, download=False) == file
    file.write_bytes(data[:-1])
    with pytest.raises(WeightsError, match=rf"whose SHA-256 begins with {row.sha256}, got others"):
        backbone_weights(row, download=False)
    server.body = b"something else"
    with pytest.raises(DownloadFailed, match="the download is corrupt"):
        backbone_weights(row, download=True)


def test_the_backbone_knows_imagenet_and_all_else_is_random(small, folder):
    row, data, values = small
    folder.mkdir()
    (folder / row.file).write_bytes(data)
    begun = begin_from_backbone(row, folder / row.file, AB, seed=0)
    network = begun.model.network
    body = network.backbone.body.state_dict()
    assert all(torch.equal(body[name], values[name]) for name in body)
    assert any(isinstance(m, FrozenBatchNorm2d) for m in network.modules())
    assert not any(isinstance(m, nn.BatchNorm2d) for m in network.modules())
    assert begun.architecture.laws == "torchvision" and not begun.knows
    assert "has learned of ImageNet" in begun.notes[0] and row.file in begun.origin
    same, other = (begin_from_backbone(row, folder / row.file, AB, seed) for seed in (0, 1))
    first = network.roi_heads.box_predictor.cls_score.weight
    assert torch.equal(first, same.model.network.roi_heads.box_predictor.cls_score.weight)
    assert not torch.equal(first, other.model.network.roi_heads.box_predictor.cls_score.weight)
    wider = Backbone("x", "x", row.file, 1.0, (2, 1, 1, 1), is_basic=True)
    with pytest.raises(WeightsError, match=r"expected the .* tensors of its ResNet"):
        begin_from_backbone(wider, folder / row.file, AB, seed=0)


def test_from_nothing_all_norms_learn(small):
    begun = begin_from_backbone(small[0], None, AB, seed=0)
    assert begun.origin == "random values" and begun.architecture.heads == "v2"
    assert any(isinstance(m, nn.BatchNorm2d) for m in begun.model.network.modules())


@pytest.mark.only_all  # a whole network of this kind is written several times
def test_what_was_trained_on_a_backbone_is_a_model_like_any_other(small, folder, tmp_path):
    row, data, values = small
    folder.mkdir()
    (folder / row.file).write_bytes(data)
    truth = make_scenes(tmp_path / "scenes", count=1)
    settings = make_settings(
        tmp_path / "out", epochs=1, rois=8, ema_decay=0, augmentation=Augmentation(crop=320)
    )
    begun = begin_from_backbone(row, folder / row.file, joint_categories([truth]), 0)
    images = TrainingImages(
        [truth], begun.model.label_map, settings.augmentation, view_of(begun.model.network), 0
    )
    seen = []
    train(
        begun.model,
        images,
        [],
        settings,
        start=json.dumps({}),
        keep=Keeper(settings, begun, (truth,), (), Words("On a backbone")),
        device="cpu",
        on_progress=lambda progress: seen.append(progress.losses),
    )
    assert all(math.isfinite(loss) for step in seen if step for loss in step.values())
    model = load_trained_model(settings.out)
    assert model.network.built_from == begun.architecture
    body = model.network.backbone.body.state_dict()
    assert torch.equal(body["bn1.running_var"], values["bn1.running_var"]), "ImageNet's statistics stay"
    assert not torch.equal(body["conv1.weight"], values["conv1.weight"])


def test_the_command_says_what_it_lacks_and_fetches_only_if_asked(server, tmp_path):
    make_scenes(tmp_path / "scenes", count=1)
    scenes = tmp_path / "scenes"
    given = ("train", "--ground-truth", scenes / "instances.json", "--images", scenes / "images", "-q")
    code, _, err = run_here(*given, "--backbone", "resnet18", "--title", "one")
    assert code != 0 and "--download fetches resnet18-f37072fd.pth (47 MB)" in err and not server.ranges
    server.status = 503
    code, _, err = run_here(*given, "--backbone", "resnet18", "--download", "--title", "two")
    assert code != 0 and "resnet18-f37072fd.pth: 127.0.0.1 answered 503" in err
    for options, reason in (
        (("--backbone", "vgg16"), "expected one of resnet18, "),
        (("--backbone", "resnet18", "--from", "shapes"), "expected either --from, a whole model, or"),
        (("--from", "shaps"), "did you mean shapes"),
        (("--from", "gone.pth"), "there is no such file"),
        (("--from-nothing",), "--from-nothing: expected --backbone with it"),
        (("--download",), "--download: expected --backbone with it"),
    ):
        code, _, err = run_here(*given, *options, "--title", "three")
        assert code == 2 and reason in err and "writes" not in err, "before anything is read"


def test_an_unknown_backbone_is_answered_with_the_table():
    with pytest.raises(InputError, match=r"one of resnet18, .*wide_resnet101_2, got 'vgg'"):
        backbone_by_key("vgg")
