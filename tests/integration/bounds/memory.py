"""How much memory a piece of work takes at most, told by a child that may not take more than a limit."""

import re
import resource
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]


def peak_megabytes():
    """What this process has held in memory at most since it began its program.

    ``ru_maxrss`` begins with what the process had that it was forked from: here, with all of a test run.
    """
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    return int(re.search(r"VmHWM:\s+(\d+)", status.read_text())[1]) // 1024


def run_within(megabytes, *args, env=None, timeout=120):
    """A command of this Python in a child whose address space is bounded, and that leaves no core file.

    Returns:
        What ``subprocess.run`` gives, with texts.
    """

    def limit():
        resource.setrlimit(resource.RLIMIT_AS, (megabytes << 20,) * 2)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

    return subprocess.run(
        [sys.executable, *args],
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
        timeout=timeout,
        preexec_fn=limit,
        check=False,
    )
