"""Pickles of numpy arrays: what Detectron2's zoo has is read, nothing is obeyed, nothing takes much."""

import os
import pickle
import struct
import time
import tracemalloc

import numpy as np
import pytest
import torch

from maskrcnn_core.errors import WeightsError
from maskrcnn_core.models.foreign import inert_pickle
from maskrcnn_core.models.foreign.raw import read_raw
from tests.unit.models.foreign.samples import make_arrays, zoo_bytes


@pytest.fixture
def written(tmp_path):
    def write(data):
        file = tmp_path / "zoo.pkl"
        file.write_bytes(data)
        return file

    return write


def assert_same(raw, arrays):
    assert list(raw.tensors) == list(arrays)
    for name, array in arrays.items():
        assert torch.equal(raw.tensors[name], torch.from_numpy(np.array(array))), name


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_arrays_come_out_as_they_were(written, protocol):
    arrays = make_arrays() | {
        "half": np.arange(6, dtype=np.float16).reshape(2, 3),
        "double": np.array(2.5),
        "counter": np.array(7, dtype=np.int64),
        "bytes": np.arange(256, dtype=np.uint8),
        "columns first": np.asfortranarray(np.arange(6, dtype=np.float32).reshape(2, 3)),
        "empty": np.zeros((0, 3), dtype=np.float32),
        "long": np.linspace(-1, 1, 5000),
    }
    raw = read_raw(written(zoo_bytes(arrays, protocol, iteration=89999, loss=np.float32(0.5))))
    assert_same(raw, arrays)
    assert raw.kind == "pickle" and len(raw.sha256) == 64
    assert raw.meta == {"__author__": "Detectron2 Model Zoo", "iteration": 89999, "loss": 0.5}
    assert raw.notes == ("The weights were found under 'model'.",)


@pytest.mark.parametrize("name", [b"numpy.core", b"numpy._core"])
def test_both_places_of_numpys_core_are_known(written, name):
    data = zoo_bytes(make_arrays())
    data = data.replace(b"cnumpy._core.multiarray\n", b"c" + name + b".multiarray\n")
    assert_same(read_raw(written(data)), make_arrays())


def test_python_2_wrote_bytes_as_text(written):
    """Detectron's own files: protocol 2 of Python 2, arrays as 8-bit strings."""
    array = np.linspace(0, 1, 2000, dtype=np.float32)

    def text(value):
        return b"U" + bytes([len(value)]) + value

    def described(values):
        payload = values.tobytes()
        dtype = (
            b"cnumpy\ndtype\n"
            + text(b"f4")
            + b"K\0K\1\x87R(K\3"
            + text(b"<")
            + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tb"
        )
        made = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\0\x85" + text(b"b") + b"\x87R"
        return (
            made
            + b"(K\1M"
            + struct.pack("<H", len(values))
            + b"\x85"
            + dtype
            + b"\x89T"
            + struct.pack("<I", len(payload))
            + payload
            + b"tb"
        )

    pairs = (
        b"](]("
        + text(b"conv1_w")
        + described(array)
        + b"e]("
        + text(b"conv1_b")
        + described(array[:3])
        + b"ee"
    )
    blobs = b"ccollections\nOrderedDict\n" + pairs + b"\x85R"
    raw = read_raw(
        written(b"\x80\2}(" + text(b"blobs") + blobs + text(b"cfg") + text(b"NUM_GPUS: 8") + b"u.")
    )
    assert_same(raw, {"conv1_w": array, "conv1_b": array[:3]})
    assert raw.meta == {"cfg": "NUM_GPUS: 8"}


class Attack:
    def __init__(self, trace):
        self.trace = trace

    def __reduce__(self):
        return os.system, (f"echo was here > {self.trace}",)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("is_first", [True, False])
