"""``project ...`` as a person calls it, on SQLite in a folder of its own."""

import getpass
import hashlib
import json
import os
import sqlite3
import zipfile

import pytest
from typer.testing import CliRunner

from maskrcnn_core.cli import app as cli
from maskrcnn_core.formats.coco_reader import read_coco
from maskrcnn_core.images.reading import encode_png
from maskrcnn_core.projects.db.location import DATA_VARIABLE, DATABASE_VARIABLE
from maskrcnn_core.projects.store import Store
from maskrcnn_core.synthetic.samples import draw_sample
from maskrcnn_core.synthetic.scenes import draw_scene, write_scenes


@pytest.fixture(autouse=True)
def data_folder(monkeypatch, tmp_path):
    monkeypatch.setenv(DATA_VARIABLE, str(tmp_path / "data"))
    monkeypatch.delenv(DATABASE_VARIABLE, raising=False)
    for name in ("MASKDESK_WEIGHTS", "XDG_CACHE_HOME", "TORCH_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "no-weights"))
    return tmp_path / "data"


def invoke(*arguments):
    result = CliRunner().invoke(cli.app, ["project", *map(str, arguments)], catch_exceptions=False)
    assert "Traceback" not in result.output
    return result


def told(*arguments):
    result = invoke(*arguments)
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.mark.parametrize(
    "name, data, says",
    [
        ("bad.png", b"no image", "expected a JPEG"),
        ("cut.png", encode_png(draw_scene(1).pixels)[:200], ""),
        ("bad.zip", b"PK\x03\x04", ""),
        ("bad.json", b"{", ""),
    ],
)
def test_files_that_share_only_the_root_are_told_whole(tmp_path, monkeypatch, name, data, says):
    monkeypatch.chdir(tmp_path)
    for folder in ("a", "b"):  # twins: what each is called needs its folders
        (tmp_path / folder).mkdir()
        (tmp_path / folder / name).write_bytes(data)
    told("new", "P")
    mixed = invoke("add", "P", f"a/{name}", tmp_path / "b" / name, "/no-such-folder/x.jpg", "--quiet")
    for folder in ("a", "b"):
        assert f"\n{tmp_path / folder / name}: {says}" in f"\n{mixed.stderr}", mixed.stderr
    below = invoke("add", "P", f"a/{name}", tmp_path / "b" / name, "--quiet")
    assert f"\na/{name}: {says}" in f"\n{below.stderr}", below.stderr


def test_from_pictures_to_a_file(tmp_path):
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for n in range(2):
        (pictures / f"{n}.png").write_bytes(encode_png(draw_scene(200_000 + n).pixels))
    (pictures / "broken.png").write_bytes(b"no image")
    assert "made Shapes with 3 categories" in told("new", "Shapes", "--categories", "circle,square, triangle")
    added = invoke("add", "Shapes", pictures, "--quiet")
    assert added.stdout.startswith("2 images, 0 categories and 0 instances added; 1 refused")
    assert "broken.png" in added.stderr
    assert "0 images, 0 categories and 0 instances added; 2 images were already in the project" in told(
        "add", "Shapes", pictures / "0.png", pictures / "1.png", "--quiet"
    )
    annotated = told("annotate", "Shapes", "--model", "shapes", "--quiet")
    assert annotated.startswith("2 images done, 2 of them new; ")
    count = int(annotated.partition("new; ")[2].split()[0])
    assert (
        f"2 images done, 0 of them new; 0 instances proposed, {count} already proposed by shapes, "
        "0 already decided by people" in told("annotate", "Shapes", "--model", "shapes", "--quiet")
    )
    out = tmp_path / "out.json"
    written = invoke("export", "Shapes", "--out", out)
    assert "2 images; " in written.stdout and json.loads(out.read_text())["annotations"] == []
    assert "proposals that nobody has accepted are left out; --status accepted,proposed" in written.stderr
    written = invoke("export", "Shapes", "--out", out, "--status", "accepted,proposed")
    assert "lowest mask IoU 1.000000; wrote" in written.stdout
    assert "of them are proposals that nobody has accepted" in written.stderr
    dataset, refusals = read_coco(out.read_bytes())
    assert refusals == [] and len(dataset.images) == 2 and len(dataset.instances) > 5
    head, row = told("list").splitlines()
    assert head.split() == ["project", "images", "reviewed", "instances", "accepted", "proposed", "rejected"]
    count = str(len(dataset.instances))
    assert row.split() == ["Shapes", "2", "0", count, "0", count, "0"]


def test_a_data_set_comes_in_goes_out_and_comes_back_the_same(tmp_path):
    write_scenes(tmp_path / "drawn", [1, 2])
    given = ("--ground-truth", tmp_path / "drawn/instances.json", "--images", tmp_path / "drawn/images")
    assert told("import", "One", *given).startswith("2 images, 3 categories and ")
    told("export", "One", "--out", tmp_path / "one.json")
    again = ("--ground-truth", tmp_path / "one.json", "--images", tmp_path / "drawn/images")
    told("import", "Two", *again)
    document = json.loads((tmp_path / "one.json").read_text())
    for image in document["images"]:
        image["file_name"] = f"images/{image['file_name']}"
    (tmp_path / "renamed.json").write_text(json.dumps(document))
    found = told("import", "Three", "--ground-truth", tmp_path / "renamed.json", *again[2:])
    assert found.startswith("2 images, 3 categories and ") and "were not found" not in found
    told("export", "Two", "--out", tmp_path / "two.json")
    assert (tmp_path / "one.json").read_bytes() == (tmp_path / "two.json").read_bytes()
    assert "0 images, 0 categories and 0 instances added; 2 images were already in the project" in told(
        "import", "One", *given
    )


def test_decisions_are_listed_taken_back_and_done_again(tmp_path):
    told("new", "Mine", "--categories", "a", "--who", "ann")
    picture = tmp_path / "p.png"
    picture.write_bytes(encode_png(draw_scene(3).pixels))
    told("add", "Mine", picture, "--who", "ann", "--quiet")
    assert told("undo", "Mine", "--who", "bob") == "nothing to undo\n"
    assert told("undo", "Mine", "--who", "ann") == "taken back: add images, 1 image (p.png)\n"
    assert told("redo", "Mine", "--who", "ann") == "done again: add images, 1 image (p.png)\n"
    assert told("redo", "Mine", "--who", "ann") == "nothing to redo\n"
    lines = [line.split(maxsplit=3)[2:] for line in told("journal", "Mine").splitlines()[1:]]
    assert [words[0] for words in lines] == ["ann"] * 4
    assert [words[1].rsplit(maxsplit=1)[0] for words in lines] == [
        "redo of add images",
        "undo of add images",
        "add images",
        "make project",
    ]
    assert len(told("journal", "Mine", "--limit", 1).splitlines()) == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["add", "None", "x.png"], "project 'None': there is no such project; projects: Mine"),
        (["export", "Mine", "--out", "o.json", "--status", "good"], "--status: expected some of proposed"),
        (["annotate", "Mine", "--model", "mobil"], "did you mean mobile"),
        (["annotate", "Mine", "--model", "shapes"], "none of the project's (cat) is one of the model's"),
        (["annotate", "Mine", "--model", "nuclei"], "match them with --map nucleus=cat"),
        (["annotate", "Mine", "--model", "nuclei", "--map", "nucleus"], "--map: expected model=project"),
        (["annotate", "Mine", "--model", "shapes", "--map", "dog=cat"], "category 'dog': expected one of"),
        (["import", "New", "--ground-truth", "none.json", "--images", "."], "none.json: cannot read"),
        (["add", "Mine", "none.png"], "no images found in none.png"),
    ],
)
def test_wrong_usage_is_told_in_one_line_and_makes_nothing(arguments, message):
    told("new", "Mine", "--categories", "cat")
    result = invoke(*arguments)
    assert result.exit_code == 2
    assert message in result.stderr and len(result.stderr.strip().splitlines()) == 1
    assert [line.split()[0] for line in told("list").splitlines()[1:]] == ["Mine"]


