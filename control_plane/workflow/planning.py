"""Plans: look, compare, add who is hit and what needs a further yes, and keep the result."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from control_plane.model.errors import NotFound, UnsafePlan
from control_plane.model.plan import Memory, Plan, diff
from control_plane.model.ports import Driver
from control_plane.model.resource import Kind, Look, Measured, Sensitivity
from control_plane.model.scope import Scope
from control_plane.model.text import Text, t, tn
from control_plane.workflow.catalogue import Catalogue, Replacements, World
from control_plane.workflow.observe import looking, parts_of

CONFIRM_LENGTH = 8


@dataclass(frozen=True)
class Guard:
    """Why a plain yes is not enough, and the word that is."""

    code: str
    text: Text
    confirm: str

    def as_json(self) -> dict[str, Any]:
        """JSON form, in the reader's language."""
        return {"code": self.code, "detail": str(self.text), "confirm": self.confirm}


@dataclass(frozen=True)
class Picture:
    """A plan together with the world it was made for; what an apply works from."""

    plan: Plan
    world: World
    looks: tuple[Look, ...]


class Planner:
    """Makes plans. Holds no state between calls."""

    def __init__(
        self,
        catalogue: Catalogue,
        drivers: Sequence[Driver],
        clock: Callable[[], datetime],
        touch_limit: int,
        cut_limit: int,
    ) -> None:
        self.catalogue = catalogue
        self.drivers = drivers
        self.clock = clock
        self.touch_limit = touch_limit
        self.cut_limit = cut_limit
        self.kinds: Mapping[str, Kind] = {kind.name: kind for driver in drivers for kind in driver.kinds}
        self.personal = frozenset(k.name for k in self.kinds.values() if k.sensitivity is Sensitivity.PERSONAL)

    def picture(self, scope: Scope, replacements: Replacements | None = None, *, kept: bool = True) -> Picture:
        """Observe and compare; stores nothing. `kept`: leave out hand-made states that are to be kept.
        Raises NotFound for a scope that names nothing.

        What should be is computed while the systems are asked what is.
        """
        self._check_scope(scope)
        with looking(self.parts(scope), scope.tenants, self.clock) as looks:
            world = self.catalogue.world(replacements, scope.tenants, self.systems(scope))
            return self.compare(scope, world, looks(), kept=kept)

    def parts(self, scope: Scope) -> list[tuple[Driver, str]]:
        """All parts that can matter for the scope, each with its driver. Of single subscriptions: those of their
        offerings' systems only."""
        found, systems = parts_of(self.drivers, scope), self.systems(scope)
        return [(driver, part) for driver, part in found if systems is None or part.partition(":")[0] in systems]

    def systems(self, scope: Scope) -> frozenset[str] | None:
        """The systems of a scope of single subscriptions: those of their offerings. None: any may matter."""
        if not scope.terms or any(kind != "subscription" for kind, _ in scope.terms):
            return None
        offerings = [self.catalogue.offerings.get(value.partition("/")[2]) for _, value in scope.terms]
        return frozenset(system for offering in offerings if offering for system in offering.systems or ())

    def compare(
        self, scope: Scope, world: World, looks: Sequence[Look], *, kept: bool = True, at: datetime | None = None
    ) -> Picture:
        """The plan for a world and looks already taken, as of `at` (default: now)."""
        now = at or self.clock()
        memory = self.catalogue.store.memory(now)
        if not kept:
            memory = replace(memory, kept={})
        plan = diff(str(scope), world.desired, looks, self.kinds, memory, world.covers(scope), now)
        broken = tuple((name, why) for name, why in sorted(world.broken.items()) if _within(scope, name))
        reloads = _reloads(plan, world, looks, memory)
        return Picture(replace(plan, reloads=reloads, broken=broken), world, tuple(looks))

    def guards(self, plan: Plan) -> list[Guard]:
        """What this plan needs beyond a plain yes: absolute counts and lost data, never a percentage alone."""
        return self.guards_of(plan.digest, [c.as_json() for c in plan.steps], plan.unchanged)

    def guards_of(self, digest: str, changes: Sequence[Mapping[str, Any]], unchanged: int) -> list[Guard]:
        """The same for a plan in its JSON form."""
        word = digest[:CONFIRM_LENGTH]
        found = []
        losing = [c for c in changes if c["action"] == "delete" and c["destroys_data"]]
        if losing:
            tenants = sorted({c["tenant"] for c in losing})
            found.append(
                Guard(
                    "destroys-data",
                    tn(
                        "{count} deletion destroys data of {tenants}: {names}.",
                        "{count} deletions destroy data of {tenants}: {names}.",
                        count=len(losing),
                        tenants=", ".join(tenants[:10]),
                        names=_some([c["label"] for c in losing]),
                    ),
                    tenants[0] if len(tenants) == 1 else word,
                )
            )
        touched = sum(1 for c in changes if c["action"] in ("update", "delete"))
        if touched > self.touch_limit:
            total = unchanged + touched
            found.append(
                Guard(
                    "touches-many",
                    tn(
                        "The plan touches {count} existing thing ({share} of {total}); the limit is {limit}.",
                        "The plan touches {count} existing things ({share} of {total}); the limit is {limit}.",
                        count=touched,
                        share=f"{touched / total:.1%}",
                        total=total,
                        limit=self.touch_limit,
                    ),
                    word,
                )
            )
        cut = sorted({c["tenant"] for c in changes if self._cuts_off(c)})
        if len(cut) > self.cut_limit:
            found.append(
                Guard(
                    "cuts-off",
                    tn(
                        "The plan takes network access from {count} tenant ({tenants}); the limit is {limit}.",
                        "The plan takes network access from {count} tenants ({tenants}); the limit is {limit}.",
                        count=len(cut),
                        tenants=_some(cut),
                        limit=self.cut_limit,
                    ),
                    word,
                )
            )
        return found

    def _cuts_off(self, change: Mapping[str, Any]) -> bool:
        cuts_off = self.kinds[change["kind"]].cuts_off if change["action"] != "conflict" else None
        return cuts_off is not None and cuts_off(change["before"], change["after"])

    def demand_consent(self, plan: Plan, confirm: str | None) -> None:
        """Raise UnsafePlan unless every guard has its word. A yes is bound to this digest."""
        by_digest = bool(confirm) and len(confirm or "") >= CONFIRM_LENGTH and plan.digest.startswith(confirm or "-")
        missing = [g for g in self.guards(plan) if not by_digest and confirm != g.confirm]
        if missing:
            raise UnsafePlan(
                t("{reasons}", reasons=" ".join(str(g.text) for g in missing)),
                t("Read the plan, then pass --confirm={word}.", word=missing[-1].confirm),
                missing[-1].confirm,
            )

    def _check_scope(self, scope: Scope) -> None:
        estate = self.catalogue.store.estate
        parts = [part.partition(":") for driver in self.drivers for part in driver.parts()]
        known = {
            "tenant": {row.code for row in estate.tenants()},
            "subscription": {row.id for row in estate.subscriptions(ended=True)},
            "host": {name for _, _, name in parts},
            "system": {system for system, _, _ in parts},
        }
        for kind, value in scope.terms:
            if value not in known[kind]:
                near = difflib.get_close_matches(value, known[kind], 1)
                raise NotFound(
                    t("There is no {kind} “{value}”.", kind=kind, value=value),
                    t("Did you mean {near}?", near=f"{kind}:{near[0]}")
                    if near
                    else t("See gasp tenants list and gasp hosts list."),
                )


def _within(scope: Scope, subscription: str) -> bool:
    tenant, _, offering = subscription.partition("/")
    return scope.covers(tenant, offering, "")


def _reloads(plan: Plan, world: World, looks: Sequence[Look], memory: Memory) -> tuple[Mapping[str, Any], ...]:
    """Services that are reloaded (without interruption) by the plan, and the tenants that live on them."""
    parts = {c.part for c in plan.steps if c.system == "web"}
    living: dict[str, set[str]] = {part: set() for part in parts}
    for resource in world.desired.values():
        if resource.part in parts:
            living[resource.part].add(resource.owner.tenant)
    for look in looks:
        if look.part in parts and isinstance(look, Measured):
            markers = {seen.owner_marker for seen in look.resources.values()}
            living[look.part] |= {memory.owners[m].tenant for m in markers if m in memory.owners}
    return tuple(
        {"host": part.split(":", 1)[1], "service": "nginx", "tenants": sorted(living[part])} for part in sorted(parts)
    )


def _some(names: Sequence[str], limit: int = 5) -> str:
    shown = ", ".join(names[:limit])
    return shown if len(names) <= limit else f"{shown}, +{len(names) - limit}"
