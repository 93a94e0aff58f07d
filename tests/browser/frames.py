"""What the page draws with its next frame."""


def next_frame(page):
    """Until what the page's scripts have asked for is drawn: they draw, and say so, once a frame."""
    page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
