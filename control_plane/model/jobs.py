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
from control_plane.model.text import Text, t

Lane = Literal["at_once", "runs", "machines"]
"""Where a job waits: `at_once` in the request itself, `runs` for the one apply of an estate, `machines` beside it."""
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
    its note are one transaction, so it is done once even when its process is killed."""

    name: str
    act: Act
    lane: Lane
    title: Text
    done: Text
    whole: bool = False

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
        JobKind("internet_test", Act.PLAN, "at_once", t("open {subject}"), t("{subject}: opened.")),
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
