"""The general training run from the photo model: only the class logits are new, and the card is right."""

import math

from maskrcnn_core.evaluation.ground_truth import joint_categories
from maskrcnn_core.models.loading import get_model, load_trained_model
from maskrcnn_core.networks.configs import LiteConfig
from maskrcnn_core.training.artifacts import Keeper, Words
from maskrcnn_core.training.augmentation import Augmentation
from maskrcnn_core.training.loading import TrainingImages
from maskrcnn_core.training.loop import train
from maskrcnn_core.training.starting import begin_from
from maskrcnn_core.training.views import View
from tests.builders.training import make_scenes, make_settings


def test_it_is_fine_tuned_like_any_other_and_loads_again(tmp_path):
    truth = make_scenes(tmp_path / "scenes", 2)
    photos = get_model("photos")
    before = {name: value.clone() for name, value in photos.network.state_dict().items()}
    begun = begin_from(photos, joint_categories([truth]), seed=0)
    assert begun.architecture == LiteConfig() and "as the mean of all 80 it knows" in begun.notes[0]
    out = make_settings(tmp_path / "out", epochs=1, augmentation=Augmentation(crop=96), rois=16)
    images = TrainingImages([truth], begun.model.label_map, out.augmentation, View(320, 576), out.seed)
    seen = []
    train(
        begun.model,
        images,
        [],
        out,
        start="{}",
        keep=Keeper(out, begun, (truth,), (), Words("Scenes")),
        device="cpu",
        on_progress=lambda progress: seen.append(progress.losses),
    )
    losses = [loss for step in seen if step for loss in step.values()]
    assert losses and all(map(math.isfinite, losses))
    tuned = load_trained_model(out.out)
    assert [c.name for c in tuned.label_map] == [c.name for c in truth.dataset.categories]
    assert tuned.score_threshold == photos.score_threshold
    assert all(value.equal(photos.network.state_dict()[name]) for name, value in before.items()), "a copy"
    moved = tuned.network.state_dict()
    assert any(not moved[name].equal(value) for name, value in before.items() if "mask_head" in name)