def test_an_engine_is_taken_and_what_ran_stands_in_the_export(tmp_path, monkeypatch):
    monkeypatch.setattr(
        "maskrcnn_core.cli.engines.pixels_for", lambda _: [draw_sample("fluorescence")[:160, :200]]
    )
    (tmp_path / "a.png").write_bytes(encode_png(draw_scene(200_000).pixels[:200, :240]))
    told("new", "Shapes", "--categories", "circle,square,triangle")
    told("add", "Shapes", tmp_path / "a.png", "--quiet")
    annotate = ("annotate", "Shapes", "--model", "shapes", "--quiet", "--engine")
    assert "1 image done, 1 of them new" in told(*annotate, "folded")
    assert "0 of them new" in told(*annotate, "auto"), "what is there is good enough"
    out = tmp_path / "out.json"
    told("export", "Shapes", "--out", out)
    assert json.loads(out.read_text())["info"]["description"].startswith("Shapes; engine folded (of ")
    assert "1 of them new" in told(*annotate, "exact"), "the very bits are asked for"
    told("export", "Shapes", "--out", out)
    assert json.loads(out.read_text())["info"]["description"] == "Shapes"
    assert "did you mean folded" in invoke(*annotate, "fold").stderr


def test_a_job_takes_its_engine_with_it(tmp_path):
    (tmp_path / "a.png").write_bytes(encode_png(draw_scene(200_000).pixels[:200, :240]))
    told("new", "Shapes", "--categories", "circle")
    told("add", "Shapes", tmp_path / "a.png", "--quiet")
    job = ("annotate", "Shapes", "--model", "shapes", "--background", "--engine")
    assert invoke(*job, "fold").exit_code == 2
    told(*job, "exact")
    told("work", "--once")
    assert told("jobs", "Shapes").splitlines()[-1].endswith(": engine exact")


