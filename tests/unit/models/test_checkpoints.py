"""Custom checkpoints: what is right loads and computes the same, what is wrong is named."""

from __future__ import annotations

import argparse
import io
import os
import pickle
import struct
import zipfile
from collections import OrderedDict

import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torchvision.models.detection import maskrcnn_resnet50_fpn, maskrcnn_resnet50_fpn_v2
from torchvision.ops.misc import FrozenBatchNorm2d

from maskrcnn_core.errors import InputError, WeightsError
from maskrcnn_core.models.checkpoints import (
    load_custom_checkpoint,
    load_published_checkpoint,
    read_names,
)
from maskrcnn_core.models.foreign.sidecar import Sidecar
from maskrcnn_core.networks.configs import ResNet50Config
from maskrcnn_core.networks.resnet50_fpn import build_resnet50_fpn

NAMES = ["nucleus", "Zelle"]


def make_network(version, num_classes=3, seed=0):
    torch.manual_seed(seed)
    make = {"v1": maskrcnn_resnet50_fpn, "v2": maskrcnn_resnet50_fpn_v2}[version]
    network = make(weights=None, weights_backbone=None, num_classes=num_classes).eval()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_var.uniform_(0.5, 1.5)
            module.running_mean.normal_(0, 0.1)
    return network


@pytest.fixture(scope="module")
def networks():
    return {version: make_network(version) for version in ("v1", "v2")}


@pytest.fixture(scope="module")
def frozen_state(networks):
    """Version 1's state dict as training with frozen batch norm leaves it: without counters."""
    return OrderedDict(
        (n, t) for n, t in networks["v1"].state_dict().items() if not n.endswith("num_batches_tracked")
    )


def make_quick(networks):
    """Small images, few proposals, and no score too low: enough to compare two networks."""
    for network in networks:
        network.transform.min_size = (96,)
        network.rpn._post_nms_top_n["testing"] = 30
        network.roi_heads.score_thresh = 0.0


def saved(state, file):
    torch.save(state, file)
    return file


def load(state, tmp_path, names=NAMES, **options):
    return load_custom_checkpoint(saved(state, tmp_path / "mine.pth"), names, **options)


@torch.inference_mode()
@pytest.mark.parametrize("version", ["v1", "v2"])
@pytest.mark.parametrize("kind", ["torch", "safetensors"])
def test_a_state_dict_computes_as_the_network_it_came_from(networks, tmp_path, version, kind):
    theirs, file = networks[version], tmp_path / "mine.pth"  # both named so: the content tells
    (torch.save if kind == "torch" else save_file)(theirs.state_dict(), file)
    ours, label_map, facts = load_custom_checkpoint(file, NAMES)
    assert facts.architecture == ResNet50Config(version, 1e-5) and facts.num_classes == 3
    assert [c.name for c in label_map] == NAMES and label_map.labels == (1, 2)
    assert not ours.training and not any(p.requires_grad for p in ours.parameters())
    assert not any(t.is_meta for t in ours.state_dict().values())
    images = torch.rand(1, 3, 64, 96)
    for name, features in theirs.backbone(images).items():
        # Frozen batch norm multiplies in another order, so float32 rounds elsewhere.
        difference = (ours.backbone(images)[name] - features).abs().max()
        assert difference < 1e-4 * features.abs().max()
    pooled = torch.rand(2, 256, 7, 7)
    for mine, other in zip(
        ours.roi_heads.box_predictor(ours.roi_heads.box_head(pooled)),
        theirs.roi_heads.box_predictor(theirs.roi_heads.box_head(pooled)),
        strict=True,
    ):
        assert torch.equal(mine, other)
    masks = ours.roi_heads.mask_predictor(ours.roi_heads.mask_head(pooled))
    assert torch.equal(masks, theirs.roi_heads.mask_predictor(theirs.roi_heads.mask_head(pooled)))


@torch.inference_mode()
def test_the_whole_of_version_2_gives_torchvisions_detections(networks, tmp_path):
    theirs = networks["v2"]
    ours, _, _ = load(theirs.state_dict(), tmp_path)
    make_quick([theirs, ours])
    image = torch.rand(3, 60, 80)
    want, got = theirs([image])[0], ours([image])[0]
    assert len(want["scores"]) > 0
    assert all(torch.equal(want[name], got[name]) for name in want)


