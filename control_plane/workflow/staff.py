"""People of departments: they join, move, leave and come back, one by one or by a list.

A leaver is cut first and at once: locked in the directory, sessions, roles and tokens ended; what else changes is one
run. Whoever moves keeps name, number and key, and loses the groups and roles of the department they leave.
"""

from __future__ import annotations

import builtins
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any, Protocol

from control_plane.model.audit import AuditAct
from control_plane.model.errors import (
    Invalid,
    NotFound,
    Problem,
    Rejected,
    StalePlan,
    TemporaryError,
    UnsafePlan,
)
from control_plane.model.freeze import covering
from control_plane.model.plan import Plan
from control_plane.model.run import Actor, Event
from control_plane.model.text import Text, t, tn
from control_plane.model.windows import ZONE
from control_plane.store.estate_rows import SubscriptionChange
from control_plane.store.repository import Store
from control_plane.workflow.applying import Applier, Order
from control_plane.workflow.planning import CONFIRM_LENGTH
from control_plane.workflow.staff_cut import cut_off, cut_who_left, may_cut
from control_plane.workflow.staff_list import Line, PeopleList, read_list, wrong
from control_plane.workflow.staff_wish import Census, Entry, Wish, in_rows, wish_of
from control_plane.workflow.wishes import claims_of

Json = dict[str, Any]
OnEvent = Callable[[Json], None]
MOST_REASON = 500


class Locks(Protocol):
    """The directory, as far as accounts of people are concerned. All raise TemporaryError without an answer."""

    def lock(self, uids: Collection[str]) -> frozenset[str]:
        """Refuse every bind from now on; those that are there."""
        ...

    def unlock(self, uids: Collection[str]) -> frozenset[str]:
        """Take the lock away; those that are there."""
        ...

    def locked(self) -> frozenset[str]:
        """Who is locked for good."""
        ...


@dataclass(frozen=True)
class StaffRules:
    """`keep`: how long the account of a leaver is kept, locked; `touch_limit`: people who may be touched without a
    typed word."""

    keep: timedelta
    touch_limit: int


