"""`import maskrcnn_core` in a fresh process: what it loads, and that every name is there."""

import subprocess
import sys

MOST_MODULES = 60
"""That a bare import may load: those of `importlib` and `typing`, some 30."""

FRESH = """
import sys
before = set(sys.modules)
import maskrcnn_core
print(*sorted(set(sys.modules) - before))
names = dir(maskrcnn_core)
assert "torch" not in sys.modules and "numpy" not in sys.modules
from maskrcnn_core import *
assert all(globals()[name] is getattr(maskrcnn_core, name) for name in maskrcnn_core.__all__)
"""


def test_it_is_imported_at_once_and_alone():
    run = subprocess.run(
        [sys.executable, "-c", FRESH], capture_output=True, text=True, check=True, timeout=120
    )
    modules = run.stdout.split()
    assert {name.partition(".")[0] for name in modules} <= {"maskrcnn_core", *sys.stdlib_module_names}
    assert len(modules) < MOST_MODULES, "each takes time"
