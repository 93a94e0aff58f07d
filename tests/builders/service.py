"""The service in this process with a stand-in for the network, and in a process of its own."""

from __future__ import annotations

import asyncio
import io
import os
import socket
import subprocess
import sys
import threading
import zipfile
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx

from maskrcnn_core.images.reading import encode_png
from maskrcnn_core.inference.predictor import Predictor
from maskrcnn_core.service.server import create_service
from tests.builders.core import make_image, make_model
from tests.own_loop import run_in_own_loop

ROOT = Path(__file__).resolve().parents[2]
MODEL = make_model()


def png(height=60, width=90, seed=0):
    return encode_png(make_image(height, width, seed))


def files(*images, field="images"):
    return [(field, (name, data, "application/octet-stream")) for name, data in images]


def tiny(key=None):
    return Predictor(MODEL, "cpu")


class Held(Predictor):
    """A predictor that waits in its runs until it is let go."""

    def __init__(self):
        super().__init__(MODEL, "cpu")
        self.begun, self.go = threading.Event(), threading.Event()

    def run(self, images, thresholds=None):
        self.begun.set()
        assert self.go.wait(60)
        return super().run(images, thresholds)


def ask(talk, make=tiny, *, host="127.0.0.1", **options):
    """What ``talk`` returns, given a client of a service that has started."""

    async def run():
        app = create_service(make, **options)
        async with app.router.lifespan_context(app):
            transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
            async with httpx.AsyncClient(
                transport=transport, base_url=f"http://{host}", timeout=60
            ) as client:
                while host == "127.0.0.1" and (await client.get("/health")).status_code != 200:
                    await asyncio.sleep(0.01)
                return await talk(client)

    return run_in_own_loop(run())


def post(path="/v1/annotate", make=tiny, **options):
    """The answer to one request; ``service`` has the options of the service."""
    service = options.pop("service", {})

    async def talk(client):
        return await client.post(path, **options)

    return ask(talk, make, **service)


class _Host(BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.asked.append(self.path)
        answer = self.server.answers.get(self.path)
        if answer is None:
            self.send_error(404)
        else:
            answer(self)

    def log_message(self, *_):
        pass


@contextmanager
def host_of(answers):
    """A host on loopback: each path has bytes, or a function of its handler. Gives ``host:port``, and what it
    was asked for."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Host)
    server.daemon_threads = True
    server.asked = []
    server.answers = {
        path: answer if callable(answer) else sending(answer) for path, answer in answers.items()
    }
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}", server.asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def sending(data):
    def send(handler):
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data)

    return send


def start_service(*options, log, environment=None):
    """A process of ``maskdesk serve`` on a free port, and its address.

    ``log`` is the file of what it says.
    """
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    environment = {**os.environ, "MASKDESK_TOKEN": "", "MASKDESK_ALLOWED_HOSTS": "", **(environment or {})}
    with log.open("w") as stream:
        process = subprocess.Popen(
            [sys.executable, "-m", "maskrcnn_core", "serve", "--port", str(port), *map(str, options)],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=stream,
        )
    return process, f"http://127.0.0.1:{port}"


def wait_until_ready(process, address, log):
    """Until the model is loaded."""
    while process.poll() is None:
        with suppress(httpx.TransportError):
            if httpx.get(f"{address}/health").status_code == 200:
                return
        with suppress(subprocess.TimeoutExpired):
            process.wait(0.1)
    raise AssertionError(log.read_text())


def members_of(answer):
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}
