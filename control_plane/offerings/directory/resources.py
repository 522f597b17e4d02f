"""Entries of a department's unit, exactly as OpenLDAP gives them back, and the rules for asking for them.

Attribute values are lists of strings, sorted; owner and key attributes are the driver's and are not listed here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from control_plane.model.dn import escape_rdn_value
from control_plane.model.errors import Problem
from control_plane.model.offering import Claim, EstateView, SubscriptionView
from control_plane.model.resource import Owner, Resource
from control_plane.model.tenant import Tier
from control_plane.model.text import t
from control_plane.offerings.directory.form import DirectorySpec, Person

PART = "directory:tenants"
TIERS: Mapping[Tier, Mapping[str, int]] = {"S": {"seats": 50}, "M": {"seats": 200}, "L": {"seats": 1000}}
BRANCHES = ("people", "groups", "services")
#: Accounts of operating systems; a person with such a name would be taken for one on a host.
RESERVED_UIDS = frozenset(
    (
        "root",
        "daemon",
        "bin",
        "sys",
        "sync",
        "games",
        "man",
        "mail",
        "news",
        "uucp",
        "proxy",
        "www-data",
        "backup",
        "list",
    )
) | {"irc", "nobody", "sshd", "_apt", "messagebus", "admin", "administrator", "control-plane", "empty"}


def _spec(subscription: SubscriptionView) -> DirectorySpec:
    spec: DirectorySpec = subscription.spec
    return spec


def service_uid(code: str, name: str) -> str:
    """A service account's uid: unique over the city because it begins with the tenant's code."""
    return f"{code}-{name}"


def check(subscription: SubscriptionView, estate: EstateView) -> list[Problem]:
    """Too many people for the tier, doubles, reserved uids, unknown groups."""
    spec = _spec(subscription)
    seats = TIERS[subscription.tier]["seats"]
    problems: list[Problem] = []
    seated = sum(1 for person in spec.people if person.left_on is None)
    if seated > seats:
        problems.append(
            Problem(
                "too-many-people",
                t(
                    "There are {count} people; tier {tier} has {seats} seats.",
                    count=seated,
                    tier=subscription.tier,
                    seats=seats,
                ),
                t("Choose a larger tier or remove people."),
                field="people",
            )
        )
    services = [service_uid(subscription.tenant.code, service.name) for service in spec.services]
    uids = [(f"people[{i}].uid", person.uid, person.display_name) for i, person in enumerate(spec.people)]
    machines = ((f"services[{i}].name", uid, spec.services[i].name) for i, uid in enumerate(services))
    problems += _doubles([*uids, *machines])
    reported = {problem.field for problem in problems}
    subjects = [
        (f"people[{i}].{'first_uid' if p.first_uid else 'uid'}", p.subject, p.display_name)
        for i, p in enumerate(spec.people)
    ]
    problems += [problem for problem in _doubles(subjects) if problem.field not in reported]
    names = [(f"groups[{i}].name", group.name, group.name) for i, group in enumerate(spec.groups)]
    problems += _doubles(names)
    reported = {problem.field for problem in problems}
    first = [
        (f"groups[{i}].{'first_name' if g.first_name else 'name'}", g.subject, g.name)
        for i, g in enumerate(spec.groups)
    ]
    problems += [problem for problem in _doubles(first) if problem.field not in reported]
    groups = {group.name for group in spec.groups}
    for i, person in enumerate(spec.people):
        if person.uid in RESERVED_UIDS:
            problems.append(
                Problem(
                    "reserved-uid",
                    t("{uid} is an account of operating systems.", uid=person.uid),
                    t("Choose another account name."),
                    field=f"people[{i}].uid",
                )
            )
        for j, name in enumerate(person.groups):
            if name not in groups:
                problems.append(
                    Problem(
                        "unknown-group",
                        t("{uid} is in the group {group}, which the unit does not have.", uid=person.uid, group=name),
                        t("Add the group, or correct its name."),
                        field=f"people[{i}].groups[{j}]",
                    )
                )
    return problems


def _doubles(fields: Iterable[tuple[str, str, str]]) -> list[Problem]:
    """What is there twice, of (field, value, what people call it whose it is)."""
    first: dict[str, str] = {}
    problems: list[Problem] = []
    for field, value, whose in fields:
        if value in first:
            problems.append(
                Problem(
                    "double",
                    t("{value} is used already, by “{other}”.", value=value.removeprefix("uid:"), other=first[value]),
                    t("Every account and group needs a name of its own."),
                    field=field,
                )
            )
        first.setdefault(value, whose)
    return problems


def claims(subscription: SubscriptionView, estate: EstateView) -> list[Claim]:
    """uids (people and services), their numbers and opaque keys, and group numbers."""
    spec, code = _spec(subscription), subscription.tenant.code
    found = [Claim("gid_number", f"unit:{subscription.tenant.id}", "")]
    for i, group in enumerate(spec.groups):
        found.append(Claim("gid_number", f"group:{subscription.tenant.id}/{group.subject}", f"groups[{i}].name"))
    for i, service in enumerate(spec.services):
        found.append(Claim("uid", service_uid(code, service.name), f"services[{i}].name"))
    for i, person in enumerate(spec.people):
        field = f"people[{i}].uid"
        found += [
            Claim("uid", person.uid, field),
            Claim("uid_number", person.subject, field),
            Claim("person_key", person.subject, field),
        ]
    return found


def desired(subscription: SubscriptionView, estate: EstateView) -> list[Resource]:
    """The unit's entries, sorted by id. Raises KeyError when something claimed has not been recorded."""
    spec, code, owner = _spec(subscription), subscription.tenant.code, subscription.owner
    numbers = estate.allocations
    unit = f"ou={escape_rdn_value(code)},ou=tenants,{estate.base_dn}"
    gid = numbers["gid_number", f"unit:{subscription.tenant.id}"]
    resources = [_unit(owner, code, unit, subscription.tenant.names.zh)]
    resources += [_branch(owner, code, name, unit) for name in BRANCHES]
    members: dict[str, list[str]] = {}
    for person in spec.people:
        dn = f"uid={escape_rdn_value(person.uid)},ou=people,{unit}"
        for name in person.groups if person.left_on is None else ():
            members.setdefault(name, []).append(dn)
        key, number = numbers["person_key", person.subject], numbers["uid_number", person.subject]
        resources.append(
            Resource(
                id=f"directory:person/{key}",
                kind="directory.person",
                part=PART,
                owner=owner,
                attributes=_person(person, dn, code, number, gid),
                label=f"{person.display_name} ({person.uid})",
            )
        )
    for group in spec.groups:
        attributes = {
            "dn": f"cn={escape_rdn_value(group.name)},ou=groups,{unit}",
            "objectClass": ["gaspManaged", "groupOfNames"],
            "cn": [group.name],
            "description": _set([group.title.zh, group.title.en]),
            "gidNumber": [numbers["gid_number", f"group:{subscription.tenant.id}/{group.subject}"]],
            "member": sorted(set(members.get(group.name, ()))) or [f"cn=empty,ou=system,{estate.base_dn}"],
        }
        resources.append(_entry("group", f"group/{code}/{group.name}", owner, attributes, f"{group.title.zh} ({code})"))
    for service in spec.services:
        uid = service_uid(code, service.name)
        attributes = {
            "dn": f"uid={escape_rdn_value(uid)},ou=services,{unit}",
            "objectClass": ["account", "gaspManaged"],
            "uid": [uid],
            "description": _set([service.title.zh, service.title.en]),
        }
        resources.append(
            _entry("service", f"service/{code}/{service.name}", owner, attributes, f"{service.title.zh} ({uid})")
        )
    return sorted(resources, key=lambda r: r.id)


