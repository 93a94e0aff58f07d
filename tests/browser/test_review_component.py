"""The reviewer in a real browser, over the page of ``review_app.py``."""

import itertools
import json
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.chromium import remember_name
from tests.browser.frames import next_frame, wait_until

pytestmark = pytest.mark.browser

NUMBERS = itertools.count()


@pytest.fixture(scope="module")
def address(serve_app):
    return serve_app(Path(__file__).with_name("review_app.py"))


class ReviewPage:
    """What a person sees of the reviewer, and what the store has."""

    def __init__(self, page, address, **query):
        self.page = page
        remember_name(page)
        query = {"store": f"test-{next(NUMBERS)}", **query}
        page.goto(f"{address}/?{'&'.join(f'{name}={value}' for name, value in query.items())}")
        self.root = page.locator('[data-part="root"]')
        self.ready()

    def ready(self):
        self.page.wait_for_selector('[data-part="root"][data-ready="true"]', timeout=60_000)

    def part(self, name):
        return self.root.locator(f'[data-part="{name}"]')

    def button(self, act):
        return self.root.locator(f'[data-act="{act}"]')

    def fact(self, name):
        return self.root.get_attribute(f"data-{name}")

    def wait_fact(self, timeout=60_000, **wanted):
        facts = "".join(f'[data-{name.replace("_", "-")}="{value}"]' for name, value in wanted.items())
        self.page.wait_for_selector(f'[data-part="root"]{facts}', timeout=timeout)

    def press(self, *keys):
        for key in keys:
            self.page.keyboard.press(key)

    def store(self):
        return json.loads(self.page.get_by_text("store=").inner_text().removeprefix("store="))

    def wait_store(self, check, what):
        wait_until(self.page, lambda: check(self.store()), lambda: f"{what}, the store has {self.store()}")
        return self.store()

    def wait_saved(self):
        self.wait_fact(saved="true")
        # The page shows its store after the reviewer, which hears of it first.
        self.page.locator("[data-testid=stApp][data-test-script-state=notRunning]").wait_for()
        expect(self.part("kept")).to_have_text("saved")

    def kinds(self, count):
        """The kinds of the first operations, once there are so many."""
        store = self.wait_store(lambda store: len(store["log"]) >= count, f"{count} operations")
        return [kind for _, _, kind in store["log"]]


@pytest.fixture
def review(page, address):
    return ReviewPage(page, address)


def test_decisions_by_key_are_seen_at_once_and_reach_the_store(review):
    assert review.fact("selected") == "1000002"
    review.press("a")
    review.wait_fact(status_counts="7,1,0", selected="1000000")
    review.press("d")
    review.wait_fact(status_counts="6,1,1", selected="1000001")
    review.press("4")
    review.wait_fact(selected="1000001")
    expect(review.part("note")).to_have_text("runner-up: bus 0.41; soft edge")
    review.wait_saved()
    store = review.wait_store(lambda store: len(store["decided"]) == 3, "three decisions")
    wanted = {"1000002": ["accepted", 12], "1000000": ["rejected", 10], "1000001": ["proposed", 13]}
    assert store["decided"] == wanted


def test_whoever_saves_or_selects_all_by_the_usual_keys_is_understood(page, address):
    review = ReviewPage(page, address, delay=0.5)
    review.press("a", "Control+s")
    review.wait_fact(saved="false")
    review.wait_fact(saved="true")
    review.root.locator("[data-part=say]", has_text="all is saved").wait_for()
    review.press("Escape")
    review.wait_fact(selected="")
    review.press("Control+a", "d")
    review.wait_fact(status_counts="0,0,8")


def test_all_shown_are_accepted_but_not_what_is_hidden_or_decided(review):
    review.press("d")
    review.root.locator(".chip", has_text="bicycle").click()
    review.press("Shift+A")
    review.wait_fact(status_counts="2,5,1")
    expect(review.part("note")).to_contain_text("Everything shown is decided")
    expect(review.button("done")).to_have_attribute("data-strong", "true")
    review.wait_saved()
    assert review.kinds(2) == ["set_status", "set_status"]


