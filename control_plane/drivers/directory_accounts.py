"""Passwords and sign-in: setting one, proving one, finding an account, telling since when it is locked.

Must not keep, log or show a password, join text into a filter or DN, or take a broken connection for a wrong password.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from control_plane.drivers import directory_ber as ber
from control_plane.drivers.directory_session import (
    ConnectionLost,
    Conversation,
    DirectoryUnavailable,
    Endpoint,
    Request,
    Session,
    disconnect,
    ldap3,
    read_password,
    unavailable,
)
from control_plane.model.dn import child_dn, naming_value, normalise_dn, split_dn
from control_plane.model.errors import Invalid, NotFound, Problem, Rejected
from control_plane.model.text import t, tn

#: What the password policy says of an account.
STATE = ("pwdAccountLockedTime", "pwdReset")
LOCKED_FOR_GOOD = "000001010000Z"
FOR_GOOD = datetime.fromtimestamp(0, UTC)


@dataclass(frozen=True)
class Account:
    """An account as sign-in sees it. `locked_since`: when the password policy locked it (UTC), None if it did not.

    A lock ends by itself after the policy's time; the server forgets it at the next good sign-in only. `key`: which
    person's entry this is (`gaspKey`), whatever their name is today; `tenant`: the department it lies in;
    `must_change`: its password was set by somebody else and is good for taking one's own only (`pwdReset`).
    """

    dn: str
    uid: str
    locked_since: datetime | None = None
    display: str = ""
    key: str | None = None
    must_change: bool = False

    @property
    def tenant(self) -> str | None:
        """Code of the department, from the entry's place in the tree."""
        rdns = split_dn(self.dn)
        return naming_value(rdns[2], "ou") if len(rdns) > 3 else None

    @property
    def disabled(self) -> bool:
        """Whether it was locked for good, by an administrator."""
        return self.locked_since == FOR_GOOD


