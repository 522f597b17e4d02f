"""The trail itself: it only grows, shows every tampering, and answers who did what to whom on whose signoff."""

from __future__ import annotations

import csv
import io
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from control_plane.model.attachment import AttachmentState
from control_plane.model.audit import SENTENCES, AuditAct, Signoff, Subject
from control_plane.model.content_check import CheckState
from control_plane.model.errors import Invalid, NotFound
from control_plane.model.request import Content
from control_plane.model.run import RunState
from control_plane.model.states import STATES
from control_plane.model.tenant import TenantDocument
from control_plane.model.text import in_language
from control_plane.store.audit import Behalf
from control_plane.store.leases import Holder
from control_plane.store.repository import Store
from control_plane.workflow.audit import FAULTS, FIELDS, Audit, outside
from tests.databases import database_url, sqlite_only

FORMULA, FILTER = '=HYPERLINK("http://x")', "*)(userPassword=*"


class Centre:
    def __init__(self, folder: Path) -> None:
        self.path, self.now = folder / "gasp.db", datetime(2026, 3, 10, 2, tzinfo=UTC)
        self.store = Store(database_url(folder), clock=lambda: self.now)
        self.store.upgrade()
        self.audit = Audit(self.store)
        self.wang, self.li = self.store.actors.get("directory:wang"), self.store.actors.get("directory:li")

    def tenant(self, code: str) -> str:
        names = {"zh": f"单位{code}", "en": code}
        document = TenantDocument.model_validate({"code": code, "names": names, "kind": "government_department"})
        return self.store.estate.put_tenants(self.wang, "test", [document])[code]

    def tamper(self, *statements: str) -> None:
        """What somebody does who has the file of the database."""
        with closing(sqlite3.connect(self.path)) as connection:
            for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
                if name.startswith("audit_"):
                    connection.execute(f"DROP TRIGGER {name}")
            for statement in statements:
                connection.execute(statement)
            connection.commit()

    def faults(self) -> list[tuple[int, str]]:
        return [(p["number"], p["fault"]) for p in self.audit.verify()["problems"]]


@pytest.fixture
def centre(tmp_path: Path) -> Iterator[Centre]:
    with in_language("en"):
        made = Centre(tmp_path)
        yield made
        made.store.close()


@pytest.fixture
def filled(centre: Centre) -> Centre:
    centre.tenant("fgw")
    for number in range(5):
        centre.store.audit.record(
            AuditAct.FREEZE_SET, centre.wang, [Subject("freeze", str(number))], tenants=["fgw"], reason="why"
        )
    return centre


@sqlite_only
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_entries SET act = 'x' WHERE number = 2",
        "DELETE FROM audit_entries WHERE number = 6",
        "INSERT OR REPLACE INTO audit_entries SELECT number, at, 'x', actor_key, body, former, hash FROM audit_entries "
        "WHERE number = 2",
        "UPDATE audit_subjects SET value = 'x'",
        "DELETE FROM audit_subjects",
    ],
)
def test_it_only_grows(filled: Centre, statement: str) -> None:
    growing = pytest.raises(sqlite3.IntegrityError, match="only grows")
    with closing(sqlite3.connect(filled.path)) as connection, growing:
        connection.execute(statement)
    assert filled.audit.verify()["ok"]


TAMPERED = {
    "UPDATE audit_entries SET body = replace(body, 'why', 'not') WHERE number = 3": [(3, "changed")],
    "UPDATE audit_entries SET actor_key = 'a_other' WHERE number = 3": [(3, "changed")],
    "UPDATE audit_entries SET at = '2026-01-01 00:00:00.000000' WHERE number = 3": [(3, "changed")],
    "UPDATE audit_entries SET act = 'freeze.lifted' WHERE number = 3": [(3, "changed")],
    "DELETE FROM audit_entries WHERE number = 3": [(4, "missing")],
    "UPDATE audit_entries SET hash = 'x' WHERE number = 3": [(3, "changed"), (4, "unchained")],
    "UPDATE audit_subjects SET value = '9' WHERE number = 3 AND kind = 'freeze'": [(3, "subjects")],
    "DELETE FROM audit_subjects WHERE number = 3": [(3, "subjects")],
}


@sqlite_only
@pytest.mark.parametrize(("statement", "faults"), TAMPERED.items())
def test_verify_says_what_was_broken_and_where(filled: Centre, statement: str, faults: list[tuple[int, str]]) -> None:
    filled.tamper(statement)
    assert filled.faults() == faults
    answer = filled.audit.verify()
    assert not answer["ok"]
    assert all(str(p["number"]) in p["sentence"] for p in answer["problems"])


