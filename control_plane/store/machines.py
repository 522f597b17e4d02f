"""The inventory: who each machine is, what the last look found, and what its antivirus engine reported.

Must not judge: what a look means is in `model.machine_rules`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import Row, delete, insert, or_, select, update

from control_plane.model.audit import AuditAct, Subject
from control_plane.model.errors import NotFound, Rejected
from control_plane.model.machine import BASELINE, Found, Machine, MachineLook, MachineState, Pending, Ring, baseline_id
from control_plane.model.nearest import nearest
from control_plane.model.resource import CouldNotMeasure
from control_plane.model.run import Actor
from control_plane.model.text import Text, t
from control_plane.store.audit import AuditRepository
from control_plane.store.database import Database
from control_plane.store.identity import Clock, opaque
from control_plane.store.living import living_id
from control_plane.store.machine_tables import findings, machine_history, machine_looks, machine_seen, machines
from control_plane.store.tables import resource_states, tenants

_COLUMNS = (*machines.c, tenants.c.code)
_QUERY = select(*_COLUMNS).join(tenants, tenants.c.id == machines.c.tenant_id)
LOST = "lost"
_WRITTEN = select(resource_states.c.resource_id).where(resource_states.c.kind == BASELINE)
_LOST = select(machine_history.c.machine_id).where(machine_history.c.what == LOST)


@dataclass(frozen=True, slots=True)
class Contact:
    """The last look at a machine and when it last answered."""

    look: MachineLook
    last_contact: datetime | None


@dataclass(frozen=True, slots=True)
class Entry:
    """What happened to a machine: enrolled, ring, transferred, retired, lost."""

    at: datetime
    actor_key: str
    what: str
    detail: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Finding:
    """An infected file that a machine's engine named. `reported_at`: when the centre knew."""

    id: str
    machine: str
    tenant: str
    host: str
    path: str
    signature: str
    found_at: datetime
    reported_at: datetime
    last_seen: datetime
    state: str
    cleared_at: datetime | None
    reason: str | None


