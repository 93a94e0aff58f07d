"""Files whose address on the server gets lost on the way are given to the uploader once more."""

import base64

import pytest
from playwright.sync_api import expect
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from maskrcnn_core.images.reading import encode_png
from maskrcnn_core.synthetic.scenes import draw_scene
from tests.browser.chromium import remember_name

pytestmark = pytest.mark.browser

PATIENCE = 3_500
"""Longer than the page waits before it gives files again (ms)."""

DROP = """(place, [name, text]) => {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const carried = new DataTransfer();
  carried.items.add(new File([bytes], name, { type: "image/png" }));
  for (const kind of ["dragenter", "dragover", "drop"]) {
    place.dispatchEvent(new DragEvent(kind, { dataTransfer: carried, bubbles: true, cancelable: true }));
  }
}"""


class Line:
    """The page's socket, on which the first addresses for files are lost, as where the page is drawn anew."""

    def __init__(self, page, *, losses):
        self.asked, self._losses = 0, losses
        page.route_web_socket("**/_stcore/stream", self._take)

    def _take(self, socket):
        server = socket.connect_to_server()
        server.on_message(lambda message: self._pass_on(socket, message))

    def _pass_on(self, socket, data):
        message = ForwardMsg()
        message.ParseFromString(data)
        if message.WhichOneof("type") == "file_urls_response":
            self.asked += 1
            if self.asked <= self._losses:
                return
        socket.send(data)


@pytest.fixture
def opened(page, address):
    def open_page(*, losses):
        line = Line(page, losses=losses)
        remember_name(page)
        page.goto(f"{address}/how_it_works")
        page.get_by_role("heading", name="How Mask R-CNN works").wait_for(timeout=120_000)
        page.locator('[data-part="uploads"][data-listening="true"]').wait_for(state="attached")
        return line

    return open_page


@pytest.fixture
def png():
    return encode_png(draw_scene(3).pixels)


def choose_file(page, png):
    page.set_input_files("input[type=file]", {"name": "one.png", "mimeType": "image/png", "buffer": png})


def drop_file(page, png):
    page.get_by_test_id("stFileUploaderDropzone").evaluate(DROP, ["one.png", base64.b64encode(png).decode()])


@pytest.mark.parametrize("hand_in", [choose_file, drop_file])
def test_a_file_comes_in_although_its_address_was_lost(page, opened, png, hand_in):
    line = opened(losses=1)
    hand_in(page, png)
    expect(page.get_by_role("heading", name="1. What the network sees")).to_be_visible(timeout=120_000)
    assert line.asked == 2


def test_a_file_that_has_arrived_is_not_given_again(page, opened, png):
    line = opened(losses=0)
    choose_file(page, png)
    expect(page.get_by_role("heading", name="1. What the network sees")).to_be_visible(timeout=120_000)
    page.wait_for_timeout(PATIENCE)
    assert line.asked == 1
    expect(page.get_by_text("Already open")).to_have_count(0)
