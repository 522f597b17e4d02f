"""What is judged of each kind of job before anything of it is written down."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from control_plane.model.errors import Invalid, Problem, Rejected
from control_plane.model.machine import Ring
from control_plane.model.targets import check_paths
from control_plane.model.text import t
from control_plane.workflow.planning import CONFIRM_LENGTH

if TYPE_CHECKING:
    from control_plane.model.client import Client

Json = dict[str, Any]
Given = Mapping[str, Any]


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


def _check_scan(client: Client, given: Given) -> None:
    check_paths(given["paths"])


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
    "scan": _check_scan,
    "snapshots_publish": _check_publish,
    "emergency": _check_emergency,
}
