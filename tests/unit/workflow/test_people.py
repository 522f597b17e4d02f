"""Roles: who may hold which, separation of duties, history; and what each role allows."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from itertools import combinations, permutations
from pathlib import Path
from typing import Any

import pytest

from control_plane.model.errors import Invalid, NotFound, Rejected
from control_plane.model.people import EXCLUSIVE, ROLES, Act
from control_plane.model.run import Actor
from control_plane.model.text import in_language
from control_plane.workflow.access import allows, in_sight, tenants_in_sight
from control_plane.workflow.people import People
from control_plane.workflow.sign_in import SignInRefused
from tests.web.world import BASE, PASSWORD, World

TENANT_OF = {role: ("fgw" if ROLES[role].reach == "tenant" else None) for role in ROLES}


class Proofs:
    def hash(self, password: str) -> str:
        return f"hash of {len(password)}"


@pytest.fixture
def people(centre: Any, tmp_path: Path) -> Iterator[People]:
    for code in ("fgw", "gaj"):
        centre.tenant(code)
    rows = [{"uid": f"u{n}", "name": f"人{n}", "tenant": "fgw"} for n in range(9)]

    def write(path: Path, content: bytes) -> None:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)

    proofs: Any = Proofs()
    with in_language("en"):
        yield People(
            centre.store,
            proofs,
            centre.clock,
            lambda: rows,
            lambda: centre.store.actors.get("local:root"),
            tmp_path / "secrets",
            write,
            lambda: "one time",
        )


def give(people: People, uid: str, role: str) -> None:
    people.grant(uid, role, tenant=TENANT_OF[role], reason="test")


@pytest.mark.parametrize(("first", "second"), list(permutations(ROLES, 2)))
def test_roles_exclude_each_other_as_the_table_says(people: People, first: str, second: str) -> None:
    give(people, "u1", first)
    if any({first, second} <= group for group in EXCLUSIVE):
        with pytest.raises(Rejected, match="exclude each other"):
            give(people, "u1", second)
        give(people, "u2", first)
        people.revoke("u1", first, tenant=TENANT_OF[first], reason="moved")
    give(people, "u1", second)


def test_the_table_keeps_watchers_and_doers_apart() -> None:
    apart = {frozenset(pair) for group in EXCLUSIVE for pair in combinations(group, 2)}
    assert frozenset({"operator", "security_officer"}) in apart
    for role in ROLES:
        if role != "auditor":
            assert frozenset({"auditor", role}) in apart
    assert Act.PLAN not in ROLES["auditor"].acts


def test_nobody_gives_a_role_to_themselves(people: People, centre: Any) -> None:
    give(people, "u1", "operator")
    me = Actor(centre.store.actors.get("directory:u1").key, "directory:u1")
    people.actor = lambda: me
    with pytest.raises(Rejected, match="themselves"):
        people.grant("u1", "clerk", tenant="fgw", reason="test")


def test_every_problem_of_a_grant_at_once(people: People) -> None:
    with pytest.raises(Invalid) as caught:
        people.grant("u1", "king", until="2020-01-01", reason=" ")
    assert {p.field for p in caught.value.problems} == {"role", "until", "reason"}
    for role, tenant in (("clerk", None), ("operator", "fgw")):
        with pytest.raises(Invalid) as caught:
            people.grant("u1", role, tenant=tenant, reason="x")
        assert {p.field for p in caught.value.problems} == {"tenant"}
    with pytest.raises(NotFound, match="no tenant"):
        people.grant("u1", "clerk", tenant="none", reason="x")
    with pytest.raises(NotFound, match="called"):
        people.grant("stranger", "operator", reason="x")
    assert people.list() == []


def test_a_grant_ends_by_its_date_and_with_its_tenant(people: People, centre: Any) -> None:
    people.grant("u1", "clerk", tenant="fgw", until="2026-11-30", reason="for a while")
    people.grant("u2", "clerk", tenant="gaj", reason="x")
    assert [r["role"] for r in people.show("u1")["roles"]] == ["clerk"]
    centre.clock.advance(10 * 86400)
    assert people.show("u1")["roles"] == []
    assert people.show("u1")["history"][0]["until"].startswith("2026-11-30")
    centre.store.estate.end_tenant("gaj", centre.actor)
    assert people.show("u2")["roles"] == []


def test_history_says_who_gave_and_took_and_why(people: People) -> None:
    give(people, "u1", "finance")
    people.revoke("u1", "finance", reason="moved")
    (record,) = people.show("u1")["history"]
    assert (record["by"], record["reason"]) == ("local:root", "test")
    assert (record["revoked_by"], record["revoked_reason"]) == ("local:root", "moved")
    with pytest.raises(NotFound):
        people.revoke("u1", "finance", reason="again")


def test_local_accounts(people: People) -> None:
    answer = people.add("night", display="Night shift")
    assert Path(answer["password_file"]).read_text() == "one time\n"
    for bad in ("Night", "a", "x" * 40, "../x", "a b", ""):
        with pytest.raises(Invalid):
            people.add(bad)
    with pytest.raises(Rejected):
        people.add("night")
    assert people.reset("night")["password_file"] == answer["password_file"]
    assert people.reset("account:night")["sessions_ended"] == 0


def test_the_door(people: People, centre: Any) -> None:
    give(people, "u1", "clerk")
    give(people, "u2", "operator")
    people.grant("u3", "approver", tenant="gaj", reason="x")
    clerk, operator, approver = (centre.store.people.find(f"directory:u{n}") for n in (1, 2, 3))
    assert clerk and operator and approver
    assert allows(clerk, Act.SEE_TENANT, "fgw")
    assert not allows(clerk, Act.SEE_TENANT, "gaj")
    assert not allows(clerk, Act.SEE_ESTATE)
    assert tenants_in_sight(clerk) == {"fgw"}
    assert tenants_in_sight(operator) is None
    assert in_sight(approver, "gaj")
    assert not in_sight(approver, "fgw")
    assert not in_sight(approver, None)


@pytest.mark.parametrize("role", ["operator", "security_officer", "deputy_director"])
def test_the_last_one_keeps_a_role_that_the_centre_needs(people: People, role: str) -> None:
    give(people, "u1", role)
    for lose in (lambda: people.revoke("u1", role, reason="moved"), lambda: people.leave("u1", reason="gone")):
        with pytest.raises(Rejected, match="Nobody else holds the role") as caught:
            lose()
        assert f"gasp users grant PERSON {role}" in str(caught.value.hint)
    assert [held["role"] for held in people.show("u1")["roles"]] == [role]
    people.add("night")  # it comes in with the directory away
    give(people, "night", role)
    people.revoke("u1", role, reason="moved")
    with pytest.raises(Rejected, match="Nobody else"):
        people.revoke("night", role, reason="moved")


def test_a_substitute_is_not_somebody_else_who_holds_the_role(world: World) -> None:
    officer, helper = world.person("security_officer"), "helper2"
    world.directory.add(helper, "gaj")
    world.store.people.ensure(f"directory:{helper}", "Helper", "gaj", f"directory:person/{helper}")
    until = (world.clock() + timedelta(days=5)).date().isoformat()
    world.client.substitutes.name(helper, "security_officer", until=until, reason="on leave", stands_for=officer)
    with pytest.raises(Rejected, match="Nobody else"):
        world.client.people.leave(officer, reason="gone")
    world.second("security_officer")
    assert world.client.people.leave(officer, reason="gone")["substitutions"] == 1


def test_roles_that_the_centre_can_be_without_end_with_the_last_one(people: People) -> None:
    for number, role in enumerate(("finance", "auditor", "clerk", "approver"), 1):
        give(people, f"u{number}", role)
        people.revoke(f"u{number}", role, tenant=TENANT_OF[role], reason="moved")
        assert people.show(f"u{number}")["roles"] == []


def test_somebody_leaves_with_sessions_roles_and_open_work(world: World) -> None:
    clerk, heir = world.person("clerk"), world.person("approver")
    browser = world.enter(clerk)
    token = world.client.acting_as(f"directory:{clerk}").tokens.create(name="x", scopes=["tenants:read"])["id"]
    reference, draft = world.ask(clerk, "fgw", "handed"), world.ask(clerk, "fgw", "kept", submit=False)
    with pytest.raises(Invalid) as raised:
        world.client.people.leave(clerk, reason=" ")
    assert {problem.field for problem in raised.value.problems} == {"reason", "to"}
    with pytest.raises(Rejected, match="may not ask"):
        world.client.people.leave(clerk, to=world.person("operator"), reason="gone")
    receipt = world.client.people.leave(clerk, to=heir, reason="gone")
    assert (receipt["sessions"], receipt["tokens"], receipt["drafts"]) == (1, 1, 1)
    assert receipt["roles"] == [{"role": "clerk", "tenant": "fgw"}]
    assert receipt["requests"] == [reference] and draft != reference
    assert world.client.requests.show(reference)["asker"] == f"directory:{heir}"
    assert browser.get("/portal/", base_url=BASE).status_code == 302
    assert next(t for t in world.client.tokens.list(ended=True) if t["id"] == token)["state"] == "ended"
    assert world.client.people.show(clerk)["roles"] == []
    assert world.client.audit.verify()["ok"]


def test_a_local_account_that_leaves_signs_in_no_more(world: World) -> None:
    world.client.people.add("night")
    assert world.client.people.leave("account:night", reason="no night shift")["password"] is True
    with pytest.raises(SignInRefused):
        world.services.sign_in.start("night", PASSWORD, "192.0.2.1", "test")


def test_whoever_signed_through_a_substitute_takes_over_nothing_of_it(world: World) -> None:
    clerk, chief, helper = world.person("clerk"), world.person("approver"), "helper1"
    world.directory.add(helper, "fgw")
    world.store.people.ensure(f"directory:{helper}", "Helper", "fgw", f"directory:person/{helper}")
    until = (world.clock() + timedelta(days=5)).date().isoformat()
    mine = world.client.acting_as(f"directory:{chief}").substitutes
    mine.name(helper, "approver", tenant="fgw", until=until, reason="on leave")
    reference = world.ask(clerk, "fgw", "signed")
    theirs = world.client.acting_as(f"directory:{helper}").requests
    theirs.sign(reference, digest=theirs.show(reference)["digest"], role="approver", note="Good.")
    with pytest.raises(Rejected, match="whoever asks never signs"):
        world.client.people.leave(clerk, to=chief, reason="gone")
    assert world.client.people.show(clerk)["roles"]
