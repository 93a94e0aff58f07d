"""Who is let in, how much they may send, and what is to be seen without a token."""

import asyncio
import re
import time

import httpx
import pytest

from maskrcnn_core.errors import CoreError, InputError
from maskrcnn_core.service.gate import Gate
from maskrcnn_core.service.server import create_service
from maskrcnn_core.service.settings import AllowedHosts, Limits, check_address, token_from_environment
from tests.builders.service import ask, files, png, post, tiny
from tests.own_loop import run_in_own_loop

TOKEN = "a-token-of-somebody"


def test_without_the_token_nothing_is_read():
    async def talk(client):
        image = files(("a.png", png()))
        headers = [
            {},
            *({"Authorization": text} for text in (TOKEN, f"Basic {TOKEN}", f"Bearer {TOKEN}x", "Bearer ")),
        ]
        refused = [await client.post("/v1/annotate", files=image, headers=one) for one in headers]
        let_in = await client.post("/v1/annotate", files=image, headers={"Authorization": f"Bearer {TOKEN}"})
        return refused, let_in, await client.get("/v1/models"), await client.get("/health")

    refused, let_in, models, health = ask(talk, token=TOKEN)
    assert {answer.status_code for answer in refused} == {401} and models.status_code == 401
    assert refused[0].headers["www-authenticate"] == "Bearer"
    assert TOKEN not in refused[0].text
    assert let_in.status_code == 200 and health.status_code == 200


def test_with_a_token_any_host_may_be_asked():
    async def talk(client):
        return await client.get("/v1/models", headers={"Authorization": f"Bearer {TOKEN}"})

    assert ask(talk, token=TOKEN, host="desk.example").status_code in (200, 503)


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Host": "127.0.0.1.evil"},
    ],
)
def test_without_a_token_no_page_of_another_site_gets_in(headers):
    assert post(files=files(("a.png", png())), headers=headers).status_code == 403


@pytest.mark.parametrize("host", ["localhost:8600", "[::1]:8600", "127.0.0.1"])
def test_without_a_token_this_computer_gets_in(host):
    origin = {"Host": host, "Origin": f"http://{host}"}
    assert post(files=files(("a.png", png())), headers=origin).status_code == 200


def test_too_large_a_request_is_refused_whether_it_says_so_or_not():
    limits = Limits(request_bytes=5000)

    async def pieces():
        yield b'--x\r\nContent-Disposition: form-data; name="images"; filename="a"\r\n\r\n'
        for _ in range(100):
            yield b"x" * 1000

    async def talk(client):
        kind = {"Content-Type": "multipart/form-data; boundary=x"}
        told = await client.post("/v1/annotate", content=b"x" * 6000, headers=kind)
        return told, await client.post("/v1/annotate", content=pieces(), headers=kind)

    for answer in ask(talk, limits=limits):
        assert answer.status_code == 413
        assert answer.json()["error"].startswith("expected a request of at most")


def test_too_large_an_image_is_refused_by_itself():
    limits = Limits(image_bytes=20_000)
    small, large = png(20, 20), png(100, 100)
    assert len(small) < 20_000 < len(large)
    said = post(files=files(("a.png", small), ("b.png", large)), service={"limits": limits}).json()["images"]
    assert [image["status"] for image in said] == ["annotated", "failed"]


def test_a_request_that_does_not_arrive_is_given_up():
    async def talk(client):
        async def pieces():
            yield b"--x"
            await asyncio.Event().wait()

        kind = {"Content-Type": "multipart/form-data; boundary=x"}
        return await client.post("/v1/annotate", content=pieces(), headers=kind)

    answer = ask(talk, limits=Limits(upload_seconds=0.1))
    assert answer.status_code == 408 and "0.1 s" in answer.json()["error"]


def test_tokens_are_compared_in_one_time(monkeypatch):
    compared = []
    monkeypatch.setattr("hmac.compare_digest", lambda a, b: compared.append((len(a), len(b))) or a == b)

    async def app(scope, receive, send):
        await httpx_ok(send)

    async def talk():
        transport = httpx.ASGITransport(app=Gate(app, TOKEN, Limits()))
        async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
            tokens = ("a", TOKEN, "b" * 500)
            return [
                (await client.get("/v1/models", headers={"Authorization": f"Bearer {one}"})).status_code
                for one in tokens
            ]

    assert run_in_own_loop(talk()) == [401, 200, 401]
    assert compared == [(32, 32)] * 3


async def httpx_ok(send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b""})


# -- settings ---------------------------------------------------------------------------------------


