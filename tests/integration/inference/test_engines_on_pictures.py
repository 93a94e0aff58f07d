"""What each engine finds in real pictures, beside the exact one, for each model that is at hand."""

from pathlib import Path

from maskrcnn_core.common.extras import missing_extra
from maskrcnn_core.inference.engines.choosing import choose_engine
from maskrcnn_core.inference.engines.table import ROUNDING, engine_by_key
from tests.apart import assert_passes_apart
from tests.builders.engine_pictures import PICTURES_OF, model_and_pictures
from tests.needs import lacks
from tests.shared_data import shared_path


def test_the_bound_is_that_of_rounding():
    assert (ROUNDING.matched, ROUNDING.box_pixels, ROUNDING.score) == (1, 0.05, 0.003)
    assert ROUNDING.mask_iou >= 0.98
    assert engine_by_key("folded").bound is engine_by_key("openvino").bound is ROUNDING


def test_folded_finds_what_the_exact_one_finds(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    model, pictures = model_and_pictures("nuclei")  # the others have no norms to fold
    made = choose_engine(model, "cpu", "folded", images=lambda: pictures, count=1)
    assert made.spec is engine_by_key("folded"), made.notes
    assert made.equality.detections > 50 and made.equality.images == len(pictures)


def test_openvino_finds_what_the_exact_one_finds():
    if lack := missing_extra("openvino", "the engine"):
        lacks(lack)
    for parts in PICTURES_OF.values():
        shared_path(*parts)  # absent data skip this test, not those in the other process
    assert_passes_apart(Path(__file__).with_name("openvino_picture_checks.py"), len(PICTURES_OF))
