"""`gasp plan` and `gasp apply`: the daily bread."""

from __future__ import annotations

import re
from collections.abc import Callable

import click

from control_plane.cli.app import App
from control_plane.cli.base import Command, argument, option
from control_plane.cli.consent import ask, ask_word, consent_options
from control_plane.cli.errors import CHANGES, FAILED, TEMPORARY, Stop
from control_plane.cli.listing import Column, listing_options, show_one
from control_plane.cli.plan_view import PlanView
from control_plane.model.client import Json, OnEvent
from control_plane.model.text import Text, t

DIGEST = re.compile(r"[0-9a-f]{6,64}\Z")
SCOPE_HELP = t("estate, tenant:CODE, subscription:CODE/OFFERING, system:NAME or host:NAME; several with commas.")
CHANGE_COLUMNS = (
    Column("action", t("ACTION"), show="text"),
    Column("kind", t("KIND")),
    Column("id", t("ID")),
    Column("label", t("NAME")),
    Column("tenant", t("TENANT")),
    Column("offering", t("OFFERING")),
    Column("reason", t("REASON"), show="state"),
    Column("destroys_data", t("DESTROYS DATA")),
    Column("in_the_way", t("IN THE WAY")),
)


def show_plan(app: App, plan: Json, every_line: bool = False, *, closing: bool = True) -> None:
    """A plan on standard output in the form that was asked for; `closing` as in `PlanView`."""
    wide = app.listing.output == "wide"
    view = PlanView(plan, every_line=every_line, wide=wide, paint=app.paint, closing=closing)
    show_one(plan, lambda: app.out(view.text()), rows="changes", columns=CHANGE_COLUMNS)


def note_plan(app: App, plan: Json) -> None:
    """A plan on standard error, before a question about it."""
    click.echo(PlanView(plan, paint=app.paint_note, closing=False).text(), err=True, color=True)


@click.command(
    cls=Command,
    sentence=t(
        "Show what would change. Looks at the real systems, compares and changes nothing.\n"
        "Destructive changes come first. Nothing is planned for a part that could not be measured: exit code 6.\n"
        "A subscription whose wishes cannot be computed is named and left as it is: exit code 1."
    ),
    examples=(
        ("gasp plan", t("what would change in the whole estate")),
        ("gasp plan tenant:fgw -o json", t("the same for one department, for a program")),
    ),
)
@argument("scope", help=SCOPE_HELP, required=False, default="estate")
@option("--all", "every_line", help=t("Print every change, however many."), is_flag=True)
@option("--exit-code", "exit_code", help=t("Exit with 3 when there is something to change."), is_flag=True)
@listing_options
@click.pass_obj
def plan(app: App, scope: str, every_line: bool, exit_code: bool) -> None:
    """`gasp plan [SCOPE]`."""
    found = app.client.get_plan(scope) if DIGEST.match(scope) else app.client.plan(scope)
    changes = bool(found["changes"])
    show_plan(app, found, every_line)
    if found["unmeasured"]:
        raise Stop(TEMPORARY)
    if found.get("broken"):
        raise Stop(FAILED)
    if exit_code and changes:
        raise Stop(CHANGES)


@click.command(
    cls=Command,
    sentence=t(
        "Carry out a plan, or plan and carry out a scope.\n"
        "With a plan's digest exactly that plan is carried out, or refused when the world has moved since. With a scope"
        " the plan is shown before anything is written; --yes and --confirm are the yes to it given beforehand."
    ),
    examples=(
        ("gasp apply tenant:fgw", t("plan one department, ask, carry it out")),
        ("gasp apply 7f3a9c1e --confirm=dagj", t("carry out a plan that deletes data, with its word")),
    ),
)
@argument("target", help=t("A plan's digest (6 characters or more), or a scope."), metavar="PLAN|SCOPE")
@consent_options(word=True)
@option(
    "--wait/--no-wait", help=t("Wait for another run to end; without it a busy estate is exit code 6."), default=True
)
@option(
    "--timeout",
    help=t("How many seconds to wait for another run."),
    type=click.FloatRange(0),
    default=600.0,
    show_default=True,
    metavar="SECONDS",
)
@listing_options
@click.pass_obj
def apply(
    app: App, target: str, dry_run: bool, yes: bool, confirm: str | None, wait: bool, timeout: float
) -> None:  # fmt: skip
    """`gasp apply PLAN|SCOPE`."""
    is_plan = bool(DIGEST.match(target))
    if dry_run:
        show_plan(app, app.client.get_plan(target) if is_plan else app.client.plan(target))
        return
    app.context()
    if yes or confirm:
        # The yes was given beforehand. One look is enough: the plan is made under the lease and shown before the
        # first write, so that hand-made changes are never overwritten by a yes to a plan that nobody could see.
        shown = None if is_plan else lambda digest: _seen(app, digest)
    else:
        found = app.client.get_plan(target) if is_plan else app.client.plan(target)
        note_plan(app, found)
        confirm = consent_to(found, confirm, yes)
        target, shown = found["digest"], None
    apply_and_show(app, target, confirm, timeout if wait else 0.0, shown)


def _seen(app: App, digest: str) -> str:
    return PlanView(app.client.get_plan(digest), paint=app.paint_note, closing=False).text()


def consent_to(plan: Json, confirm: str | None, yes: bool) -> str | None:
    """The yes to a plan that was shown; returns the typed word, if one was wanted."""
    words = [guard["confirm"] for guard in plan.get("guards", ()) if guard.get("confirm")]
    digest = plan["digest"]
    if words:
        question: Text = t("Type “{word}” to carry it out.", word=words[-1])
        return ask_word(question, [*words[:-1], digest, digest[:8], words[-1]], confirm, yes)
    if plan["changes"] or plan.get("restores"):
        ask(t("Carry out this plan?"), yes or confirm is not None)
    return confirm


def apply_and_show(
    app: App, target: str, confirm: str | None, wait: float, shown: Callable[[str], str] | None = None
) -> None:
    """Carry out and end with the run's exit code; `shown` as in `carry_out`."""
    from control_plane.cli.run_view import carry_out, finish

    def act(on_event: OnEvent) -> Json:
        return app.client.apply(target, confirm=confirm, on_event=on_event, wait=wait)

    finish(app, carry_out(app, act, shown=shown))
