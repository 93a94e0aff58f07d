"""The model table, where weights are found, and loading once for all."""

from __future__ import annotations

import dataclasses
import hashlib
import math
import threading
from types import SimpleNamespace

import pytest
import torch
from torchvision.models.detection import (
    MaskRCNN_ResNet50_FPN_V2_Weights,
    MaskRCNN_ResNet50_FPN_Weights,
    maskrcnn_resnet50_fpn_v2,
)
from torchvision.models.detection.backbone_utils import resnet_fpn_backbone
from torchvision.models.detection.mask_rcnn import MaskRCNN
from torchvision.ops.misc import FrozenBatchNorm2d

from maskrcnn_core.errors import InputError, WeightsError
from maskrcnn_core.models import loading
from maskrcnn_core.models.catalog import MODELS, default_model, model_by_key, ready_models
from maskrcnn_core.models.loading import get_model, load_custom_model, load_model
from maskrcnn_core.models.summary import summarise
from maskrcnn_core.models.weights_files import weights_file, weights_folders
from tests.shared_data import shared_path

PUBLISHED = {"coco-v1": MaskRCNN_ResNet50_FPN_Weights, "coco-v2": MaskRCNN_ResNet50_FPN_V2_Weights}


@pytest.fixture
def folders(monkeypatch, tmp_path):
    """Three empty places to look for weights in, and nothing loaded yet."""
    monkeypatch.setenv("MASKDESK_WEIGHTS", str(tmp_path / "own"))
    monkeypatch.setenv("MASKDESK_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.delenv("MASKDESK_MIRROR", raising=False)
    monkeypatch.setattr(loading, "_LOADED", {})
    return weights_folders()


def put(folder, spec, data=b"weights"):
    file = folder / spec.file
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data)
    return file


def with_sha256_of(spec, file):
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    return dataclasses.replace(spec, sha256=digest, size_bytes=file.stat().st_size)


PUBLISHED_ROWS = [spec for spec in MODELS if spec.is_published]


# --- the table --------------------------------------------------------------------------------------


def test_the_table_is_ordered_best_first_and_has_each_key_once():
    assert [spec.key for spec in MODELS] == [
        *("d2-r101-lsj", "d2-r50-lsj", "coco-v2", "d2-x101", "d2-r101"),
        *("d2-r50", "coco-v1", "mobile", "matterport", "photos", "nuclei", "shapes"),
    ]
    published = [row.mask_ap for spec in PUBLISHED_ROWS for row in spec.measured]
    assert published == sorted(published, reverse=True)
    assert not PUBLISHED_ROWS[-1].measured, "what nobody measured comes last"


@pytest.mark.parametrize("spec", PUBLISHED_ROWS, ids=lambda spec: spec.key)
def test_every_published_row_is_sane(spec):
    assert spec.url.startswith("https://") and spec.url.endswith(f"/{spec.file_name}")
    assert (len(spec.sha256) == 64 and int(spec.sha256, 16)) or "No SHA-256" in spec.pinning
    assert 1e6 < spec.size_bytes < 1e9
    for row in spec.measured:
        assert 0 < row.mask_ap < row.box_ap < 100 and row.on in row.text
        assert row.on.strip() == row.on != ""
    assert 0 < spec.nms_threshold < 1
    assert len(spec.label_map) == 80 and spec.label_map.category(1).name == "person"
    assert not spec.file.startswith("/") and ".." not in spec.file
    assert spec.knows.endswith(".")
    for text in (spec.title, spec.speed, spec.backbone, spec.licence, spec.source):
        assert text.strip() == text != ""


@pytest.mark.parametrize("key", PUBLISHED)
def test_rows_agree_with_torchvision(key):
    spec, published = model_by_key(key), PUBLISHED[key].COCO_V1
    assert spec.url == published.url
    assert spec.sha256.startswith(spec.file_name.removesuffix(".pth").rpartition("-")[2])
    assert spec.size_bytes / 2**20 == pytest.approx(published.meta["_file_size"], abs=0.001)
    metrics = published.meta["_metrics"]["COCO-val2017"]
    (row,) = spec.measured
    assert (row.box_ap, row.mask_ap) == (metrics["box_map"], metrics["mask_map"])
    names = published.meta["categories"]
    assert all(names[label] == spec.label_map.category(label).name for label in spec.label_map.labels)


