"""A person's own model: its weights, and what they do not say."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from maskrcnn_core.common.atomic_files import scratch_folder
from maskrcnn_core.common.bounds import MAX_NAME
from maskrcnn_core.common.one_line import counted
from maskrcnn_core.errors import InputError, NamesMissing
from maskrcnn_core.formats.base import file_name
from maskrcnn_core.models.cards import is_card
from maskrcnn_core.models.foreign.matterport_config import MATTERPORT_PRESETS, printed_config
from maskrcnn_core.models.foreign.sidecar import MatterportPreset, MmdetectionStyle, Sidecar
from maskrcnn_core.models.foreign.table import CHECKPOINT_FAMILIES
from maskrcnn_core.models.loading import load_custom_model, load_trained_model
from maskrcnn_core.models.spec import LoadedModel
from pages.components.uploads import say_why_uploads_fail
from pages.shared.notice import Notice
from pages.shared.pressing import carrying_out, drop_press, pressed
from pages.shared.session import UiState
from pages.shared.texts import show_core_errors

__all__ = ["OWN_MODEL", "LookAt", "draw_own_model"]

OWN_MODEL = "your-own-model"
"""The place of the form in the page's address."""

_LOAD = "load-custom"
_MOST_TYPED = 1 << 20
_TYPED_CONFIG = "settings.config.txt"


@dataclass
class LookAt:
    """The model that the page is to show next; empty for none."""

    key: str = ""


@dataclass(frozen=True)
class _Given:
    """What a person has given.

    Args:
        weights: their file.
        beside: a model card, or the names of the categories.
        names: typed instead of that file.
        config: of the training, as a file.
        settings: lines of Matterport's Config, typed or changed; empty for none.
        preset: which of Matterport's samples the model was trained as.
        style: of an mmdetection model.
        boxes_only: whether a Faster R-CNN opens, too, its masks being its boxes.
    """

    weights: UploadedFile | None
    beside: UploadedFile | None
    names: str
    config: UploadedFile | None
    settings: str
    preset: MatterportPreset | None
    style: MmdetectionStyle | None
    boxes_only: bool

    @property
    def mark(self) -> tuple[object, ...]:
        """Equal as long as the same is given."""
        uploads = (self.weights, self.beside, self.config)
        ids = tuple(upload and upload.file_id for upload in uploads)
        return (*ids, self.names, self.settings, self.preset, self.style, self.boxes_only)


def draw_own_model(state: UiState) -> None:
    """Draw the form, and load what is given when that is asked for."""
    st.subheader("Your own model", anchor=OWN_MODEL)
    st.text(
        "The output of the train command: the .safetensors file and its model card (.json). Or another "
        f"project's Mask R-CNN: {'; '.join(f'{row.title} ({row.files})' for row in CHECKPOINT_FAMILIES)}. "
        "Add its category names if the weights do not have them, and the training's config if you have it. "
        "Only this browser session sees them."
    )
    given = _draw_form()
    say_why_uploads_fail("uploads")
    notice = state.of(Notice)
    notice.draw((*given.mark, state.model_key))
    is_asked = pressed("Load", key=_LOAD, is_kept=True, disabled=given.weights is None)
    if not is_asked or given.weights is None:
        return
    with carrying_out(_LOAD), show_core_errors(), st.spinner("Loading ..."):
        try:
            model = _load(given.weights, given)
        except NamesMissing as error:
            raise InputError(
                f"{given.weights.name}: {error}: type them above, or choose the sample of Matterport's that "
                "it was trained as"
            ) from error
        from maskrcnn_core.inference.predictor import Predictor

        state.custom[model.key] = Predictor(model)
        state.model_key, state.is_model_chosen, state.took_over = model.key, True, None
        state.of(LookAt).key = model.key
        categories = counted(len(model.label_map), "category", "categories")
        notice.say(f"Loaded {model.title}: {categories}. The Annotate page uses it now.")
        drop_press(_LOAD)
        st.rerun()


def _draw_form() -> _Given:
    weights = st.file_uploader("Weights", key="custom-weights")
    beside = st.file_uploader("Model card, or category names", key="custom-names")
    names = st.text_area(
        "Or type the category names, one per line, without the background",
        key="custom-typed-names",
        max_chars=_MOST_TYPED,
        disabled=beside is not None,
        height=100,
    )
    config = st.file_uploader("Config of the training, if there is one", key="custom-config")
    with st.expander("What the weights do not say, if there is no config", icon=":material/tune:"):
        style = st.selectbox(
            "mmdetection: style of the model",
            get_args(MmdetectionStyle),
            index=None,
            placeholder="As the config says",
            help="pytorch takes images in RGB, caffe in BGR; a caffe model's config has that in its name.",
            key="custom-style",
        )
        preset = st.selectbox(
            "Matterport: trained as this sample, or based on it",
            get_args(MatterportPreset),
            index=None,
            placeholder="None of them",
            help="Fills in the settings below, and the sample's category names if you give none.",
            key="custom-preset",
        )
        settings = st.text_area(
            "Matterport: settings",
            "" if preset is None else printed_config(MATTERPORT_PRESETS[preset]),
            key=f"custom-settings-{preset}",
            max_chars=_MOST_TYPED,
            height=200,
            disabled=config is not None,
            placeholder="DETECTION_MIN_CONFIDENCE       0.9\nIMAGE_MAX_DIM                  1024",
            help="Lines as config.display() prints them; change what differs. What is left out is as in "
            "Matterport's own Config.",
        )
    boxes_only = st.toggle(
        "Open a Faster R-CNN, which has no mask head, for its boxes",
        key="custom-boxes-only",
        help="Its masks are then its boxes, and the model's title, its notes and its exports say so.",
    )
    return _Given(
        weights,
        beside,
        "" if beside else names.strip(),
        config,
        "" if config or (preset and settings == printed_config(MATTERPORT_PRESETS[preset])) else settings,
        preset,
        style,
        boxes_only,
    )


def _load(weights: UploadedFile, given: _Given) -> LoadedModel:
    with tempfile.TemporaryDirectory(dir=scratch_folder()) as scratch:
        folder = Path(scratch)
        file = _written(folder / "weights", weights.name, weights.getvalue())
        names = _saved(folder / "names", given.beside)
        if names is not None and is_card(names):
            return load_trained_model(file, card=names)
        if given.names:
            names = _written(folder / "names", "category names", given.names.encode())
        config = _saved(folder / "config", given.config)
        if given.settings.strip():
            config = _written(folder / "config", _TYPED_CONFIG, given.settings.encode())
        sidecar = Sidecar(config, given.style, given.preset, boxes_only=given.boxes_only)
        return load_custom_model(file, names, title=weights.name[:MAX_NAME], sidecar=sidecar)


def _saved(folder: Path, upload: UploadedFile | None) -> Path | None:
    return None if upload is None else _written(folder, upload.name, upload.getvalue())


def _written(folder: Path, name: str, content: bytes) -> Path:
    """Write a file whose messages name it as the person did, as far as that makes a harmless path."""
    folder.mkdir()
    file = folder / file_name(name)
    file.write_bytes(content)
    return file
