"""`gasp drift`: hand-made changes, named with before and after, and the three answers to them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import click

from control_plane.cli.app import App
from control_plane.cli.base import Group, argument, option
from control_plane.cli.consent import ask, consent_options, rehearsed, with_word
from control_plane.cli.errors import TEMPORARY, Stop
from control_plane.cli.listing import Column, Row, choose, listing_options, show_list
from control_plane.cli.looking import unknown
from control_plane.cli.plan_view import difference
from control_plane.cli.plans import SCOPE_HELP
from control_plane.cli.run_view import carry_out, finish
from control_plane.cli.terminal import clean, sentence
from control_plane.model.client import Json, OnEvent
from control_plane.model.scope import part_words
from control_plane.model.text import t, tn
from control_plane.model.windows import day_words

COLUMNS = (
    Column("id", t("ID")),
    Column("label", t("NAME"), show="label"),
    Column("tenant", t("TENANT")),
    Column("offering", t("OFFERING")),
    Column("part", t("WHERE"), show="part"),
    Column("action", t("ACTION"), show="state"),
    Column("kept_until", t("KEPT UNTIL"), show="time"),
    Column("reason", t("REASON"), wide=True, show="state"),
    Column("before", t("SHOULD BE"), wide=True),
    Column("after", t("FOUND"), wide=True),
)
EMPTY = t("No hand-made changes: everything is as it was last written.")

drift = Group(
    name="drift",
    sentence=t("Hand-made changes: keep, accept or revert."),
    examples=(
        ("gasp drift list", t("what somebody changed by hand")),
        ("gasp drift revert dns:fgw.qingdao.test/A", t("bring back what is desired")),
    ),
)
ids_argument = argument("ids", help=t("Ids as gasp drift list prints them."), nargs=-1, required=True, metavar="ID...")
reason_option = option("--reason", help=t("Why, in one sentence; it is recorded."), required=True)


@drift.verb(
    "list",
    sentence=t(
        "List hand-made changes with what should be and what was found.\n"
        "What could not be measured is listed too; the exit code is then 6."
    ),
    examples=(
        ("gasp drift list", t("in the whole estate")),
        ("gasp drift list tenant:fgw -o json", t("of one department, for a program")),
    ),
)
@argument("scope", help=SCOPE_HELP, required=False, default="estate")
@listing_options
@click.pass_obj
def list_drift(app: App, scope: str) -> None:
    """`gasp drift list [SCOPE]`."""
    rows = app.client.drift(scope)
    if app.listing.output == "table" and rows and not app.listing.fields:
        chosen, _ = choose(rows, app, [c.field for c in COLUMNS])
        _draw(app, chosen)
    else:
        show_list(rows, COLUMNS, empty=EMPTY, name="id")
    if any(row["action"] == "unmeasured" for row in rows):
        raise Stop(TEMPORARY)


def _draw(app: App, rows: Sequence[Row]) -> None:
    for row in rows:
        if row["action"] == "unmeasured":
            text = t("Could not measure {part}: {reason}", part=part_words(row["part"]), reason=row["reason"])
            app.out(app.paint(sentence(text), "bold blue"))
            continue
        owner = "/".join(clean(str(row[k])) for k in ("tenant", "offering") if row.get(k))
        kept = f"  [{t('kept until {date}', date=day_words(row['kept_until']))}]" if row.get("kept_until") else ""
        app.out(f"{app.paint('~ ' + clean(row['id']), 'yellow')}  {owner}{kept}")
        if row.get("action") != "kept":
            for line in difference(row.get("before"), row.get("after")):
                app.out(line)
    app.note(t("- is what should be, + is what was found. Answer with gasp drift keep, accept or revert."), "dim")


@drift.verb(
    "keep",
    sentence=t("Leave hand-made states out of plans until a date."),
    examples=(
        ("gasp drift keep dns:fgw.qingdao.test/A --until 2027-01-31 --reason moving", t("keep one until a date")),
        ("gasp drift list -o name | xargs gasp drift keep --until 2027-01-31 --reason audit --yes", t("keep all")),
    ),
)
@ids_argument
@option("--until", help=t("Last day, such as 2027-01-31."), required=True, metavar="DATE")
@reason_option
@consent_options()
@listing_options
@click.pass_obj
def keep(app: App, ids: tuple[str, ...], until: str, reason: str, dry_run: bool, yes: bool) -> None:
    """`gasp drift keep ID...`."""
    if _rehearse(app, ids, dry_run):
        return
    app.context()
    ask(
        tn(
            "Leave {count} hand-made state alone until {date}?",
            "Leave {count} hand-made states alone until {date}?",
            count=len(ids),
            date=until,
        ),
        yes,
    )
    show_list(app.client.drift_keep(ids, until=until, reason=reason), COLUMNS, empty=EMPTY, name="id")


@drift.verb(
    "accept",
    sentence=t("Make hand-made states the desired ones."),
    examples=(
        ("gasp drift accept dns:fgw.qingdao.test/A --reason 'new address'", t("make one the desired state")),
        ("gasp drift accept dns:fgw.qingdao.test/A --reason x --dry-run", t("see what would become desired")),
    ),
)
@ids_argument
@reason_option
@consent_options()
@listing_options
@click.pass_obj
def accept(app: App, ids: tuple[str, ...], reason: str, dry_run: bool, yes: bool) -> None:
    """`gasp drift accept ID...`."""
    if _rehearse(app, ids, dry_run):
        return
    app.context()
    ask(
        tn(
            "Make {count} hand-made state the desired one?",
            "Make {count} hand-made states the desired ones?",
            count=len(ids),
        ),
        yes,
    )
    show_list(app.client.drift_accept(ids, reason=reason), COLUMNS, empty=EMPTY, name="id")


@drift.verb(
    "revert",
    sentence=t("Bring back what is desired, for these things only."),
    examples=(
        ("gasp drift revert dns:fgw.qingdao.test/A", t("revert one")),
        ("gasp drift list -o name | xargs gasp drift revert --yes", t("revert all")),
    ),
)
@ids_argument
@consent_options(word=True)
@listing_options
@click.pass_obj
def revert(app: App, ids: tuple[str, ...], dry_run: bool, yes: bool, confirm: str | None) -> None:
    """`gasp drift revert ID...`."""
    if _rehearse(app, ids, dry_run):
        return
    app.context()
    ask(
        tn("Revert {count} hand-made change?", "Revert {count} hand-made changes?", count=len(ids)),
        yes or confirm is not None,
    )

    def act(word: str | None, on_event: OnEvent) -> Json:
        return app.client.drift_revert(ids, confirm=word, on_event=on_event)

    finish(app, with_word(lambda word: carry_out(app, partial(act, word)), confirm))


def _rehearse(app: App, ids: Sequence[str], dry_run: bool) -> bool:
    """With `--dry-run`: show the named changes."""
    if not dry_run:
        return False
    rows = app.client.drift("estate")
    known = [row["id"] for row in rows]
    for name in ids:
        if name not in known:
            raise unknown(t("No hand-made change is known for {names}.", names=name), name, known, "gasp drift list")
    show_list([row for row in rows if row["id"] in ids], COLUMNS, empty=EMPTY, name="id")
    return rehearsed(
        True,
        tn(
            "{count} hand-made change would be answered.",
            "{count} hand-made changes would be answered.",
            count=len(ids),
        ),
    )
