"""Notices become mails: whom each is for, many for one person in one mail, handed over once, tried later and later.

Level-triggered: each step is a transaction, and nothing is remembered but in the database, so the worker may be killed
anywhere. A mail of which nobody knows whether it was handed over is looked up at the mail host before anything else.
"""

from __future__ import annotations

import builtins
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from control_plane.model.audit import AuditAct, Subject
from control_plane.model.errors import CouldNotMeasureError, NotFound, Rejected, TemporaryError
from control_plane.model.notice import FOR_CONTACTS, TO_DECIDE, Address, Notice, NoticeKind, Post, frame, one_line, say
from control_plane.model.people import ROLES, Person
from control_plane.model.request import ACTIONS, DECIDING, OPEN, Request, parse_reference, standing
from control_plane.model.run import Actor
from control_plane.model.states import state_word
from control_plane.model.text import Text, in_language, t
from control_plane.model.windows import moment_words
from control_plane.store.mail import Mail, StoredNotice
from control_plane.store.repository import Store
from control_plane.workflow.access import held
from control_plane.workflow.fault import reached
from control_plane.workflow.process import myself, process_alive
from control_plane.workflow.request_view import RequestView

if TYPE_CHECKING:
    from email.message import EmailMessage

LEASE = "mail"
#: Seconds from the first failure to the next try, doubled each time up to the second; tries until it is given up.
FIRST_PAUSE, LONGEST_PAUSE, TRIES = 30, 3600, 60
#: So long before it is due somebody is told that a request is.
SOON = timedelta(hours=24)
LANGUAGE = "zh_CN"
_ADDRESS = re.compile(
    r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*@([A-Za-z0-9-]+\.)+[A-Za-z0-9-]+\Z"
)


