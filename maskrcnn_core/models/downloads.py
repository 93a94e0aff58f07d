"""Fetches one weights file: resumable, checked, and put in place in one step.

The body goes to ``<name>.part`` beside the target, is flushed to the disk, checked by its SHA-256 over
the whole file, and only then renamed (``os.replace``), so a target that exists is a whole one. A
download that dies keeps its ``.part`` and goes on from there with an HTTP range request (RFC 9110,
section 14). Two processes that want the same file take turns on a lock file; the second one finds
the work done.

A SHA-256 may be given in full or by its first digits (8 or more): torch hub's file names carry
those, as ``maskrcnn_resnet50_fpn_coco-bf2d0c1e.pth``. Where nobody published one, the first digits of an MD5
tell at least a damaged file (:mod:`maskrcnn_core.models.pins` then holds the file to what it was).
"""

from __future__ import annotations

import errno
import hashlib
import http.client
import os
import re
import shutil
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal
from urllib.parse import urlsplit

from filelock import FileLock, Timeout

from maskrcnn_core.errors import WeightsError

__all__ = [
    "MAX_DOWNLOAD_BYTES",
    "DownloadCancelled",
    "DownloadFailed",
    "DownloadTrouble",
    "download_file",
    "file_md5",
    "file_sha256",
    "has_sha256",
]

Progress = Callable[[int, int | None], None]

MAX_DOWNLOAD_BYTES = 1 << 30
"""A body longer than this (1 GiB) is refused where the size is not known beforehand."""

_CHUNK_BYTES = 1 << 20
_LOCK_STEP_S = 0.5
_LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})
_HTTP_RANGE_NOT_SATISFIABLE = 416


DownloadTrouble = Literal["no network", "refused", "cut", "wrong file", "no room", "cannot write"]
"""What kept a file from coming: its host was not reached, would not give it, or broke off; it came and was
another or damaged; or this computer's disk."""


class DownloadFailed(WeightsError):
    """A file could not be fetched.

    Args:
        message: for people.
        trouble: why, in one of a few words.
    """

    def __init__(self, message: str, trouble: DownloadTrouble) -> None:
        super().__init__(message)
        self.trouble = trouble


class DownloadCancelled(WeightsError):
    """The caller asked to stop; what was fetched so far is kept and will be used."""


def file_sha256(file: Path) -> str:
    """Return the SHA-256 of a file's bytes, as 64 lower-case hexadecimal digits.

    Raises:
        OSError: if the file cannot be read.
    """
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def file_md5(file: Path) -> str:
    """Return the MD5 of a file's bytes: it tells damage, and protects from nobody.

    Raises:
        OSError: if the file cannot be read.
    """
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def has_sha256(digest: str, wanted: str) -> bool:
    """Return whether a full digest is the wanted one, which may be cut to its first 8 digits or more.

    Raises:
        ValueError: if ``wanted`` is not 8 to 64 hexadecimal digits. Fewer would match by accident.
    """
    if not re.fullmatch(r"[0-9a-fA-F]{8,64}", wanted):
        raise ValueError(f"sha256: expected 8 to 64 hexadecimal digits, got {wanted!r}")
    return digest.startswith(wanted.lower())


def download_file(
    url: str,
    target: Path,
    *,
    sha256: str,
    md5: str = "",
    size: int | None = None,
    on_progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
    timeout: float = 30.0,
) -> Path:
    """Fetch ``url`` into ``target``, unless the right file is there already.

    Args:
        url: an ``https`` address; plain ``http`` is taken from loopback hosts only.
        target: the file to make; its folder is made if needed. Replaced if it has another SHA-256.
        sha256: the file's SHA-256 in full or its first 8 digits or more; empty where nobody knows it.
        md5: the first digits of its MD5, for a file without a known SHA-256; empty where nobody knows them
            either: what is there is then right, and what comes is taken as it is.
        size: the file's exact size in bytes if it is known; another size is then an error.
        on_progress: called with ``(bytes_done, bytes_total)`` after each piece; the total is None
            while the server does not tell it.
        cancelled: asked before each piece; True stops the download.
        timeout: seconds without any byte after which the connection counts as dead.

    Returns:
        ``target``.

    Raises:
        DownloadCancelled: when ``cancelled()`` said so.
        DownloadFailed: on any failure; the message names the file, what went wrong, and the folder
            into which the file can be put by hand.
        ValueError: if ``sha256`` is neither empty nor 8 to 64 hexadecimal digits.
    """
    if sha256:
        has_sha256("", sha256)  # a wrong constant should fail before the first byte, not after the last
    fetch = _Fetch(url, target, _Check(sha256, md5), size, on_progress, cancelled, timeout)
    fetch.check_address()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with fetch.locked():
            if not (target.is_file() and not fetch.check.mismatch(target)):
                fetch.run()
    except http.client.HTTPException as error:
        raise fetch.trouble(
            f"{fetch.host} ended its response early ({type(error).__name__})", "cut"
        ) from error
    except OSError as error:
        raise fetch.trouble(*fetch.describe(error)) from error
    return target


