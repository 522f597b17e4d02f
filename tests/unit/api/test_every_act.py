"""Whatever the control plane can be asked to change is an operation, or stands here with the reason why it is none."""

from __future__ import annotations

from control_plane.api import application
from control_plane.api.operation import OPERATIONS
from control_plane.model.jobs import KINDS
from control_plane.workflow.job_acts import DOERS
from tests.unit.audit.test_every_act import CHANGING

assert application.MODULES
#: Method of `Client` → the operation that does it.
OF: dict[str, str] = {
    **{"apply": "apply", "stop_run": "stop_run", "resume_run": "resume_run"},
    **{"drift_keep": "keep_drift", "drift_accept": "accept_drift", "drift_revert": "revert_drift"},
    **{"freezes.set": "set_freeze", "freezes.lift": "lift_freeze"},
    **{f"rollouts.{act}": f"{act}_rollout" for act in ("create", "release", "pause", "resume", "abort")},
    "rollouts.rollback": "roll_back_rollout",
    **{"requests.draft": "ask", "requests.save": "change_request", "requests.take_rows": "take_rows"},
    **{f"requests.{act}": act for act in ("submit", "answer", "comment", "withdraw", "sign", "refuse", "retry")},
    **{"requests.mark": "mark_part", "requests.letter": "record_letter", "requests.send_back": "send_back"},
    **{f"machines.{act}": f"{act}_host" for act in ("enrol", "mend", "retire", "transfer")},
    **{"machines.give_up": "retire_host", "machines.measure": "measure", "machines.scan": "scan"},
    **{"machines.refresh_signatures": "fetch_signatures", "machines.clear_findings": "settle_findings"},
    **{"snapshots.sync": "fetch_snapshots", "snapshots.take": "fetch_snapshots"},
    **{"snapshots.publish": "publish_snapshot", "snapshots.prune": "delete_snapshots"},
    **{"substitutes.name": "name_substitute", "substitutes.end": "end_substitution"},
    **{"emergencies.apply": "make_emergency", "emergencies.review": "review_emergency"},
    **{f"classes.{act}": f"{act}_classes" for act in ("propose", "sign", "refuse")},
    **{"policies.add": "make_internet_policy"},
    **{"staff.add": "add_account", "staff.take": "take_list", "staff.leave": "let_leave", "staff.cut": "let_leave"},
    **{"staff.settle": "decide_review", "sheets.issue": "issue_sheet", "groups.change": "change_members"},
    **{"reviews.decide": "decide_review", "reviews.move": "move_reviewed"},
    **{"tokens.revoke": "end_token", "webhooks.end": "end_webhook", "webhooks.resend": "resend_delivery"},
    **{"publish_release": "upload_release", "prune_releases": "delete_releases"},
    **{"attachments.add": "attach", "attachments.remove": "detach", "posts.save": "write_notice"},
    **{"posts.withdraw": "withdraw_notice", "posts.build": "build_notices"},
    **{"internet.test": "test_address", "jobs.withdraw": "withdraw_job"},
}
FOLDER = "it reads or writes a folder of the centre's own machine"
SIGNED_IN = "only somebody who has signed in with a second factor, so that a token that leaks makes nobody powerful"
CENTRE = "it belongs to whoever keeps the centre's own machine, and pages do not have it either"
ONCE = "its answer is a secret that is shown once, and what was first answered to a program is kept for a day"
PAGES = "it is a view of a page's list, of no use to a program"
BY_TIME = "the worker does it when its time has come"
SITES = "a department asks for it by a request, which is an operation; the centre does it on its own machine"
NONE_HERE: dict[str, str] = {
    **dict.fromkeys(("import_tenants", "offboard", "machines.import_machines"), FOLDER),
    **dict.fromkeys(("people.grant", "people.revoke", "people.add", "people.reset", "people.leave"), SIGNED_IN),
    **dict.fromkeys(("tokens.create", "webhooks.create", "webhooks.rotate", "sheets.open"), ONCE),
    **dict.fromkeys(("attachments.scan", "mail.retry"), CENTRE),
    **dict.fromkeys(("record.log", "record.purge", "record.hold", "record.lift", "record.add_to_register"), CENTRE),
    **dict.fromkeys(("activate_release", "rollback_release", "maintenance", "preview_release"), SITES),
    "internet.change": SITES,
    **dict.fromkeys(("views.keep", "views.remove"), PAGES),
    **dict.fromkeys(("staff.remove_left", "sheets.expire", "reviews.tick"), BY_TIME),
    **dict.fromkeys(("persons.export", "persons.erase"), CENTRE),
    "jobs.place": "every operation that lasts places one",
}
#: Kinds of jobs of pages → operations; the rest are in the table of reasons above, by their methods.
BY_PEOPLE_ONLY = {"grant", "revoke", "account_add", "sign_in_reset"}


def test_every_act_is_an_operation_or_has_a_reason() -> None:
    assert set(OF.values()) <= set(OPERATIONS)
    assert not set(OF) & set(NONE_HERE)
    assert set(CHANGING) == set(OF) | set(NONE_HERE)


def test_every_kind_of_job_has_its_way() -> None:
    assert set(DOERS) == set(KINDS)
    assert set(KINDS) >= BY_PEOPLE_ONLY
