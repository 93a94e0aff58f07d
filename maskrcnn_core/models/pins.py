"""Digests of published files whose SHA-256 nobody published: written down at first, and held from then on.

Such a row has ``sha256=""``. The first file that comes for it is taken as it is; where its publisher names
the first digits of its MD5, those must be right. Its SHA-256 is then written beside it, as ``NAME.sha256``
(which ``sha256sum -c`` reads), and any other file of that name is refused until somebody deletes the pin.
"""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

from maskrcnn_core.common.atomic_files import replace_file
from maskrcnn_core.errors import WeightsError
from maskrcnn_core.models.downloads import file_md5, has_sha256
from maskrcnn_core.models.spec import ModelSpec
from maskrcnn_core.models.weights_files import weights_file

__all__ = ["is_current", "is_right_file", "pin_file", "pinned_sha256", "why_wrong"]


def pin_file(weights: Path) -> Path:
    """Return where the pin of a weights file lies."""
    return weights.with_name(f"{weights.name}.sha256")


def pinned_sha256(weights: Path) -> str:
    """Return the SHA-256 that was written down for a file; empty where none was.

    Raises:
        WeightsError: if the pin cannot be read, or is none.
    """
    file = pin_file(weights)
    try:
        with file.open(encoding="ascii", errors="replace") as opened:
            found = re.fullmatch(r"([0-9a-f]{64})(?:\s.*)?", opened.read(4096), re.DOTALL)
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise WeightsError(f"{file}: cannot be read ({error.strerror or error})") from error
    if found is None:
        raise WeightsError(
            f"{file}: expected the SHA-256 that {weights.name} first came with, got something else; delete "
            "it to take the file as it is now"
        )
    return found[1]


def is_right_file(spec: ModelSpec, file: Path, digest: str) -> bool:
    """Return whether a file is a row's; the first one of a row without a SHA-256 is pinned.

    Args:
        spec: the row.
        file: at a place where its weights belong.
        digest: SHA-256 of the file.

    Raises:
        WeightsError: if the pin is damaged, or the file cannot be read.
    """
    wanted = spec.sha256 or pinned_sha256(file)
    if wanted:
        return has_sha256(digest, wanted)
    if spec.md5 and not _md5(file).startswith(spec.md5):
        return False
    with suppress(OSError):  # a folder that can only be read: nobody changes what is in it either
        replace_file(pin_file(file), f"{digest}  {file.name}\n".encode())
    return True


def is_current(spec: ModelSpec, digest: str) -> bool:
    """Return whether a network with this digest is still that of its row.

    Raises:
        WeightsError: as :func:`pinned_sha256`.
    """
    file = weights_file(spec)
    wanted = spec.sha256 or (pinned_sha256(file) if file else "")
    return not wanted or has_sha256(digest, wanted)


def why_wrong(spec: ModelSpec, file: Path) -> str:
    """Return what was expected of a row's file that is not right, and what helps, in a clause."""
    if spec.sha256:
        return (
            f"expected the published weights of {spec.key} ({spec.size_bytes:,} bytes, SHA-256 "
            f"{spec.sha256[:8]}...), got {file.stat().st_size:,} bytes of something else or damaged; "
            "delete it, or download it again"
        )
    if pinned := pinned_sha256(file):
        return (
            f"expected the file that first came as {spec.key} (SHA-256 {pinned[:8]}..., in "
            f"{pin_file(file).name}), got another; put that one back, or delete both to take what comes next"
        )
    return (
        f"expected the published weights of {spec.key}, whose MD5 begins with {spec.md5}, got an MD5 of "
        f"{_md5(file)[:6]}...; delete it, or download it again"
    )


def _md5(file: Path) -> str:
    try:
        return file_md5(file)
    except OSError as error:
        raise WeightsError(f"{file}: cannot be read ({error.strerror or error})") from error
