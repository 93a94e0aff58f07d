"""Bytes by content, in a folder and in a bucket."""

import hashlib
import os

import fsspec
import pytest

from maskrcnn_core.errors import StoreError
from maskrcnn_core.projects.db.blobs import Blobs


@pytest.fixture(params=["folder", "bucket"])
def blobs(request, tmp_path):
    if request.param == "folder":
        yield Blobs(str(tmp_path / "files"))
        return
    bucket = fsspec.filesystem("memory")
    bucket.makedirs("/bucket", exist_ok=True)
    yield Blobs("memory://bucket/files/")
    bucket.rm("/bucket", recursive=True)


@pytest.mark.parametrize("data", [b"", b"a", os.urandom(300_000)])
def test_what_is_kept_comes_back(blobs, data):
    digest = hashlib.sha256(data).hexdigest()
    assert digest not in blobs or not data
    assert blobs.put(data) == digest == blobs.put(data)
    assert digest in blobs and blobs.get(digest) == data


def test_what_is_not_there_is_named(blobs):
    blobs.put(b"other")
    with pytest.raises(StoreError, match=f"{'0' * 64}: this file of the project is gone"):
        blobs.get("0" * 64)


def test_what_nobody_needs_goes_unless_it_was_kept_just_now(blobs):
    digest = blobs.put(b"old")
    assert not blobs.discard(digest, older_than=3600) and blobs.get(digest) == b"old"
    assert blobs.discard(digest, older_than=-1) and digest not in blobs
    assert blobs.discard(digest, older_than=3600), "it is not there"
    assert blobs.put(b"old") == digest and blobs.get(digest) == b"old"


def test_a_bucket_that_knows_no_times_loses_nothing(monkeypatch):
    blobs = Blobs("memory://bucket/timeless")
    digest = blobs.put(b"old")

    def modified(_):
        raise NotImplementedError

    monkeypatch.setattr(blobs._files, "modified", modified)
    with pytest.raises(StoreError, match="does not say when a file was written"):
        blobs.discard(digest, older_than=-1)
    assert blobs.get(digest) == b"old"


def test_what_is_kept_again_is_new_again(tmp_path):
    blobs = Blobs(str(tmp_path))
    digest = blobs.put(b"old")
    os.utime(tmp_path / digest[:2] / digest, (0, 0))
    blobs.put(b"old")
    assert not blobs.discard(digest, older_than=3600) and blobs.repaired == 0


def test_what_is_kept_again_while_it_goes_stays(tmp_path, monkeypatch):
    blobs = Blobs(str(tmp_path))
    digest = blobs.put(b"old")
    os.utime(tmp_path / digest[:2] / digest, (0, 0))
    move = os.replace

    def kept_again(source, target):
        if str(target).endswith(".going"):
            os.utime(source)
        move(source, target)

    monkeypatch.setattr(os, "replace", kept_again)
    assert not blobs.discard(digest, older_than=3600)
    assert [file.name for file in tmp_path.rglob("*") if file.is_file()] == [digest]


def test_what_a_killed_process_left_half_gone_goes(tmp_path):
    blobs = Blobs(str(tmp_path))
    digest = blobs.put(b"old")
    file = tmp_path / digest[:2] / digest
    file.rename(f"{file}.going")
    assert blobs.discard(digest, older_than=3600) and list(file.parent.iterdir()) == []


@pytest.mark.parametrize("digest", ["", "../../etc/passwd", "A" * 64, "0" * 63])
def test_only_digests_are_names(blobs, digest):
    with pytest.raises(ValueError, match="expected 64 hexadecimal digits"):
        blobs.get(digest)


@pytest.mark.parametrize("damage", [b"precioux", b"prec", b""])
def test_damage_is_noticed_and_mended_by_the_original(blobs, damage):
    digest = blobs.put(b"precious")
    spoil(blobs, digest, damage)
    with pytest.raises(StoreError, match="is damaged; restore a copy"):
        blobs.get(digest)
    assert blobs.repaired == 0
    blobs.put(b"precious")
    assert blobs.get(digest) == b"precious"
    assert blobs.repaired == 1
    blobs.put(b"precious")
    assert blobs.repaired == 1


def spoil(blobs, digest, damage):
    with fsspec.open(f"{blobs.address}/{digest[:2]}/{digest}", "wb") as file:
        file.write(damage)


def to_pipe(file):
    file.unlink()
    os.mkfifo(file)


def to_endless(file):
    with file.open("r+b") as opened:
        opened.truncate(2**40)  # a hole: it takes no room on the disk


def to_link(file):
    file.unlink()
    file.symlink_to("/nowhere/else")


def to_loop(file):
    file.unlink()
    file.symlink_to(file)


@pytest.mark.parametrize(("damage", "repaired"), [(to_pipe, 1), (to_endless, 1), (to_link, 0), (to_loop, 0)])
def test_whatever_a_file_system_has_made_of_a_file_the_original_mends_it(tmp_path, damage, repaired):
    blobs = Blobs(str(tmp_path))
    digest = blobs.put(b"pixels")
    damage(tmp_path / digest[:2] / digest)
    with pytest.raises(StoreError, match=r"is gone|is damaged|cannot read"):
        blobs.get(digest)
    assert blobs.put(b"pixels") == digest and blobs.get(digest) == b"pixels"
    assert blobs.repaired == repaired  # a link to nowhere is a file that is gone


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "files").write_text("a file")
    with pytest.raises(StoreError, match=r"cannot write .*; free some space or check the folder's rights"):
        Blobs(str(tmp_path / "files")).put(b"data")


def test_an_unknown_kind_of_address_is_named():
    with pytest.raises(StoreError, match=r"nowhere://bucket: .*[Pp]rotocol"):
        Blobs("nowhere://bucket")
