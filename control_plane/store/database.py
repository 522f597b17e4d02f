"""One database: connections, transactions, migrations.

Readers see one consistent state; writers come one after the other (SQLite: BEGIN IMMEDIATE; PostgreSQL: an
advisory lock), so look-choose-write is one step. Must not hold rules.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Hashable, Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, create_engine, event, inspect, text
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from control_plane.model.errors import ControlPlaneError, Invalid, PermanentError, Problem, TemporaryError
from control_plane.model.text import t

BUSY_SECONDS = 30
#: Copies made before migrations that are kept beside the database.
BACKUPS = 5
#: Octets of SQLite's write-ahead log at which it is written back into the database.
LOG_OCTETS = 4 << 20
MIGRATIONS = Path(__file__).parent / "migrations"
#: Lies beside SQLite's file once another database took its place, and says which (without its password).
MOVED = "gasp.db.moved"
#: The table in which the revision of a database stands.
VERSIONS = "alembic_version"
_WRITER_LOCK = 0x67617370
#: Of PostgreSQL: all statements of a look see one moment. A write asks for the lock first and then sees the newest.
READING: dict[str, Any] = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
T = TypeVar("T")


class Database:
    """Connections to `url`. `read()` and `write()` join a transaction that this thread already has open. `told` gets
    each name that `tell` was given, once its transaction is committed."""

    def __init__(self, url: str, told: Callable[[str], None] = lambda _name: None) -> None:
        # A server that was restarted gets a new connection, not an error.
        options: dict[str, Any] = {"pool_size": 20, "max_overflow": 20, "pool_timeout": BUSY_SECONDS}
        if not url.startswith("sqlite"):
            options |= {"pool_pre_ping": True, "connect_args": {"client_encoding": "utf8"}}
        self.engine = create_engine(url, **options)
        self.sqlite = self.engine.dialect.name == "sqlite"
        self._told = told
        self._local = threading.local()
        event.listen(self.engine, "connect", _prepare_sqlite if self.sqlite else _prepare_postgresql)
        event.listen(self.engine, "begin", self._begin)
        event.listen(self.engine, "before_cursor_execute", _without_nul)

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

    @property
    def inside(self) -> bool:
        """Whether this thread has a transaction open."""
        return getattr(self._local, "current", None) is not None

    @contextmanager
    def sharing(self) -> Iterator[None]:
        """What is read by `shared` in the block is read once in this thread, until it writes."""
        self._local.memory = {}
        try:
            yield
        finally:
            self._local.memory = None

    def shared(self, key: Hashable, read: Callable[[], T]) -> T:
        """What `read` gives, which must not be changed by who gets it; inside `sharing` the former answer to `key`."""
        memory: dict[Hashable, T] | None = getattr(self._local, "memory", None)
        if memory is None or self.writing:
            return read()
        if key not in memory:
            memory[key] = read()
        return memory[key]

    @property
    def writing(self) -> bool:
        """Whether this thread has a transaction open in which it writes."""
        current: tuple[Connection, bool] | None = getattr(self._local, "current", None)
        return current is not None and current[1]

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
            options = {"gasp_write": writing, **({} if self.sqlite or writing else READING)}
            with self.engine.connect().execution_options(**options) as connection, connection.begin():
                self._local.current, self._local.names = (connection, writing), set()
                try:
                    yield connection
                finally:
                    self._local.current = None
                    if writing and getattr(self._local, "memory", None):
                        self._local.memory = {}
        except DBAPIError as error:
            if isinstance(error.orig, sqlite3.DatabaseError) and _damaged(_reason(error)):
                raise PermanentError(
                    t("The database is damaged: {reason}.", reason=_reason(error)),
                    t("Stop web server and worker, and put back your copy of {file}.", file=self.path or ""),
                ) from error
            if not isinstance(error, OperationalError) and not error.connection_invalidated:
                raise
            raise _explained(error, self.sqlite) from error
        except PoolTimeout as error:
            raise _busy_too_long() from error
        for name in sorted(self._local.names):
            self._told(name)

    def _begin(self, connection: Connection) -> None:
        writing = connection.get_execution_options().get("gasp_write", True)
        if self.sqlite:
            connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")
            if writing and self._write_back():
                connection.exec_driver_sql("ROLLBACK")  # who began behind the log could not begin it anew
                connection.exec_driver_sql("BEGIN IMMEDIATE")
        elif writing:
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _WRITER_LOCK})

    def _write_back(self) -> bool:
        """A checkpoint of SQLite's log when it is long, while this transaction keeps everybody else from writing.

        SQLite's own ones run beside writers, and before 3.51.3 a database can be damaged by that
        (https://www.sqlite.org/wal.html#walresetbug), so they are off. What fails here is tried by the next write.
        """
        if self.path is None:
            return False
        log = self.path.with_name(f"{self.path.name}-wal")
        with suppress(OSError, sqlite3.Error):
            if log.stat().st_size < LOG_OCTETS:
                return False
            with closing(sqlite3.connect(self.path, timeout=0)) as other:
                other.execute("PRAGMA wal_checkpoint(PASSIVE)")
            return True
        return False

    @property
    def made(self) -> bool:
        """Whether some version made its tables; looking makes no file."""
        return (self.path is None or self.path.exists()) and self.revision() is not None

    def revision(self) -> str | None:
        """The migration that the database is at."""
        with self.read() as connection:
            if not inspect(connection).has_table(VERSIONS):
                return None
            found: str | None = connection.scalar(text(f"SELECT version_num FROM {VERSIONS}"))
            return found

    def upgrade(self, migrations: Path = MIGRATIONS) -> None:
        """Migrate to the newest revision in one transaction; SQLite is copied first. Failing, nothing changes."""
        known = revisions(migrations)
        newest = max(known)
        if self.path is not None:
            self.path.touch(mode=0o600)
        before = self.revision()
        if before == newest:
            return
        from alembic import command
        from alembic.config import Config

        config = Config()
        config.set_main_option("script_location", str(migrations).replace("%", "%%"))
        config.set_main_option("path_separator", "newline")
        if before is not None and before not in known:
            raise PermanentError(
                t("The database is at revision {revision}, which this version does not know.", revision=before),
                t("Use the version that wrote it, or a newer one."),
            )
        copy = self._copy(before) if self.sqlite and before is not None else None
        if self.sqlite and self.path is not None:
            with closing(sqlite3.connect(self.path, timeout=BUSY_SECONDS)) as plain:
                plain.execute("PRAGMA journal_mode = WAL")
        with self.write() as connection:
            config.attributes["connection"] = connection
            try:
                command.upgrade(config, "head")
            except Exception as error:
                if isinstance(error, DBAPIError) and (error.connection_invalidated or _busy(_reason(error))):
                    raise
                raise _not_upgraded(error, before, newest, copy) from error

    @property
    def path(self) -> Path | None:
        """The database file, if it is one."""
        name = self.engine.url.database
        return Path(name) if self.sqlite and name and name != ":memory:" else None

    def _copy(self, revision: str) -> Path | None:
        if self.path is None:
            return None
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%f")
        target = self.path.with_name(f"{self.path.name}.before-{stamp}-{revision}")
        try:
            target.touch(mode=0o600)
            with closing(sqlite3.connect(self.path)) as source, closing(sqlite3.connect(target)) as copy:
                source.backup(copy)
        except (OSError, sqlite3.Error) as error:
            target.unlink(missing_ok=True)
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            text = t("No copy of the database could be made before its upgrade, so it is as it was: {reason}.",
                     reason=reason)  # fmt: skip
            room = {"mib": _mib(self.path), "folder": self.path.parent}
            raise TemporaryError(text, t("Make room for {mib} MiB in {folder}, then start again.", **room)) from error
        for old in sorted(self.path.parent.glob(f"{self.path.name}.before-*"))[:-BACKUPS]:
            old.unlink()
        return target

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()


def _without_nul(_connection: Any, _cursor: Any, _statement: str, given: Any, _context: Any, many: bool) -> None:
    """Refuse the one character that PostgreSQL keeps in no text, on SQLite too: what is kept in one can be moved to the
    other. Raises Invalid."""
    for row in given if many else (given,):
        for value in row.values() if isinstance(row, dict) else row or ():
            if isinstance(value, str) and "\0" in value:
                text = t("A text has the character NUL, which nobody can see.")
                raise Invalid([Problem("bad-value", text, t("Write it without."))])


def revisions(migrations: Path = MIGRATIONS) -> frozenset[str]:
    """All revisions: the first four characters of their files, so that a start with nothing to do asks no Alembic."""
    return frozenset(file.name[:4] for file in (migrations / "versions").glob("[0-9]*.py"))


def _mib(path: Path) -> int:
    """What a copy of a database needs, rounded up."""
    return (path.stat().st_size >> 20) + 1


def _reason(error: Exception) -> str:
    return " ".join(str(error.orig if isinstance(error, DBAPIError) else error).split())


def _busy(reason: str) -> bool:
    return "locked" in reason or "busy" in reason or "lock timeout" in reason


def _full(reason: str) -> bool:
    return "disk is full" in reason or "No space left" in reason or "disk full" in reason


def _damaged(reason: str) -> bool:
    return "malformed" in reason or "not a database" in reason


def _not_upgraded(error: Exception, before: str | None, newest: str, copy: Path | None) -> ControlPlaneError:
    hint = t("The version before this one still works with it. Mend the reason, then start again.")
    if copy is not None:
        hint = t(
            "The version before this one still works with it. Mend the reason, then start again; a copy is {copy}.",
            copy=copy,
        )
    fault = t(
        "The database could not be brought from revision {revision} to {newest}, and is as it was: {reason}.",
        revision=before or "-",
        newest=newest,
        reason=_reason(error),
    )
    return PermanentError(fault, hint)


def _explained(error: DBAPIError, sqlite: bool) -> ControlPlaneError:
    reason = _reason(error)
    if _busy(reason):
        return _busy_too_long()
    if _full(reason):
        return TemporaryError(
            t("The disk of the database is full; nothing was changed: {reason}.", reason=reason),
            t("Make room there, then do it again."),
        )
    return TemporaryError(
        t("The database cannot be used: {reason}.", reason=reason),
        t("Look at the disk's free space and at the owner and mode of the state folder.")
        if sqlite
        else t("Look whether the database server runs and lets this user in (GASP_DATABASE); then try again."),
    )


def _busy_too_long() -> ControlPlaneError:
    return TemporaryError(t("The database was busy for more than {seconds} s.", seconds=BUSY_SECONDS), t("Try again."))


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None
    connection.execute(f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000}")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA wal_autocheckpoint = 0")  # `Database._write_back`
    connection.execute("PRAGMA journal_size_limit = 0")  # a log that was written back is short again


def _prepare_postgresql(connection: Any, _record: Any) -> None:
    connection.execute(f"SET lock_timeout = '{BUSY_SECONDS}s'")
    connection.commit()
