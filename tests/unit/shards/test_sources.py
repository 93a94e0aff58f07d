"""From what a person names to images: the same in the same order, and nothing that hostile archives want."""

import io
import os
import tarfile
import zipfile

import pyarrow
import pytest
from pyarrow import parquet

from maskrcnn_core.batch import find_files, plan_images
from maskrcnn_core.errors import ArchiveError, ImageError, InputError
from maskrcnn_core.images.reading import image_size
from maskrcnn_core.shards import sources as sources_module
from maskrcnn_core.shards.entries import Entry, Reader
from tests.builders.shards import entries_of, make_folder, png


def tar_of(path, *members, format=tarfile.PAX_FORMAT):
    """A tar of ``(name, bytes)`` and of finished ``TarInfo``."""
    with tarfile.open(path, "w", format=format) as archive:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                archive.addfile(member)
            else:
                info = tarfile.TarInfo(member[0])
                info.size = len(member[1])
                archive.addfile(info, io.BytesIO(member[1]))
    return path


def zip_of(path, *members):
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members:
            archive.writestr(name, data)
    return path


def names(entries):
    return [entry.file_name for entry in entries]


def sizes(entries):
    reader = Reader()
    found = [image_size(reader.data_of(entry), entry.shown) for entry in entries]
    reader.close()
    return found


def test_a_folder_is_as_a_run_into_one_file_has_it(tmp_path):
    folder = make_folder(tmp_path / "in", 7)
    (folder / "notes.txt").write_text("no image, and no list that was named")
    found, refused = entries_of(folder)
    planned = plan_images(find_files([folder]))
    assert names(found) == [image.file_name for image in planned] and len(found) == 7
    assert [entry.place for entry in found] == [str(image.path) for image in planned]
    assert not refused


@pytest.mark.parametrize("pack", [zip_of, tar_of], ids=["zip", "tar"])
def test_archives_are_read_member_by_member_and_again(tmp_path, pack):
    members = [(f"a/{n}.png", png(n, 20 + n)) for n in range(5)]
    archive = pack(tmp_path / f"x.{pack.__name__[:3]}", *members, ("a/0.json", b"{}"), ("readme.txt", b"hi"))
    found, refused = entries_of(archive)
    assert names(found) == [name for name, _ in members] and not refused
    assert sizes(found) == [(20 + n, 32) for n in range(5)]
    assert sizes(found[::-1]) == [(20 + n, 32) for n in range(5)][::-1]
    assert entries_of(archive)[0] == found
    assert [Entry.of_row(entry.row()) for entry in found] == found


def test_members_of_several_archives_have_the_archives_names_before_them(tmp_path):
    one, two = (tar_of(tmp_path / f"{n}.tar", ("000.png", png(n))) for n in (1, 2))
    assert names(entries_of(one, two)[0]) == ["1.tar/000.png", "2.tar/000.png"]
    assert names(entries_of(tmp_path / "*.tar")[0]) == ["1.tar/000.png", "2.tar/000.png"]


def test_names_in_a_zip_that_point_outside_are_refused_and_the_rest_is_read(tmp_path):
    archive = zip_of(
        tmp_path / "x.zip", ("../../up.png", png(1)), ("/root.png", png(2)), ("good.png", png(3))
    )
    found, refused = entries_of(archive)
    assert names(found) == ["good.png"] and len(sizes(found)) == 1
    assert len(refused) == 2 and all("points outside" in reason for reason in refused)


def test_what_a_tar_may_not_have_is_refused_and_the_rest_is_read(tmp_path):
    link, device, large = (tarfile.TarInfo(f"{name}.png") for name in ("link", "device", "large"))
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    device.type = tarfile.CHRTYPE
    archive = tar_of(
        tmp_path / "x.tar", ("../up.png", png(1)), ("/root.png", png(1)), link, device, ("good.png", png(3))
    )
    found, refused = entries_of(archive)
    assert names(found) == ["good.png"]
    assert [reason.partition(": expected ")[2].split(",")[0] for reason in refused] == [
        "a name within the archive",
        "a name within the archive",
        "a regular file",
        "a regular file",
    ]
    large.size = 257 * 2**20
    (tmp_path / "y.tar").write_bytes(large.tobuf(tarfile.PAX_FORMAT))
    os.truncate(tmp_path / "y.tar", 258 * 2**20)  # a hole, which takes no room on the disk
    found, refused = entries_of(tmp_path / "y.tar")
    assert not found and len(refused) == 1 and "at most 256 MiB" in refused[0]


def test_a_tar_that_is_cut_short_keeps_what_is_before(tmp_path):
    archive = tar_of(tmp_path / "x.tar", *[(f"{n}.png", png(n)) for n in range(4)])
    last = entries_of(archive)[0][2]
    os.truncate(archive, last.at + 100)
    found, refused = entries_of(archive)
    assert names(found) == ["0.png", "1.png", "2.png"]
    assert len(refused) == 1 and "what follows 2.png cannot be read" in refused[0]