@dataclass(frozen=True)
class _Check:
    """What a file has to be; each may be empty."""

    sha256: str
    md5: str

    def mismatch(self, file: Path) -> str:
        """Return what is wrong with a file, in a clause; empty where nothing is."""
        name, wanted = ("SHA-256", self.sha256) if self.sha256 else ("MD5", self.md5)
        found = file_sha256(file) if self.sha256 else file_md5(file) if self.md5 else ""
        if not wanted or found.startswith(wanted.lower()):
            return ""
        return f"its {name} begins with {found[:8]}, expected {wanted[:8]}"

    @property
    def is_known(self) -> bool:
        return bool(self.sha256 or self.md5)


class _Fetch:
    """One download under way: where from, where to, and what the file has to be."""

    def __init__(
        self,
        url: str,
        target: Path,
        check: _Check,
        size: int | None,
        on_progress: Progress | None,
        cancelled: Callable[[], bool] | None,
        timeout: float,
    ) -> None:
        self.url = url
        self.target = target
        self.check = check
        self.size = size
        self.timeout = timeout
        self.part = target.with_name(target.name + ".part")
        self.host = urlsplit(url).hostname or "no host"
        self._on_progress = on_progress
        self._cancelled = cancelled

    def trouble(self, reason: str, kind: DownloadTrouble) -> DownloadFailed:
        """Return an error that says what went wrong and how to do without the network."""
        return DownloadFailed(self.sentence(reason), kind)

    def sentence(self, reason: str) -> str:
        return (
            f"{self.target.name}: {reason}; try again, "
            f"or get the file from {self.url} and put it into {self.target.parent}"
        )

    def describe(self, error: OSError) -> tuple[str, DownloadTrouble]:
        """Describe a failure of the network or of the disk in one clause, and say which of the two it is.

        ``urllib`` wraps what fails while connecting into ``URLError``; what fails while reading comes
        bare, as ``TimeoutError`` or ``ConnectionError``. The rest is the disk's.
        """
        if isinstance(error, urllib.error.HTTPError):
            return f"{self.host} answered {error.code} {error.reason}", "refused"
        if isinstance(error, urllib.error.URLError):
            return f"{self.host} cannot be reached ({error.reason})", _trouble_of(error.reason)
        if isinstance(error, TimeoutError):
            return f"{self.host} sent nothing for {self.timeout:g} s", "cut"
        if isinstance(error, ConnectionError | ssl.SSLError):
            return f"{self.host} closed the connection ({error})", "cut"
        is_full = errno.errorcode.get(error.errno or 0) in ("ENOSPC", "EDQUOT")
        clause = f"cannot write into {self.target.parent} ({error.strerror or error})"
        return clause, "no room" if is_full else "cannot write"

    def check_address(self) -> None:
        if not _is_safe_address(self.url):
            raise self.trouble("expected an https address (http only from this computer itself)", "refused")

    def locked(self) -> AbstractContextManager[object]:
        """Take the lock of this target; leaving its ``with`` block releases it.

        It is waited for in short steps, so that a person can cancel while another process downloads.
        """
        lock = FileLock(self.target.with_name(f".{self.target.name}.lock"))
        while True:
            self.stop_if_cancelled()
            try:
                return lock.acquire(timeout=_LOCK_STEP_S)
            except Timeout:
                continue

    def stop_if_cancelled(self) -> None:
        if self._cancelled is not None and self._cancelled():
            raise DownloadCancelled(self.sentence("the download was cancelled"))

    def run(self) -> None:
        """Bring ``.part`` to its full length, check it and rename it."""
        done = self.part.stat().st_size if self.part.is_file() else 0
        # What nothing can be compared with is not pieced together of two answers.
        if (self.size is not None and done > self.size) or not self.check.is_known:
            done = 0
        if done != self.size:
            self.receive(done)
        self.put_in_place()

    def receive(self, done: int) -> None:
        """Ask for the bytes after the first ``done`` and add them to ``.part``."""
        request = urllib.request.Request(self.url, headers={"Accept-Encoding": "identity"})
        if done:
            request.add_header("Range", f"bytes={done}-")
        try:
            answer = urllib.request.build_opener(_SafeRedirects).open(request, timeout=self.timeout)
        except urllib.error.HTTPError as error:
            with error:
                if error.code != _HTTP_RANGE_NOT_SATISFIABLE or not done:
                    raise
            # Nothing after our last byte: whole already, or longer than the server's file. The
            # digest tells, and a wrong one is worth one more start from nothing.
            if self.check.mismatch(self.part):
                self.receive(0)
            return
        with answer:
            if not _continues_at(answer, done):
                done = 0  # the server ignored the range and sends the whole file
            self.write(answer, done)

    def write(self, answer: http.client.HTTPResponse, done: int) -> None:
        """Write an answer's body behind the first ``done`` bytes of ``.part``."""
        left = answer.length  # of this answer's body; None if the server does not say
        total = done + left if left is not None else self.size
        self.check_total(total)
        with self.part.open("r+b" if done else "wb") as stream:
            stream.seek(done)
            stream.truncate()
            self.report(done, total)
            try:
                while chunk := self.next_chunk(answer):
                    stream.write(chunk)
                    done += len(chunk)
                    if self.is_too_long(done):
                        break
                    self.report(done, total)
            finally:
                _flush(stream)
        self.check_length(done)  # once the file is closed: Windows removes no open one
        if total is not None and done < total:
            raise self.trouble(
                f"{self.host} stopped after {done:,} of {total:,} bytes (the next try continues from there)",
                "cut",
            )

    def next_chunk(self, answer: http.client.HTTPResponse) -> bytes:
        self.stop_if_cancelled()
        return answer.read1(_CHUNK_BYTES)

    def report(self, done: int, total: int | None) -> None:
        if self._on_progress is not None:
            self._on_progress(done, total)

    def check_total(self, total: int | None) -> None:
        """Refuse what is announced too long, or longer than the disk has room for."""
        if total is None:
            return
        if self.size is not None and total != self.size:
            raise self.trouble(
                f"{self.host} offers {total:,} bytes, expected {self.size:,}, so it is another file",
                "wrong file",
            )
        self.check_length(total)
        already = self.part.stat().st_size if self.part.is_file() else 0
        free = shutil.disk_usage(self.target.parent).free
        if total - already > free:
            raise self.trouble(f"needs {total - already:,} bytes of disk, {free:,} are free", "no room")

    @property
    def limit(self) -> int:
        return MAX_DOWNLOAD_BYTES if self.size is None else self.size

    def is_too_long(self, length: int) -> bool:
        return length > self.limit

    def check_length(self, length: int) -> None:
        if self.is_too_long(length):
            self.part.unlink(missing_ok=True)
            raise self.trouble(
                f"{self.host} sends more than {self.limit:,} bytes, so it is another file", "wrong file"
            )

    def put_in_place(self) -> None:
        if wrong := self.check.mismatch(self.part):
            self.part.unlink()
            raise self.trouble(f"the download is corrupt and was removed ({wrong})", "wrong file")
        os.replace(self.part, self.target)
        _flush_folder(self.target.parent)


