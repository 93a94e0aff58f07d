"""Published files without a published SHA-256: the first one is pinned, and another one refused."""

import dataclasses
import hashlib

import pytest

from maskrcnn_core.errors import WeightsError
from maskrcnn_core.models import loading
from maskrcnn_core.models.catalog import default_model, model_by_key
from maskrcnn_core.models.downloads import DownloadFailed
from maskrcnn_core.models.loading import fetch_weights, get_model, load_model
from maskrcnn_core.models.pins import pin_file
from maskrcnn_core.models.spec import LoadedModel
from maskrcnn_core.models.weights_files import weights_file
from tests.integration.models.test_downloads import BODY, server

__all__ = ["server"]

MD5 = hashlib.md5(BODY, usedforsecurity=False).hexdigest()


@pytest.fixture
def spec(monkeypatch, tmp_path, server):
    """A row whose publisher names the MD5's first digits, served from here."""
    for name in ("MASKDESK_WEIGHTS", "XDG_CACHE_HOME", "TORCH_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "weights"))
    monkeypatch.delenv("MASKDESK_MIRROR", raising=False)
    monkeypatch.setattr(loading, "_LOADED", {})
    row = model_by_key("d2-r50")
    monkeypatch.setattr(LoadedModel, "of", lambda row, network, digest: digest)
    return dataclasses.replace(row, url=server.url, md5=MD5[:6], build=lambda file: None)


def test_the_first_download_is_pinned_and_loads(spec, server):
    file = fetch_weights(spec)
    digest = hashlib.sha256(BODY).hexdigest()
    assert pin_file(file).read_text() == f"{digest}  model_final_f10217.pkl\n"
    assert load_model(spec) == digest
    assert fetch_weights(spec) == file and len(server.ranges) == 1, "it is there"


def test_another_file_under_its_name_is_refused_by_name(spec, server):
    file = fetch_weights(spec)
    file.write_bytes(BODY[:-1] + b"!")
    with pytest.raises(WeightsError, match=r"first came as d2-r50 .* model_final_f10217.pkl.sha256"):
        load_model(spec)
    server.body = b"!" + BODY[1:]
    with pytest.raises(DownloadFailed, match=r"SHA-256 begins with .* delete that to take the new file"):
        load_model(spec, download=True)
    server.body = BODY
    assert load_model(spec, download=True) == hashlib.sha256(BODY).hexdigest()


def test_a_first_file_of_another_md5_than_its_name_says_is_none(spec, server, tmp_path):
    server.body = b"!" + BODY[1:]
    with pytest.raises(DownloadFailed, match=rf"its MD5 begins with .*, expected {MD5[:6]}") as caught:
        fetch_weights(spec)
    assert caught.value.trouble == "wrong file" and weights_file(spec) is None
    file = tmp_path / "weights" / spec.file
    file.write_bytes(server.body)
    with pytest.raises(WeightsError, match=rf"whose MD5 begins with {MD5[:6]}, got an MD5 of"):
        load_model(spec)
    assert not pin_file(file).exists()


def test_a_file_that_was_put_there_by_hand_is_pinned_when_it_is_first_loaded(spec, tmp_path):
    file = tmp_path / "weights" / spec.file
    file.parent.mkdir(parents=True)
    file.write_bytes(BODY)
    load_model(spec)
    assert pin_file(file).exists()


def test_a_download_that_nothing_can_be_compared_with_is_not_pieced_together(spec, server):
    bare = dataclasses.replace(spec, md5="")
    server.cut_after = 1000
    with pytest.raises(DownloadFailed):
        fetch_weights(bare)
    server.cut_after = None
    fetch_weights(bare)
    assert server.ranges == [None, None]


def test_a_pin_that_is_none_is_told(spec):
    file = fetch_weights(spec)
    pin_file(file).write_text("what?")
    with pytest.raises(WeightsError, match=r"the SHA-256 that model_final_f10217.pkl first came with"):
        load_model(spec)


def test_a_model_of_the_zoo_is_the_default_once_it_is_here_and_not_before(spec, tmp_path):
    assert default_model().key == "photos"
    file = tmp_path / "weights" / model_by_key("d2-r101-lsj").file
    file.parent.mkdir(parents=True)
    file.write_bytes(b"weights")
    assert default_model().key == "d2-r101-lsj"
    with pytest.raises(WeightsError, match="whose MD5 begins with f96b26"):
        get_model("d2-r101-lsj")
