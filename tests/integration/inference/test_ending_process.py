"""A process that ends while its queue has work."""

import subprocess
import sys


def test_a_process_that_ends_lets_the_job_that_runs_end_and_begins_no_other():
    code = """
import threading, time
from maskrcnn_core.inference.device_queue import DeviceQueue

queue, begun = DeviceQueue("cpu"), threading.Event()

def work():
    begun.set()
    time.sleep(0.3)
    print("ended", flush=True)

queue.submit("ann", work)
queue.submit("ann", lambda: print("another one", flush=True))
begun.wait()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout.split(), done.stderr) == (0, ["ended"], "")
