"""Machines that a request for protection names: met before it is made real, and what they get was signed with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from control_plane.model.machine import SERVICE, baseline_id
from control_plane.model.plan import Change
from control_plane.model.request import Request
from control_plane.store.estate_rows import SubscriptionChange
from control_plane.store.repository import Store

Enrol = Callable[[str, Mapping[str, Any]], None]
"""Enrols the machines of a tenant that a form names and nobody met yet. Raises ControlPlaneError."""


@dataclass(frozen=True)
class NamedMachines:
    """Enrolling by request, and telling the plan's own changes from those of machines that came with the request."""

    store: Store
    enrol: Enrol

    def meet(self, change: SubscriptionChange | None) -> None:
        """Enrol what this wish names. Raises TemporaryError when one is off, another ControlPlaneError when one cannot
        be the tenant's."""
        if change is not None and change.offering == SERVICE and change.spec is not None:
            self.enrol(change.tenant_code, change.spec)

    def came_with(self, request: Request) -> Callable[[Change], bool]:
        """Whether a change sets up a machine that the form names and that nobody knew when the plan was signed."""
        if request.content.offering != SERVICE or request.content.spec is None:
            return lambda _change: False
        named = {item["name"] for item in request.content.spec.get("machines", ())}
        agreed = {row[2] for row in request.agreed.get("rows", ())}
        ids = {baseline_id(m.id) for m in self.store.machines.all() if m.name in named} - agreed
        return lambda change: change.action == "create" and change.id in ids
