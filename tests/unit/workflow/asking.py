"""Requests in the small centre in memory: people with roles, a worker, promises that are kept or not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from control_plane.model.ports import Probe, ProbeResult
from control_plane.model.text import t
from control_plane.model.windows import chinese_calendar
from control_plane.workflow.classes import Classes
from control_plane.workflow.emergencies import Emergencies
from control_plane.workflow.request_machines import NamedMachines
from control_plane.workflow.request_tick import RequestTicker
from control_plane.workflow.requests import Requests
from control_plane.workflow.substitutes import Substitutes

Json = dict[str, Any]
#: Who holds which role, and where.
PEOPLE: Mapping[str, Sequence[tuple[str, str | None]]] = {
    "clerk": [("clerk", "fgw")],
    "clerk2": [("clerk", "gaj")],
    "chief": [("approver", "fgw")],
    "chief2": [("approver", "gaj")],
    "both": [("clerk", "fgw"), ("approver", "fgw")],
    "operator": [("operator", None)],
    "officer": [("security_officer", None)],
    "deputy": [("deputy_director", None)],
    "auditor": [("auditor", None)],
}


@dataclass
class FakeProber:
    """Every promise is kept, but those of the tenants in `broken`."""

    clock: Any
    broken: set[str] = field(default_factory=set)
    asked: int = 0

    def run(self, probes: Sequence[Probe]) -> list[ProbeResult]:
        self.asked += len(probes)
        return [
            ProbeResult(p, "failed" if p.tenant in self.broken else "passed", self.clock(), 0.1, t("measured"))
            for p in probes
        ]


class Office:
    """The centre with its departments fgw and gaj, and everybody's view of requests."""

    def __init__(self, centre: Any, fault: str | None = None, tenants: Sequence[str] = ("fgw", "gaj")) -> None:
        self.centre = centre
        for code in tenants:
            document = centre.document(code)
            centre.store.estate.put_tenants(centre.actor, "import 1", [document])
        for name, grants in PEOPLE.items():
            person = centre.store.people.ensure(f"directory:{name}", name.title())
            if not person.grants:
                for role, tenant in grants:
                    if tenant is not None and tenant not in tenants:
                        continue
                    centre.store.people.grant(person, role, tenant, None, "test", centre.actor)
        self.fault = fault
        self.prober = FakeProber(centre.clock)
        self.enrolled: list[tuple[str, Any]] = []
        self.ticker = RequestTicker(
            self.of("local:worker"),
            centre.applier,
            self.prober,
            NamedMachines(centre.store, lambda *asked: self.enrolled.append(asked)),
        )

    def of(self, name: str) -> Requests:
        """Requests as somebody sees them; a bare word is somebody of the directory."""
        full = name if ":" in name else f"directory:{name}"
        store = self.centre.store
        return Requests(store, self.centre.planner, chinese_calendar, lambda: store.actors.get(full), self.fault)

    def _actor(self, name: str) -> Any:
        full = name if ":" in name else f"directory:{name}"
        return lambda: self.centre.store.actors.get(full)

    def substitutes(self, name: str) -> Substitutes:
        """Who stands in for whom, as somebody sees it."""
        return Substitutes(self.centre.store, self.centre.clock, list, self._actor(name))

    def classes(self, name: str) -> Classes:
        """The table of classes, as somebody sees it."""
        return Classes(self.centre.store, self.of("local:worker"), self._actor(name))

    def emergencies(self, name: str) -> Emergencies:
        """Emergencies, as somebody sees them."""
        centre = self.centre
        return Emergencies(centre.store, self.of("local:worker"), centre.applier, centre.clock, self._actor(name))

    def ask(self, who: str, tenant: str, action: str = "new", **spec: Any) -> Json:
        """Draft and submit."""
        drafted = self.of(who).draft(tenant, "toy", action)
        if action != "end":
            self.of(who).save(drafted["id"], spec=spec, note="please")
        return self.of(who).submit(drafted["id"])

    def sign(self, who: str, request: Json, **more: Any) -> Json:
        """Sign what is there now."""
        client = self.of(who)
        return client.sign(request["id"], digest=client.show(request["id"])["digest"], **more)

    def signed(self, who: str, tenant: str, signers: Sequence[str], action: str = "new", **spec: Any) -> Json:
        """Ask and have it signed."""
        request = self.ask(who, tenant, action, **spec)
        for signer in signers:
            request = self.sign(signer, request)
        return request

    def state(self, request: Json) -> str:
        """Where it is now."""
        return str(self.of("local:look").show(request["id"])["state"])
