"""Writes XML: elements of words and numbers, and their text as bytes."""

from __future__ import annotations

import re
from collections.abc import Iterable
from xml.etree.ElementTree import Element, tostring

__all__ = ["XML_HEAD", "element", "xml_bytes"]

XML_HEAD = b'<?xml version="1.0" encoding="utf-8"?>\n'

_NOT_IN_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 (section 2.2) has no way to write."""


def element(tag: str, text: object = "", children: Iterable[Element] = (), **attributes: object) -> Element:
    """Return an element; characters that XML cannot hold become U+FFFD."""
    made = Element(tag, {key: _clean(value) for key, value in attributes.items()})
    made.text = _clean(text) or None
    made.extend(children)
    return made


def xml_bytes(made: Element) -> bytes:
    """Return an element as UTF-8, without a head."""
    data: bytes = tostring(made, "utf-8", xml_declaration=False)
    return data


def _clean(value: object) -> str:
    return _NOT_IN_XML.sub("\ufffd", str(value))
