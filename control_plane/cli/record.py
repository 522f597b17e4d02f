"""`gasp record`: the access record as a whole. What is in it is asked with `gasp internet log`."""

from __future__ import annotations

import click

from control_plane.cli.app import App
from control_plane.cli.base import Group, argument, option
from control_plane.cli.consent import ask, consent_options, rehearsed
from control_plane.cli.errors import FAILED, TEMPORARY, Stop
from control_plane.cli.listing import Column, listing_options, plain, print_table, show_list, show_one
from control_plane.cli.record_register import WINDOW_HELP, register
from control_plane.cli.terminal import clean, duration, moment, sentence
from control_plane.model.client_record import Json
from control_plane.model.text import t, tn

HOSTS = (
    Column("host", t("HOST")),
    Column("state", t("STATE"), show="state"),
    Column("waiting", t("WAITING")),
    Column("octets", t("OCTETS")),
    Column("free", t("FREE"), wide=True),
    Column("warning", t("WARNING")),
    Column("reason", t("REASON")),
)
COLLECTED = (
    Column("host", t("HOST")),
    Column("state", t("STATE"), show="state"),
    Column("segments", t("SEGMENTS")),
    Column("lines", t("LINES")),
    Column("damaged", t("DAMAGED")),
    Column("warning", t("WARNING")),
    Column("reason", t("REASON")),
)
DAYS = (
    Column("day", t("DAY")),
    Column("lines", t("LINES")),
    Column("files", t("FILES")),
    Column("octets", t("OCTETS")),
    Column("held_by", t("HELD BY")),
)
PROBLEMS = (
    Column("what", t("WHAT")),
    Column("name", t("NAME")),
    Column("fault", t("FAULT")),
    Column("detail", t("DETAIL")),
)
HOLDS = (
    Column("number", t("ID"), show="id"),
    Column("case", t("CASE")),
    Column("state", t("STATE"), show="state"),
    Column("from", t("FROM"), show="time"),
    Column("to", t("TO"), show="time"),
    Column("tenant", t("TENANT")),
    Column("set_by", t("SET BY")),
    Column("set_at", t("SET AT"), show="time", wide=True),
    Column("reason", t("REASON")),
    Column("lifted_second", t("SECOND PERSON"), wide=True),
    Column("lifted_reason", t("LIFTED BECAUSE"), wide=True),
    Column("lifted_at", t("LIFTED AT"), show="time", wide=True),
)
SEARCHES = (
    Column("number", t("ID"), show="id"),
    Column("at", t("TIME"), show="time"),
    Column("actor.name", t("WHO")),
    Column("case", t("CASE")),
    Column("reason", t("REASON")),
    Column("from", t("FROM"), show="time"),
    Column("to", t("TO"), show="time"),
    Column("asked", t("ASKED")),
    Column("lines", t("LINES")),
    Column("cut", t("CUT"), wide=True),
)
case_option = option("--case", help=t("Number of the case that wants it."), required=True, metavar="NUMBER")
reason_option = option("--reason", help=t("Why, in one sentence; it is recorded."), required=True, metavar="TEXT")

record = Group(
    name="record",
    sentence=t("The access record: who reached what, how long it is kept, who looked."),
    examples=(
        ("gasp record status", t("what is recorded, since when, with which gaps")),
        ("gasp record verify", t("prove that nothing is missing or changed")),
    ),
)


@record.verb(
    "status",
    sentence=t(
        "Show what is recorded, since when, with which gaps, and what it needs on disk.\n"
        "A gateway that does not answer is said to be so; the exit code is then 6."
    ),
    examples=(
        ("gasp record status", t("at a glance")),
        ("gasp record status -o json", t("for monitoring")),
    ),
)
@listing_options
@click.pass_obj
def status(app: App) -> None:
    """`gasp record status`."""
    answer = app.client.record.status()
    show_one(answer, lambda: _draw_status(app, answer), rows="hosts", name="host", columns=HOSTS)
    if any(host["state"] == "unmeasured" for host in answer["hosts"]):
        raise Stop(TEMPORARY)


