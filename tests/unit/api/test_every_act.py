"""Whatever the control plane can be asked is an operation, or stands here with the reason why it is none."""

from __future__ import annotations

from control_plane.api import application
from control_plane.api.operation import OPERATIONS
from control_plane.model.jobs import KINDS
from control_plane.workflow.job_acts import DOERS
from tests.unit.audit.test_every_act import CHANGING, LOOKS

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
#: Looks of `Client` → the operation that answers them; a preview is the rehearsal of its act.
SEEN: dict[str, str] = {
    **{"plan": "make_plan", "get_plan": "plan", "undo_run": "undo_run", "run_probes": "measure_promises"},
    **{name: name for name in ("runs", "run", "run_events", "drift", "explain", "status", "hosts", "accounts")},
    **{name: name for name in ("probes", "room", "tenants", "tenant", "subscription", "sites", "releases")},
    **{"restores.plan": "restore_tenant", "machines.rows": "hosts", "machines.show": "host"},
    **{"machines.security": "protection", "machines.findings": "findings", "machines.preview_mend": "mend_host"},
    **{"people.list": "users", "people.show": "user", "snapshots.all": "snapshots", "snapshots.show": "snapshot"},
    **{"snapshots.estimate": "snapshot_needs", "internet.list": "internet_of_all", "internet.show": "internet"},
    **{"internet.refusals": "internet_refusals", "policies.list": "internet_policies"},
    **{"policies.show": "internet_policy", "policies.preview": "make_internet_policy"},
    **{"rollouts.list": "rollouts", "rollouts.show": "rollout", "rollouts.events": "rollout_events"},
    **{"rollouts.preview": "create_rollout", "freezes.list": "freezes", "audit.list": "audit"},
    **{"requests.list": "requests", "requests.show": "request", "requests.preview": "submit"},
    **{"requests.blocks": "request_parts", "requests.check_rows": "check_rows", "posts.list": "notice_board"},
    **{"posts.file": "notice_file", "attachments.list": "attachments", "attachments.fetch": "attachment_content"},
    **{"jobs.show": "job", "substitutes.list": "substitutions", "substitutes.staffing": "status"},
    **{"classes.show": "classes", "classes.history": "class_tables", "emergencies.list": "emergencies"},
    **{
        "tokens.list": "tokens",
        "tokens.scopes": "token",
        "staff.show": "account",
        "staff.check": "take_list",
        "staff.joining": "add_account",
    },
    **{"sheets.list": "sheets", "groups.list": "groups", "groups.show": "group", "groups.preview": "change_members"},
    **{"reviews.list": "reviews", "reviews.show": "review", "webhooks.list": "webhooks"},
    **{"webhooks.deliveries": "deliveries", "requests.catalogue": "offerings", "jobs.list": "all_jobs"},
    "worker.status": "worker",
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

PARTS_OF = "it is a part of an act, which asks it itself"
UNSEEN: dict[str, str] = {
    **dict.fromkeys(("preview_import", "export_tenants", "diff_tenants", "machines.preview_import"), FOLDER),
    **dict.fromkeys(
        ("snapshots.media", "snapshots.medium", "snapshots.preview_take", "record.preview_register"), FOLDER
    ),
    **dict.fromkeys(("doctor", "config", "database", "audit.verify", "mail.list", "persons.find"), CENTRE),
    **dict.fromkeys(("record.collect", "record.status", "record.searches", "record.register"), CENTRE),
    **dict.fromkeys(("record.preview_purge", "record.verify", "record.holds"), CENTRE),
    **dict.fromkeys(("rehearse", "rollouts.ready", "rollouts.rehearse", "at_work"), PARTS_OF),
    **dict.fromkeys(("machines.preview_enrol", "machines.preview_retire", "machines.preview_give_up"), PARTS_OF),
    "snapshots.preview_publish": PARTS_OF,
    **dict.fromkeys(("machines.preview_transfer", "requests.check", "requests.validate", "staff.wished"), PARTS_OF),
    **dict.fromkeys(("groups.wished", "jobs.of_run", "webhooks.families", "webhooks.targets", "stamp"), PARTS_OF),
    **dict.fromkeys(("internet.preview", "internet.excepted", "preview_offboard"), SITES),
    **dict.fromkeys(("people.sign_ins", "audit.trail", "audit.export", "substitutes.mine", "views.list"), PAGES),
    **dict.fromkeys(("infected_sites", "by_itself.status", "by_itself.failed", "requests.events"), PAGES),
    **dict.fromkeys(("internet.pac", "internet.sheet"), "the gateway serves it to the department's own browsers"),
}


def test_every_act_is_an_operation_or_has_a_reason() -> None:
    assert set(OF.values()) <= set(OPERATIONS)
    assert not set(OF) & set(NONE_HERE)
    assert set(CHANGING) == set(OF) | set(NONE_HERE)


def test_every_look_is_answered_or_has_a_reason() -> None:
    looks = {f"{area}.{name}" if area else name for area, names in LOOKS.items() for name in names.split()}
    assert set(SEEN.values()) <= set(OPERATIONS)
    assert not set(SEEN) & set(UNSEEN)
    assert looks == set(SEEN) | set(UNSEEN)


def test_every_kind_of_job_has_its_way() -> None:
    assert set(DOERS) == set(KINDS)
    assert set(KINDS) >= BY_PEOPLE_ONLY
