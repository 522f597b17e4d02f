"""The difference between desired and observed, frozen and digested.

`diff` is the only place where it is decided what is created, updated, deleted or left alone.
Nothing is ever planned against a part that could not be measured.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

import orjson

from control_plane.model.machine import BASELINE, Ring
from control_plane.model.resource import (
    Attributes,
    CouldNotMeasure,
    Foreign,
    Kind,
    Look,
    Observed,
    Owner,
    Resource,
    content_hash,
)
from control_plane.model.text import Text

Action = Literal["create", "update", "delete", "conflict"]
Reason = Literal["new", "changed", "drift", "renew", "removed", "orphaned", "foreign-in-the-way"]
ORDER: Mapping[str, int] = {"delete": 0, "conflict": 1, "update": 2, "create": 3}


@dataclass(frozen=True, slots=True)
class Change:
    """One step of a plan. `before`/`after` are shown to people; the digest covers their hashes only,
    so that personal content can be erased from a stored plan and the digest still verifies.

    `hand_made`: what is there is not what we last wrote. `token` is the precondition observed with
    `before`; `resource` is None for deletes.
    """

    action: Action
    id: str
    kind: str
    part: str
    phase: int
    tenant: str
    tenant_id: str
    offering: str
    reason: Reason
    label: str
    before: Attributes | None
    after: Attributes | None
    before_hash: str | None
    after_hash: str | None
    destroys_data: bool = False
    hand_made: bool = False
    in_the_way: str | None = None
    token: str | None = None
    resource: Resource | None = None
    retire_seconds: int = 0
    retires: bool = False

    @property
    def system(self) -> str:
        """`dns`, `directory` or `web`."""
        return self.part.split(":", 1)[0]

    @property
    def rings(self) -> frozenset[Ring]:
        """Rings of the machine that it is about: the one it is in and the one it comes to. Empty for all else."""
        if self.kind != BASELINE:
            return frozenset()
        found = {(attributes or {}).get("ring") for attributes in (self.before, self.after)}
        return frozenset(ring for ring in Ring if int(ring) in found)

    @property
    def key(self) -> tuple[int, str]:
        """Sort key: destructive first, then by id."""
        return ORDER[self.action], self.id

    def identity(self) -> list[str | None]:
        """What the digest covers."""
        return [self.action, self.kind, self.id, self.before_hash, self.after_hash, self.in_the_way]

    def as_json(self) -> dict[str, Any]:
        """The stable JSON form (`gasp plan -o json`, `changes[]`)."""
        return {
            "action": self.action,
            "kind": self.kind,
            "id": self.id,
            "label": self.label or self.id,
            "system": self.system,
            "part": self.part,
            "tenant": self.tenant,
            "offering": self.offering,
            "reason": self.reason,
            "destroys_data": self.destroys_data,
            "hand_made": self.hand_made,
            "in_the_way": self.in_the_way,
            "before": self.before,
            "after": self.after,
            "before_hash": self.before_hash,
            "after_hash": self.after_hash,
        }


@dataclass(frozen=True, slots=True)
class Plan:
    """A frozen set of changes for a scope, with everything that was seen but not touched.

    `broken`: subscriptions whose resources could not be computed, and why; they keep what they have.
    `waiting`: resources on machines that could not be asked now, and why; they catch up when those are back.
    """

    scope: str
    observed_at: datetime
    digest: str
    changes: tuple[Change, ...]
    unchanged: int
    kept: tuple[str, ...]
    foreign: tuple[Foreign, ...]
    unmeasured: tuple[CouldNotMeasure, ...]
    unmeasured_resources: int
    retiring: tuple[tuple[str, datetime], ...]
    affected_tenants: tuple[str, ...]
    broken: tuple[tuple[str, Text], ...] = ()
    waiting: tuple[tuple[str, Text], ...] = ()
    reloads: tuple[Mapping[str, Any], ...] = ()
    reads: int = 0

    @property
    def empty(self) -> bool:
        """Nothing to do and everything was seen."""
        return not self.changes and not self.unmeasured and not self.broken

    @property
    def steps(self) -> tuple[Change, ...]:
        """The changes that an apply carries out (conflicts are only reported)."""
        return tuple(c for c in self.changes if c.action != "conflict")

    def summary(self) -> dict[str, int]:
        """Counts by what happens: create, update, delete, conflict, unchanged, kept, waiting, foreign, unmeasured."""
        counts = Counter(c.action for c in self.changes)
        return {
            "create": counts["create"],
            "update": counts["update"],
            "delete": counts["delete"],
            "conflict": counts["conflict"],
            "unchanged": self.unchanged,
            "kept": len(self.kept),
            "retiring": len(self.retiring),
            "waiting": len(self.waiting),
            "foreign": len(self.foreign),
            "unmeasured": self.unmeasured_resources,
        }

    def as_json(self) -> dict[str, Any]:
        """The stable JSON form of `gasp plan -o json`."""
        return {
            "digest": self.digest,
            "observed_at": self.observed_at.isoformat(),
            "scope": self.scope,
            "summary": self.summary(),
            "affected_tenants": list(self.affected_tenants),
            "reloads": list(self.reloads),
            "changes": [c.as_json() for c in self.changes],
            "foreign": [{"id": f.id, "kind": f.kind, "label": f.label} for f in self.foreign],
            "unmeasured": [{"part": u.part, "reason": str(u.reason)} for u in self.unmeasured],
            "broken": [{"subscription": name, "reason": str(why)} for name, why in self.broken],
            "waiting": [{"id": i, "reason": str(why)} for i, why in self.waiting],
            "kept": list(self.kept),
            "retiring": [{"id": i, "until": until.isoformat()} for i, until in self.retiring],
        }


def digest_of(scope: str, changes: Iterable[Change]) -> str:
    """SHA-256 (hex) over the scope and the sorted identities of the changes; independent of input order."""
    rows = sorted((c.identity() for c in changes), key=lambda r: (r[2] or "", r[0] or ""))
    return hashlib.sha256(orjson.dumps([scope, rows])).hexdigest()


@dataclass(frozen=True, slots=True)
class Memory:
    """What the control plane remembers between runs, as far as `diff` needs it.

    `applied`: resource id → hash of the content last written or confirmed by us.
    `markers`: resource id → owner marker under which we wrote it.
    `kept`: resource id → hash of a hand-made state that is left alone (already filtered by date).
    `owners`: owner marker → Owner, also for tenants and subscriptions that ended.
    """

    applied: Mapping[str, str]
    kept: Mapping[str, str | None]
    owners: Mapping[str, Owner]
    markers: Mapping[str, str] = field(default_factory=dict)


def diff(
    scope: str,
    desired: Mapping[str, Resource],
    looks: Iterable[Look],
    kinds: Mapping[str, Kind],
    memory: Memory,
    covers: Callable[[str, str, str], bool],
    now: datetime,
) -> Plan:
    """Compare what should be with what was seen.

    `desired` maps id → resource for the whole estate (ids of other scopes are needed to know what is
    nobody's). `covers(owner_tenant, offering, part)` says whether a change belongs to the scope.
    Deterministic: depends on the content of its arguments only, not on their order.
    """
    changes: list[Change] = []
    foreign: list[Foreign] = []
    unmeasured: list[CouldNotMeasure] = []
    kept: list[str] = []
    retiring: list[tuple[str, datetime]] = []
    waiting: list[tuple[str, Text]] = []
    unchanged = unseen = reads = 0
    by_part: dict[str, list[Resource]] = {}
    for resource in desired.values():
        by_part.setdefault(resource.part, []).append(resource)

    for look in sorted(looks, key=lambda item: item.part):
        wanted = by_part.get(look.part, [])
        in_scope = [r for r in wanted if covers(r.owner.tenant, r.owner.offering, r.part)]
        if isinstance(look, CouldNotMeasure):
            unmeasured.append(look)
            unseen += len(in_scope)
            continue
        reads += look.reads
        foreign.extend(look.foreign)
        blocked = {**look.blocked, **{i: f.label for f in look.foreign for i in f.blocks}}
        for resource in in_scope:
            if resource.id in look.waiting:
                waiting.append((resource.id, look.waiting[resource.id]))
                continue
            seen = look.resources.get(resource.id)
            if seen is not None and seen.owner_marker != resource.owner.marker:
                other = memory.owners.get(seen.owner_marker)
                blocked[resource.id] = f"{seen.label or seen.id} ({other.tenant if other else seen.owner_marker})"
                if other and memory.applied.get(resource.id) is None:
                    changes.append(_change("conflict", resource, None, kinds, memory, blocked[resource.id]))
                    continue
            if seen is None and resource.id in blocked:
                changes.append(_change("conflict", resource, None, kinds, memory, blocked[resource.id]))
                continue
            if seen is not None and seen.attributes == resource.attributes and seen.retiring_until is None:
                unchanged += 1
                continue
            if resource.id in memory.kept and memory.kept[resource.id] == _hash(seen):
                kept.append(resource.id)
                continue
            changes.append(_change("update" if seen else "create", resource, seen, kinds, memory, None))
        for name, why in look.waiting.items():
            if name not in desired and name in memory.applied:  # to be removed, and its machine is silent
                owner = memory.owners.get(memory.markers[name])
                if owner is None or covers(owner.tenant, owner.offering, look.part):
                    waiting.append((name, why))
        for seen in look.resources.values():
            if seen.id in desired:
                continue
            owner = memory.owners.get(seen.owner_marker)
            tenant, offering = (owner.tenant, owner.offering) if owner else ("?", "?")
            if not covers(tenant, offering, look.part):
                continue
            if seen.retiring_until is not None and now < seen.retiring_until:
                retiring.append((seen.id, seen.retiring_until))
                continue
            if seen.id in memory.kept and memory.kept[seen.id] == _hash(seen):
                kept.append(seen.id)
                continue
            changes.append(_removal(seen, look.part, owner, kinds, memory))

    changes.sort(key=lambda c: c.key)
    audience = {name for c in changes if c.resource for name in c.resource.audience}
    affected = sorted({c.tenant for c in changes if c.action != "conflict"} | audience)
    return Plan(
        scope=scope,
        observed_at=now,
        digest=digest_of(scope, changes),
        changes=tuple(changes),
        unchanged=unchanged,
        kept=tuple(sorted(kept)),
        foreign=tuple(sorted(foreign, key=lambda f: f.id)),
        unmeasured=tuple(unmeasured),
        unmeasured_resources=unseen,
        retiring=tuple(sorted(retiring)),
        affected_tenants=tuple(affected),
        waiting=tuple(sorted(waiting, key=lambda item: item[0])),
        reads=reads,
    )


def _by_hand(seen: Observed | None, last: str | None) -> bool:
    """Whether what is there differs from what we last wrote (a thing that is gone does too)."""
    if last is None or (seen is not None and (seen.hint == "renew" or seen.retiring_until is not None)):
        return False
    return _hash(seen) != last


def _hash(seen: Observed | None) -> str | None:
    return content_hash(seen.attributes) if seen else None


def _change(
    action: Action,
    resource: Resource,
    seen: Observed | None,
    kinds: Mapping[str, Kind],
    memory: Memory,
    in_the_way: str | None,
) -> Change:
    kind = kinds[resource.kind]
    after_hash = content_hash(resource.attributes)
    last = memory.applied.get(resource.id)
    reason: Reason
    if action == "conflict":
        reason = "foreign-in-the-way"
    elif seen is not None and seen.hint == "renew":
        reason = "renew"
    elif last == after_hash:
        reason = "drift"
    else:
        reason = "changed" if seen or last else "new"
    return Change(
        action=action,
        id=resource.id,
        kind=resource.kind,
        part=resource.part,
        phase=kind.phase,
        tenant=resource.owner.tenant,
        tenant_id=resource.owner.tenant_id,
        offering=resource.owner.offering,
        reason=reason,
        label=resource.label,
        before=seen.attributes if seen else None,
        after=resource.attributes,
        before_hash=_hash(seen),
        after_hash=after_hash,
        hand_made=last is not None and _by_hand(seen, last),
        in_the_way=in_the_way,
        token=seen.token if seen else None,
        resource=resource,
        retire_seconds=resource.retire_seconds,
    )


def _removal(seen: Observed, part: str, owner: Owner | None, kinds: Mapping[str, Kind], memory: Memory) -> Change:
    kind = kinds[seen.kind]
    tenant_id, _, offering = seen.owner_marker.partition("/")
    return Change(
        action="delete",
        id=seen.id,
        kind=seen.kind,
        part=part,
        phase=kind.phase,
        tenant=owner.tenant if owner else "?",
        tenant_id=tenant_id,
        offering=offering,
        reason="removed" if owner else "orphaned",
        label=seen.label,
        before=seen.attributes,
        after=None,
        before_hash=content_hash(seen.attributes),
        after_hash=None,
        destroys_data=kind.destroys_data,
        hand_made=_by_hand(seen, memory.applied.get(seen.id)),
        token=seen.token,
        retires=kind.retires and seen.retiring_until is None,
    )