def _draw_status(app: App, answer: Json) -> None:
    if answer["oldest"] is None:
        app.out(sentence(t("Nothing is recorded yet.")))
    else:
        disk = answer["disk"]
        app.out(
            sentence(
                tn(
                    "Recorded from {oldest} to {newest}, {silent} ago: {lines} lines on {count} day.",
                    "Recorded from {oldest} to {newest}, {silent} ago: {lines} lines on {count} days.",
                    oldest=moment(answer["oldest"]),
                    newest=moment(answer["newest"]),
                    silent=duration(answer["silent_seconds"]),
                    lines=answer["lines"],
                    count=answer["days"],
                )
            )
        )
        app.out(
            sentence(
                t(
                    "Disk: {used} MB; at {day} MB a day, {retention} days need {estimate} MB.",
                    used=round(disk["octets"] / 2**20, 1),
                    day=round((disk["octets_a_day"] or 0) / 2**20, 1),
                    retention=answer["retention_days"],
                    estimate=round((disk["estimate"] or 0) / 2**20, 1),
                )
            )
        )
        gaps = answer["gaps"]
        told = (
            tn("No gap over an hour; {count} shorter one, {seconds} s in all.",
               "No gap over an hour; {count} shorter ones, {seconds} s in all.",
               count=answer["short_gaps"], seconds=round(answer["gap_seconds"], 1))
            if answer["short_gaps"]
            else t("No gap.")
        )  # fmt: skip
        app.out(
            sentence(
                told if not gaps else tn("{count} gap over an hour:", "{count} gaps over an hour:", count=len(gaps))
            )
        )
        for gap in gaps:
            app.out(f"  {moment(gap['from'])} – {moment(gap['to'])}  {clean(gap['source'])}  {clean(gap['sentence'])}")
    print_table(app, answer["hosts"], HOSTS)
    if answer["purge_due"]:
        app.note(
            tn(
                "{count} day is older than it is kept: gasp record purge.",
                "{count} days are older than they are kept: gasp record purge.",
                count=answer["purge_due"],
            )
        )


@record.verb(
    "collect",
    sentence=t("Bring what the gateways have recorded; a worker does the same every minute."),
    examples=(
        ("gasp record collect", t("now")),
        ("gasp record collect -o json", t("for a program")),
    ),
)
@listing_options
@click.pass_obj
def collect(app: App) -> None:
    """`gasp record collect`."""
    answer = app.client.record.collect(fresh=True)
    show_one(answer, lambda: _draw_collected(app, answer), rows="hosts", name="host", columns=COLLECTED)
    if answer["state"] != "done":
        raise Stop(TEMPORARY)


def _draw_collected(app: App, answer: Json) -> None:
    if answer["state"] == "busy":
        app.out(sentence(t("Another process collects just now.")))
    print_table(app, answer["hosts"], COLLECTED)
    for problem in answer["problems"]:
        app.note(clean(problem), "red")


@record.verb(
    "verify",
    sentence=t(
        "Prove that the record is whole: files, chain of segments, ledger.\n"
        "Names each segment, file and entry that is missing or changed; the exit code is then 1."
    ),
    examples=(
        ("gasp record verify", t("everything")),
        ("gasp record verify -o json", t("with the hash to keep elsewhere")),
    ),
)
@listing_options
@click.pass_obj
def verify(app: App) -> None:
    """`gasp record verify`."""
    answer = app.client.record.verify()
    show_one(answer, lambda: _draw_verified(app, answer), name="head")
    if not answer["ok"]:
        raise Stop(FAILED)


def _draw_verified(app: App, answer: Json) -> None:
    counts = {
        "segments": tn("{count} segment", "{count} segments", count=plain(answer["segments"])),
        "files": tn("{count} file", "{count} files", count=plain(answer["files"])),
        "entries": tn("{count} entry of the ledger", "{count} entries of the ledger", count=plain(answer["entries"])),
    }
    if answer["ok"]:
        app.out(sentence(t("Whole: {segments}, {files}, {entries}.", **counts)))
    else:
        print_table(app, answer["problems"], PROBLEMS)
    app.note(t("Head of the ledger: {head}", head=answer["head"]), "dim")


@record.verb(
    "purge",
    sentence=t(
        "Delete days that are older than they are kept; days under legal hold stay.\n"
        "Shows them first and asks. The deletion is an entry of the ledger; the record still verifies after it."
    ),
    examples=(
        ("gasp record purge --dry-run", t("what is old enough")),
        ("gasp record purge --yes", t("delete it")),
    ),
)
@consent_options()
@listing_options
@click.pass_obj
def purge(app: App, dry_run: bool, yes: bool) -> None:
    """`gasp record purge`."""
    shown = app.client.record.preview_purge()
    due = [day for day in shown["days"] if not day["held_by"]]
    what = tn(
        "{count} day with {lines} lines would be deleted.",
        "{count} days with {lines} lines would be deleted.",
        count=len(due),
        lines=shown["lines"],
    )
    if not dry_run:
        app.context()
        if due:
            if not yes:
                _draw_purge(app, shown)
            ask(
                tn(
                    "Delete {count} day with {lines} lines for good?",
                    "Delete {count} days with {lines} lines for good?",
                    count=len(due),
                    lines=shown["lines"],
                ),
                yes,
            )
            shown = app.client.record.purge()
    show_one(shown, lambda: _draw_purge(app, shown), rows="days", name="day", columns=DAYS)
    if rehearsed(dry_run, what):
        return
    if shown["number"] is not None:
        app.note(t("Deleted; entry {number} of the ledger says what it was.", number=shown["number"]))


