"""Mail: who is told what, once, in one mail, in their language; nothing typed steers it; killed anywhere it goes on."""

from __future__ import annotations

import string
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any

import pytest
import yaml
from sqlalchemy import event

from control_plane.model import notice
from control_plane.model.errors import CouldNotMeasureError, NotFound, Rejected, TemporaryError
from control_plane.model.notice import Notice, NoticeKind, frame, say
from control_plane.model.run import RunState
from control_plane.model.tenant import Contact
from control_plane.model.text import LANGUAGES, in_language, t
from control_plane.store.estate_rows import SubscriptionChange
from control_plane.store.leases import Holder
from control_plane.workflow import mail as mailing
from control_plane.workflow.applying import Order
from control_plane.workflow.audit import Audit
from control_plane.workflow.mail import Mails, MailTicker
from tests.unit.workflow.asking import Office

#: Who hears of a request of fgw that was submitted, beside its asker.
SIGNERS = {f"{name}@qingdao.test" for name in ("chief", "both", "operator", "ops")}
ALL = len(SIGNERS) + 1
HOSTILE = "x\r\nBcc: all@qingdao.test\r\n\r\n<script>alert(1)</script> {request} %s \x1b[31m\u202e"


@dataclass
class Host:
    """A mail host in memory; `fault` is raised instead of taking a message."""

    taken: list[EmailMessage] = field(default_factory=list)
    fault: Exception | None = None
    away: bool = False

    def send(self, message: EmailMessage) -> None:
        if self.fault is not None:
            raise self.fault
        self.taken.append(message_from_bytes(message.as_bytes(), policy=default))  # type: ignore[arg-type]

    def accepted(self, message_id: str) -> bool:
        if self.away:
            raise CouldNotMeasureError(t("No route to host"))
        return message_id in [m["Message-ID"] for m in self.taken]

    def to(self, address: str) -> list[EmailMessage]:
        return [m for m in self.taken if m["To"].addresses[0].addr_spec == address]


