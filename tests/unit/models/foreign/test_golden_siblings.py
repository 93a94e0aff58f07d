"""The shared near misses and hostile files that concern how a file is written, each with the right answer."""

import importlib
import sys

import pytest
import torch

from maskrcnn_core.errors import WeightsError
from maskrcnn_core.models.foreign.raw import read_raw
from tests.shared_data import shared_path

READ = (
    "d2_half",
    "d2_bare_state_dict",
    "d2_numpy2_pickle",
    "mmdet_history_buffer",
    "mmdet_module_prefix",
    "mmdet_no_meta",
    "mp_model_weights_group",
)
REFUSED = {
    "d2_pickle_runs_command": r"(posix|nt)\.system as something that the file may not call",
    "d2_pickle_runs_command_early": r"(posix|nt)\.system as something that the file may not call",
    "d2_pickle_object_array": r"'backbone\.fpn_lateral2\.bias': an array of Python objects \(dtype O\) is "
    "not a tensor",
    "d2_pickle_cut": "ends too early",
    "mp_external_link": r"/conv1/conv1/kernel:0 is a link to another file",
    "mp_soft_link_loop": r"/conv1/conv1/kernel:0 is a link to another place",
    "mp_huge_claim": r"/conv1/conv1/kernel:0 with shape \[7, 7, 3, 68719476736\]",
    "mp_keras3": "the layout of Keras 3",
}


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Write a sibling by its name; its arrays come with it."""
    golden = shared_path("data", "golden")
    monkeypatch.syspath_prepend(str(golden))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.chdir(tmp_path)
    rules = {row["name"]: row for row in importlib.import_module("siblings").SIBLINGS}
    weights = importlib.import_module("golden_weights")

    def write(name):
        row = rules[name]
        file, extra = row["write"](golden / row["base"], tmp_path)
        return extra.get("path", file), weights.state(weights.load_spec(golden / row["base"])), row["answer"]

    return write


@pytest.mark.parametrize("name", READ)
def test_what_loads_is_read_to_the_last_bit(write, name):
    file, arrays, answer = write(name)
    assert answer == "loads"
    tensors = read_raw(file).tensors
    if "hdf5" in (kind := read_raw(file).kind):
        arrays = {".".join(path.split("/")[-2:]).removesuffix(":0"): array for path, array in arrays.items()}
    assert kind and tensors.keys() == arrays.keys()
    for tensor_name, array in arrays.items():
        expected = torch.from_numpy(array)
        if name == "d2_half" and expected.dtype == torch.float32:
            expected = expected.half()
        assert torch.equal(tensors[tensor_name], expected), tensor_name


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_what_is_refused_is_told_why(write, tmp_path, name):
    file, _, answer = write(name)
    assert answer == "refused"
    with pytest.raises(WeightsError, match=REFUSED[name]):
        read_raw(file)
    assert not (tmp_path / "MARKER").exists()


def test_the_meta_of_mmdetection_has_its_categories(write):
    file, _, _ = write("mmdet_history_buffer")
    meta = read_raw(file).meta["meta"]
    assert len(meta["dataset_meta"]["classes"]) == 80 and meta["mmdet_version"] == "3.3.0"
    assert "MaskRCNN" in meta["cfg"]
