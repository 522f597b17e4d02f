"""What may be asked of the people of departments: their accounts in the directory. Every answer is JSON-able."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Sequence
from typing import Any, Protocol

Json = dict[str, Any]
OnEvent = Callable[[Json], None]


class StaffClient(Protocol):
    """`gasp accounts`. Whoever acts is asked for nothing here: pages and commands have done that."""

    def show(self, uid: str) -> Json:
        """{uid, tenant, name, status: active|left, left_on, removed_on, uid_number, groups, family_name, given_name,
        pinyin, employee_number, mail, title, phone}. `removed_on`: the day from which the account of a leaver may be
        removed. Raises NotFound."""
        ...

    def check(self, content: bytes, *, tenant: str | None = None, complete: bool = False, fixed: bool = False) -> Json:
        """What a list (CSV or XLSX) would do: {digest, encoding, rows, counts: {joins, moves, returns, changes, leaves,
        same}, tenants: [code], lines: [{row, uid, name, tenant, from, what, columns}], warnings: [problem], sentence,
        words: [sentence], confirm: word | None}. `tenant`: of rows that name none; `complete`: the list is everybody of
        the departments in it, so whoever is missing leaves; `fixed`: rows of other departments are refused. Raises
        Invalid with every problem of every row."""
        ...

    def take(
        self, content: bytes, *, tenant: str | None = None, complete: bool = False, fixed: bool = False,
        digest: str | None = None, confirm: str | None = None, on_event: OnEvent | None = None,
    ) -> Json:  # fmt: skip
        """Do what `check` showed: leavers are cut at once, the rest is one run. Returns `check` and {run, cut: {people,
        sessions, tokens}}; run None: nothing changed. Raises UnsafePlan with the word where many are touched, StalePlan
        when `digest` is old."""
        ...

    def joining(self, person: Json, *, tenant: str) -> Json:
        """What `add` would do: as `check`. Raises Invalid."""
        ...

    def add(self, person: Json, *, tenant: str, on_event: OnEvent | None = None) -> Json:
        """One more person: {uid, tenant, run}. Raises Invalid."""
        ...

    def wished(self, content: bytes, *, tenant: str, complete: bool = False) -> Json:
        """`check` of one department's list, without a look at the directory, and {offering, spec}: what to ask for so
        that it comes true; spec None: nothing changes."""
        ...

    def cut(self, uid: str, *, tenant: str, reason: str) -> Json:
        """The first half of `leave`, at once: {people, sessions, tokens, grants, locked}. `locked` False: the directory
        is away, and the worker locks the account as soon as it answers. Raises NotFound for somebody of another
        department, Rejected for one whose roles elsewhere end by it when who acts may not take those, and when the
        centre would be without a role that it needs people of."""
        ...

    def settle(self, tenant: str, *, on_event: OnEvent | None = None) -> Json:
        """Make real what is wished of a department's people, such as after its review: {tenant, run}."""
        ...

    def leave(self, uid: str, *, tenant: str | None = None, reason: str, on_event: OnEvent | None = None) -> Json:
        """Somebody leaves now: {uid, tenant, left_on, removed_on, sessions, tokens, grants, run}. Bind, sign-in,
        sessions, roles and tokens are cut before this returns. Raises as `cut`."""
        ...

    def remove_left(self) -> builtins.list[str]:
        """Cut who left by a request, an import or a former day, remove accounts of those who left long enough ago, lock
        who is not locked yet, and take the lock from those who came back; uids removed."""
        ...


class SheetsClient(Protocol):
    """One-time passwords for people of departments, on sheets that are opened once. What is in a sheet is in its one
    answer and nowhere else."""

    def issue(self, tenant: str, *, uids: Sequence[str] = (), reason: str) -> Json:
        """One-time passwords for people of a department (`uids` empty: everybody who has none), as a sealed sheet: a
        row of `list`. Raises Invalid, NotFound, Rejected when there is nobody."""
        ...

    def list(self, tenant: str | None = None) -> builtins.list[Json]:
        """Newest first: [{id, tenant, people, made_at, made_by, reason, state: ready|opened|expired|unfinished,
        expires_at, opened_at, opened_by}]. What is in them is in no list."""
        ...

    def open(self, sheet: int, *, tenant: str | None = None) -> Json:
        """What a sealed sheet says, once: {id, tenant, expires_at, rows: [{uid, name, password}]}; then it is gone.
        Raises NotFound, Rejected when it was opened before."""
        ...

    def expire(self) -> builtins.list[int]:
        """Make passwords useless that nobody used in time; numbers of the sheets."""
        ...
