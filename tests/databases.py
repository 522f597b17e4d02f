"""Which database the store of a test lies on: SQLite, or PostgreSQL when GASP_TEST_DATABASE says so.

One private server a process, without network, ended with it however it ends; a test gets a copy of a migrated database.
"""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from control_plane.store.database import Database
from tests.waiting import wait_until

BIN = Path("/usr/lib/postgresql/15/bin")
OWNER = "postgres"
POSTGRESQL = os.environ.get("GASP_TEST_DATABASE") == "postgresql"
#: For tests of what only SQLite has: its file, its copies before migrations, its own messages.
sqlite_only = pytest.mark.skipif(POSTGRESQL, reason="about the database file")


class Server:
    """A PostgreSQL cluster in a folder of its own, reached by its socket alone as the role `postgres`."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="gasp-postgres-", dir="/var/tmp"))
        shutil.chown(self.folder, OWNER, OWNER)
        self.data = self.folder / "data"
        self._process: subprocess.Popen[bytes] | None = None
        self._numbers = itertools.count(1)
        self._run("initdb", "-D", str(self.data), "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync")
        self.start()

    def url(self, database: str) -> str:
        """SQLAlchemy's URL of a database."""
        return f"postgresql+psycopg://{OWNER}@/{database}?host={self.folder}"

    def start(self) -> None:
        """Start it; returns when it answers."""
        settings = ("listen_addresses=", "fsync=off", "max_connections=200", f"unix_socket_directories={self.folder}")
        options = [word for setting in settings for word in ("-c", setting)]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen([*self._as_owner("postgres"), "-D", self.data, *options], stderr=log)
        wait_until(lambda: self._try("pg_isready", "-q", "-h", str(self.folder)), 60, "PostgreSQL answers")

    def stop(self, mode: str = "fast") -> None:
        """Stop it: `fast` ends all connections, `immediate` is like a loss of power."""
        self._run("pg_ctl", "-D", str(self.data), "-m", mode, "-w", "stop")
        if self._process is not None:
            self._process.wait(60)

    def create(self, template: str = "template1", name: str | None = None, encoding: str = "UTF8") -> str:
        """A new database as a copy of another; returns its URL."""
        name = name or f"t{next(self._numbers)}"
        words = sql.SQL("CREATE DATABASE {} TEMPLATE {} ENCODING {}")
        with psycopg.connect(host=str(self.folder), user=OWNER, dbname="postgres", autocommit=True) as connection:
            connection.execute(words.format(sql.Identifier(name), sql.Identifier(template), sql.Literal(encoding)))
        return self.url(name)

    def remove(self) -> None:
        """Stop it and delete everything."""
        if self._process is not None and self._process.poll() is None:
            self.stop("immediate")
        shutil.rmtree(self.folder)

    @staticmethod
    def _as_owner(command: str) -> list[str]:
        owner = ["setpriv", "--reuid", OWNER, "--regid", OWNER, "--clear-groups", "--pdeathsig", "INT"]
        return [*owner, str(BIN / command)]

    def _try(self, command: str, *argv: str) -> bool:
        return subprocess.run([*self._as_owner(command), *argv], capture_output=True, cwd="/").returncode == 0

    def _run(self, command: str, *argv: str) -> None:
        subprocess.run([*self._as_owner(command), *argv], check=True, stdout=subprocess.DEVNULL, cwd="/")


@cache
def server() -> Server:
    """This process's server."""
    return Server()


def close() -> None:
    """At the end of the run, in each of its processes: the server and its files are gone."""
    if server.cache_info().currsize:
        server().remove()


@cache
def _template() -> str:
    database = Database(server().create(name="migrated"))
    database.upgrade()
    database.close()
    return "migrated"


@cache
def _template_file() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        database = Database(f"sqlite:///{folder}/gasp.db")
        database.upgrade()
        database.close()
        return Path(folder, "gasp.db").read_bytes()


@cache
def database_url(folder: Path) -> str:
    """The URL of the one migrated database of this folder: a file in it, or a database on the server.

    It is written there, so that other processes of the test find the same.
    """
    if not POSTGRESQL:
        file = folder / "gasp.db"
        if not file.exists():
            file.touch(mode=0o600)
            file.write_bytes(_template_file())
        return f"sqlite:///{file}"
    note = folder / "postgresql"
    if not note.exists():
        note.write_text(server().create(_template()))
    return note.read_text()


def empty_database_url(folder: Path) -> str:
    """The same without tables."""
    return server().create() if POSTGRESQL else f"sqlite:///{folder / 'gasp.db'}"


def everything(database: Database) -> str:
    """All that is in a database, as text."""
    from sqlalchemy import MetaData, select

    with database.read() as connection:
        found = MetaData()
        found.reflect(connection)
        return "\n".join(str(row) for table in found.sorted_tables for row in connection.execute(select(table)))
