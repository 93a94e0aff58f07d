"""Starts apps as forks of one process that has imported what takes long, and nothing of the project itself.

Each start of Python imports torch and Streamlit for seconds; a fork has them at once, with an environment, a
folder, a log and a life of its own. ``python -m tests.browser.forking`` reads a line of JSON for each app and
answers with the number of its process; it ends, with all that it started, when its input does.
"""

import contextlib
import importlib
import json
import os
import runpy
import signal
import subprocess
import sys
import threading
import time

IMPORTS = ("torch", "torchvision", "numba.np.arrayobj", "pandas", "shapely", "sqlalchemy")
IMPORTS += ("alembic.command", "streamlit.web.bootstrap", "streamlit.web.cli")


class Forker:
    """The process that is forked, from outside."""

    def __init__(self):
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.browser.forking"],
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def start(self, arguments, env, cwd, log):
        """Does what ``python -m`` does with arguments."""
        wanted = {"arguments": arguments, "env": env, "cwd": str(cwd), "log": str(log)}
        self._process.stdin.write(json.dumps(wanted) + "\n")
        self._process.stdin.flush()
        return Fork(int(self._process.stdout.readline()))

    def stop(self):
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait(60)


class Fork:
    """A process that was forked: the one that it was forked from waits for it, so it is gone at its end."""

    def __init__(self, pid):
        self.pid = pid

    @property
    def is_alive(self):
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        return True

    def kill(self):
        """Ends it as a power cut does; returns once it has ended."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        while self.is_alive:
            time.sleep(0.01)


def main():
    for name in IMPORTS:
        importlib.import_module(name)
    assert threading.active_count() == 1, "a thread does not come along into a fork"
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for a child: it is gone once it has ended
    children = []
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            _become(**json.loads(line))
        children.append(Fork(pid))
        print(pid, flush=True)
    for child in children:
        child.kill()


def _become(arguments, env, cwd, log):
    """Goes on as a fresh process would that runs a module."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    sys.argv, sys.path[0] = arguments, cwd
    runpy.run_module(arguments[0], run_name="__main__", alter_sys=True)
    sys.exit()


if __name__ == "__main__":
    main()
