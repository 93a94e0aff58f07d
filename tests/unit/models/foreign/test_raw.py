"""What a checkpoint holds is told by its content, unwrapped and said; what is none is named."""

import io
import os
import struct
import sys
import types
import warnings
import zipfile
from argparse import Namespace
from collections import OrderedDict

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from maskrcnn_core.errors import WeightsError
from maskrcnn_core.models import torch_zip
from maskrcnn_core.models.foreign import raw as raw_module
from maskrcnn_core.models.foreign.raw import read_raw
from tests.unit.models.foreign.samples import make_arrays, tensors_of


def saved(content, tmp_path):
    file = tmp_path / "mine.pth"
    torch.save(content, file)
    return file


def assert_equal(raw, tensors):
    assert list(raw.tensors) == list(tensors)
    assert all(torch.equal(raw.tensors[name], tensor) for name, tensor in tensors.items())


# --- torch ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", [None, "model", "state_dict", "model_state_dict"])
@pytest.mark.parametrize("prefix", ["", "module.", "model.", "module.model."])
def test_wrapping_is_taken_off_and_said(tmp_path, key, prefix):
    tensors = tensors_of(make_arrays())
    state = OrderedDict((prefix + name, tensor) for name, tensor in tensors.items())
    raw = read_raw(saved({key: state, "iteration": 7} if key else state, tmp_path))
    assert raw.kind == "torch"
    assert_equal(raw, tensors)
    assert raw.meta == ({"iteration": 7} if key else {})
    said = " ".join(raw.notes)
    assert (key is None or repr(key) in said) and len(raw.notes) == (key is not None) + prefix.count(".")


def test_every_kind_of_number_and_view_comes_out(tmp_path):
    floats = [torch.float16, torch.bfloat16, torch.float32, torch.float64]
    kinds = [*floats, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64]
    base = torch.arange(24.0).reshape(2, 3, 4)
    tensors = {str(kind): base.to(kind) for kind in kinds}
    tensors |= {
        "turned": base.permute(2, 0, 1),
        "part": base[1, :, 1:3],
        "number": torch.tensor(3.5),
        "empty": torch.zeros(0, 3),
        "parameter": nn.Parameter(base.clone()),
        "again": base,
    }
    assert_equal(read_raw(saved(tensors, tmp_path)), tensors)


def test_records_that_are_not_aligned_are_read(tmp_path):
    tensors = {"a": torch.arange(5.0), "b": torch.arange(6, dtype=torch.float64)}
    file = saved(tensors, tmp_path)
    with zipfile.ZipFile(file) as archive:
        records = {name: archive.read(name) for name in archive.namelist()}
    for extra in range(8):
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("x" * (extra + 1), b"")
            for name, data in records.items():
                archive.writestr(name, data)
        assert_equal(read_raw(file), tensors)


@pytest.fixture
def history_buffer(monkeypatch):
    """A class of mmengine's name, of which only the name gets into a file."""
    module = types.ModuleType("mmengine.logging.history_buffer")
    module.HistoryBuffer = type("HistoryBuffer", (), {"__module__": module.__name__})
    for name in ("mmengine", "mmengine.logging"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return module.HistoryBuffer


def test_mmdetections_objects_become_inert_and_its_meta_plain(tmp_path, history_buffer):
    tensors = tensors_of(make_arrays())
    buffer = history_buffer()
    buffer.__dict__.update(_log_history=np.arange(50_000.0), _count_history=np.ones(3))
    meta = {
        "dataset_meta": {"classes": ("cat", "dog"), "palette": [(220, 20, 60), (1, 2, 3)]},
        "epoch": np.int64(12),
        "loss": np.float32(0.5),
        "mmdet_version": "3.3.0",
        "seed": None,
        "cfg": "model = dict()\n" * 1000,
        "names": {"cat"},
    }
    hub = {"log_scalars": {"train/loss": buffer}, "runtime_info": {"lr": np.float64(0.25)}}
    raw = read_raw(saved({"meta": meta, "state_dict": tensors, "message_hub": hub}, tmp_path))
    assert_equal(raw, tensors)
    kept = {name: value for name, value in meta.items() if name != "names"}
    assert raw.meta == {"meta": kept, "message_hub": {"log_scalars": {}, "runtime_info": {"lr": 0.25}}}
    assert isinstance(raw.meta["meta"]["dataset_meta"]["classes"], tuple)
    assert "2 values beside the weights" in raw.notes[1]
    assert "1 mmengine.logging.history_buffer.HistoryBuffer" in raw.notes[1]


def test_guests_beside_the_weights_are_left_out_and_counted(tmp_path):
    guests = {"args": Namespace(lr=0.1), "raw": bytearray(b"x"), "t": torch.ones(2)}
    raw = read_raw(saved({"model": {"w": torch.zeros(1)}, **guests}, tmp_path))
    assert raw.meta == {} and "3 values" in raw.notes[1] and "argparse.Namespace" in raw.notes[1]


class Attack:
    def __init__(self, trace):
        self.trace = trace

    def __reduce__(self):
        return os.system, (f"echo was here > {self.trace}",)


@pytest.mark.parametrize("key", ["model", "meta"])
def test_a_command_in_the_file_is_named_and_not_run(tmp_path, key):
    content = {"state_dict": {"w": torch.zeros(1)}, key: Attack(tmp_path / "trace")}
    with pytest.raises(WeightsError, match=r"it asks for '(posix|nt)\.system'.*none of it was run"):
        read_raw(saved(content, tmp_path))
    assert not (tmp_path / "trace").exists()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ({}, "expected a state dict of named tensors, got nothing"),
        ([torch.zeros(1)], "expected a state dict of named tensors, got list"),
        ({"epoch": 3}, "expected tensors only, got int at 'epoch'"),
        ({"model": {"w": Namespace()}}, "expected tensors only, got argparse.Namespace at 'w'"),
        ({"model": {1: torch.zeros(1)}}, "expected tensors only, got tensor at int"),
        ({"w": torch.zeros(2, dtype=torch.complex64)}, "got torch.ComplexFloatStorage at 'w'"),
    ],
)
def test_what_is_not_a_state_dict_is_told(tmp_path, content, reason):
    with pytest.raises(WeightsError, match=reason):
        read_raw(saved(content, tmp_path))