def test_without_a_token_another_address_is_refused():
    for address in ("127.0.0.1", "localhost", "::1"):
        check_address(address, "")
    check_address("0.0.0.0", TOKEN)
    for address in ("0.0.0.0", "::", "192.168.1.2", "desk.example", ""):
        with pytest.raises(InputError, match="MASKDESK_TOKEN"):
            check_address(address, "")


def test_a_token_is_no_short_word(monkeypatch):
    monkeypatch.delenv("MASKDESK_TOKEN", raising=False)
    assert token_from_environment() == ""
    monkeypatch.setenv("MASKDESK_TOKEN", f" {TOKEN}\n")
    assert token_from_environment() == TOKEN
    for bad in ("secret", "ä" * 20, "a b\tc" * 8):
        monkeypatch.setenv("MASKDESK_TOKEN", bad)
        with pytest.raises(InputError) as told:
            token_from_environment()
        assert bad not in str(told.value)


def test_hosts_that_are_none_are_refused(monkeypatch):
    monkeypatch.setenv("MASKDESK_ALLOWED_HOSTS", "a.example, b.example:81,")
    hosts = AllowedHosts.from_environment(["[::1]:8000"])
    assert len(hosts) == 3
    assert hosts.has("https", "A.example", 443) and hosts.has("http", "a.example", 80)
    assert not hosts.has("https", "a.example", 80) and not hosts.has("http", "a.example", 81)
    assert hosts.has("http", "b.example", 81) and not hosts.has("http", "b.example", 80)
    assert hosts.has("http", "::1", 8000)
    for bad in ("http://a.example", "*.example", "a.example:0", "a.example:x", "a b", "user@host", ":80"):
        with pytest.raises(InputError, match="allowed hosts"):
            AllowedHosts([bad])


# -- what there is to see ------------------------------------------------------------------------------


def test_the_page_of_what_there_is_needs_no_other_host():
    async def talk(client):
        return await client.get("/docs"), (await client.get("/openapi.json")).json()

    page, schema = ask(talk)
    assert page.status_code == 200
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert not re.search(r"<script|<link|<img|src=|https?:", page.text)
    assert set(schema["paths"]) == {"/v1/annotate", "/v1/box-to-mask", "/v1/models", "/health"}
    for path, ways in schema["paths"].items():
        assert path in page.text
        for way in ways.values():
            for kind, body in way.get("requestBody", {}).get("content", {}).items():
                assert kind in page.text
                assert all(f"<code>{name}</code>" in page.text for name in body["schema"]["properties"])


def test_nothing_is_reported_to_anybody_whatever_the_environment_says(monkeypatch, caplog):
    """FastAPI would look for what sends its telemetry there, and say so where that is missing."""
    monkeypatch.setenv("FASTAPI_OTEL_AUTO_CONFIGURE", "true")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    messages, sent = ["lifespan.startup", "lifespan.shutdown"], []

    async def receive():
        return {"type": messages.pop(0)}

    async def send(message):
        sent.append(message["type"])

    run_in_own_loop(create_service(tiny)({"type": "lifespan"}, receive, send))
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert not [record for record in caplog.records if record.name == "fastapi"]


def test_models_say_what_they_know_and_no_path():
    async def talk(client):
        return (await client.get("/v1/models")).json()["models"]

    models = ask(talk)
    assert models[0]["key"] == "tiny" and models[0]["is_loaded"]
    assert [one["name"] for one in models[0]["categories"]] == ["a", "b", "c", "d", "e"]
    assert len({model["key"] for model in models}) == len(models)


def test_while_the_model_is_loaded_health_says_so():
    go = []

    def make(key):
        while not go:
            time.sleep(0.01)
        return tiny()

    async def talk(client):
        before = await client.get("/health")
        early = await client.post("/v1/annotate", files=files(("a.png", png())))
        go.append(True)
        while (after := await client.get("/health")).status_code != 200:
            await asyncio.sleep(0.01)
        return before, early, after

    before, early, after = ask(talk, make, host="localhost")
    assert before.status_code == 503 and before.json()["status"] == "loading"
    assert early.status_code == 503 and "retry-after" in early.headers
    assert after.json() == {"status": "ready", "models": ["tiny"], "queue": 0}


def test_a_model_that_cannot_be_loaded_is_told():
    failures = []

    def make(key):
        raise CoreError("no weights")

    async def talk(client):
        while not failures:
            await asyncio.sleep(0.01)
        return await client.get("/health")

    assert ask(talk, make, host="localhost", on_failure=failures.append).status_code == 503
    assert str(failures[0]) == "no weights"
