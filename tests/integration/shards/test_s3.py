"""`s3://` against a server on this computer: images in a bucket, shards in a bucket, archives in a bucket."""

import io
import tarfile
import zipfile

import pytest

from maskrcnn_core.cli import console
from maskrcnn_core.errors import InputError
from maskrcnn_core.images.reading import encode_png
from maskrcnn_core.models.catalog import model_by_key
from maskrcnn_core.shards.plan import read_plan
from maskrcnn_core.shards.stores import Folder
from tests.builders.cli import invoke
from tests.builders.core import make_image, make_model
from tests.builders.machines import bucket_server
from tests.builders.shards import entries_of, make_folder, merge, plan_for, run, shards_in


@pytest.fixture(scope="module")
def server():
    """The variables by which a store is found that holds nothing."""
    with bucket_server() as variables:
        yield variables


@pytest.fixture
def bucket(server, monkeypatch):
    """A bucket as fsspec sees it, found by the variables that a person sets."""
    import fsspec

    for name, value in server.items():
        monkeypatch.setenv(name, value)
    files = fsspec.filesystem("s3", skip_instance_cache=True)
    files.mkdir("desk")
    yield files
    files.rm("desk", recursive=True)


def test_images_and_shards_in_a_bucket_give_what_a_folder_gives(bucket, tmp_path):
    folder = make_folder(tmp_path / "in", 7)
    for path in folder.rglob("*.png"):
        bucket.put_file(str(path), f"desk/photos/{path.relative_to(folder).as_posix()}")
    here = plan_for(folder, folder=tmp_path / "s", size=3)
    there = plan_for("s3://desk/photos", folder="s3://desk/out/shards", size=3)
    assert run(there).counts == run(here).counts
    written = {name: bucket.cat_file(f"desk/out/shards/{name}") for name in shards_in(tmp_path / "s")}
    packed = {name: data for name, data in shards_in(tmp_path / "s").items() if name.endswith(".gz")}
    assert {name: written[name] for name in packed} == packed
    merge(here, tmp_path / "a.json")
    merge(read_plan(Folder("s3://desk/out/shards")), tmp_path / "b.json")
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()


def test_shards_in_a_bucket_are_merged_into_a_file_in_a_bucket(bucket, tmp_path):
    plan = plan_for(make_folder(tmp_path / "in", 5), folder="s3://desk/shards", size=3)
    run(plan)
    merge(plan, tmp_path / "a.json")
    result = invoke("merge", "s3://desk/shards", "--out", "s3://desk/made/all.json")
    assert result.exit_code == 0 and "copied to s3://desk/made/all.json" in result.stdout
    assert bucket.cat_file("desk/made/all.json") == (tmp_path / "a.json").read_bytes()


def test_the_command_line_takes_addresses(bucket, tmp_path, monkeypatch):
    loaded = make_model()
    monkeypatch.setattr(console, "load_model", lambda spec, **options: loaded)
    monkeypatch.setattr(console, "default_model", lambda: model_by_key("coco-v2"))
    for n in (1, 2, 3):
        bucket.pipe_file(f"desk/photos/x{n}.png", encode_png(make_image(seed=n)))
    given = ["annotate", "s3://desk/photos", "--shards", "s3://desk/shards", "--shard-size", "2", "-q"]
    begun = invoke(*given, "--no-merge")
    assert begun.exit_code == 0, begun.stderr
    assert "3 of 3 images annotated" in begun.stdout and "2 shards in s3://desk/shards" in begun.stdout
    bucket.rm_file("desk/shards/000000.done.json")
    resumed = invoke(*given, "--resume", "--out", tmp_path / "a.json")
    assert "3 of 3 images annotated; 1 of them before the run was resumed" in resumed.stdout
    assert "merged 3 images" in resumed.stdout and (tmp_path / "a.json").is_file()


def test_a_run_in_a_bucket_is_resumed(bucket, tmp_path):
    plan = plan_for(make_folder(tmp_path / "in", 7), folder="s3://desk/shards", size=3)
    run(plan)
    bucket.rm_file("desk/shards/000001.done.json")
    report = run(read_plan(Folder("s3://desk/shards")))
    assert report.reused == 4 and report.counts.images == 7


def test_archives_lists_and_patterns_in_a_bucket(bucket, tmp_path):
    folder = make_folder(tmp_path / "in", 4)
    packed, tar = io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive, tarfile.open(fileobj=tar, mode="w") as second:
        for path in sorted(folder.rglob("*.png")):
            archive.write(path, path.name)
            second.add(path, path.name)
            bucket.put_file(str(path), f"desk/flat/{path.name}")
    bucket.pipe_file("desk/x.zip", packed.getvalue())
    bucket.pipe_file("desk/x.tar", tar.getvalue())
    bucket.pipe_file("desk/list.txt", "".join(f"s3://desk/flat/image {n}.png\n" for n in range(4)).encode())
    sources = ["s3://desk/x.zip", "s3://desk/x.tar", "s3://desk/list.txt", "s3://desk/flat/*.png"]
    counts = []
    for number, source in enumerate(sources):
        plan = plan_for(source, folder=tmp_path / f"s{number}")
        counts.append(run(plan).counts)
        assert plan.images == 4
    assert counts[0].failed == 0 and counts == [counts[0]] * 4


def test_what_is_not_there_fails_by_itself_or_is_refused(bucket, tmp_path):
    make_folder(tmp_path / "in", 1)
    bucket.put_file(str(tmp_path / "in" / "sub" / "image 0.png"), "desk/good.png")
    (tmp_path / "list.txt").write_text("s3://desk/good.png\ns3://desk/gone.png\n")
    report = run(plan_for(tmp_path / "list.txt", folder=tmp_path / "s"))
    assert (report.succeeded, report.counts.failed) == (1, 1)
    assert "cannot read this file" in report.failed[0][1]
    with pytest.raises(InputError, match="cannot read this file"):
        entries_of("s3://desk/gone.zip")
    with pytest.raises(InputError, match=r"cannot list this address|no images found"):
        plan_for("s3://nowhere/photos", folder=tmp_path / "t")