def test_a_call_is_named_and_not_made(written, tmp_path, protocol, is_first):
    parts = [("note", Attack(tmp_path / "trace")), ("model", make_arrays())]
    data = pickle.dumps(dict(parts if is_first else parts[::-1]), protocol=protocol)
    with pytest.raises(
        WeightsError, match=r"names (posix|nt)\.system as something that the file may not call"
    ):
        read_raw(written(data))
    assert not (tmp_path / "trace").exists()


def test_objects_of_classes_are_refused_by_name(written):
    with pytest.raises(WeightsError, match=r"names datetime\.date as something"):
        import datetime

        read_raw(written(zoo_bytes(make_arrays(), saved=datetime.date(2020, 1, 1))))


def test_arrays_of_objects_and_odd_numbers_are_refused_by_name(written):
    for array, reason in (
        (np.array([{}, {}], dtype=object), r"'w': an array of Python objects \(dtype O\) is not a tensor"),
        (np.array(["cat"]), r"'w': an array of what are no numbers here \(dtype U3\)"),
        (np.zeros(2, dtype=[("x", "f4")]), r"'w': an array of what are no numbers here"),
        (np.zeros(2, dtype=">f4"), r"'w': an array of what are no numbers here"),
        (np.zeros(2, dtype=complex), r"'w': an array of what are no numbers here \(dtype c16\)"),
    ):
        with pytest.raises(WeightsError, match=reason):
            read_raw(written(zoo_bytes({"w": array})))


@pytest.mark.parametrize("part", [0.1, 0.5, 0.99])
@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_a_cut_file_ends_too_early(written, part, protocol):
    data = zoo_bytes(make_arrays(), protocol)
    with pytest.raises(WeightsError, match="the file ends too early"):
        read_raw(written(data[: int(len(data) * part)]))


def test_torchs_old_files_are_told_how_to_save_again(written):
    file = written(b"")
    torch.save({"w": torch.zeros(3)}, file, _use_new_zipfile_serialization=False)
    with pytest.raises(WeightsError, match=r"a bare pickle, as torch before 1\.6 wrote.*save it again"):
        read_raw(file)


# --- bounds -----------------------------------------------------------------------------------------


def refused_cheaply(file, reason):
    """Refused with the reason, in little time and memory."""
    tracemalloc.start()
    started = time.process_time()
    try:
        with pytest.raises(WeightsError, match=reason):
            read_raw(file)
        assert time.process_time() - started < 30  # tracemalloc makes it slow
        assert tracemalloc.get_traced_memory()[1] < 400 << 20
    finally:
        tracemalloc.stop()


def test_an_array_takes_no_more_than_its_bytes(written):
    data = zoo_bytes({"w": np.zeros(300, dtype=np.float32)}, 2)
    assert data.count(b"M,\x01\x85") == 1  # the shape (300,)
    big = data.replace(b"M,\x01\x85", b"J\xff\xff\xff\x7f\x85")
    refused_cheaply(
        written(big), r"an array of shape \[2147483647\] takes 8,589,934,588 bytes, but there are"
    )
    dimensions = data.replace(b"M,\x01\x85", b"(" + b"K\x01" * 9 + b"t")
    refused_cheaply(written(dimensions), "an array has an impossible shape")
    side = b"\x8a\x05" + (1 << 38).to_bytes(5, "little")
    empty = data.replace(b"M,\x01\x85", b"K\0" + 2 * side + b"\x87")
    refused_cheaply(written(empty), "an array has an impossible shape")


@pytest.mark.parametrize("code", [b"B", b"\x8e", b"X", b"\x8d", b"T", b"\x96"])
def test_a_length_beyond_the_file_takes_no_memory(written, code):
    length = (
        struct.pack("<Q", 1 << 40) if code in (b"\x8e", b"\x8d", b"\x96") else struct.pack("<I", 0x7FFFFFFF)
    )
    refused_cheaply(written(b"\x80\x05" + code + length + b"x" * 100), "ends too early")


def test_whole_numbers_have_few_digits(written):
    refused_cheaply(
        written(b"\x80\x02\x8b" + struct.pack("<I", 500) + b"\x7f" * 500 + b"."), "a whole number of 500"
    )


