"""``openvino`` on shared pictures; ``test_engines_on_pictures.py`` runs this in another process."""

import pytest

from maskrcnn_core.inference.engines.choosing import choose_engine
from maskrcnn_core.inference.engines.table import engine_by_key
from tests.builders.engine_pictures import PICTURES_OF, model_and_pictures


@pytest.mark.parametrize("key", PICTURES_OF)
def test_it_finds_what_the_exact_one_finds(key, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    model, pictures = model_and_pictures(key)
    made = choose_engine(model, "cpu", "openvino", images=lambda: pictures, count=1)
    assert made.spec is engine_by_key("openvino"), made.notes
    assert made.equality.detections > 50 and made.equality.images == len(pictures)