@dataclass(frozen=True)
class MailTicker:
    """Moves the outbox on. `gather`: seconds that notices wait for others to the same person; `operators`: an address
    that hears what concerns operators; `view` shows requests as the worker sees them; `fault` as elsewhere."""

    store: Store
    post: Callable[[], Post]
    view: Callable[[], RequestView]
    clock: Callable[[], datetime]
    domain: str
    console: str | None
    gather: int
    operators: str
    fault: str | None = None
    _seen: Counter[str] = field(default_factory=Counter)

    def tick(self) -> str | None:
        """One turn; a line for the log, or None. Nothing is done while another process does it."""
        lease = self.store.leases.acquire(LEASE, myself(), process_alive)
        if lease is None:
            return None
        try:
            self._due_soon()
            for stored in self.store.mail.unaddressed():
                self.store.mail.addressed(stored.id, self._whom(stored))
            self.store.mail.gather(self.clock() - timedelta(seconds=self.gather), self.domain)
            self._look_up()
            sent = [self._hand_over(mail) for mail in reversed(self.store.mail.find("waiting"))]
        finally:
            self.store.leases.release(lease)
        told = sum(state == "sent" for state in sent)
        later = sum(state is not None and state != "sent" for state in sent)
        return f"{told} sent, {later} not" if told or later else None

    # whom ----------------------------------------------------------------------------------------------------------
    def _due_soon(self) -> None:
        """Whoever's turn it is hears once of each date. What was told already costs one look."""
        view, now = self.view(), self.clock()
        soon: dict[str, Request] = {}
        for request in self.store.requests.list(states=OPEN):
            due = view.due(request)
            if due is not None and now < due.at <= now + SOON and not request.tenant_ended:
                soon[f"due/{request.id}/{due.at.date()}"] = request
        fresh = soon.keys() - self.store.mail.known(soon)
        ids = {row.code: row.id for row in self.store.estate.tenants()} if fresh else {}
        for key in sorted(fresh):
            request = soon[key]
            roles, people, _ = view.holders(request)
            if people:
                without = sorted(view.duties.taken(request))
                tenant, params = ids.get(request.content.tenant), {"request": request.reference}
                self.store.mail.notify(Notice(key, NoticeKind.DUE_SOON, (), roles, without, tenant, params))

    def _whom(self, stored: StoredNotice) -> builtins.list[Address]:
        if stored.tenant_ended:
            return []
        notice, book = stored.notice, _Book(self.store, self.domain)
        people = {person.key: person for person in self.store.people.all()}
        found = [book.of(people.get(key), self.store.actors.name(key)) for key in notice.people]
        told = [one for one in found if one is not None]
        if stored.code is not None and (notice.kind in FOR_CONTACTS or (notice.people and not told)):
            told += book.contacts(stored.code)
        for role in notice.roles:
            told += [
                one
                for person in people.values()
                if person.key not in notice.without
                and any(
                    grant.stands_for is None or grant.stands_for.key not in notice.without
                    for grant in held(person, role, stored.code)
                )
                for one in [book.of(person, person.name)]
                if one is not None
            ]
            if role == "operator":
                told.append(Address(self.operators, str(ROLES["operator"].title.render(LANGUAGE)), LANGUAGE))
        return told

    # handing over --------------------------------------------------------------------------------------------------
    def _look_up(self) -> None:
        """What a process that ended was just handing over: the mail host knows whether it has it."""
        for mail in self.store.mail.find("sending"):
            try:
                taken = self.post().accepted(mail.message_id)
            except CouldNotMeasureError as error:
                self.store.mail.settle(mail, "sending", error=str(error.text))
                continue
            self.store.mail.settle(mail, "sent" if taken else "waiting")

    def _hand_over(self, mail: Mail) -> str | None:
        """The mail's state afterwards; None: its time has not come."""
        if mail.next_at > self.clock() or not self.store.mail.settle(mail, "sending"):
            return None
        reached("mail.sending", self.fault, self._seen)
        mail = next(m for m in self.store.mail.find("sending") if m.id == mail.id)
        state, error, later = "sent", None, None
        try:
            self.post().send(self.message(mail))
        except Rejected as fault:
            state, error = "failed", str(fault.text)
        except TemporaryError as fault:
            state, error = self._again(mail), str(fault.text)
            later = self.clock() + timedelta(seconds=min(FIRST_PAUSE * 2 ** min(mail.tries - 1, 20), LONGEST_PAUSE))
        reached("mail.handed_over", self.fault, self._seen)
        self.store.mail.settle(mail, state, error=error, next_at=later)
        return state

    @staticmethod
    def _again(mail: Mail) -> str:
        return "failed" if mail.tries >= TRIES else "waiting"

    # words ---------------------------------------------------------------------------------------------------------
    def message(self, mail: Mail) -> EmailMessage:
        """The mail itself. What people typed is in its body, on lines of ours, and in no other head than the subject,
        encoded there by the standard library."""
        from email.headerregistry import Address as MailAddress
        from email.message import EmailMessage
        from email.policy import SMTP
        from email.utils import format_datetime

        language = mail.to.language
        with in_language(language):
            told = [(*self._said(one, language), self._page(one.notice)) for one in self.store.mail.notices_of(mail.id)]
        around = frame(language)
        one, many = around["one"].format(subject=told[0][0]), around["many"].format(count=len(told))
        message = EmailMessage(policy=SMTP)
        message["From"] = MailAddress("GASP", addr_spec=f"gasp@{self.domain}")
        message["To"] = MailAddress(one_line(mail.to.name), addr_spec=mail.to.mail)
        message["Subject"] = one if len(told) == 1 else many
        message["Date"] = format_datetime(mail.made_at)
        message["Message-ID"] = mail.message_id
        message["Auto-Submitted"] = "auto-generated"
        lines = [around["greeting"].format(name=one_line(mail.to.name)), ""]
        if len(told) == 1:
            lines += ["", told[0][1]]
        else:
            lines += [
                f"{mark}{said}" for one in told for mark, said in zip(("- ", "  ", "  "), one, strict=True) if said
            ]
        if self.console:
            lines += ["", around["where"].format(address=(told[0][2] if len(told) == 1 else None) or self.console)]
        lines += ["", "-- ", around["footer"]]
        message.set_content("\n".join(lines).replace("\n\n\n", "\n\n") + "\n", cte="base64")
        message["Content-Language"] = "zh-CN" if language == "zh_CN" else "en"
        return message

    def _page(self, notice: Notice) -> str | None:
        """The address of the request that a notice is about: its review for who decides, its own page for others."""
        if self.console is None or "request" not in notice.params:
            return None
        side = "console" if notice.kind in TO_DECIDE else "portal"
        return f"{self.console.rstrip('/')}/{side}/requests/{notice.params['request']}"

    def _said(self, stored: StoredNotice, language: str) -> tuple[str, str]:
        notice, kind = stored.notice, stored.notice.kind
        params = dict(notice.params)
        if "request" in params:
            request = self.store.requests.get(parse_reference(str(params["request"])) or 0)
            params = {**self._words(request, notice.tenant, language), **params}
            if kind is NoticeKind.TO_SIGN and not (
                request.state in DECIDING and set(request.missing) & set(notice.roles)
            ):
                kind = NoticeKind.SIGNED  # others were faster than this mail
        elif notice.tenant is not None:
            params = {"tenant": self._named(notice.tenant, stored.code, language), **params}
        for word in [name for name in params if name.startswith("person/")]:
            params[word.partition("/")[2]] = self._called(str(params.pop(word)))
        return say(kind, params, language)

    def _called(self, key: str) -> str:
        name = self.store.actors.name(key)
        person = self.store.people.find(name)
        return person.display if person is not None else name

    def _named(self, tenant_id: str | None, code: str | None, language: str) -> str:
        """A tenant's name in the reader's language; `code` when nobody knows one."""
        names = next((row.names for row in self.store.estate.tenants(ended=True) if row.id == tenant_id), None)
        return (code or "–") if names is None else names.zh if language == "zh_CN" else names.en

    def _words(self, request: Request, tenant_id: str | None, language: str) -> dict[str, str | Text]:
        """What a text may say of a request, as it is now."""
        view, content = self.view(), request.content
        due, offering = view.due(request), view.offerings.get(content.offering)
        who, until = str(view.holders(request)[2]), moment_words(due.at if due is not None else None)
        turn = t("It waits for the signature of {who}.", who=who) if request.state in DECIDING else standing(request)
        ends = t("It waits for the signature of {who}. It is due {due}.", who=who, due=until)
        return {
            "service": offering.title if offering is not None else content.offering,
            "action": ACTIONS[content.action],
            "tenant": self._named(tenant_id, content.tenant, language),
            "who": who,
            "due": until,
            "turn": turn,
            "stands": ends if request.state in DECIDING else turn,
        }