def test_a_whole_model_is_told_to_be_saved_as_its_state(tmp_path):
    with pytest.raises(WeightsError, match=r"got an object of torch\.nn\.modules\.linear\.Linear.*state"):
        read_raw(saved(nn.Linear(1, 1), tmp_path))


def rewritten(file, change):
    with zipfile.ZipFile(file) as archive:
        records = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in records.items():
            archive.writestr(name, change(name, data))
    return file


def test_tensors_take_no_more_than_their_records(tmp_path):
    with pytest.raises(WeightsError, match="a tensor of 1,000,000,000,000 elements"):
        read_raw(saved({"w": torch.zeros(1).expand(1_000_000, 1_000_000)}, tmp_path))
    short = rewritten(saved({"w": torch.zeros(1000)}, tmp_path), lambda n, d: d[:40] if "/data/" in n else d)
    with pytest.raises(WeightsError, match="declares 4,000 bytes and has 40"):
        read_raw(short)
    # A view that begins in its record and ends behind it.
    view = saved({"w": torch.arange(1000.0)[500:]}, tmp_path)
    rewritten(view, lambda n, d: d.replace(b"M\xf4\x01", b"M\xf5\x01", 1) if n.endswith("data.pkl") else d)
    with pytest.raises(WeightsError, match="that has 1,000, so it is not read"):
        read_raw(view)


def test_an_empty_tensor_has_no_endless_sides(tmp_path):
    file = saved({"w": torch.zeros(0, 7, 9)}, tmp_path)
    side = b"\x8a\x05" + (1 << 38).to_bytes(5, "little")
    shape = b"K\0K\x07K\x09\x87"
    rewritten(
        file, lambda n, d: d.replace(shape, b"K\0" + 2 * side + b"\x87") if n.endswith("data.pkl") else d
    )
    with pytest.raises(WeightsError, match="a tensor is described in an unknown way"):
        read_raw(file)


def test_one_record_under_many_names_is_not_many_times_the_file(tmp_path):
    shared = torch.zeros(300_000)
    assert len(read_raw(saved({f"w{i}": shared for i in range(4)}, tmp_path)).tensors) == 4
    with pytest.raises(WeightsError, match="60,000,000 bytes together, and the file has 1,2"):
        read_raw(saved({f"w{i}": shared for i in range(50)}, tmp_path))


