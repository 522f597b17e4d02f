"""Signing in: a password, a second factor where a role wants one, a session that can be ended at any time.

An unknown name, a wrong password and a disabled entry get the same answer after about the same time. Nothing here
keeps a password, a code, or the value that a browser holds: the database knows hashes.
"""

from __future__ import annotations

import hashlib
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Protocol

from control_plane.model import password as passwords
from control_plane.model.audit import AuditAct, Subject
from control_plane.model.errors import Invalid, Problem, Rejected, TemporaryError
from control_plane.model.people import LEFT, FactorOf, Person, Session, Stage
from control_plane.model.run import Actor
from control_plane.model.text import t, tn
from control_plane.store.repository import Store
from control_plane.workflow.accounts_directory import Directory, Shielded

IDLE = timedelta(minutes=30)
LONGEST = timedelta(hours=12)
#: For the steps between the password and the open door.
UNFINISHED = timedelta(minutes=10)
SEEN_EVERY = timedelta(minutes=1)
#: So long a look at the directory counts, seconds: who is cut there by hand is cut here no later. After a sign-in the
#: first look counts shorter, as somebody may be leaving in that very moment.
LEAVER_SECONDS, AT_SIGN_IN = 60.0, 1.0
WINDOW = timedelta(minutes=30)
FREE_PER_NAME, FREE_PER_ADDRESS = 5, 30
LONGEST_WAIT = timedelta(minutes=15)


class Proofs(Protocol):
    """Hashes, sealed secrets and codes (`drivers/vault.py`)."""

    def hash(self, password: str) -> str:
        """A verifier for later."""
        ...

    def verify(self, verifier: str | None, password: str) -> bool:
        """Whether it is the password; None: no, after the same time."""
        ...

    def new_factor(self) -> str:
        """A fresh second factor."""
        ...

    def seal(self, secret: str) -> str:
        """A form for the database."""
        ...

    def unseal(self, sealed: str) -> str:
        """Inverse of `seal`."""
        ...

    def step(self, secret: str, code: str, now: datetime) -> int | None:
        """The time step of a right code."""
        ...

    def address(self, secret: str, login: str) -> str:
        """What an authenticator takes."""
        ...


class SignInRefused(Rejected):
    """Not this name with this password, or not this code. Says no more than that."""

    code = "sign-in-refused"


class TooManyAttempts(TemporaryError):
    """Too many failures of this name or address; `delay` seconds are to wait."""

    code = "too-many-attempts"


