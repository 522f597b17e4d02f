"""The table of classes: one proposes, another signs; requests on their way are asked of the right people."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest

from control_plane.model import class_table
from control_plane.model.audit import AuditAct, AuditQuery
from control_plane.model.change_class import SHIPPED, Facts, classify
from control_plane.model.errors import Invalid, NotFound, Rejected, StalePlan
from control_plane.model.text import in_language, t
from control_plane.workflow.access import Forbidden
from control_plane.workflow.classes import Classes
from tests.unit.workflow.asking import Office


class Board:
    """An office in which the table is changed."""

    def __init__(self, centre: Any) -> None:
        self.office, self.centre = Office(centre), centre

    def of(self, who: str) -> Classes:
        full = who if ":" in who else f"directory:{who}"
        actors = self.centre.store.actors
        return Classes(self.centre.store, self.office.of("local:worker"), lambda: actors.get(full))

    def table(self, **signs: list[str]) -> Any:
        body = deepcopy(self.of("operator").show()["table"])
        for line, roles in signs.items():
            body["lines"][line]["signs"] = roles
        return body

    def change(self, by: str = "operator", signer: str = "officer", **signs: list[str]) -> Any:
        made = self.of(by).propose(self.table(**signs), reason="the rules of 2027")
        return self.of(signer).sign(made["number"], digest=made["digest"])


@pytest.fixture
def board(centre: Any) -> Iterator[Board]:
    with in_language("en"):
        yield Board(centre)


def test_it_begins_as_it_was_shipped_and_a_proposal_changes_nothing(board: Board) -> None:
    shown = board.of("auditor").show()
    assert (shown["number"], shown["proposal"]) == (0, None)
    assert shown["table"] == class_table.as_json(SHIPPED)
    made = board.of("operator").propose({**board.table(), "most_tenants": 5}, reason="smaller")
    assert [d["field"] for d in made["differences"]] == ["most_tenants"]
    assert board.centre.store.classes.current() == SHIPPED
    assert board.of("auditor").show()["proposal"]["number"] == made["number"]


def test_a_second_person_puts_it_into_force_and_all_is_recorded(board: Board) -> None:
    signed = board.change(otherwise=["approver", "operator", "security_officer"])
    assert (signed["state"], signed["signed_by"], signed["by"]) == (
        "in_force",
        "directory:officer",
        "directory:operator",
    )
    request = board.office.ask("clerk", "fgw", names=["a"])
    assert [n["role"] for n in request["needs"]] == ["approver", "operator", "security_officer"]
    again = board.change(by="officer", signer="deputy", otherwise=["approver", "security_officer"])
    assert [(r["number"], r["state"]) for r in board.of("auditor").history()] == [
        (again["number"], "in_force"),
        (signed["number"], "former"),
    ]
    entry = board.centre.store.audit.find(AuditQuery(act=AuditAct.CLASSES_SIGNED))[0]
    assert [s.role for s in entry.signoffs] == ["deputy_director"]
    assert entry.detail["fields"] == ["lines.otherwise.signs"]


@pytest.mark.parametrize("who", ["operator", "chief", "clerk", "auditor"])
def test_who_does_not_sign(board: Board, who: str) -> None:
    made = board.of("officer").propose(board.table(otherwise=["approver", "security_officer"]), reason="x")
    with pytest.raises(Rejected):
        board.of(who).sign(made["number"], digest=made["digest"])
    assert board.centre.store.classes.current() == SHIPPED


def test_who_proposed_never_signs_nor_does_a_substitute_for_them(board: Board) -> None:
    made = board.of("officer").propose(board.table(otherwise=["approver", "security_officer"]), reason="x")
    assert made["acts"] == ["withdraw"]
    with pytest.raises(Rejected, match="Another person"):
        board.of("officer").sign(made["number"], digest=made["digest"])
    people, now = board.centre.store.people, board.centre.clock()
    officer, helper = people.find("directory:officer"), people.ensure("directory:helper", "Helper")
    until = now.replace(year=now.year + 1)
    board.centre.store.substitutes.name(helper, officer.grants[0], officer, now, until, "leave", board.centre.actor)
    with pytest.raises(Rejected, match="Another person"):
        board.of("helper").sign(made["number"], digest=made["digest"])
    with pytest.raises(Forbidden):
        board.of("helper").propose(board.table(otherwise=["approver", "operator"]), reason="for the officer")
    with pytest.raises(Invalid):
        board.of("local:root").sign(made["number"], digest=made["digest"])
    signed = board.of("local:root").sign(made["number"], digest=made["digest"], reason="drill")
    assert signed["stands_for"] == "drill"


def test_what_was_proposed_on_the_machine_is_not_signed_by_the_same_hand(board: Board) -> None:
    made = board.of("local:root").propose(board.table(otherwise=["approver", "security_officer"]), reason="x")
    with pytest.raises(Rejected, match="Another person"):
        board.of("local:root").sign(made["number"], digest=made["digest"], reason="me again")


def test_a_signature_is_bound_to_what_was_seen_and_given_once(board: Board) -> None:
    made = board.of("operator").propose(board.table(otherwise=["approver", "security_officer"]), reason="x")
    with pytest.raises(StalePlan):
        board.of("officer").sign(made["number"], digest="0" * 64)
    board.of("officer").sign(made["number"], digest=made["digest"])
    with pytest.raises(Rejected, match="decided before"):
        board.of("deputy").sign(made["number"], digest=made["digest"])
    with pytest.raises(NotFound):
        board.of("deputy").sign(99, digest=made["digest"])


def test_one_proposal_waits_at_a_time_and_can_be_refused_or_withdrawn(board: Board) -> None:
    first = board.of("operator").propose({**board.table(), "most_hosts": 9}, reason="x")
    with pytest.raises(Rejected, match="waits"):
        board.of("officer").propose({**board.table(), "most_hosts": 8}, reason="x")
    assert board.of("officer").refuse(first["number"], reason="too few")["state"] == "refused"
    second = board.of("operator").propose({**board.table(), "most_hosts": 8}, reason="x")
    assert board.of("operator").refuse(second["number"], reason="a mistake")["state"] == "withdrawn"
    entries = board.centre.store.audit.find(AuditQuery(act="classes"))
    assert [e.act for e in entries] == [AuditAct.CLASSES_REFUSED, AuditAct.CLASSES_PROPOSED] * 2
    assert (entries[0].reason, entries[2].reason) == ("a mistake", "too few")
    assert board.of("operator").show()["number"] == 0


def test_every_problem_at_once_and_two_roles_always_sign(board: Board) -> None:
    body = board.table(public=["approver"], many=["operator", "deputy_director"], otherwise=["approver", "cat"])
    body |= {"most_tenants": 0, "most_hosts": True, "not_standard": ["nothing"], "colour": "red"}
    body["lines"]["destroys"]["class"] = "standard"
    with pytest.raises(Invalid) as caught:
        board.of("operator").propose(body, reason="x")
    assert {p.field for p in caught.value.problems} == {
        *("most_tenants", "most_hosts", "not_standard", "colour", "lines.public.signs", "lines.many.signs"),
        *("lines.otherwise.signs", "lines.destroys.class"),
    }
    for broken in (None, [], "x", {}):
        with pytest.raises(Invalid):
            board.of("operator").propose(broken, reason="x")
    with pytest.raises(Rejected, match="in force already"):
        board.of("operator").propose(board.table(), reason="x")


def test_requests_keep_signatures_whose_role_still_signs_and_ask_the_others(board: Board) -> None:
    office = board.office
    request = office.ask("clerk", "fgw", names=["a"])
    office.sign("operator", request)
    assert board.change(otherwise=["approver", "security_officer"])["requests"] == 1
    now = office.of("clerk").show(request["id"])
    assert (now["state"], [n["role"] for n in now["needs"]]) == ("submitted", ["approver", "security_officer"])
    assert [(s["role"], s["holds"]) for s in now["signoffs"]] == [("operator", False)]
    office.sign("chief", request)
    assert board.change(by="officer", signer="deputy", otherwise=["approver", "operator"])["requests"] == 1
    now = office.of("clerk").show(request["id"])
    assert [(s["role"], s["holds"]) for s in now["signoffs"]] == [("operator", False), ("approver", True)]
    assert now["state"] == "review"
    office.sign("operator", request)
    office.ticker.tick()
    assert office.state(request) == "live"


def test_one_with_all_the_signatures_of_the_new_table_is_approved(board: Board) -> None:
    board.change(otherwise=["approver", "operator", "security_officer"])
    request = board.office.ask("clerk", "fgw", names=["a"])
    board.office.sign("chief", request)
    board.office.sign("operator", request)
    board.change(by="officer", signer="deputy", otherwise=["approver", "operator"])
    assert board.office.state(request) == "approved"


def test_what_was_approved_goes_on_as_it_was_decided(board: Board) -> None:
    request = board.office.signed("clerk", "fgw", ("chief", "operator"), names=["a"])
    assert board.change(otherwise=["approver", "security_officer"])["requests"] == 0
    board.office.ticker.tick()
    assert board.office.state(request) == "live"


def test_a_service_can_be_taken_out_of_what_is_agreed_on_beforehand() -> None:
    facts = Facts(t("a little one"), None, [], 1, 0, "toy")
    assert classify(facts).change_class == "standard"
    strict = class_table.read({**class_table.as_json(SHIPPED), "not_standard": ["toy"]}, ["toy"])
    assert classify(facts, strict).change_class == "ordinary"
    few = class_table.read({**class_table.as_json(SHIPPED), "most_tenants": 1}, [])
    assert classify(Facts(None, None, [], 2, 0), few).change_class == "wide"
    assert class_table.read(class_table.as_json(SHIPPED), []) == SHIPPED
