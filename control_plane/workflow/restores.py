"""One tenant back to a former day: the wishes of that day from the history of its services, as a plan like any other.

Nothing but wishes is restored (ADR 0007). Services that began later stay, and so does what only one of both days has
where not all of a service goes back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from control_plane.model.content_check import CheckState
from control_plane.model.errors import Invalid, Problem, Rejected
from control_plane.model.restoring import WHAT, Aspects, What, mixed
from control_plane.model.run import Actor
from control_plane.model.text import Text, t, tn
from control_plane.model.windows import ZONE
from control_plane.store.estate_rows import Revision, SubscriptionChange, SubscriptionRow
from control_plane.store.plans import StoredPlan
from control_plane.store.repository import Store
from control_plane.workflow.access_times import read_moment
from control_plane.workflow.applying import Order
from control_plane.workflow.planning import Planner
from control_plane.workflow.runs import content_of, undo_plan, without_lost_previews
from control_plane.workflow.wishes import wish_order

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which tenant, when, and what of it."""

    tenant: str
    moment: datetime
    what: tuple[What, ...]

    def as_json(self) -> Json:
        """As it is stored with the plan."""
        return {"tenant": self.tenant, "moment": self.moment.isoformat(), "what": list(self.what)}


@dataclass(frozen=True, slots=True)
class Back:
    """What goes back: the wishes, (from, to) generation by subscription, and what stays and why."""

    changes: list[SubscriptionChange]
    generations: dict[str, tuple[int, int]]
    left: list[tuple[str, Text]]

    def as_json(self) -> Json:
        """As it is stored with the plan."""
        restores = [
            {"subscription": name, "from_generation": now, "to_generation": then}
            for name, (now, then) in sorted(self.generations.items())
        ]
        left = [{"subscription": name, "sentence": text.as_json()} for name, text in self.left]
        return {"restores": restores, "left": left}


class Restores:
    """Implements `model.client_restores.RestoresClient`."""

    def __init__(self, planner: Planner, store: Store, actor: Callable[[], Actor]) -> None:
        self.planner = planner
        self.store = store
        self.actor = actor

    def plan(self, tenant: str, *, to: str, what: Sequence[str] = ()) -> Json:
        """See `RestoresClient.plan`."""
        wanted = self._wanted(tenant, to, what)
        back = self._back(wanted)
        plan = undo_plan(back.changes, self.planner, self.actor())
        kept = {**wanted.as_json(), **back.as_json()}
        self.store.plans.save(plan, self.actor(), self.planner.personal, restore=kept)
        guards = [guard.as_json() for guard in self.planner.guards(plan)]
        return {**plan.as_json(), "guards": guards, **shown(kept)}

    def order(self, stored: StoredPlan) -> Order:
        """The order that carries a stored plan out: the wishes of that day, once more from the history."""
        wanted = _stored(stored)
        changes = self._back(wanted).changes
        cause = f"restore {wanted.tenant} {wanted.moment:%Y-%m-%dT%H:%M:%SZ}"
        return wish_order(self.planner.catalogue, changes, self.actor(), cause, "restore")

    def _wanted(self, tenant: str, to: str, what: Sequence[str]) -> Wanted:
        moment, problems = read_moment(to, "to", end=True)
        unknown = [name for name in what if name not in WHAT]
        if unknown:
            fault = t("“{name}” is nothing that can go back.", name=unknown[0])
            problems.append(Problem("bad-what", fault, t("Use some of {names}.", names=", ".join(WHAT)), field="what"))
        begins, _ = read_moment(to, "to")
        if begins is not None and begins > self.planner.clock():
            fault = t("{text} is still to come.", text=to)
            problems.append(Problem("bad-time", fault, t("Name a day or a time in the past."), field="to"))
        if moment is None or problems:
            raise Invalid(problems)
        return Wanted(tenant, moment, tuple(name for name in WHAT if not what or name in what))

    def _back(self, wanted: Wanted) -> Back:
        row = self.store.estate.known(wanted.tenant)
        if row.created_at > wanted.moment:
            raise Rejected(
                t(
                    "{code} was not here then: it is known since {time}.",
                    code=wanted.tenant,
                    time=_local(row.created_at),
                ),
                t("Name a later day."),
            )
        back = Back([], {}, [])
        for subscription in self.store.estate.subscriptions(ended=True, tenant=wanted.tenant):
            offering = self.planner.catalogue.offerings.get(subscription.offering)
            aspects = offering.aspects if offering is not None else Aspects()
            if aspects.all & set(wanted.what):
                self._one(subscription, aspects, wanted, back)
        self._check_content(back)
        if not back.changes:
            raise Rejected(
                t(
                    "What is wanted of {code} stands as it did then; there is nothing to bring back.",
                    code=wanted.tenant,
                ),
                t("What was changed by hand is shown by gasp plan tenant:{code}.", code=wanted.tenant),
            )
        return back

    def _one(self, row: SubscriptionRow, aspects: Aspects, wanted: Wanted, back: Back) -> None:
        then = next((r for r in reversed(self.store.estate.revisions(row.id)) if r.at <= wanted.moment), None)
        if then is None or then.spec is None:
            if row.state == "active":
                back.left.append((row.id, t("It was not wanted then and stays; whoever wants it no more ends it.")))
        elif row.state == "ended" and not aspects.all <= set(wanted.what):
            back.left.append((row.id, t("It was ended since; it comes back only as a whole, without --what.")))
        else:
            self._mix(row, then, aspects, wanted, back)

    def _mix(self, row: SubscriptionRow, then: Revision, aspects: Aspects, wanted: Wanted, back: Back) -> None:
        now = row.spec if row.state == "active" else None
        spec, apart = mixed(aspects, then.spec or {}, now or {}, wanted.what)
        spec, lost = without_lost_previews(spec, self.store)
        back.left.extend((row.id, text) for text in lost)
        spec, told = _leavers(spec, now or {})
        back.left.extend((row.id, text) for text in told)
        spec, told = self._movers(row, spec)
        back.left.extend((row.id, text) for text in told)
        tier = then.tier if aspects.rest in wanted.what else row.tier
        back.left.extend((row.id, t("{name} is in one of both only and stays as it is.", name=name)) for name in apart)
        if spec == now and tier == row.tier:
            return
        back.changes.append(SubscriptionChange(row.code, row.offering, tier, spec, expected_generation=row.generation))
        back.generations[row.id] = (row.generation, then.generation)

    def _movers(self, row: SubscriptionRow, spec: Mapping[str, Any]) -> tuple[dict[str, Any], list[Text]]:
        """Who is in another department today stays there: others are not touched by a restore."""
        others = self.store.estate.subscriptions(offering=row.offering) if "people" in spec else ()
        elsewhere = {p["uid"] for other in others if other.id != row.id for p in other.spec.get("people", ())}
        people = [person for person in spec.get("people", ()) if person["uid"] not in elsewhere]
        count = len(spec.get("people", ())) - len(people)
        if not count:
            return dict(spec), []
        text = tn("{count} person of then is in another department now, and stays there.",
                  "{count} people of then are in other departments now, and stay there.", count=count)  # fmt: skip
        return {**spec, "people": people}, [text]

    def _check_content(self, back: Back) -> None:
        shown = [(main, release[:8], state) for main, release, state in content_of(back.changes, self.store)]
        if problems := [_not_shown(*row) for row in shown if row[2] is not CheckState.CLEAN]:
            raise Invalid(problems)


