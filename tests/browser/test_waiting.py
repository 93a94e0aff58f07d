"""Who waits for the network: when they hear of its answer, and what they are told until then."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from maskrcnn_core.images.reading import encode_png
from maskrcnn_core.synthetic.scenes import draw_scene
from tests.browser.desk import Desk

pytestmark = pytest.mark.browser

ROOT = Path(__file__).parents[2]
HOLD = 3.0  # seconds


def scenes(folder, count):
    files = [folder / f"scene-{n}.png" for n in range(count)]
    for number, file in enumerate(files):
        file.write_bytes(encode_png(draw_scene(220_000 + number).pixels))
    return files


def without_weights(folder):
    return dict.fromkeys(("MASKDESK_WEIGHTS", "MASKDESK_DATA", "TORCH_HOME"), str(folder))


def test_an_answer_is_there_without_a_look_for_it(page, serve_app, tmp_path):
    address = serve_app(Path(__file__).parent / "called_app.py", without_weights(tmp_path), cwd=ROOT)
    desk = Desk(page, address)
    desk.drop(*scenes(tmp_path, 3))
    # The others are not looked at, so the list is called once all have their answer.
    page.get_by_text(re.compile(r"\d of 3 done")).wait_for(state="detached", timeout=60_000)


def test_who_waits_sees_their_place_and_in_how_long_they_have_their_answer(page, serve_app, tmp_path):
    environment = {
        **without_weights(tmp_path),
        "MASKDESK_BENCHMARK_HOLD": str(HOLD),
        "MASKDESK_BENCHMARK_ALIVE": str(tmp_path / "alive.txt"),
    }
    address = serve_app(ROOT / "benchmarks" / "people_app.py", environment, cwd=ROOT)
    desk = Desk(page, address)
    desk.drop(*scenes(tmp_path, 9))  # the first has its answer, so it is known how long one takes
    # What is looked at has its answer; of the others it is told when all have theirs.
    left = page.get_by_text(re.compile(r"\d of 9 done, about \d+ s left$"))
    expect(left).to_be_visible()
    page.locator("[data-part=stage]").press("End")  # the one that waits longest
    both = page.get_by_text(re.compile(r"\d of 9 done, about \d+ s left, about \d+ s for this one$"))
    expect(both).to_be_visible()
    page.get_by_text(re.compile(r"\d of 9 done")).wait_for(state="detached", timeout=60_000)
