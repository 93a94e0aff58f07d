"""Zip archives of images, read member by member as what they are: untrusted.

Nothing is written to disk and nothing is extracted by name, so a name can do no harm; what remains
is an archive's power to be small outside and endless inside. Hence the limits are on *real*
decompressed bytes, counted while reading, and not on what headers promise. As entries may not overlap
and each is held to a ratio, the work is at most ``max_ratio`` times the archive's own size (D. Fifield,
"A better zip bomb", WOOT 2019).

Follows PKWARE's APPNOTE 6.3.10: end of central directory (4.3.16), its zip64 form (4.3.14), general
purpose flags (4.4.4), Unix modes in the external attributes (4.4.15).
"""

from __future__ import annotations

import io
import os
import stat
import struct
import zipfile
import zlib
from collections.abc import Collection, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from maskrcnn_core.common.bounds import MAX_ZIPPED_JSON_BYTES, MAX_ZIPPED_JSON_FILES, MAX_ZIPPED_JSON_VALUES
from maskrcnn_core.common.json_rows import count_values
from maskrcnn_core.common.one_line import counted
from maskrcnn_core.errors import ArchiveError, ImageError
from maskrcnn_core.images.archive_names import member_names
from maskrcnn_core.images.reading import IMAGE_SUFFIXES, image_format, one_line

__all__ = ["ArchiveMember", "Refusal", "ZipImages", "ZipLimits", "not_opened", "read_zip_images"]

_CHUNK = 2**20
_JSON = ".json"
_RATIO_FREE_BYTES = 16 * 2**20  # below this a high ratio is a white page, and harmless
_DIRECTORY_BYTES_PER_ENTRY = 1024  # 46 and the name; above it is padding that only costs memory
_LITTER = frozenset({".ds_store", "thumbs.db", "desktop.ini"})
_ARCHIVE_SUFFIXES = frozenset({".7z", ".bz2", ".gz", ".rar", ".tar", ".tgz", ".xz", ".zip", ".zst"})
_ARCHIVE_MAGICS = (b"PK\x03\x04", b"PK\x05\x06", b"Rar!", b"7z\xbc\xaf", b"\x1f\x8b", b"BZh", b"\xfd7zXZ")


@dataclass(frozen=True)
class ZipLimits:
    """What an archive may cost.

    Args:
        max_entries: entries of any kind, folders among them.
        max_member_bytes: decompressed bytes of one member; it is held in memory while handed over.
        max_total_bytes: decompressed bytes of all members together.
        max_json_bytes, max_json_values, max_json_files: of all its JSON and other annotations, which are
            parsed, and stay in memory until then.
        max_ratio: decompressed by compressed bytes of one member, once it is larger than 16 MiB.
    """

    max_entries: int = 20_000
    max_member_bytes: int = 256 * 2**20
    max_total_bytes: int = 8 * 2**30
    max_ratio: int = 200
    max_json_bytes: int = MAX_ZIPPED_JSON_BYTES
    max_json_values: int = MAX_ZIPPED_JSON_VALUES
    max_json_files: int = MAX_ZIPPED_JSON_FILES


@dataclass(frozen=True)
class ArchiveMember:
    """A member's name, as it is in the archive with ``/`` between folders, and its bytes."""

    name: str
    data: bytes = field(repr=False)


@dataclass(frozen=True)
class Refusal:
    """A member that was not taken: its name, and one sentence for people, beginning with the archive."""

    name: str
    message: str


