"""Thousands of files and messages that were changed at random, none of which may end or hang the process."""

import os

from tests.integration.bounds.memory import run_within

COUNT = int(os.environ.get("MASKDESK_FUZZ", "2000"))


def test_nothing_that_was_changed_at_random_ends_or_fills_the_process():
    done = run_within(
        8000, "-m", "tests.integration.bounds.fuzz", "--count", str(COUNT), timeout=max(500, COUNT)
    )
    at = done.stderr.splitlines()[-25:]
    assert done.returncode == 0, (
        f"python -m tests.integration.bounds.fuzz --only N, where N is the last number: {at}"
    )
    assert int(done.stdout.splitlines()[-1]) < 1000