def test_a_header_that_claims_gigabytes_is_refused_before_it_is_read(tmp_path):
    header = tarfile.TarInfo("././@LongLink")
    header.type, header.size = tarfile.GNUTYPE_LONGNAME, 2**33
    (tmp_path / "x.tar").write_bytes(header.tobuf(tarfile.GNU_FORMAT) + bytes(2048))
    with pytest.raises(ArchiveError, match="headers of at most 1 MiB"):
        entries_of(tmp_path / "x.tar")


@pytest.mark.parametrize("name", ["x.zip", "x.tar"])
def test_an_archive_that_is_none_is_refused(tmp_path, name):
    (tmp_path / name).write_bytes(b"no archive" * 1000)
    with pytest.raises(ArchiveError, match=rf"{name}: expected a whole .* archive"):
        entries_of(tmp_path / name)


def test_a_packed_tar_is_refused_with_what_helps(tmp_path):
    (tmp_path / "x.tar.gz").write_bytes(b"\x1f\x8b")
    with pytest.raises(InputError, match="expected a tar that is not compressed"):
        entries_of(tmp_path / "x.tar.gz")


def test_a_tar_that_was_cut_short_since_fails_for_its_images_alone(tmp_path):
    archive = tar_of(tmp_path / "x.tar", ("a.png", png(1)), ("b.png", png(2, 60, 60)))
    found, _ = entries_of(archive)
    os.truncate(archive, found[1].at + 10)
    reader = Reader()
    assert image_size(reader.data_of(found[0]), "a.png") == (24, 32)
    with pytest.raises(ImageError, match=r"^b.png: expected .* bytes, got 10: the archive is cut short"):
        reader.data_of(found[1])
    reader.close()


def test_lists_name_files_beside_them_and_anywhere(tmp_path):
    folder = make_folder(tmp_path / "in", 2)
    lines = f"image 1.png\n\n  sub/image 0.png\n{folder / 'image 1.png'}\n"
    (folder / "list.txt").write_text(lines, "utf-8-sig")
    found, refused = entries_of(folder / "list.txt")
    absolute = str(folder / "image 1.png").lstrip("/")
    assert names(found) == ["image 1.png", "sub/image 0.png", absolute] and not refused
    assert sizes(found) == [(24, 32)] * 3


def test_tables_have_addresses_in_a_column(tmp_path):
    folder = make_folder(tmp_path / "in", 3)
    places = [str(path) for path in sorted(folder.rglob("*.png"))]
    (tmp_path / "t.csv").write_text("id,where\n" + "".join(f'7,"{place}"\n' for place in places) + "8,\n")
    table = pyarrow.table({"where": [*places, None], "id": [1, 2, 3, 4]})
    parquet.write_table(table, tmp_path / "t.parquet")
    for name in ("t.csv", "t.parquet"):
        found, refused = entries_of(tmp_path / name, column="where")
        assert [entry.place for entry in found] == places
        assert len(refused) == 1 and "line 4: expected an address" in refused[0]
        with pytest.raises(
            InputError, match=r"--column: expected a column nowhere, got a table with .*where"
        ):
            entries_of(tmp_path / name, column="nowhere")
        with pytest.raises(InputError, match="--column: expected the name of a column"):
            entries_of(tmp_path / name)


def test_a_list_that_is_none_is_refused(tmp_path):
    (tmp_path / "t.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="expected a list in UTF-8"):
        entries_of(tmp_path / "t.txt")
    (tmp_path / "t.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(InputError, match="expected a Parquet file"):
        entries_of(tmp_path / "t.parquet")


def test_a_store_is_gone_through_by_name(tmp_path):
    folder = make_folder(tmp_path / "in", 4)
    (folder / ".hidden").mkdir()
    (folder / ".hidden" / "x.png").write_bytes(png())
    found, _ = entries_of(f"file://{folder}")
    assert names(found) == ["image 1.png", "image 2.png", "sub/image 0.png", "sub/image 3.png"]
    assert sizes(found) == [(24, 32)] * 4


def test_patterns_match_in_a_store_and_signs_may_be_names(tmp_path):
    folder = make_folder(tmp_path / "cats [1]", 4)
    assert names(entries_of(f"file://{folder}")[0])[0] == "image 1.png"
    (folder / "image 1.png").rename(folder / "image [1].png")
    assert names(entries_of(f"file://{folder}/image [1].png")[0]) == ["image [1].png"]
    plain = make_folder(tmp_path / "dogs", 8)
    assert names(entries_of(f"file://{plain}/image ?.png")[0]) == [f"image {n}.png" for n in (1, 2, 4, 5, 7)]
    assert names(entries_of(f"file://{plain}/s*/*.png")[0]) == [f"sub/image {n}.png" for n in (0, 3, 6)]


def test_a_driver_that_is_missing_is_named(monkeypatch):
    def url_to_fs(address, **options):
        raise ImportError("no driver")

    monkeypatch.setattr(sources_module.file_system.__globals__["fsspec"].core, "url_to_fs", url_to_fs)
    monkeypatch.setattr("maskrcnn_core.common.extras.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r's3://b/x: this address needs .*pip install "maskdesk\[stores\]"'):
        entries_of("s3://b/x")
    with pytest.raises(InputError, match=r"gs://b/x: .*pip install gcsfs"):
        entries_of("gs://b/x")
