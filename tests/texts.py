"""Where the texts are that people read: ``python -m tests.texts`` prints how many each part has.

``python -m tests.texts FILE`` writes all of them to a file, one a line: place, text. Whoever translates
begins there; no such file is kept, as it would be another place to change with every text.
"""

from __future__ import annotations

import ast
import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path

from streamlit.delta_generator import DeltaGenerator

__all__ = ["Text", "texts_of"]

ROOT = Path(__file__).parents[1]
WEB = ROOT / "pages" / "components" / "web"
_TOLD = frozenset({"label", "title", "help", "doc", "told"})
_READ_OUT = frozenset({"aria-label", "aria-roledescription", "title", "placeholder", "alt"})
_SAID_BY = frozenset({"help", "label", "placeholder", "text", "caption", "alt"})
"""Keyword arguments that hold what is shown."""
_ELEMENTS = frozenset(name for name in dir(DeltaGenerator) if not name.startswith("_"))
_BUTTON = "pressed"
"""Our own button, `pages/shared/pressing.py`."""
_PLACE = re.compile(r"\{\{.*?\}\}")
_WORD = re.compile(r"[A-Za-z]{2,}")
_SENTENCE = re.compile(r"[A-Za-z]{2,}[,:;.]? +[a-z(]")
_SCRIPT_TEXT = re.compile(r'"((?:[^"\\\n]|\\.)*)"|`((?:[^`\\]|\\.)*)`')
_COMMENT = re.compile(r"/\*.*?\*/|(?<![:\"'`])//[^\n]*", re.S)
_MARKUP = re.compile(r"\.py$|gradient\(|^\s*[<.#@\[]|[{};]\s*$|^[a-z-]+ [a-z-]+$|<svg|</")


@dataclass(frozen=True)
class Text:
    """A text that people read.

    Attributes:
        part: of the source.
        place: file and line.
        text: with ``{}`` where something is put in.
    """

    part: str
    place: str
    text: str

    @property
    def is_composed(self) -> bool:
        """Whether something is put into it: its grammar depends on that in another language."""
        return "{}" in self.text


def texts_of(root: Path = ROOT) -> Iterator[Text]:
    """Yield the texts of pages, components and library."""
    for file in sorted((root / "pages").rglob("*.py")):
        yield from _of_python(file, "pages", root)
    for file in sorted((root / "maskrcnn_core").rglob("*.py")):
        yield from _of_python(file, "library", root)
    for file in sorted(WEB.rglob("*.html")):
        parser = _Page(file.relative_to(root).as_posix())
        parser.feed(_PLACE.sub("", file.read_text("utf-8")))
        yield from parser.found
    yield from _of_actions(root)
    for file in sorted(WEB.rglob("*.js")):
        yield from _of_script(file, root)


def _of_python(file: Path, part: str, root: Path) -> Iterator[Text]:
    tree = ast.parse(file.read_text("utf-8"))
    parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
    for node in ast.walk(tree):
        if isinstance(parents.get(node), ast.JoinedStr | ast.FormattedValue | ast.Expr):
            continue  # a part of a text, or a docstring
        text = _text_of(node)
        if text is None or _MARKUP.search(text):
            continue
        if _SENTENCE.search(text) or (_WORD.search(text) and _is_shown(node, parents.get(node))):
            yield Text(part, f"{file.relative_to(root).as_posix()}:{getattr(node, 'lineno', 0)}", text)


def _text_of(node: ast.AST) -> str | None:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        parts = (v.value if isinstance(v, ast.Constant) else "{}" for v in node.values)
        return "".join(map(str, parts))
    return None


def _is_shown(node: ast.AST, parent: ast.AST | None) -> bool:
    """Return whether a single word is what Streamlit shows: an element's first argument, or a named one."""
    if isinstance(parent, ast.keyword):
        return parent.arg in _SAID_BY
    if not isinstance(parent, ast.Call) or parent.args[:1] != [node]:
        return False
    called = parent.func
    if isinstance(called, ast.Attribute):
        return called.attr in _ELEMENTS
    return isinstance(called, ast.Name) and called.id == _BUTTON


class _Page(HTMLParser):
    """Collects a template's texts and what is read out of it."""

    def __init__(self, place: str) -> None:
        super().__init__()
        self.place = place
        self.found: list[Text] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in _READ_OUT and value:
                self._keep(value)

    def handle_data(self, data: str) -> None:
        self._keep(data)

    def _keep(self, text: str) -> None:
        if _WORD.search(text):
            line = self.getpos()[0]
            self.found.append(Text("templates", f"{self.place}:{line}", " ".join(text.split())))


def _of_actions(root: Path) -> Iterator[Text]:
    file = WEB / "actions.json"
    for action in json.loads(file.read_text("utf-8"))["actions"]:
        for name in _TOLD & action.keys():
            text = re.sub(r"\{keys?\}", "{}", action[name])
            yield Text("actions", f"{file.relative_to(root).as_posix()}:{action.get('name', '')}", text)


def _of_script(file: Path, root: Path) -> Iterator[Text]:
    source = _COMMENT.sub(lambda found: "\n" * found[0].count("\n"), file.read_text("utf-8"))
    for found in _SCRIPT_TEXT.finditer(source):
        text = re.sub(r"\$\{[^}]*\}", "{}", found[1] or found[2] or "")
        if _SENTENCE.search(text) and not _MARKUP.search(text):
            line = source.count("\n", 0, found.start()) + 1
            yield Text("scripts", f"{file.relative_to(root).as_posix()}:{line}", text)


def main(arguments: list[str]) -> None:
    """Print the table, or write all texts to the file that is named."""
    found = list(texts_of())
    if arguments:
        lines = (f"{one.place}\t{json.dumps(one.text, ensure_ascii=False)}\n" for one in found)
        Path(arguments[0]).write_text("".join(lines), "utf-8")
        return
    print("| part | texts | composed | files |\n| --- | ---: | ---: | ---: |")
    for part in dict.fromkeys(one.part for one in found):
        texts = [one for one in found if one.part == part]
        files = len({one.place.partition(":")[0] for one in texts})
        print(f"| {part} | {len(texts)} | {sum(one.is_composed for one in texts)} | {files} |")


if __name__ == "__main__":
    main(sys.argv[1:])
