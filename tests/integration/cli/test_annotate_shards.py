"""`annotate --shards` and `merge`: the file of a run into one file, also after the run was killed."""

import json
import signal
import subprocess
import sys
import tarfile
import zipfile

import pytest

from maskrcnn_core.images.reading import encode_png
from maskrcnn_core.shards.stores import Folder
from tests.builders.cli import ROOT, annotated, invoke
from tests.builders.core import make_image
from tests.builders.shards import make_folder, merge, plan_for, read_plan, run, shards_in

pytestmark = pytest.mark.usefixtures("weights")


@pytest.fixture
def five(drawn):
    """Five images, one of them in a sub-folder; their names are no numbers."""
    (drawn / "sub").mkdir()
    for n in (3, 4, 5):
        (drawn / ("sub" if n == 4 else ".") / f"x{n}.png").write_bytes(encode_png(make_image(seed=n)))
    return drawn


def test_shards_become_the_very_files_of_a_run_into_one(tiny, five, tmp_path):
    annotated(five, "--out", tmp_path / "a.json", "--results", tmp_path / "ar.json")
    result = annotated(
        five,
        *("--shards", tmp_path / "s", "--shard-size", 2),
        *("--out", tmp_path / "b.json", "--results", tmp_path / "br.json"),
    )
    assert "5 of 5 images annotated" in result.stdout and "3 shards in" in result.stdout
    assert "lowest mask IoU read back: 1.000000" in result.stdout
    assert len(json.loads((tmp_path / "ar.json").read_bytes())) > 5
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    assert (tmp_path / "ar.json").read_bytes() == (tmp_path / "br.json").read_bytes()
    (tmp_path / "c").mkdir()
    result = invoke("merge", tmp_path / "s", "--out", tmp_path / "c" / "c.json", "--simplify", "2")
    assert result.exit_code == 0 and result.stdout.startswith("merged 5 images with")
    assert invoke("merge", tmp_path / "s", "--out", tmp_path / "c" / "c.json", "-q").exit_code == 0
    assert (tmp_path / "c" / "c.json").read_bytes() == (tmp_path / "a.json").read_bytes()


def test_archives_and_lists_give_the_same_annotations(tiny, five, tmp_path):
    files = sorted(path for path in five.rglob("*.png"))
    names = [path.relative_to(five).as_posix() for path in files]
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive, tarfile.open(tmp_path / "x.tar", "w") as tar:
        for path, name in zip(files, names, strict=True):
            archive.write(path, name)
            tar.add(path, name)
    (five / "list.txt").write_text("\n".join(names))
    (five / "list.csv").write_text("\n".join(["n,file", *(f"1,{name}" for name in names)]))
    written = {}
    sources = [five, tmp_path / "x.zip", tmp_path / "x.tar", five / "list.txt", five / "list.csv"]
    for number, source in enumerate(sources):
        out = tmp_path / f"{number}.json"
        column = ["--column", "file"] if source.suffix == ".csv" else []
        annotated(source, "--shards", tmp_path / f"s{number}", "--out", out, *column)
        written[source.name] = out.read_bytes()
    assert len(set(written.values())) == 1


def test_a_second_run_must_say_resume_and_the_same(tiny, five, tmp_path):
    out = tmp_path / "a.json"
    shards = ["--shards", tmp_path / "s", "--shard-size", 2, "--no-merge", "--out", out]
    annotated(five, *shards)
    assert not out.exists()
    assert invoke("annotate", five, *shards).exit_code == 2
    other = invoke("annotate", five, *shards, "--resume", "--score-threshold", "0.3")
    assert other.exit_code == 2 and "had score threshold 0.05, this one has 0.3" in other.stderr
    other = invoke("annotate", five / "sub", *shards, "--resume")
    assert other.exit_code == 2 and "the interrupted run had named" in other.stderr
    again = annotated(five, *shards, "--resume")
    assert "5 of 5 images annotated; 5 of them before the run was resumed" in again.stdout


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--overlays", "o"], "expected no folder of pictures with --shards"),
        (["--shard-size", "0"], "--shard-size: expected 1 to"),
        (["--out", "{tmp}"], "expected a file to write, got a folder"),
        (["--out", "s3://bucket/a.json"], "expected a file on this computer, got an address; 'merge'"),
        (["--out", "{tmp}/s/a.json"], "this is among the shards"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_done(tiny, five, tmp_path, options, told):
    given = [option.format(tmp=tmp_path) for option in options]
    result = invoke("annotate", five, "--shards", tmp_path / "s", *given)
    assert result.exit_code == 2 and told in result.stderr
    assert not list((tmp_path / "s").glob("0*"))


@pytest.mark.parametrize("given", [["s3://bucket/photos"], ["list.csv", "--column", "file"]])
def test_addresses_and_tables_need_a_folder_for_shards(given):
    result = invoke("annotate", *given)
    assert result.exit_code == 2 and "name one with --shards" in result.stderr


def test_what_is_no_run_cannot_be_merged(tmp_path):
    result = invoke("merge", tmp_path / "s", "--out", tmp_path / "a.json")
    assert result.exit_code == 2 and "expected the shards of a run, got none" in result.stderr


def test_refused_members_are_counted_and_the_rest_goes_on(tiny, five, tmp_path):
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.write(five / "1.png", "../1.png")
        archive.write(five / "2.png", "2.png")
        archive.writestr("torn.png", (five / "1.png").read_bytes()[:50])
    result = annotated(tmp_path / "x.zip", "--shards", tmp_path / "s", "--out", tmp_path / "a.json")
    assert "1 of 2 images annotated" in result.stdout
    assert "1 failed; 1 file was refused" in result.stdout
    assert "points outside" in result.stderr and "torn.png: " in result.stderr
    assert [i["file_name"] for i in json.loads((tmp_path / "a.json").read_bytes())["images"]] == ["2.png"]


def test_a_run_that_is_killed_repeats_one_shard_and_ends_byte_for_byte_alike(tmp_path):
    """A process is killed while its network has an image in the middle of the third shard."""
    folder = make_folder(tmp_path / "in", 18)
    undisturbed = plan_for(folder, folder=tmp_path / "whole", size=5)
    run(undisturbed)
    command = [sys.executable, "-m", "tests.builders.shards", folder, tmp_path / "s", "5", "12"]
    process = subprocess.Popen([*map(str, command)], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    for _ in range(12):
        assert process.stdout.readline() == "done 1\n"
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    left = shards_in(tmp_path / "s")
    assert sorted(left) == [f"{n:06}.{end}" for n in (0, 1) for end in ("done.json", "jsonl.gz")]
    report = run(plan := read_plan(Folder(str(tmp_path / "s"))))
    assert report.reused == 10 and report.counts.images == 18
    assert shards_in(tmp_path / "s") == shards_in(tmp_path / "whole")
    merge(undisturbed, tmp_path / "a.json")
    merge(plan, tmp_path / "b.json")
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
