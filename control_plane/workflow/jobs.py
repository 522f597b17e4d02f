"""What people ask for on pages: written down once, carried out by the web server or the worker, never lost or doubled.

Every job goes the way that a command goes: the very methods of `Client`, with the person as their actor. The person's
role is asked when the job is placed and again when it is carried out. Must not know how a page looks.
"""

from __future__ import annotations

import base64
import builtins
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from datetime import datetime
from typing import TYPE_CHECKING, Any

from control_plane.model.errors import ControlPlaneError, Invalid, Problem, Rejected, UnsafePlan
from control_plane.model.jobs import KINDS, OVER, Job, JobKind, JobState, refusal_of
from control_plane.model.machine import Ring
from control_plane.model.run import FINAL, Actor, EventType, RunState
from control_plane.model.text import Text, in_language, t
from control_plane.store.leases import Holder
from control_plane.store.repository import Store
from control_plane.workflow import access
from control_plane.workflow.planning import CONFIRM_LENGTH
from control_plane.workflow.process import myself, process_alive
from control_plane.workflow.request_forms import storable

if TYPE_CHECKING:
    from control_plane.model.client import Client

Json = dict[str, Any]
Given = Mapping[str, Any]
Hear = Callable[[Json], None]
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
            fault = Rejected(t("{kind}: {error}", kind=type(error).__name__, error=error))
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
            return _run(client.resume_run(run.id, on_event=hear))
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


# what each kind does: the method that the command calls too ---------------------------------------------------------
def _run(run: Json) -> Json:
    return {"run": run["id"], "state": run["state"]}


def _apply(client: Client, given: Given, hear: Hear) -> Json:
    target, wait = given.get("target") or given["digest"], given.get("wait", 600.0)
    return _run(client.apply(target, confirm=given["confirm"] or None, on_event=hear, wait=wait))


def _resume(client: Client, given: Given, hear: Hear) -> Json:
    return _run(client.resume_run(given["run"], on_event=hear))


def _stop(client: Client, given: Given, hear: Hear) -> Json:
    run = client.run(given["run"])
    if RunState(run["state"]) in FINAL:
        raise Rejected(
            t("Run {run} has ended; there is nothing to stop.", run=run["id"]),
            t("See gasp runs show {run}.", run=run["id"]),
        )
    return _run(client.stop_run(given["run"]))


def _drift_keep(client: Client, given: Given, hear: Hear) -> Json:
    return {"ids": [r["id"] for r in client.drift_keep(given["ids"], until=given["until"], reason=given["reason"])]}


def _drift_accept(client: Client, given: Given, hear: Hear) -> Json:
    return {"ids": [row["id"] for row in client.drift_accept(given["ids"], reason=given["reason"])]}


def _drift_revert(client: Client, given: Given, hear: Hear) -> Json:
    if "confirm" in given:
        return _run(client.drift_revert(given["ids"], confirm=given["confirm"] or None, on_event=hear))
    try:
        return _run(client.drift_revert(given["ids"], on_event=hear))
    except UnsafePlan as error:  # a form of chosen lines has no field for a word; a plan's page has
        hint = t("Revert fewer at once, or plan these departments and carry that plan out with its word.")
        raise UnsafePlan(error.text, hint) from None


def _freeze(client: Client, given: Given, hear: Hear) -> Json:
    return client.freezes.set(given["scope"], reason=given["reason"])


def _lift(client: Client, given: Given, hear: Hear) -> Json:
    return client.freezes.lift(given["freeze"], reason=given["reason"])


def _policy_add(client: Client, given: Given, hear: Hear) -> Json:
    made = client.policies.add(given["policy"], reason=given["reason"], based_on=given["based_on"])
    return {"number": made["number"]}


def _rollout_ready(client: Client, given: Given) -> Callable[[], Json]:
    make = client.rollouts.ready(**given["order"])
    return lambda: {"rollout": make()["id"]}


