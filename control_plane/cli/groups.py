"""`gasp accounts groups`: groups of people of a department. Each act shows its plan; it is a run, and can be undone."""

from __future__ import annotations

from collections.abc import Sequence

import click

from control_plane.cli.app import App
from control_plane.cli.base import Group, argument, option
from control_plane.cli.consent import ask, consent_options
from control_plane.cli.listing import Column, listing_options, show_list, show_one
from control_plane.cli.looking import facts
from control_plane.cli.plan_view import PlanView
from control_plane.cli.plans import note_plan
from control_plane.cli.run_view import carry_out, end, run_lines
from control_plane.cli.terminal import sentence
from control_plane.model.client_groups import Json
from control_plane.model.errors import Invalid, Problem
from control_plane.model.text import t

COLUMNS = (
    Column("id", t("GROUP"), show="id"),
    Column("zh", t("NAME IN CHINESE")),
    Column("en", t("NAME IN ENGLISH")),
    Column("count", t("PEOPLE")),
    Column("gid", t("GROUP NUMBER"), wide=True, show="id"),
    Column("people", t("WHO"), wide=True),
)
groups = Group(
    name="groups",
    sentence=t("Groups of people of a department. A group is called CODE/NAME."),
    examples=(
        ("gasp accounts groups list --tenant fgw", t("groups of one department")),
        ("gasp accounts groups put fgw/leaders zhangwei", t("put somebody into a group")),
    ),
)
group_argument = argument("group", help=t("The group: code of its department, a slash, its short name."))
zh_option = option("--zh", help=t("Name in Chinese."), metavar="NAME")
en_option = option("--en", help=t("Name in English."), metavar="NAME")


@groups.verb(
    "list",
    sentence=t("List groups and how many people are in them."),
    examples=(
        ("gasp accounts groups list --tenant fgw", t("groups of one department")),
        ("gasp accounts groups list --filter name=leaders -o json", t("of all, for a program")),
    ),
)
@option("--tenant", help=t("Only this department."), metavar="CODE")
@listing_options
@click.pass_obj
def list_groups(app: App, tenant: str | None) -> None:
    """`gasp accounts groups list`."""
    empty = t("There are no groups: gasp accounts groups make CODE/NAME --zh …")
    show_list(app.client.groups.list(tenant), COLUMNS, empty=empty, name="id")


@groups.verb(
    "show",
    sentence=t("Show one group and who is in it."),
    examples=(
        ("gasp accounts groups show fgw/leaders", t("one group")),
        ("gasp accounts groups show fgw/leaders -o json", t("for a program")),
    ),
)
@group_argument
@listing_options
@click.pass_obj
def show(app: App, group: str) -> None:
    """`gasp accounts groups show GROUP`."""
    row = app.client.groups.show(*_parts(group))
    show_one(row, lambda: facts(app, row, COLUMNS), name="id")


@groups.verb(
    "make",
    sentence=t("Make a group of a department. Its short name is 1 to 31 small letters, digits and hyphens."),
    examples=(
        ("gasp accounts groups make fgw/leaders --zh 领导", t("show the plan, ask, make it")),
        ("gasp accounts groups make fgw/leaders --zh 领导 --en Leaders --yes", t("without a question")),
    ),
)
@group_argument
@option("--zh", help=t("Name in Chinese."), metavar="NAME", required=True)
@en_option
@consent_options()
@listing_options
@click.pass_obj
def make(app: App, group: str, zh: str, en: str | None, dry_run: bool, yes: bool) -> None:
    """`gasp accounts groups make GROUP`."""
    tenant, name = _parts(group)
    _change(app, tenant, {"act": "make", "name": name, "zh": zh, "en": en}, dry_run, yes)


@groups.verb(
    "rename",
    sentence=t("Call a group differently. Its number and its people stay; rules that name it must be changed too."),
    examples=(
        ("gasp accounts groups rename fgw/leaders --to heads", t("another short name")),
        ("gasp accounts groups rename fgw/leaders --zh 局领导 --yes", t("another name for people")),
    ),
)
@group_argument
@option("--to", help=t("New short name."), metavar="NAME")
@zh_option
@en_option
@consent_options()
@listing_options
@click.pass_obj
def rename(
    app: App, group: str, to: str | None, zh: str | None, en: str | None, dry_run: bool, yes: bool
) -> None:  # fmt: skip
    """`gasp accounts groups rename GROUP`."""
    tenant, name = _parts(group)
    _change(app, tenant, {"act": "rename", "name": name, "to": to, "zh": zh, "en": en}, dry_run, yes)


@groups.verb(
    "end",
    sentence=t("End a group. Its people stay people of the department."),
    examples=(
        ("gasp accounts groups end fgw/leaders", t("show the plan, ask, end it")),
        ("gasp accounts groups end fgw/leaders --dry-run", t("what that would do")),
    ),
)
@group_argument
@consent_options()
@listing_options
@click.pass_obj
def end_group(app: App, group: str, dry_run: bool, yes: bool) -> None:
    """`gasp accounts groups end GROUP`."""
    tenant, name = _parts(group)
    _change(app, tenant, {"act": "end", "name": name}, dry_run, yes)


@groups.verb(
    "put",
    sentence=t("Put people into a group, or take them out."),
    examples=(
        ("gasp accounts groups put fgw/leaders zhangwei liming", t("two people into it")),
        ("gasp accounts groups put fgw/leaders --out zhangwei --yes", t("one out of it")),
    ),
)
@group_argument
@argument("uids", help=t("Account names of those who are put in."), nargs=-1, metavar="[UID...]")
@option("--out", help=t("Account name of somebody who is taken out; may be given again."), metavar="UID", multiple=True)
@consent_options()
@listing_options
@click.pass_obj
def put(app: App, group: str, uids: Sequence[str], out: Sequence[str], dry_run: bool, yes: bool) -> None:
    """`gasp accounts groups put GROUP UID...`."""
    tenant, name = _parts(group)
    _change(app, tenant, {"act": "people", "name": name, "put": [*uids], "out": [*out]}, dry_run, yes)


def _parts(group: str) -> tuple[str, str]:
    tenant, slash, name = group.partition("/")
    if not (tenant and slash and name):
        text = t("“{name}” names no group.", name=group[:80])
        raise Invalid([Problem("bad-group", text, t("Write CODE/NAME, such as fgw/leaders."), field="group")])
    return tenant, name


def _change(app: App, tenant: str, wish: Json, dry_run: bool, yes: bool) -> None:
    """Look at the plan, ask, carry it out."""
    seen = app.client.groups.preview(tenant, wish)
    said = sentence(t("{sentence}", sentence=seen["sentence"]))
    if dry_run:
        view = PlanView(seen["plan"], paint=app.paint, closing=False)
        show_one(seen, lambda: app.out(f"{said}\n{view.text()}"), name="name")
        return
    app.context()
    app.note(t("{sentence}", sentence=seen["sentence"]))
    note_plan(app, seen["plan"])
    ask(t("Do this?"), yes)
    digest = seen["digest"]

    def act(follow: object) -> Json:
        return app.client.groups.change(tenant, wish, digest=digest, on_event=follow)  # type: ignore[arg-type]

    answer = carry_out(app, act, stopped=_ran)
    _ran(app, answer)
    end(app.client.run(answer["run"])["state"])


def _ran(app: App, answer: Json) -> None:
    def draw() -> None:
        if "sentence" in answer:
            app.out(sentence(t("{sentence}", sentence=answer["sentence"])))
        app.out("\n".join(run_lines(app, app.client.run(answer["run"]))))

    show_one(answer, draw, name="run")