def test_enter_finishes_the_image_and_goes_on(review):
    review.press("Shift+A")
    enter = "document.body.dispatchEvent(new KeyboardEvent('keydown', {key: 'Enter', bubbles: true}))"
    review.page.evaluate(f"for (let i = 0; i < 2; i += 1) {enter}")
    review.root.locator("[data-part=say]", has_text="pressed twice: still on this image").wait_for()
    review.wait_fact(at=1, image="image-1", ready="true")
    expect(review.part("position")).to_have_text("2 of 12")
    review.wait_saved()
    assert review.kinds(3) == ["set_status", "finish", "go"]
    assert review.store()["images"] == {"1000": "reviewed"}
    review.press(",")
    review.wait_fact(at=0, image_status="reviewed")
    review.button("reopen").click()
    review.wait_fact(image_status="opened")


def test_undo_and_redo_go_where_it_was_decided(review):
    review.press("a", "d", "Enter")
    review.wait_fact(at=1)
    review.press("u")
    review.wait_fact(at=0, image_status="new")
    review.press("Control+z")
    review.wait_fact(status_counts="7,1,0", selected="1000000")
    review.press("y")
    review.wait_fact(status_counts="6,1,1")
    review.wait_saved()
    review.wait_store(
        lambda store: store["at"] == 0 and store["decided"].get("1000000") == ["rejected", 10],
        "the first place, and what was decided again",
    )
    review.press("d")  # versions still agree: nothing is refused
    review.wait_saved()
    assert review.part("refusals").is_hidden()


def test_thirty_quick_decisions_arrive_once_each_and_in_order(page, address):
    review = ReviewPage(page, address, instances=10, delay=0.15)
    keys = [*"adaadadada"]
    review.press(*keys, "Enter", *keys, "Enter", *keys)
    review.wait_fact(at=2, status_counts="0,6,4")
    review.wait_saved()
    log = review.store()["log"]
    assert [seq for _, seq, _ in log] == list(range(1, 35))
    assert len({client for client, _, _ in log}) == 1
    assert [kind for _, _, kind in log].count("set_status") == 30
    decided = review.store()["decided"]
    assert sum(status == "accepted" for status, _ in decided.values()) == 18
    assert review.part("refusals").is_hidden()


def test_a_late_message_does_not_throw_the_picture_back(page, address):
    review = ReviewPage(page, address, delay=2)
    review.press("a", ".", ".")
    review.wait_fact(at=2, image="image-2")
    assert review.fact("saved") == "false", "no answer was needed"
    seen = set()

    def is_saved():
        seen.add((review.fact("at"), review.fact("image")))
        return review.fact("saved") == "true"

    wait_until(page, is_saved, "the last message")
    assert seen == {("2", "image-2")}
    review.wait_saved()
    assert (review.fact("at"), review.fact("image")) == ("2", "image-2")


def test_a_picture_outside_of_the_window_is_waited_for(page, address):
    review = ReviewPage(page, address, window=1, delay=0.6)
    review.press(".", ".")
    review.wait_fact(at=1, loading="true")
    assert review.part("say").inner_text() == "Loading…"
    review.press("a")  # it would hit a picture that the person has left
    review.wait_fact(at=2, image="image-2", loading="false")
    review.wait_saved()
    assert set(review.kinds(2)) == {"go"}


def test_a_reload_loses_nothing(page, address):
    review = ReviewPage(page, address, store="reload", delay=1.5)
    review.press("a", "d", ".", "a")
    page.reload()
    review.ready()
    review.wait_fact(at=1, status_counts="7,1,0")
    review.wait_saved()
    log = review.wait_store(lambda store: len(store["log"]) == 4, "four operations")["log"]
    assert [(seq, kind) for _, seq, kind in log] == [
        (1, "set_status"),
        (2, "set_status"),
        (3, "go"),
        (4, "set_status"),
    ]
    review.press("d")
    review.wait_saved()
    review.wait_store(lambda store: store["log"][-1][1:] == [5, "set_status"], "the fifth operation")
    assert len({client for client, _, _ in review.store()["log"]}) == 1


def test_a_duplicate_tab_gets_a_name_of_its_own(page, address):
    review = ReviewPage(page, address, store="twin")
    review.press("a")
    review.wait_saved()
    stored = page.evaluate("JSON.stringify(sessionStorage)")
    twin = page.context.new_page()
    twin.add_init_script(f"for (const [k, v] of Object.entries({stored})) sessionStorage.setItem(k, v)")
    other = ReviewPage(twin, address, store="twin")
    other.press("d")
    other.wait_saved()
    log = other.wait_store(lambda store: len(store["log"]) == 2, "two operations")["log"]
    assert len({client for client, _, _ in log}) == 2
    assert twin.evaluate("sessionStorage['maskdesk-review-client']") == log[1][0]


