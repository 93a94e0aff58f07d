"""What a project may be called."""

from __future__ import annotations

from maskrcnn_core.common.bounds import name_problem
from maskrcnn_core.errors import StoreError

__all__ = ["checked_name"]


def checked_name(name: str) -> str:
    """Return a project's name without spaces around it.

    Raises:
        StoreError: if it is empty, too long or none that a database keeps.
    """
    name = name.strip()
    if not name:
        raise StoreError("project: expected a name, got nothing")
    if problem := name_problem(name):
        raise StoreError(f"project: {problem}")
    return name
