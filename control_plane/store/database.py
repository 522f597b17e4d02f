"""One database: connections, transactions, migrations.

Readers see one consistent state; writers come one after the other (SQLite: BEGIN IMMEDIATE; PostgreSQL: an
advisory lock), so look-choose-write is one step. Must not hold rules.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, create_engine, event, inspect, text
from sqlalchemy.exc import OperationalError

from control_plane.model.errors import ControlPlaneError, PermanentError, TemporaryError
from control_plane.model.text import t

BUSY_SECONDS = 30
#: Copies made before migrations that are kept beside the database.
BACKUPS = 5
MIGRATIONS = Path(__file__).parent / "migrations"
_WRITER_LOCK = 0x67617370


class Database:
    """Connections to `url`. `read()` and `write()` join a transaction that this thread already has open. `told` gets
    each name that `tell` was given, once its transaction is committed."""

    def __init__(self, url: str, told: Callable[[str], None] = lambda _name: None) -> None:
        self.engine = create_engine(url, pool_size=20, max_overflow=20)
        self.sqlite = self.engine.dialect.name == "sqlite"
        self._told = told
        self._local = threading.local()
        if self.sqlite:
            event.listen(self.engine, "connect", _prepare_sqlite)
        event.listen(self.engine, "begin", self._begin)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A consistent look; never waits for a writer."""
        with self._transaction(writing=False) as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One transaction, alone among writers: committed at the end, rolled back on any error."""
        with self._transaction(writing=True) as connection:
            yield connection

    def tell(self, name: str) -> None:
        """In a write: there is work of this name, for who hears it (`told`)."""
        self._local.names.add(name)

    @contextmanager
    def _transaction(self, *, writing: bool) -> Iterator[Connection]:
        current: tuple[Connection, bool] | None = getattr(self._local, "current", None)
        if current is not None:
            if writing and not current[1]:
                raise RuntimeError("a look is open in this thread: it cannot become a write")
            yield current[0]
            return
        try:
            with self.engine.connect().execution_options(gasp_write=writing) as connection, connection.begin():
                self._local.current, self._local.names = (connection, writing), set()
                try:
                    yield connection
                finally:
                    self._local.current = None
        except OperationalError as error:
            raise _explained(error) from error
        for name in sorted(self._local.names):
            self._told(name)

    def _begin(self, connection: Connection) -> None:
        writing = connection.get_execution_options().get("gasp_write", True)
        if self.sqlite:
            connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")
        elif writing:
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _WRITER_LOCK})

    def revision(self) -> str | None:
        """The migration that the database is at."""
        with self.read() as connection:
            if not inspect(connection).has_table("alembic_version"):
                return None
            found: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
            return found

    def upgrade(self, migrations: Path = MIGRATIONS) -> None:
        """Migrate to the newest revision in one transaction; SQLite is copied first. Failing, nothing changes.

        Revisions are the first four characters of their files, so that a start with nothing to do asks no Alembic.
        """
        newest = max(file.name[:4] for file in (migrations / "versions").glob("[0-9]*.py"))
        if self.path is not None:
            self.path.touch(mode=0o600)
        before = self.revision()
        if before == newest:
            return
        from alembic import command
        from alembic.config import Config
        from alembic.script import ScriptDirectory

        config = Config()
        config.set_main_option("script_location", str(migrations).replace("%", "%%"))
        config.set_main_option("path_separator", "newline")
        known = {revision.revision for revision in ScriptDirectory.from_config(config).walk_revisions()}
        if before is not None and before not in known:
            raise PermanentError(
                t("The database is at revision {revision}, which this version does not know.", revision=before),
                t("Use the version that wrote it, or a newer one."),
            )
        if self.sqlite and before is not None:
            self._copy(before)
        if self.sqlite and self.path is not None:
            with closing(sqlite3.connect(self.path, timeout=BUSY_SECONDS)) as plain:
                plain.execute("PRAGMA journal_mode = WAL")
        with self.write() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")

    @property
    def path(self) -> Path | None:
        """The database file, if it is one."""
        name = self.engine.url.database
        return Path(name) if self.sqlite and name and name != ":memory:" else None

    def _copy(self, revision: str) -> None:
        if self.path is None:
            return
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%f")
        target = self.path.with_name(f"{self.path.name}.before-{stamp}-{revision}")
        target.touch(mode=0o600)
        with closing(sqlite3.connect(self.path)) as source, closing(sqlite3.connect(target)) as copy:
            source.backup(copy)
        for old in sorted(self.path.parent.glob(f"{self.path.name}.before-*"))[:-BACKUPS]:
            old.unlink()

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()


def _explained(error: OperationalError) -> ControlPlaneError:
    reason = str(error.orig)
    if "locked" in reason or "busy" in reason:
        return TemporaryError(
            t("The database was busy for more than {seconds} s.", seconds=BUSY_SECONDS), t("Try again.")
        )
    return TemporaryError(
        t("The database cannot be used: {reason}.", reason=reason),
        t("Look at the disk's free space and at the owner and mode of the state folder."),
    )


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None
    connection.execute(f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000}")
    connection.execute("PRAGMA foreign_keys = ON")