class DirectoryAccounts:
    """Acts as the control plane's service account, so that the password policy applies to what it sets.

    As a context manager it keeps one connection for setting many passwords; each method also works without.
    All raise DirectoryUnavailable when the directory gave no answer.
    """

    def __init__(self, endpoint: Endpoint, base_dn: str, bind_dn: str, password_path: Path) -> None:
        self.endpoint = endpoint
        self.tenants_dn = child_dn("ou", "tenants", normalise_dn(base_dn))
        self.bind_dn = bind_dn
        self.password_path = password_path
        self._connection: Any = None

    def __enter__(self) -> Self:
        with _available(self.endpoint):
            self._connection = self.endpoint.connect(self.bind_dn, read_password(self.password_path))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        disconnect(self._connection)
        self._connection = None

    def set_password(self, dn: str, new: str) -> None:
        """Set somebody's password (RFC 3062). Raises Rejected with the policy's reason, NotFound, Invalid if empty."""
        if not _usable(new) or not _usable(dn):
            problem = Problem("empty-password", t("A password is needed."), t("Enter a password."), field="password")
            raise Invalid([problem])
        if self._connection is None:
            with self:
                return self.set_password(dn, new)
        errors = ldap3().core.exceptions
        with _available(self.endpoint):
            try:
                self._connection.extend.standard.modify_password(user=dn, new_password=new)
            except errors.LDAPNoSuchObjectResult:
                raise NotFound(t("There is no account {dn}.", dn=dn)) from None
            except (errors.LDAPConstraintViolationResult, errors.LDAPUnwillingToPerformResult) as error:
                raise Rejected(
                    t("The password policy refuses this password: {reason}.", reason=error.message),
                    t("Take a longer one (10 characters or more) that was not used before."),
                ) from None
        return None

    def check_bind(self, dn: str, password: str) -> bool:
        """Whether the server accepts this password. Empty ones, and ones with NUL, are refused without asking:
        to a server, a name with an empty password is no proof at all (RFC 4513 §5.1.2)."""
        if not _usable(dn) or not _usable(password):
            return False
        errors = ldap3().core.exceptions
        refusals = (errors.LDAPInvalidCredentialsResult, errors.LDAPInappropriateAuthenticationResult)
        with _available(self.endpoint):
            try:
                disconnect(self.endpoint.connect(dn, password))
            except (*refusals, errors.LDAPInvalidDNSyntaxResult):
                return False
        return True

    def find(self, uid: str) -> Account | None:
        """The one account with exactly this uid (letter case aside). Nothing in `uid` has a special meaning."""
        if not _usable(uid):
            return None
        session = Session(self.endpoint, self.bind_dn, self.password_path)
        with session, _available(self.endpoint):
            found = next(answer for _, answer in session.run([(None, self._look(uid))]))
        if len(found) != 1:
            return None
        dn, raw = found[0]
        since = raw.get("pwdAccountLockedTime")
        display, key = raw.get("displayName") or raw["uid"], raw.get("gaspKey")
        locked = _time(since[0]) if since else None
        must_change = raw.get("pwdReset", ["FALSE"])[0].upper() == "TRUE"
        return Account(normalise_dn(dn), raw["uid"][0], locked, display[0], key[0] if key else None, must_change)

    def member_of(self, dn: str) -> frozenset[str]:
        """Names of the groups of the entry's own department that it is in."""
        rdns = split_dn(dn)
        department = naming_value(rdns[2], "ou") if len(rdns) > 3 else None
        if department is None:
            return frozenset()
        base = child_dn("ou", "groups", child_dn("ou", department, self.tenants_dn))

        def look() -> Conversation[list[ber.RawEntry]]:
            wanted = ber.equals("member", dn)
            answer = yield Request(ber.search_request(base, ber.ONE_LEVEL, wanted, ("cn",)))
            if answer.result.code:
                reason = answer.result.diagnostic or answer.result.code
                raise DirectoryUnavailable(t("The search for groups failed: {reason}", reason=reason))
            return answer.entries

        session = Session(self.endpoint, self.bind_dn, self.password_path)
        with session, _available(self.endpoint):
            found = next(answer for _, answer in session.run([(None, look())]))
        return frozenset(name for _, raw in found for name in raw.get("cn", ()))

    def entry(self, uid: str) -> dict[str, list[str]] | None:
        """Every attribute of an account's entry that is no proof, as text; None when there is none."""
        if not _usable(uid):
            return None
        session = Session(self.endpoint, self.bind_dn, self.password_path)
        wanted = ("*", "createTimestamp", "modifyTimestamp", *STATE)
        with session, _available(self.endpoint):
            found = next(answer for _, answer in session.run([(None, self._search(ber.equals("uid", uid), wanted))]))
        if len(found) != 1:
            return None
        dn, raw = found[0]
        said = {name: values for name, values in raw.items() if name.partition(";")[0].lower() != "userpassword"}
        return {"dn": [normalise_dn(dn)], **said}

    def find_dn(self, uid: str) -> str | None:
        """DN of the account with this uid, in normal form."""
        account = self.find(uid)
        return account.dn if account else None

    def with_password(self) -> frozenset[str]:
        """Uids of all people who have a password, whoever set it."""
        session = Session(self.endpoint, self.bind_dn, self.password_path)
        with session, _available(self.endpoint):
            found = next(answer for _, answer in session.run([(None, self._search(ber.present("pwdChangedTime")))]))
        return frozenset(raw["uid"][0] for _, raw in found if raw.get("uid"))

    def issue(self, passwords: Mapping[str, str]) -> None:
        """Set passwords, by uid, that are good for taking one's own only. Raises as `set_password`, and NotFound
        before anything is set when somebody has no account yet."""
        found = self._dns(passwords)
        missing = sorted(passwords.keys() - found.keys())
        if missing:
            names = ", ".join(missing[:5])
            raise NotFound(t("There is no account {names} in the directory yet.", names=names), t("See gasp plan."))

        def write(uid: str) -> Conversation[ber.Result]:
            both = [(ber.REPLACE, "userPassword", [passwords[uid]]), (ber.REPLACE, "pwdReset", ["TRUE"])]
            answer = yield Request(ber.modify_request(found[uid], both))  # one write: a kill leaves neither alone
            return answer.result

        session = Session(self.endpoint, self.bind_dn, self.password_path)
        with session, _available(self.endpoint):
            for uid, result in session.run((uid, write(uid)) for uid in passwords):
                if result.code:
                    raise Rejected(
                        t("The directory did not take the password of {uid}: {reason}.",
                          uid=uid, reason=result.diagnostic or result.code),
                        t("Issue it once more; gasp doctor says whether the directory is well."),
                    )  # fmt: skip

    def lock(self, uids: Collection[str]) -> frozenset[str]:
        """Lock accounts for good: no bind is accepted from now on. Returns those that are there. Raises
        DirectoryUnavailable, naming whom, when some were refused: then all others are locked."""
        return self._mark(uids, [LOCKED_FOR_GOOD])

    def unlock(self, uids: Collection[str]) -> frozenset[str]:
        """Take the lock away. Returns those that are there. Raises as `lock`."""
        return self._mark(uids, [])

    def locked(self) -> frozenset[str]:
        """Uids of all who are locked for good."""
        session = Session(self.endpoint, self.bind_dn, self.password_path)
        criterion = ber.equals("pwdAccountLockedTime", LOCKED_FOR_GOOD)
        with session, _available(self.endpoint):
            found = next(answer for _, answer in session.run([(None, self._search(criterion))]))
        return frozenset(raw["uid"][0] for _, raw in found if raw.get("uid"))

    def _dns(self, uids: Collection[str]) -> dict[str, str]:
        """DN of each account that is there, by uid."""
        known = [uid for uid in uids if _usable(uid)]
        if not known:
            return {}
        session = Session(self.endpoint, self.bind_dn, self.password_path)
        with session, _available(self.endpoint):
            looks = ((uid, self._look(uid)) for uid in known)
            return {uid: found[0][0] for uid, found in session.run(looks) if len(found) == 1}

    def _mark(self, uids: Collection[str], since: Sequence[str]) -> frozenset[str]:
        """Write since when accounts are locked, each as soon as it is found, all side by side on one connection."""
        known = [uid for uid in uids if _usable(uid)]
        if not known:
            return frozenset()

        def write(uid: str) -> Conversation[ber.Result | None]:
            answer = yield Request(
                ber.search_request(self.tenants_dn, ber.SUBTREE, ber.equals("uid", uid), ("uid",))
            )  # fmt: skip
            if answer.result.code or len(answer.entries) != 1:
                return answer.result if answer.result.code else None
            changes = [(ber.REPLACE, "pwdAccountLockedTime", since)]
            return (yield Request(ber.modify_request(answer.entries[0][0], changes))).result

        session = Session(self.endpoint, self.bind_dn, self.password_path)
        with session, _available(self.endpoint):
            found = {uid: result for uid, result in session.run((uid, write(uid)) for uid in known) if result}
        if refused := {uid: result for uid, result in found.items() if result.code}:
            names, first = ", ".join(sorted(refused)[:5]), next(iter(refused.values()))
            text = tn("The directory refused {count} lock ({names}): {reason}.",
                      "The directory refused {count} locks ({names}): {reason}.",
                      count=len(refused), names=names, reason=(first.diagnostic or str(first.code)))  # fmt: skip
            raise DirectoryUnavailable(text, t("All others are done; the worker tries these again."))
        return frozenset(found)

    def _look(self, uid: str) -> Conversation[list[ber.RawEntry]]:
        return (yield from self._search(ber.equals("uid", uid)))

    def _search(self, wanted: bytes, attributes: Sequence[str] = ()) -> Conversation[list[ber.RawEntry]]:
        attributes = attributes or ("uid", *STATE, "displayName", "gaspKey")
        answer = yield Request(ber.search_request(self.tenants_dn, ber.SUBTREE, wanted, attributes))
        if answer.result.code:
            raise DirectoryUnavailable(t("The search for an account failed: {reason}", reason=answer.result.diagnostic))
        return answer.entries


def _usable(text: str) -> bool:
    """Whether this can be sent at all: something, without NUL, that has a UTF-8 form."""
    return bool(text) and "\0" not in text and not any("\ud800" <= c <= "\udfff" for c in text)


def _time(text: str) -> datetime:
    if text == LOCKED_FOR_GOOD:
        return FOR_GOOD
    return datetime.strptime(text.split(".")[0].rstrip("Z"), "%Y%m%d%H%M%S").replace(tzinfo=UTC)


@contextmanager
def _available(endpoint: Endpoint) -> Iterator[None]:
    """Everything that is no answer of the directory is DirectoryUnavailable; it never carries what was sent."""
    try:
        yield
    except (OSError, ConnectionLost, ldap3().core.exceptions.LDAPException) as error:
        raise unavailable(endpoint.host, type(error).__name__) from None
