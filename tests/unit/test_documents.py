"""What the documents say about the source is true."""

import ast
import re
from pathlib import Path

import pytest

from tests.diagram import diagram, imports_of, layers_of

ROOT = Path(__file__).parents[2]
DOCUMENTS = ("README.md", "CONTRIBUTING.md", "GLOSSARY.md", "docs/architecture.md", "docs/reliability.md")
ARCHITECTURE = (ROOT / "docs/architecture.md").read_text("utf-8")


def places():
    """Each path of the repository in backticks, and the name in it that stands after a colon."""
    for document in DOCUMENTS:
        text = (ROOT / document).read_text("utf-8")
        for path, name in re.findall(
            r"`((?:maskrcnn_core|pages|tests|benchmarks)/[\w./]*)(?::(\w+))?`", text
        ):
            yield pytest.param(path, name, id=f"{document}-{path}-{name}")


def modules():
    """Each module of the repository that a document names with dots, and what of it, if anything."""
    for document in (*DOCUMENTS, "CHANGELOG.md"):
        text = (ROOT / document).read_text("utf-8")
        named = re.findall(r"\b(?:maskrcnn_core|pages|tests|benchmarks)(?:\.\w+)+", text)
        named += [f"benchmarks.{name}" for name in re.findall(r"-m\s+benchmarks (\w+)", text)]
        for name in sorted(set(named)):
            yield pytest.param(name, id=f"{document}-{name}")


def names_in(file):
    """What a source file defines at its top level, and methods of its classes."""
    text = file.read_text("utf-8")
    if file.suffix == ".js":
        named = r"^(?:export (?:default )?)?(?:async )?(?:function|class|const) (\w+)"
        return set(re.findall(named, text, re.M))
    names = set()
    for node in ast.parse(text).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names |= {target.id for target in targets if isinstance(target, ast.Name)}
    return names


@pytest.mark.parametrize(("path", "name"), list(places()))
def test_each_place_that_is_named_is_there(path, name):
    file = ROOT / path
    assert file.exists()
    assert not name or name in names_in(file)


@pytest.mark.parametrize("dotted", list(modules()))
def test_each_module_that_is_named_is_there(dotted):
    *folders, last = dotted.split(".")
    place = ROOT.joinpath(*folders)
    if not (place / f"{last}.py").exists() and not (place / last / "__init__.py").exists():
        module = place.with_suffix(".py")
        assert last in names_in(module if module.exists() else place / "__init__.py")


def test_each_test_file_that_is_named_is_there():
    there = {file.name for file in (ROOT / "tests").rglob("test_*")}
    for document in DOCUMENTS:
        named = re.findall(r"`(?:[\w/]*/)?(test_\w+\.py)`", (ROOT / document).read_text("utf-8"))
        assert set(named) <= there, document


def test_links_between_documents_lead_somewhere():
    for document in (*DOCUMENTS, "CHANGELOG.md", "docs/adr/README.md"):
        file = ROOT / document
        for target in re.findall(r"\]\(((?!https?:|#)[^)#]+)", file.read_text("utf-8")):
            assert (file.parent / target).exists(), f"{document}: {target}"


def test_the_picture_shows_the_arrows_that_are_there():
    (shown,) = re.findall(r"```mermaid\n(.*?)\n```", ARCHITECTURE, re.S)
    assert shown == diagram(), "python -m tests.diagram prints the picture of today"


@pytest.mark.parametrize("package", ["maskrcnn_core", "pages"])
def test_the_tables_say_what_the_packages_say_of_themselves(package):
    rows = dict(re.findall(rf"^\| `{package}/(\w+)` \| (.*) \|$", ARCHITECTURE, re.M))
    folders = {file.parent.name: file for file in (ROOT / package).glob("*/__init__.py")}
    said = {
        name: ast.get_docstring(ast.parse(f.read_text("utf-8"))).split("\n")[0] for name, f in folders.items()
    }
    assert rows == {name: re.sub(r":\w+:|`", "", text) for name, text in said.items()}


def test_the_order_of_imports_names_each_part():
    parts = imports_of("maskrcnn_core")
    assert sorted(parts) == sorted(name for row in layers_of("maskrcnn_core") for name in row)


def test_the_glossary_has_each_word_once():
    rows = re.findall(r"^\| ([^|]+?) \| [^|]+ \| [^|]+ \|$", (ROOT / "GLOSSARY.md").read_text("utf-8"), re.M)
    words = [word for row in rows for word in row.split(", ") if row not in ("word", "---")]
    assert len(words) > 30
    assert len(words) == len(set(words)), [word for word in words if words.count(word) > 1]
