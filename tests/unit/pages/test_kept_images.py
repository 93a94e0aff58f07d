"""What a tab had open, in the session that comes after: images, and what was chosen."""

import gc
import threading
from contextlib import suppress
from dataclasses import fields, replace

import pytest

from maskrcnn_core.detection.candidates import Thresholds
from maskrcnn_core.drawing.style import Style
from maskrcnn_core.images.reading import encode_png
from pages.shared.kept_images import KeptImages, View
from pages.shared.session import UiState
from tests.builders.core import make_image


@pytest.fixture
def kept(tmp_path):
    return KeptImages(tmp_path / "open")


def session(kept, *seeds):
    state = UiState()
    for seed in seeds:
        state.look_at(state.workspace.add(f"{seed}.png", encode_png(make_image(40, 60, seed))).added[0])
    kept.keep(state)
    return state


CHOSEN = View(
    stretch="off",
    model_key="shapes",
    is_model_chosen=True,
    domain="drawings",
    domains_kept=(("photo", "photos"),),
    score_threshold=0.7,
    nms_threshold=0.4,
    mask_threshold=0.6,
    max_detections=50,
    limits={"shapes": 50},
    own_nms=0.3,
    scored_by=("shapes", "drawings"),
    only_categories=("circle",),
    hidden_categories=(1, 3),
    display=Style(opacity=0.2, labels=False, color_by="category"),
    samples_open=("ab" * 32,),
    mended_in=7,
    mended_as="off",
    kept=("cd" * 32,),
)


def test_nothing_is_written_before_the_first_image(kept, tmp_path):
    assert session(kept).images_token == ""
    assert not (tmp_path / "open").exists()


def test_all_that_was_chosen_comes_back_after_a_restart(kept, tmp_path):
    state = session(kept, 1, 2)
    chosen = replace(CHOSEN, current=state.current)
    chosen.show_in(state)
    state.workspace.set_stretch("off")
    kept.keep(state)
    token, images = state.images_token, dict(state.workspace.images)
    assert View.of(state) == chosen
    assert all(getattr(chosen, one.name) != getattr(View(), one.name) for one in fields(View)), (
        "or it shows nothing"
    )
    later = UiState()
    KeptImages(tmp_path / "open").join(later, token)
    assert View.of(later) == chosen
    assert (later.workspace.images, later.images_token) == (images, token)
    assert later.thresholds == Thresholds(0.7, 0.4, 50, 0.6)
    assert later.added.refused == ()


def test_runs_of_one_session_that_overlap_keep_its_images_under_one_word(kept, tmp_path, monkeypatch):
    state, begun, words = UiState(), threading.Barrier(2), []
    digest = state.workspace.add("1.png", encode_png(make_image(40, 60, 1))).added[0]

    def word(_bytes):
        with suppress(threading.BrokenBarrierError):
            begun.wait(timeout=1)  # for the other run, which must not come here, too
        words.append(f"word-{len(words)}")
        return words[-1]

    monkeypatch.setattr("pages.shared.kept_images.secrets.token_hex", word)
    runs = [threading.Thread(target=kept.keep, args=(state,)) for _ in range(2)]
    for run in runs:
        run.start()
    for run in runs:
        run.join()
    assert words == [state.images_token]
    later = UiState()
    KeptImages(tmp_path / "open").join(later, state.images_token)
    assert list(later.workspace.images) == [digest]


def test_a_session_that_lingers_is_taken_over_with_all_that_it_has(kept):
    first = session(kept, 1, 2)
    second = UiState()
    dropped = second.workspace.add("3.png", encode_png(make_image(40, 60, 3))).added[0]
    kept.join(second, first.images_token)
    assert second.workspace is first.workspace
    assert [image.name for image in second.workspace.images.values()] == ["1.png", "2.png", "3.png"]
    assert second.workspace.original(dropped)


def test_what_tabs_left_open_is_named_and_closed(kept):
    first, empty = session(kept, 1, 2), session(kept, 3)
    empty.workspace.remove(list(empty.workspace.images))
    words = [first.images_token, empty.images_token, "0" * 24]
    assert [(left.token, left.names) for left in kept.left_open(words)] == [(words[0], ("1.png", "2.png"))]
    del first, empty
    gc.collect()
    assert [left.names for left in kept.left_open(words)] == [("1.png", "2.png")], (
        "also once its session has gone"
    )
    kept.close(words[0])
    assert kept.left_open(words) == []
    state = UiState()
    kept.join(state, words[0])
    assert (state.workspace.images, state.workspace.closed_last, state.current) == ({}, [], None)


def test_a_word_that_nobody_knows_opens_nothing(kept):
    state = UiState()
    kept.join(state, "f" * 24)
    assert (state.images_token, state.workspace.is_kept) == ("", False)


@pytest.mark.parametrize("text", ["", "{", '{"score_threshold": 7}', '{"current": 3}', "[]"])
def test_choices_that_cannot_be_read_cost_no_image(kept, tmp_path, text):
    token = session(kept, 1).images_token
    (view,) = (tmp_path / "open").glob("*/view")
    view.write_text(text)
    later = UiState()
    KeptImages(tmp_path / "open").join(later, token)
    assert len(later.workspace.images) == 1
    assert later.current in later.workspace.images
    assert later.thresholds == Thresholds()


def test_a_folder_that_cannot_be_written_gives_no_word(tmp_path):
    (tmp_path / "open").write_text("a file")
    state = session(KeptImages(tmp_path / "open"), 1)
    assert state.images_token == ""
    assert state.is_unkept, "so the browser asks"
    assert state.workspace.original(state.current)
