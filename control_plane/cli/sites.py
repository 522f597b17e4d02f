"""`gasp sites`: websites and their releases: publish, preview, activate, roll back."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import click

from control_plane.cli.app import App
from control_plane.cli.base import Group, argument, option
from control_plane.cli.consent import ask, consent_options, rehearsed, with_word
from control_plane.cli.listing import Column, listing_options, plain, print_table, show_list, show_one
from control_plane.cli.run_view import carry_out, end, run_lines
from control_plane.cli.terminal import sentence
from control_plane.model.client import Json, OnEvent
from control_plane.model.content_check import SENTENCES, CheckState
from control_plane.model.text import Text, t, tn

COLUMNS = (
    Column("site", t("SITE")),
    Column("tenant", t("TENANT")),
    Column("offering", t("OFFERING")),
    Column("state", t("STATE"), show="state"),
    Column("release", t("RELEASE")),
    Column("url", t("ADDRESS")),
    Column("title", t("TITLE"), wide=True),
    Column("names", t("NAMES"), wide=True),
    Column("preview", t("PREVIEW"), wide=True),
    Column("releases", t("RELEASES"), wide=True),
)

sites = Group(
    name="sites",
    sentence=t("Websites and their releases."),
    examples=(
        ("gasp sites publish fgw.qingdao.test site.zip", t("store new content; it is not live yet")),
        ("gasp sites rollback fgw.qingdao.test", t("make the release before live again")),
    ),
)
site_argument = argument("site", help=t("Main name of the site."))
#: `--dry-run`, `--yes` and `--confirm`.
Consent = tuple[bool, bool, str | None]
ROOM_COLUMNS = (
    Column("site", t("SITE")),
    Column("tenant", t("TENANT")),
    Column("used", t("USED OCTETS")),
    Column("limit", t("LIMIT")),
    Column("prunable", t("TOO OLD")),
)
release_argument = argument("release", help=t("Id of the release, as gasp sites publish prints it."))


@sites.verb(
    "list",
    sentence=t("List the sites with the release that is live."),
    examples=(
        ("gasp sites list", t("all sites")),
        ("gasp sites list --filter tenant=fgw -o wide", t("one department's, with all their names")),
    ),
)
@listing_options
@click.pass_obj
def list_sites(app: App) -> None:
    """`gasp sites list`."""
    show_list(app.client.sites(), COLUMNS, empty=t("There are no sites yet."), name="site")


@sites.verb(
    "publish",
    sentence=t("Check and store an archive as a release of a site. It is not live before it is activated."),
    examples=(
        ("gasp sites publish fgw.qingdao.test site.zip --note 'autumn'", t("store a zip or tar archive")),
        ("gasp sites publish fgw.qingdao.test site.zip -o name", t("print only the id of the release")),
    ),
)
@site_argument
@argument("archive", help=t("Zip or tar file."), type=click.Path(exists=True, dir_okay=False, path_type=Path))
@option("--note", help=t("A line for the history."), default="")
@consent_options()
@listing_options
@click.pass_obj
def publish(app: App, site: str, archive: Path, note: str, dry_run: bool, yes: bool) -> None:
    """`gasp sites publish SITE ARCHIVE`."""
    # Nothing that anybody sees changes, so nobody is asked.
    if rehearsed(dry_run, t("{file} would be checked and stored as a release of {site}.", file=archive, site=site)):
        return
    app.context()
    answer = app.client.publish_release(site, archive, note=note)

    def draw() -> None:
        facts = {k: answer[k] for k in ("release", "site")}
        app.out(
            sentence(
                tn(
                    "Release {release} of {site} is stored: {files} file, {bytes} bytes.",
                    "Release {release} of {site} is stored: {files} files, {bytes} bytes.",
                    count=answer["files"],
                    files=plain(answer["files"]),
                    bytes=plain(answer["bytes"]),
                    **facts,
                )
            )
        )
        for warning in answer.get("warnings") or ():
            app.out(sentence(t("Warning: {text}", text=warning)))
        if answer["check"] == "waiting":
            app.out(str(SENTENCES[CheckState.WAITING]))
        app.out(sentence(t("Next: {command}", command=f"gasp sites preview {site} {answer['release']}")))

    show_one(answer, draw, name="release")


def _act(
    app: App, consent: Consent, question: Text, would: Text, act: Callable[[str | None, OnEvent], Json]
) -> None:  # fmt: skip
    """Ask, do (`act` is given the typed word), show; exits with the run's code."""
    dry_run, yes, confirm = consent
    if rehearsed(dry_run, would):
        return
    app.context()
    ask(question, yes or confirm is not None)
    answer = with_word(lambda word: carry_out(app, partial(act, word), stopped=_show), confirm)
    _show(app, answer)
    end(app.client.run(answer["run"])["state"])


def _show(app: App, answer: Json) -> None:
    run = app.client.run(answer["run"])

    def draw() -> None:
        app.out("\n".join(run_lines(app, run)))
        if answer.get("previous"):
            facts = {"release": answer["release"], "previous": answer["previous"]}
            app.out(sentence(t("Live: {release} (before: {previous})", **facts)))
        if answer.get("url"):
            app.out(sentence(t("Address: {url}", url=answer["url"])))

    show_one(answer, draw, name="url" if "previous" not in answer and answer.get("url") else "site")


