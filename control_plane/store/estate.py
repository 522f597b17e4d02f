"""Desired state: the estate, its tenants, what they subscribe to, and every revision of it.

A change is one transaction; it raises the generation and keeps the former spec as a revision.
Must not judge a spec: `workflow` has done so before.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import Connection, Table, func, insert, select, update

from control_plane.model.audit import AuditAct, Subject
from control_plane.model.errors import Invalid, NotFound, StalePlan
from control_plane.model.internet import SERVICE
from control_plane.model.machine import SERVICE as PROTECTION
from control_plane.model.machine import stated_rings
from control_plane.model.nearest import no_tenant
from control_plane.model.offering import Claim
from control_plane.model.resource import Owner
from control_plane.model.run import Actor
from control_plane.model.staffing import PEOPLE
from control_plane.model.tenant import EstateDocument, TenantDocument
from control_plane.model.text import t
from control_plane.store import allocations as pools_of
from control_plane.store.allocations import Move, Pools
from control_plane.store.audit import AuditRepository
from control_plane.store.database import Database
from control_plane.store.estate_rows import (
    Revision,
    SubscriptionChange,
    SubscriptionRow,
    TenantRow,
    read_document,
    read_revision,
    read_subscription,
    read_tenant,
)
from control_plane.store.identity import Clock, opaque
from control_plane.store.machines import MachineRepository
from control_plane.store.policies import finished
from control_plane.store.reviews_tables import people_reviews
from control_plane.store.staff_tables import password_sheets
from control_plane.store.tables import actors, estate, imports, revisions, subscriptions, tenant_revisions, tenants
from control_plane.store.webhooks_tables import webhooks

#: What lies sealed, or is about people, for a tenant alone, and what is left of it when that ends.
_SEALED: Sequence[tuple[Table, Mapping[str, Any]]] = (
    (password_sheets, {"sealed": None}),
    (webhooks, {"secret": "", "former": None}),
    (people_reviews, {"moves": None}),
)


Claims = Mapping[tuple[str, str], Sequence[Claim]]
"""(tenant code, offering) → all claims of that subscription from now on."""


class EstateRepository:
    """Reads and changes desired state."""

    def __init__(self, database: Database, clock: Clock, pools: Pools, audit: AuditRepository) -> None:
        self._audit = audit
        self._machines = MachineRepository(database, clock, audit)
        self._database = database
        self._clock = clock
        self._pools = pools

    def document(self) -> EstateDocument | None:
        """What is true for the whole centre; None before the first import."""
        with self._database.read() as connection:
            text = connection.scalar(select(estate.c.document))
        return EstateDocument.model_validate_json(text) if text else None

    def set_document(self, document: EstateDocument) -> None:
        """Replace it."""
        values = {"document": document.model_dump_json(), "changed_at": self._clock()}
        with self._database.write() as connection:
            if connection.execute(update(estate).values(values)).rowcount == 0:
                connection.execute(insert(estate).values(id=1, **values))

    def tenants(self, ended: bool = False, *, codes: Collection[str] | None = None) -> list[TenantRow]:
        """Tenants by network index, then code, all or those of these codes; with `ended` also those that are gone."""
        query = select(tenants).order_by(tenants.c.network_index.is_(None), tenants.c.network_index, tenants.c.code)
        if not ended:
            query = query.where(tenants.c.ended_at.is_(None))
        if codes is not None:
            query = query.where(tenants.c.code.in_(codes))
        with self._database.read() as connection:
            return [read_tenant(row) for row in connection.execute(query).all()]

    def tenant(self, code: str) -> TenantRow | None:
        """A living tenant; None when there is none of that code."""
        query = select(tenants).where(tenants.c.code == code, tenants.c.ended_at.is_(None))
        with self._database.read() as connection:
            row = connection.execute(query).one_or_none()
        return read_tenant(row) if row is not None else None

    def known(self, code: str) -> TenantRow:
        """A living tenant. Raises NotFound with the nearest code."""
        row = self.tenant(code)
        if row is None:
            raise no_tenant(code, [one.code for one in self.tenants()])
        return row

    def subscriptions(
        self, ended: bool = False, *, tenant: str | None = None, offering: str | None = None
    ) -> list[SubscriptionRow]:
        """All subscriptions by tenant code and offering, or those of one living tenant, or of one offering; with
        `ended` also those that are gone."""
        columns = subscriptions.c
        query = (
            select(subscriptions, tenants.c.code).join(tenants).order_by(tenants.c.code, tenants.c.id, columns.offering)
        )
        if not ended:
            query = query.where(columns.state == "active")
        if tenant is not None:
            query = query.where(tenants.c.code == tenant, tenants.c.ended_at.is_(None))
        if offering is not None:
            query = query.where(columns.offering == offering)
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        return [read_subscription(row) for row in rows]

    def counts(self) -> dict[str, tuple[int, int]]:
        """Active subscriptions by offering: all, and those whose newest generation was not verified yet."""
        columns = subscriptions.c
        waiting = func.count().filter(columns.generation != columns.observed_generation)
        query = select(columns.offering, func.count(), waiting).where(columns.state == "active")
        with self._database.read() as connection:
            rows = connection.execute(query.group_by(columns.offering).order_by(columns.offering)).all()
        return {name: (every, pending) for name, every, pending in rows}

    def subscription(self, subscription_id: str) -> SubscriptionRow | None:
        """One of a living tenant, active or ended; None when there never was one."""
        code, _, offering = subscription_id.partition("/")
        query = (
            select(subscriptions, tenants.c.code)
            .join(tenants)
            .where(tenants.c.code == code, tenants.c.ended_at.is_(None), subscriptions.c.offering == offering)
        )
        with self._database.read() as connection:
            row = connection.execute(query).one_or_none()
        return read_subscription(row) if row is not None else None

    def revisions(self, subscription_id: str) -> list[Revision]:
        """All generations of the living tenant's subscription `code/offering`, oldest first."""
        code, _, offering = subscription_id.partition("/")
        query = (
            select(revisions, actors.c.name)
            .join(tenants)
            .join(actors)
            .where(tenants.c.code == code, tenants.c.ended_at.is_(None), revisions.c.offering == offering)
            .order_by(revisions.c.generation)
        )
        with self._database.read() as connection:
            return [read_revision(row) for row in connection.execute(query)]

    def revisions_by_cause(self, cause: str) -> list[tuple[str, Revision]]:
        """(subscription id, revision) of everything that one cause changed, such as `import 3`."""
        query = (
            select(revisions, tenants.c.code, actors.c.name)
            .join(tenants)
            .join(actors)
            .where(revisions.c.cause == cause)
            .order_by(tenants.c.code, revisions.c.offering)
        )
        with self._database.read() as connection:
            return [(f"{row.code}/{row.offering}", read_revision(row)) for row in connection.execute(query)]

    def put_tenants(self, actor: Actor, cause: str, documents: Sequence[TenantDocument]) -> dict[str, str]:
        """Create or update tenants (their subscriptions are left alone); returns id by code for all of them."""
        now = self._clock()
        with self._database.write() as connection:
            query = select(tenants.c.id, tenants.c.code, tenants.c.document, tenants.c.generation)
            known = {row.code: row for row in connection.execute(query.where(tenants.c.ended_at.is_(None)))}
            ids: dict[str, str] = {}
            created: list[dict[str, Any]] = []
            changed: list[dict[str, Any]] = []
            history: list[dict[str, Any]] = []
            for document in documents:
                row = known.get(document.code)
                alone = document.model_copy(update={"subscriptions": ()})
                ids[document.code] = row.id if row else opaque("t_")
                if row is not None and read_document(row.document) == alone:
                    continue
                values = {
                    "id": ids[document.code],
                    "code": document.code,
                    "document": alone.model_dump_json(),
                    "network_index": document.network.index if document.network else None,
                    "generation": row.generation + 1 if row else 1,
                }
                (changed if row else created).append(values)
                history.append(_tenant_revision(values, actor, cause, now))
            if changed:  # first out of the way: indices may move between tenants
                for values in changed:
                    connection.execute(update(tenants).where(tenants.c.id == values["id"]).values(network_index=None))
                for values in changed:
                    connection.execute(update(tenants).where(tenants.c.id == values["id"]).values(values))
            if created:
                connection.execute(insert(tenants), [{**values, "created_at": now} for values in created])
            if history:
                connection.execute(insert(tenant_revisions), history)
                about = [Subject("tenant", values["tenant_id"]) for values in history]
                self._audit.record(AuditAct.TENANT_CHANGED, actor, about, detail={"cause": cause})
        return ids

    def change(
        self, actor: Actor, cause: str, changes: Sequence[SubscriptionChange], claims: Claims,
        moves: Sequence[Move] = (),
    ) -> None:  # fmt: skip
        """Make the changes, all or none. `moves`: people who go from one of these subscriptions to another of the same
        offering, and keep what they hold.

        Raises NotFound (no such tenant), StalePlan (a generation is not the expected one) and Invalid
        (a claim cannot be had; `where` of its problems is the subscription's id).
        """
        now = self._clock()
        with self._database.write() as connection:
            query = select(tenants.c.code, tenants.c.id).where(tenants.c.ended_at.is_(None))
            ids = {row.code: row.id for row in connection.execute(query)}
            _refuse_unknown(ids, changes)
            known = _known(connection, [ids[c.tenant_code] for c in changes])
            moved: list[str] = []
            created: list[dict[str, Any]] = []
            changed: list[dict[str, Any]] = []
            history: list[dict[str, Any]] = []
            for change in changes:
                key = (ids[change.tenant_code], change.offering)
                generation, policy = known.get(key, (0, None))
                if policy is None and change.offering == SERVICE:
                    policy = finished(connection)
                if change.expected_generation not in (None, generation):
                    moved.append(f"{change.tenant_code}/{change.offering}")
                values = {
                    "tenant_id": key[0],
                    "offering": key[1],
                    "tier": change.tier,
                    "generation": generation + 1,
                    "state": "ended" if change.spec is None else "active",
                    "spec": "{}" if change.spec is None else orjson.dumps(change.spec).decode(),
                    "policy": (policy or 0) if change.policy is None else change.policy,
                }
                (changed if key in known else created).append(values)
                history.append(_revision_values(values, actor, cause, now))
            if moved:
                raise StalePlan(
                    t("Changed by somebody else in the meantime: {what}.", what=", ".join(moved)),
                    t("Look at the present state and make the change again."),
                )
            if created:
                connection.execute(insert(subscriptions), [{**values, "observed_generation": 0} for values in created])
            for values in changed:
                key = (values["tenant_id"], values["offering"])
                connection.execute(update(subscriptions).where(_is_subscription(key)).values(values))
            if any(values["offering"] == PEOPLE for values in history):
                self._database.tell("accounts")  # who left is cut at once, whoever wished it
            for change, values in zip(changes, history, strict=True):
                if change.offering == PROTECTION and change.spec is not None:
                    self._machines.follow(actor, values["tenant_id"], stated_rings(change.spec))
            if history:
                connection.execute(insert(revisions), history)
                about = [Subject("tenant", v["tenant_id"]) for v in history]
                about += [Subject("service", f"{v['tenant_id']}/{v['offering']}") for v in history]
                ended = sum(v["spec"] is None for v in history)
                self._audit.record(
                    AuditAct.SERVICE_CHANGED,
                    actor,
                    about,
                    detail={"cause": cause, "changed": len(history), "ended": ended},
                )
            held = {(ids[code], offering): wanted for (code, offering), wanted in claims.items()}
            held |= {(v["tenant_id"], v["offering"]): () for v in [*created, *changed] if v["state"] == "ended"}
            for offering in {change.offering for change in changes} if moves else ():
                pools_of.hand_over(connection, moves, offering)
            problems = pools_of.claim(connection, held, self._pools, now)
            if problems:
                raise Invalid(problems)

    def end_tenant(self, code: str, actor: Actor, at: datetime | None = None, cause: str | None = None) -> None:
        """End a tenant with all its subscriptions. Its code is free again; its id, numbers and history stay its own."""
        now, cause = at or self._clock(), cause or f"offboard {code}"
        with self._database.write() as connection:
            active = self.subscriptions(tenant=code)
            self.change(
                actor, cause, [SubscriptionChange(code, row.offering, row.tier, None) for row in active], claims={}
            )
            row = connection.execute(
                select(tenants.c.id, tenants.c.generation).where(tenants.c.code == code, tenants.c.ended_at.is_(None))
            ).one_or_none()
            if row is None:
                raise _unknown([code])
            values = {"id": row.id, "generation": row.generation + 1, "document": None}
            connection.execute(
                update(tenants).where(tenants.c.id == row.id).values(ended_at=now, generation=row.generation + 1)
            )
            connection.execute(insert(tenant_revisions).values(_tenant_revision(values, actor, cause, now)))
            for table, forgotten in _SEALED:  # nobody is handed a password, and nobody told anything, any more
                connection.execute(update(table).where(table.c.tenant_id == row.id).values(forgotten))
            self._audit.record(AuditAct.TENANT_ENDED, actor, [Subject("tenant", row.id)], detail={"cause": cause})

    def record_import(self, actor: Actor, digest: str, summary: Mapping[str, Any]) -> int:
        """Number an import; its changes carry the cause `import <number>`."""
        with self._database.write() as connection:
            result = connection.execute(
                insert(imports).values(
                    at=self._clock(), actor_key=actor.key, digest=digest, summary=orjson.dumps(summary).decode()
                )
            )
            number = int(result.inserted_primary_key[0])  # type: ignore[index]
            self._audit.record(AuditAct.TENANTS_IMPORTED, actor, digest=digest, detail={"import": number, **summary})
            return number

    def allocations(self, codes: Collection[str] | None = None) -> dict[tuple[str, str], str]:
        """Every value in force: (pool, subject) → value; with `codes` those of these living tenants."""
        with self._database.read() as connection:
            return pools_of.current(connection, codes)

    def set_observed(self, generations: Mapping[str, int]) -> None:
        """Record that these generations (by subscription id) were verified on the real systems."""
        with self._database.write() as connection:
            query = select(tenants.c.code, tenants.c.id).where(tenants.c.ended_at.is_(None))
            ids = {row.code: row.id for row in connection.execute(query)}
            for name, generation in generations.items():
                code, _, offering = name.partition("/")
                if code in ids:
                    connection.execute(
                        update(subscriptions)
                        .where(_is_subscription((ids[code], offering)))
                        .values(observed_generation=generation)
                    )


