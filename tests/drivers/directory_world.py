"""A small world for the directory's driver: declared entries, plans and applies, the way the engine makes them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from control_plane.drivers.directory import DirectoryDriver
from control_plane.drivers.directory_entries import KINDS, PART
from control_plane.model.dn import child_dn
from control_plane.model.plan import Change, Memory, Plan, diff
from control_plane.model.ports import Notice, Outcome
from control_plane.model.resource import Look, Measured, Owner, Resource, content_hash
from tests.drivers.slapd import CONTROL_PLANE, NAME, SUFFIX, TENANTS, Slapd

EMPTY = f"cn=empty,ou=system,{SUFFIX}"


def driver(server: Slapd, **other: Any) -> DirectoryDriver:
    """The driver as wiring makes it; any parameter can be another one."""
    parameters: dict[str, Any] = {
        "host": "127.0.0.1",
        "port": server.port,
        "server_name": NAME,
        "ca_file": server.authority.certificate,
        "base_dn": SUFFIX,
        "bind_dn": CONTROL_PLANE,
        "password_path": server.password_path,
        "timeout": 20,
    }
    return DirectoryDriver(**{**parameters, **other})


def owner(code: str) -> Owner:
    return Owner(f"t_{code}00000000", code, "directory")


def unit_dn(code: str, branch: str = "") -> str:
    dn = child_dn("ou", code, TENANTS)
    return child_dn("ou", branch, dn) if branch else dn


def person_dn(code: str, uid: str) -> str:
    return child_dn("uid", uid, unit_dn(code, "people"))


@dataclass
class World:
    """Declared resources by id; methods declare more."""

    wanted: dict[str, Resource] = field(default_factory=dict)
    number: int = 100_000
    applied: dict[str, str] = field(default_factory=dict)

    def put(self, kind: str, path: str, code: str, attributes: Mapping[str, Any]) -> Resource:
        resource = Resource(f"directory:{path}", f"directory.{kind}", PART, owner(code), attributes, path)
        self.wanted[resource.id] = resource
        return resource

    def unit(self, code: str, title: str = "局") -> None:
        classes = ["gaspManaged", "organizationalUnit"]
        attributes = {"dn": unit_dn(code), "objectClass": classes, "ou": [code], "description": [title]}
        self.put("unit", f"ou/{code}", code, attributes)
        for branch in ("people", "groups", "services"):
            attributes = {"dn": unit_dn(code, branch), "objectClass": classes, "ou": [branch]}
            self.put("unit", f"ou/{code}/{branch}", code, attributes)

    def person(self, code: str, uid: str, key: str = "", **attributes: str) -> Resource:
        self.number += 1
        content = {
            "cn": f"张三 {uid}",
            "sn": "张",
            "uidNumber": str(self.number),
            "gidNumber": "50000",
            "homeDirectory": f"/home/{uid}",
            "departmentNumber": code,
        }
        return self.put(
            "person",
            f"person/{key or 'p_' + uid}",
            code,
            {
                "dn": person_dn(code, uid),
                "objectClass": ["gaspManaged", "inetOrgPerson", "posixAccount"],
                "uid": [uid],
                **{name: [value] for name, value in (content | attributes).items()},
            },
        )

    def service(self, code: str, name: str) -> Resource:
        dn = child_dn("uid", f"{code}-{name}", unit_dn(code, "services"))
        attributes = {"dn": dn, "objectClass": ["account", "gaspManaged"], "uid": [f"{code}-{name}"]}
        return self.put("service", f"service/{code}/{name}", code, attributes)

    def group(self, code: str, name: str, uids: Iterable[str] = ()) -> Resource:
        return self.put(
            "group",
            f"group/{code}/{name}",
            code,
            {
                "dn": child_dn("cn", name, unit_dn(code, "groups")),
                "objectClass": ["gaspManaged", "groupOfNames"],
                "cn": [name],
                "gidNumber": ["50001"],
                "member": sorted(person_dn(code, uid) for uid in uids) or [EMPTY],
            },
        )

    def change(self, resource_id: str, **attributes: Any) -> None:
        """Declare other values; None drops an attribute."""
        old = self.wanted[resource_id]
        content = {name: value for name, value in {**old.attributes, **attributes}.items() if value is not None}
        self.wanted[resource_id] = replace(old, attributes=content)

    def plan(self, *looks: Look) -> Plan:
        memory = Memory(self.applied, {}, {owner(code).marker: owner(code) for code in CODES})
        kinds = {kind.name: kind for kind in KINDS}
        return diff("estate", self.wanted, looks, kinds, memory, lambda *_: True, datetime.now(UTC))


CODES = ("fgw", "jyj", "wsj", "gaj", "czj")


def look(driver_: DirectoryDriver, tenants: Iterable[str] | None = None) -> Measured:
    seen = driver_.observe(PART, None if tenants is None else frozenset(tenants))
    assert isinstance(seen, Measured), str(seen.reason)
    return seen


def carry_out(
    driver_: DirectoryDriver, changes: Sequence[Change], fence: Callable[[], None] = lambda: None
) -> dict[str, Outcome]:
    """Outcomes by id; asserts one for each change."""
    items = list(driver_.apply(PART, changes, fence))
    outcomes = [item for item in items if isinstance(item, Outcome)]
    assert sorted(o.change_id for o in outcomes) == sorted(c.id for c in changes)
    assert {i.stage for i in items if isinstance(i, Notice)} <= set(driver_.stages)
    return {o.change_id: o for o in outcomes}


def settle(driver_: DirectoryDriver, world: World) -> dict[str, Outcome]:
    """Plan, apply, and prove by a new plan that everything is as declared."""
    outcomes = carry_out(driver_, world.plan(look(driver_)).steps)
    bad = {i: f"{o.state}: {o.text}" for i, o in outcomes.items() if o.state not in ("applied", "already")}
    assert not bad, bad
    left = [c.as_json() for c in world.plan(look(driver_)).changes]
    assert not left, left
    world.applied = {i: content_hash(r.attributes) for i, r in world.wanted.items()}
    return outcomes


def states(outcomes: Mapping[str, Outcome]) -> set[str]:
    return {outcome.state for outcome in outcomes.values()}
