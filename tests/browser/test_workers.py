"""The workers of all machines on the Pre-annotate section: who they are, and what became of them."""

import threading

import pytest
from playwright.sync_api import expect
from sqlalchemy import update

from maskrcnn_core import __version__
from maskrcnn_core.projects.db.tables import SHARE
from maskrcnn_core.projects.proposals import job_claims, jobs, shares, workers
from maskrcnn_core.projects.proposals.job_rows import JobSettings
from maskrcnn_core.projects.proposals.shares import Asked, ImageOutcome
from tests.browser.chromium import remember_name
from tests.browser.review_page import settle
from tests.browser.sizes import look_at_page
from tests.builders.machines import make_small_pictures

pytestmark = pytest.mark.browser

IMAGES = 40
HERE, THERE = "anns-desk:4711:a", "gpu-2.lab:815:b"


@pytest.fixture
def page(page):
    remember_name(page)
    return page


@pytest.fixture
def crew(store, request):
    """Two workers of other machines at one job, which live until the test ends."""
    project = make_small_pictures(store, f"Nuclei {request.node.name}", IMAGES)
    mapping = {row.name: row.id for row in store.categories(project)}
    job = jobs.add_job(store, project, "nuclei", JobSettings(0.5, 0.5, 0.5, 100, mapping), "ann")
    asked = Asked("a" * 64, "a" * 64, "so", exact_only=False, release=__version__)
    for name, device in ((HERE, "cpu"), (THERE, "cuda:0")):
        assert job_claims.claim_job(store, name).id == job.id
        assert shares.lay_out(store, job.id, name, asked)
        job_claims.write_engine(store, job.id, name, "engine exact", device)
    alive, ended = {HERE, THERE}, threading.Event()

    def beats():
        while not ended.wait(2):
            for name in sorted(alive):
                workers.beat(store, name)

    thread = threading.Thread(target=beats)
    thread.start()
    yield Crew(store, project, job.id, alive)
    ended.set()
    thread.join()
    jobs.cancel_job(store, job.id)


class Crew:
    def __init__(self, store, project, job, alive):
        self.store, self.project, self.job, self.alive = store, project, job, alive

    def do(self, name, count):
        for _ in range(count):
            share = shares.next_share(self.store, self.job, name)
            with self.store.writing() as connection:
                share.finish(connection, ImageOutcome(new=2, ran=True))

    def hold_the_rest(self):
        """So that the app has no cause to start a worker of its own."""
        with self.store.writing() as connection:
            left = update(SHARE).where(SHARE.c.job_id == self.job, SHARE.c.done_at.is_(None))
            connection.execute(left.values(worker=THERE))


def open_section(page, address, crew):
    page.goto(f"{address}/project?section=model&project={crew.project}")
    page.get_by_text("2 workers").wait_for()
    settle(page)


def worker(page, host):
    return (
        page.get_by_test_id("stMain")
        .get_by_text(f"{host}, process")  # the chart names it, too
        .locator("xpath=ancestor::*[@data-testid='stVerticalBlock'][1]")
    )


def test_workers_are_seen_with_what_they_do_and_their_rate_without_a_reload(address, page, crew):
    crew.do(HERE, 5)
    crew.do(THERE, 12)
    crew.hold_the_rest()
    open_section(page, address, crew)
    here, there = worker(page, "anns-desk"), worker(page, "gpu-2.lab")
    expect(here).to_contain_text("process 4711, works")
    expect(here).to_contain_text("nuclei over Nuclei test_workers")
    expect(here).to_contain_text("5 images done;")
    expect(there).to_contain_text("12 images done;")
    expect(there).to_contain_text("cuda:0, engine exact.")
    expect(page.get_by_text("23 images left, until about")).to_be_visible()
    expect(page.get_by_text("Images a minute (UTC)").first).to_be_visible()
    crew.do(THERE, 3)
    expect(there).to_contain_text("15 images done;")
    crew.alive.discard(HERE)
    workers.bury(crew.store, "anns-desk:")
    expect(here).to_contain_text("process 4711, died")
    expect(page.get_by_text("1 worker, ")).to_be_visible()
    workers.note(crew.store, THERE, note="left job 9 (mine) to others: its weights are not here")
    expect(there).to_contain_text("Left job 9 (mine) to others: its weights are not here.")


def test_it_fits_a_phone(address, browser, crew):
    crew.do(HERE, 5)
    crew.do(THERE, 12)
    crew.hold_the_rest()
    context = browser.new_context(
        viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True, color_scheme="dark"
    )
    remember_name(context)
    page = context.new_page()
    open_section(page, address, crew)
    page.get_by_text("Work on more machines").click()
    expect(page.get_by_text("This app keeps its projects on this computer.")).to_be_visible()
    look = look_at_page(page)
    assert not look["overflow"] and not look["small"]
    # Names of hosts that need a line each would run into the chart's title if they stood above it.
    # The chart renews itself, and has no box while it is drawn: both are asked for in one moment.
    legend_below = """() => {
        const hosts = document.querySelector(".legend")?.getBoundingClientRect()
        const minutes = document.querySelector(".xaxislayer-above")?.getBoundingClientRect()
        return hosts && minutes && hosts.height && minutes.height ? [hosts.top, minutes.bottom] : null
    }"""
    top, bottom = page.wait_for_function(legend_below).json_value()
    assert top >= bottom
    context.close()
