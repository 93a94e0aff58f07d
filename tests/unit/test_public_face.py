"""What `import maskrcnn_core` gives: a list of names, each imported when it is used."""

import ast
from importlib import import_module
from pathlib import Path

import pytest

import maskrcnn_core
from maskrcnn_core import _HOMES

NAMES = [
    "MODELS",
    "Candidates",
    "CoreError",
    "Detections",
    "Predictor",
    "Run",
    "Store",
    "Thresholds",
    "Workspace",
    "get_model",
    "load_model",
    "read_coco",
    "read_image",
]
FOLDER = Path(maskrcnn_core.__file__).parent


def test_the_list_is_the_documented_one():
    assert maskrcnn_core.__all__ == NAMES
    assert list(_HOMES) == NAMES
    assert set(NAMES) < set(dir(maskrcnn_core))


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_that_of_its_module(name):
    found = getattr(maskrcnn_core, name)
    assert found is getattr(import_module(f"maskrcnn_core.{_HOMES[name]}"), name)


def test_type_checkers_see_the_same_homes():
    (block,) = (
        node for node in ast.parse((FOLDER / "__init__.py").read_text()).body if isinstance(node, ast.If)
    )
    seen = {
        alias.name: node.module.removeprefix("maskrcnn_core.") for node in block.body for alias in node.names
    }
    assert seen == _HOMES
    assert (FOLDER / "py.typed").is_file()


def test_a_name_that_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match=r"module 'maskrcnn_core' has no attribute 'predict'"):
        maskrcnn_core.predict  # noqa: B018