def _entry(kind: str, path: str, owner: Owner, attributes: Mapping[str, Any], label: str) -> Resource:
    return Resource(f"directory:{path}", f"directory.{kind}", PART, owner, attributes, label)


def _unit(owner: Owner, code: str, dn: str, name: str) -> Resource:
    attributes = {
        "dn": dn,
        "objectClass": ["gaspManaged", "organizationalUnit"],
        "ou": [code],
        "description": [name],
    }
    return _entry("unit", f"ou/{code}", owner, attributes, name)


def _branch(owner: Owner, code: str, name: str, unit: str) -> Resource:
    attributes = {"dn": f"ou={name},{unit}", "objectClass": ["gaspManaged", "organizationalUnit"], "ou": [name]}
    return _entry("unit", f"ou/{code}/{name}", owner, attributes, f"{name} ({code})")


def _person(person: Person, dn: str, code: str, number: str, gid: str) -> dict[str, Any]:
    attributes: dict[str, Any] = {
        "dn": dn,
        "objectClass": ["gaspManaged", "inetOrgPerson", "posixAccount"],
        "uid": [person.uid],
        "cn": _set([person.display_name, person.pinyin]),
        "sn": [person.family_name],
        "displayName": [person.display_name],
        "departmentNumber": [code],
        "preferredLanguage": ["zh-CN"],
        "uidNumber": [number],
        "gidNumber": [gid],
        "homeDirectory": [f"/home/{person.first_uid or person.uid}"],
    }
    for attribute, value in (
        ("givenName", person.given_name),
        ("employeeNumber", person.employee_number),
        ("mail", person.mail),
        ("title", person.title),
        ("telephoneNumber", person.phone),
    ):
        if value is not None:
            attributes[attribute] = [value]
    return attributes


def _set(values: Sequence[str | None]) -> list[str]:
    """Sorted values without those that the server takes for equal (case and repeated blanks do not count)."""
    first: dict[str, str] = {}
    for value in values:
        if value is not None:
            first.setdefault(" ".join(value.casefold().split()), value)
    return sorted(first.values())