@dataclass(frozen=True)
class Staff:
    """Implements the part of `model.client_staff.StaffClient` that is about people themselves."""

    store: Store
    applier: Applier
    directory: Callable[[], Locks]
    rules: StaffRules
    actor: Callable[[], Actor]

    # looking ------------------------------------------------------------------------------------------------------
    def show(self, uid: str) -> Json:
        """See `StaffClient.show`."""
        census = self._census()
        entry = census.known.get(uid.strip().lower())
        if entry is None:
            raise _nobody(uid, census.known)
        person = entry.person
        numbers = self.store.estate.allocations({entry.code})
        number = numbers.get(("uid_number", f"uid:{person.get('first_uid') or person['uid']}"))
        left_on = person.get("left_on")
        words = ("family_name", "given_name", "pinyin", "employee_number", "mail", "title", "phone")
        return {
            "uid": person["uid"],
            "tenant": entry.code,
            "name": person["display_name"],
            "status": "left" if entry.left else "active",
            "left_on": left_on,
            "removed_on": (date.fromisoformat(left_on) + self.rules.keep).isoformat() if left_on else None,
            "uid_number": int(number) if number else None,
            "groups": [] if entry.left else [*person.get("groups", ())],
            **{word: person.get(word) for word in words},
        }

    def check(self, content: bytes, *, tenant: str | None = None, complete: bool = False, fixed: bool = False) -> Json:
        """See `StaffClient.check`."""
        wish = self._wish(content, tenant, complete, fixed)
        if wish.changes:
            self._rehearse(wish)
        return self._json(wish)

    def joining(self, person: Json, *, tenant: str) -> Json:
        """See `StaffClient.joining`."""
        wish = self._joiner(person, tenant)
        self._rehearse(wish)
        return self._json(wish)

    # changing -----------------------------------------------------------------------------------------------------
    def take(
        self, content: bytes, *, tenant: str | None = None, complete: bool = False, fixed: bool = False,
        digest: str | None = None, confirm: str | None = None, on_event: OnEvent | None = None,
    ) -> Json:  # fmt: skip
        """See `StaffClient.take`."""
        wish = self._wish(content, tenant, complete, fixed)
        if digest not in (None, wish.digest):
            raise StalePlan(
                t("The list, or what it would change, is not what the preview showed."),
                t("Look at a new preview first."),
            )
        answer = {**self._json(wish), "run": None, "cut": {"people": 0, "sessions": 0, "tokens": 0}}
        if not wish.changes:
            return answer
        word = answer["confirm"]
        if word is not None and confirm != word:
            raise UnsafePlan(
                tn("{count} person who is there would be touched; the limit is {limit}.",
                  "{count} people who are there would be touched; the limit is {limit}.",
                  count=wish.touched, limit=self.rules.touch_limit),
                t("Read the preview, then pass --confirm={word}.", word=word),
                word,
            )  # fmt: skip
        self._try(wish)  # every rule of the store before anybody is cut
        leavers = [(step.tenant, step.uid) for step in wish.steps if step.what == "leaves"]
        days = {uid: p["left_on"] for c in wish.changes for p in (c.spec or {})["people"] if (uid := p["uid"])
                and p.get("left_on")}  # fmt: skip
        refused = None
        if leavers:
            answer["cut"] = self._write_off(leavers, days, reason="")
            refused = self._lock({uid for _, uid in leavers})
        codes = wish.tenants
        rest = self._wish(content, tenant, complete, fixed) if leavers else wish
        if any(step.what == "leaves" for step in rest.steps):
            raise StalePlan(
                t("The leavers are cut, but the estate was changed meanwhile: more people would leave now."),
                t("Look at a new preview, and take the list once more."),
            )
        answer["run"] = self._make_real(codes, rest, on_event)
        self._open_again()
        if refused is not None:
            raise refused
        return answer

    def add(self, person: Json, *, tenant: str, on_event: OnEvent | None = None) -> Json:
        """See `StaffClient.add`."""
        wish = self._joiner(person, tenant)
        run = self._make_real(wish.tenants, wish, on_event)
        return {"uid": wish.steps[0].uid, "tenant": tenant, "run": run}

    def wished(self, content: bytes, *, tenant: str, complete: bool = False) -> Json:
        """See `StaffClient.wished`."""
        wish = self._wish(content, tenant, complete, fixed=True)
        change = next(iter(wish.changes), None)
        offering = self._census().offering.id
        return {**self._json(wish), "offering": offering, "spec": change.spec if change else None}

    def cut(self, uid: str, *, tenant: str, reason: str) -> Json:
        """See `StaffClient.cut`."""
        found = self.show(uid)
        if found["tenant"] != tenant:
            raise _nobody(uid, ())
        if not reason.strip():
            raise Invalid([_no_reason()])
        counts = {"people": 0, "sessions": 0, "tokens": 0, "grants": 0}
        if found["status"] == "active":
            uids = [(tenant, found["uid"])]
            counts = self._write_off(uids, self._days([found["uid"]]), reason.strip()[:MOST_REASON])
        return {**counts, "locked": self.lock([found["uid"]])}

    def write_off(self, uids: Collection[str], *, tenant: str, reason: str) -> Json:
        """The part of `cut` that is written down here, for several; `lock` is the other. Part of a transaction."""
        return {**self._write_off([(tenant, uid) for uid in uids], self._days(uids), reason)}

    def lock(self, uids: Collection[str]) -> bool:
        """Lock them in the directory; False when it is away: the worker does it as soon as it answers."""
        try:
            self.directory().lock(uids)
        except TemporaryError:
            return False
        return True

    def settle(self, tenant: str, *, on_event: OnEvent | None = None) -> Json:
        """See `StaffClient.settle`."""
        if tenant not in self._census().specs:
            raise NotFound(t("“{name}” is no department that has people here.", name=tenant), t("gasp tenants list"))
        return {"tenant": tenant, "run": self._make_real([tenant], None, on_event)}

    def leave(self, uid: str, *, tenant: str | None = None, reason: str, on_event: OnEvent | None = None) -> Json:
        """See `StaffClient.leave`."""
        found = self.show(uid)
        if tenant not in (None, found["tenant"]):
            raise _nobody(uid, ())
        cut = self.cut(uid, tenant=found["tenant"], reason=reason)
        if not cut["locked"]:
            raise TemporaryError(
                t("{uid} is cut here, but the directory does not answer.", uid=found["uid"]),
                t("The worker locks the account as soon as it does, and then does the rest."),
            )
        run = self._make_real([found["tenant"]], None, on_event)
        after = self.show(uid)
        parts = {name: after[name] for name in ("uid", "tenant", "left_on", "removed_on")}
        return {**parts, **{name: cut[name] for name in ("sessions", "tokens", "grants")}, "run": run}

    def remove_left(self) -> builtins.list[str]:
        """See `StaffClient.remove_left`."""
        census = self._census()
        left = {uid: entry for uid, entry in census.known.items() if entry.left}
        cut_who_left(self.store, {uid: entry.code for uid, entry in left.items()}, self.actor())
        self._open_again()
        if not left:
            return []
        if new := left.keys() - self.store.leavers.locked():
            self.store.leavers.lock(new)
        open_ = left.keys() - self.directory().locked()
        refused = None
        if open_:  # the directory was away, or they left by a request: locked first, then out of their groups
            refused = self._lock(open_)
            there = open_ & self.directory().locked()
            if there:
                self._make_real(sorted({left[uid].code for uid in there}), None, None)
        before = self._today() - self.rules.keep
        freezes = self.store.freezes.list()
        due = {
            uid: entry
            for uid, entry in left.items()
            if date.fromisoformat(entry.person["left_on"]) <= before
            and covering(freezes, entry.code, system="directory") is None
        }
        self._remove(census, due)
        if refused is not None:
            raise refused
        return sorted(due)

    def remove(self, uid: str) -> int:
        """Remove the account of somebody who left before its time; the run. Raises NotFound, Rejected for somebody who
        works here."""
        census = self._census()
        entry = census.known.get(uid)
        if entry is None:
            raise _nobody(uid, census.known)
        if not entry.left:
            raise Rejected(t("{uid} works here.", uid=uid), t("gasp accounts leave {uid} --reason …", uid=uid))
        run = self._remove(census, {uid: entry})
        assert run is not None
        return run

    def _remove(self, census: Census, due: Mapping[str, Entry]) -> int | None:
        if not due:
            return None
        changes = []
        for code in sorted({entry.code for entry in due.values()}):
            row, spec = census.rows[code], census.specs[code]
            kept = [person for person in spec["people"] if person["uid"] not in due]
            changes.append(SubscriptionChange(code, row.offering, row.tier, {**spec, "people": kept}, row.generation))
        claims = claims_of(census.catalogue, changes)
        codes = [change.tenant_code for change in changes]

        def commit() -> None:
            self.store.estate.change(self.actor(), "leavers", changes, claims)
            self.store.leavers.unlocked(due)
            self.store.audit.record(AuditAct.PEOPLE_REMOVED, None, tenants=codes, detail={"people": len(due)})

        return self.applier.apply(
            Order(_scope(census, codes), kind="people", spare="everything", commit=commit,
                  accept=lambda plan: agreed(plan, len(due))),
            self.actor(),
        )  # fmt: skip

    # parts --------------------------------------------------------------------------------------------------------
    def _census(self) -> Census:
        return Census(self.applier.planner.catalogue)

    def _today(self) -> date:
        return self.applier.clock().astimezone(ZONE).date()

    def _wish(self, content: bytes, tenant: str | None, complete: bool, fixed: bool) -> Wish:
        census, today = self._census(), self._today()
        if tenant is not None and tenant not in census.specs:
            raise NotFound(t("“{name}” is no department that has people here.", name=tenant), t("gasp tenants list"))
        listed = read_list(content, today)
        wish = self._good(wish_of(census, listed, today, tenant=tenant, complete=complete, fixed=fixed))
        leaving = {step.row for step in wish.steps if step.what == "leaves"}
        for line in listed.lines:
            if line.number in leaving and line.left_on is not None and line.left_on <= today - self.rules.keep:
                text = t("{day} is so long ago that the account is removed at once.", day=line.left_on.isoformat())
                problem = wrong(line.number, "left_on", text, None, "removed-at-once")
                wish.warnings.append(replace(problem, severity="warning"))
        return wish

    def _joiner(self, person: Json, tenant: str) -> Wish:
        census = self._census()
        cells = {name: str(value) for name, value in person.items() if value}
        cells.setdefault("uid", "")
        if "groups" in person:
            cells["groups"] = ";".join(person["groups"])
        if cells["uid"] in census.known:
            text = t("“{uid}” is taken.", uid=cells["uid"])
            raise Invalid([Problem("taken", text, t("Take another name."), field="uid")])
        listed = PeopleList("UTF-8", [*cells], [Line(1, cells, False, None)])
        return self._good(wish_of(census, listed, self._today(), tenant=tenant))

    def _good(self, wish: Wish) -> Wish:
        """Raise Invalid with all that is wrong; where something is, also with what the store would say to the rest."""
        if not wish.problems:
            return wish
        found = [*wish.problems]
        try:
            self._try(wish)
        except Invalid as error:
            found += error.problems
        raise Invalid(found)

    def _order(self, codes: Sequence[str], wish: Wish | None) -> Order:
        census = self._census()

        def commit() -> None:
            if wish is None or not wish.changes:
                return
            actor = self.actor()
            self.store.estate.change(actor, "people", wish.changes, wish.claims, wish.moves)
            self._take_roles({step.uid: step.came_from for step in wish.steps if step.what == "moves"}, actor)
            counts = {kind: count for kind, count in wish.counts.items() if count}
            self.store.audit.record(AuditAct.PEOPLE_TAKEN, actor, tenants=codes, digest=wish.digest, detail=counts)

        return Order(
            _scope(census, codes), kind="people", spare="everything", commit=commit,
            accept=lambda plan: agreed(plan, 0),
        )  # fmt: skip

    def _rehearse(self, wish: Wish) -> Plan:
        try:
            return self.applier.rehearse(self._order(wish.tenants, wish))
        except Invalid as error:
            raise Invalid(in_rows(wish, error.problems)) from None

    def _try(self, wish: Wish) -> None:
        """Whether the store would take it. Raises Invalid by row and column."""
        try:
            with suppress(_TakenBack), self.store.transaction():
                self.store.estate.change(self.actor(), "people", wish.changes, wish.claims, wish.moves)
                raise _TakenBack
        except Invalid as error:
            raise Invalid(in_rows(wish, error.problems)) from None

    def _make_real(self, codes: Sequence[str], wish: Wish | None, on_event: OnEvent | None) -> int:
        told: Callable[[Event], None] | None = (lambda event: on_event(event.as_json())) if on_event else None
        try:
            return self.applier.apply(self._order(codes, wish), self.actor(), told)
        except Invalid as error:
            raise Invalid(in_rows(wish, error.problems) if wish else error.problems) from None

    def _lock(self, uids: Collection[str]) -> TemporaryError | None:
        """Lock them; what to say when the directory refused some of them: it stops neither the others nor the rest.
        Raises TemporaryError when it is away: the worker locks them as soon as it answers."""
        try:
            self.directory().lock(uids)
        except TemporaryError as error:
            self.directory().locked()
            return error
        return None

    def _days(self, uids: Collection[str]) -> dict[str, str]:
        return dict.fromkeys(uids, self._today().isoformat())

    def _write_off(self, leavers: Sequence[tuple[str, str]], days: dict[str, str], reason: str) -> dict[str, int]:
        codes, actor = {uid: code for code, uid in leavers}, self.actor()
        with self.store.transaction():
            going = may_cut(self.store, codes, actor)
            census, changes = self._census(), []
            for code in sorted({*codes.values()}):
                row, spec = census.rows[code], census.specs[code]
                people = [{**p, "left_on": days[p["uid"]]} if p["uid"] in codes else p for p in spec.get("people", ())]
                wanted = {**spec, "people": people}
                changes.append(SubscriptionChange(code, row.offering, row.tier, wanted, row.generation))
            self.store.estate.change(actor, "leavers", changes, claims={})
            self.store.leavers.lock(codes)
            counts = cut_off(self.store, going, codes, reason, actor)
        return counts

    def _take_roles(self, moved: dict[str, str | None], actor: Actor) -> None:
        """Roles in the department that somebody leaves end, and tokens with them; what they do there as a substitute
        ends as well, also what was to come."""
        for person in self.store.people.all() if moved else ():
            if person.kind != "directory" or person.login not in moved:
                continue
            for one in self.store.substitutes.of(person.key):
                if one.substitute.key == person.key and one.tenant is not None and one.tenant == moved[person.login]:
                    self.store.substitutes.end(one, str(MOVED), None)
            gone = [g for g in person.grants if g.tenant is not None and g.tenant == moved[person.login]]
            for grant in gone:
                if grant.stands_for is None:
                    self.store.people.revoke(grant.id, str(MOVED), actor)
            if gone:
                self.store.tokens.end_of(person.key, MOVED, actor)

    def _open_again(self) -> None:
        """Take our lock away from whoever came back, however and whenever: by a list, a request, a former day. What
        was locked by hand stays locked."""
        known, ours = self._census().known, self.store.leavers.locked()
        back = {uid for uid in ours if uid in known and not known[uid].left}
        if back:
            self.directory().unlock(back & self.directory().locked())
        self.store.leavers.unlocked(back | (ours - known.keys()))

    def _json(self, wish: Wish) -> Json:
        word = wish.digest[:CONFIRM_LENGTH] if wish.touched > self.rules.touch_limit else None
        return {
            "digest": wish.digest,
            "encoding": wish.encoding,
            "rows": wish.rows,
            "counts": wish.counts,
            "tenants": wish.tenants,
            "lines": [step.as_json() for step in wish.steps if step.what != "same"],
            "warnings": [problem.as_json() for problem in wish.warnings],
            "sentence": str(wish.sentence()),
            "confirm": word,
        }


MOVED = t("The person moved to another department.")


def _no_reason() -> Problem:
    return Problem("no-reason", t("A reason is needed."), t("Say why in one sentence."), field="reason")


class _TakenBack(Exception):
    """Ends a transaction that was for trying only."""


def _scope(census: Census, codes: Sequence[str]) -> str:
    return ",".join(sorted(f"subscription:{code}/{census.offering.id}" for code in codes))


def agreed(plan: Plan, removals: int) -> None:
    """A preview was agreed on: it removes no account but those of leavers. Raises UnsafePlan."""
    gone = [change for change in plan.steps if change.action == "delete" and change.destroys_data]
    if len(gone) > removals:
        raise UnsafePlan(
            t("This would remove accounts that nobody agreed on: {names}.",
              names=", ".join(change.label for change in gone[:5])),
            t("Look first: gasp plan {scope}", scope=plan.scope),
        )  # fmt: skip


def _nobody(uid: str, known: Collection[str]) -> NotFound:
    import difflib

    near = difflib.get_close_matches(uid, known, 1, 0.5)
    hint: Text = t("Did you mean {near}?", near=near[0]) if near else t("See gasp accounts list.")
    return NotFound(t("Nobody here has the account “{uid}”.", uid=uid), hint)
