"""Runs over shards: what is whole is passed over, what is not is made again, and the bytes are the same."""

import gzip
import itertools
import json

import pytest
from filelock import FileLock

from maskrcnn_core.errors import InputError
from maskrcnn_core.shards.shard_files import Counts, marker_of, read_shard
from tests.builders.shards import SETTINGS, SimulatedFinder, make_folder, plan_for, png, run, shards_in


@pytest.fixture
def folder(tmp_path):
    return make_folder(tmp_path / "in", 10)


def test_shards_come_with_markers(folder, tmp_path):
    finder = SimulatedFinder()
    report = run(plan := plan_for(folder, folder=tmp_path / "s"), finder)
    assert report.is_whole and report.counts.images == 10 and not report.failed
    assert sorted(shards_in(tmp_path / "s")) == [
        f"{n:06}.{end}" for n in range(3) for end in ("done.json", "jsonl.gz")
    ]
    marker = json.loads((tmp_path / "s" / "000001.done.json").read_bytes())
    assert marker["settings"] == SETTINGS and marker["annotated"] + marker["empty"] == 4
    assert marker["addresses (SHA-256)"] == plan.shard(1).digest
    rows = [
        json.loads(line)
        for line in gzip.decompress((tmp_path / "s" / "000001.jsonl.gz").read_bytes()).splitlines()
    ]
    assert [row["file_name"] for row in rows] == finder.seen[4:8]
    shard = plan.shard(1)
    images = list(read_shard(plan.folder, shard, marker_of(plan.folder, shard, SETTINGS)))
    assert sum((Counts.of(image) for image in images), Counts()).instances == marker["instances"]


def test_the_same_inputs_give_the_same_bytes(folder, tmp_path):
    for name in ("s", "t"):
        run(plan_for(folder, folder=tmp_path / name))
    assert shards_in(tmp_path / "s") == shards_in(tmp_path / "t")


def test_whole_shards_are_passed_over(folder, tmp_path):
    plan = plan_for(folder, folder=tmp_path / "s")
    run(plan)
    first = shards_in(tmp_path / "s")
    (tmp_path / "s" / "000001.done.json").unlink()
    (finder, seen) = SimulatedFinder(), []
    report = run(plan, finder, on_image=lambda count, image: seen.append((count, image is None)))
    assert len(finder.seen) == 4 and report.reused == 6 and report.counts.images == 10
    assert seen == [(4, True), *[(1, False)] * 4, (2, True)]
    assert shards_in(tmp_path / "s") == first


@pytest.mark.parametrize("damage", [b"", b"{}", b'{"version":1}', b"\xff"])
def test_a_damaged_marker_is_none(folder, tmp_path, damage):
    plan = plan_for(folder, folder=tmp_path / "s")
    run(plan)
    first = shards_in(tmp_path / "s")
    (tmp_path / "s" / "000000.done.json").write_bytes(damage)
    assert run(plan).reused == 6
    assert shards_in(tmp_path / "s") == first


def test_a_damaged_shard_is_made_again(folder, tmp_path):
    plan = plan_for(folder, folder=tmp_path / "s")
    run(plan)
    first = shards_in(tmp_path / "s")
    file = tmp_path / "s" / "000002.jsonl.gz"
    file.write_bytes(file.read_bytes()[:-5])
    assert run(plan).reused == 8
    assert shards_in(tmp_path / "s") == first


def test_other_settings_are_refused(folder, tmp_path):
    plan = plan_for(folder, folder=tmp_path / "s")
    run(plan)
    with pytest.raises(InputError, match=r"had score threshold 0.5, this one has 0.7; use the same again"):
        run(plan, settings=SETTINGS | {"score threshold": 0.7})
    (tmp_path / "s" / "run.json").unlink()  # the markers say it, too
    with pytest.raises(InputError, match=r"000000.done.json: .* had score threshold 0.5, this one has 0.7"):
        run(plan, settings=SETTINGS | {"score threshold": 0.7})


def test_images_that_fail_have_their_reasons_and_the_rest_goes_on(folder, tmp_path):
    (folder / "a broken.png").write_bytes(png()[:60])
    (folder / "a red.png").write_bytes(png(is_red=True))
    plan = plan_for(folder, folder=tmp_path / "s")
    report = run(plan)
    assert report.counts.failed == 2 and report.succeeded == 10
    assert [name for name, _ in report.failed] == ["a broken.png", "a red.png"]
    assert report.failed[1][1] == "the network gave NaN"
    shard = plan.shard(0)
    images = list(read_shard(plan.folder, shard, marker_of(plan.folder, shard, SETTINGS)))
    assert [image.failed for image in images[:2]] == [reason for _, reason in report.failed]


def test_a_cancelled_run_leaves_no_half_shard(folder, tmp_path):
    plan, asked = plan_for(folder, folder=tmp_path / "s"), itertools.count()
    report = run(plan, cancelled=lambda: next(asked) == 6)
    assert not report.is_whole
    assert sorted(shards_in(tmp_path / "s")) == ["000000.done.json", "000000.jsonl.gz"]
    assert run(plan).reused == 4


def test_two_at_once_are_refused(folder, tmp_path):
    plan = plan_for(folder, folder=tmp_path / "s")
    with (
        FileLock(tmp_path / "s" / ".lock"),
        pytest.raises(InputError, match="another run is writing into it"),
    ):
        run(plan)
