"""What tests need of the machine besides Python: what is missing is a skip, and in CI a failure."""

import os
import shutil
from collections import Counter
from collections.abc import Iterable

import pytest


def is_ci() -> bool:
    """Whether the variable ``CI`` says that every test has to run."""
    return os.environ.get("CI", "").lower() not in ("", "0", "false", "no")


def lacks(reason: str) -> None:
    """Skip the test that asks for what is not there; fail it in CI, where all has to be there."""
    if is_ci():
        pytest.fail(f"{reason} (CI is set, so this is no skip)", pytrace=False)
    pytest.skip(reason)


def find_node() -> str:
    """Return the path of Node, or skip the test."""
    return shutil.which("node") or lacks("no Node: install the system's package `nodejs`")


def skipped_line(reasons: Iterable[str]) -> str:
    """Say in one line how many tests were skipped, and why, the most frequent reason first.

    Args:
        reasons: one for each skipped test; what follows a colon are details, which the summary above has.
    """
    counts = Counter(reason.removeprefix("Skipped: ").partition(": ")[0] for reason in reasons)
    if not counts:
        return "nothing was skipped"
    groups = ", ".join(f"{count} {reason}" for reason, count in counts.most_common())
    return f"skipped {counts.total()}: {groups}"
