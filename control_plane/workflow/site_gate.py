"""Who comes in at intranet sites that ask for sign-in: a code from the console, a cookie of the site, a word each time.

The rule is the vhost's (docs/adr/0024). Must not keep what a browser holds, or say more of anybody than yes or no.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from control_plane.model.errors import Invalid, NotFound, Problem
from control_plane.model.people import Person, Session, Stage
from control_plane.model.site_sign_in import DOOR, LOOK_SECONDS, Said, admits
from control_plane.model.text import t
from control_plane.store.repository import Store
from control_plane.workflow.accounts_directory import Directory
from control_plane.workflow.sign_in import IDLE, LONGEST, SEEN_EVERY

#: How long a code waits to be exchanged.
CODE_LIFE = timedelta(seconds=60)
STATE = re.compile(r"[0-9a-f]{32}\Z")
VALUE = re.compile(r"[A-Za-z0-9_-]{43}\Z")
#: A path of a site with its query: printable, and no second slash that would be read as a host.
PATH = re.compile(r"/(?![/\\])[\x21-\x7e]{0,2000}\Z|/\Z")
MOST_KEPT = 20_000


class Accounts(Directory, Protocol):
    """The centre's directory, with groups."""

    def member_of(self, dn: str) -> frozenset[str]:
        """Names of the groups of the entry's own department that it is in."""
        ...


class SiteGate:
    """`names`: sites that ask for sign-in, as desired now. `secret`: what nginx shows."""

    def __init__(
        self,
        store: Store,
        accounts: Callable[[], Accounts],
        names: Callable[[], Collection[str]],
        secret: str,
        clock: Callable[[], datetime],
        monotonic: Callable[[], float],
    ) -> None:
        self.store = store
        self.accounts = accounts
        self.names = names
        self.clock = clock
        self._secret = secret.encode()
        self._monotonic = monotonic
        self._seen: dict[str, tuple[float, tuple[str, frozenset[str]] | None]] = {}

    def knows(self, secret: str) -> bool:
        """Whether who asks is nginx of one of our hosts."""
        return secrets.compare_digest(secret.encode("utf-8", "replace"), self._secret)

    def admit(self, session: Session, name: str, state: str, back: str) -> str:
        """Where somebody who has signed in goes on: the site's door, with a code that is good once.

        Raises NotFound for a name that is no site of ours with sign-in, Invalid for a state that nginx did not make.
        """
        if not STATE.match(state):
            problem = Problem(
                "bad-state", t("This way in is not complete."), t("Open the website again."), field="state"
            )
            raise Invalid([problem])
        if name not in self.names():
            raise NotFound(
                t("There is no website {name} that asks for sign-in.", name=name[:253]),
                t("Open the website again; its address may have changed."),
            )
        code = secrets.token_urlsafe(32)
        self.store.site_sessions.begin(_hash(code), _hash(state), name, session.id, self.clock() + CODE_LIFE)
        path = back if PATH.match(back) else "/"
        return f"https://{name}{DOOR}?code={code}&back={path}"

    def exchange(self, code: str, state: str, name: str) -> str | None:
        """The value of the site's cookie for a code; None when it is not good (any more)."""
        if not (VALUE.match(code) and STATE.match(state)):
            return None
        value = secrets.token_urlsafe(32)
        until = self.clock() + LONGEST
        return (
            value if self.store.site_sessions.exchange(_hash(code), _hash(state), name, _hash(value), until) else None
        )

    def judge(self, value: str, name: str, departments: Sequence[str], groups: Sequence[str]) -> Said:
        """Whether the holder of a site's cookie may read it now. Raises TemporaryError when the directory is away."""
        session_id = self.store.site_sessions.session_id(_hash(value), name) if VALUE.match(value) else None
        session = self.store.people.session(session_id) if session_id else None
        if session is None or session.stage is not Stage.OPEN:
            return Said.UNKNOWN
        if session.person.kind != "directory":
            return Said.NO
        here = self._look(session.person)
        if here is None:
            return Said.UNKNOWN
        department, member_of = here
        if not admits(departments, groups, department, member_of):
            return Said.NO
        now = self.clock()
        if now - session.seen_at > SEEN_EVERY:
            self.store.people.seen(session.id, min(now + IDLE, session.created_at + LONGEST))
        return Said.YES

    def _look(self, person: Person) -> tuple[str, frozenset[str]] | None:
        """Department and groups as the directory has them now; None for somebody who is not there any more."""
        known, now = self._seen.get(person.key), self._monotonic()
        if known is not None and now - known[0] < LOOK_SECONDS:
            return known[1]
        accounts = self.accounts()
        entry = accounts.find(person.login)
        own = self.store.people.credentials(person.key).directory_key
        found = None
        if entry is not None and not entry.disabled and entry.key == own and entry.tenant is not None:
            found = entry.tenant, accounts.member_of(entry.dn)
        if len(self._seen) >= MOST_KEPT:
            self._seen.clear()
        self._seen[person.key] = now, found
        return found


def _hash(value: str) -> str:
    return hashlib.sha256(value.encode("utf-8", "surrogatepass")).hexdigest()