class Mails:
    """Implements `model.client_mail.MailClient`."""

    def __init__(self, store: Store, actor: Callable[[], Actor], clock: Callable[[], datetime]) -> None:
        self.store, self.actor, self.clock = store, actor, clock

    def list(self, *, state: str | None = None, limit: int = 200) -> builtins.list[dict[str, Any]]:
        """See `MailClient.list`."""
        found = self.store.mail.find(state, limit)
        told = self.store.mail.told(mail.id for mail in found)
        return [self._row(mail, told[mail.id]) for mail in found]

    def retry(self, mail_id: int) -> dict[str, Any]:
        """See `MailClient.retry`."""
        with self.store.transaction():
            mail = next((m for m in self.store.mail.find() if m.id == mail_id), None)
            if mail is None:
                raise NotFound(t("There is no mail {number}.", number=mail_id), t("See gasp mail list."))
            if mail.state not in ("failed", "waiting"):
                raise Rejected(
                    t("Mail {number} is {state}.", number=mail_id, state=state_word(mail.state)),
                    t("See gasp mail list."),
                )
            self.store.mail.settle(mail, "waiting", next_at=self.clock())
            self.store.audit.record(AuditAct.MAIL_RETRIED, self.actor(), [Subject("mail", str(mail_id))])
            again = next(m for m in self.store.mail.find() if m.id == mail_id)
            return self._row(again, self.store.mail.notices_of(mail_id))

    @staticmethod
    def _row(mail: Mail, told: Sequence[StoredNotice]) -> dict[str, Any]:
        return {
            "id": mail.id,
            "address": mail.to.mail,
            "name": mail.to.name,
            "language": mail.to.language,
            "kinds": [stored.notice.kind.value for stored in told],
            "notices": len(told),
            "state": mail.state,
            "tries": mail.tries,
            "made_at": mail.made_at.isoformat(),
            "next_at": mail.next_at.isoformat(),
            "sent_at": mail.sent_at.isoformat() if mail.sent_at else None,
            "error": mail.error,
            "message_id": mail.message_id,
        }


class _Book:
    """Addresses: of people from the directory entries of their tenants, of tenants from their contacts."""

    def __init__(self, store: Store, domain: str) -> None:
        self._store, self._domain = store, domain
        self._entries: dict[str, Mapping[str, Any]] | None = None

    def of(self, person: Person | None, name: str) -> Address | None:
        """Where somebody of the directory is reached; None for local accounts and programs."""
        kind, _, uid = name.partition(":")
        if kind != "directory":
            return None
        if self._entries is None:
            self._entries = {
                entry["uid"]: entry
                for subscription in self._store.estate.subscriptions(offering="directory")
                for entry in subscription.spec.get("people", ())
            }
        entry = self._entries.get(uid, {})
        display = person.display if person is not None else entry.get("display_name", uid)
        language = (person.language if person is not None else None) or LANGUAGE
        return _sound(Address(entry.get("mail") or f"{uid}@{self._domain}", display, language))

    def contacts(self, code: str) -> builtins.list[Address]:
        """Contacts of a tenant that have an address; liaisons alone, if there are any."""
        row = self._store.estate.tenant(code)
        found = [c for c in (row.document.contacts if row is not None else ()) if c.email]
        chosen: Iterable[Any] = [c for c in found if c.role == "liaison"] or found
        return [one for c in chosen if (one := _sound(Address(c.email, c.name, LANGUAGE))) is not None]


def _sound(address: Address) -> Address | None:
    """An address that a mail's head can bear; None for anything else."""
    return address if _ADDRESS.match(address.mail) and len(address.mail) <= 254 else None