def _rollout_create(client: Client, given: Given, hear: Hear) -> Json:
    return _rollout_ready(client, given)()


def _rollout_release(client: Client, given: Given, hear: Hear) -> Json:
    more = {"go_on": given["go_on"], "confirm": given["confirm"] or None}
    return {"rollout": client.rollouts.release(given["rollout"], reason=given["reason"], **more)["id"]}


def _rollout_resume(client: Client, given: Given, hear: Hear) -> Json:
    return {"rollout": client.rollouts.resume(given["rollout"])["id"]}


def _rollout(act: str) -> Callable[[Client, Given, Hear], Json]:
    def do(client: Client, given: Given, hear: Hear) -> Json:
        return {"rollout": getattr(client.rollouts, act)(given["rollout"], reason=given["reason"])["id"]}

    return do


def _measure(client: Client, given: Given, hear: Hear) -> Json:
    found = client.machines.measure(given["scope"])
    return {name: found[name] for name in ("scope", "seconds", "measured", "silent", "patches")}


def _mend(client: Client, given: Given, hear: Hear) -> Json:
    before = client.machines.preview_mend(given["name"])
    done = client.machines.mend(given["name"])
    return {"machine": done["machine"], "acts": done["acts"], "left": before["left"]}


def _enrol(client: Client, given: Given, hear: Hear) -> Json:
    return {"machine": client.machines.enrol(given["name"], given["tenant"], given["ring"])["name"]}


def _retire(client: Client, given: Given, hear: Hear) -> Json:
    if given["lost"]:
        return client.machines.give_up(given["name"], given["reason"])
    return client.machines.retire(given["name"])


def _transfer(client: Client, given: Given, hear: Hear) -> Json:
    return {"machine": client.machines.transfer(given["name"], given["tenant"])["name"]}


def _scan(client: Client, given: Given, hear: Hear) -> Json:
    return client.machines.scan(given["target"], given["paths"])


def _refresh(client: Client, given: Given, hear: Hear) -> Json:
    return client.machines.refresh_signatures(given["scope"])


def _findings_clear(client: Client, given: Given, hear: Hear) -> Json:
    return {"findings": [row["id"] for row in client.machines.clear_findings(given["ids"], given["reason"])]}


def _snapshots_sync(client: Client, given: Given, hear: Hear) -> Json:
    needs = client.snapshots.estimate(given["depot"])
    for row in needs:
        if not row["enough"]:
            raise Rejected(
                t("The disk of the repository host has not enough room for {kind}; nothing was fetched.", **row),
                t("Delete old ones first, or give the host a larger disk."),
            )
    return {"taken": [client.snapshots.sync(row["kind"]) for row in needs]}


def _snapshots_take(client: Client, given: Given, hear: Hear) -> Json:
    return {"taken": client.snapshots.take(client.snapshots.medium(given["medium"]))}


def _snapshots_publish(client: Client, given: Given, hear: Hear) -> Json:
    return client.snapshots.publish(given["snapshot"], given["ring"])


def _snapshots_prune(client: Client, given: Given, hear: Hear) -> Json:
    """Deletes only what was shown: one that a ring has lost since then waits for the next look."""
    found = client.snapshots.prune(given["depot"], given["keep"], dry_run=True)
    if more := sorted(set(found["removed"]) - set(given["removed"])):
        raise Rejected(
            t("More would be deleted now than was shown: {names}.", names=", ".join(more)), t("Look at the list again.")
        )
    return client.snapshots.prune(given["depot"], given["keep"])


def _no_auditor(client: Client, given: Given) -> None:
    """Whom auditors watch does not decide who they are: that is done on the machine itself. Raises Rejected."""
    who = given["person"]
    found = (p for p in client.people.list() if who in (p["person"], p["person"].partition(":")[2]))
    if "auditor" in (given.get("role"), *(grant["role"] for person in found for grant in person["roles"])):
        raise Rejected(
            t("Nothing about an auditor is changed on a page: auditors watch who does it."),
            t("On the machine itself: gasp users"),
        )


