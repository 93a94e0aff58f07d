"""Which workers a run gets, and how many threads their networks have."""

import pytest
import torch

from maskrcnn_core.batch import sharing
from maskrcnn_core.batch.running import bounds_for, group_of
from maskrcnn_core.batch.sharing import batch_for, check_sharing, devices_for, one_thread, told_of
from maskrcnn_core.errors import InputError


@pytest.fixture
def machine(monkeypatch):
    """Four processors, memory enough, no GPU."""
    monkeypatch.setattr(sharing, "_cores", lambda: 4)
    monkeypatch.setattr(sharing, "_spare_memory", lambda: 10**12)
    return monkeypatch


@pytest.fixture
def gpus(machine):
    machine.setattr(torch.cuda, "device_count", lambda: 3)
    machine.setattr(torch.backends.mps, "is_available", lambda: False)


@pytest.mark.parametrize(("images", "count"), [(1, 1), (15, 1), (16, 2), (1000, 4)])
def test_on_a_cpu_there_is_a_worker_for_each_core_if_there_are_images_enough(machine, images, count):
    assert devices_for("auto", "cpu", images) == ("cpu",) * count


def test_no_more_workers_than_memory_has_room_for(machine):
    machine.setattr(sharing, "_spare_memory", lambda: 3_100_000_000)
    assert devices_for("auto", "cpu", 1000) == ("cpu",) * 2
    machine.setattr(sharing, "_spare_memory", lambda: 1000)
    assert devices_for("auto", "cpu", 1000) == ("cpu",)
    assert devices_for("3", "cpu", 1) == ("cpu",) * 3, "who names a number gets it"


def test_each_gpu_has_one_worker(gpus):
    assert devices_for("auto", "auto", 1000) == ("cuda:0", "cuda:1", "cuda:2")
    assert devices_for("auto", "auto", 2) == ("cuda:0", "cuda:1")
    assert devices_for("2", "auto", 1000) == ("cuda:0", "cuda:1")
    assert devices_for("auto", "cuda:1", 1000) == ("cuda:1",), "who names one means it"
    with pytest.raises(InputError, match=r"--workers 4: expected at most 3, one for each device"):
        devices_for("4", "auto", 1000)
    with pytest.raises(InputError, match=r"--workers 2: expected at most 1"):
        devices_for("2", "cuda", 1000)


@pytest.mark.parametrize("workers", ["0", "-1", "two", "257", "", "²"])
def test_what_is_no_number_of_workers_is_refused(workers):
    with pytest.raises(InputError, match="expected auto, or 1 to 256"):
        check_sharing(workers, None)


def test_batches_are_for_gpus():
    assert (batch_for(None, "cpu"), batch_for(None, "cuda:0"), batch_for(3, "cuda:1")) == (1, 8, 3)
    with pytest.raises(InputError, match="expected 1 on a CPU"):
        batch_for(2, "cpu")
    with pytest.raises(InputError, match="--batch-size 0: expected 1 to 256"):
        check_sharing("auto", 0)


def test_a_network_on_the_cpu_has_one_thread_for_as_long_as_the_run(monkeypatch):
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with one_thread("cpu"):
            assert torch.get_num_threads() == 1
        assert torch.get_num_threads() == 2
        with one_thread("cuda:0"):
            assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_who_runs_is_told():
    assert told_of(("cpu",)) == "runs on cpu"
    assert told_of(("cpu",) * 2) == "2 workers on cpu, 1 thread each"
    assert told_of(("cuda:0", "cuda:1")) == "2 workers on cuda:0, cuda:1"


@pytest.mark.parametrize("batch", [1, 2, 8, 32])
def test_what_is_on_the_way_has_room_for_two_groups_of_batches(batch):
    bounds = bounds_for(batch)
    assert bounds.images >= 2 * group_of(batch) and bounds.batch == batch
    assert bounds_for(batch, 4).pixels * 4 <= bounds.pixels