@pytest.mark.parametrize("map_", [(), ("--map", "circle=vehicle")])
def test_a_project_without_categories_is_told_where_some_come_from(map_):
    told("new", "Bare")
    result = invoke("annotate", "Bare", "--model", "shapes", *map_)
    assert result.exit_code == 2
    assert "project new NAME --categories" in result.stderr and "has none" in result.stderr
    assert "(none)" not in result.stderr


@pytest.mark.parametrize("error", [KeyError("uid not found: 12345"), OSError("No username set"), ImportError])
def test_where_the_system_has_no_name_for_the_user_one_is_asked_for(monkeypatch, error):
    def no_name():
        raise error

    monkeypatch.setattr(getpass, "getuser", no_name)
    result = invoke("new", "Mine")
    assert result.exit_code == 2
    assert result.stderr == "--who: expected your name for the journal, as the system has no user name\n"
    told("new", "Mine", "--who", "ann")


def test_a_name_is_given_once():
    told("new", "Mine")
    result = invoke("new", "Mine")
    assert result.exit_code == 1 and "a project with this name already exists" in result.stderr


def test_a_damaged_database_is_told_in_one_line(data_folder):
    told("new", "Mine")
    (data_folder / "maskdesk.db").write_bytes(b"")
    result = invoke("list")
    assert result.exit_code == 1
    assert "is empty (0 bytes)" in result.stderr and len(result.stderr.strip().splitlines()) == 1


def test_what_the_commands_did_is_in_the_store():
    told("new", "Mine", "--categories", "cat,dog", "--who", "ann")
    store = Store()
    (project,) = store.projects()
    assert (project.name, project.made_by) == ("Mine", "ann")
    assert [c.name for c in store.categories(project.id)] == ["cat", "dog"]
    store.close()


