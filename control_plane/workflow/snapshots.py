"""Snapshots of packages and sets of signatures: what commands ask, and the first publication at bring-up.

What is true lies on the repository host. Must not give a ring anything that nobody asked for, except at bring-up to a
ring that has nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from control_plane.model.machine import Depot, Repository, Ring
from control_plane.model.text import Text, t

Tell = Callable[[int, int, str], None]


def first_publication(repository: Repository, kinds: Sequence[Depot], tell: Tell) -> Text:
    """Fetch and publish to all rings, only where a ring has nothing yet. May be killed and repeated."""
    given = 0
    for what in kinds:
        found = repository.look(what)
        lacking = [ring for ring in Ring if found.published[ring] is None]
        if not lacking:
            continue
        newest = found.rows[0]["id"] if found.rows else repository.sync(what, tell)["latest"]
        for ring in lacking:
            repository.publish(what, ring, newest)
            given += 1
    return t("{count} publications to rings", count=given)
