"""Addresses of open slides: what they serve, to whom, and for how long."""

import gc
import gzip
import json
from io import BytesIO

import httpx
import numpy as np
import pytest
import tifffile
from PIL import Image
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from maskrcnn_core.errors import ImageError
from maskrcnn_core.slides.opening import open_slide
from maskrcnn_core.slides.pyramid import NotReady, TilePyramid
from pages.components.slide_addresses import serve_slide
from pages.shell.slide_tiles import SlideTiles
from tests.builders.slides import drawn
from tests.own_loop import run_in_own_loop


class Client:
    """Asks an app without a server."""

    def __init__(self, app):
        self.app = app

    def ask(self, method, path):
        async def asked():
            transport = httpx.ASGITransport(app=self.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://desk.test") as client:
                return await client.request(method, path)

        return run_in_own_loop(asked())

    def get(self, path):
        return self.ask("GET", path)

    def post(self, path):
        return self.ask("POST", path)


@pytest.fixture
def client():
    app = Starlette(
        routes=[Route("/{path:path}", lambda _request: PlainTextResponse("the app"))],
        middleware=[Middleware(SlideTiles)],
    )
    return Client(app)


@pytest.fixture
def tiles(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", drawn(900, 1300), tile=(128, 128), photometric="rgb", metadata=None)
    return TilePyramid(open_slide(tmp_path / "a.tif"))


@pytest.mark.parametrize("prefix", ["", "/base/path"])
def test_a_tile(client, tiles, prefix):
    served = serve_slide(tiles)
    answer = client.get(f"{prefix}{served.url}0/2_1.jpg")
    assert answer.status_code == 200 and answer.headers["content-type"] == "image/jpeg"
    assert answer.headers["cache-control"] == "private, immutable, max-age=86400"
    found = np.asarray(Image.open(BytesIO(answer.content)))
    assert (found == np.asarray(Image.open(BytesIO(tiles.jpeg(0, 1, 2))))).all()


@pytest.mark.parametrize("place", ["0/3_0", "0/0_2", "3/0_0", "99/0_0", "0/9999999_0"])
def test_tiles_that_are_not_there(client, tiles, place):
    served = serve_slide(tiles)
    assert client.get(f"{served.url}{place}.jpg").status_code == 404


def test_instances(client, tiles):
    served = serve_slide(tiles)
    served.instances["instances-1.json"] = gzip.compress(json.dumps([{"id": 1}]).encode())
    answer = client.get(f"{served.url}instances-1.json")
    assert answer.json() == [{"id": 1}] and answer.headers["content-encoding"] == "gzip"
    assert client.get(f"{served.url}instances-2.json").status_code == 404


def test_a_word_is_of_one_session_and_cannot_be_guessed(client, tiles):
    one, other = serve_slide(tiles), serve_slide(tiles)
    assert one.word != other.word and len(one.word) >= 32
    url = one.url
    assert client.get(f"{url}0/0_0.jpg").status_code == 200
    del one
    gc.collect()
    assert client.get(f"{url}0/0_0.jpg").status_code == 404
    assert client.get(f"{other.url}0/0_0.jpg").status_code == 200
    assert client.get(f"/maskdesk-slides/{'x' * 32}/0/0_0.jpg").status_code == 404


@pytest.mark.parametrize(
    "path", ["/", "/slides", "/maskdesk-slides/short/0/0_0.jpg", "/maskdesk-slides/%2e%2e/%2e%2e/etc/passwd"]
)
def test_all_else_is_left_to_the_app(client, path):
    assert client.get(path).text == "the app"


def test_no_other_method(client, tiles):
    served = serve_slide(tiles)
    assert client.post(f"{served.url}0/0_0.jpg").status_code == 405


def test_what_is_not_made_yet_may_be_asked_for_again(client, tiles, monkeypatch):
    served = serve_slide(tiles)

    def fail(error):
        def jpeg(*_place):
            raise error

        monkeypatch.setattr(tiles, "jpeg", jpeg)
        return client.get(f"{served.url}0/0_0.jpg")

    answer = fail(NotReady())
    assert answer.status_code == 503 and answer.headers["cache-control"] == "no-store"
    assert fail(ImageError("gone")).status_code == 410