def test_a_zip_with_its_coco_file_comes_in_and_goes_out_as_train_and_val(tmp_path):
    write_scenes(tmp_path / "drawn", [1, 2, 3, 4, 5])
    archive = tmp_path / "set.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.write(tmp_path / "drawn/instances.json", "instances.json")
        for picture in sorted((tmp_path / "drawn/images").iterdir()):
            file.write(picture, f"images/{picture.name}")
    told("new", "Set")
    assert told("add", "Set", archive, "--quiet").startswith("5 images, 3 categories and ")
    out = tmp_path / "set.json"
    lines = told("export", "Set", "--out", out, "--split", 0.4, "--seed", 3).splitlines()
    assert [line.split(";")[0] for line in lines] == ["3 images", "2 images"]
    parts = [json.loads((tmp_path / f"set.{part}.json").read_text()) for part in ("train", "val")]
    ids = [{image["id"] for image in part["images"]} for part in parts]
    assert not ids[0] & ids[1] and len(ids[0] | ids[1]) == 5
    first = (tmp_path / "set.val.json").read_bytes()
    told("export", "Set", "--out", out, "--split", 0.4, "--seed", 3)
    assert (tmp_path / "set.val.json").read_bytes() == first
    told("export", "Set", "--out", out, "--category", "circle")
    document = json.loads(out.read_text())
    circle = next(c["id"] for c in document["categories"] if c["name"] == "circle")
    assert {a["category_id"] for a in document["annotations"]} == {circle}
    refused = invoke("export", "Set", "--out", out, "--category", "dog")
    assert refused.exit_code != 0 and "--category: expected some of circle" in refused.stderr
    assert (
        "expected shares of val and test above 0"
        in invoke("export", "Set", "--out", out, "--split", 1.0).stderr
    )


def write_coco(folder, **changes):
    """A file of one image, which lies beside it, and one annotation that takes the changes."""
    folder.mkdir(exist_ok=True)
    pixels = draw_scene(5).pixels[:100, :200]
    (folder / "a.png").write_bytes(encode_png(pixels))
    annotation = {
        "id": 1,
        "image_id": 1,
        "category_id": 1,
        "segmentation": [[20, 20, 70, 20, 70, 70, 20, 70]],
        "area": 2500,
        "bbox": [20, 20, 50, 50],
        "iscrowd": 0,
    }
    document = {
        "images": [{"id": 1, "file_name": "a.png", "width": 200, "height": 100}],
        "categories": [{"id": 1, "name": "cell"}],
        "annotations": [annotation | changes],
    }
    document |= {key: document[key] for key in changes if key in document}
    file = folder / "instances.json"
    file.write_text(json.dumps(document))
    return file, document


def import_file(file, *more):
    return invoke("import", "New", "--ground-truth", file, "--images", file.parent, "--quiet", *more)


@pytest.mark.parametrize(
    ("break_", "says"),
    [
        (
            lambda d: d["categories"][0].update(name="a\ud800b"),
            "instances.json: categories[0].name: expected",
        ),
        (
            lambda d: d["images"][0].update(file_name="a\0.png"),
            "instances.json: images[0].file_name: expected",
        ),
        (lambda d: d.update(images={}), "instances.json: COCO file: expected a list 'images', got an object"),
        (lambda d: d["images"][0].update(width=None, file_name="b.png"), "instances.json: images[0].width"),
        (lambda d: d["images"][0].update(width=7), "instances.json: a.png: the file says 7 x 100 pixels"),
    ],
)
def test_a_file_of_which_nothing_can_be_used_says_why_and_leaves_no_project(tmp_path, break_, says):
    file, document = write_coco(tmp_path / "d")
    break_(document)
    file.write_text(json.dumps(document))
    result = import_file(file)
    assert result.exit_code == 1 and says in result.stderr
    assert len(told("list").splitlines()) == 1, "no project stays"


