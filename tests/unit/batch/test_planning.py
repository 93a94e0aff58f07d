"""Which files a run takes, and what it calls them."""

import os

import pytest

from maskrcnn_core.batch import find_files, plan_images
from maskrcnn_core.errors import InputError
from maskrcnn_core.images.folders import PassedOver
from tests.builders.batch import (
    write_image,
)


def test_folders_give_images_of_all_sub_folders_without_litter(folder):
    for name in ("notes.txt", ".hidden.png", "._b.png", "Thumbs.db"):
        write_image(folder / name)
    write_image(folder / "__MACOSX" / "c.png")
    write_image(folder / ".cache" / "c.png")
    write_image(folder / "UPPER.JPG")
    os.mkfifo(folder / "pipe.png")
    names = [file.relative_to(folder).as_posix() for file in find_files([folder])]
    assert names == ["UPPER.JPG", "b.png", "sub/a.png", "sub/b.png"]


def test_files_named_outright_are_taken_whatever_they_look_like(folder):
    odd = [write_image(folder / name) for name in (".hidden", "notes.txt", "cat[1].png")]
    missing = folder / "not there.png"
    assert find_files([*odd, missing]) == sorted([*odd, missing])


def test_globs_match_as_in_a_shell(folder):
    assert find_files([f"{folder}/**/b.png"]) == [folder / "b.png", folder / "sub" / "b.png"]
    assert find_files([f"{folder}/s*"]) == [folder / "sub" / "a.png", folder / "sub" / "b.png"]


def test_a_file_met_by_several_ways_is_taken_once(folder, monkeypatch):
    (folder / "z.png").symlink_to(folder / "b.png")
    (folder / "loop").symlink_to(folder)
    monkeypatch.chdir(folder)
    twice = find_files([folder, "b.png", "*.png", "sub/../b.png", str(folder / "sub")])
    assert twice == [folder / "b.png", folder / "sub" / "a.png", folder / "sub" / "b.png"]


def test_what_a_run_writes_is_not_picked_up_by_the_next(folder):
    write_image(folder / "overlays" / "b_overlay.png")
    assert len(find_files([folder], outputs=[folder / "overlays"])) == 3
    with pytest.raises(InputError, match="choose another output folder"):
        find_files([folder], outputs=[folder])


@pytest.mark.parametrize("name", ["nowhere", "empty", "*.png"])
def test_no_files_at_all_are_refused(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=f"no images found in {name.replace('*', '.')}"):
        find_files([name])


def not_images(folder):
    """Files of kinds that are no images here, sidecars, and litter; in a folder below, too."""
    (folder / "sub").mkdir(parents=True, exist_ok=True)
    dicom = bytes(128) + b"DICM" + bytes(8)
    files = {"a.dcm": dicom, "sub/B.DCM": dicom, "v.mkv": b"\x1a\x45\xdf\xa3", "a.json": b"{}"}
    files |= {"note.txt": b"P1 1", "README": b"x", ".DS_Store": b"x", "odd.xyz": b"\x07"}
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return (
        "left alone in the folders because they are not images: 2 .dcm (the first is a DICOM file), "
        "1 without a suffix, 1 .json, 1 .mkv (a video (Matroska or WebM)), 1 .txt, 1 .xyz, "
        "1 hidden or the system's own"
    )


def test_what_is_left_alone_in_folders_is_counted_once(folder):
    words, others = not_images(folder), PassedOver()
    find_files([folder, folder / "sub", folder / "sub" / "a.png"], others=others)
    assert others.sentence("not images") == words
    assert PassedOver().sentence("not images") == ""


def test_a_folder_that_holds_other_files_alone_says_so(tmp_path):
    words = not_images(tmp_path / "in")
    with pytest.raises(InputError) as told:
        find_files([tmp_path / "in"])
    assert f"in; {words}; name image files" in str(told.value)
    assert "no such file" not in str(told.value)


def test_kinds_beyond_the_most_frequent_are_one_count(folder):
    for n in range(30):
        (folder / f"a.k{n:02}").write_bytes(b"")
    others = PassedOver()
    find_files([folder], others=others)
    assert others.sentence("not images").endswith("1 .k11, 18 of other kinds")


def test_a_folder_that_cannot_be_read_is_named(folder, monkeypatch):
    def scandir(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "scandir", scandir)
    with pytest.raises(InputError, match=r"in: cannot read this folder \(Permission denied\)"):
        find_files([folder])


@pytest.mark.parametrize(
    ("names", "ids"),
    [
        (["000000000139.jpg", "7.png"], [139, 7]),
        (["1.jpg", "01.jpg"], [1, 2]),
        (["1.jpg", "1.png"], [1, 2]),
        (["0.jpg", "5.jpg"], [1, 2]),
        (["5.jpg", "b.jpg"], [1, 2]),
        (["٣.jpg", "5.jpg"], [1, 2]),
        (["9" * 19 + ".jpg", "5.jpg"], [1, 2]),
        (["12.jpg"], [12]),
    ],
)
def test_stems_that_are_all_different_numbers_are_the_image_ids(tmp_path, names, ids):
    assert [planned.id for planned in plan_images([tmp_path / name for name in names])] == ids


def test_file_names_and_stems_are_unique(tmp_path):
    names = ["a/x.png", "a/x_1.png", "b/X.jpg", "b/" + "y" * 200 + ".png", "c/" + "y" * 200 + ".png"]
    plan = plan_images([tmp_path / name for name in names])
    assert [planned.file_name for planned in plan] == names
    stems = [planned.stem for planned in plan]
    assert len({stem.casefold() for stem in stems}) == 5
    assert stems[0].startswith("x_1") and stems[1] == "x_1"