def test_an_act_and_its_entry_are_one(centre: Centre) -> None:
    centre.tenant("fgw")
    before = centre.audit.verify()["entries"]

    def act_and_fail() -> None:
        with centre.store.transaction():
            centre.store.freezes.set("estate", "storm", centre.wang)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        act_and_fail()
    assert centre.audit.verify()["entries"] == before
    assert centre.store.freezes.list() == []


@sqlite_only
def test_people_are_keys_and_the_chain_outlives_their_names(centre: Centre) -> None:
    centre.tenant("fgw")
    centre.store.freezes.set("tenant:fgw", "storm", centre.wang)
    with closing(sqlite3.connect(centre.path)) as connection:
        stored = "".join(str(row) for row in connection.execute("SELECT * FROM audit_entries"))
        assert "wang" not in stored
        connection.execute("UPDATE actors SET name = key WHERE key = ?", (centre.wang.key,))
        connection.commit()
    assert centre.audit.list()[0]["actor"] == {"key": centre.wang.key, "name": centre.wang.key}
    assert centre.audit.verify()["ok"]


def test_one_query_says_what_was_done_to_a_tenant_in_march_by_whom_on_whose_signoff(centre: Centre) -> None:
    centre.tenant("fgw"), centre.tenant("czj")
    lina = centre.store.people.ensure("directory:wang", "王", "fgw")
    centre.store.people.grant(lina, "operator", None, None, "new", centre.li)
    holder = Holder(1, 2, "boot")
    with centre.store.audit.under(Behalf(["R-2026-7"], [Signoff(centre.li.key, "security_officer")])):
        run = centre.store.runs.create("request", "subscription:fgw/internet", "d" * 64, centre.wang, holder)
    centre.store.freezes.set("tenant:czj", "another's", centre.wang)
    assert centre.store.runs.mark_interrupted(lambda _: False) == [run], "another process, later"
    centre.now = datetime(2026, 4, 2, tzinfo=UTC)
    centre.store.freezes.set("tenant:fgw", "in April", centre.wang)
    found = centre.audit.list({"tenant": "fgw", "begin": "2026-03-01", "end": "2026-03-31"})
    assert [row["act"] for row in found] == ["run.ended", "run.began", "tenant.changed"]
    found = found[1:]
    assert found[0]["actor"]["name"] == "directory:wang"
    assert found[0]["roles"] == ["operator"]
    assert found[0]["digest"] == "d" * 64
    (signoff,) = found[0]["signoffs"]
    assert (signoff["name"], signoff["role"], signoff["verified"]) == ("directory:li", "security_officer", True)
    ended = centre.audit.list({"subject": f"run:{run}"})[0]
    assert (ended["act"], ended["outcome"], ended["requests"]) == ("run.ended", "interrupted", ["R-2026-7"])
    assert ended["signoffs"] == found[0]["signoffs"]
    assert {row["act"] for row in centre.audit.list({"subject": "request:R-2026-7"})} == {"run.began", "run.ended"}
    assert [row["act"] for row in centre.audit.list({"act": "freeze"})] == ["freeze.set"] * 2
    assert centre.audit.list({"actor": "li"})[0]["act"] == "role.granted"


def test_open_29_a_new_tenant_under_an_old_code_finds_nothing_of_the_old(centre: Centre) -> None:
    old = centre.tenant("skl")
    centre.store.freezes.set("tenant:skl", "old", centre.wang)
    centre.store.estate.end_tenant("skl", centre.wang)
    assert "old" in {row["reason"] for row in centre.audit.list({"tenant": "skl"})}, (
        "the old one while there is no other"
    )
    centre.now += timedelta(days=365)
    centre.tenant("skl")
    assert [row["act"] for row in centre.audit.trail("skl")] == ["tenant.changed"]
    assert [row["act"] for row in centre.audit.list({"tenant": "skl"})] == ["tenant.changed"]
    assert "old" in {row["reason"] for row in centre.audit.list({"tenant": old})}


