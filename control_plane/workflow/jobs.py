"""What people ask for on pages: written down once, carried out by the web server or the worker, never lost or doubled.

Every job goes the way that a command goes: the very methods of `Client`, with the person as their actor. The person's
role is asked when the job is placed and again when it is carried out. Must not know how a page looks.
"""

from __future__ import annotations

import builtins
import re
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from datetime import datetime
from typing import TYPE_CHECKING

from control_plane.model.errors import ControlPlaneError, Invalid, Problem, Rejected, told_of
from control_plane.model.jobs import KINDS, OVER, Job, JobKind, JobState, refusal_of
from control_plane.model.run import FINAL, Actor, EventType, RunState
from control_plane.model.text import Text, in_language, t
from control_plane.store.leases import Holder
from control_plane.store.repository import Store
from control_plane.workflow import access
from control_plane.workflow.job_acts import DOERS, READY, Hear, run_answer
from control_plane.workflow.job_checks import CHECKS, Given, Json
from control_plane.workflow.process import myself, process_alive
from control_plane.workflow.request_forms import storable

if TYPE_CHECKING:
    from control_plane.model.client import Client

#: How often a job is begun again when its process was killed.
ATTEMPTS = 5
_ONCE = re.compile(r"[A-Za-z0-9_-]{16,100}")


