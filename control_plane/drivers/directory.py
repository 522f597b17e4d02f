"""The city's directory (OpenLDAP): looks at the tenants' branch in one search and writes over one connection.

Must not touch an entry without our marks, read or write passwords, or take a part of an answer for the whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from control_plane.drivers import directory_ber as ber
from control_plane.drivers.directory_entries import ATTRIBUTES, KINDS, PART, PersonId, hidden, sort_out
from control_plane.drivers.directory_order import STAGES, batches, renamed_by
from control_plane.drivers.directory_session import (
    Answer,
    ConnectionLost,
    Conversation,
    DirectoryUnavailable,
    Endpoint,
    Request,
    Session,
    ldap3,
)
from control_plane.drivers.directory_writing import MANAGE, NO_SUCH_OBJECT, SUCCESS, Writer
from control_plane.model.dn import child_dn, normalise_dn
from control_plane.model.plan import Change
from control_plane.model.ports import Fence, Notice, Outcome
from control_plane.model.resource import CouldNotMeasure, Kind, Look, Measured
from control_plane.model.text import Text, t, tn

PAGE = 1000
FEW_TENANTS = 32
BOUND = "directory.bound"


class DirectoryDriver:
    """Driver of the part `directory:tenants`; see `model.ports.Driver`.

    `host` is the address connected to, `server_name` the name its certificate must carry, `password_path` the file
    with the password of `bind_dn`, `timeout` seconds of silence after which an answer counts as lost. `person_id`
    (uid → resource id of the declared person) lets plans show what stands in the way of a person; see
    `directory_entries.foreign`.
    """

    kinds: Sequence[Kind] = KINDS
    stages: Sequence[str] = (BOUND, *STAGES)

    def __init__(
        self,
        host: str,
        port: int,
        server_name: str,
        ca_file: Path,
        base_dn: str,
        bind_dn: str,
        password_path: Path,
        timeout: float = 30.0,
        *,
        person_id: PersonId | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.endpoint = Endpoint(host, port, server_name, ca_file, timeout)
        self.base_dn = normalise_dn(base_dn)
        self.tenants_dn = child_dn("ou", "tenants", self.base_dn)
        self.bind_dn = bind_dn
        self.password_path = password_path
        self.page = PAGE
        self._person_id = person_id
        self._clock = clock

    def parts(self) -> Sequence[str]:
        """One part: the branch with all tenants."""
        return (PART,)

    def _session(self) -> Session:
        return Session(self.endpoint, self.bind_dn, self.password_path)

    # looking ------------------------------------------------------------------------------------------------------
    def observe(self, part: str, tenants: frozenset[str] | None = None) -> Look:
        """All entries of the branch, or of a few tenants' units; CouldNotMeasure unless every one was shown.

        A limited look sees only what lies in the tenants' own units.
        """
        at = self._clock()
        searches = [(self.tenants_dn, ber.SUBTREE)]
        if tenants is not None and len(tenants) <= FEW_TENANTS:
            units = (child_dn("ou", code, self.tenants_dn) for code in sorted(tenants))
            searches = [(self.tenants_dn, ber.BASE), *((unit, ber.SUBTREE) for unit in units)]
        try:
            with self._session() as session:
                found = dict(session.run((search, self._look(*search)) for search in searches))
            entries = [entry for search in searches for entry in found[search]]
            top = [entry for entry in found[searches[0]] if _is(entry, self.tenants_dn)]
            if not top:
                raise Incomplete(t("The directory does not show {dn}.", dn=self.tenants_dn))
            unseen = hidden(entries if searches[0][1] == ber.SUBTREE else entries[1:], self.tenants_dn)
            if unseen:
                raise Incomplete(t("The directory hides {dn} from the control plane.", dn=unseen))
        except (ConnectionLost, DirectoryUnavailable, Incomplete) as error:
            return CouldNotMeasure(part, at, error.text)
        ours, others = sort_out((e for e in entries if e is not top[0]), self.tenants_dn, self._person_id)
        return Measured(part, at, ours, tuple(others), len(searches))

    def _look(self, base: str, scope: int) -> Conversation[list[ber.RawEntry]]:
        """One paged search to its end. Referral objects come as entries (RFC 3296), referrals are not followed."""
        entries: list[ber.RawEntry] = []
        request = ber.search_request(base, scope, ber.present("objectClass"), ATTRIBUTES)
        cookie = b""
        while True:
            answer: Answer = yield Request(request, MANAGE + ber.paged(self.page, cookie))
            if answer.result.code == NO_SUCH_OBJECT and normalise_dn(answer.result.matched) == self.tenants_dn != base:
                return []
            if answer.result.code != SUCCESS:
                name = ldap3().core.results.RESULT_CODES.get(answer.result.code, answer.result.code)
                raise Incomplete(
                    tn(
                        "The search below {dn} ended with {result} after {count} entry. {diagnostic}",
                        "The search below {dn} ended with {result} after {count} entries. {diagnostic}",
                        dn=base,
                        result=name,
                        count=len(entries) + len(answer.entries),
                        diagnostic=answer.result.diagnostic,
                    )
                )
            if answer.referrals:
                raise Incomplete(t("A part of {dn} lies on another server, which is not asked.", dn=base))
            entries += answer.entries
            cookie = answer.cookie
            if not cookie:
                return entries

    # writing ------------------------------------------------------------------------------------------------------
    def apply(self, part: str, changes: Sequence[Change], fence: Fence) -> Iterator[Outcome | Notice]:
        """Carry out changes side by side where they do not depend on each other (`directory_order`).

        When the connection breaks, what has no answer yet is `unknown`. What the fence raises goes on, after the
        answers to what was sent.
        """
        going = {c.before["dn"]: c.after["dn"] for c in changes if c.before and c.after and renamed_by(c)}
        writer = Writer(self.tenants_dn, child_dn("cn", "empty", f"ou=system,{self.base_dn}"), going)
        open_: dict[str, Change] = {change.id: change for change in changes}
        try:
            with self._session() as session:
                yield Notice(BOUND)
                for stage, listed in batches(changes):
                    for batch in listed:
                        begin = writer.precede if batch.prelude else writer.write
                        work = ((change.id, begin(change)) for change in batch.changes)
                        for change_id, outcome in session.run(work, fence):
                            if outcome is not None:
                                del open_[change_id]
                                yield outcome
                    yield Notice(stage)
        except DirectoryUnavailable as error:
            yield from (Outcome(change_id, "failed", error.text) for change_id in open_)
        except ConnectionLost as error:
            yield from (Outcome(change_id, "unknown", error.text) for change_id in open_)


class Incomplete(Exception):
    """A look that ended before everything was shown."""

    def __init__(self, text: Text) -> None:
        super().__init__(text)
        self.text = text


def _is(entry: ber.RawEntry, dn: str) -> bool:
    try:
        return normalise_dn(entry[0]) == dn
    except ValueError:
        return False
