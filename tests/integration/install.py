"""Sees to it that there is a PostgreSQL for the store's tests: an installed one, or the system's package.

Where none can be had those tests run on SQLite alone and say so; in CI they fail.
"""

import os
import shutil
import subprocess

from tests.integration.postgres import find_tools


def main() -> None:
    if find_tools() is None and os.geteuid() == 0 and shutil.which("apt-get"):
        print("no PostgreSQL yet: installing the system's package")
        install = "apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq postgresql"
        subprocess.run(["sh", "-c", install], check=False)
    if find_tools() is None:
        print("No PostgreSQL could be installed: the store will be tested on SQLite alone.")


if __name__ == "__main__":
    main()