class Room:
    """An office with a mail room. Its clock goes only when told to."""

    def __init__(self, centre: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        self.office, self.host, self.centre = Office(centre), Host(), centre
        self.store, self.now = centre.store, datetime(2026, 11, 24, 2, tzinfo=UTC)
        for area in vars(self.store).values():
            if hasattr(area, "_clock"):
                monkeypatch.setattr(area, "_clock", lambda: self.now)
        view = self.office.of("local:worker").view
        self.ticker = MailTicker(
            self.store,
            lambda: self.host,
            view,
            lambda: self.now,
            "qingdao.test",
            "https://console/",
            60,
            "ops@qingdao.test",
        )

    def later(self, seconds: float = 61) -> list[EmailMessage]:
        """What goes out in a turn after some time."""
        before = len(self.host.taken)
        self.ticker.tick()
        self.now += timedelta(seconds=seconds)
        self.ticker.tick()
        return self.host.taken[before:]


@pytest.fixture
def room(centre: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Room]:
    with in_language("en"):
        yield Room(centre, monkeypatch)


def text(message: EmailMessage) -> str:
    return str(message.get_content())


def test_from_submission_to_live_each_is_told_their_part(room: Room) -> None:
    request = room.office.ask("clerk", "fgw", names=["a.qingdao.test"])
    told = {m["To"].addresses[0].addr_spec: m for m in room.later()}
    assert set(told) == {"clerk@qingdao.test", *SIGNERS}
    assert request["reference"] in told["clerk@qingdao.test"]["Subject"]
    assert "已提交" in told["clerk@qingdao.test"]["Subject"]
    assert "签批" in told["chief@qingdao.test"]["Subject"]
    assert f"https://console/console/requests/{request['reference']}" in text(told["chief@qingdao.test"])
    room.office.sign("chief", request)
    room.office.sign("operator", request)
    room.office.ticker.tick()
    (both,) = room.later()
    assert both["To"].addresses[0].addr_spec == "clerk@qingdao.test"
    assert "2" in both["Subject"], "approved and live within a minute are one mail"
    assert "已批准" in text(both)
    assert "已开通" in text(both)
    assert room.later() == [], "and nobody is told twice"


def test_a_mail_that_comes_after_the_signatures_says_what_is_true(room: Room) -> None:
    request = room.office.ask("clerk", "fgw", names=["a.qingdao.test"])
    room.office.sign("chief", request)
    room.office.sign("operator", request)
    told = {m["To"].addresses[0].addr_spec: text(m) for m in room.later()}
    assert "等待签批" not in told["clerk@qingdao.test"]
    assert "全部签批完毕" in told["clerk@qingdao.test"]
    assert "已无需您签批" in told["chief@qingdao.test"]
    assert "等您签批。" not in told["chief@qingdao.test"]


def test_who_has_not_signed_yet_is_still_waited_for(room: Room) -> None:
    request = room.office.ask("clerk", "fgw", names=["a.qingdao.test"])
    room.office.sign("chief", request)
    told = {m["To"].addresses[0].addr_spec: text(m) for m in room.later()}
    assert "等您签批" in told["operator@qingdao.test"]
    assert "Operator" in told["clerk@qingdao.test"]


def test_a_change_that_nobody_signs_is_not_said_to_be_signed(room: Room) -> None:
    change = SubscriptionChange("fgw", "toy", "S", {"names": ["a"], "people": ["p1"]}, 0)
    room.store.estate.change(room.centre.actor, "import 2", [change], {("fgw", "toy"): []})
    room.centre.applier.apply(Order("estate"), room.centre.actor)
    request = room.office.ask("clerk", "fgw", "change", names=["a"], people=["p1", "p2"])
    assert (request["class"], request["needs"]) == ("standard", [])
    assert "signed" not in request["sentence"]
    told = [text(mail) for mail in room.later()]
    assert told
    for said in told:
        assert "签批完毕" not in said
        assert "等待签批" not in said
    assert any("无需签批" in said for said in told)


def test_open_18_submitted_three_times_is_one_entry_and_one_mail(room: Room) -> None:
    request = room.office.ask("clerk", "fgw", names=["a.qingdao.test"])
    for _ in range(2):
        assert room.office.of("clerk").submit(request["id"])["id"] == request["id"]
    room.later()
    assert len(room.host.to("clerk@qingdao.test")) == 1
    assert len(Audit(room.store).list({"act": "request.submitted"})) == 1


def test_the_readers_language(room: Room) -> None:
    person = room.store.people.find("directory:clerk")
    room.store.people.prefer(person.key, "en", "auto")
    request = room.office.ask("clerk", "fgw", names=["a.qingdao.test"])
    room.office.of("chief").send_back(request["id"], reason="which colour?")
    room.later()
    (mail,) = room.host.to("clerk@qingdao.test")
    assert mail["Content-Language"] == "en"
    assert "came back with a question: which colour?" in text(mail)
    assert "Dear Clerk," in text(mail)
    assert f"https://console/portal/requests/{request['reference']}" in text(mail)


def test_failed_names_who_acts_and_tells_operators(room: Room) -> None:
    request = room.office.signed("clerk", "fgw", ("chief", "operator"), names=["a.qingdao.test"])
    room.later()
    room.host.taken.clear()
    room.centre.dns.refuse["dns.rrset/a.qingdao.test"] = t("no space left")
    room.office.ticker.tick()
    assert room.office.state(request) == "failed"
    told = {m["To"].addresses[0].addr_spec: text(m) for m in room.later()}
    assert set(told) == {"clerk@qingdao.test", "operator@qingdao.test", "ops@qingdao.test"}
    assert all("no space left" in said for said in told.values())
    assert "Operator" in told["clerk@qingdao.test"]


def test_another_tenant_hears_nothing(room: Room) -> None:
    room.office.ask("clerk", "fgw", names=["a.qingdao.test"])
    room.later()
    assert not [
        m for m in room.host.taken if m["To"].addresses[0].addr_spec in ("clerk2@qingdao.test", "chief2@qingdao.test")
    ]


def test_due_soon_once_to_whose_turn_it_is(room: Room) -> None:
    request = room.office.ask("clerk", "fgw", names=["a.qingdao.test"])
    room.later()
    room.host.taken.clear()
    due = room.office.of("local:worker").view().due(room.store.requests.get(request["id"]))
    assert due is not None
    room.now = due.at - timedelta(hours=20)
    told = room.later()
    assert {m["To"].addresses[0].addr_spec for m in told} == SIGNERS
    assert "到期" in told[0]["Subject"]
    assert room.later(3600) == []


def test_what_was_told_costs_one_look_and_no_write(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    requests = [room.office.ask("clerk", "fgw", names=["a.qingdao.test"])]
    requests.append(room.office.ask("clerk2", "gaj", names=["b.qingdao.test"]))
    due = room.office.of("local:worker").view().due(room.store.requests.get(requests[0]["id"]))
    assert due is not None
    room.now = due.at - timedelta(hours=20)
    room.later()
    room.later()

    def never(notice: Notice) -> None:
        raise AssertionError(notice)

    monkeypatch.setattr(room.store.mail, "notify", never)
    statements: list[str] = []
    event.listen(room.store.database.engine, "before_cursor_execute", lambda *a: statements.append(a[2]))
    room.ticker.tick()
    assert not any("FROM tenants" in s and "JOIN" not in s for s in statements), "nobody is called by name"
    statements.clear()
    monkeypatch.setattr(room.store.leases, "acquire", lambda *_: None)
    room.ticker.tick()
    assert statements == [], "another process is at it"


def test_a_list_of_mails_takes_few_statements(room: Room) -> None:
    room.office.ask("clerk", "fgw", names=["a.qingdao.test"])
    room.office.ask("clerk2", "gaj", names=["b.qingdao.test"])
    room.later()
    statements: list[str] = []
    event.listen(room.store.database.engine, "before_cursor_execute", lambda *a: statements.append(a[2]))
    rows = Mails(room.store, lambda: room.centre.actor, lambda: room.now).list()
    assert len(rows) > 5
    assert all(row["kinds"] and row["notices"] == len(row["kinds"]) for row in rows)
    assert max(row["notices"] for row in rows) == 2
    assert len([s for s in statements if s.startswith("SELECT")]) <= 3


def test_who_signs_and_who_hears_of_it_are_the_same(room: Room) -> None:
    for name, role, tenant in (("wide", "approver", None), ("narrow", "operator", "fgw")):
        person = room.store.people.ensure(f"directory:{name}", name.title())
        room.store.people.grant(person, role, tenant, None, "by another way in", room.centre.actor)
    request = room.office.ask("clerk", "fgw", names=["a.qingdao.test"])
    for name in ("wide", "narrow"):
        assert "sign" not in room.office.of(name).show(request["id"])["acts"]
    assert set(request["has_it"]["names"]) == {f"directory:{n}" for n in ("chief", "both", "operator")}
    assert {m["To"].addresses[0].addr_spec for m in room.later()} == {"clerk@qingdao.test", *SIGNERS}


def test_a_run_that_failed_is_told_to_operators(room: Room) -> None:
    run = room.store.runs.create("apply", "tenant:fgw", None, room.centre.actor, Holder(1, 2, "x"))
    room.store.runs.set_state(run, RunState.PARTLY, None, room.now)
    good = room.store.runs.create("apply", "tenant:fgw", None, room.centre.actor, Holder(1, 2, "x"))
    room.store.runs.set_state(good, RunState.DONE, None, room.now)
    (mail,) = [m for m in room.later() if m["To"].addresses[0].addr_spec == "ops@qingdao.test"]
    assert f" {run} " in mail["Subject"]


def test_what_is_typed_steers_no_mail(room: Room) -> None:
    room.store.people.ensure("directory:clerk", HOSTILE)
    request = room.office.ask("clerk", "fgw", names=["a.qingdao.test"])
    room.office.of("chief").refuse(request["id"], reason=HOSTILE)
    (mail,) = [m for m in room.later() if m["To"].addresses[0].addr_spec == "clerk@qingdao.test"]
    assert mail["Bcc"] is None
    assert len(mail["To"].addresses) == 1
    assert len(mail.get_all("Subject")) == 1
    assert mail.get_content_type() == "text/plain"
    said = text(mail)
    assert "<script>alert(1)</script> {request} %s" in said, "as typed, as words"
    assert not set(said) & set("\x1b\u202e")
    assert "\nBcc" not in said


@pytest.mark.parametrize("bad", ["a@b.test, c@d.test", "a b@c.test", "a@b@c.test", "a\n@b.test", "张@b.test", "", "x"])
def test_an_address_that_no_head_can_bear_is_none(bad: str) -> None:
    assert mailing._sound(notice.Address(bad, "x", "en")) is None


def test_killed_after_handing_over_nothing_comes_twice(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    room.office.ask("clerk", "fgw", names=["a.qingdao.test"])
    room.ticker.tick()
    room.now += timedelta(seconds=61)
    settle = room.store.mail.settle

    def killed(mail: Any, state: str, **more: Any) -> bool:
        if state == "sent":
            raise KeyboardInterrupt
        return bool(settle(mail, state, **more))

    with monkeypatch.context() as patch:
        patch.setattr(room.store.mail, "settle", killed)
        with pytest.raises(KeyboardInterrupt):
            room.ticker.tick()
    assert len(room.host.taken) == 1
    room.host.away = True
    room.ticker.tick()
    assert [m.state for m in room.store.mail.find("sending")] == ["sending"], "nobody knows: it is not sent again"
    room.host.away = False
    room.ticker.tick()
    assert len(room.host.taken) == ALL
    assert len({m["Message-ID"] for m in room.host.taken}) == ALL
    assert {m.state for m in room.store.mail.find()} == {"sent"}


def test_killed_before_handing_over_it_comes_once(room: Room) -> None:
    room.office.ask("clerk", "fgw", names=["a.qingdao.test"])
    room.ticker.tick()
    room.now += timedelta(seconds=61)
    room.host.fault = KeyboardInterrupt()  # type: ignore[assignment]
    with pytest.raises(KeyboardInterrupt):
        room.ticker.tick()
    room.host.fault = None
    room.ticker.tick()
    room.ticker.tick()
    assert len(room.host.taken) == ALL


def test_a_host_that_is_away_is_asked_later_and_later(room: Room) -> None:
    room.office.ask("clerk", "fgw", names=["a.qingdao.test"])
    room.host.fault = TemporaryError(t("No route to host"))
    pauses = []
    room.later()
    for _ in range(4):
        mail = room.store.mail.find("waiting")[0]
        assert mail.error == "No route to host"
        pauses.append((mail.next_at - room.now).total_seconds())
        room.now = mail.next_at
        room.ticker.tick()
    assert pauses == [30, 60, 120, 240]
    room.host.fault = None
    room.now += timedelta(hours=1)
    room.ticker.tick()
    assert len(room.host.taken) == ALL


def test_what_is_refused_for_good_waits_for_a_person(room: Room) -> None:
    room.office.ask("clerk", "fgw", names=["a.qingdao.test"])
    room.host.fault = Rejected(t("No such user"))
    room.later()
    room.host.fault = None
    assert room.later(3600) == []
    mails = Mails(room.store, lambda: room.centre.actor, lambda: room.now)
    failed = mails.list(state="failed")
    assert len(failed) == ALL
    mails.retry(failed[0]["id"])
    assert len(room.later()) == 1
    with pytest.raises(Rejected):
        mails.retry(failed[0]["id"])
    with pytest.raises(NotFound):
        mails.retry(99)


def test_the_contacts_of_a_tenant_stand_in_for_who_has_no_address(room: Room) -> None:
    contact = Contact(name="丁", email="ding@qingdao.test")
    document = room.centre.document("fgw").model_copy(update={"contacts": (contact,)})
    room.store.estate.put_tenants(room.centre.actor, "test", [document])
    tenant = next(row.id for row in room.store.estate.tenants() if row.code == "fgw")
    local = room.store.people.ensure("account:night", "Night").key
    room.store.mail.notify(Notice("k", NoticeKind.RUN_FAILED, [local], tenant=tenant, params={"subject": "1"}))
    room.store.mail.notify(Notice("k", NoticeKind.RUN_FAILED, [local], tenant=tenant, params={"subject": "2"}))
    assert [m["To"].addresses[0].addr_spec for m in room.later()] == ["ding@qingdao.test"]
    assert len(room.store.mail.notices_of(1)) == 1, "one event, one notice"


def test_a_mail_and_its_event_are_one(room: Room) -> None:
    def act_and_fail() -> None:
        with room.store.transaction():
            run = room.store.runs.create("apply", "estate", None, room.centre.actor, Holder(1, 2, "x"))
            room.store.runs.set_state(run, RunState.FAILED, None, room.now)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        act_and_fail()
    assert room.store.mail.unaddressed() == []


def test_every_kind_has_its_words_in_both_languages() -> None:
    texts = yaml.safe_load((notice.resources.files("control_plane.model") / "notices.yml").read_text("utf-8"))
    assert set(texts["kinds"]) == {kind.value for kind in NoticeKind}
    known = {"request", "service", "tenant", "action", "why", "who", "due", "state", "subject"} | {
        *("role", "since", "until", "for", "percent", "limit", "rate", "release", "place", "what", "stands", "turn"),
    }

    def fields(said: str) -> set[str]:
        return {name for _, name, _, _ in string.Formatter().parse(said) if name}

    for kind in NoticeKind:
        for part in ("subject", "text"):
            named = [fields(texts["kinds"][kind.value][language][part]) for language in LANGUAGES]
            assert named[0] == named[1], kind
            assert named[0] <= known, kind
        assert say(kind, {}, "zh_CN") != say(kind, {}, "en")
    assert all(set(frame(language)) == {"one", "many", "greeting", "where", "footer"} for language in LANGUAGES)
