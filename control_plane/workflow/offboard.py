"""The end of a tenant: show what goes, export it, withdraw it, wait for its names to leave the caches, and
issue a receipt that nothing of it remains and nothing of others changed. Killed anywhere and run again, it carries on.
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from control_plane.model.errors import NoConsent, Rejected, TemporaryError
from control_plane.model.machine import baseline_id
from control_plane.model.plan import digest_of
from control_plane.model.resource import CouldNotMeasure, Look, Measured, content_hash
from control_plane.model.run import Actor
from control_plane.model.scope import Scope, parse_scope, parts_words
from control_plane.model.text import t
from control_plane.store.estate_rows import SubscriptionChange, SubscriptionRow
from control_plane.store.repository import Store
from control_plane.workflow.applying import Applier, Order
from control_plane.workflow.brought import Brought
from control_plane.workflow.journal import OnEvent
from control_plane.workflow.observe import observe, parts_of
from control_plane.workflow.planning import Picture, Planner

Export = Callable[[Path, Sequence[str]], Mapping[str, Any]]


@dataclass(frozen=True)
class Offboarding:
    """Ends tenants. `export` writes documents of tenants into a folder, `retire` takes a tenant's machines out of the
    inventory, `brought` knows what its people brought in."""

    planner: Planner
    applier: Applier
    store: Store
    export: Export
    retire: Callable[[str], None]
    brought: Brought

    def preview(self, code: str) -> dict[str, Any]:
        """Everything that goes, as a plan and in numbers."""
        subscriptions = self._subscriptions(code)
        plan = self._without(code, self._wishes(code, subscriptions)).plan
        kinds = Counter(c.kind for c in plan.steps if c.action == "delete")
        return {
            "code": code,
            "plan": plan.as_json(),
            "subscriptions": [s.id for s in subscriptions],
            "shared_by_others": [s.id for s in self._naming(code)],
            "people": kinds.get("directory.person", 0),
            "sites": kinds.get("web.vhost", 0),
            "releases": kinds.get("web.release", 0),
            "retiring_seconds": max((int((c.before or {}).get("ttl", 0)) for c in plan.steps), default=0),
        }

    def offboard(
        self, code: str, confirm: str, archive: Path, actor: Actor, on_event: OnEvent | None
    ) -> dict[str, Any]:
        """Carry it out; `confirm` must be the code. Returns the receipt."""
        if confirm != code:
            raise NoConsent(
                t("Type the code of the tenant to end it: {code}.", code=code),
                t("Pass --confirm={code}.", code=code),
            )
        tenant_id = self.planner.catalogue.estate().tenants[code].id
        before = _others(self._look(), tenant_id)
        last = max((run.id for run in self.store.runs.list(1)), default=0)
        subscriptions = self._subscriptions(code)
        run = None
        if subscriptions:
            self._archive(code, tenant_id, subscriptions, archive)
            run = self._withdraw(code, subscriptions, actor, on_event)
        elif not archive.exists():
            raise Rejected(
                t("Tenant {code} has no services left and {archive} is missing.", code=code, archive=archive)
            )
        waited = self._finish(code, actor, on_event)
        after = self._look()
        remaining = sorted(
            r.id
            for look in after
            if isinstance(look, Measured)
            for r in look.resources.values()
            if r.owner_marker.startswith(f"{tenant_id}/")
        )
        # a machine that is off keeps what it has until it is back, then this is run again; one given up as lost is not
        # asked: the receipt names what stays on it
        baselines = {baseline_id(m.id) for m in self.store.machines.touched() if m.tenant == code}
        remaining += sorted(i for look in after if isinstance(look, Measured) for i in look.waiting if i in baselines)
        if not remaining:
            self.retire(code)
            with self.store.transaction():
                self.store.estate.end_tenant(code, actor, self.planner.clock())
                self.brought.contents.forget(tenant_id)
            self.brought.contents.sweep()
        now = _others(after, tenant_id)
        # what runs did in the meantime, this one's own included, was planned and shown; only the rest is a surprise
        since = [run.id for run in self.store.runs.list(1000) if run.id > last]
        planned = {change.resource_id for number in since for change in self.store.runs.changes(number)}
        return {
            "code": code,
            "tenant_id": tenant_id,
            "run": run if run is not None else waited,
            "archive": str(archive),
            "archive_sha256": hashlib.sha256(archive.read_bytes()).hexdigest(),
            "remaining": remaining,
            "left_on_lost": [
                {"id": baseline_id(m.id), "machine": m.name, "reason": reason}
                for m, reason in self.store.machines.lost()
                if m.tenant == code
            ],
            "others_changed": sorted(
                i for i in before.keys() | now.keys() if before.get(i) != now.get(i) and i not in planned
            ),
            "issued_at": self.planner.clock().isoformat(),
        }

    def _subscriptions(self, code: str) -> list[SubscriptionRow]:
        self.planner.picture(parse_scope(f"tenant:{code}"))  # raises NotFound for an unknown code
        return self.store.estate.subscriptions(tenant=code)

    def _naming(self, code: str) -> list[SubscriptionRow]:
        """Subscriptions of others that share a site with the tenant, or list it as a peer."""
        others = [s for s in self.store.estate.subscriptions() if s.code != code]
        return [s for s in others if _without_code(s.spec, code) != s.spec]

    def _wishes(self, code: str, subscriptions: Sequence[SubscriptionRow]) -> list[SubscriptionChange]:
        """Its own subscriptions end; others no longer name a code that may be somebody else's one day."""
        own = [SubscriptionChange(code, s.offering, s.tier, None, s.generation) for s in subscriptions]
        others = [
            SubscriptionChange(s.code, s.offering, s.tier, _without_code(s.spec, code), s.generation)
            for s in self._naming(code)
        ]
        return own + others

    def _without(self, code: str, wishes: Sequence[SubscriptionChange]) -> Picture:
        others = {f"subscription:{w.tenant_code}/{w.offering}" for w in wishes if w.tenant_code != code}
        scope = parse_scope(",".join([f"tenant:{code}", *sorted(others)]))
        return self.planner.picture(scope, {f"{w.tenant_code}/{w.offering}": w.spec for w in wishes})

    def _withdraw(
        self, code: str, subscriptions: Sequence[SubscriptionRow], actor: Actor, on_event: OnEvent | None
    ) -> int:
        wishes = self._wishes(code, subscriptions)
        plan = self._without(code, wishes).plan
        # what others changed by hand beside it is not ours to touch in passing
        steps = [c for c in plan.steps if c.tenant == code or not c.hand_made]
        order = Order(
            plan.scope,
            kind="offboard",
            digest=plan.digest,
            confirm=plan.digest if len(steps) == len(plan.steps) else digest_of(plan.scope, steps),
            only=frozenset(c.id for c in steps),
            commit=lambda: self.store.estate.change(actor, f"offboard {code}", wishes, {}),
        )
        return self.applier.apply(order, actor, on_event)

    def _finish(self, code: str, actor: Actor, on_event: OnEvent | None) -> int | None:
        """Wait for retiring things, then remove them. Bounded by the longest time to live."""
        scope = parse_scope(f"tenant:{code}")
        run = None
        while True:
            plan = self.planner.picture(scope).plan
            if plan.unmeasured:
                raise TemporaryError(
                    t("Could not measure {parts}.", parts=parts_words(u.part for u in plan.unmeasured)),
                    t("Run gasp tenants offboard {code} again; it carries on.", code=code),
                )
            if plan.waiting and not plan.steps:
                names = {baseline_id(m.id): m.name for m in self.store.machines.touched()}
                raise TemporaryError(
                    t(
                        "Something of {code} is on machines that do not answer: {ids}.",
                        code=code,
                        ids=", ".join(names.get(i, i) for i, _ in plan.waiting),
                    ),
                    t(
                        "Switch them on and run gasp tenants offboard {code} again, or give a lost one up first: "
                        "gasp hosts retire NAME --lost --reason TEXT",
                        code=code,
                    ),
                )
            if plan.steps:
                run = self.applier.apply(
                    Order(str(scope), kind="offboard", digest=plan.digest, confirm=plan.digest), actor, on_event
                )
                if not self.store.runs.get(run).counts.get("applied"):
                    return run  # what is left is held by something that is not ours; the receipt names it
            elif plan.retiring:
                _sleep_until(max(until for _, until in plan.retiring), self.planner.clock)
            else:
                return run

    def _look(self) -> list[Look]:
        looks = observe(parts_of(self.planner.drivers, Scope()), None, self.planner.clock)
        blind = [look for look in looks if isinstance(look, CouldNotMeasure)]
        if blind:
            raise TemporaryError(
                t("Could not measure {parts}; no receipt can be given.", parts=parts_words(b.part for b in blind))
            )
        return looks

    def _archive(self, code: str, tenant_id: str, subscriptions: Sequence[SubscriptionRow], archive: Path) -> None:
        """A tar.gz with the documents, every release and the history, readable by root only."""
        temporary = archive.with_name(f".{archive.name}.part")
        with TemporaryDirectory() as folder, temporary.open("wb") as raw:
            temporary.chmod(0o600)
            self.export(Path(folder), [code])
            with tarfile.open(fileobj=raw, mode="w:gz") as tar:
                tar.add(folder, arcname=code)
                for subscription in subscriptions:
                    history = [
                        {"generation": r.generation, "at": r.at.isoformat(), "cause": r.cause, "spec": r.spec}
                        for r in self.store.estate.revisions(subscription.id)
                    ]
                    _add(
                        tar,
                        f"{code}/history/{subscription.offering}.json",
                        json.dumps(history, ensure_ascii=False).encode(),
                    )
                for name, content in self.brought.archived(tenant_id):
                    _add(tar, f"{code}/{name}", content)
                for release in self.store.releases.list(tenant_id=tenant_id):
                    content = self.brought.contents.releases.open_archive({"kind": "release", "release": release.id})
                    _add(tar, f"{code}/releases/{release.site}/{release.id}.tar", content)
        temporary.rename(archive)