def test_an_unknown_key_is_answered_with_those_that_look_alike():
    with pytest.raises(InputError, match=r"did you mean coco-v2"):
        model_by_key("coco_v2")
    with pytest.raises(InputError, match=r"choose one of d2-r101-lsj, .*mobile, matterport, photos"):
        get_model("???")


def test_a_model_that_was_replaced_names_those_that_know_now_what_it_did():
    with pytest.raises(InputError, match=r"'starter': it has been replaced by nuclei and shapes"):
        model_by_key("starter")


# --- where the weights are --------------------------------------------------------------------------


def test_places_are_looked_through_in_order(folders, tmp_path):
    spec = model_by_key("coco-v1")
    assert folders == [tmp_path / "own", tmp_path / "cache/maskdesk/weights", tmp_path / "hub/checkpoints"]
    assert weights_file(spec) is None
    for folder in reversed(folders):
        assert put(folder, spec) == weights_file(spec)


def test_without_settings_the_home_cache_is_the_place(folders, monkeypatch, tmp_path):
    monkeypatch.delenv("MASKDESK_WEIGHTS")
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert weights_folders()[0] == tmp_path / ".cache" / "maskdesk" / "weights"


def test_torch_hubs_folder_is_where_torch_says(monkeypatch, tmp_path):
    for home, cache in ((None, None), (tmp_path / "home", None), (None, tmp_path / "cache"), ("~/x", "~/y")):
        for name, value in (("TORCH_HOME", home), ("XDG_CACHE_HOME", cache)):
            monkeypatch.delenv(name, raising=False) if value is None else monkeypatch.setenv(name, str(value))
        assert str(weights_folders()[-1]) == f"{torch.hub.get_dir()}/checkpoints"


def test_where_nothing_was_fetched_the_photo_model_is_the_default_and_what_is_absent_is_told(folders):
    assert [s.key for s in ready_models()] == [
        "photos",
        "nuclei",
        "shapes",
    ] and default_model().key == "photos"
    assert default_model(["Nucleus", "person"]).key == "photos", "one each: the better one"
    assert default_model(["circle", "Square", "person"]).key == "shapes", "it knows most of them"
    assert default_model(["mitochondrion"]).key == "photos", "nobody knows them"
    with pytest.raises(WeightsError, match=r"maskrcnn_resnet50_fpn_v2_coco-73cbd019\.pth") as caught:
        load_model("coco-v2")
    message = str(caught.value)
    assert (
        str(folders[0]) in message
        and "ready now: photos, nuclei, shapes" in message
        and "download.pytorch.org" in message
    )
    assert "\n" not in message


def test_the_default_is_the_best_that_is_ready(folders):
    put(folders[2], model_by_key("mobile"))
    assert default_model().key == "mobile"
    with pytest.raises(WeightsError, match=r"coco-v2: .*ready now: mobile, photos, nuclei, shapes"):
        load_model("coco-v2")
    put(folders[1], model_by_key("coco-v1"))
    assert [s.key for s in ready_models()] == [
        "coco-v1",
        "mobile",
        "photos",
        "nuclei",
        "shapes",
    ] and default_model().key == "coco-v1"


def test_other_bytes_under_the_right_name_are_refused_and_not_remembered(folders):
    file = put(folders[0], model_by_key("mobile"))
    for _ in range(2):
        with pytest.raises(WeightsError, match=r"expected the published weights of mobile.*got 7 bytes"):
            get_model("mobile")
    file.unlink()
    with pytest.raises(WeightsError, match="not on this computer"):
        get_model("mobile")


def test_a_download_comes_from_the_mirror_and_goes_to_the_first_folder(folders, monkeypatch, tmp_path):
    asked = []

    def fake_download(url, target, **options):
        asked.append((url, target, options["sha256"], options["size"]))
        raise WeightsError("no network here")

    monkeypatch.setattr(loading, "download_file", fake_download)
    spec = model_by_key("mobile")
    with pytest.raises(WeightsError, match="no network here"):
        load_model(spec, download=True)
    monkeypatch.setenv("MASKDESK_MIRROR", "http://127.0.0.1:1/files/")
    monkeypatch.delenv("MASKDESK_WEIGHTS")
    with pytest.raises(WeightsError, match="no network here"):
        load_model(dataclasses.replace(spec, sha256=spec.sha256[:8]), download=True)
    assert asked == [
        (spec.url, tmp_path / "own" / spec.file, spec.sha256, spec.size_bytes),
        ("http://127.0.0.1:1/files/model_init.pb", folders[1] / spec.file, spec.sha256[:8], None),
    ]


