"""Leases: who may write now. A lease is not a lock: each has a token that only grows, and whoever holds an
older one is refused at the next check (fencing). A holder whose process is gone is replaced at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, func, insert, select, update

from control_plane.model.errors import TemporaryError
from control_plane.model.text import t
from control_plane.store.database import Database
from control_plane.store.identity import Clock
from control_plane.store.tables import leases


class LeaseLost(TemporaryError):
    """Somebody else writes now; whoever gets this must stop writing."""

    code = "lease-lost"


@dataclass(frozen=True, slots=True)
class Holder:
    """A process: its id, when it started (as the system counts), and which boot of the machine it belongs to."""

    pid: int
    start_time: int
    boot_id: str


def holder_columns(holder: Holder) -> dict[str, Any]:
    """What a row keeps of who is at it."""
    return {"holder_pid": holder.pid, "holder_start": holder.start_time, "holder_boot": holder.boot_id}


def holder_of(row: Any) -> Holder:
    """Who is at it, by those columns."""
    return Holder(row.holder_pid, row.holder_start, row.holder_boot)


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to write; `token` is larger than that of every lease given out before, of any name."""

    name: str
    token: int
    holder: Holder


class LeaseRepository:
    """Gives out, checks and takes back leases."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._let_go: set[int] = set()  # tokens whose release is not known to be written: the database was away

    def acquire(self, name: str, holder: Holder, alive: Callable[[Holder], bool]) -> Lease | None:
        """The lease, or None while another living process holds it."""
        let_go, token = tuple(self._let_go), 0
        try:
            with self._database.write() as connection:
                if let_go:
                    connection.execute(update(leases).where(leases.c.token.in_(let_go)).values(released=True))
                row = connection.execute(select(leases).where(leases.c.name == name)).one_or_none()
                if row is not None and not row.released and alive(Holder(row.pid, row.start_time, row.boot_id)):
                    return None
                token = (connection.scalar(select(func.max(leases.c.token))) or 0) + 1
                values = {
                    "token": token,
                    "pid": holder.pid,
                    "start_time": holder.start_time,
                    "boot_id": holder.boot_id,
                    "acquired_at": self._clock(),
                    "released": False,
                }
                if row is None:
                    connection.execute(insert(leases).values(name=name, **values))
                else:
                    connection.execute(update(leases).where(leases.c.name == name).values(values))
        except TemporaryError:
            if token:
                self._let_go.add(token)  # it may be written, and nobody has it
            raise
        self._let_go.difference_update(let_go)
        return Lease(name, token, holder)

    def release(self, lease: Lease) -> None:
        """Give it back; without effect when it was lost. While the database is away, it is given back with the next
        lease that this process asks for."""
        self._let_go.add(lease.token)
        with self._database.write() as connection:
            connection.execute(update(leases).where(leases.c.token == lease.token).values(released=True))
        self._let_go.discard(lease.token)

    def check(self, lease: Lease) -> None:
        """Raises LeaseLost when the lease is no longer the current one."""
        with self._database.read() as connection:
            check_token(connection, lease.token)

    def holder(self, name: str) -> Holder | None:
        """Who holds it, alive or not."""
        with self._database.read() as connection:
            query = select(leases).where(leases.c.name == name, leases.c.released.is_(False))
            row = connection.execute(query).one_or_none()
        return Holder(row.pid, row.start_time, row.boot_id) if row else None


def check_token(connection: Connection, token: int | None) -> None:
    """Raises LeaseLost when a token is given and is not that of a lease in force."""
    if token is None:
        return
    query = select(leases.c.name).where(leases.c.token == token, leases.c.released.is_(False))
    if connection.scalar(query) is None:
        raise LeaseLost(
            t("Another process has taken over; this one writes no more."),
            t("“gasp runs list” shows what runs now; apply again when it has finished."),
        )
