"""Hostile and near-miss relatives of the golden checkpoints open, or are refused for the right reason."""

import os

import pytest

from maskrcnn_core.errors import InputError, WeightsError
from maskrcnn_core.models.checkpoints import load_custom_checkpoint
from maskrcnn_core.models.foreign.sidecar import Sidecar
from tests.integration.models.goldens import folder_of, rule

COCO = [f"class {number}" for number in range(1, 81)]
REFUSED = {
    "d2_wrong_shape": r"fc2.weight \(expected \[1024, 1024\], got \[256, 1024\]\)",
    "d2_missing_tensor": r"missing: backbone\.fpn_lateral3\.bias",
    "d2_extra_tensor": r"backbone\.attention\.weight",
    "d2_not_finite": r"NaN.*proposal_generator\.rpn_head\.conv\.weight",
    "d2_group_norm": r"group normalisation",
    "d2_affine_only": r"group normalisation or an early frozen norm",
    "d2_keypoint": r"Keypoint R-CNN.*keypoint_head",
    "d2_no_mask_head": r"no mask head.*Faster R-CNN",
    "d2_c4": r"C4 network.*roi_heads\.res5",
    "d2_cascade": r"Cascade",
    "d2_pointrend": r"PointRend",
    "d2_semantic_branch": r"sem_seg_head",
    "d2_names_wrong": r"expected 80 names.*got 79",
    "mmdet_names_wrong": r"80 classes.*fc_cls.*got 79",
    "mp_names_wrong": r"expected 1 names.*got 2",
    "d2_pickle_runs_command": r"posix.system",
    "d2_pickle_runs_command_early": r"posix.system",
    "d2_pickle_object_array": r"dtype O.*not a tensor",
    "d2_pickle_cut": r"ends too early",
    "mmdet_version_1": r"mmdetection 1.x \(1\.0\.0",
    "mmdet_deformable": r"deformable.*conv2_offset",
    "mmdet_htc": r"Cascade",
    "mp_external_link": r"link",
    "mp_soft_link_loop": r"link",
    "mp_huge_claim": r"16,|TB|claims|bytes",
    "mp_keras3": r"Keras 3",
    "mp_wrong_layer": r"res4c_branch2b",
    "mp_imagenet_only": r"heads|backbone",
}
SAID = {
    "d2_half": "float16",
    "d2_other_pixel_mean": "own pixel_mean",
    "d2_other_anchors": "own anchors",
    "d2_class_agnostic": "class-agnostic",
    "mmdet_module_prefix": "module.",
    "mmdet_history_buffer": "left out",
}
CHEAP = {"d2_other_anchors", "mmdet_history_buffer", "mp_external_link", "d2_pickle_runs_command_early"}


def siblings():
    try:
        listed = rule("siblings").SIBLINGS
    except pytest.skip.Exception:
        return [pytest.param(None, id="absent")]
    marks = {s["name"]: () if s["name"] in CHEAP else (pytest.mark.only_all,) for s in listed}
    return [pytest.param(s, id=s["name"], marks=marks[s["name"]]) for s in listed]


@pytest.mark.parametrize("sibling", siblings())
def test_a_sibling_opens_or_is_refused_for_the_right_reason(sibling, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if sibling is None:
        folder_of("siblings.py")  # skips
    file, extra = sibling["write"](folder_of(sibling["base"]), tmp_path)
    file = extra.get("path", file)
    names = extra.get("names", ["balloon"] if sibling["base"].startswith("matterport") else None)
    if sibling["name"] == "mmdet_no_meta":
        with pytest.raises(InputError, match="say its style"):
            load_custom_checkpoint(file, COCO)
        load_custom_checkpoint(file, COCO, Sidecar(style="pytorch"))
    elif sibling["answer"] == "loads":
        _, _, facts = load_custom_checkpoint(file, names)
        assert SAID.get(sibling["name"], "") in " ".join(facts.notes)
    else:
        with pytest.raises((WeightsError, InputError), match=REFUSED[sibling["name"]]):
            load_custom_checkpoint(file, names)
    assert not os.path.exists(extra.get("must_not_exist", "MARKER"))
    file.unlink()