@pytest.mark.parametrize("data", [b"no picture", b'{"images": 5}', b"PK\x03\x04"])
def test_adding_what_is_all_refused_is_a_failure_and_adding_some_of_it_is_not(tmp_path, data):
    told("new", "P")
    (tmp_path / "bad.png").write_bytes(data)
    refused = invoke("add", "P", tmp_path / "bad.png", "--quiet")
    assert refused.exit_code == 1 and "bad.png" in refused.stderr
    (tmp_path / "good.png").write_bytes(encode_png(draw_scene(3).pixels))
    taken = invoke("add", "P", tmp_path / "bad.png", tmp_path / "good.png", "--quiet")
    assert taken.exit_code == 0 and "1 image, 0 categories" in taken.output


def test_refusals_of_one_kind_are_one_line_that_names_the_file(tmp_path):
    file, document = write_coco(tmp_path / "d", segmentation=[[1, 2, 3, 4]])
    rows = document["annotations"]
    document["annotations"] = [dict(rows[0], id=n) for n in range(1, 101)]
    file.write_text(json.dumps(document))
    result = import_file(file)
    assert result.exit_code == 1, "no instance came in"
    (line,) = result.stderr.splitlines()
    assert line.startswith(
        "instances.json: annotations[...].segmentation[...]: polygon needs at least 3 points"
    )
    assert "(100 times; first annotations[0].segmentation[0])" in line
    assert "100 refused" in result.stdout


def test_boxes_only_are_one_sentence_with_an_offer_and_the_offer_is_kept(tmp_path):
    file, _ = write_coco(tmp_path / "d", segmentation=[])
    result = import_file(file)
    assert result.exit_code == 1 and "1 annotation is a box without a mask: " in result.stderr
    assert "--boxes MODEL" in result.stderr and "1 image, 1 category and 0 instances" in result.stdout
    filled = import_file(file, "--boxes", "shapes")
    found = "1 of 1 box" in filled.stdout
    assert "of 1 box filled by shapes" in filled.stdout and filled.exit_code == (0 if found else 1)
    assert import_file(file, "--boxes", "no-such-model").exit_code == 2


def test_annotate_counts_images_at_the_limit_and_keeps_how_dim_ones_are_seen(tmp_path):
    (tmp_path / "scene.png").write_bytes(encode_png(draw_scene(200_000).pixels))
    told("new", "Shapes", "--categories", "circle,square,triangle")
    told("add", "Shapes", tmp_path / "scene.png", "--quiet")
    annotate = ("annotate", "Shapes", "--model", "shapes", "--max-detections", 1, "--quiet")
    result = invoke(*annotate, "--stretch", "off")
    assert result.stdout.startswith("1 image done, 1 of them new; 1 instance proposed")
    assert "1 image reached the limit of 1 detection," in result.stderr
    assert "dim images of the project are left dark from now on" in result.stderr
    assert "stretch images" in told("journal", "Shapes")
    assert "from now on" not in invoke(*annotate, "--stretch", "off").stderr


