"""Make a rollout: check everything that was asked for, all faults at once, and divide it into waves."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from control_plane.model.errors import ControlPlaneError, Invalid, Problem
from control_plane.model.internet import SERVICE
from control_plane.model.machine import Machine, Repository, Ring
from control_plane.model.patching import brief, faults, losses, merge, unfit
from control_plane.model.rollout import KINDS, ORDER, RolloutKind, Thresholds, read_thresholds
from control_plane.model.text import Text, t
from control_plane.store.estate_rows import SubscriptionChange, SubscriptionRow
from control_plane.store.policies import PREFIX
from control_plane.store.repository import Store
from control_plane.store.rollouts import ItemRow, WaveRow
from control_plane.workflow.access_times import read_moment
from control_plane.workflow.catalogue import Catalogue
from control_plane.workflow.wishes import claims_of


@dataclass(frozen=True)
class RolloutOrder:
    """What was asked for. `snapshot` for patches and signatures; `offering`, `patch` (over each spec, as in
    `model.patching`), `tier`, `tenants` (none: all that have the offering) and `groups` (waves as lists of codes; none:
    by ring) for configuration; or `policy`, a revision of the centre's, in place of `patch` and `tier`. `thresholds` as
    typed. `ignore_windows`: the reason for not waiting for windows. `replace_lists`: a yes to what departments lose
    from lists of their own.
    """

    kind: RolloutKind
    reason: str
    snapshot: str | None = None
    offering: str | None = None
    patch: Mapping[str, Any] | None = None
    tier: str | None = None
    policy: int | None = None
    tenants: Sequence[str] = ()
    groups: Sequence[Sequence[str]] = ()
    thresholds: Mapping[str, str] | None = None
    ignore_windows: str | None = None
    not_before: str | None = None
    replace_lists: bool = False


@dataclass(frozen=True)
class RolloutDraft:
    """A checked order: what it is called, its thresholds, waves and items. `snapshot`: of the order; of a revision of
    the policy that goes to all departments, that revision."""

    title: str
    snapshot: str | None
    thresholds: Thresholds
    not_before: datetime | None
    waves: Sequence[WaveRow]
    items: Sequence[ItemRow]


class RolloutMaker:
    """Checks orders against the estate, the inventory and the repository host."""

    def __init__(
        self,
        store: Store,
        catalogue: Catalogue,
        machines: Callable[[], Sequence[Machine]],
        repository: Callable[[], Repository],
        clock: Callable[[], datetime],
    ) -> None:
        self.store = store
        self.catalogue = catalogue
        self.machines = machines
        self.repository = repository
        self.clock = clock

    def draft(self, order: RolloutOrder) -> RolloutDraft:
        """Waves and items. Raises Invalid with every fault."""
        problems: list[Problem] = []
        thresholds = Thresholds()
        not_before = None
        try:
            thresholds = read_thresholds(order.thresholds or {})
        except Invalid as error:
            problems += error.problems
        if order.not_before is not None:
            not_before, unread = read_moment(order.not_before, "not_before")
            problems += unread or self._past(order.not_before)
        if not order.reason.strip():
            problems.append(_lacks("reason", t("Say why in one sentence.")))
        if order.ignore_windows is not None and not order.ignore_windows.strip():
            problems.append(_lacks("ignore_windows", t("Say why windows are not waited for.")))
        problems += _foreign(order)
        if order.kind == "configuration":
            waves, items = self._subscriptions(order, problems)
            title, snapshot = f"{order.offering}", None
            if order.policy is not None:
                name = f"{PREFIX}{order.policy}"
                title, snapshot = f"{title} {name}", name if not order.tenants and not order.groups else None
        else:
            waves, items = self._machines(order, problems)
            title, snapshot = f"{order.snapshot}", order.snapshot
        if problems:
            raise Invalid(problems)
        return RolloutDraft(title, snapshot, thresholds, not_before, waves, items)

    def _past(self, typed: str) -> list[Problem]:
        """A time that has gone by; a day has when it is over."""
        last, _ = read_moment(typed, "not_before", end=True)
        if last is None or last >= self.clock():
            return []
        remedy = t("Give a time that is to come, or none: then it begins when it is released.")
        return [Problem("past", t("{time} is past.", time=typed.strip()), remedy, field="not_before")]

    def _machines(self, order: RolloutOrder, problems: list[Problem]) -> tuple[list[WaveRow], list[ItemRow]]:
        what = "signatures" if order.kind == "signatures" else "patches"
        known = [str(s["id"]) for s in self.repository().snapshots(what)]  # type: ignore[arg-type]
        if not order.snapshot:
            problems.append(_lacks("snapshot", t("Say which one goes out: --snapshot ID; see gasp snapshots list.")))
        elif order.snapshot not in known:
            near = difflib.get_close_matches(order.snapshot, known, 1)
            remedy = t("Did you mean {near}?", near=near[0]) if near else t("See gasp snapshots list.")
            text = t("There is no snapshot “{name}” of this kind.", name=order.snapshot)
            problems.append(Problem("no-snapshot", text, remedy, field="snapshot"))
        rings: dict[Ring, list[Machine]] = {}
        for machine in self.machines():
            if machine.managed and machine.retired_at is None:
                rings.setdefault(machine.ring, []).append(machine)
        if not rings:
            problems.append(
                Problem("no-machines", t("No managed machine is enrolled."), t("See gasp hosts enrol --help."))
            )
        waves, items = [], []
        for number, ring in enumerate((r for r in ORDER if r in rings), 1):
            waves.append(WaveRow(number, f"{ring.name.lower()}", ring))
            items += [ItemRow(m.id, number, m.name, m.tenant, ring) for m in rings[ring]]
        return waves, items

    def _subscriptions(self, order: RolloutOrder, problems: list[Problem]) -> tuple[list[WaveRow], list[ItemRow]]:
        offering = self.catalogue.offerings.get(order.offering or "")
        if not order.offering:
            problems.append(_lacks("offering", t("Say whose subscriptions are changed: --offering NAME.")))
        elif offering is None:
            near = difflib.get_close_matches(order.offering, self.catalogue.offerings, 1)
            remedy = t("Did you mean {near}?", near=near[0]) if near else None
            text = t("There is no offering “{name}”.", name=order.offering)
            problems.append(Problem("no-offering", text, remedy, field="offering"))
        if order.policy is not None:
            problems += self._policy(order)
        elif not order.patch and order.tier is None:
            problems.append(_lacks("patch", t("Say what changes: --patch FILE or --tier.")))
        rows = {s.code: s for s in self.store.estate.subscriptions(offering=order.offering)}
        listed = [code for group in order.groups for code in group]
        called = offering.title if offering else order.offering
        for code in {*order.tenants, *listed} - rows.keys() if order.offering else ():
            text = t("{code} has no subscription of {offering}.", code=code, offering=called)
            problems.append(Problem("no-subscription", text, t("See gasp tenants list."), field="tenants"))
        if len(listed) != len(set(listed)):
            problems.append(Problem("twice", t("A tenant is in two groups."), t("List each one once."), field="groups"))
        chosen = sorted(set(order.tenants or listed or rows))
        if listed and set(chosen) != set(listed):
            text = t("The groups do not hold exactly the chosen tenants.")
            problems.append(
                Problem("groups", text, t("Leave out --tenant, or list each one in a group."), field="groups")
            )
        problems += faults(order.patch)
        for code in () if problems else chosen:
            for field in unfit(rows[code].spec, order.patch):
                text = t("“{field}” of {tenant} is no list, so nothing is added to it.", field=field, tenant=code)
                problems.append(Problem("bad-addition", text, t("Write the field without “+”."), field="patch"))
        if problems:
            return [], []
        groups = [(f"group {n}", None, list(g)) for n, g in enumerate(order.groups, 1)] or self._by_ring(chosen)
        waves, items, changes = [], [], []
        for number, (title, ring, codes) in enumerate(groups, 1):
            waves.append(WaveRow(number, title, ring))
            for code in codes:
                wish = _wish(rows[code], order)
                before = _stand(rows[code], order)
                items.append(ItemRow(rows[code].id, number, rows[code].id, code, ring, wish=wish, before=before))
                changes.append(
                    SubscriptionChange(code, rows[code].offering, wish["tier"], wish["spec"], policy=order.policy)
                )
        if not items:
            problems.append(Problem("nobody", t("Nobody has {offering}.", offering=called), None, field="tenants"))
        try:
            claims_of(self.catalogue, changes)
        except Invalid as error:
            problems += error.problems
        except ControlPlaneError as error:
            problems.append(Problem(error.code, error.text, error.hint))
        return waves, items

    def _policy(self, order: RolloutOrder) -> list[Problem]:
        """What is wrong with a rollout of a revision."""
        problems = []
        if order.offering != SERVICE or order.patch or order.tier is not None:
            text = t("A revision of the policy goes out by itself, to internet access.")
            problems.append(Problem("policy-alone", text, t("Leave out --patch and --tier."), field="policy"))
        if order.policy and all(row.number != order.policy for row in self.store.policies.list()):
            text = t("There is no revision {number} of the policy.", number=order.policy)
            remedy = t("“gasp internet policy list” shows all of them.")
            problems.append(Problem("no-policy", text, remedy, field="policy"))
        return problems

    def _by_ring(self, codes: Sequence[str]) -> list[tuple[str, Ring | None, list[str]]]:
        """Tenants by their rings."""
        rings = rings_of(self.machines(), codes)
        return [
            (ring.name.lower(), ring, [c for c in codes if rings[c] is ring])
            for ring in ORDER
            if any(rings[c] is ring for c in codes)
        ]


def rings_of(machines: Sequence[Machine], codes: Collection[str]) -> dict[str, Ring]:
    """The ring of each tenant: that of its earliest machine; those without one come with the rest."""
    first: dict[str, Ring] = {}
    for machine in machines:
        if machine.managed and machine.retired_at is None and machine.ring is not Ring.CENTRE:
            first[machine.tenant] = min(machine.ring, first.get(machine.tenant, Ring.SERVERS))
    return {code: first.get(code, Ring.ALL) for code in codes}


def _wish(row: SubscriptionRow, order: RolloutOrder) -> dict[str, Any]:
    wish = {"tier": order.tier or row.tier, "spec": merge(row.spec, order.patch or {})}
    return wish if order.policy is None else {**wish, "policy": order.policy}


def _stand(row: SubscriptionRow, order: RolloutOrder) -> dict[str, Any]:
    """What a subscription has of what the order may change: a change of forms goes on whatever the policy is."""
    stand = {"tier": row.tier, "spec": row.spec}
    return stand if order.policy is None else {**stand, "policy": row.policy}


def replaced(items: Sequence[ItemRow]) -> list[dict[str, Any]]:
    """What departments would lose from lists of their own: {tenant, field, items}, entries as people read them."""
    found = []
    for item in items:
        before, wish = (form["spec"] if form is not None else {} for form in (item.before, item.wish))
        for loss in losses(before, wish):
            found.append({"tenant": item.tenant, "field": loss.field, "items": [brief(one) for one in loss.items]})
    return found


def refuse_losses(items: Sequence[ItemRow]) -> None:
    """Raises Invalid with a problem for each list of a department that would lose entries."""
    problems = [
        Problem(
            "replaces-lists",
            t("{tenant} would lose {count} of its own in {field}: {items}.",
              tenant=one["tenant"], count=len(one["items"]), field=one["field"], items="; ".join(one["items"][:3])),
            t("Write “{field}+” to add to what each has, or agree to the loss: --replace-lists, the box in the form.",
              field=one["field"].rpartition(".")[2]),
            field="replace_lists",
        )
        for one in replaced(items)
    ]  # fmt: skip
    if problems:
        raise Invalid(problems)


def _foreign(order: RolloutOrder) -> list[Problem]:
    """What this kind of rollout cannot take: it would be ignored, and more be done than was meant."""
    configuration = order.kind == "configuration"
    fields = ("snapshot",) if configuration else (
        "offering", "patch", "policy", "tier", "tenants", "groups", "replace_lists",
    )  # fmt: skip
    remedy = (
        t("Leave it out: a change of configuration brings no snapshot.")
        if configuration
        else t("Leave it out: patches and signatures go to all machines, ring by ring.")
    )
    said = {name: getattr(order, name) for name in fields}
    text = t("A rollout of {kind} takes nothing of this kind.", kind=KINDS[order.kind])
    return [
        Problem("foreign", text, remedy, field=name)
        for name, value in said.items()
        if value or (value == 0 and value is not False)
    ]


def _lacks(field: str, remedy: Text) -> Problem:
    return Problem("lacking", t("{field} is needed.", field=field), remedy, field=field)
