"""Names in zip archives as their writer meant them, whatever code page that computer had.

A zip says of a name either that it is UTF-8 or nothing; then it is whatever the packing program took: IBM's
code page 437 by the letter of the standard, UTF-8 on most of today's systems, and on Windows the code page of
its language. Several often fit. What decides is, in this order: the Unicode path field that some programs
write beside the name, that the bytes are UTF-8, the names that a data set in the same archive lists, and
which reading looks like words.

Follows PKWARE's APPNOTE 6.3.10: language flag (4.4.4, bit 11), appendix D, extra field 0x7075 (4.6.9).
"""

from __future__ import annotations

import json
import re
import struct
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Iterable, Sequence

from maskrcnn_core.images.spellings import plain

__all__ = ["file_names_in", "member_names"]

_UTF8_FLAG = 0x800
_UNICODE_PATH = 0x7075
_CODE_PAGES = ("cp437", "cp1252", "gb18030", "cp932", "big5", "cp949", "cp1250", "cp1251", "cp866", "cp850")
"""Read in this order where nothing else decides; the standard's own first."""

_FILE_NAME = re.compile(rb'"file_name"\s*:\s*("(?:[^"\\]|\\.)*")')


def member_names(
    entries: Sequence[zipfile.ZipInfo], data_sets: Callable[[], Iterable[bytes]] = lambda: ()
) -> list[str]:
    """Return the name of each entry, with ``/`` between folders.

    Args:
        entries: of one archive, as ``zipfile`` lists them: all are read alike.
        data_sets: gives the archive's JSON files; asked only where several code pages fit.
    """
    names: list[str | None] = [_told(entry) for entry in entries]
    raw = [
        entry.orig_filename.encode("cp437") for entry, name in zip(entries, names, strict=True) if not name
    ]
    encoding = _encoding_of(raw, data_sets) if raw else "utf-8"
    return [
        (entry.orig_filename.encode("cp437").decode(encoding) if name is None else name).replace("\\", "/")
        for entry, name in zip(entries, names, strict=True)
    ]


def file_names_in(data: bytes) -> set[str]:
    """Return what the data set in a JSON file calls its images, found without reading the rest."""
    names = set()
    for match in _FILE_NAME.finditer(data):
        try:
            names.add(json.loads(match[1]))
        except ValueError:  # not UTF-8
            continue
    return names


def _told(entry: zipfile.ZipInfo) -> str | None:
    """Return the name where the archive says how it is written, or where that makes no difference."""
    name = entry.orig_filename  # ``filename`` is cut at a NUL and has the separators of this system
    if entry.flag_bits & _UTF8_FLAG or name.isascii():
        return name
    return _unicode_path(entry.extra, name.encode("cp437"))


def _unicode_path(extra: bytes, raw: bytes) -> str | None:
    """Return the name in the extra field, if it belongs to this entry and not to a former name of it."""
    at = 0
    while at + 4 <= len(extra):
        kind, length = struct.unpack_from("<HH", extra, at)
        content = extra[at + 4 : at + 4 + length]
        at += 4 + length
        is_path = kind == _UNICODE_PATH and len(content) > 5 and content[0] == 1
        if is_path and struct.unpack_from("<L", content, 1)[0] == zlib.crc32(raw):
            try:
                return content[5:].decode("utf-8")
            except UnicodeDecodeError:
                return None
    return None


def _encoding_of(raw: Sequence[bytes], data_sets: Callable[[], Iterable[bytes]]) -> str:
    if _decoded(raw, "utf-8") is not None:
        return "utf-8"
    readings = {page: names for page in _CODE_PAGES if (names := _decoded(raw, page)) is not None}
    listed = {_last(name) for data in data_sets() for name in file_names_in(data)}
    # A dictionary keeps its order and max takes the first of equals: the standard's own page.
    return max(readings, key=lambda page: (_hits(readings[page], listed), _looks(readings[page])))


def _decoded(raw: Sequence[bytes], encoding: str) -> list[str] | None:
    try:
        return [name.decode(encoding) for name in raw]
    except UnicodeDecodeError:
        return None


def _last(name: str) -> str:
    parts = plain(name)
    return parts[-1] if parts else ""


def _hits(names: Sequence[str], listed: set[str]) -> int:
    return sum(_last(name) in listed for name in names) if listed else 0


def _looks(names: Sequence[str]) -> float:
    """Return how much names look like words: the mean over their characters beyond ASCII."""
    text = "\n".join(names)
    weights = [
        _weight(character, text[at - 1 : at], text[at + 1 : at + 2])
        for at, character in enumerate(text)
        if character > "\x7f"
    ]
    return sum(weights) / len(weights) if weights else 0.0


def _weight(character: str, before: str, after: str) -> float:
    code = ord(character)
    if 0x3040 <= code <= 0x30FF:  # hiragana, katakana
        return 1.0
    if 0x4E00 <= code <= 0x9FFF or 0xAC00 <= code <= 0xD7A3:
        if any(other.isascii() and other.islower() for other in (before, after)):
            return -0.6  # it has swallowed a letter of a European word
        return 0.8 if code >= 0xAC00 else (0.9 if _is_common(character) else -0.3)
    if 0xFF61 <= code <= 0xFF9F or 0xE000 <= code <= 0xF8FF:
        return -1.0  # half-width katakana, private use: what misread bytes become
    if not character.isalpha():
        return -0.7
    script = _script(character)
    neighbours = [other for other in (before, after) if other.isalpha()]
    if script == "LATIN":
        if neighbours and not any(map(str.isascii, neighbours)):
            return -0.5  # letters with accents stand among others
        return 0.2 if character.isupper() and before.islower() else (0.7 if code < 0x180 else 0.3)
    if not neighbours:
        return -0.2
    return 0.6 if all(_script(other) == script for other in neighbours) else -0.8


def _script(character: str) -> str:
    return unicodedata.name(character, "").partition(" ")[0]


def _is_common(character: str) -> bool:
    """Return whether a Chinese character is one of those that China's or Japan's standard lists by use."""
    try:
        if 0xB0 <= character.encode("gb2312")[0] <= 0xD7:
            return True
    except UnicodeEncodeError:
        pass
    try:
        return 0x88 <= character.encode("cp932")[0] <= 0x97
    except UnicodeEncodeError:
        return False
