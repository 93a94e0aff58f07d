"""Images that go along with an export, such that all readers see them alike."""

from __future__ import annotations

from maskrcnn_core.dataset.annotations import AnnotatedImage
from maskrcnn_core.errors import ImageError
from maskrcnn_core.formats.base import Member
from maskrcnn_core.images.reading import HEAD_BYTES, decode_image, encode_png, image_format, is_upright

__all__ = ["image_member", "image_name"]

_TAKEN_ANYWHERE = {"JPEG": ".jpg", "PNG": ".png"}


def image_member(image: AnnotatedImage, stem: str) -> Member:
    """Return an image's own file, or a PNG of its pixels where that lies turned or is of a rarer kind.

    Readers differ in whether they turn an image upright: only upright copies look alike in all of them.

    Args:
        image: with its pixels.
        stem: of the file, with its folders.
    """
    data, suffix = _own_file(image)
    if data is not None:
        return Member(f"{stem}{suffix}", data)
    lost = _what_is_lost(image)
    note = f"{stem}.png: it comes along as it is seen: {lost}" if lost else ""
    return Member(f"{stem}.png", encode_png(image.load_pixels()), note)


def _what_is_lost(image: AnnotatedImage) -> str:
    """Return how an image's pixels differ from what is in its file; empty if they do not."""
    data = image.load_file() if image.load_file else None
    try:
        return "" if data is None else "; ".join(decode_image(data, image.record.file_name).notes)
    except ImageError:
        return ""


def image_name(image: AnnotatedImage, stem: str, name: str, *, has_images: bool) -> str:
    """Return what an export calls an image: the copy in it, or the file that people have."""
    return f"{stem}{_own_file(image)[1] or '.png'}" if has_images else name


def _own_file(image: AnnotatedImage) -> tuple[bytes | None, str]:
    data = image.load_file() if image.load_file else None
    if data is None:
        return None, ""
    name = image.record.file_name
    try:
        suffix = _TAKEN_ANYWHERE.get(image_format(data[:HEAD_BYTES], name), "")
        return (data, suffix) if suffix and is_upright(data, name) else (None, "")
    except ImageError:
        return None, ""
