"""What each kind of job does: the very method of `Client` that the command calls, with the person as its actor.

Must not write a job down, or ask whether somebody may do it: that is `jobs`.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from control_plane.model.errors import Rejected, UnsafePlan
from control_plane.model.run import FINAL, RunState
from control_plane.model.text import t
from control_plane.workflow.job_checks import Given, Json

if TYPE_CHECKING:
    from control_plane.model.client import Client

Hear = Callable[[Json], None]


def run_answer(run: Json) -> Json:
    """What a job answers of the run that it began."""
    return {"run": run["id"], "state": run["state"]}


def _apply(client: Client, given: Given, hear: Hear) -> Json:
    target, wait = given.get("target") or given["digest"], given.get("wait", 600.0)
    return run_answer(client.apply(target, confirm=given["confirm"] or None, on_event=hear, wait=wait))


def _resume(client: Client, given: Given, hear: Hear) -> Json:
    return run_answer(client.resume_run(given["run"], on_event=hear))


def _stop(client: Client, given: Given, hear: Hear) -> Json:
    run = client.run(given["run"])
    if RunState(run["state"]) in FINAL:
        raise Rejected(
            t("Run {run} has ended; there is nothing to stop.", run=run["id"]),
            t("See gasp runs show {run}.", run=run["id"]),
        )
    return run_answer(client.stop_run(given["run"]))


def _drift_keep(client: Client, given: Given, hear: Hear) -> Json:
    return {"ids": [r["id"] for r in client.drift_keep(given["ids"], until=given["until"], reason=given["reason"])]}


def _drift_accept(client: Client, given: Given, hear: Hear) -> Json:
    return {"ids": [row["id"] for row in client.drift_accept(given["ids"], reason=given["reason"])]}


def _drift_revert(client: Client, given: Given, hear: Hear) -> Json:
    if "confirm" in given:
        return run_answer(client.drift_revert(given["ids"], confirm=given["confirm"] or None, on_event=hear))
    try:
        return run_answer(client.drift_revert(given["ids"], on_event=hear))
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
    kept = {name: found[name] for name in ("scope", "seconds", "measured", "silent", "patches")}
    return {**kept, "names": [row["name"] for row in found["machines"]]}


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
