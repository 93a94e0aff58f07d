"""Pictures and records find each other, or are left alone and named: never a twin, never two for one."""

import sys
import unicodedata
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskrcnn_core.images.folders import FolderImages, walk_folder
from maskrcnn_core.images.matching import NamedFile, match_names, told_apart
from maskrcnn_core.images.pools import ImagePool, PooledFile

ACCENT = "caf\u00e9 1.png"


def pairs(names, paths, above=""):
    matches = match_names(names, [NamedFile(path, above) for path in paths])
    return {names[record]: paths[file] for record, file in matches.files.items()}


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("images\\a.png", "images/a.png"),
        ("images/a.png", "images\\a.png"),
        (".\\images\\\\a.png", "images/a.png"),
        ("a%20b.png", "a b.png"),
        ("a b.png", "a%20b.png"),
        ("sub%2Fa.png", "sub/a.png"),
        (ACCENT, unicodedata.normalize("NFD", ACCENT)),
        (unicodedata.normalize("NFD", ACCENT), ACCENT),
        (quote(ACCENT), unicodedata.normalize("NFD", ACCENT)),
        ("A/B.PNG", "a/b.png"),
        ("Stra\u00dfe.png", "STRASSE.PNG"),
        ("http://host:8080/data/upload/1/ab-c%20d.png?x=1#y", "ab-c d.png"),
        ("/data/upload/3/abc.png", "abc.png"),
        ("/data/local-files/?d=set%2Fone/a.png", "set/one/a.png"),
        ("s3://bucket/set/a.png", "images/a.png"),
        ("C:\\Users\\ann\\set\\a.png", "pictures/a.png"),
        ("a.png?v=2", "a.png"),
        ("what?.png", "what?.png"),
        ("a#1.png", "a#1.png"),
        ("100%.png", "100%.png"),
        ("../images/a.png", "images/a.png"),
        ("cam1/f.png", "images/default/cam1/f.png"),
        ("images/a.png", "a.png"),
    ],
)
def test_spelling_does_not_matter_where_one_file_fits_alone(name, path):
    assert pairs([name, "z.png"], ["z.png", path, "other.png"]) == {name: path, "z.png": "z.png"}


def test_what_is_written_exactly_goes_before_what_only_means_the_same():
    names = ["a b.png", "a%20b.png", "A B.png"]
    assert pairs(names, names[::-1]) == {name: name for name in names}


def test_the_longest_common_end_wins_and_leaves_the_rest_to_others():
    paths = ["x/cam1/f.png", "x/cam2/f.png", "y/g.png"]
    assert pairs(["cam2/f.png", "cam1/f.png", "q/g.png"], paths) == {
        "cam2/f.png": "x/cam2/f.png",
        "cam1/f.png": "x/cam1/f.png",
        "q/g.png": "y/g.png",
    }
    assert pairs(["a/f.png", "f.png"], ["z/a/f.png", "f.png"]) == {"a/f.png": "z/a/f.png", "f.png": "f.png"}


@pytest.mark.parametrize(
    ("names", "paths"),
    [
        (["f.png"], ["cam1/f.png", "cam2/f.png"]),
        (["cam1/f.png", "cam2/f.png"], ["f.png"]),
        (["a/f.png", "b/f.png"], ["c/f.png", "d/f.png"]),
    ],
)
def test_what_fits_equally_well_is_not_taken_and_all_are_named(names, paths):
    matches = match_names(names, [NamedFile(path) for path in paths])
    assert matches.files == {} and len(matches.ambiguous) == len(names)
    (sentence,) = matches.contests
    assert all(name in sentence for name in (*names, *paths))


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("cam1/f.png", "cam2/f.png"),
        ("val/f.png", "train/f.png"),
        ("valid_images/f.png", "x/train_images/f.png"),
        ("0001/f.png", "0002/f.png"),
    ],
)
def test_a_twin_never_stands_in_and_is_named(name, path):
    matches = match_names([name], [NamedFile(path)])
    ((record, file, why),) = matches.twins
    assert (matches.files, record, file) == ({}, 0, 0)
    told = told_apart(name, path, why)
    assert name in told and path in told and "seem to be parts of one data set" in told


def test_a_folder_that_another_record_names_keeps_its_files():
    assert pairs(["left/a.png", "right/b.png"], ["left/a.png", "left/b.png"]) == {"left/a.png": "left/a.png"}
    assert pairs(["left/a.png", "right/a.png"], ["right/a.png", "right/b.png"]) == {
        "right/a.png": "right/a.png"
    }