class MachineRepository:
    """Keeps machines, looks and findings. Retired machines stay as history."""

    def __init__(self, database: Database, clock: Clock, audit: AuditRepository) -> None:
        self._database = database
        self._clock = clock
        self._audit = audit

    # who ------------------------------------------------------------------------------------------
    def all(self, *, retired: bool = False) -> list[Machine]:
        """All machines by name; with `retired` also those that were taken out."""

        def read() -> list[Machine]:
            with self._database.read() as connection:
                return [_machine(row) for row in connection.execute(_QUERY.order_by(machines.c.name, machines.c.id))]

        return [m for m in self._database.shared("machines", read) if retired or m.retired_at is None]

    def facts(self) -> dict[str, Mapping[str, Any]]:
        """What another console's list said of a machine, by id."""
        query = select(machines.c.id, machines.c.facts).where(machines.c.facts != "{}")
        with self._database.read() as connection:
            return {row.id: orjson.loads(row.facts) for row in connection.execute(query)}

    def touched(self, every: Sequence[Machine] | None = None) -> list[Machine]:
        """Machines that we manage, and retired ones on which our things may still be. Lost ones are not among them,
        unless the same machine came back and was enrolled again. `every`: all of them, where they were just read."""
        with self._database.read() as connection:
            known = [m for m in (every if every is not None else self.all(retired=True)) if m.managed and m.host]
            if all(m.retired_at is None for m in known):
                return known
            written, lost = set(connection.scalars(_WRITTEN)), set(connection.scalars(_LOST))
        back = {(m.host, m.fingerprint) for m in known if m.retired_at is None}
        return [
            m
            for m in known
            if m.retired_at is None
            or (baseline_id(m.id) in written and (m.id not in lost or (m.host, m.fingerprint) in back))
        ]

    def prepared(self) -> set[str]:
        """Ids of machines on which our baseline was written."""
        with self._database.read() as connection:
            written = set(connection.scalars(_WRITTEN))
        return {m.id for m in self.all() if baseline_id(m.id) in written}

    def lost(self) -> list[tuple[Machine, str]]:
        """Machines that were given up with our things on them, each with the reason."""
        with self._database.read() as connection:
            written = set(connection.scalars(_WRITTEN))
            asked = {m.id for m in self.touched()}
            notes = select(machine_history.c.machine_id, machine_history.c.detail).where(machine_history.c.what == LOST)
            reasons = {row.machine_id: orjson.loads(row.detail)["reason"] for row in connection.execute(notes)}
            known = self.all(retired=True)
        return [
            (m, reasons[m.id]) for m in known if m.id in reasons and m.id not in asked and baseline_id(m.id) in written
        ]

    def get(self, name: str) -> Machine:
        """A living machine by name or id. Raises NotFound."""
        living = self.all()
        found = next((m for m in living if name in (m.name, m.id)), None)
        if found is None:
            text = t("There is no machine “{name}” in the inventory.", name=name)
            raise NotFound(text, nearest(name, [m.name for m in living], t("See gasp hosts list.")))
        return found

    def add(
        self,
        actor: Actor,
        name: str,
        tenant: str,
        ring: Ring,
        *,
        host: str | None,
        managed: bool,
        source: str,
        fingerprint: str | None,
        facts: Mapping[str, Any] | None = None,
    ) -> Machine:
        """Enter a machine. The same one again (name, tenant, fingerprint) only takes over ring and facts.
        Raises Rejected for a name that another machine has."""
        now = self._clock()
        with self._database.write() as connection:
            tenant_id = living_id(connection, tenant)
            living = _QUERY.where(machines.c.name == name, machines.c.retired_at.is_(None))
            known = next(map(_machine, connection.execute(living)), None)
            text = orjson.dumps(dict(facts or {})).decode()
            if known is not None:
                same = known.tenant == tenant and (known.fingerprint == fingerprint or not known.managed)
                if not same or (known.managed and not managed):
                    raise Rejected(
                        t("The inventory has another machine called {name}, of {tenant}.", name=name,
                          tenant=known.tenant),
                        t("Retire that one first (gasp hosts retire {name}), or transfer it.", name=name),
                    )  # fmt: skip
                values = {"ring": int(ring), "managed": managed, "host": host, "source": source, "facts": text}
                values["fingerprint"] = fingerprint
                connection.execute(update(machines).where(machines.c.id == known.id).values(**values))
                if known.ring != ring or known.managed != managed:
                    self._note(actor, known.id, "ring", {"from": int(known.ring), "to": int(ring)})
                return replace(
                    known, ring=ring, managed=managed, host=host, source=source, fingerprint=fingerprint
                )  # fmt: skip
            id_ = opaque("m_")
            connection.execute(
                insert(machines).values(
                    id=id_, name=name, tenant_id=tenant_id, ring=int(ring), host=host, managed=managed, source=source,
                    fingerprint=fingerprint, facts=text, enrolled_at=now,
                )
            )  # fmt: skip
            self._note(actor, id_, "enrolled" if managed else "observed", {"tenant": tenant, "ring": int(ring)})
        return Machine(id_, name, tenant, ring, host, managed, source, fingerprint, now)

    def follow(self, actor: Actor, tenant_id: str, rings: Mapping[str, Ring]) -> None:
        """Give enrolled machines of a tenant the rings that its document states, by name."""
        where = (machines.c.tenant_id == tenant_id, machines.c.managed, machines.c.retired_at.is_(None))
        with self._database.write() as connection:
            for row in list(connection.execute(select(machines.c.id, machines.c.name, machines.c.ring).where(*where))):
                ring = rings.get(row.name, row.ring)
                if ring != row.ring:
                    connection.execute(update(machines).where(machines.c.id == row.id).values(ring=int(ring)))
                    self._note(actor, row.id, "ring", {"from": row.ring, "to": int(ring)})

    def transfer(self, actor: Actor, machine: Machine, tenant: str) -> Machine:
        """Give a machine to another tenant; its history goes with it."""
        with self._database.write() as connection:
            tenant_id = living_id(connection, tenant)
            connection.execute(update(machines).where(machines.c.id == machine.id).values(tenant_id=tenant_id))
            self._note(actor, machine.id, "transferred", {"from": machine.tenant, "to": tenant})
        return replace(machine, tenant=tenant)

    def retire(self, actor: Actor, chosen: Sequence[Machine]) -> None:
        """Take machines out of the inventory; what was known of them stays."""
        now = self._clock()
        with self._database.write() as connection:
            for machine in chosen:
                connection.execute(update(machines).where(machines.c.id == machine.id).values(retired_at=now))
                self._note(actor, machine.id, "retired", {"tenant": machine.tenant})

    def give_up(self, actor: Actor, machine: Machine, reason: str) -> None:
        """Take a machine out as lost: nobody asks it any more, and what is ours stays on it."""
        with self._database.write():
            if machine.retired_at is None:
                self.retire(actor, [machine])
            self._note(actor, machine.id, LOST, {"reason": reason})

    def history(self, machine_id: str) -> list[Entry]:
        """What happened to a machine, oldest first."""
        query = select(machine_history).where(machine_history.c.machine_id == machine_id).order_by(machine_history.c.id)
        with self._database.read() as connection:
            return [
                Entry(row.at, row.actor_key, row.what, orjson.loads(row.detail)) for row in connection.execute(query)
            ]

    def _note(self, actor: Actor, machine_id: str, what: str, detail: Mapping[str, Any]) -> None:
        with self._database.write() as connection:
            connection.execute(
                insert(machine_history).values(
                    machine_id=machine_id, at=self._clock(), actor_key=actor.key, what=what,
                    detail=orjson.dumps(dict(detail)).decode(),
                )
            )  # fmt: skip
            row = connection.execute(
                select(machines.c.name, machines.c.tenant_id).where(machines.c.id == machine_id)
            ).one()
            about = [Subject("machine", machine_id), Subject("host", row.name), Subject("tenant", row.tenant_id)]
            former = [detail["from"]] if what == "transferred" else ()
            reason = detail.get("reason", "")
            self._audit.record(AuditAct(f"machine.{what}"), actor, about, tenants=former, reason=reason, detail=detail)

    # looks ----------------------------------------------------------------------------------------
    def first_seen(self, machine_id: str, things: Collection[str]) -> dict[str, datetime]:
        """When each thing (`pending/PACKAGE/VERSION`, `held/PACKAGE`) was first seen on the machine; what is not
        among `things` any more is forgotten."""
        now = self._clock()
        columns = machine_seen.c
        with self._database.write() as connection:
            mine = select(columns.what, columns.first_seen).where(columns.machine_id == machine_id)
            known = {row.what: row.first_seen for row in connection.execute(mine)}
            gone = known.keys() - set(things)
            if gone:
                connection.execute(delete(machine_seen).where(columns.machine_id == machine_id, columns.what.in_(gone)))
            new = [{"machine_id": machine_id, "what": w, "first_seen": now} for w in things if w not in known]
            if new:
                connection.execute(insert(machine_seen), new)
        return {what: known.get(what, now) for what in things}

    def save_look(self, machine_id: str, look: MachineLook) -> None:
        """Keep the last look. One that failed keeps the time of the last contact and forgets the rest."""
        with self._database.write() as connection:
            columns = machine_looks.c
            contact = connection.scalar(select(columns.last_contact).where(columns.machine_id == machine_id))
            seen = isinstance(look, MachineState)
            values = {
                "machine_id": machine_id,
                "at": look.at,
                "last_contact": look.at if seen else contact,
                "state": state_json(look) if isinstance(look, MachineState) else None,
                "reason": orjson.dumps(look.reason.as_json()).decode() if isinstance(look, CouldNotMeasure) else None,
            }
            connection.execute(delete(machine_looks).where(columns.machine_id == machine_id))
            connection.execute(insert(machine_looks).values(values))

    def contacts(self) -> dict[str, Contact]:
        """The last look at each machine, by id."""
        with self._database.read() as connection:
            return {row.machine_id: _contact(row) for row in connection.execute(select(machine_looks))}

    # findings -------------------------------------------------------------------------------------
    def report(self, machine: Machine, found: Sequence[Found], at: datetime) -> list[str]:
        """Record what an engine found; the same file again is the same finding. Returns ids."""
        now, ids = self._clock(), []
        columns = findings.c
        with self._database.write() as connection:
            tenant_id = connection.scalar(select(machines.c.tenant_id).where(machines.c.id == machine.id))
            for item in found:
                same = select(columns.id).where(
                    columns.machine_id == machine.id, columns.path == item.path, columns.signature == item.signature,
                    columns.state == "open",
                )  # fmt: skip
                known = connection.scalar(same)
                if known is not None:
                    connection.execute(update(findings).where(columns.id == known).values(last_seen=at))
                    ids.append(known)
                    continue
                ids.append(opaque("f_"))
                connection.execute(
                    insert(findings).values(
                        id=ids[-1], machine_id=machine.id, tenant_id=tenant_id, host=machine.host or machine.name,
                        path=item.path, signature=item.signature, found_at=at, reported_at=now, last_seen=at,
                        state="open",
                    )
                )  # fmt: skip
        return ids

    def findings(self, *, tenant: str | None = None, only_open: bool = False) -> list[Finding]:
        """Newest first."""
        query = (
            select(*findings.c, machines.c.name, tenants.c.code)
            .join(machines, machines.c.id == findings.c.machine_id)
            .join(tenants, tenants.c.id == findings.c.tenant_id)
        )
        if tenant is not None:
            query = query.where(tenants.c.code == tenant)
        if only_open:
            query = query.where(findings.c.state == "open")
        with self._database.read() as connection:
            rows = connection.execute(query.order_by(findings.c.found_at.desc(), findings.c.id)).all()
        return [
            Finding(r.id, r.name, r.code, r.host, r.path, r.signature, r.found_at, r.reported_at, r.last_seen, r.state,
                    r.cleared_at, r.reason)
            for r in rows
        ]  # fmt: skip

    def clear(self, actor: Actor, ids: Sequence[str], reason: str) -> None:
        """Settle findings with a reason. Raises NotFound when one of them is not open; then none is settled."""
        columns = findings.c
        with self._database.write() as connection:
            known = set(
                connection.scalars(select(columns.id).where(columns.id.in_(list(ids)), columns.state == "open"))
            )
            missing = [i for i in ids if i not in known]
            if missing:
                raise NotFound(
                    t("No open finding is known by {ids}.", ids=", ".join(missing)),
                    t("See gasp security findings --open."),
                )
            connection.execute(
                update(findings)
                .where(or_(*(columns.id == i for i in ids)))
                .values(state="cleared", cleared_at=self._clock(), cleared_by=actor.key, reason=reason)
            )
            whose = select(machines.c.id, machines.c.name, machines.c.tenant_id).where(
                machines.c.id.in_(select(columns.machine_id).where(columns.id.in_(list(ids))))
            )
            about = [Subject("finding", finding) for finding in ids]
            for row in connection.execute(whose):
                about += [Subject("machine", row.id), Subject("host", row.name), Subject("tenant", row.tenant_id)]
            self._audit.record(AuditAct.FINDINGS_CLEARED, actor, about, reason=reason)