def test_a_damaged_picture_is_repaired_by_its_original(tmp_path, data_folder):
    write_scenes(tmp_path / "scenes", [1, 2])
    told("new", "P")
    told("add", "P", tmp_path / "scenes/images", "--quiet")
    stored, _ = (path for path in (data_folder / "files").glob("*/*") if path.is_file())
    data = bytearray(stored.read_bytes())
    data[len(data) // 2] ^= 1
    stored.write_bytes(data)
    for note in ("1 damaged file of the project repaired with the originals", ""):
        added = invoke("add", "P", tmp_path / "scenes/images", "--quiet")
        assert added.exit_code == 0 and note in added.output and ("repaired" in added.output) == bool(note)
        assert hashlib.sha256(stored.read_bytes()).hexdigest() == stored.name


def test_a_damaged_project_is_named_and_takes_no_other_one_with_it(tmp_path, data_folder):
    for name in ("P", "Other"):
        told("new", name)
    with sqlite3.connect(data_folder / "maskdesk.db") as connection:
        connection.execute("UPDATE project SET description = '?' WHERE name = 'P'")
    connection.close()
    listed = invoke("list")
    assert listed.exit_code == 1 and listed.stdout.splitlines()[1].split()[0] == "Other"
    assert "1 row of the project database is damaged (project P)" in listed.stderr
    told("export", "Other", "--out", tmp_path / "other.json", "--quiet")
    told("new", "Third")
    for command in (["export", "P", "--out", tmp_path / "p.json"], ["verify", "P"]):
        refused = invoke(*command)
        assert refused.exit_code == 1 and "damaged (project P)" in refused.stderr
    verified = invoke("verify", "--quiet")
    assert verified.exit_code == 1
    assert "Other: everything is as it was written\nP: 1 damaged row" in verified.stdout


def test_damaged_rows_and_files_are_named_and_left_out_where_one_asks(tmp_path, data_folder):
    write_scenes(tmp_path / "scenes", [1, 2])
    arguments = ["--ground-truth", tmp_path / "scenes/instances.json", "--images", tmp_path / "scenes/images"]
    told("new", "P")
    told("import", "P", *arguments, "--quiet")
    told("new", "Other")
    whole = "everything is as it was written"
    assert told("verify", "--quiet") == f"Other: {whole}\nP: {whole}\n"
    told("export", "P", "--out", tmp_path / "before.json", "--quiet")

    with sqlite3.connect(data_folder / "maskdesk.db") as connection:
        connection.execute("UPDATE instance SET status = 'rejected' WHERE coco_id = 2")
    connection.close()
    stored = next(path for path in (data_folder / "files").glob("*/*") if path.is_file())
    stored.write_bytes(stored.read_bytes()[:-1])
    shown = "project P, image scene_000001.png, instance 2: damaged"
    found = invoke("verify", "P", "--quiet")
    assert (
        found.exit_code == 1
        and shown in found.stderr
        and "this file of the project is damaged" in found.stderr
    )
    assert found.stdout == "P: 1 damaged row, 1 damaged or missing file\n"
    assert invoke("verify", "Other").exit_code == 0

    refused = invoke("export", "P", "--out", tmp_path / "after.json", "--quiet")
    assert (
        refused.exit_code == 1 and "instance 2" in refused.stderr and not (tmp_path / "after.json").exists()
    )
    left = invoke("export", "P", "--out", tmp_path / "after.json", "--leave-out-damaged", "--quiet")
    assert left.exit_code == 0 and f"{shown}, left out" in left.stderr
    before, after = (json.loads((tmp_path / f"{name}.json").read_bytes()) for name in ("before", "after"))
    assert after == before | {"annotations": [a for a in before["annotations"] if a["id"] != 2]}


def test_a_project_is_renamed_and_described():
    told("new", "Cells")
    told("new", "Other")
    assert told("rename", "Cells", "Zellen", "--who", "bob") == "Cells is called Zellen now\n"
    assert told("rename", "Zellen", "Zellen") == "it is called Zellen already\n"
    assert "already exists" in invoke("rename", "Zellen", "Other").stderr
    assert told("describe", "Zellen", "from the north field") == "the description is saved\n"
    assert "says so already" in told("describe", "Zellen", "from the north field")
    with_name = told("journal", "Zellen")
    assert "rename project" in with_name and "describe project" in with_name and "bob" in with_name


def test_a_project_is_deleted_restored_and_purged(tmp_path):
    told("new", "Cells", "--categories", "cell")
    (tmp_path / "a.png").write_bytes(encode_png(draw_scene(1).pixels))
    told("add", "Cells", tmp_path / "a.png", "--quiet")
    assert told("delete", "Cells", "--who", "bob").startswith(
        "deleted Cells with 1 image, 0 instances and 2 decisions; for 30 days"
    )
    assert "Cells" not in told("list") and told("verify") == ""
    (line,) = told("list", "--deleted").splitlines()[1:]
    assert line.split()[:2] == ["#1", "Cells"] and line.split()[-2:] == ["bob", "30"]
    export = invoke("export", "Cells", "--out", tmp_path / "out.json")
    assert export.exit_code == 2 and "bob deleted it on" in export.stderr
    assert "there is no such deleted project; deleted projects: Cells" in invoke("restore", "Other").stderr
    told("new", "Cells")
    assert "choose another name" in invoke("restore", "Cells").stderr
    assert told("restore", "#1", "--as", "Old").startswith("restored Old with 1 image")
    assert "everything is as it was written" in told("verify", "Old")
    told("delete", "Cells")
    told("new", "Cells")
    told("delete", "Cells")
    assert "expected one deleted project of this name, got 2" in invoke("restore", "Cells").stderr
    assert told("purge") == "0 projects whose time was over\n"


def test_deleting_for_good_asks_for_the_name(data_folder, tmp_path):
    told("new", "Cells")
    (tmp_path / "a.png").write_bytes(encode_png(draw_scene(1).pixels))
    told("add", "Cells", tmp_path / "a.png", "--quiet")
    for file in data_folder.glob("files/*/*"):
        os.utime(file, (0, 0))

    def typed(text, *arguments):
        return CliRunner().invoke(cli.app, ["project", *arguments], input=text)

    wrong = typed("cells\n", "delete", "Cells", "--now")
    assert wrong.exit_code == 2 and "expected the name 'Cells', got 'cells'; nothing was done" in wrong.stderr
    assert typed("", "delete", "Cells", "--now").exit_code == 1 and "Cells" in told("list")
    done = typed("Cells\n", "delete", "Cells", "--now")
    assert done.exit_code == 0 and "Cells: gone for good, 1 file deleted" in done.stdout
    assert list(data_folder.glob("files/*/*")) == [] and len(told("list", "--deleted").splitlines()) == 1
    told("new", "Cells")
    told("delete", "Cells")
    assert "gone for good, 0 files deleted" in typed("Cells\n", "purge", "Cells").stdout


def test_a_project_is_archived_and_brought_back():
    for name in ("B", "A"):
        told("new", name)
    assert [line.split()[0] for line in told("list").splitlines()[1:]] == ["A", "B"], "the last used first"
    assert told("archive", "A") == "A is archived; 'project bring-back' ends that\n"
    assert told("archive", "A") == "A is archived already\n"
    listed = invoke("list")
    assert [line.split()[0] for line in listed.stdout.splitlines()[1:]] == ["B"]
    assert "1 archived project: 'project list --archived'" in listed.stderr
    assert [line.split()[0] for line in told("list", "--archived").splitlines()[1:]] == ["A"]
    assert "the project is archived and read-only" in invoke("rename", "A", "C").stderr
    assert told("bring-back", "A") == "A is back\n" and told("bring-back", "A") == "A is not archived\n"
    assert [line.split()[0] for line in told("list").splitlines()[1:]] == ["A", "B"]


def test_images_are_removed_and_undone(tmp_path):
    told("new", "P")
    for n in range(2):
        (tmp_path / f"{n}.png").write_bytes(encode_png(draw_scene(n).pixels))
    told("add", "P", tmp_path / "0.png", tmp_path / "1.png", "--quiet")
    wrong = invoke("remove", "P", "0.png", "9.png")
    assert wrong.exit_code == 2 and "expected file names of the project, got 9.png" in wrong.stderr
    assert (
        told("remove", "P", "0.png") == "removed 1 image with 0 instances; 'project undo' brings them back\n"
    )
    assert told("list").splitlines()[1].split()[1] == "1"
    assert "taken back: remove images, 1 image (0.png)" in told("undo", "P")
    assert told("list").splitlines()[1].split()[1] == "2"
