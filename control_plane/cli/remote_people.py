"""People of departments at a control plane elsewhere: who joins and leaves, lists, groups, reviews, sheets.

No password comes over the interface for programs: a sheet is opened where somebody has signed in.
"""

from __future__ import annotations

import builtins
from collections.abc import Mapping, Sequence
from typing import Any

from control_plane.cli.remote_areas import sent
from control_plane.cli.remote_link import Area, Connection, Json, at
from control_plane.cli.remote_runs import Followed
from control_plane.model.client import OnEvent


class People(Area):
    """See `PeopleClient`: who gives roles and takes them has signed in."""

    def list(self) -> builtins.list[Json]:
        """See `PeopleClient.list`."""
        return self._at.rows("/users")

    def show(self, person: str) -> Json:
        """See `PeopleClient.show`."""
        return self._at.get(at("/users/{}", person))


class Staff(Area):
    """See `StaffClient`."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self._seen: dict[str, Json] = {}

    def show(self, uid: str) -> Json:
        """See `StaffClient.show`."""
        return self._at.get(at("/accounts/{}", uid))

    def check(self, content: bytes, *, tenant: str | None = None, complete: bool = False) -> Json:
        """See `StaffClient.check`."""
        asked = {"content": sent(content), "tenant": tenant, "complete": complete}
        seen = self._at.rehearse("/account-lists", asked)
        self._seen[seen["digest"]] = seen
        return seen

    def take(
        self, content: bytes, *, tenant: str | None = None, complete: bool = False, digest: str | None = None,
        confirm: str | None = None, on_event: OnEvent | None = None,
    ) -> Json:  # fmt: skip
        """See `StaffClient.take`."""
        given = {"content": sent(content), "tenant": tenant, "complete": complete, "digest": digest, "confirm": confirm}
        done = Followed(self._at, on_event).answer(self._at.act("/account-lists", given))
        return {**self._seen.get(done["digest"], {}), **done}

    def joining(self, person: Json, *, tenant: str) -> Json:
        """See `StaffClient.joining`."""
        return self._at.rehearse("/accounts", _joiner(person, tenant))

    def add(self, person: Json, *, tenant: str, on_event: OnEvent | None = None) -> Json:
        """See `StaffClient.add`."""
        return Followed(self._at, on_event).answer(self._at.act("/accounts", _joiner(person, tenant)))

    def leave(self, uid: str, *, tenant: str | None = None, reason: str, on_event: OnEvent | None = None) -> Json:
        """See `StaffClient.leave`."""
        code = tenant or self.show(uid)["tenant"]
        job = self._at.act(at("/tenants/{}/leavers", code), {"uid": uid, "reason": reason})
        return Followed(self._at, on_event).answer(job)

    def settle(self, tenant: str, *, on_event: OnEvent | None = None) -> Json:
        """See `StaffClient.settle`: what needs it has asked the worker there for it already."""
        return {"tenant": tenant, "run": None}


class Sheets(Area):
    """See `SheetsClient`."""

    def list(self, tenant: str | None = None) -> builtins.list[Json]:
        """See `SheetsClient.list`."""
        return self._at.rows("/password-sheets", tenant=tenant)

    def issue(self, tenant: str, *, uids: Sequence[str] = (), reason: str) -> Json:
        """See `SheetsClient.issue`."""
        job = self._at.act(at("/tenants/{}/password-sheets", tenant), {"uids": [*uids], "reason": reason})
        return Followed(self._at).answer(job)


class Groups(Area):
    """See `GroupsClient`."""

    def list(self, tenant: str | None = None) -> builtins.list[Json]:
        """See `GroupsClient.list`."""
        return self._at.rows("/groups", tenant=tenant)

    def show(self, tenant: str, name: str) -> Json:
        """See `GroupsClient.show`."""
        return self._at.get(at("/tenants/{}/groups/{}", tenant, name))

    def preview(self, tenant: str, wish: Mapping[str, Any]) -> Json:
        """See `GroupsClient.preview`."""
        return self._at.rehearse(*_asked(tenant, wish))

    def change(
        self, tenant: str, wish: Mapping[str, Any], *, digest: str | None = None, on_event: OnEvent | None = None
    ) -> Json:
        """See `GroupsClient.change`."""
        return Followed(self._at, on_event).answer(self._at.act(*_asked(tenant, {**wish, "digest": digest})))


class Reviews(Area):
    """See `ReviewsClient`."""

    def list(self, *, everything: bool = False) -> builtins.list[Json]:
        """See `ReviewsClient.list`."""
        return self._at.rows("/reviews", everything="true" if everything else None)

    def show(self, tenant: str) -> Json:
        """See `ReviewsClient.show`."""
        return self._at.get(at("/tenants/{}/review", tenant))

    def decide(self, tenant: str, said: Mapping[str, Mapping[str, str]], *, rest: bool = False) -> Json:
        """See `ReviewsClient.decide`; other groups become a request."""
        return self._at.act(at("/tenants/{}/reviews", tenant), {"said": said, "rest": rest})

    def move(self, review: int, *, on_event: OnEvent | None = None) -> Json:
        """See `ReviewsClient.move`."""
        return Followed(self._at, on_event).answer(self._at.act(at("/reviews/{}/moves", review)))


def _joiner(person: Json, tenant: str) -> Json:
    return {**{name: value for name, value in person.items() if value is not None}, "tenant": tenant}


def _asked(tenant: str, wish: Mapping[str, Any]) -> tuple[str, Json]:
    """Where a wish about a group is sent, and what."""
    given = {name: value for name, value in wish.items() if name not in ("act", "name") and value is not None}
    if wish["act"] == "make":
        return at("/tenants/{}/groups", tenant), {**given, "name": wish["name"]}
    noun = {"rename": "names", "people": "members", "end": "ends"}[wish["act"]]
    return at("/tenants/{}/groups/{}/" + noun, tenant, wish["name"]), given
