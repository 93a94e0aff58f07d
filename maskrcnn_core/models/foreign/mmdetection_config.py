"""mmdetection's config: Python text, in the file's ``meta`` or beside it, as far as inference needs it.

The text is never run. It is parsed, and of its assignments only literals and calls of ``dict`` with literals
are taken; whatever else stands there counts as not said.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from typing import Any

from maskrcnn_core.errors import InputError

__all__ = ["MmdetectionConfig", "parse_mmdetection_config"]

_MAX_CHARACTERS = 1 << 20
"""Whole configs with all their bases have some 10 kB."""

_UNKNOWN = object()


class MmdetectionConfig:
    """What a config says, by paths such as ``model.backbone.depth``.

    Args:
        values: top-level names to plain values.
    """

    def __init__(self, values: Mapping[str, Any]) -> None:
        self.values = values

    def get(self, path: str, default: Any = None) -> Any:
        """Return a value, or ``default`` where nothing is said."""
        found: Any = self.values
        for key in path.split("."):
            if not isinstance(found, Mapping) or key not in found:
                return default
            found = found[key]
        return found

    def steps(self) -> Iterator[Mapping[str, Any]]:
        """Yield each step of the test pipeline, and those within it."""
        for path in ("test_pipeline", "data.test.pipeline", "test_dataloader.dataset.pipeline"):
            waiting = list(self.get(path) or [])
            if waiting:
                while waiting:
                    step = waiting.pop(0)
                    if isinstance(step, Mapping):
                        yield step
                        waiting += list(step.get("transforms") or [])
                return


def parse_mmdetection_config(text: str, where: str) -> MmdetectionConfig:
    """Read a config without running it.

    Raises:
        InputError: if it is no Python text, or too long.
    """
    if len(text) > _MAX_CHARACTERS:
        raise InputError(f"{where}: expected a config of at most {_MAX_CHARACTERS:,} characters, got more")
    try:
        tree = ast.parse(text)
        values: dict[str, Any] = {}
        for statement in tree.body:
            if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
                target = statement.targets[0]
                if isinstance(target, ast.Name):
                    value = _plain(statement.value, values)
                    if value is not _UNKNOWN:
                        values[target.id] = value
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise InputError(
            f"{where}: expected the Python text of an mmdetection config, got other ({error})"
        ) from error
    return MmdetectionConfig(values)


def _plain(node: ast.expr, known: Mapping[str, Any]) -> Any:
    """Return the value of literals, ``dict(...)`` and names assigned before; else that it is unknown."""
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.Name):
        return known.get(node.id, _UNKNOWN)
    if isinstance(node, ast.List | ast.Tuple):
        items = [_plain(item, known) for item in node.elts]
        return _UNKNOWN if any(item is _UNKNOWN for item in items) else items
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        value = _plain(node.operand, known)
        return -value if isinstance(value, int | float) else _UNKNOWN
    if isinstance(node, ast.Dict):
        pairs = [
            (key.value, _plain(value, known))
            for key, value in zip(node.keys, node.values, strict=True)
            if isinstance(key, ast.Constant)
        ]
        return {key: value for key, value in pairs if value is not _UNKNOWN}
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "dict":
        pairs = [(word.arg, _plain(word.value, known)) for word in node.keywords if word.arg is not None]
        return {key: value for key, value in pairs if value is not _UNKNOWN}
    return _UNKNOWN