def test_the_archives_lists_are_bounded(tmp_path, monkeypatch):
    file = saved({"w": torch.zeros(1)}, tmp_path)
    for name, reason in (
        ("_MAX_RECORDS", "expected at most 3 records"),
        ("_MAX_PICKLE_BYTES", "longer than 3 bytes"),
        ("_MAX_DIRECTORY_BYTES", "list of records is longer than 300 bytes"),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(torch_zip, name, 300 if name == "_MAX_DIRECTORY_BYTES" else 3)
            with pytest.raises(WeightsError, match=reason):
                if name == "_MAX_DIRECTORY_BYTES":
                    # zipfile looks for the list's end in the last 65,557 bytes, which are more than 300, too
                    patch.setattr(zipfile, "ZIP_MAX_COMMENT", 200)
                read_raw(file)


def test_the_other_byte_order_is_told(tmp_path):
    file = saved({"w": torch.zeros(1)}, tmp_path)
    rewritten(file, lambda name, data: b"big" if name.endswith("byteorder") else data)
    with pytest.raises(WeightsError, match="other byte order"):
        read_raw(file)


def test_a_changed_program_is_damage(tmp_path):
    file = saved({"weights": torch.zeros(1)}, tmp_path)
    file.write_bytes(file.read_bytes().replace(b"weights", b"Weights"))
    with pytest.raises(WeightsError, match="the file is damaged"):
        read_raw(file)


def test_tensors_are_views_of_the_file_and_it_stays_as_it_was(tmp_path):
    file = saved({"w": torch.zeros(1000)}, tmp_path)
    before = file.read_bytes()
    read_raw(file).tensors["w"].fill_(1.0)
    assert file.read_bytes() == before


def test_other_archives_are_told(tmp_path):
    file = tmp_path / "x.pth"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("photo.jpg", b"x")
    with pytest.raises(WeightsError, match=r"got an archive with photo\.jpg"):
        read_raw(file)
    with zipfile.ZipFile(file, "w") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        archive.writestr("a/data.pkl", b"x")
        archive.writestr("a/data.pkl", b"y")
    with pytest.raises(WeightsError, match="same name"):
        read_raw(file)
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("m/data.pkl", b"")
        archive.writestr("m/constants.pkl", b"")
    with pytest.raises(WeightsError, match="TorchScript"):
        read_raw(file)


# --- safetensors, and what is no checkpoint ---------------------------------------------------------


def test_safetensors_keep_their_metadata(tmp_path):
    tensors = tensors_of(make_arrays())
    file = tmp_path / "mine.pth"  # the content tells
    save_file({f"module.{name}": tensor for name, tensor in tensors.items()}, file, metadata={"names": "a,b"})
    raw = read_raw(file)
    assert raw.kind == "safetensors" and raw.meta == {"names": "a,b"}
    assert raw.tensors.keys() == tensors.keys()
    assert all(torch.equal(raw.tensors[name], tensor) for name, tensor in tensors.items())
    assert "'module.'" in raw.notes[0]


def test_a_kind_of_number_that_no_layer_has_is_told(tmp_path):
    save_file({"w": torch.zeros(2).to(torch.float8_e4m3fn)}, tmp_path / "x.safetensors")
    with pytest.raises(WeightsError, match="whole or floating numbers, got float8_e4m3fn in w"):
        read_raw(tmp_path / "x.safetensors")


@pytest.mark.parametrize("part", [0.03, 0.5, 0.99])
def test_cut_safetensors_are_said_to_be(tmp_path, part):
    file = tmp_path / "x.safetensors"
    save_file(tensors_of(make_arrays()), file)
    file.write_bytes(file.read_bytes()[: int(file.stat().st_size * part)])
    with pytest.raises(WeightsError, match="cut short" if part < 0.1 else r"not a whole \.safetensors"):
        read_raw(file)


def npy():
    buffer = io.BytesIO()
    np.save(buffer, np.zeros(100))
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"", "an empty file"),
        (bytes(5000), "begins with zeros"),
        (b"\x89PNG\r\n\x1a\n" + bytes(50), "a PNG image"),
        (b"\xff\xd8\xff\xe0" + bytes(50), "a JPEG image"),
        (b"<!DOCTYPE html><html>", "a web page"),
        (b"version https://git-lfs.github.com/spec/v1\n", "a pointer of Git LFS"),
        (b"\x1f\x8b\x08" + bytes(50), "packed with gzip; unpack it first"),
        (b"MODEL:\n  META_ARCHITECTURE: GeneralizedRCNN\n", "a text that begins with b'MODEL"),
        (b'{"images": [], "annotations": []}', "a text in JSON"),
        (npy(), "a single numpy array"),
        (b"\x08\x07\x12\x07pytorch" + bytes(50), "a model in ONNX"),
        (struct.pack("<I", 28) + b"TFL3" + bytes(50), "a model of TensorFlow Lite"),
        (b"PK\x05\x06" + bytes(18), "an empty zip archive"),
        (b"\x80\x09abc" + bytes(50), "no kind of file that is known here"),
        (b"\xde\xad\xbe\xef" * 20, "no kind of file that is known here"),
    ],
)
def test_a_whole_file_of_another_kind_is_named_and_not_called_cut(tmp_path, data, what):
    file = tmp_path / "mine.pth"
    file.write_bytes(data)
    with pytest.raises(WeightsError, match="expected a checkpoint") as caught:
        read_raw(file)
    assert what in str(caught.value) and "cut short" not in str(caught.value)


def test_what_cannot_be_read_or_is_too_large_is_told(tmp_path, monkeypatch):
    with pytest.raises(WeightsError, match=r"absent\.pth: cannot be read"):
        read_raw(tmp_path / "absent.pth")
    with pytest.raises(WeightsError, match="expected a file, got a folder"):
        read_raw(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(WeightsError, match="expected a file, got a folder or a device"):
        read_raw(tmp_path / "pipe")
    file = saved({"w": torch.zeros(1000)}, tmp_path)
    monkeypatch.setattr(raw_module, "MAX_CHECKPOINT_BYTES", 4000)
    with pytest.raises(WeightsError, match="expected at most 4,000 bytes, got"):
        read_raw(file)
