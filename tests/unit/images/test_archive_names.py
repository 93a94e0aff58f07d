"""Names in zips as their writers meant them, whatever code page their computers had."""

import io
import json
import struct
import zipfile
import zlib

import pytest

from maskrcnn_core.images.archives import ArchiveMember, read_zip_images
from tests.unit.images.test_archives import make_png

PNG = make_png()


def packed(names, encoding, *, json_names=(), extra=lambda raw: b""):
    """A zip as old programs write it: bytes of a code page, and no word about which."""
    stream = io.BytesIO()
    raws = {chr(65 + number) * len(name.encode(encoding)): name for number, name in enumerate(names)}
    with zipfile.ZipFile(stream, "w") as archive:
        for stand_in, name in raws.items():
            info = zipfile.ZipInfo(stand_in)
            info.extra = extra(name.encode(encoding))
            archive.writestr(info, PNG)
        if json_names:
            archive.writestr("instances.json", json.dumps({"images": [{"file_name": n} for n in json_names]}))
    data = stream.getvalue()
    for stand_in, name in raws.items():
        assert data.count(stand_in.encode()) == 2
        data = data.replace(stand_in.encode(), name.encode(encoding))
    return data


def names_read(data, **options):
    members = read_zip_images(data, "set.zip", **options)
    return {m.name for m in members if isinstance(m, ArchiveMember)}


@pytest.mark.parametrize(
    ("encoding", "names"),
    [
        ("gbk", ["\u56fe\u7247\u4e00.png", "\u56fe\u7247\u4e8c.png"]),
        ("gbk", ["\u8bad\u7ec3\u96c6/\u732b.png"]),
        ("shift_jis", ["\u753b\u50cf.png", "\u30c6\u30b9\u30c8.png"]),
        ("shift_jis", ["\u65b0\u3057\u3044\u30d5\u30a9\u30eb\u30c0\u30fc/\u7d30\u80de1.png"]),
        ("cp1252", ["caf\u00e9.png"]),
        ("cp1252", ["M\u00fcller/Gr\u00f6\u00dfe.png", "\u00dcbersicht.png"]),
        ("cp437", ["caf\u00e9.png"]),
        ("cp437", ["M\u00fcller/Gr\u00f6\u00dfe.png", "se\u00f1al.png"]),
        ("utf-8", ["\u56fe\u7247\u4e00.png", "caf\u00e9.png"]),
        ("utf-8", ["\U0001f600.png"]),
        ("big5", ["\u7d30\u80de.png", "\u7167\u7247.png"]),
        ("cp1251", ["\u0424\u043e\u0442\u043e.png"]),
        ("cp866", ["\u043a\u043b\u0435\u0442\u043a\u0438/\u043a\u043e\u0448\u043a\u0430.png"]),
    ],
)
def test_names_of_many_languages_read_as_they_were_written(encoding, names):
    assert names_read(packed(names, encoding)) == set(names)


@pytest.mark.parametrize(
    ("encoding", "name"),
    [
        ("cp850", "S\u00e3o.png"),
        ("cp949", "\uc0ac\uc9c4.png"),
        ("cp1252", "\u00c6\u00d8\u00c5.png"),
        ("cp437", "\u03a3.png"),
    ],
)
def test_the_data_set_inside_says_what_bytes_alone_do_not(encoding, name):
    data = packed([name], encoding, json_names=[f"images/{name}"])
    assert names_read(data) == {name}


def test_the_unicode_path_field_counts_where_it_is_of_this_very_name():
    def field(name, raw):
        content = b"\x01" + struct.pack("<L", zlib.crc32(raw)) + name.encode()
        return struct.pack("<HH", 0x7075, len(content)) + content

    assert names_read(packed(["?.png"], "ascii", extra=lambda raw: field("\u732b.png", raw))) == {"?.png"}
    right = packed(["\u732b.png"], "cp932", extra=lambda raw: field("\u732b right.png", raw))
    assert names_read(right) == {"\u732b right.png"}
    stale = packed(["\u732b.png"], "cp932", extra=lambda raw: field("x.png", b"renamed since"))
    assert names_read(stale) == {"\u732b.png"}


def test_a_name_that_points_out_of_the_archive_does_so_in_no_code_page():
    members = list(read_zip_images(packed(["..\\\u56fe.png"], "gbk"), "set.zip"))
    assert not any(isinstance(member, ArchiveMember) for member in members)


def test_an_archive_of_nothing_has_no_names():
    assert names_read(packed([], "utf-8")) == set()