@sites.verb(
    "room",
    sentence=t("What the department of a site stores of releases and may store, and what is too old."),
    examples=(
        ("gasp sites room fgw.qingdao.test", t("in octets, with the rule of what stays")),
        ("gasp sites room fgw.qingdao.test -o json", t("the same for a program")),
    ),
)
@site_argument
@listing_options
@click.pass_obj
def room(app: App, site: str) -> None:
    """`gasp sites room SITE`."""
    found = app.client.room(site)

    def draw() -> None:
        print_table(app, [found], ROOM_COLUMNS)
        app.out(sentence(t("{rule}", rule=found["rule"])))

    show_one(found, draw, name="site")


@sites.verb(
    "prune",
    sentence=t("Delete releases of a site that are too old, or one that nothing needs."),
    examples=(
        ("gasp sites prune fgw.qingdao.test", t("those that the rule names")),
        ("gasp sites prune fgw.qingdao.test --release 3f9a12", t("a certain one")),
    ),
)
@site_argument
@option("--release", help=t("Id of one release, or its beginning."))
@consent_options()
@listing_options
@click.pass_obj
def prune(app: App, site: str, release: str | None, dry_run: bool, yes: bool) -> None:
    """`gasp sites prune SITE`."""
    names = [release] if release else app.client.room(site)["prunable"]
    shown = ", ".join(name[:8] for name in names) or "–"
    if rehearsed(dry_run, t("These releases of {site} would be deleted: {names}.", site=site, names=shown)):
        return
    app.context()
    ask(t("Delete these releases of {site}: {names}?", site=site, names=shown), yes)
    answer = app.client.prune_releases(site, release=release)

    def draw() -> None:
        count, octets = len(answer["removed"]), plain(answer["octets"])
        app.out(
            sentence(
                tn(
                    "{count} release of {site} deleted, {octets} octets.",
                    "{count} releases of {site} deleted, {octets} octets.",
                    count=count,
                    octets=octets,
                    site=answer["site"],
                )
            )
        )

    show_one(answer, draw, name="site")


@sites.verb(
    "preview",
    sentence=t("Put a release on its preview address, seen only from the department's own network."),
    examples=(
        ("gasp sites preview fgw.qingdao.test 3f9a12", t("show a release before it is live")),
        ("gasp sites preview fgw.qingdao.test 3f9a12 --yes -o name", t("only the address")),
    ),
)
@site_argument
@release_argument
@consent_options(word=True)
@listing_options
@click.pass_obj
def preview(app: App, site: str, release: str, dry_run: bool, yes: bool, confirm: str | None) -> None:
    """`gasp sites preview SITE RELEASE`."""
    facts = {"site": site, "release": release}
    _act(
        app,
        (dry_run, yes, confirm),
        t("Put release {release} of {site} on its preview address?", **facts),
        t("Release {release} of {site} would go to its preview address.", **facts),
        lambda word, on_event: app.client.preview_release(site, release, confirm=word, on_event=on_event),
    )


@sites.verb(
    "activate",
    sentence=t("Make a release live. The switch is atomic and can be rolled back in a second."),
    examples=(
        ("gasp sites activate fgw.qingdao.test 3f9a12", t("make it live, after a question")),
        ("gasp sites activate fgw.qingdao.test 3f9a12 --yes", t("without a question")),
    ),
)
@site_argument
@release_argument
@consent_options(word=True)
@listing_options
@click.pass_obj
def activate(app: App, site: str, release: str, dry_run: bool, yes: bool, confirm: str | None) -> None:
    """`gasp sites activate SITE RELEASE`."""
    facts = {"site": site, "release": release}
    _act(
        app,
        (dry_run, yes, confirm),
        t("Make release {release} of {site} live?", **facts),
        t("Release {release} of {site} would become live.", **facts),
        lambda word, on_event: app.client.activate_release(site, release, confirm=word, on_event=on_event),
    )


@sites.verb(
    "rollback",
    sentence=t("Make the release that was live before live again."),
    examples=(
        ("gasp sites rollback fgw.qingdao.test", t("back by one release, after a question")),
        ("gasp sites rollback fgw.qingdao.test --yes", t("without a question")),
    ),
)
@site_argument
@consent_options(word=True)
@listing_options
@click.pass_obj
def rollback(app: App, site: str, dry_run: bool, yes: bool, confirm: str | None) -> None:
    """`gasp sites rollback SITE`."""
    _act(
        app,
        (dry_run, yes, confirm),
        t("Bring {site} back to the release before?", site=site),
        t("{site} would go back to the release before.", site=site),
        lambda word, on_event: app.client.rollback_release(site, confirm=word, on_event=on_event),
    )


@sites.verb(
    "maintenance",
    sentence=t("Answer with a maintenance page (503), or stop doing so."),
    examples=(
        ("gasp sites maintenance fgw.qingdao.test on", t("show the maintenance page")),
        ("gasp sites maintenance fgw.qingdao.test off", t("show the site again")),
    ),
)
@site_argument
@argument("switch", help=t("on or off."), type=click.Choice(["on", "off"]))
@consent_options(word=True)
@listing_options
@click.pass_obj
def maintenance(app: App, site: str, switch: str, dry_run: bool, yes: bool, confirm: str | None) -> None:
    """`gasp sites maintenance SITE on|off`."""
    on = switch == "on"
    question = t("Show the maintenance page on {site}?", site=site) if on else t("Show {site} again?", site=site)
    would = (
        t("{site} would show the maintenance page.", site=site) if on else t("{site} would be shown again.", site=site)
    )
    _act(
        app,
        (dry_run, yes, confirm),
        question,
        would,
        lambda word, on_event: app.client.maintenance(site, on, confirm=word, on_event=on_event),
    )
