"""Each stage of the core's table has a panel, and no panel is without a stage."""

from maskrcnn_core.explain.stages import STAGES
from pages.explain.panels import PANELS


def test_panels_and_stages_are_the_same_table():
    assert list(PANELS) == [stage.key for stage in STAGES]