def test_nesting_prefix_half_floats_and_old_names_are_undone_and_said(frozen_state, tmp_path):
    old = {"0.0": "mask_fcn1", "1.0": "mask_fcn2", "2.0": "mask_fcn3", "3.0": "mask_fcn4"}
    state = OrderedDict()
    for name, tensor in frozen_state.items():
        for new, before in old.items():
            name = name.replace(f"mask_head.{new}.", f"mask_head.{before}.")
        name = name.replace("rpn.head.conv.0.0.", "rpn.head.conv.")
        for i in range(4):
            name = name.replace(f"_blocks.{i}.0.", f"_blocks.{i}.")
        state[f"module.{name}"] = tensor.half()
    assert "module.backbone.fpn.inner_blocks.0.weight" in state
    network, _, facts = load({"model": state, "epoch": 3, "optimizer": {"lr": 0.1}}, tmp_path)
    said = " ".join(facts.notes)
    assert all(word in said for word in ("'model'", "'module.'", "before 0.13", "float16"))
    assert all(t.dtype == torch.float32 for t in network.state_dict().values())


def test_another_width_of_the_mask_predictor_is_read_off(frozen_state, tmp_path):
    state = dict(frozen_state)
    state["roi_heads.mask_predictor.conv5_mask.weight"] = torch.zeros(256, 64, 2, 2)
    state["roi_heads.mask_predictor.conv5_mask.bias"] = torch.zeros(64)
    state["roi_heads.mask_predictor.mask_fcn_logits.weight"] = torch.zeros(3, 64, 1, 1)
    network, _, _ = load(state, tmp_path)
    assert network.roi_heads.mask_predictor.conv5_mask.out_channels == 64


# --- the epsilon of version 1 -----------------------------------------------------------------------


def frozen_eps(network):
    return {m.eps for m in network.modules() if isinstance(m, FrozenBatchNorm2d)}


def test_frozen_batch_norm_has_no_epsilon_unless_something_speaks_for_it(frozen_state, networks, tmp_path):
    network, _, facts = load(frozen_state, tmp_path)
    assert frozen_eps(network) == {0.0} == {facts.architecture.norm_eps}
    assert "fine-tuning" in facts.notes[-1]
    asked, _, _ = load(frozen_state, tmp_path, sidecar=Sidecar(norm_eps=1e-5))
    assert frozen_eps(asked) == {1e-5}
    unfrozen, _, _ = load(networks["v1"].state_dict(), tmp_path)
    assert frozen_eps(unfrozen) == {1e-5}
    zero = dict(frozen_state) | {"backbone.body.bn1.running_var": torch.zeros(64)}
    assert frozen_eps(load(zero, tmp_path)[0]) == {1e-5}
    with pytest.raises(InputError, match="epsilon: expected a number"):
        load(frozen_state, tmp_path, sidecar=Sidecar(norm_eps=-1.0))


def test_torchvision_itself_overwrites_the_epsilon_of_its_coco_weights_only():
    """If torchvision's loader changes its mind, ours has to follow."""
    import inspect

    source = inspect.getsource(inspect.unwrap(maskrcnn_resnet50_fpn))
    assert "overwrite_eps(model, 0.0)" in source
    assert "overwrite_eps" not in inspect.getsource(inspect.unwrap(maskrcnn_resnet50_fpn_v2))


@torch.inference_mode()
def test_published_weights_load_as_torchvision_loads_them(tmp_path):
    from torchvision.models.detection._utils import overwrite_eps
    from torchvision.models.detection.backbone_utils import resnet_fpn_backbone
    from torchvision.models.detection.mask_rcnn import MaskRCNN

    torch.manual_seed(1)
    backbone = resnet_fpn_backbone(backbone_name="resnet50", weights=None, norm_layer=FrozenBatchNorm2d)
    theirs = MaskRCNN(backbone, num_classes=91).eval()
    overwrite_eps(theirs, 0.0)
    # The published file is older than torch's zip format; so is this one.
    file = tmp_path / "v1.pth"
    torch.save(theirs.state_dict(), file, _use_new_zipfile_serialization=False)
    ours = load_published_checkpoint(file, "v1")
    assert frozen_eps(ours) == {0.0}
    make_quick([theirs, ours])
    image = torch.rand(3, 60, 80)
    want, got = theirs([image])[0], ours([image])[0]
    assert len(want["scores"]) > 0
    assert all(torch.equal(want[name], got[name]) for name in want)


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_an_empty_network_has_torchvisions_tensors(networks, version):
    theirs = {n: t.shape for n, t in networks[version].state_dict().items()}
    ours = {n: t.shape for n, t in build_resnet50_fpn(version, 3).state_dict().items()}
    assert ours == {n: s for n, s in theirs.items() if n in ours}
    assert all(n.endswith("num_batches_tracked") for n in theirs.keys() - ours.keys())


# --- what does not fit ------------------------------------------------------------------------------


