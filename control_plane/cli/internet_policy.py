"""`gasp internet policy`: what the centre decides for everybody. A new revision reaches departments by a rollout."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from control_plane.cli.app import App
from control_plane.cli.base import Group, argument, option
from control_plane.cli.consent import ask, consent_options, rehearsed
from control_plane.cli.listing import Column, listing_options, show_list, show_one
from control_plane.cli.looking import facts
from control_plane.cli.terminal import clean, sentence
from control_plane.model.client_policies import Json
from control_plane.model.errors import Rejected
from control_plane.model.text import t, tn

COLUMNS = (
    Column("number", t("REVISION"), show="id"),
    Column("state", t("STATE"), show="state"),
    Column("count", t("DEPARTMENTS")),
    Column("at", t("MADE"), show="time"),
    Column("by", t("BY")),
    Column("reason", t("REASON")),
    Column("rollouts", t("ROLLOUTS")),
    Column("tenants", t("TENANTS"), wide=True),
)

policy = Group(
    name="policy",
    sentence=t("What the centre decides for everybody's internet access: its own rules, and what is in a category."),
    examples=(
        ("gasp internet policy show -o yaml --fields policy > policy.yaml", t("the newest revision, to edit it")),
        ("gasp internet policy set policy.yaml --reason 'new betting sites' --start", t("bring it out, ring by ring")),
    ),
)


@policy.verb(
    "list",
    sentence=t("List the revisions, newest first, with the departments that have each."),
    examples=(
        ("gasp internet policy list", t("all of them")),
        ("gasp internet policy list -o wide", t("with the departments")),
    ),
)
@listing_options
@click.pass_obj
def list_revisions(app: App) -> None:
    """`gasp internet policy list`."""
    show_list(app.client.policies.list(), COLUMNS, empty=t("There is no revision."), name="number")


@policy.verb(
    "show",
    sentence=t("Show a revision, or the newest one: what it changed, and who has it."),
    examples=(
        ("gasp internet policy show 3", t("what revision 3 changed")),
        ("gasp internet policy show -o yaml --fields policy", t("the newest one, to edit it and make the next")),
    ),
)
@argument("number", help=t("Number of the revision; without it the newest."), type=int, required=False)
@listing_options
@click.pass_obj
def show_revision(app: App, number: int | None) -> None:
    """`gasp internet policy show [NUMBER]`."""
    answer = app.client.policies.show(number)
    show_one(answer, lambda: _draw(app, answer), name="number")


def _draw(app: App, row: Json) -> None:
    facts(app, row, COLUMNS)
    for one in row["changes"]:
        app.out("  " + clean(one["sentence"]))
    if row["state"] == "new":
        app.out(sentence(t("Next: {command}", command=_start(row))))


def _none_goes_out(rows: Sequence[Json]) -> None:
    """Before a revision is made whose rollout could not begin. Raises Rejected."""
    for row in rows:
        if row["state"] == "going_out":
            raise Rejected(
                t("Revision {number} of the policy is going out; one goes out at a time.", number=row["number"]),
                t("Let its rollout end (gasp rollouts list), or make the next revision without --start."),
            )


def _start(row: Json) -> str:
    return f"gasp rollouts create --policy {row['number']} --reason WHY --start"


@policy.verb(
    "set",
    sentence=t(
        "Make the next revision of a file. No department has it before a rollout brings it.\n"
        "With --start the rollout begins at once, with the usual thresholds; rings not yet reached keep what they have."
    ),
    examples=(
        ("gasp internet policy set policy.yaml --reason 'new betting sites' --dry-run", t("see what it would change")),
        ("gasp internet policy set policy.yaml --reason 'new betting sites' --start", t("bring it out, ring by ring")),
    ),
)
@argument(
    "file", help=t("The whole policy, in YAML, as gasp internet policy show prints it."),
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
)  # fmt: skip
@option("--reason", help=t("Why, in one sentence; it is recorded."), required=True)
@option("--start", help=t("Begin its rollout at once."), is_flag=True)
@consent_options()
@listing_options
@click.pass_obj
def set_policy(app: App, file: Path, reason: str, start: bool, dry_run: bool, yes: bool) -> None:
    """`gasp internet policy set FILE`."""
    from control_plane.workflow.yaml_form import read_form

    body = read_form(file.read_bytes(), file.name)
    wanted = body.get("policy", body)
    preview = app.client.policies.preview(wanted)
    if dry_run or not yes:
        for one in preview["changes"]:
            app.note(t("{text}", text=clean(one["sentence"])))
        app.note(
            tn(
                "A rollout would bring it to {count} department, ring by ring.",
                "A rollout would bring it to {count} departments, ring by ring.",
                count=len(preview["tenants"]),
            )
        )
    if rehearsed(dry_run, t("Revision {number} would be followed by another one.", number=preview["based_on"])):
        return
    if start:
        _none_goes_out(app.client.policies.list())
    app.context()
    ask(t("Make this revision and begin its rollout?") if start else t("Make this revision?"), yes)
    made = app.client.policies.add(wanted, reason=reason)
    if start:
        order = {"kind": "configuration", "offering": "internet", "policy": made["number"], "reason": reason}
        rollout = app.client.rollouts.create(**order)["id"]
        app.client.rollouts.release(rollout)
        made = app.client.policies.show(made["number"])

    def draw() -> None:
        _draw(app, made)
        for rollout in made["rollouts"]:
            app.out(sentence(t("Next: {command}", command=f"gasp rollouts follow {rollout}")))

    show_one(made, draw, name="number")
