"""The plan of a run: ids and shards that stay as they are."""

import pytest

from maskrcnn_core.errors import InputError
from maskrcnn_core.shards.plan import read_plan
from maskrcnn_core.shards.stores import Folder
from tests.builders.shards import make_folder, plan_for, png


def test_images_are_counted_over_all_shards(tmp_path):
    plan = plan_for(make_folder(tmp_path / "in", 10), folder=tmp_path / "s", size=4)
    shards = [plan.shard(number) for number in range(len(plan))]
    assert [len(shard.images) for shard in shards] == [4, 4, 2]
    assert [id_ for shard in shards for id_, _ in shard.images] == list(range(1, 11))
    assert len({shard.digest for shard in shards}) == 3


def test_numbers_for_names_are_the_ids(tmp_path):
    for number in (7, 139, 285):
        (tmp_path / f"{number:012}.png").write_bytes(png(number))
    plan = plan_for(tmp_path, folder=tmp_path / "s", size=2)
    assert [id_ for n in (0, 1) for id_, _ in plan.shard(n).images] == [7, 139, 285]
    (tmp_path / "0285.png").write_bytes(png())  # the same number once more
    assert not plan_for(tmp_path, folder=tmp_path / "t").has_ids


def test_a_plan_is_read_as_it_was_written(tmp_path):
    plan = plan_for(make_folder(tmp_path / "in", 5), folder=tmp_path / "s", size=2)
    again = read_plan(Folder(str(tmp_path / "s")))
    assert again.described() == plan.described()
    assert [again.shard(n) for n in range(3)] == [plan.shard(n) for n in range(3)]
    assert read_plan(Folder(str(tmp_path / "nowhere"))) is None


def test_a_name_that_occurs_twice_is_refused_with_a_count(tmp_path):
    folder = make_folder(tmp_path / "in", 2)
    (tmp_path / "list.txt").write_text(
        "in/image 1.png\nin/sub/image 0.png\nin/image 1.png\n./in/image 1.png\n"
    )
    plan = plan_for(tmp_path / "list.txt", folder=tmp_path / "s")
    assert (plan.images, plan.refused) == (2, 2)
    assert all("in/image 1.png: this name occurs twice" in reason for reason in plan.reasons)
    assert folder.exists()


def test_nothing_is_no_plan(tmp_path):
    (tmp_path / "list.txt").write_text("\n")
    with pytest.raises(InputError, match="no images found"):
        plan_for(tmp_path / "list.txt", folder=tmp_path / "s")
    with pytest.raises(InputError, match="--shard-size: expected 1 to 100,000 images, got 0"):
        plan_for(tmp_path / "list.txt", folder=tmp_path / "s", size=0)


@pytest.mark.parametrize(
    "content", [b"", b"[1]\n" * 4, b'["a.png","file","/a",0,0]\n', b'["a","gopher","/a",0,0]\n' * 4]
)
def test_a_damaged_list_of_a_shard_is_refused(tmp_path, content):
    plan = plan_for(make_folder(tmp_path / "in", 5), folder=tmp_path / "s", size=4)
    (tmp_path / "s" / "plan" / "000000.jsonl").write_bytes(content)
    with pytest.raises(InputError, match=r"plan/000000.jsonl: expected a shard's images"):
        plan.shard(0)


@pytest.mark.parametrize("content", [b"", b"[]", b'{"version": 2}', b'{"version": 1}'])
def test_a_damaged_plan_is_refused(tmp_path, content):
    (tmp_path / "plan.json").write_bytes(content)
    with pytest.raises(InputError, match=r"plan.json: expected the plan of a run"):
        read_plan(Folder(str(tmp_path)))
