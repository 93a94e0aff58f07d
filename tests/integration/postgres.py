"""A real PostgreSQL server for the store's tests, on a socket of its own."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from sqlalchemy import create_engine

from tests.needs import lacks


def find_tools():
    """The folder of ``initdb`` and ``pg_ctl``, or ``None``. Debian keeps them off the PATH."""
    on_path = shutil.which("pg_ctl")
    folders = [Path(on_path).resolve().parent] if on_path else []
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((f for f in folders if (f / "initdb").exists() and (f / "pg_ctl").exists()), None)


def start_postgres():
    """Start a server; where there is none the test is skipped, and fails in CI."""
    tools = find_tools() or lacks("no PostgreSQL on this machine: install the system's package `postgresql`")
    return PostgresServer(tools)


class PostgresServer:
    """Started when made; no port is opened, and nothing is left of it after :meth:`stop`."""

    def __init__(self, tools):
        self.tools = tools
        # The server refuses to run for root, and a socket's path must be short.
        self.user = "postgres" if os.geteuid() == 0 else None
        self.folder = Path(tempfile.mkdtemp(prefix="mdpg-", dir="/tmp"))
        if self.user:
            shutil.chown(self.folder, self.user, self.user)
        self.run(
            "initdb", "-D", self.folder / "data", "-A", "trust", "-U", "maskdesk", "-E", "UTF8", "--no-sync"
        )
        self.begin()

    def begin(self):
        options = f"-k {self.folder} -c listen_addresses= -c fsync=off"
        self.run(
            "pg_ctl", "-D", self.folder / "data", "-o", options, "-l", self.folder / "log", "-w", "start"
        )

    def end(self):
        """As an administrator does; :meth:`begin` starts it again."""
        self.run("pg_ctl", "-D", self.folder / "data", "-m", "fast", "-w", "stop")

    def url(self, database="postgres"):
        return f"postgresql+psycopg://maskdesk@/{database}?host={self.folder}"

    def execute(self, statement):
        """Runs a statement that no transaction may hold."""
        engine = create_engine(self.url(), isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.exec_driver_sql(statement)
        engine.dispose()

    def stop(self):
        self.run("pg_ctl", "-D", self.folder / "data", "-m", "immediate", "-w", "stop")
        shutil.rmtree(self.folder, ignore_errors=True)

    def run(self, tool, *arguments):
        command = [str(self.tools / tool), *map(str, arguments)]
        identity = {"user": self.user, "group": self.user, "extra_groups": []} if self.user else {}
        # Not a pipe: the server would keep it open.
        with (self.folder.parent / f"{self.folder.name}.log").open("wb") as output:
            try:
                subprocess.run(
                    command,
                    check=True,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    cwd="/",
                    timeout=120,
                    **identity,
                )
            finally:
                Path(output.name).unlink()
