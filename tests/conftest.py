"""The order of the tests, and what hypothesis holds them to."""

from pathlib import Path

from hypothesis import settings

# How long an example takes says more of the machine than of the code: the first one compiles.
settings.register_profile("maskdesk", deadline=None)
settings.load_profile("maskdesk")

_HERE = Path(__file__).parent
# What takes longest: a process that begins it last keeps all others waiting.
_FIRST = ("test_benchmarks.py", "core/test_cli.py", "core/test_starter.py", "browser", "store", "training")


def pytest_collection_modifyitems(items):
    def rank(item):
        name = item.path.relative_to(_HERE).as_posix()
        places = (n for n, first in enumerate(_FIRST) if name == first or name.startswith(f"{first}/"))
        return next(places, len(_FIRST))

    items.sort(key=rank)
