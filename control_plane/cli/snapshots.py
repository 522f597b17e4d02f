"""`gasp snapshots`: what the repository host holds, fetching more, and giving it to a ring."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import click

from control_plane.cli.app import App
from control_plane.cli.base import Group, argument, option
from control_plane.cli.consent import ask, consent_options, rehearsed
from control_plane.cli.listing import Column, Row, listing_options, print_table, show_list, show_one
from control_plane.cli.terminal import clean, sentence
from control_plane.model.client_snapshots import Json
from control_plane.model.errors import PermanentError
from control_plane.model.machine import Depot
from control_plane.model.rollout import KINDS as WORDS
from control_plane.model.text import Listed, t

KINDS = ("patches", "signatures")
COLUMNS = (
    Column("id", t("ID")),
    Column("kind", t("KIND"), words=WORDS),
    Column("made_at", t("MADE"), show="time"),
    Column("content", t("CONTENT")),
    Column("octets", t("OCTETS")),
    Column("rings", t("RINGS")),
    Column("source", t("SOURCE"), wide=True, words={"medium": t("a medium")}),
)
NEEDS = (
    Column("kind", t("KIND"), words=WORDS),
    Column("need", t("NEEDS")),
    Column("free", t("FREE")),
    Column("reserve", t("STAYS FREE")),
    Column("content", t("CONTENT")),
    Column("total", t("IN ALL"), wide=True),
    Column("fetch", t("TO FETCH"), wide=True),
    Column("first", t("FIRST"), wide=True),
    Column("enough", t("ENOUGH")),
)
RESULTS = (
    Column("kind", t("KIND"), words=WORDS),
    Column("snapshot", t("NEW")),
    Column("latest", t("LATEST")),
    Column("octets", t("OCTETS")),
    Column("advisories_changed", t("ADVISORIES CHANGED"), wide=True),
)
PACKAGES = (Column("name", t("NAME")), Column("version", t("VERSION")), Column("architecture", t("ARCHITECTURE")))
FILES = (Column("name", t("NAME")), Column("octets", t("OCTETS")), Column("sha256", t("DIGEST")))
ADVISORIES = (
    Column("id", t("ADVISORY")),
    Column("package", t("PACKAGE")),
    Column("fixed", t("FIXED IN")),
    Column("severity", t("SEVERITY")),
    Column("published", t("PUBLISHED")),
)
#: On a log, a running fetch says where it stands this often (seconds).
PLAIN_EVERY = 15.0

snapshots = Group(
    name="snapshots",
    sentence=t("Snapshots of packages and sets of signatures on the repository host, and which ring has which."),
    examples=(
        ("gasp snapshots sync", t("fetch what is new upstream; no machine gets it yet")),
        ("gasp snapshots list", t("what there is, and which ring has it")),
    ),
)
kind_option = option("--kind", help=t("patches or signatures; without it both."), type=click.Choice(KINDS))
one_kind_option = option("--kind", help=t("patches or signatures."), type=click.Choice(KINDS), required=True)
snapshot_argument = argument("snapshot", help=t("Id as gasp snapshots list prints it."))


class Meter:
    """One moving line on a terminal, plain lines in a log."""

    def __init__(self, app: App) -> None:
        self._app, self._last, self._shown = app, 0.0, False
        self._live = sys.stderr.isatty() and os.environ.get("TERM", "dumb") != "dumb"

    def __call__(self, done: int, total: int, what: str) -> None:
        """Show where it stands."""
        text = t("{what}: {done} of {total} octets", what=what, done=f"{done:,}", total=f"{total:,}")
        line = sentence(text) if total else clean(what)
        if self._live:
            click.echo(f"\r\x1b[K{line[:100]}", err=True, nl=False, color=True)
            self._shown = True
        elif time.monotonic() - self._last >= PLAIN_EVERY:
            self._last = time.monotonic()
            self._app.note(line)

    def end(self) -> None:
        """Clear the line."""
        if self._shown:
            click.echo("\r\x1b[K", err=True, nl=False, color=True)


@snapshots.verb(
    "list",
    sentence=t("List snapshots and sets, the newest first, with the rings that have them now."),
    examples=(
        ("gasp snapshots list", t("all of them")),
        ("gasp snapshots list --kind signatures -o json", t("signature sets, for a program")),
    ),
)
@kind_option
@listing_options
@click.pass_obj
def list_snapshots(app: App, kind: str | None) -> None:
    """`gasp snapshots list`."""
    rows = app.client.snapshots.all(cast("Depot | None", kind))
    show_list(rows, COLUMNS, empty=t("There are none yet: gasp snapshots sync"), name="id")


@snapshots.verb(
    "show",
    sentence=t("Show one snapshot or set: its packages and the security faults known then, or its files."),
    examples=(
        ("gasp snapshots show p20261128-174819", t("packages, versions and advisories")),
        ("gasp snapshots show s20261128-174822 -o json", t("a signature set, for a program")),
    ),
)
@snapshot_argument
@listing_options
@click.pass_obj
def show(app: App, snapshot: str) -> None:
    """`gasp snapshots show SNAPSHOT`."""
    found = app.client.snapshots.show(snapshot)

    def draw() -> None:
        print_table(app, [found], COLUMNS)
        for rows, columns in (
            (found["contents"], PACKAGES),
            (found["files"], FILES),
            (found["advisories"], ADVISORIES),
        ):
            if rows:
                app.out()
                print_table(app, rows, columns)

    show_one(found, draw, columns=COLUMNS)


@snapshots.verb(
    "estimate",
    sentence=t("Say how much disk a sync needs, from the upstream's verified index. Nothing is fetched."),
    examples=(
        ("gasp snapshots estimate", t("before the first sync")),
        ("gasp snapshots estimate --kind patches -o json", t("for a program, in octets")),
    ),
)
@kind_option
@listing_options
@click.pass_obj
def estimate(app: App, kind: str | None) -> None:
    """`gasp snapshots estimate`."""
    rows = app.client.snapshots.estimate(cast("Depot | None", kind))
    show_list(rows, NEEDS, empty=t("No upstream is configured."), name="kind")


@snapshots.verb(
    "sync",
    sentence=t(
        "Fetch what is new upstream, verify it whole and keep it as a snapshot. No machine gets it before it is "
        "given to a ring. May be interrupted and repeated."
    ),
    examples=(
        ("gasp snapshots sync", t("patches and signatures; says first how much disk it needs")),
        ("gasp snapshots sync --kind signatures --yes", t("signatures only, without a question")),
    ),
)
@kind_option
@consent_options()
@listing_options
@click.pass_obj
def sync(app: App, kind: str | None, dry_run: bool, yes: bool) -> None:
    """`gasp snapshots sync`."""
    needs = app.client.snapshots.estimate(cast("Depot | None", kind))
    for row in needs:
        _say_need(app, row)
    if rehearsed(dry_run, t("{kinds} would be fetched.", kinds=Listed(WORDS[row["kind"]] for row in needs))):
        return
    for row in needs:
        if not row["enough"]:
            raise PermanentError(
                t(
                    "The disk of the repository host has not enough room for {kind}; nothing was fetched.",
                    kind=WORDS[row["kind"]],
                ),
                t("gasp snapshots prune makes room; or give the host a larger disk."),
            )
    app.context()
    ask(t("Fetch {octets} octets?", octets=f"{sum(row['fetch'] for row in needs):,}"), yes)
    meter, rows = Meter(app), []
    try:
        for row in needs:
            rows.append(app.client.snapshots.sync(row["kind"], on_progress=meter))
    finally:
        meter.end()
    _results(app, rows)


def _say_need(app: App, row: Row) -> None:
    facts = {name: f"{row[name]:,}" for name in ("need", "free", "reserve")}
    text = t("{kind}: {need} octets of disk are needed, {free} are free, {reserve} must stay so.",
             kind=WORDS[row["kind"]], **facts)  # fmt: skip
    app.note(text)


def _results(app: App, rows: Sequence[Json]) -> None:
    show_list(rows, RESULTS, empty=t("Nothing was fetched."), name="latest")
    for row in rows:
        if row["snapshot"] is None:
            app.note(t("{kind}: nothing new since {latest}.", kind=WORDS[row["kind"]], latest=row["latest"]))
        else:
            command = f"gasp snapshots show {row['snapshot']}"
            app.note(t("Next: {command}", command=command))


@snapshots.verb(
    "import",
    sentence=t(
        "Take patches or signatures from a folder or archive that was carried here, for a network without an "
        "upstream. It is verified as if it came from there; a part is never taken."
    ),
    examples=(
        ("gasp snapshots import /media/disk", t("whatever it holds")),
        ("gasp snapshots import signatures.tar.gz --kind signatures --yes", t("an archive, without a question")),
    ),
)
@argument("path", help=t("Folder or archive (tar, tar.gz, tar.xz, zip)."), type=click.Path(path_type=Path))
@kind_option
@consent_options()
@listing_options
@click.pass_obj
def take(app: App, path: Path, kind: str | None, dry_run: bool, yes: bool) -> None:
    """`gasp snapshots import PATH`."""
    if dry_run:
        app.client.snapshots.preview_take(path, cast("Depot | None", kind))
    if rehearsed(dry_run, t("{path} would be checked and taken.", path=path)):
        return
    app.context()
    ask(t("Check {path} and take what it holds?", path=path), yes)
    meter = Meter(app)
    try:
        rows = app.client.snapshots.take(path, cast("Depot | None", kind), on_progress=meter)
    finally:
        meter.end()
    _results(app, rows)


@snapshots.verb(
    "publish",
    sentence=t(
        "Give a ring a snapshot or set at once; an older one too. Ring 0 are the centre's own hosts. Rings 1 to 4 "
        "normally get it by a rollout, which measures and stops by itself; this does neither."
    ),
    examples=(
        ("gasp snapshots publish p20261128-174819 --ring 0", t("try patches on the centre's own hosts")),
        ("gasp snapshots publish s20261128-174822 --ring 1 --dry-run", t("see what a ring would get")),
    ),
)
@snapshot_argument
@option("--ring", help=t("Number of the ring, 0 to 4."), type=click.IntRange(0, 4), required=True)
@consent_options()
@listing_options
@click.pass_obj
def publish(app: App, snapshot: str, ring: int, dry_run: bool, yes: bool) -> None:
    """`gasp snapshots publish SNAPSHOT --ring N`."""
    preview = app.client.snapshots.preview_publish(snapshot, ring)
    what = t("Ring {ring} would get {snapshot}.", ring=ring, snapshot=snapshot)
    if not preview["changed"]:
        what = t("Ring {ring} has {snapshot} already.", ring=ring, snapshot=snapshot)
    if rehearsed(dry_run, what):
        return
    app.context()
    if ring:
        app.note(t("Warning: without a rollout nothing measures it, and nothing stops it."), "yellow")
    ask(t("Give ring {ring} snapshot {snapshot}?", ring=ring, snapshot=snapshot), yes)
    answer = app.client.snapshots.publish(snapshot, ring)

    def draw() -> None:
        if not answer["changed"]:
            app.out(sentence(t("Ring {ring} has {snapshot} already.", ring=ring, snapshot=snapshot)))
            return
        app.out(sentence(t("Ring {ring} has {snapshot} now.", ring=ring, snapshot=snapshot)))
        if answer["before"]:
            back = f"gasp snapshots publish {answer['before']} --ring {ring}"
            app.out(sentence(t("Back: {command}", command=back)))

    show_one(answer, draw, name="snapshot")


@snapshots.verb(
    "prune",
    sentence=t("Delete old snapshots or sets. What a ring has, or had before, stays."),
    examples=(
        ("gasp snapshots prune --kind patches --dry-run", t("see which would go")),
        ("gasp snapshots prune --kind patches --keep 5 --yes", t("keep the newest five")),
    ),
)
@one_kind_option
@option("--keep", help=t("How many of the newest stay; by default what the estate says."), type=click.IntRange(1))
@consent_options()
@listing_options
@click.pass_obj
def prune(app: App, kind: str, keep: int | None, dry_run: bool, yes: bool) -> None:
    """`gasp snapshots prune`."""
    what = cast("Depot", kind)
    preview = app.client.snapshots.prune(what, keep, dry_run=True)
    if not rehearsed(dry_run, t("{count} would be deleted.", count=len(preview["removed"]))) and preview["removed"]:
        app.context()
        names = ", ".join(preview["removed"][:5])
        ask(
            t(
                "Delete {count} of {kind} for good ({names})?",
                count=len(preview["removed"]),
                kind=WORDS[kind],
                names=names,
            ),
            yes,
        )
        preview = app.client.snapshots.prune(what, keep)
    _pruned(app, preview)


def _pruned(app: App, answer: dict[str, Any]) -> None:
    def draw() -> None:
        for id_ in answer["removed"]:
            app.out(clean(id_))
        facts = {"removed": len(answer["removed"]), "kept": len(answer["kept"]), "octets": f"{answer['octets']:,}"}
        app.note(t("{removed} deleted, {kept} kept, {octets} octets freed.", **facts))

    show_one(answer, draw, name="kind")
