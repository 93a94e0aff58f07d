"""A real Chromium and a real Streamlit server for the tests marked ``browser``."""

import contextlib
import os
import socket
import tempfile
import time
import urllib.parse
import urllib.request
from pathlib import Path

import pytest
from playwright.sync_api import expect, sync_playwright

from maskrcnn_core.projects.db.location import StorePlace
from maskrcnn_core.projects.store import Store
from tests.browser.chromium import find_chromium
from tests.browser.forking import Forker
from tests.browser.review_page import ReviewPage
from tests.needs import lacks

ROOT = Path(__file__).parents[2]
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
FLAGS += ["--disable-sync", "--process-per-site"]
SERVER_LOGS = []
# Limits, not waits: a cold server on a busy machine takes its time over the first page.
LIMIT_MS = 60_000
expect.set_options(timeout=LIMIT_MS)


@pytest.fixture(scope="session")
def browser():
    """A headless Chromium for the whole run."""
    with sync_playwright() as playwright:
        path = find_chromium(playwright)
        if path is None:
            lacks("no Chromium: run `playwright install chromium` or set MASKDESK_CHROMIUM")
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


class Servers:
    """Streamlit servers on free loopback ports."""

    def __init__(self, make_folder, forker):
        self.make_folder = make_folder
        self.forker = forker
        self.running = {}

    def __call__(self, script_path, env=None, cwd=None, address=None, base=""):
        """Starts the app and returns its address, or starts it again at one that was killed.

        Streamlit reads ``.streamlit/config.toml`` of the folder it starts in: by default one without any.
        ``base`` is the path under which the app is served, such as ``/x``.
        """
        port = urllib.parse.urlsplit(address).port if address else free_port()
        options = {
            "server.address": "127.0.0.1",
            "server.port": port,
            "server.headless": "true",
            "server.baseUrlPath": base.strip("/"),
            "server.fileWatcherType": "none",
            "browser.gatherUsageStats": "false",
        }
        arguments = ["streamlit", "run", str(script_path)]
        arguments += [f"--{name}={value}" for name, value in options.items()]
        log = self.make_folder("server") / "log.txt"
        log.touch()
        SERVER_LOGS.append(log)
        process = self.forker.start(arguments, {**os.environ, **(env or {})}, cwd or log.parent, log)
        address = f"http://127.0.0.1:{port}{base}"
        self.running[address] = process
        wait_for_health(address, lambda: process.is_alive, log)
        return address

    def kill(self, address):
        """Ends a server as a power cut does."""
        self.running.pop(address).kill()

    def stop_all(self):
        """Ends all that run. Nothing of them is kept, so none is asked to end, which takes them seconds."""
        for address in list(self.running):
            self.kill(address)


def free_port():
    with contextlib.closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="session")
def forker():
    """What apps are forked from."""
    forker = Forker()
    yield forker
    forker.stop()


@pytest.fixture(scope="module")
def serve_app(tmp_path_factory, forker):
    """``serve_app(script_path, env, cwd)`` starts an app, which ends with the module; see `Servers`.

    Each takes up to a gigabyte of memory.
    """
    servers = Servers(tmp_path_factory.mktemp, forker)
    yield servers
    servers.stop_all()


@pytest.fixture(scope="module")
def only_the_box(tmp_path_factory):
    """The environment of a machine with no weights but those in the box, and no hub."""
    empty = str(tmp_path_factory.mktemp("no-weights"))
    weights = dict.fromkeys(("MASKDESK_WEIGHTS", "XDG_CACHE_HOME", "TORCH_HOME"), empty)
    return weights | {"MASKDESK_MIRROR": "http://127.0.0.1:9"}


@pytest.fixture(scope="module")
def boxed_address(serve_app, only_the_box):
    """The app on such a machine."""
    return serve_app(ROOT / "app.py", only_the_box, cwd=ROOT)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The data folder of a module's app."""
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="module")
def address(serve_app, folder):
    """The app over a data folder of its own; modules with another app say so themselves."""
    return serve_app(ROOT / "app.py", {"MASKDESK_DATA": str(folder), "MASKDESK_DATABASE": ""}, cwd=ROOT)


