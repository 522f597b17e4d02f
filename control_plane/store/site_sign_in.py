"""Codes and cookies of intranet sites in the database: hashes only. Must not judge who may read what."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import delete, insert, select, update

from control_plane.store.database import Database
from control_plane.store.identity import Clock
from control_plane.store.site_sign_in_tables import site_sessions


class SiteSessionRepository:
    """Begins, exchanges and finds them. What has expired goes when the next one begins."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def begin(self, code_hash: str, state_hash: str, name: str, session_id: str, until: datetime) -> None:
        """Keep a code for the site called `name`."""
        now, columns = self._clock(), site_sessions.c
        values = {"id": code_hash, "state": state_hash, "name": name, "session_id": session_id}
        with self._database.write() as connection:
            connection.execute(delete(site_sessions).where(columns.expires_at < now))
            connection.execute(insert(site_sessions).values(**values, made_at=now, expires_at=until))

    def exchange(self, code_hash: str, state_hash: str, name: str, cookie_hash: str, until: datetime) -> bool:
        """A code becomes a cookie; False when it is not one of this site and state, was used, or is too old."""
        now, columns = self._clock(), site_sessions.c
        waiting = columns.id == code_hash, columns.state == state_hash, columns.name == name, columns.expires_at > now
        fresh = {"id": cookie_hash, "state": None, "made_at": now, "expires_at": until}
        with self._database.write() as connection:
            return connection.execute(update(site_sessions).where(*waiting).values(fresh)).rowcount == 1

    def session_id(self, cookie_hash: str, name: str) -> str | None:
        """The session of the console behind a cookie of this site; None when there is no such cookie any more."""
        columns = site_sessions.c
        living = columns.id == cookie_hash, columns.state.is_(None), columns.name == name
        with self._database.read() as connection:
            found: str | None = connection.scalar(
                select(columns.session_id).where(*living, columns.expires_at > self._clock())
            )
        return found
