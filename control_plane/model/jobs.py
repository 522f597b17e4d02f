"""Jobs: what a person asked for on a page, from the form to its outcome. Kinds are data; a new one is a line here.

A job is written down before anything is done, once for each form that was sent: sent again, it is the same job. The
web server or the worker carries it out; either may be killed at any moment, and the worker goes on with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal

from control_plane.model.errors import ControlPlaneError, Problem
from control_plane.model.people import Act
from control_plane.model.run import Actor
from control_plane.model.scope import scope_words
from control_plane.model.text import Listed, Text, t

Lane = Literal["at_once", "runs", "machines"]
"""Where a job waits: `at_once` in the request itself, `runs` for the one apply of an estate, `machines` beside it."""
#: Kinds whose subject is a scope.
_SCOPED = frozenset({"freeze", "measure", "scan", "refresh"})
#: The worker's chores that carry out jobs, and the lanes of each.
CHORES: Mapping[str, tuple[Lane, ...]] = {"jobs": ("at_once", "runs"), "errands": ("machines",)}


class JobState(StrEnum):
    """Where a job is."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    REFUSED = "refused"
    FAILED = "failed"


OVER = frozenset({JobState.DONE, JobState.REFUSED, JobState.FAILED})


@dataclass(frozen=True, slots=True)
class JobKind:
    """One kind. `title` says what was asked for and `done` what came of it, both of {subject}; `whole`: the act and
    its note are one transaction, so it is done once even when its process is killed; `tenant`: the field of what is
    given that names the department in which the person must be allowed it (None: anywhere); `forgets`: what is given
    that is about people, and is kept until the job is over only."""

    name: str
    act: Act
    lane: Lane
    title: Text
    done: Text
    whole: bool = False
    tenant: str | None = None
    forgets: tuple[str, ...] = ()

    def kept(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """What is given, without what is forgotten."""
        return {name: value for name, value in given.items() if name not in self.forgets}

    @property
    def chore(self) -> str:
        """The worker's chore that carries it out."""
        return next(name for name, lanes in CHORES.items() if self.lane in lanes)


KINDS: Mapping[str, JobKind] = {
    kind.name: kind
    for kind in (
        JobKind("apply", Act.APPLY, "runs", t("carry out plan {subject}"), t("Plan {subject}: its run has ended.")),
        JobKind(
            "resume",
            Act.APPLY,
            "runs",
            t("finish run {subject}"),
            t("Run {subject} was taken up again; that has ended."),
        ),
        JobKind(
            "stop", Act.FREEZE, "at_once", t("stop run {subject}"), t("Run {subject} ends at its next boundary."), True
        ),
        JobKind("drift_keep", Act.DRIFT, "at_once", t("keep {subject}"), t("{subject}: kept as found.")),
        JobKind("drift_accept", Act.DRIFT, "at_once", t("accept {subject}"), t("{subject}: desired from now on.")),
        JobKind(
            "drift_revert", Act.DRIFT, "runs", t("revert {subject}"), t("{subject}: the run that reverts it has ended.")
        ),
        JobKind("freeze", Act.FREEZE, "at_once", t("freeze {subject}"), t("{subject} is frozen."), True),
        JobKind("lift", Act.LIFT, "at_once", t("lift freeze {subject}"), t("Freeze {subject} is lifted."), True),
        JobKind(
            "rollout_create",
            Act.ROLLOUTS,
            "at_once",
            t("make a rollout of {subject}"),
            t("A rollout of {subject} is made."),
            True,
        ),
        JobKind(
            "rollout_release",
            Act.ROLLOUTS,
            "at_once",
            t("release rollout {subject}"),
            t("Rollout {subject} goes on."),
            True,
        ),
        JobKind(
            "rollout_pause",
            Act.FREEZE,
            "at_once",
            t("pause rollout {subject}"),
            t("Rollout {subject} is paused."),
            True,
        ),
        JobKind(
            "rollout_resume",
            Act.ROLLOUTS,
            "at_once",
            t("let rollout {subject} go on"),
            t("Rollout {subject} goes on."),
            True,
        ),
        JobKind(
            "rollout_abort",
            Act.ROLLOUTS,
            "at_once",
            t("abort rollout {subject}"),
            t("Rollout {subject} is aborted."),
            True,
        ),
        JobKind(
            "rollout_rollback",
            Act.ROLLOUTS,
            "at_once",
            t("roll back rollout {subject}"),
            t("Rollout {subject} is being rolled back."),
            True,
        ),
        JobKind(
            "policy_add",
            Act.ROLLOUTS,
            "at_once",
            t("make a revision of the centre's internet rules: {subject}"),
            t("The revision is made; nobody has it before a rollout brings it."),
            True,
        ),
        JobKind(
            "emergency",
            Act.EMERGENCY,
            "runs",
            t("make {subject} real as an emergency"),
            t("{subject}: made real ahead of its signatures."),
        ),
        JobKind("measure", Act.HOSTS, "machines", t("measure {subject}"), t("{subject}: measured.")),
        JobKind("mend", Act.HOSTS, "machines", t("mend {subject}"), t("{subject}: mended as far as it can be.")),
        JobKind("enrol", Act.HOSTS, "machines", t("enrol {subject}"), t("{subject} is enrolled.")),
        JobKind("retire", Act.HOSTS, "runs", t("retire {subject}"), t("{subject} is retired.")),
        JobKind("transfer", Act.HOSTS, "at_once", t("transfer {subject}"), t("{subject}: transferred."), True),
        JobKind("scan", Act.SECURITY, "machines", t("scan {subject}"), t("{subject}: scanned.")),
        JobKind(
            "refresh",
            Act.SECURITY,
            "machines",
            t("fetch signatures for {subject}"),
            t("{subject}: signatures were fetched."),
        ),
        JobKind("findings_clear", Act.SECURITY, "at_once", t("settle {subject}"), t("Settled: {subject}."), whole=True),
        JobKind(
            "snapshots_sync",
            Act.ROLLOUTS,
            "machines",
            t("fetch {subject} from upstream"),
            t("{subject}: fetched; no ring has it before it is given one."),
        ),
        JobKind("snapshots_take", Act.ROLLOUTS, "machines", t("import {subject}"), t("{subject}: imported.")),
        JobKind(
            "snapshots_publish",
            Act.ROLLOUTS,
            "machines",
            t("give {subject} to a ring"),
            t("{subject}: the ring has it."),
        ),
        JobKind(
            "snapshots_prune",
            Act.ROLLOUTS,
            "machines",
            t("delete old {subject}"),
            t("Old {subject} are deleted."),
        ),
        JobKind("grant", Act.PEOPLE, "at_once", t("give {subject} a role"), t("{subject} has the role."), whole=True),
        JobKind(
            "revoke",
            Act.PEOPLE,
            "at_once",
            t("take a role from {subject}"),
            t("{subject} does not have the role any more."),
            whole=True,
        ),
        JobKind(
            "account_add",
            Act.PEOPLE,
            "at_once",
            t("add the local account {subject}"),
            t("The local account {subject} is added; it holds no role yet."),
            whole=True,
        ),
        JobKind(
            "sign_in_reset",
            Act.PEOPLE,
            "at_once",
            t("reset the sign-in of {subject}"),
            t("{subject} is signed out everywhere and sets up the second factor again."),
            whole=True,
        ),
        JobKind(
            "password_reset",
            Act.STAFF,
            "at_once",
            t("issue a new password for {subject}"),
            t("{subject}: the new password is on a sealed sheet."),
            tenant="tenant",
        ),
        JobKind(
            "passwords_issue",
            Act.STAFF,
            "machines",
            t("issue first passwords of {subject}"),
            t("{subject}: the first passwords are on a sealed sheet."),
            tenant="tenant",
        ),
        JobKind(
            "account_leave",
            Act.STAFF,
            "runs",
            t("let {subject} leave"),
            t("{subject}: left; the account is locked."),
            tenant="tenant",
        ),
        JobKind(
            "people_add",
            Act.APPLY,
            "runs",
            t("add {subject}"),
            t("{subject} is added."),
            forgets=("person",),
        ),
        JobKind(
            "people_take",
            Act.APPLY,
            "runs",
            t("take over list {subject} of people"),
            t("List {subject} of people is taken over."),
            forgets=("content",),
        ),
        JobKind(
            "people_settle",
            Act.STAFF,
            "runs",
            t("make real what is wished of people of {subject}"),
            t("{subject}: what is wished of its people is real."),
            tenant="tenant",
        ),
        JobKind(
            "review_move",
            Act.APPLY,
            "runs",
            t("move those of review {subject}"),
            t("Review {subject}: who moved is moved."),
        ),
        JobKind(
            "group_change",
            Act.APPLY,
            "runs",
            t("change group {subject}"),
            t("Group {subject} is changed."),
        ),
        JobKind("internet_test", Act.PLAN, "at_once", t("open {subject}"), t("{subject}: opened.")),
        JobKind(
            "own_internet_test",
            Act.ASK,
            "at_once",
            t("open {subject}"),
            t("{subject}: opened."),
            tenant="tenant",
        ),
    )
}


@dataclass(frozen=True, slots=True)
class Job:
    """One job. `given` is what the form said, `language` the one it was read in, `run` the run that carries it out
    (`first_run`: the first one, when that was killed and another finishes it), `answer` what came of it, `refusal` the
    stored error."""

    id: int
    kind: JobKind
    subject: str
    given: Mapping[str, Any]
    actor: Actor
    at: datetime
    state: JobState
    attempts: int
    language: str
    run: int | None = None
    first_run: int | None = None
    answer: Mapping[str, Any] = field(default_factory=dict)
    refusal: Mapping[str, Any] | None = None
    finished_at: datetime | None = None

    @property
    def about(self) -> Text | Listed | str:
        """Its subject for people: a scope in words."""
        return scope_words(self.subject) if self.kind.name in _SCOPED else self.subject

    @property
    def error(self) -> ControlPlaneError | None:
        """Why it was not done, as it was raised."""
        if self.refusal is None:
            return None
        problems = [
            Problem(p["code"], Text.from_json(p["text"]), _text(p["remedy"]), field=p["field"])
            for p in self.refusal["problems"]
        ]
        return ControlPlaneError(Text.from_json(self.refusal["text"]), _text(self.refusal["hint"]), problems)


def refusal_of(error: ControlPlaneError) -> dict[str, Any]:
    """The storable form of an error; `Job.error` is the inverse."""
    return {
        "code": error.code,
        "word": getattr(error, "word", ""),
        "text": error.text.as_json(),
        "hint": error.hint.as_json() if error.hint else None,
        "problems": [
            {
                "code": p.code,
                "text": p.text.as_json(),
                "remedy": p.remedy.as_json() if p.remedy else None,
                "field": p.field,
            }
            for p in error.problems
        ],
    }


def _text(stored: Mapping[str, Any] | None) -> Text | None:
    return Text.from_json(stored) if stored else None
