"""Jobs: what lasts is written down and carried out by the worker; what is quick is done in the request itself."""

from __future__ import annotations

from itertools import count
from typing import Any

from control_plane.api.operation import Answer, Call, Nothing, operation
from control_plane.api.problems import type_of
from control_plane.model.client import Json
from control_plane.model.errors import ControlPlaneError, NotFound, Problem, UnsafePlan
from control_plane.model.jobs import OVER
from control_plane.model.people import Act
from control_plane.model.text import Text, t
from control_plane.workflow.idempotence import busy, job_word


@operation("GET", "/jobs", form="jobs", rows="id", filters=("state", "kind", "actor"), scope="tenants:read",
           act=Act.SEE_ESTATE, estate=True)  # fmt: skip
def all_jobs(call: Call) -> Any:
    """What was asked for on pages and by programs, newest first."""
    return call.client.jobs.list()


@operation("GET", "/jobs/{number}", form="job", scope="tenants:read", act=Act.SEE_TENANT)
def job(call: Call, number: int) -> Any:
    """What was asked for, and what came of it; whoever does not see the estate sees what they asked for themselves."""
    missing = NotFound(t("There is no job {id}.", id=number))
    try:
        found = call.client.jobs.show(number)
    except NotFound:
        raise missing from None
    if not call.centre and found["actor"] != call.person.name:
        raise missing
    return found


@operation("POST", "/jobs/{number}/withdrawals", form="job", scope="runs:write", act=Act.PLAN, estate=True,
           body=Nothing, status=201, starts=True, refuses=("rejected",))  # fmt: skip
def withdraw_job(call: Call, number: int) -> Any:
    """Take back what one has asked for, as long as nobody has begun it."""
    return Answer(call.client.jobs.withdraw(number), location=f"/jobs/{number}")


def place(call: Call, kind: str, subject: str, given: Json, again: int = 0) -> Json:
    """Write down what is asked for, once for a key, and `again` once for each time that it could not be done."""
    key = f"{call.key}/{again}" if again else call.key
    return call.client.jobs.place(kind, given, subject=subject, once=job_word(call.token.id, key))


def follow(call: Call, kind: str, subject: str, given: Json) -> Answer:
    """What lasts: the job, and where it is."""
    placed = place(call, kind, subject, given)
    return Answer(placed, location=f"/jobs/{placed['id']}")


def done(call: Call, kind: str, subject: str, given: Json) -> Json:
    """What is quick: the answer of its job. Raises what it was refused with, and KeyBusy when the process that was at
    it was killed: the worker does it. What could not be done at that moment is tried anew when it is sent again."""
    newest = max((row["id"] for row in call.client.jobs.list(1)), default=0)
    for again in count():
        placed = place(call, kind, subject, given, again)
        if placed["state"] not in OVER:
            break
        if placed["error"] is None:
            return dict(placed["answer"])
        error = refusal(placed["error"])
        if placed["id"] > newest or type_of(error).status < 500:
            raise error
    raise busy()


def refusal(error: Json) -> ControlPlaneError:
    """What a job was refused with, as it was raised."""

    def text(said: str | None) -> Text | None:
        return t("{reason}", reason=said) if said else None

    if error["code"] == UnsafePlan.code:
        return UnsafePlan(t("{reason}", reason=error["text"]), text(error["hint"]), error["word"])
    faults = [
        Problem(error["code"], t("{reason}", reason=p["text"]), text(p["remedy"]), field=p["field"])
        for p in error["problems"]
    ]
    found = ControlPlaneError(t("{reason}", reason=error["text"]), text(error["hint"]), faults)
    found.code = error["code"]  # type: ignore[misc]
    return found