class Jobs:
    """Implements `model.client_jobs.JobsClient`. `act_as` gives the control plane with somebody as its actor."""

    def __init__(
        self,
        store: Store,
        act_as: Callable[[str], Client],
        actor: Callable[[], Actor],
        clock: Callable[[], datetime],
        alive: Callable[[Holder], bool] = process_alive,
    ) -> None:
        self.store = store
        self.act_as = act_as
        self.actor = actor
        self.clock = clock
        self.alive = alive

    # asking ---------------------------------------------------------------------------------------
    def place(self, kind: str, given: Given, *, subject: str, once: str) -> Json:
        """See `JobsClient.place`."""
        asked, actor, given = KINDS[kind], self.actor(), storable(given)
        self._person(actor, asked, given)
        if not _ONCE.fullmatch(once):
            text, remedy = t("The form lacks its own word."), t("Go back, load the page again and try once more.")
            raise Invalid([Problem("no-once", text, remedy, field="once")])
        if kind in CHECKS:
            CHECKS[kind](self.act_as(actor.name), given)
        holder = myself() if asked.lane == "at_once" else None
        job, new = self.store.jobs.place(asked, subject, given, actor, once, holder)
        same = asked.kept(job.given) == asked.kept(given) if job.state in OVER else job.given == given
        if job.kind != asked or not same:
            raise Rejected(
                t("This form was sent before, with something else in it."),
                t("Go back, load the page again and try once more."),
            )
        return self._json(self.carry_out(job) if new and holder else job)

    def show(self, job: int) -> Json:
        """See `JobsClient.show`."""
        return self._json(self.store.jobs.get(job))

    def withdraw(self, job: int) -> Json:
        """See `JobsClient.withdraw`."""
        found, actor = self.store.jobs.get(job), self.actor()
        if found.actor.key != actor.key:
            raise Rejected(t("Somebody else asked for this."), t("Only who asked takes it back."))
        text = t("It was taken back before anybody had begun it.")
        if not self.store.jobs.withdraw(job, refusal_of(Rejected(text))):
            raise Rejected(
                t("It has begun, or is over; it cannot be taken back."), t("Stop its run: gasp runs stop RUN")
            )
        return self.show(job)

    def list(self, limit: int = 200) -> builtins.list[Json]:
        """See `JobsClient.list`."""
        return [_head(job) for job in self.store.jobs.list(limit)]

    def of_run(self, run: int) -> Json | None:
        """See `JobsClient.of_run`."""
        job = self.store.jobs.of_run(run)
        return _head(job) if job else None

    # doing ----------------------------------------------------------------------------------------
    def work(self, lanes: Sequence[str]) -> Job | None:
        """Carry out the oldest job of these lanes that nobody is at; None when there is none."""
        job = self.store.jobs.take(lanes, myself(), self.alive)
        return self.carry_out(job) if job else None

    def carry_out(self, job: Job) -> Job:
        """Carry out a job that this process holds. Whatever goes wrong is its outcome."""
        if job.attempts > ATTEMPTS:
            text = t("Its process ended {count} times; it is not begun again.", count=ATTEMPTS)
            return self.store.jobs.finish(job.id, JobState.FAILED, None, refusal_of(Rejected(text)))
        try:
            self._person(job.actor, job.kind, job.given)
            with in_language(job.language):
                ready = READY[job.kind.name](self.act_as(job.actor.name), job.given) if job.kind.name in READY else None
                with self.store.transaction() if job.kind.whole else nullcontext():
                    answer = ready() if ready else self._do(job)
                    return self.store.jobs.finish(job.id, JobState.DONE, answer)
        except ControlPlaneError as error:
            return self.store.jobs.finish(job.id, JobState.REFUSED, None, refusal_of(error))
        except Exception as error:
            fault = Rejected(told_of(error))
            self.store.jobs.finish(job.id, JobState.FAILED, None, refusal_of(fault))
            raise

    def _do(self, job: Job) -> Json:
        client = self.act_as(job.actor.name)

        def hear(event: Json) -> None:
            if event["number"] == 1:
                self.store.jobs.set_run(job.id, event["run"])

        if job.run is None:
            return DOERS[job.kind.name](client, job.given, hear)
        return self._go_on(client, job, hear)

    def _go_on(self, client: Client, job: Job, hear: Hear) -> Json:
        """The process that carried it out was killed: finish its run, or begin anew when nothing was agreed on."""
        assert job.run is not None
        self.store.runs.mark_interrupted(self.alive)
        run = self.store.runs.get(job.run)
        if run.state in FINAL - {RunState.INTERRUPTED} or run.stop_requested:
            return {"run": run.id, "state": run.state.value}
        if any(event.type is EventType.CONFIRMED for event in self.store.runs.events(run.id)):
            return run_answer(client.resume_run(run.id, on_event=hear))
        return DOERS[job.kind.name](client, job.given, hear)

    def _person(self, actor: Actor, kind: JobKind, given: Given) -> None:
        """Raises Forbidden unless who asks is somebody who can sign in, with a role that allows it now."""
        person = self.store.people.find(actor.name)
        if person is None:
            raise access.Forbidden(
                t("{name} is nobody who signs in to the console.", name=actor.name), t("Use the command line instead.")
            )
        access.require(person, kind.act, str(given.get(kind.tenant, "")) if kind.tenant else None)

    def _json(self, job: Job) -> Json:
        waits = job.state is JobState.WAITING
        return {
            **_head(job),
            "given": job.kind.kept(job.given),
            "answer": dict(job.answer),
            "before": self.store.jobs.before(job) if waits else 0,
        }


def _head(job: Job) -> Json:
    error = job.error
    return {
        "id": job.id,
        "kind": job.kind.name,
        "title": str(Text(job.kind.title.msgid, {"subject": job.about})),
        "subject": job.subject,
        "state": job.state.value,
        "sentence": str(_sentence(job, error)),
        "actor": job.actor.name,
        "at": job.at.isoformat(),
        "finished_at": job.finished_at.isoformat() if job.finished_at else None,
        "run": job.run,
        "first_run": job.first_run,
        "error": {
            "code": (job.refusal or {}).get("code"),
            "word": (job.refusal or {}).get("word", ""),
            "text": str(error.text),
            "hint": str(error.hint) if error.hint else None,
            "problems": [
                {"field": p.field, "text": str(p.text), "remedy": str(p.remedy) if p.remedy else None}
                for p in error.problems
            ],
        }
        if error
        else None,
    }


def _sentence(job: Job, error: ControlPlaneError | None) -> Text:
    if error is not None:
        return error.text
    match job.state:
        case JobState.WAITING:
            return t("It waits for its turn.")
        case JobState.RUNNING:
            return t("It is being carried out.")
        case _:
            return Text(job.kind.done.msgid, {"subject": job.about})
