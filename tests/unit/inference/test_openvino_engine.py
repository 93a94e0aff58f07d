"""The engine ``openvino``, in a process of its own: its native code and threads stay there."""

from pathlib import Path

from maskrcnn_core.common.extras import missing_extra
from tests.apart import assert_passes_apart
from tests.needs import lacks


def test_the_engine_holds_its_checks():
    if lack := missing_extra("openvino", "the engine"):
        lacks(lack)
    assert_passes_apart(Path(__file__).with_name("openvino_checks.py"), 9)
