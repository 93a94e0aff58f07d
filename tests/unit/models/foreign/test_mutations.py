"""Damaged checkpoints of every kind end in a refusal or a whole answer."""

import json
import random
import resource
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest

from maskrcnn_core.errors import WeightsError
from maskrcnn_core.models.foreign import hdf5_file
from maskrcnn_core.models.foreign.raw import read_raw
from tests.unit.models.foreign.samples import mutated, write_each_kind

COUNT = 300
KINDS = ("pickle 2", "pickle 5", "torch", "safetensors", "hdf5", "packed hdf5")


def outline_all(files, monkeypatch):
    """Let the outlines come from one process for all files: starting one for each takes a minute."""
    program = str(hdf5_file.__file__).replace("hdf5_file", "hdf5_outline")
    driver = __file__.replace("test_mutations", "outline_each")
    done = subprocess.run(
        [sys.executable, "-P", driver, program, *map(str, files)],
        capture_output=True,
        check=True,
        timeout=100,
    )
    answers = dict(zip(map(str, files), done.stdout.split(b"\n"), strict=False))
    stand_in = SimpleNamespace(
        run=lambda command, **_: SimpleNamespace(stdout=answers[command[-1]]),
        DEVNULL=subprocess.DEVNULL,
        TimeoutExpired=subprocess.TimeoutExpired,
    )
    monkeypatch.setattr(hdf5_file, "subprocess", stand_in)


@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_file_is_refused_or_read_whole(tmp_path, monkeypatch, kind):
    samples = {name: file.read_bytes() for name, file in write_each_kind(tmp_path).items()}
    other = samples["torch" if kind != "torch" else "hdf5"]
    files = [tmp_path / f"mutant {seed}" for seed in range(COUNT)]
    for seed, file in enumerate(files):
        file.write_bytes(mutated(samples[kind], random.Random(f"{kind} {seed}"), other))
    if "hdf5" in kind:
        outline_all(files, monkeypatch)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    refused, slowest = 0, 0.0
    for file in files:
        started = time.process_time()
        try:
            raw = read_raw(file)
        except WeightsError as error:
            assert str(error).startswith(f"{file.name}: ")
            refused += 1
        else:
            assert raw.tensors
            assert all(tensor.double().sum() is not None for tensor in raw.tensors.values())
            json.dumps(raw.meta)
        slowest = max(slowest, time.process_time() - started)
    assert COUNT // 3 < refused < COUNT
    assert slowest < 5
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # kB


def test_hdf5_in_its_own_process_survives_the_same(tmp_path):
    data = write_each_kind(tmp_path)["hdf5"].read_bytes()
    for seed in range(8):
        file = tmp_path / "mutant"
        file.write_bytes(mutated(data, random.Random(seed), data))
        try:
            assert read_raw(file).tensors
        except WeightsError as error:
            assert "mutant: " in str(error)
