"""Outlines many HDF5 files in one process, each in a fork of it: for tests that cannot wait for 300
interpreters.

``python outline_each.py MODULE FILE...`` prints a line of JSON for each file; an empty one where the library
broke down.
"""

import importlib.util
import os
import sys

import h5py  # noqa: F401 - before the forks, as it is what takes long

spec = importlib.util.spec_from_file_location("outline_program", sys.argv[1])
program = importlib.util.module_from_spec(spec)
spec.loader.exec_module(program)
for file in sys.argv[2:]:
    reading, writing = os.pipe()
    if not (child := os.fork()):
        sys.stdout = os.fdopen(writing, "w")
        program._main(file)
        sys.stdout.flush()
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as answer:
        said = answer.read()
    os.waitpid(child, 0)
    print(said, flush=True)
