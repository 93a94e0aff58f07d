"""Gates that hold the shape of the project: import layers, and what must never be written."""

import ast
import re
import tomllib
from pathlib import Path

import pytest

from maskrcnn_core.domains import DOMAINS
from maskrcnn_core.formats import FORMATS
from maskrcnn_core.models import MODELS
from maskrcnn_core.walk import WALK
from pages import PAGES

ROOT = Path(__file__).parent.parent
CORE = ROOT / "maskrcnn_core"

LAYERS = (
    {
        "errors",
        "bounds",
        "boxes",
        "canvas",
        "collecting",
        "compiled",
        "files",
        "messages",
        "palette",
        "pycoco",
        "queueing",
    },
    {"refusals"},
    {"image_bands", "image_kinds", "image_stretch", "image_tiff", "json_rows", "network_facts", "run_codes"},
    {"image_formats"},
    {"image_deep", "image_headers", "spellings"},
    {"archive_names", "image_modes", "matching"},
    {"image_guards", "image_pools"},
    {"folders"},
    {"categories", "images", "masks", "downloads", "roi_scales", "torch_files"},
    {"archives", "domains", "microscopy", "pasting", "polygons", "suppression"},
    {"detections", "features", "sample_drawings"},
    {"samples"},
    {"annotations", "forward", "prompts", "runs"},
    {"run_limits"},
    {"maskrcnn2go", "category_maps", "checkpoints", "columns", "lite", "rendering", "slim"},
    {"architectures", "counting", "drawing", "new_heads"},
    {"model_cards"},
    {"models", "formats", "evaluation"},
    {"evaluation_notes", "fetching", "inference", "model_choice", "model_summary", "scenes"},
    {"fates"},
    {"stages"},
    {"explaining", "layers", "roi_crops", "walk"},
    {"walk_run"},
    {"walk_pictures"},
    {"walk_notebook", "walk_report"},
    {"store"},
    {"batch", "console", "worker", "workspace"},
    {"gathering", "job_commands", "preparing", "supervising"},
    {"damage_commands"},
    {"project_commands", "training", "walk_commands"},
    {"evaluate_commands"},
    {"cli"},
    {"__main__"},
)


def module_of(path: Path) -> str:
    """``formats/coco.py`` belongs to the module ``formats``."""
    return path.relative_to(CORE).parts[0].removesuffix(".py")


def imports_of(path: Path) -> set[str]:
    """Full names of all modules that a file imports, also inside functions."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            names.add(node.module)
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


CORE_FILES = sorted(p for p in CORE.rglob("*.py") if p != CORE / "__init__.py")
ALL_FILES = [
    ROOT / "app.py",
    *sorted(ROOT.glob("pages/**/*.py")),
    CORE / "__init__.py",
    *CORE_FILES,
]


@pytest.mark.parametrize("path", CORE_FILES, ids=lambda p: str(p.relative_to(CORE)))
def test_core_imports_only_from_lower_layers(path):
    level = {name: number for number, layer in enumerate(LAYERS) for name in layer}
    own = module_of(path)
    assert own in level, f"{own}: give it a place in LAYERS"
    for name in imports_of(path):
        if name.startswith("maskrcnn_core."):
            other = name.split(".")[1]
            assert other == own or level[other] < level[own], f"{own} imports {other}, which is not below it"


@pytest.mark.parametrize("path", CORE_FILES, ids=lambda p: str(p.relative_to(CORE)))
def test_core_knows_nothing_of_the_screen(path):
    assert not {n for n in imports_of(path) if n.split(".")[0] in ("streamlit", "pages", "app")}


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


@pytest.mark.parametrize("path", ALL_FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_what_must_never_be_written_is_not(path):
    text = path.read_text()
    assert not {words: why for words, why in FORBIDDEN.items() if words in text}
    assert not re.search(r"/(root|home|work)/", text), "a path of one machine"


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
    for domain in DOMAINS:
        assert f"| {domain.title} | {domain.finds} |" in readme
    for row in FORMATS:
        assert f"| {row.title} |" in readme
    for page in PAGES:
        assert f"| {page.title} | {page.shows} |" in readme
    for stage in WALK:
        assert f"| {stage.title.partition(':')[0]} |" in readme
    for picture in ("annotate", "review"):
        assert f"(docs/images/{picture}.png)" in readme
