"""What the page draws with its next frame, and what one waits for."""

import time

import pytest


def next_frame(page):
    """Until what the page's scripts have asked for is drawn: they draw, and say so, once a frame."""
    page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")


def at_rest(page):
    """Until a page that was opened has told the server whose browser it is: by then all has its place."""
    page.locator("html[data-told=true]").wait_for(state="attached", timeout=120_000)
    page.locator("[data-testid=stApp][data-test-script-state=notRunning]").wait_for(timeout=120_000)


def wait_until(page, check, what, seconds=60):
    """Until a check of the page or the store holds; ``what`` is said if it does not, or called to say it."""
    end = time.monotonic() + seconds
    while not check():
        if time.monotonic() > end:
            pytest.fail(f"waited {seconds} s for {what() if callable(what) else what}")
        page.wait_for_timeout(50)


def still(page, look):
    """What is seen once it stays the same: a view that has come to rest is drawn once more after a moment."""
    seen = []

    def is_still():
        next_frame(page)
        seen.append(look())
        return len(seen) > 5 and seen[-1] == seen[-6]

    wait_until(page, is_still, "what is seen to stay the same")
    return seen[-1]
