import gc

import pytest

from maskrcnn_core.common.collecting import collection_paused


def test_collection_goes_on_when_the_last_one_has_left_also_after_an_error():
    assert gc.isenabled()
    with collection_paused():
        with pytest.raises(ValueError, match="inner"), collection_paused():
            raise ValueError("inner")
        assert not gc.isenabled()
    assert gc.isenabled()


def test_where_it_was_off_it_stays_off():
    gc.disable()
    try:
        with collection_paused():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
