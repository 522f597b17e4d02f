"""What may be asked of the groups of departments. Every answer is JSON-able."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Mapping
from typing import Any, Protocol

Json = dict[str, Any]
Wish = Mapping[str, Any]
"""What is to become of a group: {act: make, name, zh, en}, {act: rename, name, to, zh, en}, {act: end, name} or
{act: people, name, put: [uid], out: [uid]}. What is left out stays as it is."""
OnEvent = Callable[[Json], None]


class GroupsClient(Protocol):
    """`gasp accounts groups`: groups of people of one department, and who is in them."""

    def list(self, tenant: str | None = None) -> builtins.list[Json]:
        """By department and name: [{id: `CODE/NAME`, tenant, name, zh, en, gid, people: [uid], count}]. People who left
        are in none. `gid`: its number in the directory, None before it is there."""
        ...

    def show(self, tenant: str, name: str) -> Json:
        """A row of `list`, and {members: [{uid, name}]}. Raises NotFound."""
        ...

    def preview(self, tenant: str, wish: Wish) -> Json:
        """What a wish would do: {tenant, name, sentence, digest, plan}; nothing is written. Raises Invalid with every
        fault, NotFound, CouldNotMeasure."""
        ...

    def change(self, tenant: str, wish: Wish, *, digest: str | None = None, on_event: OnEvent | None = None) -> Json:
        """Do it, as a run that can be undone: {tenant, name, sentence, run}. Raises StalePlan when what it starts
        from is not what the preview with this digest showed."""
        ...

    def wished(self, tenant: str, wish: Wish) -> Json:
        """The same as something to ask for: {offering, spec, sentence}. Raises Invalid with every fault, NotFound."""
        ...
