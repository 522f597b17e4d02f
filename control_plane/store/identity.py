"""Opaque keys and who acts. Names of actors live here and nowhere else."""

from __future__ import annotations

import base64
import secrets
import time
from collections.abc import Callable
from datetime import datetime

from sqlalchemy import insert, select

from control_plane.model.run import Actor
from control_plane.store.database import Database
from control_plane.store.tables import actors

#: Seconds that a key which was looked up counts without another look.
KNOWN = 60.0
Clock = Callable[[], datetime]


def opaque(prefix: str) -> str:
    """`prefix` and 12 random characters of lower-case base32 (60 bits)."""
    return prefix + base64.b32encode(secrets.token_bytes(10)).decode().lower()[:12]


class ActorRepository:
    """People and programs that act."""

    def __init__(self, database: Database) -> None:
        self._database = database
        #: Who was looked up, and until when (monotonic seconds) that counts: an erasure takes the name from a key.
        self._known: dict[str, tuple[Actor, float]] = {}

    def get(self, name: str) -> Actor:
        """The actor called `name` (such as `local:root`); its key is made at the first call."""
        known, until = self._known.get(name, (None, 0.0))
        if known is not None and time.monotonic() < until:
            return known
        query = select(actors.c.key).where(actors.c.name == name)
        with self._database.read() as connection:
            key = connection.scalar(query)
        if key is None:
            with self._database.write() as connection:
                key = connection.scalar(query)
                if key is None:
                    key = opaque("a_")
                    connection.execute(insert(actors).values(key=key, name=name))
        elif not self._database.writing:  # what this thread writes may be taken back
            self._known[name] = (Actor(key, name), time.monotonic() + KNOWN)
        return Actor(key, name)

    def forget(self, name: str) -> None:
        """Look this name up anew."""
        self._known.pop(name, None)

    def name(self, key: str) -> str:
        """The name behind a key; the key itself once the name was erased."""
        with self._database.read() as connection:
            return connection.scalar(select(actors.c.name).where(actors.c.key == key)) or key
