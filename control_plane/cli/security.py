"""`gasp security`: antivirus on tenants' machines: how they are protected, scans, findings."""

from __future__ import annotations

import click

from control_plane.cli.app import App
from control_plane.cli.base import Group, argument, option
from control_plane.cli.consent import ask, consent_options, rehearsed
from control_plane.cli.errors import FAILED, Stop
from control_plane.cli.hosts import TENANT_COLUMNS
from control_plane.cli.listing import Column, listing_options, plain, show_list, show_one
from control_plane.cli.terminal import sentence
from control_plane.model.client import Json
from control_plane.model.targets import HELP, parse_target, target_words
from control_plane.model.text import t, tn

FINDING_COLUMNS = (
    Column("id", t("ID"), show="id"),
    Column("state", t("STATE"), show="patches"),
    Column("tenant", t("TENANT")),
    Column("host", t("HOST")),
    Column("path", t("PATH")),
    Column("signature", t("SIGNATURE")),
    Column("found_at", t("FOUND AT"), show="time"),
    Column("last_seen", t("LAST SEEN"), show="time", wide=True),
    Column("reason", t("REASON"), wide=True),
)
GOING_COLUMNS = (
    Column("title", t("WHAT")),
    Column("state", t("STATE"), show="going"),
    Column("sentence", t("HOW IT STANDS")),
    Column("last_at", t("LAST"), show="time"),
    Column("next_at", t("NEXT"), show="time"),
)
SCAN_COLUMNS = (
    Column("machine", t("MACHINE")),
    Column("tenant", t("TENANT")),
    Column("files", t("FILES")),
    Column("found", t("FINDINGS")),
    Column("error", t("FAULT")),
)
REFRESH_COLUMNS = (
    Column("machine", t("MACHINE")),
    Column("tenant", t("TENANT")),
    Column("state", t("STATE")),
    Column("text", t("DETAIL")),
)

security = Group(
    name="security",
    sentence=t("Antivirus on tenants' machines: how they are protected, scans, findings."),
    examples=(
        ("gasp security show", t("clean, old signatures, not scanned and silent, by department")),
        ("gasp security status", t("what goes on by itself, and what it waits for")),
    ),
)


@security.verb(
    "show",
    sentence=t(
        "How machines are protected, by department. Clean, old signatures, not scanned and silent are never added up."
    ),
    examples=(
        ("gasp security show", t("every department that has the service")),
        ("gasp security show fgw -o json", t("one department, for a program")),
    ),
)
@argument("tenant", help=t("Only this department."), required=False)
@listing_options
@click.pass_obj
def show(app: App, tenant: str | None) -> None:
    """`gasp security show`."""
    rows = app.client.machines.security(tenant)
    show_list(rows, TENANT_COLUMNS, empty=t("No department has this service."), name="tenant")


@security.verb(
    "status",
    sentence=t("What goes on by itself: scans of machines, new signatures. What each waits for, and until when."),
    examples=(
        ("gasp security status", t("how both stand")),
        ("gasp security status -o json", t("with what is under way, for a program")),
    ),
)
@listing_options
@click.pass_obj
def status(app: App) -> None:
    """`gasp security status`."""
    show_list(app.client.by_itself.status(), GOING_COLUMNS, empty=t("Nothing goes on by itself."), name="name")


@security.verb(
    "scan",
    sentence=t(
        "Scan machines with their own engine. Findings reach the centre as they come; Ctrl-C ends the scan, and what "
        "was found stays. Exit code 1 when something was found."
    ),
    examples=(
        ("gasp security scan fgw --path /home", t("one folder of one machine")),
        ("gasp security scan tenant:fgw", t("where people keep files, on all machines of a department")),
    ),
)
@argument("target", help=HELP)
@option("--path", "paths", help=t("Only below this folder; may be given again."), metavar="PATH", multiple=True)
@listing_options
@click.pass_obj
def scan(app: App, target: str, paths: tuple[str, ...]) -> None:
    """`gasp security scan TARGET`."""
    app.context()

    def follow(news: Json) -> None:
        app.note(
            tn(
                "{machine}: {files} file, {found} found",
                "{machine}: {files} files, {found} found",
                count=news["files"],
                **{**news, "files": plain(news["files"])},
            ),
            "dim",
        )

    answer = app.client.machines.scan(target, paths, follow)

    def draw() -> None:
        for row in answer["machines"]:
            words = {"machine": row["machine"], "files": plain(row["files"]), "found": len(row["found"])}
            app.out(
                sentence(
                    tn(
                        "{machine}: {files} file scanned, {found} found.",
                        "{machine}: {files} files scanned, {found} found.",
                        count=row["files"],
                        **words,
                    )
                )
            )
            for item in row["found"]:
                app.out(sentence(t("  {path}: {signature}", **item)))
            if row["error"]:
                app.out(sentence(t("  It did not end well: {error}", error=row["error"])))
        if answer["findings"]:
            app.out(sentence(t("Next: {command}", command="gasp security findings --open")))

    show_one(answer, draw, rows="machines", name="machine", columns=SCAN_COLUMNS)
    if answer["findings"] or any(row["error"] for row in answer["machines"]):
        raise Stop(FAILED)


