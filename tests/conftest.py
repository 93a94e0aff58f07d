"""The order of the tests, what hypothesis holds them to, and that none of them fetches a model by itself."""

import os
from pathlib import Path

from hypothesis import settings

# How long an example takes says more of the machine than of the code: the first one compiles.
settings.register_profile("maskdesk", deadline=None)
settings.load_profile("maskdesk")

os.environ["MASKDESK_FETCH"] = "no"  # also for the servers that tests start; those of fetching say otherwise

_HERE = Path(__file__).parent
# What takes longest: a process that begins it last keeps all others waiting.
_FIRST = ("test_benchmarks.py", "core/test_cli.py", "core/test_starter.py", "browser", "store", "training")


def pytest_collection_modifyitems(items):
    def rank(item):
        name = item.path.relative_to(_HERE).as_posix()
        places = (n for n, first in enumerate(_FIRST) if name == first or name.startswith(f"{first}/"))
        return next(places, len(_FIRST))

    items.sort(key=rank)