def _machine(row: Row[Any]) -> Machine:
    return Machine(
        row.id, row.name, row.code, Ring(row.ring), row.host, row.managed, row.source, row.fingerprint,
        row.enrolled_at, row.retired_at,
    )  # fmt: skip


def _contact(row: Row[Any]) -> Contact:
    if row.state is not None:
        return Contact(state_from(row.state), row.last_contact)
    reason = Text.from_json(orjson.loads(row.reason)) if row.reason else t("It did not answer.")
    return Contact(CouldNotMeasure(row.machine_id, row.at, reason), row.last_contact)


def state_json(state: MachineState) -> str:
    """A state as it is kept."""
    return orjson.dumps(asdict(state)).decode()


def state_from(text: str) -> MachineState:
    """A kept state."""
    raw: dict[str, Any] = orjson.loads(text)
    pending = [Pending(**_timed(item, "since", "deadline", "held_since")) for item in raw.pop("pending")]
    return MachineState(pending=pending, **_timed(raw, "at", "lists_at", "signature_at"))


def _timed(raw: dict[str, Any], *names: str) -> dict[str, Any]:
    return {k: _time(v) if k in names else v for k, v in raw.items()}


def _time(value: str | None) -> datetime | None:
    return datetime.fromisoformat(value) if value else None
