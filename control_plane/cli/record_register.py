"""`gasp record register`: which machine or person had an address, from when to when."""

from __future__ import annotations

from pathlib import Path

import click

from control_plane.cli.app import App
from control_plane.cli.base import Group, argument, option
from control_plane.cli.consent import ask, consent_options, rehearsed
from control_plane.cli.listing import Column, listing_options, show_list, show_one
from control_plane.cli.terminal import sentence
from control_plane.model.client_record import Json
from control_plane.model.text import t, tn

REGISTER = (
    Column("address", t("ADDRESS")),
    Column("tenant", t("TENANT")),
    Column("machine", t("MACHINE")),
    Column("person", t("PERSON")),
    Column("from", t("FROM"), show="time"),
    Column("to", t("TO"), show="time"),
    Column("source", t("SOURCE")),
    Column("recorded_at", t("RECORDED"), show="time", wide=True),
)
WINDOW_HELP = t("Begin, such as 2026-11-24 or 2026-11-24T09:30 (Asia/Shanghai).")

register = Group(
    name="register",
    sentence=t("The dated register: which machine or person had an address, from when to when."),
    examples=(
        ("gasp record register list --address 10.94.1.10", t("who had an address")),
        ("gasp record register import handover.csv", t("from a file: address,machine,person,from,to,source")),
    ),
)


@register.verb(
    "list",
    sentence=t("List who had which address when."),
    examples=(
        ("gasp record register list", t("everything")),
        ("gasp record register list --person 王伟", t("addresses of a person")),
    ),
)
@option("--address", help=t("Only this address."), metavar="ADDRESS")
@option("--person", help=t("Only this person."), metavar="NAME")
@listing_options
@click.pass_obj
def list_register(app: App, address: str | None, person: str | None) -> None:
    """`gasp record register list`."""
    rows = app.client.record.register(address, person)
    show_list(rows, REGISTER, empty=t("The register is empty."), name="address")


@register.verb(
    "import",
    sentence=t(
        "Add entries from a CSV; a second time adds nothing.\n"
        "The first line names the columns: address, machine, person, from, to, source."
    ),
    examples=(
        ("gasp record register import handover.csv", t("check it, ask, add it")),
        ("gasp record register import handover.csv --dry-run", t("only check it")),
    ),
)
@argument("path", help=t("A CSV file, UTF-8 or GB18030."), type=click.Path(path_type=Path), metavar="FILE")
@consent_options()
@listing_options
@click.pass_obj
def import_register(app: App, path: Path, dry_run: bool, yes: bool) -> None:
    """`gasp record register import FILE`."""
    shown = app.client.record.preview_register(path)
    if dry_run:
        show_list(shown["rows"], REGISTER[:1] + REGISTER[2:7], empty=t("The file has no entries."), name="address")
        rehearsed(
            True, tn("{count} entry would be added.", "{count} entries would be added.", count=len(shown["rows"]))
        )
        return
    app.context()
    ask(tn("Add {count} entry to the register?", "Add {count} entries to the register?", count=len(shown["rows"])), yes)
    _added(app, app.client.record.add_to_register(shown["rows"]))


@register.verb(
    "add",
    sentence=t("Add one entry."),
    examples=(
        (
            "gasp record register add 10.94.1.10 --machine PC-17 --person 王伟 --from 2026-11-24 --yes",
            t("from a day on"),
        ),
        (
            "gasp record register add 10.94.1.10 --machine PC-17 --from 2026-11-24 --to 2026-12-24 --yes",
            t("for a month"),
        ),
    ),
)
@argument("address", help=t("The address."), metavar="ADDRESS")
@option("--machine", help=t("The machine."), default="", metavar="NAME")
@option("--person", help=t("The person."), default="", metavar="NAME")
@option("--from", "begin", help=WINDOW_HELP, required=True, metavar="TIME")
@option("--to", "end", help=t("End; without it: until further notice."), metavar="TIME")
@option("--source", help=t("Where this is known from."), default="", metavar="TEXT")
@consent_options()
@listing_options
@click.pass_obj
def add_to_register(
    app: App, address: str, machine: str, person: str, begin: str, end: str | None, source: str, dry_run: bool,
    yes: bool,
) -> None:  # fmt: skip
    """`gasp record register add ADDRESS`."""
    row = {"address": address, "machine": machine, "person": person, "from": begin, "to": end, "source": source}

    def act() -> Json:
        return app.client.record.add_to_register([row])

    if rehearsed(dry_run, tn("{count} entry would be added.", "{count} entries would be added.", count=1), act):
        return
    app.context()
    ask(tn("Add {count} entry to the register?", "Add {count} entries to the register?", count=1), yes)
    _added(app, act())


def _added(app: App, answer: Json) -> None:
    told = tn(
        "{new} entry added, {same} were there already.",
        "{new} entries added, {same} were there already.",
        count=answer["new"],
        **answer,
    )
    show_one(answer, lambda: app.out(sentence(told)), name="new")