class _SafeRedirects(urllib.request.HTTPRedirectHandler):
    """A handler that follows only redirects to addresses fit to begin with: never from https to http."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        if not _is_safe_address(newurl):
            fp.close()
            raise urllib.error.URLError(f"it redirects to {urlsplit(newurl).scheme}, expected https")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _trouble_of(reason: object) -> DownloadTrouble:
    """Return which trouble keeps a host from being reached.

    If it is no system error, it is our own refusal.
    """
    if isinstance(reason, ConnectionResetError):
        return "cut"
    return "no network" if isinstance(reason, OSError) and not isinstance(reason, ssl.SSLError) else "refused"


def _is_safe_address(url: str) -> bool:
    parts = urlsplit(url)
    if parts.scheme == "https":
        return bool(parts.hostname)
    return parts.scheme == "http" and parts.hostname in _LOOPBACK_HOSTS


def _continues_at(answer: http.client.HTTPResponse, done: int) -> bool:
    """Return whether an answer's body starts at byte ``done``: 206, and the right ``Content-Range``."""
    if answer.status != http.HTTPStatus.PARTIAL_CONTENT:
        return False
    found = re.match(r"bytes (\d+)-", answer.headers.get("Content-Range", ""))
    return found is not None and int(found.group(1)) == done


def _flush(stream: IO[bytes]) -> None:
    stream.flush()
    os.fsync(stream.fileno())


def _flush_folder(folder: Path) -> None:
    """Make a rename last through a power cut; Windows has no such call for folders."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