@pytest.mark.parametrize(
    ("name", "path", "other"),
    [
        ("file:///home/u/sub/d.png", "img/sub/d.png", "./img/../img/\u00e4.png"),
        ("C:\\set\\sub\\d.png", "IMG/sub/d.png", "img/e.png"),
        ("/x/y/sub/d.png", "img/sub/d.png", "/data/img/e.png"),
        ("home/u/sub/d.png", "img/sub/d.png", "img/e.png"),
    ],
)
def test_two_parts_that_agree_outweigh_a_folder_that_is_named_elsewhere(name, path, other):
    found = other.replace("./img/../img", "img").lstrip("/").removeprefix("data/")
    assert pairs([name, other], [path, found]) == {name: path, other: found}
    assert pairs([other, name], [found, path]) == {name: path, other: found}


@pytest.mark.parametrize(
    ("name", "path", "other"),
    [
        ("/data/left/x/a.png", "right/x/a.png", "/data/right/y/b.png"),  # beside the record's own
        ("left/x/a.png", "right/x/a.png", "right/y/b.png"),
        ("/data/left/x/a.png", "right/x/a.png", "right/x/b.png"),  # the very folder
        ("/data/cam1/x/a.png", "cam2/x/a.png", "cam2/b.png"),  # twins
        ("/data/left/a.png", "right/a.png", "right/b.png"),  # only the last part agrees
    ],
)
def test_a_folder_of_other_records_lends_nothing_and_that_is_said(name, path, other):
    matches = match_names([name, other], [NamedFile(path), NamedFile("z.png")])
    ((record, file, why),) = matches.twins
    assert (matches.files, record, file) == ({}, 0, 0)
    folder = path.split("/")[0]
    assert told_apart(name, path, why).endswith(
        f"does not count because other records name the folder {folder}"
    )


def test_a_folder_that_is_there_and_lacks_a_file_is_named():
    matches = match_names(["Left/a.png"], [NamedFile("other/a.png"), NamedFile("left/b.png")])
    ((_, _, why),) = matches.twins
    assert why == "there is a folder Left, which does not contain it"


def test_the_named_folder_itself_takes_part_in_the_path():
    names = ["train/0001.png", "val/0001.png"]
    assert pairs(names, ["0001.png"], above="data/val") == {"val/0001.png": "0001.png"}
    assert pairs(names, ["0001.png"], above="data/pictures") == {}


def test_nothing_matches_nothing():
    assert pairs([], []) == pairs([], ["a.png"]) == pairs(["a.png", "/", ".."], []) == {}
    assert pairs(["", "/", "..", "."], ["a.png"]) == {}


PARTS = st.sampled_from(["a", "A", "b", "cam1", "cam2", "train", "val", "\u00e9", "e\u0301", "x y", "x%20y"])
PATHS = st.lists(PARTS, min_size=1, max_size=4).map(lambda parts: "/".join(parts) + ".png")


@given(st.lists(PATHS, max_size=8, unique=True), st.lists(PATHS, max_size=8, unique=True))
def test_laws_of_matching(names, paths):
    matches = match_names(names, [NamedFile(path) for path in paths])
    assert len(set(matches.files.values())) == len(matches.files), "one file never serves two records"
    assert not matches.ambiguous & set(matches.files)
    for record, file in matches.files.items():
        last = [
            unicodedata.normalize("NFC", text.replace("%20", " ")) for text in (names[record], paths[file])
        ]
        assert last[0].split("/")[-1].casefold() == last[1].split("/")[-1].casefold()
    assert {n for n in names if n in paths} <= {names[r] for r in matches.files}, "equal names always meet"
    backwards = match_names(names[::-1], [NamedFile(path) for path in paths[::-1]])
    assert {(names[r], paths[f]) for r, f in matches.files.items()} == {
        (names[::-1][r], paths[::-1][f]) for r, f in backwards.files.items()
    }, "the order does not matter"


def test_the_work_grows_with_the_names_and_not_with_their_product(monkeypatch):
    """All names end alike: whoever compares each with each is found out by the number of steps."""

    def steps(count):
        names = [f"cam{n}/0.png" for n in range(count)]
        files = [NamedFile(f"images/default/{name}") for name in names]
        taken = 0

        def count_calls(frame, event, argument):
            nonlocal taken
            taken += event in ("call", "c_call")

        sys.setprofile(count_calls)
        try:
            found = match_names(names, files).files
        finally:
            sys.setprofile(None)
        assert len(found) == count
        return taken

    assert steps(800) < 5 * steps(200)