def test_arrays_that_share_their_bytes_are_not_copied_a_thousand_times(written):
    # The bytes and all else of an array are remembered; each call of numpy's makes another array of them.
    body = (
        b"cnumpy._core.numeric\n_frombuffer\nq\x01\x8e" + struct.pack("<Q", 40_000) + bytes(40_000) + b"q\x02"
    )
    body += b"cnumpy\ndtype\n\x8c\x02f4\x89\x88\x87Rq\x03M\x10\x27\x85q\x04\x8c\x01Cq\x0500000"
    body += b"}\x8c\x05model}("
    for i in range(20):
        body += b"\x8c\x04" + b"%04d" % i + b"h\x01(h\x02h\x03h\x04h\x05tR"
    refused_cheaply(written(b"\x80\x05" + body + b"us."), "800,000 bytes together, and the file has 4")


def test_the_program_is_not_endless(written):
    refused_cheaply(
        written(b"\x80\x02" + b"]" * (inert_pickle.MAX_INSTRUCTIONS + 1)), "over 1,000,000 instructions"
    )


def test_one_list_does_not_fill_many_dicts(written):
    pairs = b"](" + b"\x8c\x01a\x8c\x01b\x86q\x02" + b"h\x02" * 50_000 + b"eq\x01"
    calls = b"ccollections\nOrderedDict\nq\x03" + b"h\x03h\x01\x85R0" * 1000
    refused_cheaply(written(b"\x80\x04" + pairs + calls + b"."), "its dicts have too many items")


def test_short_texts_are_bounded_together(written, monkeypatch):
    monkeypatch.setattr(inert_pickle, "_MAX_TEXT_BYTES", 10_000)
    refused_cheaply(
        written(b"\x80\x02" + (b"X\x00\x10\x00\x00" + b"x" * 4096) * 3 + b"."), "bytes of short texts"
    )


def test_depth_is_not_followed(written):
    nested = b"\x80\x02}" + b"X\x05\0\0\0model}X\1\0\0\0w" + pickle.dumps(np.zeros(2), 2)[2:-1] + b"ss"
    nested += b"X\4\0\0\0deep" + b"]" * 50_000 + b"a" * 49_999 + b"s."
    raw = read_raw(written(nested))
    assert list(raw.tensors) == ["w"] and "nested too deeply" in raw.notes[-1]


def test_lists_of_lists_of_one_list_do_not_multiply(written):
    laughs = b"]"
    for _ in range(14):
        laughs = b"](" + laughs + b"q\x01" + b"h\x01" * 9 + b"e"
    beside = b"\x80\x02}(X\x05\0\0\0model}X\1\0\0\0w" + pickle.dumps(np.zeros(2), 2)[2:-1] + b"s"
    raw = read_raw(written(beside + b"X\4\0\0\0meta" + laughs + b"u."))
    assert "left out" in raw.notes[-1]


@pytest.mark.parametrize("key", [b"K\x01\x85", b"\x8a\x09" + b"\xff" * 8 + b"\x0f", b"G" + bytes(8), b"N"])
def test_odd_keys_are_left_out(written, key):
    weights = b"\x80\x02}(X\x05\0\0\0model}X\1\0\0\0w" + pickle.dumps(np.zeros(2), 2)[2:-1] + b"s"
    raw = read_raw(written(weights + key + b"K\x01u."))
    assert raw.meta == {} and "as a key" in raw.notes[-1]


@pytest.mark.parametrize(
    "program",
    [b".", b"e.", b"R.", b"(((.", b"\x81.", b"h\x05.", b"K\x01K\x01R.", b"]K\x01b.", b"\x93.", b"Q.", b"c"],
)
def test_programs_that_make_no_sense_are_refused(written, program):
    with pytest.raises(WeightsError, match=r"^zoo\.pkl: "):
        read_raw(written(b"\x80\x02" + program))
