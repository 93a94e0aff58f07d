"""Zips of a few kilobytes whose JSON unpacks into gigabytes."""

import pytest

from maskrcnn_core.images.archives import ArchiveMember, ZipLimits, read_zip_images
from maskrcnn_core.images.reading import encode_png
from maskrcnn_core.projects.exchange.intake import import_files
from tests.builders.core import make_image
from tests.builders.hostile import SIZE, as_bytes, document, zipped
from tests.integration.bounds.memory import run_within

IMPORT = """
import sys
from tests.integration.bounds.memory import peak_megabytes
from maskrcnn_core.projects.exchange.intake import import_files
from maskrcnn_core.projects.db.location import StorePlace
from maskrcnn_core.projects.store import Store
from pathlib import Path
folder, *files = sys.argv[1:]
store = Store(StorePlace.in_folder(Path(folder)))
project = store.create_project("P", "ann").id
for file in files:
    report = import_files(store, project, "ann", [(file, open(file, "rb").read())])
    print(report.instances, *report.refused, sep="|")
print(peak_megabytes())
"""


def test_json_of_gigabytes_in_a_small_zip_is_read_up_to_one_limit(tmp_path):
    spaces = b" " * (16 * 2**20 - 2) + b"{}"
    lists = b'{"images":[],"categories":[],"annotations":[%s]}' % (b"[]," * 5_000_000 + b"[]")
    photo = encode_png(make_image(*SIZE))
    good = {"a__json": as_bytes(document()), "photo__png": photo}
    for name, members in (
        ("spaces.zip", good | {f"j{n}__json": spaces for n in range(40)}),
        ("lists.zip", good | {f"j{n}__json": lists for n in range(8)}),
    ):
        (tmp_path / name).write_bytes(zipped(**members))
    files = [str(tmp_path / "spaces.zip"), str(tmp_path / "lists.zip")]
    done = run_within(4000, "-c", IMPORT, str(tmp_path / "data"), *files)
    assert done.returncode == 0, done.stderr
    spaced, listed, peak = done.stdout.splitlines()
    said = "expected at most 256 MiB, 50,000,000 values and 20,000 files of annotations in one archive"
    assert spaced.startswith("1|") and f"{said}; 25 files are not read, the first is j15.json" in spaced
    assert listed.startswith("0|") and f"{said}; 4 files are not read, the first is j4.json" in listed
    assert int(peak) < 1000


@pytest.mark.parametrize(
    ("limits", "taken"),
    [
        (ZipLimits(max_json_bytes=450), ["a.json", "b.json", "photo.png"]),
        (ZipLimits(max_json_files=1), ["a.json", "photo.png"]),
        (ZipLimits(max_json_values=3), ["photo.png"]),
        (ZipLimits(), ["a.json", "b.json", "c.json", "photo.png"]),
    ],
)
def test_images_after_json_that_is_not_read_are_taken(limits, taken):
    data = as_bytes(document())[:200]
    archive = zipped(a__json=data, b__json=data, c__json=data, photo__png=encode_png(make_image(*SIZE)))
    members = list(read_zip_images(archive, "z.zip", limits, other_suffixes={".json"}))
    assert [member.name for member in members if isinstance(member, ArchiveMember)] == taken
    assert len(members) == len(taken) + (len(taken) < 4)


def test_a_zip_of_very_many_data_sets_is_not_a_thousand_decisions_and_more(store, project):
    members = {f"{n}__json": b"{}" for n in range(1005)}
    report = import_files(store, project, "ann", [("many.zip", zipped(**members))])
    assert len(report.refused) == 1001 and "5 data sets are not read" in "".join(report.refused)
