"""Images by address: only from hosts that were allowed."""

import threading

import pytest

from maskrcnn_core.service import fetching
from maskrcnn_core.service.settings import AllowedHosts, Limits
from tests.builders.service import host_of, png, post

PICTURE = png()


def annotate(*urls, allowed=(), **limits):
    service = {"allowed": AllowedHosts(allowed), "limits": Limits(**limits)}
    return post(json={"urls": list(urls)}, service=service)


def redirect(target):
    def send(handler):
        handler.send_response(302)
        handler.send_header("Location", target)
        handler.end_headers()

    return send


def endless(handler):
    handler.send_response(200)
    handler.end_headers()
    try:
        while True:
            handler.wfile.write(b"x" * 2**16)
    except OSError:
        pass


def trickling(stop):
    def send(handler):
        try:
            handler.wfile.write(b"HTTP/1.0 200 OK\r\n")
            while not stop.wait(0.02):
                handler.wfile.write(b"X")
                handler.wfile.flush()
        except OSError:
            pass

    return send


def cut(handler):
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(PICTURE)))
    handler.end_headers()
    handler.wfile.write(PICTURE[:100])


def test_an_allowed_host_gives_its_image():
    with host_of({"/photos/a%20b.png?size=1": PICTURE}) as (host, asked):
        answer = annotate(f"http://{host}/photos/a%20b.png?size=1", allowed=[host])
    assert answer.status_code == 200, answer.text
    assert answer.json()["result"]["images"][0]["file_name"] == "a b.png"
    assert asked == ["/photos/a%20b.png?size=1"]


def test_a_host_that_is_not_allowed_is_not_asked():
    with host_of({"/a.png": PICTURE}) as (host, asked):
        port = host.partition(":")[2]
        for allowed in ([], ["127.0.0.1"], ["example.org"], ["127.0.0.1:1"]):
            answer = annotate(f"http://{host}/a.png", allowed=allowed)
            assert answer.status_code == 422
            assert "not fetched from this host" in answer.json()["error"]
        # another spelling of the same address is another host
        assert annotate(f"http://0x7f.1:{port}/a.png", allowed=[host]).status_code == 422
    assert asked == []


def test_one_address_that_fails_leaves_the_others():
    with host_of({"/a.png": PICTURE}) as (host, _):
        said = annotate(f"http://{host}/none.png", f"http://{host}/a.png", allowed=[host]).json()["images"]
    assert [image["status"] for image in said] == ["failed", "annotated"]
    assert said[0]["error"].endswith("the host answered with status 404")


def test_a_redirect_is_not_followed():
    with (
        host_of({"/secret.png": PICTURE}) as (other, asked),
        host_of(
            {
                "/a.png": redirect(f"http://{other}/secret.png"),
                "/b.png": redirect("/c.png"),
                "/c.png": PICTURE,
            }
        ) as (host, _),
    ):
        for name in ("a", "b"):
            answer = annotate(f"http://{host}/{name}.png", allowed=[host, other])
            assert answer.status_code == 422 and "not followed" in answer.json()["error"]
    assert asked == []


@pytest.mark.parametrize("large", [b"x" * 50_000, endless], ids=["told", "not told"])
def test_too_large_is_refused_while_it_comes(large):
    with host_of({"/a.png": large}) as (host, _):
        answer = annotate(f"http://{host}/a.png", allowed=[host], image_bytes=10_000)
    assert answer.status_code == 422 and "expected at most" in answer.json()["error"]


def test_however_slowly_it_comes_time_ends_it():
    stop = threading.Event()
    try:
        with host_of({"/a.png": trickling(stop)}) as (host, _):
            answer = annotate(f"http://{host}/a.png", allowed=[host], fetch_seconds=0.3)
            assert answer.status_code == 422 and "took longer than 0.3 s" in answer.json()["error"]
            stop.set()
    finally:
        stop.set()


def test_what_breaks_off_is_no_image():
    with host_of({"/a.png": cut}) as (host, _):
        answer = annotate(f"http://{host}/a.png", allowed=[host])
    assert answer.status_code == 422 and "cannot be fetched" in answer.json()["error"]


def test_a_name_that_leads_inside_is_not_followed_there(monkeypatch):
    """The name is allowed, the address that it was made to lead to is not."""
    with host_of({"/a.png": PICTURE}) as (host, asked):
        port = int(host.partition(":")[2])
        original = fetching.socket.getaddrinfo
        monkeypatch.setattr(
            fetching.socket,
            "getaddrinfo",
            lambda name, *rest, **options: original("127.0.0.1", *rest, **options),
        )
        url = f"http://pictures.example:{port}/a.png"
        refused = annotate(url, allowed=[f"pictures.example:{port}"])
        taken = annotate(url, allowed=[f"pictures.example:{port}", "127.0.0.1"])
    assert refused.status_code == 422 and "not public" in refused.json()["error"]
    assert taken.status_code == 200 and asked == ["/a.png"]


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/hostname",
        "ftp://127.0.0.1/a.png",
        "http://user:word@127.0.0.1/a.png",
        "http://127.0.0.1:99999/a.png",
        "http://[::1/a.png",
        "http://127.0.0.1/a\r\nHost: x",
        "http:///a.png",
        "//127.0.0.1/a.png",
        "",
        "http://127.0.0.1/" + "a" * 3000,
    ],
)
def test_what_is_no_such_address_is_refused(url):
    answer = annotate(url, allowed=["127.0.0.1"])
    assert answer.status_code == 422
    assert "\n" not in answer.json()["error"] and len(answer.json()["error"]) < 1000
