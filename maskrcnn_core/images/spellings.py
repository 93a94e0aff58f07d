"""How one path is spelt in different places, and when two folders are twins that must not be mixed.

Data sets travel: the record of an image says ``images\\a b.png`` (Windows), ``http://host/data/upload/1/a%20b.png?x=1``
(a labelling server) or a name in another Unicode form (macOS), and means the file ``images/a b.png``. Nothing
here touches a disk or a network: names are text.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import parse_qs, unquote

from maskrcnn_core.images.formats import IMAGE_SUFFIXES

__all__ = [
    "SPELLINGS",
    "Parts",
    "RecordFolders",
    "Spelling",
    "are_twins",
    "as_written",
    "folded",
    "is_rooted",
    "joined",
    "plain",
]

Parts = tuple[str, ...]
"""A path's folders and its last part, from the left."""

Spelling = Callable[[str], Parts]
"""One way of reading a name."""

_SEPARATORS = re.compile(r"[/\\]+")
_NO_START = ("", "/")
_ODD = re.compile(r"[^\x00-\x24\x26-\x39\x3b-\x3e\x40-\x7f]|#")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/\\?#]*")
_DRIVE = re.compile(r"[A-Za-z]:(?=[/\\])")
_DIGITS = re.compile(r"\d+")
_WORDS = re.compile(r"[a-z]+")
_SPLITS = {
    word: kind
    for kind, words in {
        "train": ("train", "training"),
        "val": ("val", "valid", "validation", "dev"),
        "test": ("test", "testing"),
    }.items()
    for word in words
}


def as_written(name: str) -> Parts:
    """Return the parts of a path as they are written; ``.`` goes, and ``..`` takes the folder before it."""
    if not _is_untidy(name):
        return tuple(name.split("/"))
    parts: list[str] = []
    for part in _SEPARATORS.split(name):
        if part == ".." and parts:
            parts.pop()
        elif part not in ("", ".", ".."):
            parts.append(part)
    return tuple(parts)


def _is_untidy(name: str) -> bool:
    return "\\" in name or "//" in name or "./" in name or name[:1] in _NO_START or name[-1:] in "/."


def plain(name: str) -> Parts:
    """Return the parts without what transport adds: scheme, host, query, percent-encoding, Unicode form."""
    if not _ODD.search(name):
        return as_written(name)
    if (scheme := _SCHEME.match(name)) is not None:
        name = name[scheme.end() :]
    elif (drive := _DRIVE.match(name)) is not None:
        name = name[drive.end() :]
    name = _without_query(name, is_url=scheme is not None)
    if "%" in name:
        with suppress(UnicodeDecodeError):  # a percent sign that encodes nothing
            name = unquote(name, errors="strict")
    if not name.isascii():
        name = unicodedata.normalize("NFC", name)
    return as_written(name)


def folded(name: str) -> Parts:
    """Return the parts as :func:`plain` does, without the case of letters."""
    return tuple(_fold(part) for part in plain(name))


def _fold(text: str) -> str:
    return text.lower() if text.isascii() else unicodedata.normalize("NFC", text.casefold())


SPELLINGS: tuple[Spelling, ...] = (as_written, plain, folded)
"""From the strictest to the most lenient: each is asked only for what the one before left over."""


def spellings_of(names: Iterable[str]) -> tuple[Spelling, ...]:
    """Return the spellings that tell these names apart: most data sets need only the first and the last."""
    return SPELLINGS if _ODD.search("\n".join(names)) else (as_written, folded)


def _without_query(name: str, *, is_url: bool) -> str:
    """Return the path before ``?`` or ``#``, where that is no part of a file's name."""
    for mark in "?#":
        path, found, rest = name.partition(mark)
        if not found:
            continue
        if mark == "?" and (inner := _served_file(path, rest)):
            return inner
        # "what?.png" is a file; "what.png?v=2" is what a server was asked for.
        if is_url or any(path.lower().endswith(suffix) for suffix in IMAGE_SUFFIXES):
            name = path
    return name


def _served_file(path: str, query: str) -> str:
    """Return the file that Label Studio serves as ``/data/local-files/?d=folder/a.png``."""
    if not path.rstrip("/").endswith("local-files"):
        return ""
    return next(iter(parse_qs(query).get("d", ())), "")


def is_rooted(name: str) -> bool:
    """Return whether a path begins at another computer's root, so that its first folders mean little here."""
    return name[:1] in ("/", "\\") or bool(_SCHEME.match(name) or _DRIVE.match(name))


@dataclass(frozen=True)
class RecordFolders:
    """The folders that a data set's records name, folded.

    Args:
        names: of all of them.
        pairs: those that lie in one another, as ``("img", "sub")`` for ``img/sub``.
        paths: from the start, with whether that is another computer's root.
    """

    names: frozenset[str]
    pairs: frozenset[tuple[str, str]]
    paths: frozenset[tuple[bool, Parts]]

    @classmethod
    def of(cls, records: Iterable[str]) -> RecordFolders:
        """Return those of records with these names."""
        paths = {(is_rooted(name), folded(name)[:-1]) for name in records}
        paths |= {(rooted, path[:n]) for rooted, path in paths for n in range(len(path))}
        folders = [path for _, path in paths]
        pairs = frozenset((path[-2], path[-1]) for path in folders if len(path) > 1)
        return cls(frozenset(path[-1] for path in folders if path), pairs, frozenset(paths))

    def claim(self, name: str, same: int, its: str) -> bool:
        """Return whether a file that ends like a record, below another folder, is other records'.

        Where more than the last part agrees, that the folder is named somewhere says little: it counts where
        a record names it with the folder that follows, or beside the one that this record names there.

        Args:
            name: the record's.
            same: how many parts at the end agree.
            its: the file's folder before them, folded.
        """
        if its not in self.names:
            return False
        parts = folded(name)
        own = parts[-1 - same]
        return (
            same < 2
            or are_twins(own, its)
            or (its, parts[-same]) in self.pairs
            or (is_rooted(name), (*parts[: -1 - same], its)) in self.paths
        )


def joined(folder: Parts, name: str, spelling: Spelling) -> Parts | None:
    """Return the parts of a name that is relative to a folder; ``None`` where it leaves the top one."""
    parts = list(folder)
    text = name if spelling is as_written or "%" not in name else unquote(name)
    if ".." not in text:
        return (*parts, *spelling(name))
    for part in _SEPARATORS.split(text):
        if part == "..":
            if not parts:
                return None
            parts.pop()
        elif part not in ("", "."):
            parts += spelling(part)
    return tuple(parts)


def are_twins(one: str, other: str) -> bool:
    """Return whether two folders (folded names) are sisters of one data set: cameras, sequences, splits.

    ``cam1`` and ``cam2`` differ in a number only; ``train`` and ``val`` are two splits.
    """
    if one == other:
        return False
    shapes = [_DIGITS.sub("#", name) for name in (one, other)]
    if shapes[0] == shapes[1] and "#" in shapes[0]:
        return [int(n) for n in _DIGITS.findall(one)[:8]] != [int(n) for n in _DIGITS.findall(other)[:8]]
    splits = [_split_of(name) for name in (one, other)]
    return "" not in splits and splits[0] != splits[1]


def _split_of(name: str) -> str:
    return next((_SPLITS[word] for word in _WORDS.findall(name) if word in _SPLITS), "")
