"""Substitutes hold exactly one role of somebody else for some days; whether roles have the people they need."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from control_plane.model.audit import AuditAct, AuditQuery
from control_plane.model.change_class import CONDITION_TITLES, CONDITIONS
from control_plane.model.errors import Invalid, NotFound, Rejected
from control_plane.model.notice import told_by
from control_plane.model.people import Act, Person
from control_plane.model.staffing import shortages
from control_plane.model.text import in_language
from control_plane.workflow.access import allows, tenants_in_sight
from control_plane.workflow.substitutes import Substitutes
from tests.unit.workflow.asking import Office


class Desk:
    """An office in which people name substitutes."""

    def __init__(self, centre: Any) -> None:
        self.office = Office(centre)
        self.store, self.clock, self.centre = centre.store, centre.clock, centre
        self.accounts = [{"uid": name, "name": name.title(), "tenant": "fgw"} for name in ("helper", "second")]
        self.accounts.append({"uid": "stranger", "name": "Stranger", "tenant": "gaj"})

    def of(self, who: str) -> Substitutes:
        full = who if ":" in who else f"directory:{who}"
        return Substitutes(self.store, self.clock, lambda: self.accounts, lambda: self.store.actors.get(full))

    def name(self, by: str = "chief", person: str = "helper", role: str = "approver", **more: Any) -> Any:
        given = {"tenant": "fgw", "until": self.day(9), "reason": "on leave", **more}
        return self.of(by).name(person, role, **given)

    def day(self, ahead: int) -> str:
        return (self.clock() + timedelta(days=ahead)).date().isoformat()

    def person(self, name: str) -> Person:
        found = self.store.people.find(f"directory:{name}")
        assert found is not None
        return found


@pytest.fixture
def desk(centre: Any) -> Iterator[Desk]:
    with in_language("en"):
        yield Desk(centre)


def test_a_substitute_holds_that_role_in_that_place_in_those_days(desk: Desk) -> None:
    made = desk.name(since=desk.day(2))
    assert made["state"] == "coming"
    entry = desk.store.audit.find(AuditQuery(act=AuditAct.SUBSTITUTE_NAMED))[0]
    assert (entry.actor, entry.reason) == (desk.person("chief").key, "on leave")
    assert "Helper" not in entry.body(), "the trail holds no names"
    assert told_by(entry)[0].params["since"] == desk.day(2), "its mail names the day of the city"
    assert not allows(desk.person("helper"), Act.SIGN, "fgw")
    desk.clock.advance(3 * 86400)
    helper = desk.person("helper")
    assert [(g.role, g.tenant, g.stands_for.name) for g in helper.grants if g.stands_for] == [
        ("approver", "fgw", "directory:chief")
    ]
    assert not allows(helper, Act.SIGN, "gaj")
    assert tenants_in_sight(helper) == {"fgw"}
    desk.clock.advance(10 * 86400)
    assert desk.person("helper").grants == ()
    assert desk.of("chief").list() == []
    assert [row["state"] for row in desk.of("chief").list(ended=True)] == ["over"]


def test_what_a_substitute_signs_is_shown_as_signed_for_the_other(desk: Desk) -> None:
    desk.name()
    request = desk.office.ask("clerk", "fgw", names=["a"])
    signed = desk.office.sign("helper", request)
    assert (signed["signoffs"][0]["by"], signed["signoffs"][0]["for"]) == ("directory:helper", "directory:chief")
    assert next(n for n in signed["needs"] if n["role"] == "approver")["for_name"] == "Chief"
    with pytest.raises(Rejected, match="one person signs once"):
        desk.office.sign("chief", request)
    entry = desk.store.audit.find(AuditQuery(act=AuditAct.REQUEST_SIGNED))[0]
    assert entry.detail["for"] == desk.person("chief").key


def test_a_substitute_signs_nothing_that_either_of_the_two_asked_for(desk: Desk) -> None:
    desk.name()
    theirs = desk.office.ask("chief", "fgw", names=["a"])
    assert "sign" not in desk.office.of("helper").show(theirs["id"])["acts"]
    desk.office.of("chief").withdraw(theirs["id"])
    own = desk.office.ask("helper", "fgw", names=["a"])
    with pytest.raises(Rejected, match="never signs"):
        desk.office.sign("helper", own)


def test_nobody_signs_twice_through_a_substitute(desk: Desk) -> None:
    desk.store.people.grant(desk.person("chief"), "deputy_director", None, None, "test", desk.centre.actor)
    desk.name(role="deputy_director", tenant=None, person="second", by="local:root", stands_for="chief")
    desk.office.signed("clerk", "fgw", ("chief", "operator"), people=["p1"])
    desk.office.ticker.tick()
    request = desk.office.ask("clerk", "fgw", "change", people=[])
    assert "sign" in desk.office.of("second").show(request["id"])["acts"]
    desk.office.sign("chief", request, role="approver")
    assert "sign" not in desk.office.of("second").show(request["id"])["acts"]


def test_the_days_being_over_leaves_a_signature_and_an_end_voids_it(desk: Desk) -> None:
    first = desk.name(until=desk.day(0))
    request = desk.office.ask("clerk", "fgw", names=["a"])
    desk.office.sign("helper", request)
    desk.clock.advance(2 * 86400)
    desk.office.sign("operator", request)
    desk.office.ticker.tick()
    assert desk.office.state(request) == "live"
    second = desk.name()
    again = desk.office.ask("clerk", "fgw", "change", names=["b"])
    desk.office.sign("helper", again)
    desk.of("chief").end(second["id"], reason="back early")
    desk.office.sign("operator", again)
    desk.office.ticker.tick()
    assert desk.office.state(again) == "review", "somebody ended it, so it waits for the approver"
    assert first["id"] != second["id"]


def test_who_loses_the_role_takes_the_substitute_along(desk: Desk) -> None:
    desk.name()
    grant = desk.person("chief").grants[0]
    desk.store.people.revoke(grant.id, "moved", desk.centre.actor)
    assert desk.person("helper").grants == ()
    assert [row["state"] for row in desk.of("local:root").list()] == ["ended"]


def test_when_either_of_the_two_leaves_it_ends(desk: Desk) -> None:
    desk.accounts += [{"uid": "chief", "name": "Chief", "tenant": "fgw"}]
    made = desk.name()
    assert desk.of("local:root").tidy() == []
    desk.accounts = [row for row in desk.accounts if row["uid"] != "chief"]
    assert desk.of("local:root").tidy() == [made["id"]]
    assert desk.person("helper").grants == ()
    entry = desk.store.audit.find(AuditQuery(act=AuditAct.SUBSTITUTE_ENDED))[0]
    assert entry.detail["stands_for"] == desk.person("chief").key
    assert desk.of("local:root").tidy() == []


@pytest.mark.parametrize(
    ("given", "match"),
    [
        ({"by": "local:root", "stands_for": "chief", "person": "chief"}, "themselves"),
        ({"by": "clerk"}, "does not hold"),
        ({"by": "clerk", "stands_for": "chief"}, "own roles only"),
        ({"by": "operator", "role": "security_officer", "tenant": None, "stands_for": "officer"}, "own roles only"),
        ({"by": "operator", "stands_for": "chief", "person": "operator"}, "themselves"),
        ({"by": "local:root", "stands_for": "chief", "person": "operator"}, "exclude each other"),
        ({"by": "local:root", "stands_for": "chief", "person": "both"}, "already"),
    ],
)
def test_who_may_name_whom(desk: Desk, given: Any, match: str) -> None:
    with pytest.raises(Rejected, match=match):
        desk.name(**given)


def test_a_role_that_excludes_a_coming_substitution_is_not_given(desk: Desk) -> None:
    desk.name(since=desk.day(3))
    coming = desk.store.people.coming(desk.person("helper").key)
    assert [grant.role for grant in coming] == ["approver"]


def test_a_role_of_other_days_is_in_nobodys_way(desk: Desk) -> None:
    """What ends before the substitution begins, or begins after it, excludes nothing."""
    store, actor = desk.store, desk.centre.actor
    helper = store.people.ensure("directory:helper", "Helper", "fgw")
    store.people.grant(helper, "operator", None, desk.clock() + timedelta(days=2), "until then", actor)
    with pytest.raises(Rejected, match="exclude each other"):
        desk.name(since=desk.day(1))
    made = desk.name(since=desk.day(4))
    assert made["state"] == "coming"
    roles = [grant.role for grant in store.people.coming(helper.key, last=desk.clock() + timedelta(days=1))]
    assert roles == ["operator"], "the substitution begins later"


def test_a_substitution_for_a_role_that_was_taken_away_excludes_nothing(desk: Desk) -> None:
    desk.name(since=desk.day(3))
    desk.store.people.revoke(desk.person("chief").grants[0].id, "moved", desk.centre.actor)
    assert desk.store.people.coming(desk.person("helper").key) == []


def test_roles_in_a_department_that_ended_are_held_no_more(desk: Desk) -> None:
    assert desk.store.people.coming(desk.person("chief").key)
    desk.store.estate.end_tenant("fgw", desk.centre.actor)
    assert desk.store.people.coming(desk.person("chief").key) == []


def test_a_department_names_its_own_people_and_learns_of_no_others(desk: Desk) -> None:
    with pytest.raises(NotFound) as other:
        desk.name(person="stranger")
    with pytest.raises(NotFound) as absent:
        desk.name(person="absent1")
    assert str(other.value.text).replace("stranger", "X") == str(absent.value.text).replace("absent1", "X")
    assert desk.name(by="operator", person="stranger", stands_for="chief")["person"] == "directory:stranger"


def test_two_substitutes_at_once_are_refused(desk: Desk) -> None:
    desk.name()
    with pytest.raises(Rejected, match="named for these days"):
        desk.name(person="second", since=desk.day(9), until=desk.day(20))
    assert desk.name(person="second", since=desk.day(10), until=desk.day(20))["state"] == "coming"


@pytest.mark.parametrize(
    ("more", "fields"),
    [
        ({"reason": " ", "until": "soon"}, {"reason", "until"}),
        ({"since": "2020-01-01"}, {"since"}),
        ({"until": ""}, {"until"}),
        ({"since": "2030-01-02", "until": "2030-01-01"}, {"until"}),
    ],
)
def test_every_problem_at_once(desk: Desk, more: Any, fields: set[str]) -> None:
    with pytest.raises(Invalid) as caught:
        desk.name(**more)
    assert {p.field for p in caught.value.problems} == fields
    assert desk.of("local:root").list(ended=True) == []


def test_others_see_nothing_of_a_department(desk: Desk) -> None:
    made = desk.name()
    assert desk.of("chief2").list() == []
    with pytest.raises(NotFound):
        desk.of("chief2").end(made["id"], reason="no")
    with pytest.raises(Rejected):
        desk.of("clerk").end(made["id"], reason="no")
    assert desk.of("auditor").list()[0]["may_end"] is False


def test_roles_that_lack_people_are_named(desk: Desk) -> None:
    rows = {row["role"]: row for row in desk.of("operator").staffing()}
    assert (rows["operator"]["have"], rows["operator"]["need"], rows["operator"]["state"]) == (1, 2, "warning")
    grant = desk.person("officer").grants[0]
    desk.store.people.revoke(grant.id, "left", desk.centre.actor)
    rows = {row["role"]: row for row in desk.of("operator").staffing()}
    assert rows["security_officer"]["state"] == "failed"
    assert "approver" not in rows
    grant = desk.person("chief2").grants[0]
    desk.store.people.revoke(grant.id, "left", desk.centre.actor)
    rows = {row["role"]: row for row in desk.of("operator").staffing()}
    assert rows["approver"]["tenants"] == ["gaj"]


def test_one_person_in_two_roles_is_not_two_people(desk: Desk) -> None:
    people = desk.store.people
    both = desk.person("both")
    people.grant(both, "deputy_director", None, None, "test", desk.centre.actor)
    people.grant(both, "security_officer", None, None, "test", desk.centre.actor)
    only = [person for person in people.all() if person.login in ("both", "operator")]
    short = shortages(only, [], CONDITIONS, CONDITION_TITLES)
    assert "2 people must sign what everybody can see; only 1 can." in [str(one.text) for one in short]
    assert {(one.have, one.need) for one in short if one.role is None} == {(1, 2), (2, 3)}