def _is_subscription(key: tuple[Any, Any]) -> Any:
    return (subscriptions.c.tenant_id == key[0]) & (subscriptions.c.offering == key[1])


def _known(connection: Connection, tenant_ids: Sequence[str]) -> dict[tuple[str, str], tuple[int, int | None]]:
    """Generation and revision of the policy by tenant and offering; None for a subscription that has ended."""
    columns = subscriptions.c
    query = select(columns.tenant_id, columns.offering, columns.generation, columns.policy, columns.state)
    if len(set(tenant_ids)) <= 100:
        query = query.where(columns.tenant_id.in_(set(tenant_ids)))
    return {
        (row.tenant_id, row.offering): (row.generation, row.policy if row.state == "active" else None)
        for row in connection.execute(query)
    }


def _refuse_unknown(ids: Mapping[str, str], changes: Sequence[SubscriptionChange]) -> None:
    unknown = sorted({change.tenant_code for change in changes} - ids.keys())
    if unknown:
        raise _unknown(unknown)


def _unknown(codes: Sequence[str]) -> NotFound:
    return NotFound(t("No such tenant: {codes}.", codes=", ".join(codes)), t("“gasp tenants list” shows all of them."))


def _revision_values(values: Mapping[str, Any], actor: Actor, cause: str, now: datetime) -> dict[str, Any]:
    return {
        "tenant_id": values["tenant_id"],
        "offering": values["offering"],
        "generation": values["generation"],
        "tier": values["tier"],
        "spec": values["spec"] if values["state"] == "active" else None,
        "policy": values["policy"],
        "at": now,
        "actor_key": actor.key,
        "cause": cause,
    }


def _tenant_revision(values: Mapping[str, Any], actor: Actor, cause: str, now: datetime) -> dict[str, Any]:
    return {
        "tenant_id": values["id"],
        "generation": values["generation"],
        "document": values["document"],
        "at": now,
        "actor_key": actor.key,
        "cause": cause,
    }


def owners(connection: Connection) -> dict[str, Owner]:
    """Owner marker → owner, for living and ended subscriptions of living and ended tenants."""
    query = select(subscriptions.c.tenant_id, tenants.c.code, subscriptions.c.offering).join(tenants)
    found = (Owner(row.tenant_id, row.code, row.offering) for row in connection.execute(query))
    return {owner.marker: owner for owner in found}
