"""Coroutines of tests, run whatever loop the test's own thread has."""

import asyncio
from concurrent.futures import ThreadPoolExecutor


def run_in_own_loop(coroutine):
    """What a coroutine returns, in a thread of its own: a browser's test before has a loop in this one."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, coroutine).result()
