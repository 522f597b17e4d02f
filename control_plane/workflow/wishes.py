"""Changes of desired state outside an import: checked by the offering, claimed, and applied as one order.

The stored desired state changes only when the plan it leads to was accepted, in the same run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from pydantic import ValidationError

from control_plane.model.errors import Invalid, NotFound, Problem
from control_plane.model.offering import Claim, SubscriptionView
from control_plane.model.run import Actor
from control_plane.model.text import t
from control_plane.store.estate_rows import SubscriptionChange
from control_plane.workflow.applying import Order
from control_plane.workflow.catalogue import Catalogue
from control_plane.workflow.import_problems import problems_of

Claimed = Mapping[tuple[str, str], Sequence[Claim]]


def claims_of(catalogue: Catalogue, changes: Sequence[SubscriptionChange]) -> Claimed:
    """What the changed subscriptions need to be the only ones to have. Raises Invalid with every problem."""
    claims, problems = examined(catalogue, changes)
    if any(problem.severity == "error" for problem in problems):
        raise Invalid(problems)
    return claims


def examined(catalogue: Catalogue, changes: Sequence[SubscriptionChange]) -> tuple[Claimed, list[Problem]]:
    """The claims, and all problems and warnings of forms and rules; `where` names the subscription."""
    wanted = {f"{c.tenant_code}/{c.offering}": c.spec for c in changes if c.spec is not None}
    estate = catalogue.estate(tenants={c.tenant_code for c in changes}, instead=wanted)
    problems: list[Problem] = []
    claims: dict[tuple[str, str], list[Claim]] = {}
    for change in changes:
        tenant = estate.tenants.get(change.tenant_code)
        offering = catalogue.offerings.get(change.offering)
        if tenant is None or offering is None:
            raise NotFound(t("There is no {what}.", what=f"{change.tenant_code}/{change.offering}"))
        if change.spec is None or offering.spec is None:
            claims[change.tenant_code, change.offering] = []
            continue
        name = f"{tenant.code}/{offering.id}"
        try:
            spec = offering.spec.model_validate(change.spec)
        except ValidationError as error:
            problems += [replace(problem, where=name) for _, problem in problems_of(error)]
            continue
        view = SubscriptionView(tenant, offering.id, change.tier, spec)
        if offering.check is not None and change.policy is None:  # the centre's decision does not wait for a form
            problems += [replace(p, where=name) for p in offering.check(view, estate)]
        claims[change.tenant_code, change.offering] = offering.claims(view, estate) if offering.claims else []
    return claims, problems


def wish_order(
    catalogue: Catalogue, changes: Sequence[SubscriptionChange], actor: Actor, cause: str, kind: str
) -> Order:
    """An order that makes the changes desired and real. The caller adds the agreed digest or word."""
    claims = claims_of(catalogue, changes)
    return Order(
        scope=",".join(sorted(f"subscription:{c.tenant_code}/{c.offering}" for c in changes)),
        kind=kind,
        spare="everything",
        commit=lambda: catalogue.store.estate.change(actor, cause, changes, claims),
    )
