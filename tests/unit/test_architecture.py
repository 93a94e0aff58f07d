"""Gates that hold the shape of the project: import layers, and what must never be written."""

import ast
import re
import tomllib
from pathlib import Path

from importlinter.cli import use_cases as linter

from maskrcnn_core.explain.stages import STAGES
from maskrcnn_core.inference.engines.table import ENGINES
from maskrcnn_core.models.backbones import BACKBONES
from maskrcnn_core.models.catalog import MODELS
from maskrcnn_core.models.domains import DOMAINS
from pages.shared.page_table import PAGES
from tests.formats_table import check_rows, format_rows

ROOT = Path(__file__).parents[2]
CORE = ROOT / "maskrcnn_core"
CORE_FILES = sorted(p for p in CORE.rglob("*.py") if p != CORE / "__init__.py")
ALL_FILES = [
    ROOT / "app.py",
    *sorted(ROOT.glob("pages/**/*.py")),
    CORE / "__init__.py",
    *CORE_FILES,
]


def test_imports_point_one_way(capsys):
    config = str(ROOT / "pyproject.toml")
    assert linter.lint_imports(config, cache_dir=None, no_logo=True), capsys.readouterr().out


def test_every_core_module_sorts_its_all():
    for path in CORE_FILES:
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__all__":
                names = [element.value for element in node.value.elts]
                assert len(names) == len(set(names)), path


FORBIDDEN = {
    "unsafe_allow_html": "outside strings would be HTML",
    "weights_only=False": "a pickle runs code",
    "pickle.load": "a pickle runs code",
    "allow_pickle=True": "a pickle runs code",
    "extractall": "members are read one by one",
    "MAX_IMAGE_PIXELS = None": "image bombs",
    "LOAD_TRUNCATED_IMAGES = True": "half grey pictures",
}


def test_what_must_never_be_written_is_not():
    texts = {path.relative_to(ROOT).as_posix(): path.read_text("utf-8") for path in ALL_FILES}
    found = [
        f"{name}: {words} ({why})"
        for name, text in texts.items()
        for words, why in FORBIDDEN.items()
        if words in text
    ]
    found += [
        f"{name}: {place[0]} (a path of one machine)"
        for name, text in texts.items()
        if (place := re.search(r"/(root|home|work)/", text))
    ]
    assert len(texts) > 200
    assert not found, "\n".join(found)


def test_no_press_of_a_button_can_be_missed():
    """What a button returns is lost with a run that ends early: pages ask `pressed`, or give a callback."""
    buttons = {"button", "form_submit_button"}
    found = []
    for path in sorted(ROOT.glob("pages/**/*.py")):
        tree = ast.parse(path.read_text("utf-8"))
        unread = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        found += [
            f"{path.relative_to(ROOT)}:{node.lineno}"
            for node in ast.walk(tree)
            if isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in buttons
            and id(node) not in unread
        ]
    assert not found, found


def test_no_user_file_lies_where_streamlit_serves_files():
    assert not (ROOT / "static").exists()


def test_the_app_is_safe_as_it_comes():
    config = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text())
    assert config["server"]["address"] == "127.0.0.1"
    assert config["server"]["enableXsrfProtection"] is True
    assert config["server"]["enableStaticServing"] is False
    assert config["server"]["maxUploadSize"] <= 500
    assert config["client"]["showErrorDetails"] == "none"
    assert config["browser"]["gatherUsageStats"] is False
    assert config["runner"]["postScriptGC"] is False, "housekeeping.py collects, and not after every run"


def test_every_table_is_in_the_readme():
    readme = (ROOT / "README.md").read_text()
    for spec in MODELS:
        assert f"`{spec.key}`" in readme
        assert all(f"{row.mask_ap:.1f} / {row.box_ap:.1f} on {row.on}" in readme for row in spec.measured)
    for backbone in BACKBONES:
        row = f"| `{backbone.key}` | {backbone.title} | `{backbone.file}`, {backbone.megabytes:.0f} MB |"
        assert row in readme
    for domain in DOMAINS:
        assert f"| {domain.title} | {domain.finds} |" in readme
    for engine in ENGINES:
        assert f"| `{engine.key}` | {engine.how} | {engine.speed} |" in readme
    for row in (*format_rows(), *check_rows()):
        assert row in readme, "python -m tests.formats_table prints the table of today"
    for page in PAGES:
        assert f"| {page.title} | {page.shows} |" in readme
    for stage in STAGES:
        assert f"| {stage.title.partition(':')[0]} |" in readme
    for picture in ("annotate", "review"):
        assert f"(docs/images/{picture}.png)" in readme
