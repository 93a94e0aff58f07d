"""A model of the menu that is for two domains at once, as a card can say."""

from dataclasses import replace

from maskrcnn_core.dataset.categories import Category, LabelMap
from maskrcnn_core.models import catalog
from maskrcnn_core.models.catalog import NUCLEI_KEY, model_by_key
from maskrcnn_core.synthetic.scenes import SCENE_CATEGORIES

__all__ = ["MIXED", "add_mixed_model"]

MIXED = "mixed"


def add_mixed_model(monkeypatch):
    """Put into the menu what finds nuclei, and says that it knows drawn shapes, too; return its row."""
    shapes = (replace(category, id=category.id + 1) for category in SCENE_CATEGORIES)
    label_map = LabelMap((Category(1, "nucleus", "cell"), *shapes), (1, 2, 3, 4))
    row = replace(
        model_by_key(NUCLEI_KEY),
        key=MIXED,
        title="Nuclei and drawn shapes",
        label_map=label_map,
        card_domains=("microscopy", "drawings"),
    )
    monkeypatch.setattr(catalog, "MODELS", (*catalog.MODELS, row))
    return row