def _draw_purge(app: App, shown: Json) -> None:
    if shown["days"]:
        print_table(app, shown["days"], DAYS)
    else:
        app.out(sentence(t("Nothing is older than {days} days.", days=shown["retention_days"])))


hold = Group(
    name="hold",
    sentence=t("Legal holds: keep what a case needs from being purged."),
    examples=(
        (
            "gasp record hold set --case Q-118 --reason 'court order' --from 2026-11-01 --to 2026-11-30",
            t("keep a month"),
        ),
        ("gasp record hold lift 3 --second 'Wang Wei' --reason closed", t("end a hold; two people must agree")),
    ),
)
record.add_command(hold)


@hold.verb(
    "set",
    sentence=t("Keep what is in a window from being purged, until the hold is lifted."),
    examples=(
        (
            "gasp record hold set --case Q-118 --reason 'court order' --from 2026-11-01 --to 2026-11-30 --yes",
            t("keep a month"),
        ),
        (
            "gasp record hold set --case Q-119 --reason audit --from 2026-11-01 --to 2026-11-30 --tenant fgw --yes",
            t("for one department; whole days are kept"),
        ),
    ),
)
@case_option
@reason_option
@option("--from", "begin", help=WINDOW_HELP, required=True, metavar="TIME")
@option("--to", "end", help=t("End; a day alone is the whole day."), required=True, metavar="TIME")
@option("--tenant", help=t("The department it is about."), metavar="CODE")
@consent_options()
@listing_options
@click.pass_obj
def set_hold(
    app: App, case: str, reason: str, begin: str, end: str, tenant: str | None, dry_run: bool, yes: bool
) -> None:
    """`gasp record hold set`."""

    def act() -> Json:
        return app.client.record.hold(case=case, reason=reason, begin=begin, end=end, tenant=tenant)

    what = t("Everything from {begin} to {end} would be kept for case {case}.", begin=begin, end=end, case=case)
    if rehearsed(dry_run, what, act):
        return
    app.context()
    ask(t("Keep everything from {begin} to {end} for case {case}?", begin=begin, end=end, case=case), yes)
    answer = act()
    show_one(answer, lambda: print_table(app, [answer], HOLDS), name="number", columns=HOLDS)
    app.note(t("It ends with gasp record hold lift {number}.", number=answer["number"]), "dim")


@hold.verb(
    "lift",
    sentence=t("End a legal hold. A second person must agree; the name is recorded as you give it, unverified."),
    examples=(
        ("gasp record hold lift 3 --second 'Wang Wei' --reason 'case closed' --yes", t("end hold 3")),
        ("gasp record hold lift 3 --second 'Wang Wei' --reason 'case closed' --dry-run", t("only look")),
    ),
)
@argument("number", help=t("Number of the hold."), type=int, metavar="NUMBER")
@option("--second", help=t("The other person who agreed."), required=True, metavar="NAME")
@reason_option
@consent_options()
@listing_options
@click.pass_obj
def lift(app: App, number: int, second: str, reason: str, dry_run: bool, yes: bool) -> None:
    """`gasp record hold lift`."""

    def act() -> Json:
        return app.client.record.lift(number, second=second, reason=reason)

    if rehearsed(dry_run, t("Hold {number} would be lifted.", number=number), act):
        return
    app.context()
    ask(t("Lift hold {number}? {second} agreed.", number=number, second=second), yes)
    answer = act()
    show_one(answer, lambda: print_table(app, [answer], HOLDS), name="number", columns=HOLDS)


@record.verb(
    "holds",
    sentence=t("List legal holds."),
    examples=(
        ("gasp record holds", t("those in force")),
        ("gasp record holds --all -o wide", t("lifted ones too")),
    ),
)
@option("--all", "every", help=t("Lifted ones too."), is_flag=True)
@listing_options
@click.pass_obj
def holds(app: App, every: bool) -> None:
    """`gasp record holds`."""
    show_list(app.client.record.holds(every), HOLDS, empty=t("No legal hold."), name="number")


@record.verb(
    "searches",
    sentence=t("List who asked the access record, when, for which case, and how much was shown."),
    examples=(
        ("gasp record searches", t("newest first")),
        ("gasp record searches --filter case=Q-118 -o csv", t("of one case, for a spreadsheet")),
    ),
)
@listing_options
@click.pass_obj
def searches(app: App) -> None:
    """`gasp record searches`."""
    show_list(app.client.record.searches(), SEARCHES, empty=t("Nobody has asked yet."), name="number")


record.add_command(register)
