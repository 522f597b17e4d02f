"""`gasp hosts`: machines of the centre and of its tenants: inventory, measuring, mending."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from control_plane.cli.app import App
from control_plane.cli.base import Group, argument, option
from control_plane.cli.consent import ask, consent_options, rehearsed
from control_plane.cli.errors import TEMPORARY, Stop
from control_plane.cli.listing import Column, listing_options, plain, show_list, show_one
from control_plane.cli.looking import facts, unknown
from control_plane.cli.terminal import moment, sentence
from control_plane.model.client import Json
from control_plane.model.errors import Invalid, Problem
from control_plane.model.machine_rules import FAULT_NAMES, NOTE_NAMES
from control_plane.model.naming import HOST_ROLES, HOST_ZONES, MACHINE_HISTORY
from control_plane.model.targets import HELP
from control_plane.model.text import Text, t, tn

COLUMNS = (
    Column("name", t("NAME")),
    Column("role", t("ROLE"), words=HOST_ROLES),
    Column("zone", t("ZONE"), wide=True, words=HOST_ZONES),
    Column("tenant", t("TENANT")),
    Column("ring", t("RING"), show="id"),
    Column("state", t("STATE"), show="host"),
    Column("patch_state", t("PATCHES"), show="patches"),
    Column("pending", t("PENDING")),
    Column("overdue", t("OVERDUE")),
    Column("held", t("HELD"), wide=True),
    Column("kept_back", t("KEPT BACK"), wide=True),
    Column("protection", t("ANTIVIRUS"), show="patches"),
    Column("signature_age_seconds", t("SIGNATURES, SECONDS OLD"), wide=True),
    Column("scanned_at", t("SCANNED"), show="time", wide=True),
    Column("findings", t("FINDINGS"), wide=True),
    Column("faults", t("FAULTS"), words=FAULT_NAMES),
    Column("reboot_required", t("RESTART"), wide=True),
    Column("last_contact", t("LAST CONTACT"), show="time", wide=True),
    Column("notes", t("NOTES"), words=NOTE_NAMES),
    Column("ipv4", t("IPV4"), wide=True),
    Column("ipv6", t("IPV6"), wide=True),
    Column("source", t("SOURCE"), wide=True),
)
TENANT_COLUMNS = (
    Column("tenant", t("TENANT")),
    Column("machines", t("MACHINES")),
    Column("clean", t("CLEAN")),
    Column("old_signatures", t("OLD SIGNATURES")),
    Column("not_scanned", t("NOT SCANNED")),
    Column("silent", t("SILENT")),
    Column("unprotected", t("UNPROTECTED")),
    Column("findings", t("FINDINGS")),
    Column("sentence", t("PATCHES")),
    Column("overdue", t("OVERDUE")),
)

hosts = Group(
    name="hosts",
    sentence=t("Machines of the centre and of its tenants."),
    examples=(
        ("gasp hosts list --filter zone=core", t("the centre's own servers")),
        ("gasp hosts measure tenant:fgw", t("look now at the enrolled machines of one department")),
    ),
)
name_argument = argument("name", help=t("Name of the machine."))


@hosts.verb(
    "list",
    sentence=t("List the machines, with what the last look at each enrolled one found."),
    examples=(
        ("gasp hosts list --filter patch_state=pending,unknown", t("those that lack patches or could not be seen")),
        ("gasp hosts list --filter state!=running -o name", t("names of those that do not run")),
    ),
)
@listing_options
@click.pass_obj
def list_hosts(app: App) -> None:
    """`gasp hosts list`."""
    show_list(app.client.hosts(), COLUMNS, empty=t("There are no hosts. Bring the lab up: gasp lab up"), name="name")


@hosts.verb(
    "show",
    sentence=t("Show one machine: what it lacks, what is wrong and what helps."),
    examples=(
        ("gasp hosts show web", t("addresses and state of the web host")),
        ("gasp hosts show fgw -o json", t("a workstation, for a program")),
    ),
)
@name_argument
@listing_options
@click.pass_obj
def show_host(app: App, name: str) -> None:
    """`gasp hosts show NAME`."""
    rows = app.client.hosts()
    if all(row["name"] != name for row in rows):
        raise unknown(t("There is no host “{name}”.", name=name), name, [r["name"] for r in rows], "gasp hosts list")
    row = app.client.machines.show(name)

    def draw() -> None:
        facts(app, row, COLUMNS)
        app.out("\n".join(_more(row)))

    show_one(row, draw, name="name")


def _more(row: Json) -> Iterator[str]:
    if row.get("silent_because"):
        yield sentence(t("Silent: {reason}", reason=row["silent_because"]))
        yield sentence(t("  What helps: {remedy}", remedy=row["silent_remedy"]))
    if row.get("findings"):
        yield sentence(tn("{count} finding is open.", "{count} findings are open.", count=row["findings"]))
        seen = f"gasp security findings --open --tenant {row['tenant']}"
        yield sentence(t("  What helps: {see} shows the files; then {settle}", see=seen, settle="gasp security clear"))
    scan = row.get("scan")
    if scan is not None:
        yield sentence(t("{sentence} {waits}", sentence=scan["sentence"], waits=scan["waits"]))
        if scan["error"]:
            yield sentence(t("  It did not end well: {error}", error=scan["error"]))
        if scan["remedy"]:
            yield sentence(t("  What helps: {remedy}", remedy=scan["remedy"]))
    for item in row.get("fault_details") or ():
        yield sentence(t("{text} ({found})", text=item["text"], found=item["found"]))
        yield sentence(t("  What helps: {remedy}", remedy=item["remedy"]))
    for item in row.get("missing") or ():
        names = {k: item[k] for k in ("package", "installed", "candidate", "severity")}
        yield sentence(t("{package}: {installed}, offered {candidate}, severity {severity}", **names))
        if item["held"]:
            yield sentence(t("  kept since {at} or longer: {how}", how=item["held_by"], at=moment(item["held_since"])))
        elif item["waiting"]:
            yield sentence(t("  waits: it is given to a share of machines first"))
        elif item["kept_back"]:
            yield sentence(t("  kept back: apt does not take it"))
        if item["since"] and item["deadline"]:
            yield sentence(
                t("  missing since {at}, wanted by {by}", at=moment(item["since"]), by=moment(item["deadline"]))
            )
        elif item["since"]:
            yield sentence(t("  missing since {at}", at=moment(item["since"])))
    for entry in row.get("history") or ():
        yield sentence(
            t(
                "{at}  {what}  by {who}",
                at=moment(entry["at"]),
                what=MACHINE_HISTORY.get(entry["what"], entry["what"]),
                who=entry["actor"],
            )
        )


@hosts.verb(
    "enrol",
    sentence=t("Enter a machine as it really is: its machine-id and SSH host key are read on it."),
    examples=(
        ("gasp hosts enrol fgw --tenant fgw --ring 2", t("enrol a workstation")),
        ("gasp hosts enrol fgw --tenant fgw --ring 1 --yes", t("the same machine again: only its ring changes")),
    ),
)
@name_argument
@option("--tenant", help=t("Code of the department."), metavar="CODE", required=True)
@option("--ring", help=t("1 pilot, 2 half of all, 3 the rest, 4 servers."), type=click.IntRange(1, 4), default=3)
@consent_options()
@listing_options
@click.pass_obj
def enrol(app: App, name: str, tenant: str, ring: int, dry_run: bool, yes: bool) -> None:
    """`gasp hosts enrol NAME`."""
    words = {"name": name, "tenant": tenant, "ring": ring}
    if dry_run:
        app.client.machines.preview_enrol(name, tenant, ring)
    if rehearsed(dry_run, t("{name} would be enrolled for {tenant} in ring {ring}.", **words)):
        return
    app.context()
    ask(t("Enrol {name} for {tenant} in ring {ring}?", **words), yes)
    row = app.client.machines.enrol(name, tenant, ring)
    _entered(app, row, t("{name} is enrolled for {tenant} in ring {ring}.", **words))


def _entered(app: App, row: Json, said: Text) -> None:
    def draw() -> None:
        app.out(sentence(said))
        app.out(sentence(t("Next: {command}", command=f"gasp apply subscription:{row['tenant']}/security")))

    show_one(row, draw, name="name")


@hosts.verb(
    "retire",
    sentence=t("Take a machine out of the inventory and remove from it what is ours. Its history stays."),
    examples=(
        ("gasp hosts retire fgw", t("after a question")),
        ("gasp hosts retire fgw --lost --reason stolen", t("one that never comes back: what is on it stays there")),
    ),
)
@name_argument
@option("--lost", help=t("It never comes back: it is not asked any more, and what is ours stays on it."), is_flag=True)
@option("--reason", help=t("Why it is given up; wanted with --lost, and only then."), metavar="TEXT", default="")
@consent_options()
@listing_options
@click.pass_obj
def retire(app: App, name: str, lost: bool, reason: str, dry_run: bool, yes: bool) -> None:
    """`gasp hosts retire NAME`."""
    if lost != bool(reason.strip()):
        fault = t("A reason is needed.") if lost else t("A reason is only taken for a lost machine.")
        remedy = t("Say why in one sentence.") if lost else t("Add --lost, or leave --reason out.")
        raise Invalid([Problem("lost-and-reason", fault, remedy, field="reason")])
    if lost:
        _give_up(app, name, reason, dry_run, yes)
        return
    if dry_run:
        app.client.machines.preview_retire(name)
    if rehearsed(dry_run, t("{name} would be taken out, and what is ours removed from it.", name=name)):
        return
    app.context()
    ask(t("Take {name} out of the inventory and remove from it what is ours?", name=name), yes)
    answer = app.client.machines.retire(name)

    def draw() -> None:
        app.out(sentence(t("{name} is taken out.", name=name)))
        if answer["waiting"]:
            app.out(sentence(t("It is silent: what is ours is removed by the first apply after it is back.")))

    show_one(answer, draw, name="machine")


def _give_up(app: App, name: str, reason: str, dry_run: bool, yes: bool) -> None:
    if dry_run:
        app.client.machines.preview_give_up(name, reason)
    if rehearsed(dry_run, t("{name} would be taken out as lost; what is ours would stay on it.", name=name)):
        return
    app.context()
    ask(t("Take {name} out as lost, and leave on it what is ours?", name=name), yes)
    answer = app.client.machines.give_up(name, reason)

    def draw() -> None:
        app.out(sentence(t("{name} is taken out as lost; it is not asked any more.", name=name)))
        app.out(sentence(t("Stays on it: {what}", what=plain(answer["left"]))))

    show_one(answer, draw, name="machine")


@hosts.verb(
    "transfer",
    sentence=t("Give a machine to another department; its history goes with it."),
    examples=(
        ("gasp hosts transfer pc-17 --tenant czj", t("after a question")),
        ("gasp hosts transfer pc-17 --tenant czj --yes", t("without one")),
    ),
)
@name_argument
@option("--tenant", help=t("Code of the department that gets it."), metavar="CODE", required=True)
@consent_options()
@listing_options
@click.pass_obj
def transfer(app: App, name: str, tenant: str, dry_run: bool, yes: bool) -> None:
    """`gasp hosts transfer NAME`."""
    words = {"name": name, "tenant": tenant}
    if dry_run:
        app.client.machines.preview_transfer(name, tenant)
    if rehearsed(dry_run, t("{name} would be given to {tenant}.", **words)):
        return
    app.context()
    ask(t("Give {name} to {tenant}?", **words), yes)
    _entered(app, app.client.machines.transfer(name, tenant), t("{name} belongs to {tenant} now.", **words))


@hosts.verb(
    "import",
    sentence=t(
        "Import another console's list of machines (CSV; UTF-8, GB18030 or UTF-16). They are observed only: shown, "
        "marked, never touched."
    ),
    examples=(
        ("gasp hosts import list.csv --dry-run", t("check it whole; every problem is named with its line")),
        ("gasp hosts import list.csv --column name=计算机名 --column tenant=部门", t("say which column is what")),
    ),
)
@argument("file", help=t("The list."), type=click.Path(exists=True, dir_okay=False, path_type=Path))
@option("--column", "columns", help=t("Which head is the name or the tenant."), metavar="FIELD=HEAD", multiple=True)
@option("--tenant", help=t("Whose all of them are."), metavar="CODE")
@consent_options()
@listing_options
@click.pass_obj
def import_hosts(
    app: App, file: Path, columns: tuple[str, ...], tenant: str | None, dry_run: bool, yes: bool
) -> None:  # fmt: skip
    """`gasp hosts import FILE`."""
    chosen = dict(word.partition("=")[::2] for word in columns)
    bad = [name for name, head in chosen.items() if name not in ("name", "tenant") or not head]
    if bad:
        text = t("“{name}” is no column of ours.", name=bad[0])
        raise Invalid([Problem("bad-column", text, t("Write name=HEAD or tenant=HEAD."), field="column")])
    app.context()
    answer = app.client.machines.preview_import(file, chosen, tenant)
    words = {k: plain(answer[k]) for k in ("rows", "create", "update", "encoding")}
    if not dry_run:
        ask(
            tn(
                "Import {rows} machine as observed only ({create} new, {update} known)?",
                "Import {rows} machines as observed only ({create} new, {update} known)?",
                count=words["rows"],
                **words,
            ),
            yes,
        )
        answer = app.client.machines.import_machines(file, chosen, tenant)

    def draw() -> None:
        app.out(
            sentence(
                tn(
                    "{rows} machine ({encoding}): {create} new, {update} known; observed only.",
                    "{rows} machines ({encoding}): {create} new, {update} known; observed only.",
                    count=words["rows"],
                    **words,
                )
            )
        )
        if dry_run:
            app.out(sentence(t("Nothing was changed.")))
        else:
            app.out(sentence(t("Next: {command}", command="gasp hosts list --filter managed=false")))

    show_one(
        answer, draw, rows="machines", name="name", columns=(Column("name", t("NAME")), Column("tenant", t("TENANT")))
    )


@hosts.verb(
    "measure",
    sentence=t(
        "Look at enrolled machines now: patches, antivirus, faults. Changes nothing on them.\n"
        "One that does not answer is listed as silent; the exit code is then 6."
    ),
    examples=(
        ("gasp hosts measure", t("all enrolled machines")),
        ("gasp hosts measure fgw -o json", t("one machine, for a program")),
    ),
)
@argument("scope", help=HELP, required=False, default="estate", metavar="[TARGET]")
@listing_options
@click.pass_obj
def measure(app: App, scope: str) -> None:
    """`gasp hosts measure`."""
    app.context()
    answer = app.client.machines.measure(scope)

    def draw() -> None:
        from control_plane.cli.listing import print_table

        print_table(app, answer["machines"], COLUMNS)
        words = {"patches": answer["patches"], "silent": answer["silent"], "seconds": answer["seconds"]}
        app.out(sentence(t("{patches}; {silent} did not answer; {seconds} s.", **words)))

    show_one(answer, draw, rows="machines", name="name", columns=COLUMNS)
    if answer["silent"]:
        raise Stop(TEMPORARY)


@hosts.verb(
    "mend",
    sentence=t("Mend what can be mended on a machine without harm. It says what it will do, and asks."),
    examples=(
        ("gasp hosts mend fgw --dry-run", t("what it would do")),
        ("gasp hosts mend fgw --yes", t("do it without a question")),
    ),
)
@name_argument
@consent_options()
@listing_options
@click.pass_obj
def mend(app: App, name: str, dry_run: bool, yes: bool) -> None:
    """`gasp hosts mend NAME`."""
    app.context()
    plan = app.client.machines.preview_mend(name)
    for item in plan["left"]:
        app.note(t("Not from here: {text} {remedy}", text=item["text"], remedy=item["remedy"]))
    acts = "; ".join(item["text"] for item in plan["acts"]) or str(t("nothing"))
    if rehearsed(dry_run, t("On {name}: {acts}.", name=name, acts=acts)):
        return
    if plan["acts"]:
        ask(t("On {name}: {acts}. Do it?", name=name, acts=acts), yes)
    answer = app.client.machines.mend(name)

    def draw() -> None:
        for item in answer["acts"]:
            done = t("Done: {text}", text=item["text"]) if item["done"] else t("Failed: {text}", text=item["text"])
            app.out(sentence(done))
        left = plain([str(FAULT_NAMES[fault]) for fault in answer["row"]["faults"]])
        app.out(
            sentence(
                t("Faults now: {faults}", faults=left)
                if answer["row"]["faults"]
                else t("{name} has no fault now.", name=name)
            )
        )

    show_one(answer, draw, name="machine")
