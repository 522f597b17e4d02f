"""Views of lists in the database, each somebody's own. Nothing here is recorded: it changes what one person sees."""

from __future__ import annotations

import builtins
from dataclasses import dataclass

from sqlalchemy import delete, func, insert, select, update

from control_plane.store.database import Database
from control_plane.store.identity import Clock
from control_plane.store.views_tables import saved_views


@dataclass(frozen=True, slots=True)
class SavedView:
    """One of them."""

    id: int
    page: str
    name: str
    query: str


_COLUMNS = (saved_views.c.id, saved_views.c.page, saved_views.c.name, saved_views.c.query)


class ViewRepository:
    """Keeps, lists and forgets them."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def list(self, person_key: str, page: str) -> builtins.list[SavedView]:
        """Of one page, by name."""
        mine = saved_views.c.person_key == person_key, saved_views.c.page == page
        with self._database.read() as connection:
            rows = connection.execute(select(*_COLUMNS).where(*mine).order_by(saved_views.c.name, saved_views.c.id))
            return [SavedView(*row) for row in rows]

    def keep(self, person_key: str, page: str, name: str, query: str, most: int) -> SavedView | None:
        """Keep one, in the place of one of the same name; None when there are `most` others already."""
        columns = saved_views.c
        mine = columns.person_key == person_key, columns.page == page
        values = {"query": query, "kept_at": self._clock()}
        with self._database.write() as connection:
            known = connection.scalar(select(columns.id).where(*mine, columns.name == name))
            if known is not None:
                connection.execute(update(saved_views).where(columns.id == known).values(values))
                return SavedView(known, page, name, query)
            if (connection.scalar(select(func.count()).where(*mine)) or 0) >= most:
                return None
            made = connection.execute(insert(saved_views).values(person_key=person_key, page=page, name=name, **values))
            return SavedView(int(made.inserted_primary_key[0]), page, name, query)  # type: ignore[index]

    def remove(self, person_key: str, number: int) -> SavedView | None:
        """Forget one of this person; None when there is none."""
        mine = saved_views.c.person_key == person_key, saved_views.c.id == number
        with self._database.write() as connection:
            row = connection.execute(select(*_COLUMNS).where(*mine)).one_or_none()
            connection.execute(delete(saved_views).where(*mine))
            return SavedView(*row) if row is not None else None
