"""Keras's HDF5: what it writes is read bit for bit; whatever leads elsewhere or claims too much is
refused."""

import subprocess
import time
from types import SimpleNamespace

import h5py
import numpy as np
import pytest
import torch

from maskrcnn_core.errors import WeightsError
from maskrcnn_core.models.foreign import hdf5_file, hdf5_outline
from maskrcnn_core.models.foreign.raw import read_raw
from tests.unit.models.foreign.samples import make_arrays, write_keras

FLOATS = ["<f2", "<f4", "<f8", ">f4"]


@pytest.fixture
def file(tmp_path):
    return write_keras(tmp_path / "mine.h5", make_arrays(2))


def changed(file):
    return h5py.File(file, "a")


def refused(file, reason):
    started = time.monotonic()
    with pytest.raises(WeightsError, match=reason):
        read_raw(file)
    assert time.monotonic() - started < 60


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize(
    "how", [{}, {"chunks": (3, 4, 2, 3)}, {"chunks": (8, 4, 3, 3), "compression": "gzip"}]
)
def test_arrays_come_out_as_they_were(tmp_path, dtype, how):
    if "compression" in how:
        how = how | {"shuffle": True}
    kernels = [array for array in make_arrays().values() if array.ndim == 4]
    arrays = {f"x.conv{i}.kernel": kernel.astype(dtype) for i, kernel in enumerate(kernels)}
    raw = read_raw(write_keras(tmp_path / "w.h5", arrays, **how))
    assert raw.kind == "hdf5" and len(raw.sha256) == 64
    assert raw.tensors.keys() == {name.removeprefix("x.") for name in arrays}
    for name, array in arrays.items():
        expected = torch.from_numpy(array.astype(array.dtype.newbyteorder("=")))
        assert torch.equal(raw.tensors[name.removeprefix("x.")], expected)
    assert raw.meta == {
        "backend": "tensorflow",
        "keras_version": "2.15.0",
        "layer_names": ["layer0", "layer1"],
    }
    assert raw.notes == ()


def test_empty_and_single_numbers_are_arrays_too(file):
    with changed(file) as opened:
        opened["a/a/kernel:0"] = np.zeros((0, 3), np.float32)
        opened["b/b/gain:0"] = np.float32(2.5)
    tensors = read_raw(file).tensors
    assert tensors["a.kernel"].shape == (0, 3) and tensors["b.gain"].item() == 2.5


def test_a_saved_model_keeps_its_weights_in_a_group(tmp_path):
    file = write_keras(tmp_path / "model.h5", make_arrays(2), under="model_weights")
    with changed(file) as opened:
        opened["optimizer_weights/SGD/iter:0"] = 7
        opened.attrs["model_config"] = "{}"
    raw = read_raw(file)
    assert len(raw.tensors) == 4 and "layer0.weight" in raw.tensors
    assert raw.meta["model_config"] == "{}" and raw.meta["backend"] == "tensorflow"
    assert "'model_weights'" in raw.notes[0] and "1 arrays beside" in raw.notes[1]


def test_nested_models_do_not_matter_and_twins_are_refused(file):
    with changed(file) as opened:
        opened["rpn_model/rpn_conv_shared/kernel:0"] = np.ones((2, 2), np.float32)
    assert "rpn_conv_shared.kernel" in read_raw(file).tensors
    with changed(file) as opened:
        opened["other/rpn_conv_shared/kernel:0"] = np.ones((2, 2), np.float32)
    refused(file, r"/other/rpn_conv_shared/kernel:0 and /rpn_model/.* are both called rpn_conv_shared")


@pytest.mark.parametrize(
    ("link", "reason"),
    [
        (h5py.SoftLink("/a/a/kernel:0"), "/a/a/kernel:0 is a link to another place"),
        (h5py.SoftLink("/layer0/layer0/weight:0"), "/a/a/kernel:0 is a link to another place"),
        (h5py.ExternalLink("elsewhere.h5", "/x"), "/a/a/kernel:0 is a link to another file"),
    ],
)
def test_links_are_not_followed(file, link, reason):
    with changed(file) as opened:
        opened["a/a/kernel:0"] = link
    refused(file, reason)


def test_a_group_in_itself_comes_to_an_end(file):
    with changed(file) as opened:
        opened["layer0/again"] = opened["layer0"]
    refused(file, "deeper than 8 groups, or in a group that contains itself")


def test_values_in_other_files_are_not_read(file, tmp_path):
    (tmp_path / "secret").write_bytes(bytes(400))
    with changed(file) as opened:
        opened.create_dataset("a/a/kernel:0", (100,), "f4", external=[(str(tmp_path / "secret"), 0, 400)])
    refused(file, "/a/a/kernel:0 keeps its values in another file")
    with changed(file) as opened:
        del opened["a"]
        layout = h5py.VirtualLayout((100,), "f4")
        layout[:] = h5py.VirtualSource(str(tmp_path / "other.h5"), "x", shape=(100,))
        opened.create_virtual_dataset("a/a/kernel:0", layout)
    refused(file, "/a/a/kernel:0 is put together of other arrays or files")


