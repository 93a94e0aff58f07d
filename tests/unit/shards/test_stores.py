"""What is said of a store that cannot be used: each driver has errors of its own."""

from importlib import import_module
from importlib.util import find_spec

import pytest

from maskrcnn_core.errors import ExportError, ImageError, InputError
from maskrcnn_core.shards.entries import Entry, Reader
from maskrcnn_core.shards.stores import Folder, of_one_kind, open_input, put_file
from tests.builders.cli import invoke
from tests.builders.shards import entries_of
from tests.needs import lacks

WHY = r"Unable to locate credentials; check the network, and the keys and the address of its server"


@pytest.fixture
def without_keys(monkeypatch, tmp_path):
    """An environment with no keys for a bucket, in which no server answers either."""
    if find_spec("s3fs") is None:
        lacks("no s3fs")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "absent"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    files = import_module("s3fs").S3FileSystem
    files.clear_instance_cache()  # they remember the keys that they were made with
    yield
    files.clear_instance_cache()


@pytest.mark.usefixtures("without_keys")
def test_without_keys_each_use_of_a_store_is_refused_in_a_sentence(tmp_path):
    (tmp_path / "a").write_bytes(b"a")
    with pytest.raises(ExportError, match=rf"s3://desk/a: cannot write \({WHY}"):
        put_file(tmp_path / "a", "s3://desk/a")
    with pytest.raises(ExportError, match=rf"s3://desk/b/c: cannot read \({WHY}"):
        Folder("s3://desk/b").read("c")
    with pytest.raises(ExportError, match=rf"s3://desk/b/c: cannot write \({WHY}"):
        Folder("s3://desk/b").write("c", b"")
    with pytest.raises(InputError, match=rf"s3://desk/c.zip: cannot read this file \({WHY}"):
        open_input("s3://desk/c.zip")
    with pytest.raises(InputError, match=rf"s3://desk/d: cannot list this address \({WHY}"):
        entries_of("s3://desk/d")
    with pytest.raises(ImageError, match=rf"e.png: cannot read this file \({WHY}"):
        Reader().data_of(Entry("e.png", "file", "s3://desk/e.png"))


@pytest.mark.usefixtures("without_keys")
def test_the_command_line_says_it_too(tmp_path):
    result = invoke("annotate", "s3://desk/in", "--shards", tmp_path / "shards")
    assert result.exit_code == 2 and "s3://desk/in: cannot list this address (Unable to" in result.stderr


def test_a_mistake_in_a_program_stays_one():
    with pytest.raises(TypeError), of_one_kind("s3://desk/a"):
        raise TypeError
    with pytest.raises(UserWarning), of_one_kind("here/a"):
        raise UserWarning