@security.verb(
    "refresh",
    sentence=t(
        "Let machines fetch the signatures that their ring has now, and load them. Exit code 1 when one failed or is "
        "frozen, or when none answered."
    ),
    examples=(
        ("gasp security refresh", t("all enrolled machines")),
        ("gasp security refresh tenant:fgw --yes", t("those of one department")),
    ),
)
@argument("scope", help=HELP, required=False, default="estate", metavar="[TARGET]")
@consent_options()
@listing_options
@click.pass_obj
def refresh(app: App, scope: str, dry_run: bool, yes: bool) -> None:
    """`gasp security refresh`."""
    if dry_run:
        for term in parse_target(scope, "scope"):
            if term.kind == "tenant":
                app.client.tenant(term.value)
    if rehearsed(dry_run, t("Machines of {scope} would fetch their ring's signatures.", scope=target_words(scope))):
        return
    app.context()
    ask(t("Let the machines of {scope} fetch their ring's signatures now?", scope=target_words(scope)), yes)
    answer = app.client.machines.refresh_signatures(scope)

    def draw() -> None:
        counts = {k: answer[k] for k in ("changed", "already", "failed", "unreachable", "untouched")}
        app.out(
            sentence(
                t(
                    "{changed} loaded a new set, {already} had it, {failed} failed, {unreachable} silent, "
                    "{untouched} frozen.",
                    **counts,
                )
            )
        )
        for row in answer["machines"]:
            if row["state"] in ("failed", "unreachable", "untouched"):
                app.out(sentence(t("  {machine}: {text}", machine=row["machine"], text=row["text"])))

    show_one(answer, draw, rows="machines", name="machine", columns=REFRESH_COLUMNS)
    none = answer["machines"] and not answer["changed"] + answer["already"]
    if answer["failed"] or answer["untouched"] or none:
        raise Stop(FAILED)


@security.verb(
    "findings",
    sentence=t("What engines found on machines, newest first."),
    examples=(
        ("gasp security findings --open", t("what is not settled")),
        ("gasp security findings --tenant fgw -o json", t("of one department, for a program")),
    ),
)
@option("--tenant", help=t("Only this department."), metavar="CODE")
@option("--open", "only_open", help=t("Only what is not settled."), is_flag=True)
@listing_options
@click.pass_obj
def findings(app: App, tenant: str | None, only_open: bool) -> None:
    """`gasp security findings`."""
    rows = app.client.machines.findings(tenant, only_open=only_open)
    show_list(rows, FINDING_COLUMNS, empty=t("Nothing was found."), name="id")


@security.verb(
    "clear",
    sentence=t("Settle findings, with a reason. The file itself is not touched."),
    examples=(
        ("gasp security clear f_3k7 --reason 'deleted by its owner'", t("after a question")),
        ("gasp security clear f_3k7 f_9x2 --reason 'test file' --yes", t("several, without one")),
    ),
)
@argument("ids", help=t("Ids, as gasp security findings prints them."), nargs=-1, required=True)
@option("--reason", help=t("Why, in one sentence."), required=True)
@consent_options()
@listing_options
@click.pass_obj
def clear(app: App, ids: tuple[str, ...], reason: str, dry_run: bool, yes: bool) -> None:
    """`gasp security clear ID…`."""

    def act() -> list[Json]:
        return app.client.machines.clear_findings(ids, reason)

    what = tn("{count} finding would be settled.", "{count} findings would be settled.", count=len(ids))
    if rehearsed(dry_run, what, act):
        return
    app.context()
    ask(tn("Settle {count} finding?", "Settle {count} findings?", count=len(ids)), yes)
    show_list(act(), FINDING_COLUMNS, empty=t("Nothing was found."), name="id")