@pytest.mark.parametrize(
    "gap", [0, 400], ids=["before the script runs with it", "before the script comes to the button"]
)
def test_what_somebody_else_changed_is_told_and_shown(page, address, gap):
    review = ReviewPage(page, address, late=1)
    review.press("p")
    review.wait_fact(selected="1000007")
    review.press("n", "n")
    review.wait_fact(selected="1000000")
    # The browser does not know of it when the key is pressed. Both are done in the page: a busy machine may
    # bring the answer to the click before another process gets to press a key.
    page.evaluate(
        """async (gap) => {
            [...document.querySelectorAll("button")].find((b) => b.innerText.includes("Somebody")).click();
            if (gap > 0) await new Promise((resolve) => setTimeout(resolve, gap));
            const key = new KeyboardEvent("keydown", { key: "a", bubbles: true, composed: true });
            document.activeElement.dispatchEvent(key);
        }""",
        gap,
    )
    review.part("refusals").wait_for(state="visible")
    expect(review.part("refusal-list")).to_contain_text("1000000 has been changed by somebody else.")
    review.wait_saved()
    review.wait_fact(status_counts="7,0,1")
    review.button("dismiss").click()
    review.part("refusals").wait_for(state="hidden")


def test_the_picture_does_not_fade_while_python_is_slow(page, address):
    review = ReviewPage(page, address, delay=2)
    page.locator("[data-testid=stApp][data-test-script-state=notRunning]").wait_for()
    review.press("a")
    # Streamlit begins to fade what is stale after half a second.
    container = page.locator('.stElementContainer[data-stale="true"]').filter(has=review.root)
    container.wait_for()
    faintest = """async (element) => {
        let faintest = 1;
        const start = performance.now();
        while (element.dataset.stale === "true") {
            let opacity = 1;
            for (let e = element; e !== null; e = e.parentElement) opacity *= getComputedStyle(e).opacity;
            faintest = Math.min(faintest, opacity);
            await new Promise(requestAnimationFrame);
        }
        return [faintest, performance.now() - start];
    }"""
    opacity, milliseconds = container.evaluate(faintest)
    assert milliseconds > 500, "Python was busy for a while"
    assert opacity == 1
    review.wait_saved()


def test_without_an_answer_the_person_is_told(page, address):
    review = ReviewPage(page, address, deaf=1)
    review.press("a")
    review.wait_fact(saved="false")
    assert review.part("kept").inner_text() == "saving…"
    expect(review.part("kept")).to_have_text("not saved yet: waiting for the server")


def test_one_instance_after_the_other(page, address):
    review = ReviewPage(page, address, unit="instance", count=3, instances=4)
    assert review.fact("selected") == "1000000"
    zoom = float(review.fact("zoom"))
    review.press("a")
    review.wait_fact(at=1, selected="1000001")
    review.press("d", "a", "d")
    review.wait_fact(at=4, image="image-1", selected="1001000")
    review.wait_saved()
    assert review.kinds(8)[:2] == ["set_status", "go"]
    review.press("f")
    # It had gone to the instance.
    wait_until(review.page, lambda: float(review.fact("zoom")) < zoom, "the whole picture")


def test_keys_leave_text_fields_alone_and_streamlits_keys_do_not_interfere(page, address):
    review = ReviewPage(page, address, text=1)
    page.get_by_label("Some text").focus()
    page.keyboard.type("a1d.")
    assert page.get_by_label("Some text").input_value() == "a1d."
    assert review.fact("status-counts") == "8,0,0" and review.fact("at") == "0"
    page.get_by_label("Some text").fill("")
    page.get_by_text("runs=").click()
    review.press("c", "m")
    expect(review.root.locator('[data-toggle="contours"]')).to_have_attribute("aria-pressed", "false")
    next_frame(page)
    assert page.get_by_role("dialog").count() == 0
    top = page.evaluate("document.querySelector('[data-testid=stMain]').scrollTop")
    review.press("PageDown")
    review.wait_fact(at=1)
    assert page.evaluate("document.querySelector('[data-testid=stMain]').scrollTop") == top