def read_zip_images(
    source: bytes | BinaryIO | str | os.PathLike[str],
    name: str,
    limits: ZipLimits = ZipLimits(),
    *,
    other_suffixes: Collection[str] = (),
) -> Iterator[ArchiveMember | Refusal]:
    """Yield the archive's images one at a time, and a refusal for each member that is none.

    An image is what begins like one (:func:`maskrcnn_core.images.reading.image_format`); it is decoded
    later, and may still prove broken. Folders and the litter of operating systems are passed over in
    silence. Archives within the archive are named and not opened.

    Args:
        source: the whole archive, a seekable binary file, or a path.
        name: what the archive is called in messages.
        limits: what it may cost.
        other_suffixes: endings, such as ``{".json"}``, of members to yield although they are no images.

    Raises:
        ArchiveError: if the archive as a whole is refused (while stepping, as this is a generator);
            what was yielded before stays good.
    """
    shown = one_line(name)
    with ExitStack() as stack:
        archive, entries = _open(source, shown, limits, stack)
        _check_overlaps(entries, archive.start_dir, shown)
        seen: set[str] = set()
        total = 0
        json = _JsonBudget(limits)
        names = member_names(entries, lambda: _data_sets(archive, entries, limits))
        for entry, member in zip(entries, names, strict=True):
            if entry.is_dir() or member.endswith("/") or _is_litter(member):
                continue
            where = f"{shown}: {one_line(member)}"
            try:
                _check_entry(entry, member, where, seen, limits)
                seen.add(member)
                is_text = Path(member).suffix.casefold() in other_suffixes
                if is_text and not json.has_room(entry.file_size):
                    json.left_out.append(member)
                    continue
                data = _read(archive, entry, where, limits, other_suffixes)
            except ArchiveError as error:
                yield Refusal(member, str(error))
                continue
            if is_text and not json.spend(data):
                json.left_out.append(member)
                continue
            total += len(data)
            if total > limits.max_total_bytes:
                raise ArchiveError(
                    f"{shown}: expected at most {_mib(limits.max_total_bytes)} of files in one archive, got "
                    f"more at {one_line(member)!r}; it and the rest are not read: split the archive"
                )
            yield ArchiveMember(member, data)
        if json.left_out:
            yield Refusal(json.left_out[0], f"{shown}: {json.sentence()}")


class ZipImages:
    """A zip of images of which each can be read by itself, in any order and more than once.

    For archives that are gone through a part at a time; the guards are those of :func:`read_zip_images`. What
    an image is, is told by its suffix, as nothing is read before its turn.

    Args:
        file: seekable; it is closed with the archive.
        name: what the archive is called in messages.
        limits: what it may cost.

    Raises:
        ArchiveError: if the archive as a whole is refused.
    """

    def __init__(self, file: BinaryIO, name: str, limits: ZipLimits) -> None:
        self._shown, self._limits = one_line(name), limits
        self._stack = ExitStack()
        self._stack.callback(file.close)
        try:
            self._archive, self._entries = _open(file, self._shown, limits, self._stack)
            _check_overlaps(self._entries, self._archive.start_dir, self._shown)
            self._names = member_names(self._entries)
        except BaseException:
            self._stack.close()
            raise

    def listed(self) -> Iterator[tuple[int, str] | Refusal]:
        """Yield the number and the name of each image, and a refusal for each that cannot be used."""
        seen: set[str] = set()
        for number, (entry, member) in enumerate(zip(self._entries, self._names, strict=True)):
            is_image = Path(member).suffix.casefold() in IMAGE_SUFFIXES
            if entry.is_dir() or _is_litter(member) or not is_image:
                continue
            try:
                _check_entry(entry, member, self._where(member), seen, self._limits)
            except ArchiveError as error:
                yield Refusal(member, str(error))
                continue
            seen.add(member)
            yield number, member

    def read(self, number: int) -> bytes:
        """Return the bytes of an image that was listed.

        Raises:
            ArchiveError: if it is damaged, too large, or no image.
        """
        if not 0 <= number < len(self._entries):
            raise ArchiveError(f"{self._shown}: expected an entry {number}, got {len(self._entries)} entries")
        entry, member = self._entries[number], self._names[number]
        where = self._where(member)
        _check_entry(entry, member, where, (), self._limits)
        return _read(self._archive, entry, where, self._limits, ())

    def close(self) -> None:
        """Close the archive's file."""
        self._stack.close()

    def _where(self, member: str) -> str:
        return f"{self._shown}: {one_line(member)}"