class SignIn:
    """Opens, follows and ends sessions."""

    def __init__(
        self,
        store: Store,
        directory: Callable[[], Directory],
        proofs: Proofs,
        clock: Callable[[], datetime],
        monotonic: Callable[[], float] = time.monotonic,
        factor_of: FactorOf = "centre",
    ) -> None:
        self.store = store
        self._directory = directory
        self.proofs = proofs
        self.clock = clock
        self._monotonic = monotonic
        self._factor_of = factor_of
        self._here: dict[str, float] = {}
        self._guess = threading.BoundedSemaphore(4)

    def directory(self) -> Directory:
        """The directory; what went wrong on the way to it is not told to who signs in."""
        return Shielded(self._directory)

    # coming in ---------------------------------------------------------------------------------------------------
    def start(self, typed: str, password: str, address: str, agent: str) -> str:
        """The value for the browser of a session that has just begun; its stage says what comes next.

        Raises SignInRefused, TooManyAttempts, TemporaryError (the directory is away; local accounts still work).
        """
        asked, typed = typed.strip(), typed.strip().replace("\0", "\N{REPLACEMENT CHARACTER}")
        self._throttle(typed, address)
        with self._one_of_few():
            person = self._prove(asked, password)
        if person is None:
            self.store.people.record_attempt(typed, None, address, "refused")
            raise SignInRefused(t("Name or password is not right."))
        token = secrets.token_urlsafe(32)
        stage = self._next(person, proven=False)
        life = LONGEST if stage is Stage.OPEN else UNFINISHED
        self.store.people.open_session(_id(token), person, stage, self._end(life), address, agent)
        if stage is Stage.OPEN:
            self.store.people.record_attempt(typed, person.key, address, "signed_in")
        return token

    @contextmanager
    def _one_of_few(self) -> Iterator[None]:
        """Hashing needs memory: a few guesses at a time, the others are sent away."""
        if not self._guess.acquire(timeout=10):
            raise TooManyAttempts(t("Many people are signing in. Try again in a moment."), delay=5)
        try:
            yield
        finally:
            self._guess.release()

    def _throttle(self, typed: str, address: str) -> None:
        by_name, by_address = self.store.people.failures(typed, address, WINDOW)
        wait = max(self._wait(*by_name, FREE_PER_NAME), self._wait(*by_address, FREE_PER_ADDRESS))
        if wait > 0:
            self.store.people.record_attempt(typed, None, address, "blocked")
            raise TooManyAttempts(
                tn(
                    "Too many attempts. Try again in {seconds} second.",
                    "Too many attempts. Try again in {seconds} seconds.",
                    count=int(wait) + 1,
                    seconds=int(wait) + 1,
                ),
                delay=wait,
            )

    def _wait(self, count: int, newest: datetime | None, free: int) -> float:
        if count < free or newest is None:
            return 0.0
        pause = min(timedelta(seconds=15 * 2 ** min(count - free, 10)), LONGEST_WAIT)
        return (newest + pause - self.clock()).total_seconds()

    def _prove(self, typed: str, password: str) -> Person | None:
        usable = bool(typed) and bool(password) and "\0" not in typed + password and len(password) <= passwords.LONGEST
        local = self.store.people.find(f"account:{typed.lower()}") if usable else None
        if local is not None:
            verifier = self.store.people.credentials(local.key).verifier
            return local if self.proofs.verify(verifier, password) else None
        if not usable:
            self.proofs.verify(None, "-")
            return None
        entry = self.directory().find(typed)
        if entry is None:
            self.proofs.verify(None, password)
            return None
        if not self.directory().check_bind(entry.dn, password) or entry.disabled:
            return None
        person = self.store.people.ensure(f"directory:{entry.uid.lower()}", entry.display, entry.tenant, entry.key)
        known = self.store.people.credentials(person.key)
        if known.directory_key != entry.key:
            raise SignInRefused(
                t("This name belonged to somebody else before."), t("Ask the centre to reset the name for you.")
            )
        if known.must_change != entry.must_change:
            self.store.people.set_must_change(person.key, entry.must_change)
        self._here[person.key] = self._monotonic() - LEAVER_SECONDS + AT_SIGN_IN
        return person

    def _next(self, person: Person, *, proven: bool) -> Stage:
        if person.enrolled and not proven:
            return Stage.CODE
        if self.store.people.credentials(person.key).must_change:
            return Stage.PASSWORD
        return Stage.ENROL if self._lacks_factor(person) else Stage.OPEN

    def _lacks_factor(self, person: Person) -> bool:
        return person.needs_second_factor(self._factor_of) and not person.enrolled

    def unfinished(self, person: Person) -> bool:
        """Whether there is something left for them to do before anything may be done in their name."""
        return self._lacks_factor(person) or self.store.people.credentials(person.key).must_change

    def _advance(self, session: Session) -> str:
        """The next stage, under a new value for the browser."""
        person = self.store.people.find(session.person.name)
        assert person is not None
        stage, token = self._next(person, proven=True), secrets.token_urlsafe(32)
        end = self._end(LONGEST if stage is Stage.OPEN else UNFINISHED)
        self.store.people.move_session(session.id, _id(token), stage, end)
        if stage is Stage.OPEN and session.stage is not Stage.OPEN:
            self.store.people.record_attempt(person.login, person.key, session.address, "signed_in")
        return token

    def _end(self, life: timedelta) -> datetime:
        return self.clock() + min(life, IDLE)

    # codes -------------------------------------------------------------------------------------------------------
    def confirm_code(self, session: Session, code: str) -> str:
        """The second step: a code that was not used before. Returns the new value for the browser."""
        _must_be(session, Stage.CODE)
        self._check_code(session, code)
        return self._advance(session)

    def _check_code(self, session: Session, code: str) -> None:
        person = session.person
        self._throttle(person.login, session.address)
        sealed = self.store.people.credentials(person.key).second_factor
        digits = "".join(c for c in code if not c.isspace())
        step = self.proofs.step(self.proofs.unseal(sealed), digits, self.clock()) if sealed else None
        if step is None or not self.store.people.use_step(person.key, step):
            self.store.people.record_attempt(person.login, person.key, session.address, "refused")
            raise SignInRefused(t("This code is not right, or was used before. Wait for the next one."))

    def factor(self, session: Session) -> tuple[str, str]:
        """The second factor that waits to be confirmed, made at the first call: (secret, address). Raises Rejected
        for somebody who has one: it is never shown again."""
        _must_be(session, Stage.ENROL, Stage.OPEN)
        person = session.person
        if person.enrolled:
            raise Rejected(t("You have a second factor already."), t("The centre can reset it: gasp users reset"))
        sealed = self.store.people.credentials(person.key).second_factor
        secret = self.proofs.unseal(sealed) if sealed else self.proofs.new_factor()
        if not sealed:
            self.store.people.set_factor(person.key, self.proofs.seal(secret), enrolled=False)
        return secret, self.proofs.address(secret, person.login)

    def enrol(self, session: Session, code: str) -> str:
        """Confirm the second factor with its first code."""
        secret, _ = self.factor(session)
        self._check_code(session, code)
        with self.store.transaction():
            self.store.people.set_factor(session.person.key, self.proofs.seal(secret), enrolled=True)
            self._record(AuditAct.FACTOR_ENROLLED, session)
        step = self.proofs.step(secret, "".join(code.split()), self.clock())
        self.store.people.use_step(session.person.key, step or 0)
        return self._advance(session)

    def _words(self, person: Person) -> list[str]:
        """Words that somebody who knows the centre and this person would guess with."""
        estate = self.store.estate.document()
        place = [*estate.domain.split("."), estate.title.zh, estate.title.en or ""] if estate else []
        return [*place, person.display, person.tenant or ""]

    # passwords ---------------------------------------------------------------------------------------------------
    def change_password(self, session: Session, old: str, new: str, again: str) -> str:
        """A new password of one's own; all other sessions end. Raises Invalid with every problem, Rejected."""
        _must_be(session, Stage.PASSWORD, Stage.OPEN)
        person = session.person
        if problems := passwords.problems(old, new, again, person.login, self._words(person)):
            raise Invalid(problems)
        self._throttle(person.login, session.address)
        local = person.kind == "account"
        entry = None if local else self.directory().find(person.login)
        with self._one_of_few():
            right = (
                self.proofs.verify(self.store.people.credentials(person.key).verifier, old)
                if local
                else entry is not None and self.directory().check_bind(entry.dn, old)
            )
        if not right:
            self.store.people.record_attempt(person.login, person.key, session.address, "refused")
            text = t("This is not your present password.")
            raise Invalid([Problem("bad-old", text, t("Enter it once more."), field="old")])
        if local:
            self.store.people.set_verifier(person.key, self.proofs.hash(new), must_change=False)
        elif entry is not None:
            self.directory().set_password(entry.dn, new)
            self.store.people.set_must_change(person.key, False)
        with self.store.transaction():
            self._record(AuditAct.PASSWORD_CHANGED, session)
            self.store.people.end_sessions(person.key, spare=session.id)
        return self._advance(session)

    def _record(self, act: AuditAct, session: Session) -> None:
        person = session.person
        about, detail = [Subject("person", person.key)], {"from": session.address}
        self.store.audit.record(act, Actor(person.key, person.name), about, detail=detail)

    # sessions ----------------------------------------------------------------------------------------------------
    def session(self, token: str | None) -> Session | None:
        """The living session behind a browser's value. A leaver's ends here. Raises TemporaryError when the
        directory has not answered for longer than `LEAVER_SECONDS`."""
        session = self.store.people.session(_id(token)) if token else None
        if session is None:
            return None
        person = self.present(session.person)
        if person is None:
            self.store.people.end_sessions(session.person.key)
            return None
        if person is not session.person:
            return self.store.people.session(session.id)
        if session.stage is Stage.OPEN and self._lacks_factor(session.person):
            self.store.people.move_session(session.id, session.id, Stage.ENROL, self._end(UNFINISHED))
            return self.store.people.session(session.id)
        now = self.clock()
        if session.stage is Stage.OPEN and now - session.seen_at > SEEN_EVERY:
            self.store.people.seen(session.id, min(now + IDLE, session.created_at + LONGEST))
        return session

    def present(self, person: Person, within: float = LEAVER_SECONDS) -> Person | None:
        """Somebody as they are now; None when they left. What they hold for somebody else who left ends here. A look at
        the directory counts for `within` seconds. Raises TemporaryError as `session`."""
        if not self._still_here(person, within):
            return None
        for other in (g.stands_for for g in person.grants if g.stands_for is not None):
            principal = self.store.people.find(other.name)
            if principal is not None and not self._still_here(principal, within):
                for found in self.store.substitutes.of(principal.key):
                    self.store.substitutes.end(found, str(LEFT), None)
                return self.store.people.find(person.name)
        return person

    def _still_here(self, person: Person, within: float) -> bool:
        seen = self._here.get(person.key)
        if person.kind != "directory" or (seen is not None and self._monotonic() - seen < within):
            return True
        entry = self.directory().find(person.login)
        known = self.store.people.credentials(person.key).directory_key
        if entry is None or entry.disabled or entry.key != known:
            self._here.pop(person.key, None)
            return False
        self._here[person.key] = self._monotonic()
        return True

    def sign_out(self, session: Session) -> None:
        """End this session."""
        self.store.people.end_session(session.id)

    def sign_out_everywhere(self, session: Session) -> int:
        """End all sessions of this person; returns how many those were."""
        return self.store.people.end_sessions(session.person.key)

    def sessions(self, session: Session) -> list[Session]:
        """Where this person is signed in."""
        return self.store.people.sessions(session.person)

    def prefer(self, session: Session, language: str | None, theme: str) -> None:
        """Keep language and theme."""
        self.store.people.prefer(session.person.key, language, theme)


def _must_be(session: Session, *stages: Stage) -> None:
    if session.stage not in stages:
        raise SignInRefused(t("This step does not come now. Sign in again."))


def _id(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