def test_keys_wait_while_a_dialog_is_open(page, address):
    review = ReviewPage(page, address, dialog=1)
    page.get_by_role("button", name="Ask", exact=True).click()
    page.get_by_text("Well?").wait_for()
    review.press("a", ".")
    next_frame(page)
    assert (review.fact("status-counts"), review.fact("at")) == ("8,0,0", "0")
    review.press("Escape")
    page.get_by_text("Well?").wait_for(state="hidden")
    review.press("a")
    review.wait_fact(status_counts="7,1,0", at=0)


def test_a_button_that_was_clicked_does_not_keep_enter(review):
    review.page.get_by_role("button", name="Somebody").click()
    review.wait_fact(status_counts="7,0,1")
    review.press("Enter")
    review.wait_fact(at=1)
    review.wait_saved()
    review.press(",")
    review.wait_fact(at=0, status_counts="7,0,1")
    review.button("accept").click()
    review.press("Enter")
    review.wait_fact(at=1)


def test_another_instance_than_the_places_own_can_be_decided_without_going_on(page, address):
    review = ReviewPage(page, address, unit="instance", count=3, instances=4)
    review.press("n", "d")
    review.wait_fact(at=0, selected="1000000", status_counts="3,0,1")
    review.press("a")
    review.wait_fact(at=1)
    review.part("score").evaluate("one => { one.value = 1; one.dispatchEvent(new Event('input')) }")
    review.press("a")
    expect(review.part("say")).to_have_text("hidden by its score or category")


def test_the_ends_of_the_queue(page, address):
    review = ReviewPage(page, address, count=2)
    assert review.button("previous").is_disabled()
    review.press(",")
    expect(review.part("say")).to_have_text("end of the queue")
    review.press(".", ".")
    review.wait_fact(at=1)
    assert review.button("next").is_disabled()
    expect(review.part("say")).to_have_text("end of the queue")
    review.press("Home")
    review.wait_fact(at=0)
    review.press("End")
    review.wait_fact(at=1)


def test_more_than_nine_categories_come_from_a_list(page, address):
    review = ReviewPage(page, address, categories=13)
    expect(review.part("categories").locator("button")).to_have_count(9)
    review.press("e")
    assert review.part("category-query").evaluate("one => one.getRootNode().activeElement === one")
    review.press(*"clo", "Enter")
    review.wait_saved()
    assert review.kinds(1) == ["relabel"]
    assert review.store()["decided"] == {"1000002": ["proposed", 22]}


def test_choices_of_the_view_go_along_to_the_next_picture(review):
    review.part("opacity").focus()
    review.press("ArrowLeft", ".")
    review.wait_fact(at=1, ready="true")
    expect(review.part("opacity-value")).to_have_text("45%")
    review.wait_saved()
    review.page.get_by_role("button", name="Somebody").click()  # Python draws all once more
    review.wait_fact(status_counts="7,0,1")
    expect(review.part("opacity-value")).to_have_text("45%")


def test_the_help_sheet_has_the_reviews_keys(review):
    review.press("?")
    review.part("sheet").wait_for(state="visible")
    expect(review.part("sheet")).to_contain_text("finish the image, go to the next")
    assert review.page.evaluate("window.hacked") is None


def test_the_next_picture_is_there_before_python_has_heard_of_the_key(page, address):
    """How many milliseconds it takes is measured by ``python -m benchmarks review``."""
    review = ReviewPage(page, address, delay=4)
    page.wait_for_load_state("networkidle")  # it has fetched the next pictures
    for at in (1, 2):
        review.press(".")
        review.wait_fact(at=at, loading="false", ready="true")
        assert review.fact("saved") == "false", "no answer was needed"
    marks = page.evaluate("performance.getEntriesByType('mark').map((mark) => mark.name)")
    assert marks.count("maskdesk-key") == 2 and "maskdesk-picture" in marks
    review.wait_saved()


def test_a_slow_python_is_not_interrupted_for_ever(page, address):
    review = ReviewPage(page, address, delay=1.3, instances=10, window=1)
    for key in "adadadadad..adadad":
        review.press(key)
        page.wait_for_timeout(350)  # not a wait: the pace of who decides
    review.wait_fact(at=2, loading="false")
    review.wait_saved()
    seqs = [seq for _, seq, _ in review.store()["log"]]
    assert seqs == list(range(1, len(seqs) + 1))
