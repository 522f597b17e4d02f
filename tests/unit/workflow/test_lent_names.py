"""A department's name at another one's website, on purpose: each of the two asks for it, and each asking is signed."""

from __future__ import annotations

from typing import Any

import pytest

from control_plane.model.errors import Invalid
from tests.web.world import World

OWNER, OTHER, NAME = "fgw", "gaj", "login.fgw.qingdao.test"


@pytest.fixture
def world(world: World) -> World:
    for role, uid in (("clerk", "clerk2"), ("approver", "approver2")):
        world.directory.add(uid, OTHER)
        person = world.store.people.ensure(f"directory:{uid}", uid, OTHER, f"directory:person/{uid}")
        world.store.people.grant(person, role, OTHER, None, "test", world.store.actors.get("local:test"))
    return world


def asked(world: World, tenant: str, clerk: str, change: Any) -> Any:
    requests = world.client.acting_as(f"directory:{clerk}").requests
    draft = requests.draft(tenant, "public_site", "change")
    spec = draft["spec"]
    change(spec)
    requests.save(draft["id"], spec=spec, note="a common sign-in")
    return requests.submit(draft["id"])


def signed(world: World, row: Any, approver: str) -> list[str]:
    roles = [need["role"] for need in row["needs"]]
    for role in roles:
        uid = approver if role == "approver" else world.person(role)
        signer = world.client.acting_as(f"directory:{uid}").requests
        signer.sign(row["id"], digest=signer.show(row["id"])["digest"])
    world.work()
    assert world.client.requests.show(row["reference"])["state"] == "live"
    return roles


def takes(spec: Any) -> None:
    names = spec["sites"][0]["names"]
    names["aliases"] = sorted({*names.get("aliases", ()), NAME})  # the draft that was refused has it already


def lends(spec: Any) -> None:
    spec["lends"] = [{"name": NAME, "to": OTHER}]


def test_both_departments_sign_and_the_trail_tells_it(world: World) -> None:  # open-09
    clerk, approver = world.person("clerk"), world.person("approver")
    with pytest.raises(Invalid) as refused:
        asked(world, OTHER, "clerk2", takes)
    assert [p.code for p in refused.value.problems if p.severity == "error"] == ["not-own-name"]
    first = asked(world, OWNER, clerk, lends)
    assert signed(world, first, approver) == ["approver", "operator"], "nobody lends a name alone"
    second = asked(world, OTHER, "clerk2", takes)
    assert signed(world, second, "approver2") == ["approver", "security_officer"]
    assert any(NAME in i for i in world.drivers[0].things["dns:qingdao.test"])
    for row, who in ((first, {"directory:operator1", f"directory:{approver}"}), (second, {"directory:approver2"})):
        acts = world.client.audit.list({"subject": f"request:{row['reference']}", "act": "request.signed"})
        assert who <= {entry["actor"]["name"] for entry in acts}, acts
    back = asked(world, OWNER, clerk, lambda spec: spec.pop("lends"))
    assert "approver" in signed(world, back, approver)
    with pytest.raises(Invalid):
        asked(world, OTHER, "clerk2", lambda spec: spec["sites"][0]["title"].update(en="Changed"))
