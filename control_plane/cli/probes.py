"""`gasp probes`: what is promised, how it is measured, and what is measured now."""

from __future__ import annotations

import click

from control_plane.cli.app import App
from control_plane.cli.base import Group, argument
from control_plane.cli.errors import FAILED, TEMPORARY, Stop
from control_plane.cli.listing import Column, listing_options, show_list
from control_plane.cli.plans import SCOPE_HELP
from control_plane.model.text import t

COLUMNS = (
    Column("id", t("ID")),
    Column("tenant", t("TENANT")),
    Column("offering", t("OFFERING")),
    Column("kind", t("KIND"), wide=True),
    Column("vantage", t("SEEN FROM")),
    Column("title", t("PROMISE")),
)
RESULT_COLUMNS = (
    Column("state", t("STATE"), show="state"),
    *COLUMNS,
    Column("seconds", t("SECONDS")),
    Column("detail", t("FOUND")),
    Column("at", t("AT"), wide=True, show="time"),
)

probes = Group(
    name="probes",
    sentence=t("Promises and how they are measured."),
    examples=(
        ("gasp probes list tenant:fgw", t("what one department was promised")),
        ("gasp probes run --filter state=failed,unmeasured", t("measure all; show only what is not well")),
    ),
)
scope_argument = argument("scope", help=SCOPE_HELP, required=False, default="estate")


@probes.verb(
    "list",
    sentence=t("List promises; measures nothing."),
    examples=(
        ("gasp probes list", t("all promises")),
        ("gasp probes list tenant:fgw -o json", t("one department's, for a program")),
    ),
)
@scope_argument
@listing_options
@click.pass_obj
def list_probes(app: App, scope: str) -> None:
    """`gasp probes list [SCOPE]`."""
    show_list(app.client.probes(scope), COLUMNS, empty=t("Nothing is promised here."), name="id")


@probes.verb(
    "run",
    sentence=t("Measure now. Exit code 1 when a promise is not kept, 6 when one could not be measured."),
    examples=(
        ("gasp probes run tenant:fgw", t("measure one department's promises")),
        ("gasp probes run --filter state=failed,unmeasured", t("measure all; show only what is not well")),
    ),
)
@scope_argument
@listing_options
@click.pass_obj
def run(app: App, scope: str) -> None:
    """`gasp probes run [SCOPE]`."""
    results = app.client.run_probes(scope)
    show_list(results, RESULT_COLUMNS, empty=t("Nothing is promised here."), name="id")
    states = {result["state"] for result in results}
    if "failed" in states:
        raise Stop(FAILED)
    if "unmeasured" in states:
        raise Stop(TEMPORARY)
