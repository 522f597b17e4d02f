"""The content of requests: one rule with the import of documents for what a form may hold, and one truth for what is
desired. A request says what it changes; what somebody else changed in between is kept, or named when both cannot be.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from pydantic import ValidationError

from control_plane.model.errors import Invalid, NotFound, Problem
from control_plane.model.merging import merge
from control_plane.model.offering import Offering
from control_plane.model.request import Content, Request
from control_plane.model.run import Actor
from control_plane.model.text import t
from control_plane.store.audit import Behalf
from control_plane.store.estate_rows import SubscriptionChange
from control_plane.store.repository import Store
from control_plane.workflow.catalogue import Catalogue, World
from control_plane.workflow.doubles import doubles
from control_plane.workflow.form_shape import path_of
from control_plane.workflow.import_checks import unfit_for
from control_plane.workflow.import_problems import problems_of
from control_plane.workflow.wishes import Claimed, examined

Json = dict[str, Any]
Base = Mapping[str, Any] | None
"""`{tier, spec}` of a service, or None where there is none."""

#: Requests whose problems are kept for the next page.
MOST_TOLD = 500


class OnlyLooking(Exception):
    """Ends the transaction of something that is only tried."""


@dataclass(frozen=True)
class Wish:
    """What a request makes of the present state. `change` None: it is desired already. `clash`: fields that somebody
    else changed to something else since the request was begun; nothing is written then."""

    change: SubscriptionChange | None
    spec: Mapping[str, Any] | None
    clash: tuple[str, ...] = ()


class RequestForms:
    """Reads and checks contents against what is desired now. Writes nothing that stays."""

    def __init__(self, store: Store, catalogue: Catalogue) -> None:
        self.store = store
        self.catalogue = catalogue
        self._told: dict[int, tuple[tuple[int, str], list[Problem]]] = {}

    # what is desired --------------------------------------------------------------------------------------------
    def current(self, content: Content) -> tuple[int, Base]:
        """Generation and `{tier, spec}` of the service now; None where there is none (its last generation stays)."""
        row = self.store.estate.subscription(content.subscription)
        if row is None:
            return 0, None
        return row.generation, {"tier": row.tier, "spec": row.spec} if row.state == "active" else None

    def wish(self, request: Request) -> Wish:
        """What is to be written now, given what others changed since."""
        content = request.content
        generation, now = self.current(content)
        if content.action == "end":
            change = None if now is None else self._change(content, content.tier, None, generation)
            return Wish(change, None)
        spec, tier, clash = merged(request.base, content, now)
        if content.action == "change" and now is None:
            clash = ("spec",)
        if clash:
            return Wish(None, spec, clash)
        if now is not None and now["tier"] == tier and self._alike(content.offering, now["spec"], spec):
            return Wish(None, spec)
        return Wish(self._change(content, tier, spec, generation), spec)

    def _alike(self, offering: str, one: Any, other: Any) -> bool:
        """Whether two forms say the same: what is written out as it is anyway changes nothing."""
        form = self.offering(offering).spec
        if one == other or form is None:
            return bool(one == other)
        try:
            said, kept = (form.model_validate(spec).model_dump(mode="json") for spec in (one, other))
        except ValidationError:
            return False
        return bool(said == kept)

    def rebased(self, request: Request) -> dict[str, Any] | None:
        """Values that put an older draft on top of what is there now; None when it is, or when both changed a field."""
        generation, now = self.current(request.content)
        if request.content.action != "change" or now is None or now == request.base:
            return None
        spec, tier, clash = merged(request.base, request.content, now)
        return None if clash else {"spec": spec, "tier": tier, "base": now, "base_generation": generation}

    def handed_back(self, request: Request) -> dict[str, Any]:
        """Values that put a request on top of what is there now, for its department to decide: what others changed
        stays, but for the fields that both changed; of these the request keeps its own."""
        generation, now = self.current(request.content)
        spec, tier, _ = merged(request.base, request.content, now, keep_ours=True)
        return {"spec": spec, "tier": tier, "base": now, "base_generation": generation}

    @staticmethod
    def _change(content: Content, tier: Any, spec: Any, generation: int) -> SubscriptionChange:
        return SubscriptionChange(content.tenant, content.offering, tier, spec, generation)

    def scope(self, request: Request, spec: Mapping[str, Any] | None) -> tuple[str, ...]:
        """Subscriptions that the change reaches: the service, and those of others that it names as its peers."""
        content = request.content
        named = {
            code for form in (request.base and request.base["spec"], spec) for code in (form or {}).get("peers", ())
        }
        others = {f"{code}/{content.offering}" for code in named}
        known = {name for name in others if self.store.estate.subscription(name) is not None}
        return tuple(sorted({content.subscription, *known}))

    # checking ---------------------------------------------------------------------------------------------------
    def offering(self, name: str) -> Offering:
        """An offering that can be asked for. Raises NotFound."""
        found = self.catalogue.offerings.get(name)
        if found is None or found.asking is None or found.spec is None:
            names = sorted(o.id for o in self.catalogue.offerings.values() if o.asking is not None)
            raise NotFound(
                t("“{name}” cannot be asked for.", name=name), t("Use one of {names}.", names=", ".join(names))
            )
        return found

    def normal(self, content: Content) -> Mapping[str, Any] | None:
        """The form as an import would store it; as it is when it is wrong."""
        form = self.offering(content.offering).spec
        if content.spec is None or form is None:
            return None
        try:
            return form.model_validate(content.spec).model_dump(mode="json", exclude_unset=True)
        except ValidationError:
            return content.spec

    def problems(self, request: Request) -> list[Problem]:
        """Every problem and warning of a request, as an import would name them."""
        content = request.content
        offering = self.offering(content.offering)
        tenant = self.store.estate.tenant(content.tenant)
        _, now = self.current(content)
        found: list[Problem] = []
        if tenant is None:
            return [Problem("no-tenant", t("There is no tenant “{code}”.", code=content.tenant))]
        sites = offering.spec is not None and "sites" in offering.spec.model_fields
        unfit = unfit_for(tenant.status, sites)
        if unfit is not None and content.action != "end":
            found.append(Problem(unfit[0], unfit[1], t("Ask the centre to change the status.")))
        if content.action == "new" and now is not None and (now["spec"], now["tier"]) != (content.spec, content.tier):
            found.append(
                Problem(
                    "has-it",
                    t("{tenant} has this service already.", tenant=content.tenant),
                    t("Ask for a change of it."),
                )
            )
            return found
        if content.action != "new" and now is None:
            found.append(_gone(content))
        if content.action == "end" or found:
            return found
        if content.tier not in (offering.tiers or {}):
            tiers = ", ".join(offering.tiers or {})
            text = t("There is no tier {tier}.", tier=content.tier)
            return [Problem("bad-tier", text, t("Use one of {names}.", names=tiers), field="tier")]
        if offering.spec is not None:
            try:
                offering.spec.model_validate(content.spec)
            except ValidationError as error:
                return [problem for _, problem in problems_of(error)]
        wish = self.wish(request)
        if wish.clash:
            return [clash_problem(field) for field in wish.clash]
        twice = doubles(content.spec, request.base and request.base["spec"])
        if wish.change is None or wish.change.spec is None:
            return twice or ([] if content.action == "new" else [_nothing()])
        said = {path_of(problem.field) for problem in twice}
        return twice + [problem for problem in self.trial([wish.change])[1] if path_of(problem.field) not in said]

    def told(self, request: Request) -> list[Problem]:
        """The same for a page that shows the request: tried again only when it, or what is desired, has changed since.
        Never what a step is judged by."""
        moment = (request.version, self.store.stamp())
        known = self._told.get(request.id)
        if known is None or known[0] != moment:
            if len(self._told) >= MOST_TOLD:
                self._told.clear()
            known = self._told[request.id] = (moment, self.problems(request))
        return known[1]

    def trial(self, changes: Sequence[SubscriptionChange]) -> tuple[Claimed, list[Problem]]:
        """Claims and all problems of changes, those of uniqueness too; they are written, looked at and taken back."""
        claims, problems = examined(self.catalogue, changes)
        if any(problem.severity == "error" for problem in problems):
            return claims, problems
        try:
            with self.store.transaction():
                try:
                    self.store.estate.change(self.store.actors.get("preview"), "preview", changes, claims)
                    world = self._world(changes)
                    problems += [
                        Problem("cannot-be-computed", why, where=name)
                        for name, why in world.broken.items()
                        if name in {f"{c.tenant_code}/{c.offering}" for c in changes}
                    ]
                except Invalid as error:
                    problems += error.problems
                raise OnlyLooking
        except OnlyLooking:
            return claims, problems

    def _world(self, changes: Sequence[SubscriptionChange]) -> World:
        return self.catalogue.world(tenants=frozenset(c.tenant_code for c in changes))

    def write(self, wishes: Sequence[tuple[Actor, str, SubscriptionChange, Behalf]]) -> None:
        """Make changes the desired state, each with who, why and on whose behalf, in the caller's transaction: the way
        every other wish is written."""
        claims, problems = examined(self.catalogue, [change for _, _, change, _ in wishes])
        if any(problem.severity == "error" for problem in problems):
            raise Invalid(problems)
        for actor, cause, change, behalf in wishes:
            key = (change.tenant_code, change.offering)
            with self.store.audit.under(behalf):
                self.store.estate.change(actor, cause, [change], {key: claims.get(key, ())})


def merged(
    base: Base, content: Content, now: Base, *, keep_ours: bool = False
) -> tuple[dict[str, Any] | None, Any, tuple[str, ...]]:
    """The form that is wanted, given what is there now: what the request changed from its base, on top of what others
    changed. Returns spec, tier, and the fields that both changed to different values; `keep_ours`: those are as the
    request has them."""
    wanted = dict(content.spec or {})
    if now is None or base is None or base == now:
        foreign = now is not None and base is None and now["spec"] != wanted
        return wanted, content.tier, ("spec",) if foreign else ()
    found, clashes = merge(base["spec"], wanted, now["spec"], keep_ours=keep_ours)
    tier, clashes_of_tier = merge(base["tier"], content.tier, now["tier"], keep_ours=keep_ours)
    return found, tier, (*clashes, *(("tier",) if clashes_of_tier else ()))


def content_digest(request: Request) -> str:
    """What is asked for and what for, as one hash: what it changes, not what it leaves as it was."""
    content, before = request.content, (request.base or {}).get("spec", {})
    spec = content.spec or {}
    changed = {key: spec.get(key) for key in {*spec, *before} if spec.get(key) != before.get(key)}
    tier = content.tier if request.base is None or request.base["tier"] != content.tier else None
    said = [content.tenant, content.offering, content.action, tier, changed, request.note, *request.files]
    return hashlib.sha256(orjson.dumps(said, option=orjson.OPT_SORT_KEYS)).hexdigest()


def storable(spec: Any) -> dict[str, Any]:
    """A form as it can be kept, whatever it holds. Raises Invalid for what is no form or cannot be written as JSON."""
    if not isinstance(spec, Mapping):
        text, remedy = t("The form is a group of fields."), t("Write what a document has below “spec”.")
        raise Invalid([Problem("no-form", text, remedy)])
    try:
        kept: dict[str, Any] = orjson.loads(orjson.dumps(dict(spec)))
    except TypeError as error:
        text = t("The form holds something that cannot be kept: {reason}.", reason=error)
        raise Invalid([Problem("unstorable", text, t("Use text, numbers, lists and groups of fields."))]) from None
    return kept


def clash_problem(field: str) -> Problem:
    """Both the request and somebody else changed a field."""
    return Problem(
        "changed-meanwhile",
        t("“{field}” was changed by somebody else since this request was begun.", field=field),
        t("Take this request back and begin again from what is there now."),
        field=field,
    )


def _gone(content: Content) -> Problem:
    return Problem(
        "no-service", t("{tenant} does not have this service.", tenant=content.tenant), t("Ask for it as a new one.")
    )


def _nothing() -> Problem:
    return Problem(
        "nothing-changes", t("This is what is there already; nothing would change."), t("Change something first.")
    )