class _JsonBudget:
    """What annotations of one archive, mostly JSON, may still be read."""

    def __init__(self, limits: ZipLimits) -> None:
        self._limits = limits
        self._bytes, self._values, self._files = (
            limits.max_json_bytes,
            limits.max_json_values,
            limits.max_json_files,
        )
        self.left_out: list[str] = []

    def has_room(self, size: int) -> bool:
        """Return whether a file of this many bytes may be read at all."""
        return self._files > 0 and size <= self._bytes

    def spend(self, data: bytes) -> bool:
        """Count a file that was read, and return whether to parse it."""
        values = count_values(data)
        if values > self._values:
            return False
        self._bytes, self._values, self._files = (
            self._bytes - len(data),
            self._values - values,
            self._files - 1,
        )
        return True

    def sentence(self) -> str:
        """Return what is said of files that are left out."""
        limits, left = self._limits, counted(len(self.left_out), "file is", "files are")
        return (
            f"expected at most {_mib(limits.max_json_bytes)}, {limits.max_json_values:,} values and "
            f"{limits.max_json_files:,} files of annotations in one archive; {left} not read, the first is "
            f"{one_line(self.left_out[0])}: split the archive"
        )


def _open(
    source: bytes | BinaryIO | str | os.PathLike[str], shown: str, limits: ZipLimits, stack: ExitStack
) -> tuple[zipfile.ZipFile, list[zipfile.ZipInfo]]:
    """Return the archive with its directory read, after a look at how large the directory is."""
    try:
        file: BinaryIO
        if isinstance(source, bytes):
            file = io.BytesIO(source)
        elif isinstance(source, str | os.PathLike):
            file = stack.enter_context(Path(source).open("rb"))  # noqa: SIM115
        else:
            file = source
        claimed = _directory_bytes(file)
        if claimed > limits.max_entries * _DIRECTORY_BYTES_PER_ENTRY:
            raise ArchiveError(
                f"{shown}: expected at most {limits.max_entries} entries, got a directory of "
                f"{_mib(claimed)}; split the archive"
            )
        archive = stack.enter_context(zipfile.ZipFile(file))
    except OSError as error:
        reason = one_line(error.strerror or str(error))
        raise ArchiveError(f"{shown}: cannot read this archive ({reason}); check that it exists") from error
    except (zipfile.BadZipFile, ValueError, NotImplementedError, struct.error, OverflowError) as error:
        raise ArchiveError(
            f"{shown}: expected a whole zip archive, got a damaged, cut short or other file "
            f"({one_line(str(error))}); copy it from its source again, or repack it"
        ) from error
    entries = archive.infolist()
    if len(entries) > limits.max_entries:
        raise ArchiveError(
            f"{shown}: expected at most {limits.max_entries} entries, got {len(entries)}; split the archive"
        )
    return archive, entries


def _directory_bytes(file: BinaryIO) -> int:
    """Return the size that the archive's end record gives for its central directory; 0 where there is none.

    ``zipfile`` builds an object for each entry before anyone can count them: a directory of 1 GB
    would take some 15 GB. Where no record is found, ``zipfile`` finds none either and says so.
    """
    length = file.seek(0, io.SEEK_END)
    file.seek(max(0, length - 66_000))  # the record, a comment of up to 65,535 bytes, the zip64 record
    tail = file.read(66_000)
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or at + 22 > len(tail):
        return 0
    size = int(struct.unpack_from("<L", tail, at + 12)[0])
    wide = tail.rfind(b"PK\x06\x06", 0, at)
    if wide >= 0 and wide + 56 <= len(tail):
        size = max(size if size != 0xFFFFFFFF else 0, int(struct.unpack_from("<Q", tail, wide + 40)[0]))
    return min(size, length)


def _check_overlaps(entries: list[zipfile.ZipInfo], start_dir: int, shown: str) -> None:
    """Refuse an archive whose entries share bytes, as every bomb of more than 1032 : 1 must.

    Twice listed entries count too. The least an entry takes is known from the directory: its fixed
    header of 30 bytes and its data.
    """
    spans = sorted((e.header_offset, e.header_offset + 30 + e.compress_size) for e in entries)
    nexts = [start for start, _ in spans[1:]] + [start_dir]
    if any(end > following for (_, end), following in zip(spans, nexts, strict=False)):
        raise ArchiveError(
            f"{shown}: expected entries one after the other, got some that overlap, as in archives made to "
            "explode; pack the files again"
        )