def _without_code(spec: Mapping[str, Any], code: str) -> dict[str, Any]:
    """A spec that no longer names `code`: neither a site is shared with it nor is it a peer."""
    left = dict(spec)
    if isinstance(spec.get("sites"), list):
        left["sites"] = [_without_entry(site, "shared_with", code) for site in spec["sites"]]
    return _without_entry(left, "peers", code)


def _without_entry(item: Mapping[str, Any], field: str, code: str) -> dict[str, Any]:
    return {**item, field: [c for c in item[field] if c != code]} if code in (item.get(field) or ()) else dict(item)


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    info.mode = 0o600
    tar.addfile(info, io.BytesIO(content))


def _others(looks: Sequence[Look], tenant_id: str) -> dict[str, str]:
    """Everything that is not the tenant's: id → content hash (foreign things: their label)."""
    found: dict[str, str] = {}
    for look in looks:
        if isinstance(look, Measured):
            found |= {
                r.id: content_hash(r.attributes)
                for r in look.resources.values()
                if not r.owner_marker.startswith(f"{tenant_id}/")
            }
            found |= {f"{look.part} {f.id}": f.label for f in look.foreign}
    return found


def _sleep_until(moment: datetime, clock: Callable[[], datetime]) -> None:
    while (left := (moment - clock()).total_seconds()) > 0:
        time.sleep(min(left + 0.01, 5))
