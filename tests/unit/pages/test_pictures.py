"""Pictures of stored images: each is made once, as long as there is room, and what failed is tried again."""

import pytest

from maskrcnn_core.errors import StoreError
from maskrcnn_core.images.reading import decode_image, encode_png
from pages.shared.pictures import Pictures
from tests.builders.core import make_image


@pytest.fixture
def digests(store):
    return [store.blobs.put(encode_png(make_image(seed=seed))) for seed in range(3)]


@pytest.fixture
def reads(store, monkeypatch):
    """The digests of files that were read, in order."""
    read, asked = store.blobs.get, []

    def get(digest):
        asked.append(digest)
        return read(digest)

    monkeypatch.setattr(store.blobs, "get", get)
    return asked


def ask(pictures, digest):
    return pictures.ask(digest).result(timeout=60)


def test_a_picture_shows_the_image_and_is_made_once(store, digests, reads):
    pictures = Pictures(store)
    first = ask(pictures, digests[0])
    assert decode_image(first.whole, "picture").size == make_image().shape[:2]
    assert decode_image(first.whole, "picture").format == "JPEG"
    assert ask(pictures, digests[0]) == first
    assert reads == digests[:1]


def test_those_used_last_are_kept_as_far_as_there_is_room(store, digests, reads):
    sizes = [ask(Pictures(store), digest).size for digest in digests]
    reads.clear()
    pictures = Pictures(store, bytes_kept=sum(sizes) - 1)
    for digest in (*digests, digests[2], digests[1], digests[0]):
        ask(pictures, digest)
    assert reads == [*digests, digests[0]], "the first one had to make room"


def test_a_picture_larger_than_all_room_is_shown_all_the_same(store, digests, reads):
    pictures = Pictures(store, bytes_kept=10)
    assert ask(pictures, digests[0]) == ask(pictures, digests[0])
    assert reads == [digests[0]] * 2


def test_what_could_not_be_read_is_tried_again(store, digests, reads, monkeypatch):
    pictures = Pictures(store)
    with monkeypatch.context() as patch:
        patch.setattr(store.blobs, "get", lambda digest: (_ for _ in ()).throw(StoreError("gone")))
        with pytest.raises(StoreError, match="gone"):
            ask(pictures, digests[0])
    assert ask(pictures, digests[0])
    assert reads == digests[:1]