def _leavers(spec: Mapping[str, Any], now: Mapping[str, Any]) -> tuple[dict[str, Any], list[Text]]:
    """Nobody who is here leaves because they had left then: that would remove them without a word. Who left since comes
    back, and it is said."""
    if "people" not in spec:
        return dict(spec), []
    today = {person["uid"]: bool(person.get("left_on")) for person in now.get("people", ())}
    back = sum(1 for p in spec["people"] if not p.get("left_on") and today.get(p["uid"]) is True)
    stay = {p["uid"] for p in spec["people"] if p.get("left_on") and today.get(p["uid"]) is False}
    people = [{k: v for k, v in p.items() if k != "left_on" or p["uid"] not in stay} for p in spec["people"]]
    told = (
        [
            tn(
                "{count} person who left since comes back, with the old password.",
                "{count} people who left since come back, with their old passwords.",
                count=back,
            )
        ]
        if back
        else []
    )
    if stay:
        told.append(
            tn(
                "{count} person who had left then is here again, and stays.",
                "{count} people who had left then are here again, and stay.",
                count=len(stay),
            )
        )
    return {**spec, "people": people}, told


def _not_shown(main: str, release: str, state: CheckState | None) -> Problem:
    facts = {"release": release, "site": main}
    if state is None:
        return Problem(
            "content-deleted",
            t("Release {release} of {site} was deleted to make room.", **facts),
            t("Store the same content again (gasp sites publish {site} ARCHIVE), or leave “site” out.", site=main),
            field="what",
        )
    if state is CheckState.INFECTED:
        text = t("Malware was found in release {release} of {site}.", **facts)
        return Problem("content-infected", text, t("Leave “site” out, or name another day."), field="what")
    text = t("Release {release} of {site} is not checked for malware yet.", **facts)
    return Problem("content-unchecked", text, t("It is checked by itself; try again in a moment."), field="what")


def shown(kept: Mapping[str, Any]) -> Json:
    """`restores` and `left` of what is stored with such a plan, in the reader's language."""
    left = [{**row, "sentence": str(Text.from_json(row["sentence"]))} for row in kept["left"]]
    return {"restores": kept["restores"], "left": left}


def _stored(stored: StoredPlan) -> Wanted:
    kept: Mapping[str, Any] = stored.restore or {}
    return Wanted(kept["tenant"], datetime.fromisoformat(kept["moment"]), tuple(kept["what"]))


def _local(moment: datetime) -> str:
    return f"{moment.astimezone(ZONE):%Y-%m-%d %H:%M}"
