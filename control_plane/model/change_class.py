"""Classes of changes: what must be signed by whom before it is made real, and how long it may take. Data.

`SHIPPED` is the table that a new centre has; two people change it (`model/class_table.py`, `workflow/classes.py`).

An offering says in its `ChangeRules` what about it is quick, what everybody can see, and how many working days its
requests may take; `classify` decides with that and with the plan. A new class or condition is a line here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from control_plane.model.text import Text, t, tn

#: A change that reaches more than these is wide.
MOST_TENANTS, MOST_HOSTS = 20, 50


@dataclass(frozen=True, slots=True)
class ChangeClass:
    """One class: its name for people and what it means."""

    name: Literal["standard", "ordinary", "wide", "emergency"]
    title: Text
    sentence: Text


CLASSES: Mapping[str, ChangeClass] = {
    one.name: one
    for one in (
        ChangeClass(
            "standard",
            t("standard change"),
            t("Agreed on beforehand within limits: it runs after its preview and is reported."),
        ),
        ChangeClass(
            "ordinary",
            t("ordinary change"),
            t("The department and the centre sign, then it is made real."),
        ),
        ChangeClass(
            "wide",
            t("wide change"),
            t("It is public, takes something away for good, or reaches many; further people sign."),
        ),
        ChangeClass(
            "emergency",
            t("emergency"),
            t("One operator makes it real at once; without its signatures it goes back after 24 hours."),
        ),
    )
}


@dataclass(frozen=True, slots=True)
class ChangeRules:
    """What an offering says of requests for it.

    `lead`: working days by action. `standard(before, after)`: why a change from one form to the other is agreed on
    beforehand, or None. `public(before, after)`: why it needs the security officer, or None; `before` is None for a
    new service, `after` None for its end. Both get validated forms. `words(before, after)`: what the change means that
    its plan cannot say, for who signs.
    """

    lead: Mapping[str, int]
    standard: Callable[[Any, Any], Text | None] = lambda before, after: None
    public: Callable[[Any, Any], Text | None] = lambda before, after: None
    words: Callable[[Any, Any], Sequence[Text]] = lambda before, after: ()


@dataclass(frozen=True, slots=True)
class Condition:
    """One line of the table: when it applies, who signs then, and into which class it puts the change."""

    name: Literal["public", "destroys", "many", "otherwise"]
    change_class: Literal["ordinary", "wide"]
    signs: tuple[str, ...]


#: All lines that apply are added up; `otherwise` counts when no other one does.
CONDITIONS: Sequence[Condition] = (
    Condition("public", "wide", ("approver", "security_officer")),
    Condition("destroys", "wide", ("approver", "operator", "deputy_director")),
    Condition("many", "wide", ("approver", "operator", "deputy_director")),
    Condition("otherwise", "ordinary", ("approver", "operator")),
)
#: What each line is about.
CONDITION_TITLES: Mapping[str, Text] = {
    "public": t("what everybody can see"),
    "destroys": t("what deletes data for good"),
    "many": t("what reaches many"),
    "otherwise": t("an ordinary change"),
}
#: In which order roles are asked.
SIGNING_ORDER = ("approver", "operator", "security_officer", "deputy_director")


@dataclass(frozen=True, slots=True)
class ClassTable:
    """The whole table. A change that reaches more than so many departments or hosts reaches `many`; of the services in
    `not_standard` nothing is agreed on beforehand, whatever their offering says."""

    most_tenants: int = MOST_TENANTS
    most_hosts: int = MOST_HOSTS
    lines: tuple[Condition, ...] = tuple(CONDITIONS)
    not_standard: frozenset[str] = frozenset()


SHIPPED = ClassTable()


@dataclass(frozen=True, slots=True)
class Facts:
    """What the decision depends on. `standard` and `public`: the offering's own reasons; `tenants` and `hosts`: how
    many are touched; `lost`: labels of what is deleted together with its data; `offering`: the service; `words`: what
    the offering says of the change."""

    standard: Text | None
    public: Text | None
    lost: Sequence[str]
    tenants: int
    hosts: int
    offering: str = ""
    words: tuple[Text, ...] = ()


@dataclass(frozen=True, slots=True)
class Classified:
    """A change's class, who must sign, and why."""

    change_class: str
    needs: tuple[str, ...]
    reasons: tuple[Text, ...]


def classify(facts: Facts, table: ClassTable = SHIPPED) -> Classified:
    """Put a change into its class. What is lost or reaches many is never standard, whatever its offering says."""
    found: dict[str, Text] = {}
    if facts.lost:
        names = ", ".join(facts.lost[:5])
        found["destroys"] = t("It deletes data for good: {names}.", names=names)
    if facts.tenants > table.most_tenants or facts.hosts > table.most_hosts:
        found["many"] = t(
            "It reaches {tenants} and {hosts}.",
            tenants=tn("{count} department", "{count} departments", count=facts.tenants),
            hosts=tn("{count} host", "{count} hosts", count=facts.hosts),
        )
    if facts.standard is not None and not found and facts.offering not in table.not_standard:
        return Classified("standard", (), (facts.standard, *facts.words))
    if facts.public is not None:
        found["public"] = facts.public
    lines = [line for line in table.lines if line.name in found] or [
        line for line in table.lines if line.name == "otherwise"
    ]
    signs = {role for line in lines for role in line.signs}
    wide = any(line.change_class == "wide" for line in lines)
    return Classified(
        "wide" if wide else "ordinary", tuple(r for r in SIGNING_ORDER if r in signs), (*found.values(), *facts.words)
    )
