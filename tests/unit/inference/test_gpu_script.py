"""The script for a GPU: what stands in for packages that are missing, and what it says without a GPU."""

import json
import sys
from types import ModuleType

import numpy as np
import pytest
import torch

from benchmarks import gpu, gpu_bare
from benchmarks.gpu_measuring import compare
from benchmarks.gpu_networks import drawn_images
from maskrcnn_core.detection import candidates, suppression
from tests.builders.core import make_candidates, make_detections

pytestmark = pytest.mark.usefixtures("kept_modules")
PACKAGES = ("cachetools", "filelock", "numba", "platformdirs")


@pytest.fixture
def kept_modules(monkeypatch):
    for name in PACKAGES:
        monkeypatch.setitem(sys.modules, name, sys.modules.get(name) or ModuleType(name))
    monkeypatch.setattr(candidates, "suppress", suppression.suppress)


def test_without_a_gpu_nothing_is_measured_and_nothing_fails(monkeypatch, capsys):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert gpu.main([]) == 0
    assert "not measured" in capsys.readouterr().out
    assert "not measured" in gpu.run_gpu(False).markdown()


def test_what_is_here_has_no_stand_in():
    assert gpu_bare.stand_in() == []


def test_stand_ins_make_up_for_what_is_missing():
    chosen = make_candidates(300)
    wanted = chosen.select(candidates.Thresholds(0.3))
    assert gpu_bare.stand_in(absent=PACKAGES) == list(PACKAGES)
    assert candidates.suppress is not suppression.suppress
    assert np.array_equal(chosen.select(candidates.Thresholds(0.3)), wanted)
    assert sys.modules["numba"].njit(cache=True)(max)(2, 3) == 3
    with pytest.raises(OSError, match="no filelock"):
        sys.modules["filelock"].FileLock("any")


def test_the_stand_in_for_a_cache_lets_go_of_what_was_used_least_lately():
    cache = gpu_bare.LRUCache(4, getsizeof=len)
    cache["a"], cache["b"] = "xx", "xx"
    assert cache.get("a") == "xx"
    cache["c"] = "xx"
    assert list(cache) == ["a", "c"] and cache.get("b") is None


def test_detections_are_compared_with_their_counterparts():
    some = make_detections(5)
    same = compare([some], [some])
    assert (same.matched, same.box, same.score, same.mask_iou) == (1, 0, 0, 1)
    fewer = compare([some], [some[:3]])
    assert fewer.matched == pytest.approx(0.6)
    assert compare([some], [some[:0]]).matched == 0


def test_images_of_a_seed_are_the_same():
    first, again = drawn_images(2, (40, 60)), drawn_images(2, (40, 60))
    assert first[0].shape == (40, 60, 3) and first[0].std() > 10
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(*first)


def test_rows_come_in_the_order_of_their_weight():
    rows = gpu._order(quick=False)
    assert rows[0] == ("R50-FPN v2", "bf16", 8)
    assert len(set(rows)) == len(rows) and {batch for _, _, batch in rows} == {1, 2, 4, 8, 16, 32}


def test_a_row_is_told_and_written(tmp_path):
    row = gpu.Row("R50-FPN v2", "bf16", 8, 30.0, 20.0, 6.0, 0.9, 0.2, True, 5 * 10**9, 0.99, "99.0% of 800")
    measured = gpu.Measured("a GPU", [row])
    gpu._claim_costs(measured, torch.device("cuda"))
    assert len(measured.claims) == 5 and all(claim.held for claim in measured.claims)
    text = measured.report().markdown()
    assert "| R50-FPN v2, bf16, 8 | 30.00 ms | 20.00 ms | 6.00 ms | 5.00 × | 90% | 20% | 5.0 GB |" in text
    assert json.loads(json.dumps(gpu.asdict(measured)))["rows"][0]["cuda"] == 6.0