@pytest.mark.parametrize(("filters", "number"), [({"compression": "lzf"}, 32000), ({"fletcher32": True}, 3)])
def test_other_filters_than_gzip_are_not_run(file, filters, number):
    with changed(file) as opened:
        opened.create_dataset("a/a/kernel:0", data=np.ones(1000, np.float32), **filters)
    refused(file, f"is packed by HDF5's filter {number}")


@pytest.mark.parametrize("data", [np.arange(4), np.array([b"cat"]), np.array([True]), h5py.Empty("f4")])
def test_only_floats_are_weights(file, data):
    with changed(file) as opened:
        opened["a/a/kernel:0"] = data
    refused(file, "/a/a/kernel:0")


def test_a_claim_of_terabytes_is_refused_before_memory_is_taken(file):
    with changed(file) as opened:
        opened.create_dataset("a/a/kernel:0", shape=(7, 7, 3, 1 << 35), dtype="f4", chunks=(7, 7, 3, 64))
    refused(file, r"arrays claim 20,\d\d\d,\d\d\d,\d\d\d,\d\d\d bytes.*/a/a/kernel:0 with shape \[7, 7, 3, 3")


def test_an_empty_array_has_no_endless_sides(file):
    with changed(file) as opened:
        opened.create_dataset("a/a/kernel:0", shape=(0, 1 << 39, 1 << 39), dtype="f4")
    refused(file, "/a/a/kernel:0 claims the shape")


@pytest.mark.parametrize("how", [{}, {"chunks": (10,)}])
def test_what_is_not_stored_is_not_made_up(file, how):
    with changed(file) as opened:
        opened.create_dataset("a/a/kernel:0", (100,), "f4", **how)
    refused(file, "/a/a/kernel:0 claims 400 bytes and the file stores 0 of them")


def test_packed_zeros_do_not_become_gigabytes(file):
    with changed(file) as opened:
        zeros = np.zeros(2_000_000, np.float32)
        opened.create_dataset("a/a/kernel:0", data=zeros, chunks=(500_000,), compression="gzip")
    refused(file, "arrays claim 8,00")


def test_a_piece_that_unpacks_to_more_than_it_is_stops_there(file):
    import zlib

    with changed(file) as opened:
        array = opened.create_dataset("a/a/kernel:0", (100,), "f4", chunks=(100,), compression="gzip")
        array.id.write_direct_chunk((0,), zlib.compress(bytes(100 << 20)))
    refused(file, r"/a/a/kernel:0: the piece at \[0\] is damaged")


def test_there_are_not_too_many_groups_and_pieces(file, monkeypatch):
    monkeypatch.setattr(hdf5_outline, "MAX_OBJECTS", 5)
    monkeypatch.setattr(hdf5_outline, "_MAX_CHUNKS", 5)
    with changed(file) as opened:
        opened.create_dataset("a/a/kernel:0", data=np.ones(100, np.float32), chunks=(10,))
        walk = hdf5_outline._Walk(h5py)
        with pytest.raises(hdf5_outline._Refused, match="over 5 pieces"):
            walk.group(opened, "", 0)
        del opened["a"]
        with pytest.raises(hdf5_outline._Refused, match="over 5 groups and arrays"):
            hdf5_outline._Walk(h5py).group(opened, "", 0)


def test_attributes_are_bounded(file):
    with changed(file) as opened:
        opened.attrs["many"] = np.zeros(200, "f8").reshape(2, 100)
        opened.attrs["variable"] = ["a", "b"]
        opened.attrs["epochs"] = 12
    raw = read_raw(file)
    assert raw.meta["epochs"] == 12 and "many" not in raw.meta and "variable" not in raw.meta
    assert raw.notes == ("2 attributes or types of the file were left out: not short text or numbers.",)


def test_other_layouts_are_told(file, tmp_path):
    with h5py.File(tmp_path / "k3.h5", "w") as opened:
        opened["layers/conv1/vars/0"] = np.ones(3, np.float32)
    refused(tmp_path / "k3.h5", r"the layout of Keras 3 \(layers/conv1/vars/0\)")
    with h5py.File(tmp_path / "data.h5", "w") as opened:
        opened["images"] = np.ones(3, np.float32)
    refused(tmp_path / "data.h5", "expected weights of Keras 2.*got /images")
    with h5py.File(tmp_path / "empty.h5", "w"):
        pass
    refused(tmp_path / "empty.h5", "got an HDF5 file without arrays")


@pytest.mark.parametrize("part", [0.01, 0.5, 0.999])
def test_a_cut_file_is_said_to_be(file, part):
    data = file.read_bytes()
    file.write_bytes(data[: int(len(data) * part)])
    refused(file, "the file is cut short or damaged")


def test_a_library_that_breaks_down_or_does_not_end_is_a_refusal(file, monkeypatch):
    def ended(*_, **__):
        return SimpleNamespace(stdout=b"")

    monkeypatch.setattr(subprocess, "run", ended)
    refused(file, "the HDF5 library breaks down over it")

    def endless(command, **_):
        raise subprocess.TimeoutExpired(command, hdf5_file._OUTLINE_S)

    monkeypatch.setattr(subprocess, "run", endless)
    refused(file, "does not come to an end")