def test_every_tensor_that_does_not_fit_is_counted_and_the_first_are_named(frozen_state, tmp_path):
    state = dict(frozen_state)
    for i in range(5):
        state[f"extra.{i}"] = torch.zeros(1)
    del state["backbone.body.conv1.weight"]
    state["rpn.head.cls_logits.bias"] = torch.zeros(5)
    with pytest.raises(WeightsError) as caught:
        load(state, tmp_path)
    message = str(caught.value)
    assert "1 missing: backbone.body.conv1.weight" in message
    assert "5 not wanted: extra.0, extra.1, extra.2 and 2 more" in message
    assert "1 of another shape: rpn.head.cls_logits.bias (expected [3], got [5])" in message


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_values_that_are_not_finite_are_refused(frozen_state, tmp_path, bad):
    state = dict(frozen_state)
    state["roi_heads.box_head.fc7.bias"] = torch.zeros(1024).index_fill(0, torch.tensor([7]), bad)
    with pytest.raises(WeightsError, match=r"NaN, infinite.*roi_heads\.box_head\.fc7\.bias"):
        load(state, tmp_path)


def test_doubles_too_large_for_float32_and_negative_variances_are_refused(frozen_state, tmp_path):
    for name, value in (
        ("roi_heads.box_head.fc7.bias", torch.full((1024,), 1e300, dtype=torch.float64)),
        ("backbone.body.bn1.running_var", torch.full((64,), -1.0)),
    ):
        with pytest.raises(WeightsError, match=name.replace(".", r"\.")):
            load(dict(frozen_state) | {name: value}, tmp_path)


def test_whole_numbers_are_refused(frozen_state, tmp_path):
    state = dict(frozen_state) | {"roi_heads.box_head.fc7.bias": torch.zeros(1024, dtype=torch.int64)}
    with pytest.raises(WeightsError, match=r"got int64 in roi_heads\.box_head\.fc7\.bias"):
        load(state, tmp_path)


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        ({}, "expected a state dict"),
        ([torch.zeros(1)], "expected a state dict of named tensors, got list"),
        ({"epoch": 3}, "expected tensors only, got int at 'epoch'"),
        ({"backbone.bottom_up.stem.conv1.weight": torch.zeros(1)}, "got no mask head .* a Faster R-CNN"),
        ({"encoder.layer.weight": torch.zeros(1)}, "no known Mask R-CNN has: encoder.layer.weight"),
        ({"roi_heads.box_head.fc6.weight": torch.zeros(1)}, "cls_score.weight: expected .* no such tensor"),
        (
            {
                "roi_heads.box_head.fc6.weight": torch.zeros(1),
                "roi_heads.box_predictor.cls_score.weight": torch.zeros(1, 1024),
            },
            r"with 2 classes or more, got shape \[1, 1024\]",
        ),
    ],
)
def test_other_things_than_our_state_dicts_are_told_what_was_wanted(tmp_path, state, reason):
    with pytest.raises(WeightsError, match=reason):
        load(state, tmp_path)


# --- files made to harm -----------------------------------------------------------------------------


class Attack:
    """Pickles as a call of os.system that leaves a trace."""

    def __init__(self, trace):
        self.trace = trace

    def __reduce__(self):
        return os.system, (f"echo was here > {self.trace}",)


def test_a_pickle_that_runs_code_is_refused_and_does_not_run(tmp_path):
    trace = tmp_path / "trace"
    with pytest.raises(WeightsError, match=r"it asks for '\w+\.system'.*none of it was run"):
        load({"model": Attack(trace)}, tmp_path)
    bare = tmp_path / "bare.pth"
    bare.write_bytes(pickle.dumps(Attack(trace)))
    with pytest.raises(WeightsError, match="bare pickle"):
        load_custom_checkpoint(bare, NAMES)
    assert not trace.exists()


@pytest.mark.parametrize("guest", [argparse.Namespace(lr=0.1), bytearray(b"x"), torch.nn.Linear(1, 1)])
def test_guests_beside_the_tensors_are_left_out_and_nothing_of_them_is_run(frozen_state, tmp_path, guest):
    network, _, facts = load({"model": frozen_state, "guest": guest}, tmp_path)
    assert "left out" in " ".join(facts.notes)
    assert torch.equal(network.backbone.body.conv1.weight, frozen_state["backbone.body.conv1.weight"])


def rewritten(file, change, compression=zipfile.ZIP_STORED):
    """The archive with each record passed through ``change(name, data)``."""
    with zipfile.ZipFile(file) as archive:
        records = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name, data in records.items():
            archive.writestr(name, change(name, data))
    return file


def test_packed_records_are_refused(tmp_path):
    file = saved({"w": torch.zeros(1_000_000)}, tmp_path / "bomb.pth")
    rewritten(file, lambda _, data: data, zipfile.ZIP_DEFLATED)
    assert file.stat().st_size < 20_000
    with pytest.raises(WeightsError, match=r"unpack to 4,\d\d\d,\d\d\d bytes"):
        load_custom_checkpoint(file, NAMES)


