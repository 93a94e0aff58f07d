"""What goes compressed and for keeps, and what goes through as it is."""

import gzip
import json
import re
from typing import NamedTuple

import pytest
from starlette.applications import Starlette
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from pages.components.mounting import WEB, full_name, module_paths
from pages.shared.page_table import PAGES
from pages.shell.delivery import Delivery
from pages.shell.fonts.icons import streamlit_icons
from pages.shell.shrinking import without_comments
from tests.own_loop import run_in_own_loop

SCRIPT = b"export const one = 1;\n" * 400
PAGE = """<html><head><link rel="shortcut icon" href="./favicon.png" />
<link rel="preload"
  href="./static/media/Sans.woff2" as="font" crossorigin />
<title>Desk</title><script type="module" src="./static/js/index.js"></script></head><body></body></html>"""
GIF = b"GIF89a" + bytes(500)


class Answer(NamedTuple):
    status: int
    headers: dict
    body: bytes

    @property
    def text(self):
        return gzip.decompress(self.body) if self.headers.get("content-encoding") == "gzip" else self.body

    @property
    def links(self):
        """What a page has its browser fetch once the scripts above are there."""
        return json.loads(re.search(rb"for \(const one of (\[.*\])\)", self.text)[1])


class Server:
    """A server of a script, a page and a picture, as Streamlit sends them, behind the layer."""

    def __init__(self):
        self.asked = []
        self.app = Delivery(
            Starlette(
                routes=[
                    Route("/static/js/{name}", self.script),
                    Route("/media/{size:int}.gif", self.picture),
                    Route("/media/data.json", self.download),
                    Route("/{page:path}", self.page),
                ]
            )
        )

    def _note(self, request):
        self.asked.append(request.url.path)

    def script(self, request):
        self._note(request)
        lasts = "public, immutable, max-age=31536000"
        return Response(SCRIPT, media_type="text/javascript", headers={"Cache-Control": lasts, "ETag": '"1"'})

    def page(self, request):
        self._note(request)
        return HTMLResponse(PAGE, headers={"Cache-Control": "no-cache", "ETag": '"2"'})

    def picture(self, request):
        return Response(GIF + bytes(request.path_params["size"]), media_type="image/gif")

    def download(self, _request):
        return Response(b"{}", media_type="application/json")

    def get(self, path, *, method="GET", **headers):
        sent = []
        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "query_string": b"",
            "headers": [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()],
        }

        async def receive():
            return {"type": "http.request", "body": b""}

        async def send(message):
            sent.append(message)

        run_in_own_loop(self.app(scope, receive, send))
        raw = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
        return Answer(sent[0]["status"], raw, b"".join(part.get("body", b"") for part in sent[1:]))


@pytest.fixture
def server():
    return Server()


def test_a_script_is_compressed_once(server):
    one, two = (server.get("/static/js/one.js", accept_encoding="gzip, br") for _ in range(2))
    assert one.text == SCRIPT and len(one.body) < len(SCRIPT) / 10
    assert one == two and server.asked == ["/static/js/one.js"]
    assert one.headers["vary"] == "Accept-Encoding" and "immutable" in one.headers["cache-control"]
    assert int(one.headers["content-length"]) == len(one.body)


@pytest.mark.parametrize(
    "request_",
    [{}, {"accept_encoding": "br"}, {"accept_encoding": "gzip", "range": "bytes=0-9"}, {"method": "HEAD"}],
)
def test_whoever_asks_in_another_way_gets_the_file_as_it_is(server, request_):
    answer = server.get("/static/js/one.js", **request_)
    assert "content-encoding" not in answer.headers and answer.headers["etag"] == '"1"'


@pytest.mark.parametrize("path", ["/", "/x/", *(f"/{page.address}" for page in PAGES), "/x/review"])
def test_a_page_names_the_modules_that_it_will_ask_for(server, path):
    answer = server.get(path, accept_encoding="gzip")
    row = next((page for page in PAGES if page.address == path.rpartition("/")[2]), PAGES[0])
    assert row.components, "the outbox is on every page"
    for component in row.components:
        for module in module_paths(component):
            assert {"rel": "modulepreload", "fetchPriority": "low", "href": f"./{module}"} in answer.links
    assert answer.headers["cache-control"] == "no-cache" and "etag" not in answer.headers
    server.get(path, accept_encoding="gzip")
    assert server.asked == [path, path], "a page is never kept: it belongs to the server's version"


def test_streamlits_own_script_has_the_line_to_itself_before_all_others(server):
    answer = server.get("/review", accept_encoding="gzip")
    page = answer.text.decode()
    assert 0 < page.index("index.js") < page.index("const one of") < page.index("</head>")
    assert page.count("<link") == 1 and "favicon.png" in page, "what is linked at once comes at once"
    assert answer.links[0] == {
        "rel": "preload",
        "as": "font",
        "type": "font/woff2",
        "crossOrigin": "",
        "href": "./static/media/Sans.woff2",
    }


def test_what_is_no_page_names_nothing(server):
    assert server.get("/metrics", accept_encoding="gzip").body == PAGE.encode()


def test_the_components_files_are_sent_for_good_as_the_server_began_with_them(server):
    path = f"/x/_stcore/bidi-components/{full_name('review')}/review/editor.js"
    answer = server.get(path, accept_encoding="gzip")
    file = (WEB / "review" / "editor.js").read_bytes()
    assert answer.text == without_comments(file) != file and server.asked == []
    assert answer.headers["content-type"].startswith("text/javascript")
    assert "immutable" in answer.headers["cache-control"]


@pytest.mark.parametrize("name", ["review/none.js", "../mounting.py", ""])
def test_other_names_are_left_to_streamlit(server, name):
    path = f"/_stcore/bidi-components/{full_name('review')}/{name}"
    server.get(path, accept_encoding="gzip")
    assert server.asked == [path]


def test_files_of_another_version_are_left_to_streamlit(server):
    path = "/_stcore/bidi-components/maskdesk-000000000000.review/review/editor.js"
    server.get(path, accept_encoding="gzip")
    assert server.asked == [path]


def test_the_icon_font_is_the_small_one(server):
    answer = server.get(f"/x/static/media/{streamlit_icons().name}", accept_encoding="gzip")
    assert answer.headers["content-type"] == "font/woff2" and "immutable" in answer.headers["cache-control"]
    assert 20_000 < len(answer.body) < streamlit_icons().stat().st_size / 4 and server.asked == []


def test_another_font_is_left_to_streamlit(server):
    server.get("/static/media/MaterialSymbols-Rounded.other.woff2", accept_encoding="gzip")
    assert server.asked == ["/static/media/MaterialSymbols-Rounded.other.woff2"]


def test_a_browser_keeps_pictures_whose_name_tells_all_of_them(server):
    asked = {"accept_encoding": "gzip"}
    assert server.get("/media/0.gif", **asked).headers["cache-control"] == "private, max-age=86400"
    assert "cache-control" not in server.get(f"/media/{1 << 20}.gif", **asked).headers
    assert "cache-control" not in server.get("/media/data.json", **asked).headers