def _grant(client: Client, given: Given, hear: Hear) -> Json:
    _no_auditor(client, given)
    more = {name: given[name] or None for name in ("tenant", "until")}
    return {"person": client.people.grant(given["person"], given["role"], reason=given["reason"], **more)["person"]}


def _revoke(client: Client, given: Given, hear: Hear) -> Json:
    _no_auditor(client, given)
    more = {"tenant": given["tenant"] or None, "reason": given["reason"]}
    return {"person": client.people.revoke(given["person"], given["role"], **more)["person"]}


def _account_add(client: Client, given: Given, hear: Hear) -> Json:
    return client.people.add(given["account"], display=given["name"])


def _sign_in_reset(client: Client, given: Given, hear: Hear) -> Json:
    _no_auditor(client, given)
    return client.people.reset(given["person"])


def _passwords(client: Client, given: Given, hear: Hear) -> Json:
    """No password is in the answer, which is kept."""
    return client.sheets.issue(given["tenant"], uids=given["uids"], reason=given["reason"])


def _account_leave(client: Client, given: Given, hear: Hear) -> Json:
    left = client.staff.leave(given["uid"], tenant=given["tenant"], reason=given["reason"], on_event=hear)
    return {**left, **given.get("cut", {})}  # whoever was cut before this has lost it already


def _people_add(client: Client, given: Given, hear: Hear) -> Json:
    return client.staff.add(given["person"], tenant=given["tenant"], on_event=hear)


def _people_take(client: Client, given: Given, hear: Hear) -> Json:
    """Who they are is not in the answer, which is kept."""
    content, more = base64.b64decode(given["content"]), {"tenant": given["tenant"], "complete": given["complete"]}
    done = client.staff.take(content, **more, digest=given["digest"], confirm=given["confirm"] or None, on_event=hear)
    return {name: done[name] for name in ("digest", "counts", "tenants", "run", "cut")}


def _people_settle(client: Client, given: Given, hear: Hear) -> Json:
    return client.staff.settle(given["tenant"], on_event=hear)


def _review_move(client: Client, given: Given, hear: Hear) -> Json:
    return client.reviews.move(given["review"], on_event=hear)


def _group_change(client: Client, given: Given, hear: Hear) -> Json:
    return client.groups.change(given["tenant"], given["wish"], digest=given["digest"], on_event=hear)


def _internet_test(client: Client, given: Given, hear: Hear) -> Json:
    return client.internet.test(given["tenant"], given["url"])


def _emergency(client: Client, given: Given, hear: Hear) -> Json:
    made = client.emergencies.apply(given["request"], digest=given["digest"], reason=given["reason"])
    return {"emergency": made["id"], "request": made["request"], "state": made["state"]}


#: What must be looked at outside before the one transaction of act and note; what is given back then does the act.
READY: Mapping[str, Callable[[Client, Given], Callable[[], Json]]] = {"rollout_create": _rollout_ready}
DOERS: Mapping[str, Callable[[Client, Given, Hear], Json]] = {
    "apply": _apply,
    "resume": _resume,
    "stop": _stop,
    "drift_keep": _drift_keep,
    "drift_accept": _drift_accept,
    "drift_revert": _drift_revert,
    "freeze": _freeze,
    "lift": _lift,
    "policy_add": _policy_add,
    "rollout_create": _rollout_create,
    "rollout_release": _rollout_release,
    "rollout_resume": _rollout_resume,
    **{f"rollout_{act}": _rollout(act) for act in ("pause", "abort", "rollback")},
    "measure": _measure,
    "mend": _mend,
    "enrol": _enrol,
    "retire": _retire,
    "transfer": _transfer,
    "scan": _scan,
    "refresh": _refresh,
    "findings_clear": _findings_clear,
    "snapshots_sync": _snapshots_sync,
    "snapshots_take": _snapshots_take,
    "snapshots_publish": _snapshots_publish,
    "snapshots_prune": _snapshots_prune,
    "grant": _grant,
    "revoke": _revoke,
    "account_add": _account_add,
    "sign_in_reset": _sign_in_reset,
    "password_reset": _passwords,
    "passwords_issue": _passwords,
    "account_leave": _account_leave,
    "people_add": _people_add,
    "people_take": _people_take,
    "people_settle": _people_settle,
    "review_move": _review_move,
    "group_change": _group_change,
    "internet_test": _internet_test,
    "own_internet_test": _internet_test,
    "emergency": _emergency,
}


