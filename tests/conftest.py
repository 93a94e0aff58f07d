"""What holds for all tests: their order, hypothesis's settings, the code under test, what is said of skips.

None fetches a model.
"""

import atexit
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings

from tests.needs import find_node, skipped_line

# How long an example takes says more of the machine than of the code: the first one compiles.
settings.register_profile("maskdesk", deadline=None)
settings.load_profile("maskdesk")

os.environ["MASKDESK_FETCH"] = "no"  # also for the servers that tests start; those of fetching say otherwise
# Nothing of the person who runs the tests is read or changed, where a test names no folder of its own either.
os.environ["MASKDESK_DATA"] = tempfile.mkdtemp(prefix="tests-of-maskdesk-")
os.environ.pop("MASKDESK_DATABASE", None)
atexit.register(shutil.rmtree, os.environ["MASKDESK_DATA"], ignore_errors=True)

_HERE = Path(__file__).parent
# What takes longest: a process that begins it last keeps all others waiting.
_FIRST = (
    "integration/cli/test_annotate_resumed.py",
    "integration/cli/test_cli.py",
    "browser",
    "integration/projects",
    "integration/training",
    "integration",
)


def pytest_addoption(parser):
    parser.addoption(
        "--all",
        action="store_true",
        help="also what `make test-all` alone runs: each test of the store on PostgreSQL, every benchmark",
    )


def pytest_sessionstart(session):
    """Processes that tests start, in any folder, must run this checkout and not another installed copy."""
    if hasattr(session.config, "workerinput"):  # xdist's workers: their controller has looked
        return
    code = (
        "from importlib.util import find_spec as find; print(getattr(find('maskrcnn_core'), 'origin', None))"
    )
    run = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True)
    expected, found = _HERE.parent / "maskrcnn_core" / "__init__.py", run.stdout.strip()
    if Path(found) != expected:
        raise pytest.UsageError(
            f"expected Python to find {expected}, got {found}: run `make setup-dev`, or "
            "`python -m pip install --no-deps --editable .`"
        )


def pytest_ignore_collect(collection_path, config):
    """Leave other programs' readers to `make test-interop`, which names their folder and installs them."""
    judges = _HERE / "interop"
    named = [Path(config.invocation_params.dir, arg.split("::")[0]).resolve() for arg in config.args]
    if collection_path == judges and not any(path == judges or judges in path.parents for path in named):
        return True
    return None


def pytest_collection_modifyitems(config, items):
    left_out = [] if config.option.all else [i for i in items if i.get_closest_marker("only_all")]
    config.hook.pytest_deselected(items=left_out)
    chosen = set(items) - set(left_out)

    def rank(item):
        name = item.path.relative_to(_HERE).as_posix()
        places = (n for n, first in enumerate(_FIRST) if name == first or name.startswith(f"{first}/"))
        return next(places, len(_FIRST))

    items[:] = sorted((item for item in items if item in chosen), key=rank)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_sessionfinish(session):
    """Ends the run with what was skipped, after all else that is said of it."""
    done = yield
    terminal = session.config.pluginmanager.get_plugin("terminalreporter")
    if terminal is not None and not session.config.option.collectonly:
        terminal.write_line(skipped_line(report.longrepr[2] for report in terminal.stats.get("skipped", [])))
    return done


@pytest.fixture(scope="session")
def node():
    """The path of Node."""
    return find_node()