@pytest.fixture(scope="module")
def store(address, folder):
    """What the app has stored."""
    store = Store(StorePlace.in_folder(folder))
    yield store
    store.close()


def wait_for_health(address, is_alive, log):
    """Until the server answers; fails with its output when it ends or takes a minute."""
    end = time.monotonic() + 60
    while time.monotonic() < end and is_alive():
        try:
            with urllib.request.urlopen(f"{address}/_stcore/health", timeout=2) as answer:
                if answer.status == 200:
                    return
        except OSError:
            time.sleep(0.1)
    pytest.fail(f"the app did not start:\n{log.read_text('utf-8', 'replace')[-3000:]}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Beside a failure, what was on the screen then, and what the servers said."""
    report = yield
    if report.failed and call.when == "call" and "browser" in item.fixturenames:
        folder = Path(os.environ.get("MASKDESK_SCREENSHOTS") or tempfile.gettempdir())
        for n, page in enumerate(p for c in item.funcargs["browser"].contexts for p in c.pages):
            picture = folder / f"{item.name}-{n}.png"
            with contextlib.suppress(Exception):  # a page that is gone must not hide the failure
                text = page.locator("body").inner_text(timeout=5000)
                page.screenshot(path=picture)
                report.sections.append((f"page {n}", f"{page.url}\n{picture}\n{text[:3000]}"))
        for log in SERVER_LOGS:
            report.sections.append((f"server log {log}", log.read_text("utf-8", "replace")[-2000:]))
    return report


class Profile:
    """A browser's own storage, and pages that share a process with the page of the test before.

    By itself each test's page would fetch and compile all of Streamlit's scripts anew, for a second or two.
    An empty page of the same origin keeps the process, and with it what was compiled, when the last page of a
    test is closed.
    """

    def __init__(self, browser):
        # Streamlit's fades and running figures are drawn without a GPU here; nothing of ours moves by itself.
        self.context = browser.new_context(viewport={"width": 1360, "height": 900}, reduced_motion="reduce")
        self.context.set_default_timeout(LIMIT_MS)
        self._keeper = self.context.new_page()
        self._keeper.route("**", lambda route: route.fulfill(body=""))  # no server need be there
        self._session = self.context.new_cdp_session(self._keeper)

    def forget(self):
        """Closes all pages, and empties the storage of where they were.

        Playwright's own way, ``set_storage_state``, empties what was fetched, too.
        """
        pages = [page for page in self.context.pages if page is not self._keeper]
        origins = {origin_of(page.url) for page in pages if page.url.startswith("http")}
        if origins and origin_of(self._keeper.url) not in origins:
            self._keeper.goto(min(origins))
        for page in pages:
            page.close()
        for origin in origins:
            self._session.send("Storage.clearDataForOrigin", {"origin": origin, "storageTypes": "all"})
        self.context.clear_cookies()
        self.context.clear_permissions()


def origin_of(url):
    return "{0.scheme}://{0.netloc}".format(urllib.parse.urlsplit(url))


@pytest.fixture(scope="module")
def profile(browser):
    """What the pages of a module's tests are opened in."""
    profile = Profile(browser)
    yield profile
    profile.context.close()


@pytest.fixture
def page(profile):
    """A fresh page 1360 pixels wide of a browser that knows nothing; a script error in it fails the test."""
    page = profile.context.new_page()
    errors = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    profile.forget()
    assert errors == []


@pytest.fixture
def people(browser):
    """``people(link, name)`` opens the Review page in a browser of its own."""
    contexts = []

    def come(link, name):
        contexts.append(browser.new_context(viewport={"width": 1400, "height": 900}))
        page = contexts[-1].new_page()
        page.goto(link.split("/review")[0] + "/models")
        page.evaluate("name => localStorage.setItem('maskdesk-who', name)", name)
        review = ReviewPage(page, link)
        review.context = contexts[-1]
        return review

    yield come
    for context in contexts:
        context.close()
