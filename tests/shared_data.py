"""Where tests find the shared data, which is not part of the repository."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

_ROOT = Path(__file__).resolve().parents[1]


def shared_path(*parts: str) -> Path:
    """A file or folder of the shared data; the test is skipped, with a reason, where it is absent.

    The data lie where the environment variable ``MASKDESK_SHARED`` says, else in ``../shared``
    beside the repository.
    """
    root = Path(os.environ.get("MASKDESK_SHARED") or _ROOT.parent / "shared")
    path = root.joinpath(*parts)
    if not path.exists():
        pytest.skip(f"shared data absent: no {'/'.join(parts) or 'folder'} under MASKDESK_SHARED")
    return path