def test_a_record_shorter_than_declared_is_refused(tmp_path):
    file = saved({"w": torch.zeros(1000)}, tmp_path / "short.pth")
    rewritten(file, lambda name, data: data[:40] if "/data/" in name else data)
    with pytest.raises(WeightsError, match=r"declares 4,000 bytes and has 40"):
        load_custom_checkpoint(file, NAMES)


def test_a_tensor_larger_than_its_storage_is_refused(tmp_path):
    with pytest.raises(WeightsError, match=r"a tensor of 1,000,000,000,000 elements"):
        load({"w": torch.zeros(1).expand(1_000_000, 1_000_000)}, tmp_path)


def test_a_program_that_is_not_torchs_is_refused(tmp_path):
    for program in (
        b"\x80\x02.",
        b"\x80\x02e.",
        b"",
        b"\x80\x02(((((",
        b"\x80\x02K\x01K\x01R.",
        b"\x80\x04].",
    ):
        file = saved({"w": torch.zeros(1)}, tmp_path / "odd.pth")
        rewritten(file, lambda name, data, p=program: p if name.endswith("data.pkl") else data)
        with pytest.raises(WeightsError, match=r"odd\.pth"):
            load_custom_checkpoint(file, NAMES)


def test_an_ordinary_zip_and_twin_records_are_refused(tmp_path):
    file = tmp_path / "x.pth"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("photo.jpg", b"x")
    with pytest.raises(WeightsError, match=r"got an archive with photo\.jpg"):
        load_custom_checkpoint(file, NAMES)
    with zipfile.ZipFile(file, "w") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("a/data.pkl", b"x")
        archive.writestr("a/data.pkl", b"y")
    with pytest.raises(WeightsError, match="same name"):
        load_custom_checkpoint(file, NAMES)


@pytest.mark.parametrize("kind", ["pth", "safetensors"])
@pytest.mark.parametrize("keep", [0, 7, 60, 0.5, 0.999])
def test_a_truncated_file_is_refused(tmp_path, kind, keep):
    file = tmp_path / f"cut.{kind}"
    (torch.save if kind == "pth" else save_file)({"w": torch.zeros(1000)}, file)
    data = file.read_bytes()
    file.write_bytes(data[: keep if isinstance(keep, int) else int(len(data) * keep)])
    with pytest.raises(WeightsError, match=rf"cut\.{kind}: "):
        load_custom_checkpoint(file, NAMES)


def test_other_files_are_refused(tmp_path):
    file = tmp_path / "x.pth"
    for data, reason in (
        (b"", "an empty file"),
        (b"\x89PNG\r\n\x1a\n" + b"0" * 50, "got a PNG image"),
        (struct.pack("<Q", 30) + b"{" + b" " * 60, "not a whole .safetensors"),
    ):
        file.write_bytes(data)
        with pytest.raises(WeightsError, match=reason):
            load_custom_checkpoint(file, NAMES)
    with pytest.raises(WeightsError, match="cannot be read"):
        load_custom_checkpoint(tmp_path / "absent.pth", NAMES)


def test_torchscript_is_told_to_save_a_state_dict(tmp_path):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("m/data.pkl", b"")
        archive.writestr("m/constants.pkl", b"")
    (tmp_path / "x.pth").write_bytes(buffer.getvalue())
    with pytest.raises(WeightsError, match="TorchScript"):
        load_custom_checkpoint(tmp_path / "x.pth", NAMES)


# --- names ------------------------------------------------------------------------------------------


def test_names_are_read_a_line_each(tmp_path):
    file = tmp_path / "names.txt"
    file.write_bytes("\ufeffnucleus \r\nZelle\r\n细胞\r\n\r\n\r\n".encode())
    assert read_names(file) == ["nucleus", "Zelle", "细胞"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"", "got none"),
        (b"\n\n", "got none"),
        (b"cat\n\ndog\n", "line 2: this line is empty"),
        (b"cat\ndog\nCat\n", "line 3: 'Cat' is already on line 1"),
        (b"\xff\xfe\x00", "UTF-8"),
        (b"x" * (1 << 21), "over a million bytes"),
    ],
)
def test_bad_names_are_said_with_their_line(tmp_path, text, reason):
    file = tmp_path / "names.txt"
    file.write_bytes(text)
    with pytest.raises(InputError, match=reason):
        read_names(file)


def test_an_absent_names_file_is_said(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        read_names(tmp_path / "names.txt")


def test_as_many_names_are_wanted_as_categories(frozen_state, tmp_path):
    with pytest.raises(InputError, match=r"expected 2 names.*got 3; leave the background out \(is it '__b"):
        load(frozen_state, tmp_path, names=["__background__", *NAMES])
    with pytest.raises(InputError, match=r"expected 2 names.*got 1; list the categories"):
        load(frozen_state, tmp_path, names=["only"])
