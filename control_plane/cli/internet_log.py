"""`gasp internet log`: asking the access record. Needs a case and a reason, and is itself recorded."""

from __future__ import annotations

import click

from control_plane.cli.app import App
from control_plane.cli.base import Command, option
from control_plane.cli.listing import Column, listing_options, print_table, show_one
from control_plane.cli.terminal import clean, moment, sentence
from control_plane.model.client_record import Json
from control_plane.model.text import t

COLUMNS = (
    Column("time", t("TIME"), show="time"),
    Column("since", t("SINCE"), show="time", wide=True),
    Column("event", t("EVENT")),
    Column("tenant", t("TENANT")),
    Column("address", t("ADDRESS")),
    Column("port", t("PORT"), show="id"),
    Column("nat", t("OUTSIDE")),
    Column("nat_port", t("PORT OUTSIDE"), show="id"),
    Column("host", t("HOST"), show="name"),
    Column("server", t("SERVER")),
    Column("server_port", t("SERVER PORT"), show="id"),
    Column("protocol", t("PROTOCOL"), wide=True),
    Column("octets_up", t("UP"), wide=True, show="octets"),
    Column("octets_down", t("DOWN"), wide=True, show="octets"),
    Column("verdict", t("VERDICT")),
    Column("rule", t("RULE"), wide=True),
    Column("kind", t("BY"), wide=True),
    Column("machine", t("MACHINE")),
    Column("person", t("PERSON")),
)
MOST = 10_000


@click.command(
    "log",
    cls=Command,
    sentence=t(
        "Ask the access record, for a case.\n"
        "The search is recorded with case, reason and who asked, before anything is shown. Only the window asked for is"
        " shown: at most 31 days and 10,000 lines. What was not recorded in it is said."
    ),
    examples=(
        (
            "gasp internet log --case Q-118 --reason police --from 2026-11-24 --to 2026-11-24 --nat-port 40112",
            t("who had this port outside"),
        ),
        (
            "gasp internet log --case Q-119 --reason audit --from 2026-11-24 --to 2026-11-24 -o csv",
            t("a day, for a spreadsheet"),
        ),
    ),
)
@option("--case", help=t("Number of the case that allows it."), required=True, metavar="NUMBER")
@option("--reason", help=t("Why, in one sentence; it is recorded."), required=True, metavar="TEXT")
@option(
    "--from",
    "begin",
    help=t("Begin, such as 2026-11-24 or 2026-11-24T09:30 (Asia/Shanghai)."),
    required=True,
    metavar="TIME",
)
@option("--to", "end", help=t("End; a day alone is the whole day."), required=True, metavar="TIME")
@option("--tenant", help=t("Only this department."), metavar="CODE")
@option("--address", help=t("Only this address inside."), metavar="ADDRESS")
@option("--nat-address", help=t("Only this address outside."), metavar="ADDRESS")
@option("--nat-port", help=t("Only this port outside."), metavar="PORT", type=int)
@option("--host", help=t("Only this destination: a name, .name for all below it too, or an address."), metavar="HOST")
@option("--person", help=t("Only addresses that this person had then, by the register."), metavar="NAME")
@listing_options
@click.pass_obj
def log(
    app: App, case: str, reason: str, begin: str, end: str, tenant: str | None, address: str | None,
    nat_address: str | None, nat_port: int | None, host: str | None, person: str | None,
) -> None:  # fmt: skip
    """`gasp internet log`."""
    asked = {
        "tenant": tenant,
        "address": address,
        "nat_address": nat_address,
        "nat_port": nat_port,
        "host": host,
        "person": person,
    }
    limit = min(app.listing.limit or MOST, MOST)
    answer = app.client.record.log(case=case, reason=reason, begin=begin, end=end, asked=asked, limit=limit)
    show_one(answer, lambda: _draw(app, answer), rows="lines", name="address", columns=COLUMNS)
    _remarks(app, answer)


def _draw(app: App, answer: Json) -> None:
    if answer["lines"]:
        print_table(app, answer["lines"], COLUMNS)
    else:
        app.out(sentence(t("No line fits.")))


def _remarks(app: App, answer: Json) -> None:
    """What limits the answer, on standard error in every form."""
    for remark in answer["remarks"]:
        app.note(clean(remark))
    for gap in answer["unrecorded"]:
        app.note(
            t(
                "Not recorded ({source}) from {begin} to {end}: {sentence}",
                source=gap["source"],
                begin=moment(gap["from"]),
                end=moment(gap["to"]),
                sentence=gap["sentence"],
            ),
            "bold blue",
        )
    app.note(
        t("Search {number} for case {case} is recorded: gasp record searches.", number=answer["number"],
          case=answer["case"]),
        "dim",
    )  # fmt: skip