def test_a_tenants_own_trail_names_nobody_else(centre: Centre) -> None:
    centre.tenant("fgw"), centre.tenant("czj")
    centre.store.people.ensure("directory:li", "李", "fgw")
    centre.store.audit.record(AuditAct.DRIFT_KEPT, centre.wang, tenants=["fgw", "czj"], reason="about both")
    centre.store.audit.record(AuditAct.RELEASE_ADDED, centre.li, services=["fgw/public_site"], reason="new pictures")
    own = centre.audit.trail("fgw")
    assert [(row["actor"], row["reason"]) for row in own] == [("directory:li", "new pictures"), (None, ""), (None, "")]
    assert own[0]["services"] == ["public_site"]
    assert "czj" not in json.dumps(own)
    with pytest.raises(NotFound):
        centre.audit.trail("zzz")


def test_open_12_what_was_typed_stands_there_literally_and_harmless(centre: Centre) -> None:
    centre.store.freezes.set("estate", FILTER, centre.wang)
    centre.store.freezes.set("estate", FORMULA, centre.wang)
    rows = list(csv.reader(io.StringIO(centre.audit.export("csv").removeprefix("\ufeff"), newline="")))
    assert rows[0] == list(FIELDS)
    assert rows[1][FIELDS.index("reason")] == FILTER
    assert rows[2][FIELDS.index("reason")] == f"'{FORMULA}"
    assert centre.audit.export("csv").startswith("\ufeff")
    assert [row["number"] for row in json.loads(centre.audit.export("json"))] == [1, 2]


def test_a_password_in_the_field_of_the_name_is_not_kept(centre: Centre) -> None:
    centre.store.people.ensure("directory:li", "李", None)
    for outcome in ("refused", "blocked"):
        centre.store.people.record_attempt("Secret-9", None, "10.0.0.9", outcome)
    centre.store.people.record_attempt("Li", None, "10.0.0.9", "refused")
    rows = centre.audit.list()
    assert [row["detail"] for row in rows] == [{"from": "10.0.0.9"}] * 3
    assert [s["value"] for row in rows for s in row["subjects"]] == [centre.li.key]
    assert "Secret-9" not in centre.audit.export("json") + centre.audit.export("csv")


def test_a_run_for_several_departments_shows_each_its_own_requests(centre: Centre) -> None:
    references = []
    for code in ("fgw", "czj"):
        centre.tenant(code)
        number = centre.store.requests.create(Content(code, "toy", "new", "S", {}), centre.li, 0, None)
        references.append(centre.store.requests.get(number).reference)
    centre.store.audit.record(AuditAct.RUN_ENDED, None, tenants=["fgw", "czj"], behalf=Behalf(references))
    for code, own in zip(("fgw", "czj"), references, strict=True):
        assert centre.audit.trail(code)[0]["requests"] == [own]
    assert centre.audit.list()[0]["requests"] == references


def test_every_fault_of_a_question_is_told(centre: Centre) -> None:
    with pytest.raises(Invalid) as told:
        centre.audit.list({"tenant": "zzz", "act": "freze", "begin": "yesterday", "end": "never"})
    assert {p.field for p in told.value.problems} == {"tenant", "act", "from", "to"}
    assert "freeze" in str(next(p.remedy for p in told.value.problems if p.field == "act"))
    centre.tenant("skl")
    with pytest.raises(Invalid) as near:
        centre.audit.list({"tenant": "sklx"})
    assert [str(p.remedy) for p in near.value.problems] == ["Did you mean skl?"]


def test_an_act_outside_is_recorded_before_and_after(centre: Centre) -> None:
    with outside(centre.store, AuditAct.SNAPSHOT_PUBLISHED, centre.wang, [Subject("snapshot", "p1")]) as became:
        became["changed"] = True
    with pytest.raises(ValueError), outside(centre.store, AuditAct.MACHINE_MENDED, centre.wang):  # noqa: PT011
        raise ValueError
    found = centre.audit.list()[::-1]
    assert [row["outcome"] for row in found] == ["begun", "done", "begun", "failed"]
    assert found[1]["detail"] == {"changed": True}
    assert found[3]["detail"] == {"error": "ValueError"}


def test_every_act_and_fault_has_its_sentence() -> None:
    assert set(SENTENCES) == set(AuditAct)
    assert set(FAULTS) == {"changed", "missing", "unchained", "subjects"}
    assert all(len(act.value) <= 40 for act in AuditAct)


def test_every_outcome_that_is_recorded_has_its_word() -> None:
    kinds = (RunState, CheckState, AttachmentState)
    recorded = {state.value for kind in kinds for state in kind} | {"begun", "expired", "refused", "failed", "waiting"}
    assert sorted(recorded - STATES.keys()) == []