# --- loading ----------------------------------------------------------------------------------------


def test_eight_threads_share_one_network(folders, monkeypatch):
    made = []
    barrier = threading.Barrier(8)

    def slow_load(spec, **_):
        made.append(spec.key)
        threading.Event().wait(0.05)
        return SimpleNamespace(digest=spec.sha256)

    monkeypatch.setattr(loading, "load_model", slow_load)
    got = []

    def ask():
        barrier.wait()
        got.append(get_model("mobile"))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert made == ["mobile"] and len(got) == 8 and len(set(map(id, got))) == 1


def frozen_eps(network):
    return {m.eps for m in network.modules() if isinstance(m, FrozenBatchNorm2d)}


def test_version_1_loads_with_epsilon_0_and_counts_as_torchvision(folders, tmp_path):
    torch.manual_seed(0)
    backbone = resnet_fpn_backbone(backbone_name="resnet50", weights=None, norm_layer=FrozenBatchNorm2d)
    theirs = MaskRCNN(backbone, num_classes=91)
    spec = model_by_key("coco-v1")
    file = put(folders[0], spec, b"")
    torch.save(theirs.state_dict(), file)
    model = load_model(with_sha256_of(spec, file))
    assert frozen_eps(model.network) == {0.0}
    assert model.digest == hashlib.sha256(file.read_bytes()).hexdigest()
    ours = model.network.state_dict()
    assert all(torch.equal(ours[name], tensor) for name, tensor in theirs.state_dict().items())
    summary = summarise(model)
    assert summary.total_parameters == PUBLISHED["coco-v1"].COCO_V1.meta["num_params"]
    assert (summary.num_classes, summary.num_categories, summary.mask_size) == (91, 80, 28)
    assert (summary.min_size, summary.max_size) == (800, 1333)
    assert summary.anchor_sizes == ((32,), (64,), (128,), (256,), (512,))
    assert summary.anchors_per_cell == (3,) * 5
    assert (summary.proposals_before_nms, summary.proposals_after_nms) == (1000, 1000)
    assert (summary.roi_size, summary.mask_roi_size) == (7, 14)
    rows = dict(summary.rows())
    assert rows["Anchor sizes"] == "32 | 64 | 128 | 256 | 512 px"
    assert rows["Anchor ratios (height / width)"] == "0.5, 1, 2"
    assert (rows["Device"], rows["Precision"]) == ("cpu", "float32")


def test_version_2_loads_and_counts_as_torchvision(folders):
    torch.manual_seed(0)
    theirs = maskrcnn_resnet50_fpn_v2(weights=None, weights_backbone=None, num_classes=91)
    spec = model_by_key("coco-v2")
    file = put(folders[0], spec, b"")
    torch.save(theirs.state_dict(), file)
    model = load_model(with_sha256_of(spec, file))
    assert frozen_eps(model.network) == set()
    assert summarise(model).total_parameters == PUBLISHED["coco-v2"].COCO_V1.meta["num_params"]
    assert not model.network.training


def test_a_custom_model_says_what_it_is(tmp_path):
    torch.manual_seed(0)
    theirs = maskrcnn_resnet50_fpn_v2(weights=None, weights_backbone=None, num_classes=2)
    file = tmp_path / "nuclei.pth"
    torch.save(theirs.state_dict(), file)
    model = load_custom_model(file, ["nucleus"])
    assert (model.title, model.mask_size, model.nms_threshold) == ("nuclei.pth", 28, 0.5)
    assert model.key == f"custom-{model.digest[:12]}"
    assert [c.name for c in model.label_map] == ["nucleus"]
    assert summarise(model).num_classes == 2


def test_the_mobile_model_loads_from_the_shared_weights(folders, monkeypatch):
    monkeypatch.setenv("MASKDESK_WEIGHTS", str(shared_path("weights", "maskrcnn2go").parent))
    model = get_model("mobile")
    assert get_model("mobile") is model and default_model().key == "mobile"
    summary = summarise(model)
    assert (summary.num_classes, summary.mask_size, summary.anchors_per_cell) == (81, 24, (15,))
    assert (summary.proposals_before_nms, summary.proposals_after_nms) == (3000, 120)
    assert math.isclose(summary.total_parameters, 3.65e6, rel_tol=0.01)
    rows = dict(summary.rows())
    assert rows["Masks"].startswith("24 × 24") and "Parameters: feature pyramid" not in rows
