"""The centre's policy: its own rules before and after those of departments, and which hosts are in a category.

A revision of it never changes. Which one a department has is not in the department's form: rollouts move it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from control_plane.model.errors import Problem, ProblemError
from control_plane.model.form_faults import written
from control_plane.model.internet import CentrePolicy, ProxyRule, list_hash
from control_plane.model.internet_words import ACTIONS, CATEGORIES, hours_words
from control_plane.model.offering import EstateView, SubscriptionView
from control_plane.model.tenant import Document
from control_plane.model.text import Listed, Text, t
from control_plane.offerings.internet.entries import fold, parse, shown
from control_plane.offerings.internet.form import Subject

MOST_RULES, MOST_LISTED = 100, 5000
#: Names of a list that are told; the rest is counted.
TOLD = 5


def _named(value: str) -> str:
    if parse(value).networks:
        raise ProblemError(
            Problem(
                "address-in-category",
                t("“{entry}” is an address; a category has names.", entry=shown(value)),
                t("Write a rule of its own for addresses."),
            )
        )
    return value


Name = Annotated[
    str,
    written(
        r"^[a-z0-9][a-z0-9-]{0,30}$",
        t("Write at most 31 small letters of a to z, digits and hyphens, beginning with a letter or digit."),
    ),
]
Names = Annotated[tuple[Annotated[str, AfterValidator(_named)], ...], Field(max_length=MOST_LISTED)]


class CentreRule(Subject):
    """One rule of the centre. It is shown as `centre-NAME`."""

    name: Name
    action: Literal["allow", "block"] = "block"


class Categories(Document):
    """Which names are in each category; a leading dot means it and all below."""

    malware: Names
    gambling: Names
    adult: Names
    video: Names


class Policy(Document):
    """What the centre decides for everybody. `first` is tried before all rules of a department, `last` after them."""

    first: tuple[CentreRule, ...] = Field((), max_length=MOST_RULES)
    last: tuple[CentreRule, ...] = Field((), max_length=MOST_RULES)
    categories: Categories

    @model_validator(mode="after")
    def _names_once(self) -> Policy:
        seen = {"check"}
        for rule in (*self.first, *self.last):
            if rule.name in seen:
                raise ProblemError(
                    Problem(
                        "double-name",
                        t("The name {name} is taken.", name=rule.name),
                        t("Give every rule a name of its own; “check” is the one that tries refusals."),
                    )
                )
            seen.add(rule.name)
        return self


@dataclass(frozen=True)
class Compiled:
    """A revision as plans need it. `hashes`: category → hash of the names in it; `lists`: hash → these names."""

    number: int
    first: Sequence[ProxyRule]
    last: Sequence[ProxyRule]
    hashes: Mapping[str, str]
    lists: Mapping[str, Sequence[str]]

    @property
    def closed(self) -> frozenset[str]:
        """Categories that nobody may open: closed at all hours before any rule of a department."""
        return frozenset(r["category"] for r in self.first if r["category"] and r["action"] == "block"
                         and r["hours"] is None)  # fmt: skip


@lru_cache(maxsize=1)
def shipped() -> CentrePolicy:
    """Revision 0."""
    import yaml

    body = yaml.safe_load((Path(__file__).parent / "policy.yaml").read_text("utf-8"))
    return CentrePolicy(0, Policy.model_validate(body).model_dump_json(exclude_unset=True))


def policy_of(subscription: SubscriptionView, estate: EstateView) -> Compiled:
    """The revision that a department has."""
    return compiled(estate.policies.get(subscription.id) or shipped())


@lru_cache(maxsize=64)
def compiled(policy: CentrePolicy) -> Compiled:
    """A revision with its rules as the proxy is told them. Raises pydantic's ValidationError."""
    form = Policy.model_validate_json(policy.text)
    names = {name: fold(entries)[0] for name, entries in form.categories}
    hashes = {name: list_hash(entries) for name, entries in names.items()}
    first, last = ([_rule(rule, hashes) for rule in rules] for rules in (form.first, form.last))
    return Compiled(policy.number, first, last, hashes, {hashes[name]: names[name] for name in names})


def _rule(rule: CentreRule, hashes: Mapping[str, str]) -> ProxyRule:
    hours = rule.hours
    return ProxyRule(
        id=f"centre-{rule.name}",
        action=rule.action,
        hosts=fold(rule.hosts)[0],
        category=rule.category,
        listed=hashes[rule.category] if rule.category else None,
        hours={"days": ordered(hours.days), "begin": hours.begin, "end": hours.end} if hours else None,
        owner="centre",
        since=rule.since.isoformat(),
        reason_zh=rule.reason.zh,
        reason_en=rule.reason.en,
    )


def ordered(days: str) -> str:
    """Days of a week from Monday on."""
    return "".join(day for day in "MTWHFAS" if day in days)


# what differs ------------------------------------------------------------------------------------------------
def policy_changes(before: CentrePolicy, after: CentrePolicy) -> list[tuple[str, Text]]:
    """What another revision changes, in words: (field, sentence), rules first."""
    old, new = (Policy.model_validate_json(policy.text) for policy in (before, after))
    return [*_rules("first", old.first, new.first), *_rules("last", old.last, new.last),
            *_categories(old.categories, new.categories)]  # fmt: skip


def _rules(
    field: str, before: Sequence[CentreRule], after: Sequence[CentreRule]
) -> Iterator[tuple[str, Text]]:  # fmt: skip
    old, new = ({rule.name: rule for rule in rules} for rules in (before, after))
    for name in dict.fromkeys([*old, *new]):
        where, was, now = f"{field}.{name}", old.get(name), new.get(name)
        if was is None and now is not None:
            yield where, t("New rule centre-{name}: {what}", name=name, what=_words(now))
        elif now is None and was is not None:
            yield where, t("Rule centre-{name} ends: {what}", name=name, what=_words(was))
        elif was is not None and now is not None and was != now:
            said = {"name": name, "before": _words(was), "after": _words(now)}
            yield where, t("Rule centre-{name}: {before} → {after}", **said)
    kept = [[name for name in side if name in old and name in new] for side in (old, new)]
    if kept[0] != kept[1]:
        yield field, t("The order of the rules is now: {names}", names=", ".join(new))


def _words(rule: CentreRule) -> Text:
    what: list[Text | str] = [CATEGORIES[rule.category] if rule.category else _some(fold(rule.hosts)[0])]
    if rule.hours:
        days = ordered(rule.hours.days)
        what.append(hours_words({"days": days, "begin": rule.hours.begin, "end": rule.hours.end}))
    return t(
        "{what} – {action} ({zh} · {en}, since {day})",
        action=ACTIONS[rule.action],
        what=Listed(what),
        zh=rule.reason.zh,
        en=rule.reason.en,
        day=rule.since,
    )


def _categories(before: Categories, after: Categories) -> Iterator[tuple[str, Text]]:
    for name, entries in after:
        old, new = fold(getattr(before, name))[0], fold(entries)[0]
        for sign, names in (("+", sorted(set(new) - set(old))), ("-", sorted(set(old) - set(new)))):
            if names:
                said = {"name": CATEGORIES[name], "count": len(names), "names": _some(names)}
                more = t("Category {name}: {count} more: {names}", **said)
                yield (
                    f"categories.{name}",
                    more if sign == "+" else t("Category {name}: {count} fewer: {names}", **said),
                )


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:TOLD]) + (", …" if len(names) > TOLD else "")
