"""A fast predictor, and a folder of images."""

import pytest

from tests.builders.batch import RememberingPredictor, write_image
from tests.builders.core import make_model


@pytest.fixture(scope="module")
def predictor():
    return RememberingPredictor(make_model())


@pytest.fixture
def folder(tmp_path):
    """Three images in two folders, named without numbers."""
    folder = tmp_path / "in"
    write_image(folder / "b.png", 1)
    write_image(folder / "sub" / "a.png", 2, 70, 130)
    write_image(folder / "sub" / "b.png", 3, 130, 70)
    return folder