def _data_sets(
    archive: zipfile.ZipFile, entries: list[zipfile.ZipInfo], limits: ZipLimits
) -> Iterator[bytes]:
    """Yield the archive's JSON files, which may list names that are hard to read.

    Bad ones are told of later.
    """
    total = 0
    for entry in entries:
        if Path(entry.filename).suffix.casefold() != _JSON:
            continue
        try:
            _check_entry(entry, "-", "", set(), limits)
            data = _read(archive, entry, "", limits, {".json"})
        except ArchiveError:
            continue
        total += len(data)
        if total > limits.max_json_bytes:
            return
        yield data


def _is_litter(member: str) -> bool:
    parts = member.split("/")
    return "__MACOSX" in parts or parts[-1].casefold() in _LITTER or parts[-1].startswith("._")


def _check_entry(
    entry: zipfile.ZipInfo, member: str, where: str, seen: Collection[str], limits: ZipLimits
) -> None:
    """Refuse what the directory alone shows to be unusable."""
    parts = member.split("/")
    if ".." in parts or parts[0] == "" or parts[0][1:2] == ":" or "\0" in member:
        raise ArchiveError(
            f"{where}: expected a name within the archive, got one that points outside; rename it"
        )
    if member in seen:
        raise ArchiveError(f"{where}: this name occurs twice; the first file was used; rename one of them")
    mode = entry.external_attr >> 16
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
        kind = "a symbolic link" if stat.S_ISLNK(mode) else "a special file"
        raise ArchiveError(f"{where}: expected a regular file, got {kind}; pack the file itself")
    if entry.flag_bits & 0x1:
        raise ArchiveError(
            f"{where}: expected a readable file, got an encrypted one; pack it without a password"
        )
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        # bzip2 and LZMA can take gigabytes before the first byte is out, and no one packs images so
        raise ArchiveError(
            f"{where}: expected a stored or deflated file, got compression method {entry.compress_type}; "
            f"pack it as an ordinary zip"
        )
    _check_bytes(entry.file_size, entry, where, limits)


def _check_bytes(size: int, entry: zipfile.ZipInfo, where: str, limits: ZipLimits) -> None:
    if size > limits.max_member_bytes:
        raise ArchiveError(
            f"{where}: expected at most {_mib(limits.max_member_bytes)}, got more; "
            f"pack it smaller, or open it by itself"
        )
    if size > _RATIO_FREE_BYTES and size > limits.max_ratio * entry.compress_size:
        raise ArchiveError(
            f"{where}: expected a file compressed at most {limits.max_ratio} : 1, got "
            f"{size // max(1, entry.compress_size)} : 1, as in zip bombs; save it as PNG and pack that"
        )


def _read(
    archive: zipfile.ZipFile,
    entry: zipfile.ZipInfo,
    where: str,
    limits: ZipLimits,
    other_suffixes: Collection[str],
) -> bytes:
    """Return a member's bytes, in chunks that are counted; what is no image is left after the first."""
    suffix = Path(entry.filename).suffix.casefold()
    data = io.BytesIO()  # hands its buffer over uncopied; bytes(bytearray) would hold the member twice
    try:
        with archive.open(entry) as file:
            while chunk := file.read(_CHUNK):
                if not data.tell():
                    _check_content(chunk, suffix, where, other_suffixes)
                data.write(chunk)
                _check_bytes(data.tell(), entry, where, limits)
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, RuntimeError, ValueError) as error:
        # RuntimeError and its NotImplementedError: what zipfile does not know to read
        raise ArchiveError(
            f"{where}: expected a whole member, got a damaged one ({one_line(str(error)) or 'cut short'}); "
            f"copy the archive again, or repack it"
        ) from error
    if not data.tell():
        _check_content(b"", suffix, where, other_suffixes)
    return data.getvalue()


def _check_content(head: bytes, suffix: str, where: str, other_suffixes: Collection[str]) -> None:
    if suffix in other_suffixes:
        return
    if suffix in _ARCHIVE_SUFFIXES or head.startswith(_ARCHIVE_MAGICS):
        raise ArchiveError(not_opened(where))
    try:
        image_format(head, where)
    except ImageError as error:
        raise ArchiveError(str(error)) from error


def not_opened(where: str) -> str:
    """Return why an archive in another one is refused."""
    return f"{where}: an archive within the archive is not opened; unpack it and add its files"


def _mib(size: int) -> str:
    return f"{size / 2**20:,.4g} MiB" if size < 2**30 else f"{size / 2**30:,.4g} GiB"
