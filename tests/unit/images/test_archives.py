from __future__ import annotations

import io
import stat
import struct
import time
import tracemalloc
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest

from maskrcnn_core.errors import ArchiveError
from maskrcnn_core.images.archives import ArchiveMember, Refusal, ZipLimits, read_zip_images
from maskrcnn_core.images.reading import decode_image, encode_png


def make_png(value=0):
    return encode_png(np.full((3, 4, 3), value, np.uint8))


def make_zip(*members, compression=zipfile.ZIP_DEFLATED):
    """A zip of ``(name or ZipInfo, bytes)`` pairs, in order, twins included."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression) as archive:
        for name, data in members:
            archive.NameToInfo.pop(name if isinstance(name, str) else name.filename, None)
            archive.writestr(name, data, compress_type=compression)
    return out.getvalue()


def read(source, limits=None, **options):
    """``(names and bytes of images, refusals by name)``."""
    found = list(read_zip_images(source, "set.zip", limits or ZipLimits(), **options))
    images = [(m.name, m.data) for m in found if isinstance(m, ArchiveMember)]
    refusals = {r.name: r.message for r in found if isinstance(r, Refusal)}
    for message in refusals.values():
        assert message.startswith("set.zip: ") and "\n" not in message
    return images, refusals


def test_images_come_one_by_one_in_order_with_their_names_and_bytes():
    members = [("b/2.png", make_png(2)), ("a/1.png", make_png(1)), ("日本 😀.png", make_png(3))]
    assert read(make_zip(*members)) == (members, {})


def test_bytes_files_and_paths_are_read_alike(tmp_path):
    data = make_zip(("1.png", make_png()))
    path = tmp_path / "set.zip"
    path.write_bytes(data)
    with path.open("rb") as file:
        assert read(file) == read(io.BytesIO(data)) == read(data) == read(path) == read(str(path))
        assert not file.closed


def test_an_empty_archive_yields_nothing():
    assert read(make_zip()) == ([], {})


def test_members_decode_under_their_names():
    [(name, data)], _ = read(make_zip(("x/é.png", make_png(7))))
    assert decode_image(data, name).pixels.mean() == 7


def test_folders_and_litter_are_passed_over_in_silence():
    litter = ["__MACOSX/._1.png", "a/.DS_Store", "Thumbs.db", "a/desktop.ini", "a/._2.png", "a/"]
    images, refusals = read(make_zip(*[(name, b"x") for name in litter], ("1.png", make_png())))
    assert [name for name, _ in images] == ["1.png"] and refusals == {}


def test_what_is_no_image_is_named_and_the_rest_goes_on():
    images, refusals = read(
        make_zip(
            ("readme.txt", b"hello"), ("empty.png", b""), ("eps.png", b"%!PS-Adobe"), ("1.png", make_png())
        )
    )
    assert [name for name, _ in images] == ["1.png"]
    assert set(refusals) == {"readme.txt", "empty.png", "eps.png"}
    assert "got an empty file" in refusals["empty.png"]
    assert refusals["eps.png"].startswith("set.zip: eps.png: expected")


def test_other_members_can_be_asked_for_by_their_ending():
    data = make_zip(("annotations.JSON", b"{}"), ("notes.txt", b"x"))
    images, refusals = read(data, other_suffixes={".json"})
    assert images == [("annotations.JSON", b"{}")] and set(refusals) == {"notes.txt"}


def test_archives_within_are_named_and_not_opened():
    inner = make_zip(("deep.png", make_png()))
    images, refusals = read(make_zip(("more.zip", inner), ("hidden.png", inner), ("x.tar", b"ustar")))
    assert images == [] and set(refusals) == {"more.zip", "hidden.png", "x.tar"}
    assert all("not opened" in message for message in refusals.values())


@pytest.mark.parametrize(
    "name", ["../up.png", "a/../../up.png", "/root.png", "C:/win.png", "..\\up.png", "\\\\host\\x.png"]
)
def test_names_that_point_out_of_the_archive_are_refused(name):
    images, refusals = read(make_zip((name, make_png()), ("ok.png", make_png())))
    assert [n for n, _ in images] == ["ok.png"]
    assert list(refusals) == [name.replace("\\", "/")] and "points outside" in str(refusals)


def test_symbolic_links_and_devices_are_refused():
    def special(name, kind):
        info = zipfile.ZipInfo(name)
        info.create_system = 3
        info.external_attr = (kind | 0o777) << 16
        return info

    _, refusals = read(
        make_zip((special("link.png", stat.S_IFLNK), b"/etc/passwd"), (special("d.png", stat.S_IFCHR), b""))
    )
    assert "a symbolic link" in refusals["link.png"] and "a special file" in refusals["d.png"]


def test_of_two_members_of_one_name_the_first_is_kept():
    images, refusals = read(make_zip(("1.png", make_png(1)), ("1.png", make_png(2))))
    assert images == [("1.png", make_png(1))]
    assert "occurs twice" in refusals["1.png"]


def test_encrypted_members_are_refused():
    data = bytearray(make_zip(("1.png", make_png())))
    data[6] |= 1  # the flag in the local header and in the directory
    data[data.index(b"PK\1\2") + 8] |= 1
    assert "encrypted" in read(bytes(data))[1]["1.png"]


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_compressions_that_can_take_gigabytes_at_once_are_refused(method):
    _, refusals = read(make_zip(("1.png", make_png()), compression=method))
    assert f"compression method {method}" in refusals["1.png"]


def test_a_broken_member_is_refused_and_the_rest_goes_on():
    good, bad = make_png(1), make_png(2)
    data = bytearray(make_zip(("bad.png", bad), ("good.png", good), compression=zipfile.ZIP_STORED))
    data[30 + len("bad.png") + 40] ^= 0xFF
    images, refusals = read(bytes(data))
    assert images == [("good.png", good)] and "CRC" in refusals["bad.png"]


def test_a_bomb_is_refused_early_and_costs_little_memory():
    bomb = make_zip(("bomb.png", make_png() + bytes(200 * 2**20)), ("ok.png", make_png()))
    assert len(bomb) < 300_000
    tracemalloc.start()
    start = time.perf_counter()
    images, refusals = read(bomb)
    assert tracemalloc.get_traced_memory()[1] < 30 * 2**20 and time.perf_counter() - start < 2
    tracemalloc.stop()
    assert [n for n, _ in images] == ["ok.png"] and ": 1, as in zip bombs" in refusals["bomb.png"]


def test_a_member_that_promises_less_than_it_holds_is_refused():
    data = bytearray(make_zip(("1.png", make_png() + bytes(10**6))))
    at = data.index(b"PK\1\2")
    data[at + 24 : at + 28] = struct.pack("<L", 100)
    assert set(read(bytes(data))[1]) == {"1.png"}


def test_a_white_page_compresses_well_and_is_taken():
    page = make_png() + bytes(4 * 2**20)
    assert read(make_zip(("page.png", page)))[0] == [("page.png", page)]


def test_a_member_above_its_limit_is_refused_and_the_rest_goes_on():
    data = make_zip(("big.png", make_png() + bytes(5000)), ("ok.png", make_png()))
    images, refusals = read(data, ZipLimits(max_member_bytes=4000))
    assert [n for n, _ in images] == ["ok.png"] and "at most" in refusals["big.png"]


def test_the_total_is_limited_and_what_came_before_stays():
    steps = read_zip_images(
        make_zip(*[(f"{n}.png", make_png(n)) for n in range(5)]),
        "set.zip",
        ZipLimits(max_total_bytes=2 * len(make_png(0)) + 20),
    )
    assert [next(steps).name, next(steps).name] == ["0.png", "1.png"]
    with pytest.raises(ArchiveError, match=r"^set\.zip: expected at most .* got more at '2\.png'"):
        next(steps)


def test_a_hundred_thousand_entries_are_refused_quickly():
    entry = b"PK\1\2" + bytes(24) + struct.pack("<H", 4) + bytes(16)
    for size, padding in ((100_000, b""), (60_000, b"x" * 400)):
        directory = b"".join(
            entry[:30] + struct.pack("<H", len(padding)) + entry[32:] + b"%04x" % (n % 65536) + padding
            for n in range(size)
        )
        end = b"PK\5\6" + struct.pack("<HHHHLLH", 0, 0, 65535, 65535, len(directory), 0, 0)
        start = time.perf_counter()
        with pytest.raises(ArchiveError, match=r"^set\.zip: expected at most 20000 entries"):
            read(directory + end)
        assert time.perf_counter() - start < 10


def test_entries_that_overlap_are_refused():
    """Two entries of the directory point at the same data, as in a bomb after Fifield."""
    data = make_zip(("1.png", make_png()), ("2.png", make_png()))
    at = data.rindex(b"PK\1\2")
    twisted = bytearray(data)
    twisted[at + 42 : at + 46] = struct.pack("<L", 0)
    with pytest.raises(ArchiveError, match="overlap"):
        read(bytes(twisted))


def test_names_are_shown_as_themselves_in_utf8_and_in_old_code_pages():
    def raw_name(name):  # as old tools write it: bytes without the UTF-8 flag
        data = make_zip(("N" * len(name), make_png()))
        return data.replace(b"N" * len(name), name)

    assert read(raw_name("été.png".encode()))[0][0][0] == "été.png"
    assert read(raw_name("été.png".encode("cp437")))[0][0][0] == "été.png"


@pytest.mark.parametrize(
    "name", ["=1+1.png", "![x](http://y).png", "a\nb.png", "x" * 300 + ".png", "\u202egnp.png"]
)
def test_evil_names_come_back_exactly_and_stay_on_one_line_in_messages(name):
    assert read(make_zip((name, make_png())))[0] == [(name, make_png())]
    assert list(read(make_zip((name, b"no image")))[1]) == [name]


def test_backslashes_of_windows_zips_are_folders():
    assert read(make_zip(("a\\b\\1.png", make_png())))[0][0][0] == "a/b/1.png"


@pytest.mark.parametrize("data", [b"", b"PK", b"no zip at all", b"PK\5\6" + bytes(10), make_png()])
def test_what_is_no_zip_is_refused_by_name(data):
    with pytest.raises(ArchiveError, match=r"^set\.zip: expected a whole zip archive"):
        read(data)


def test_a_missing_archive_is_refused_by_name():
    with pytest.raises(ArchiveError, match=r"^set\.zip: cannot read this archive \(No such file"):
        read(Path("nowhere/set.zip"))


def test_archives_cut_short_or_with_flipped_bytes_never_raise_anything_else():
    data = make_zip(*[(f"{n}.png", make_png(n)) for n in range(3)])
    rng = np.random.default_rng(0)
    variants = [data[:n] for n in range(0, len(data), 7)]
    for _ in range(400):
        broken = bytearray(data)
        for at in rng.integers(0, len(data), 3):
            broken[at] = rng.integers(256)
        variants.append(bytes(broken))
    for variant in variants:
        try:
            read(variant)
        except ArchiveError as error:
            assert str(error).startswith("set.zip: ") and "\n" not in str(error)


def test_a_zip64_archive_is_read():
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive, archive.open("1.png", "w", force_zip64=True) as file:
        file.write(make_png(5))
    assert read(out.getvalue())[0] == [("1.png", make_png(5))]
    assert zlib.crc32(make_png(5))  # the PNG is what was put in