# what is judged before anything is written down -----------------------------------------------------------------------
def _check_apply(client: Client, given: Given) -> None:
    """There is something to do, and the typed word is the one that the plan's guards ask for."""
    if "target" in given:  # planned under the lease, where its guards are asked
        return
    plan, typed = client.get_plan(given["digest"]), given["confirm"]
    if "wait" not in given and not any(c["action"] != "conflict" for c in plan["changes"]) and not plan.get("restores"):
        raise Rejected(t("There is nothing in this plan to carry out."), t("Plan again."))
    by_digest = len(typed) >= CONFIRM_LENGTH and plan["digest"].startswith(typed)
    lacking = [g["confirm"] for g in plan["guards"] if g["confirm"] and not by_digest and typed != g["confirm"]]
    if lacking:
        text = t("“{given}” is not the word asked for; nothing was changed.", given=typed)
        word = lacking[-1] if len(set(lacking)) == 1 else plan["digest"][:CONFIRM_LENGTH]
        raise Invalid([Problem("no-word", text, t("Read the plan, then type {word}.", word=word), field="confirm")])


def _check_drift(client: Client, given: Given) -> None:
    if not given["ids"]:
        raise Invalid([Problem("no-choice", t("Nothing is chosen."), t("Choose at least one line."), field="ids")])


def _check_findings(client: Client, given: Given) -> None:
    problems = []
    if not given["ids"]:
        text = t("No finding is chosen.")
        problems.append(Problem("no-choice", text, t("Choose at least one."), field="findings"))
    if not given["reason"]:
        text, remedy = t("A reason is needed."), t("Say why in one sentence.")
        problems.append(Problem("no-reason", text, remedy, field="reason"))
    if problems:
        raise Invalid(problems)


def _check_publish(client: Client, given: Given) -> None:
    """A ring of tenants gets it by a rollout; at once only when somebody says that they know what that means."""
    problems = []
    if given["ring"] not in list(Ring):
        text = t("“{ring}” is no ring.", ring=given["ring"])
        problems.append(Problem("no-ring", text, t("Choose one of the list."), field="ring"))
    elif given["ring"] and not given["sure"]:
        problems.append(
            Problem(
                "not-sure", t("Without a rollout nothing measures it, and nothing stops it."),
                t("Make a rollout, or tick that you know this."), field="sure",
            )
        )  # fmt: skip
    if not given["snapshot"]:
        text = t("No snapshot is chosen.")
        problems.append(Problem("no-snapshot", text, t("Choose one of the list."), field="snapshot"))
    if problems:
        raise Invalid(problems)


def _check_emergency(client: Client, given: Given) -> None:
    if not given["reason"]:
        text, remedy = t("A reason is needed."), t("Say why in one sentence.")
        raise Invalid([Problem("no-reason", text, remedy, field="emergency-reason")])


CHECKS: Mapping[str, Callable[[Client, Given], None]] = {
    "apply": _check_apply,
    "drift_keep": _check_drift,
    "drift_accept": _check_drift,
    "drift_revert": _check_drift,
    "findings_clear": _check_findings,
    "snapshots_publish": _check_publish,
    "emergency": _check_emergency,
}
