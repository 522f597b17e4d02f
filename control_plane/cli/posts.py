"""`gasp posts`: notices on departments' first home pages."""

from __future__ import annotations

from pathlib import Path

import click

from control_plane.cli.app import App
from control_plane.cli.base import Group, argument, option
from control_plane.cli.consent import ask, consent_options, rehearsed
from control_plane.cli.listing import Column, listing_options, show_list, show_one
from control_plane.cli.terminal import clean, sentence
from control_plane.model.client import Json
from control_plane.model.text import t, tn

COLUMNS = (
    Column("id", t("NOTICE")),
    Column("day", t("DATE")),
    Column("column", t("COLUMN")),
    Column("title", t("TITLE")),
    Column("withdrawn", t("TAKEN OFF")),
    Column("changed_by", t("WHO"), wide=True),
    Column("page", t("PAGE"), wide=True),
)
posts = Group(
    name="posts",
    sentence=t("Notices on departments' first home pages."),
    examples=(
        ("gasp posts write fgw.qingdao.test --title 放假通知 --text 国庆节放假七天", t("write a notice")),
        ("gasp posts build fgw.qingdao.test", t("make a release with all notices")),
    ),
)
site_argument = argument("site", help=t("Main name of the site."))
post_argument = argument("post", help=t("Number of the notice."), type=click.IntRange(min=1))


@posts.verb(
    "list",
    sentence=t("List the notices of a site, newest first."),
    examples=(
        ("gasp posts list fgw.qingdao.test", t("all of them")),
        ("gasp posts list fgw.qingdao.test --filter column=news/", t("of one column")),
    ),
)
@site_argument
@listing_options
@click.pass_obj
def list_posts(app: App, site: str) -> None:
    """`gasp posts list SITE`."""
    board = app.client.posts.list(site)
    show_list(board["posts"], COLUMNS, empty=t("No notice yet."), name="id")
    if board["why"]:
        app.note(sentence(t("{why}", why=board["why"])))
    elif board["unpublished"]:
        app.note(t("What is written here is not what the website shows."))


@posts.verb(
    "write",
    sentence=t("Write a notice, or change one. Nobody sees it before a release is published."),
    examples=(
        ("gasp posts write fgw.qingdao.test --title 放假通知 --text 国庆节放假七天", t("a new one, of today")),
        ("gasp posts write fgw.qingdao.test --post 12 --title 更正 --text 八天", t("change notice 12")),
    ),
)
@site_argument
@option("--title", help=t("Title, one line."), required=True)
@option("--text", help=t("Text; an empty line begins a new paragraph."), default="")
@option("--column", help=t("Column of the home page."), default="notices/", show_default=True)
@option("--day", help=t("Date of the notice (ISO); default is today."), default="", metavar="DAY")
@option("--file", help=t("A file to go with it."), type=click.Path(exists=True, dir_okay=False, path_type=Path))
@option("--post", help=t("Number of a notice to be changed."), type=click.IntRange(min=1))
@consent_options()
@listing_options
@click.pass_obj
def write(
    app: App, site: str, title: str, text: str, column: str, day: str, file: Path | None, post: int | None,
    dry_run: bool, yes: bool,
) -> None:  # fmt: skip
    """`gasp posts write SITE`."""
    from datetime import datetime

    from control_plane.model.windows import ZONE

    if rehearsed(dry_run, t("The notice “{title}” would be kept for {site}.", title=title, site=site)):
        return
    app.context()
    ask(t("Keep the notice “{title}” for {site}?", title=clean(title), site=clean(site)), yes)
    day = day or datetime.now(ZONE).date().isoformat()
    made = app.client.posts.save(
        site, column=column, title=title, day=day, text=text, file=file, file_name=file.name if file else "", post=post
    )
    _show(app, made)


@posts.verb(
    "withdraw",
    sentence=t("Take a notice off a site, from its next release on."),
    examples=(
        ("gasp posts withdraw fgw.qingdao.test 12", t("take notice 12 off")),
        ("gasp posts withdraw fgw.qingdao.test 12 --yes", t("without being asked")),
    ),
)
@site_argument
@post_argument
@consent_options()
@listing_options
@click.pass_obj
def withdraw(app: App, site: str, post: int, dry_run: bool, yes: bool) -> None:
    """`gasp posts withdraw SITE POST`."""
    if rehearsed(dry_run, t("Notice {post} of {site} would be taken off.", post=post, site=site)):
        return
    app.context()
    ask(t("Take notice {post} off {site}?", post=post, site=clean(site)), yes)
    _show(app, app.client.posts.withdraw(site, post))


@posts.verb(
    "build",
    sentence=t("Make and store a release of the first home page with all notices. It is not live yet."),
    examples=(
        ("gasp posts build fgw.qingdao.test", t("then preview and activate it")),
        ("gasp posts build fgw.qingdao.test -o json", t("the same for a program")),
    ),
)
@site_argument
@consent_options()
@listing_options
@click.pass_obj
def build(app: App, site: str, dry_run: bool, yes: bool) -> None:
    """`gasp posts build SITE`."""
    # Nothing that anybody sees changes, so nobody is asked.
    if rehearsed(dry_run, t("A release of {site} with all notices would be stored.", site=site)):
        return
    app.context()
    made = app.client.posts.build(site)

    def draw() -> None:
        app.out(
            sentence(
                tn(
                    "Release {release} of {site}, {count} notice.",
                    "Release {release} of {site}, {count} notices.",
                    release=made["release"][:8],
                    site=made["site"],
                    count=made["posts"],
                )
            )
        )
        app.out(sentence(t("Next: {command}", command=made["next"])))

    show_one(made, draw, name="release")


def _show(app: App, made: Json) -> None:
    def draw() -> None:
        app.out(sentence(t("Notice {post}: {title}", post=made["id"], title=clean(made["title"]))))
        app.out(sentence(t("Next: {command}", command=f"gasp posts build {made['site']}")))

    show_one(made, draw, name="id")