# -- several data sets at once ------------------------------------------------------------------------


def found(names, data_set, files, data_sets=()):
    pool = ImagePool(files, [data_set, *data_sets])
    return {name: files[n].path for name, n in pool.find(names, data_set).files.items()}


def files_of(source, *paths):
    return [PooledFile(path, source) for path in paths]


def test_each_data_set_has_the_images_beside_it_and_never_those_of_another():
    files = files_of("set/", "train/1.png", "train/2.png", "val/1.png", "3.png")
    train, val = files_of("set/", "train/ann.json", "val/ann.json")
    assert found(["1.png", "2.png", "3.png"], val, files, [train]) == {"1.png": "val/1.png", "3.png": "3.png"}
    assert found(["1.png", "2.png"], train, files, [val]) == {"1.png": "train/1.png", "2.png": "train/2.png"}


def test_a_data_set_beside_a_folder_of_its_name_takes_that_one():
    files = files_of("set/", "images/train2017/1.png", "images/val2017/1.png", "images/train2017/2.png")
    train, val = files_of(
        "set/", "annotations/instances_train2017.json", "annotations/instances_val2017.json"
    )
    assert found(["1.png", "2.png"], val, files, [train]) == {"1.png": "images/val2017/1.png"}


def test_a_name_of_the_list_does_not_hide_the_folders_that_its_records_name():
    files = files_of("set/", *(f"images/default/{part}/1.png" for part in ("train", "test")))
    (data_set,) = files_of("set/", "annotations/test.json")
    pool = ImagePool(files, [data_set])
    found = pool.find(["train/1.png", "test/1.png"], data_set)
    assert found.files == {"train/1.png": 0, "test/1.png": 1} and found.refused == ()
    alone = ImagePool(files[:1], [data_set]).find(["test/1.png"], data_set)
    assert alone.files == {} and "images/default/train/1.png" in alone.refused[0]


def test_labels_and_images_of_a_split_are_together():
    files = files_of("set/", "a/images/1.png", "b/images/1.png")
    first, second = files_of("set/", "a/labels/ann.json", "b/labels/ann.json")
    assert found(["1.png"], second, files, [first]) == {"1.png": "b/images/1.png"}


def test_zips_keep_to_themselves_and_pictures_alone_are_for_all():
    files = [*files_of("a.zip/", "1.png"), *files_of("b.zip/", "2.png"), *files_of("more/", "3.png")]
    (mine,), (other,) = files_of("b.zip/", "ann.json"), files_of("a.zip/", "ann.json")
    assert found(["1.png", "2.png", "3.png"], mine, files, [other]) == {"2.png": "2.png", "3.png": "3.png"}


# -- folders on disk ----------------------------------------------------------------------------------


def write(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(path.name.encode())
    return path


def in_folder(folder, names, data_set="/nowhere/ann.json"):
    images = FolderImages(folder, type(folder)(data_set))
    found = images.expect(names)
    assert set(found.files) == set(images.paths)
    return {name: path.relative_to(folder).as_posix() for name, path in images.paths.items()}


def test_links_are_followed_and_names_do_not_escape(tmp_path):
    far = write(tmp_path / "far" / "deep" / "b.png").parent
    secret = write(tmp_path / "secret.png")
    folder = tmp_path / "set"
    write(folder / "c.png")
    (folder / "a.png").symlink_to(far / "b.png")
    (folder / "linked").symlink_to(tmp_path / "far")
    (folder / "loop").symlink_to(folder)
    names = ["a.png", "linked/deep/b.png"]
    assert in_folder(folder, names) == {name: name for name in names}
    assert in_folder(folder, [*names, "none.png"]) == {name: name for name in names}
    for name in (
        "../secret.png",
        str(secret),
        "a/../../secret.png",
        "linked/../../secret.png",
        "\0",
        "x" * 5000,
    ):
        assert in_folder(folder, ["c.png", name]) == {"c.png": "c.png"}
    assert sorted(p.name for p in walk_folder(folder)) == ["a.png", "b.png", "c.png"]


def test_a_record_is_relative_to_its_data_set_first(tmp_path):
    for name in ("1.png", "train/1.png", "val/1.png"):
        write(tmp_path / name)
    write(tmp_path / "val" / "ann.json")
    assert in_folder(tmp_path, ["1.png"], tmp_path / "val" / "ann.json") == {"1.png": "val/1.png"}
    assert in_folder(tmp_path, ["1.png"]) == {"1.png": "1.png"}
