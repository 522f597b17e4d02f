"""`gasp login` and `gasp contexts`: at which control plane commands work."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from control_plane.cli.app import App
from control_plane.cli.base import Command, Group, argument, option
from control_plane.cli.listing import Column, listing_options, show_list
from control_plane.cli.places import Place, config_file, read_places, write_places
from control_plane.cli.terminal import sentence
from control_plane.model.errors import Invalid, NoConsent, NotFound, Problem
from control_plane.model.text import t

#: What `use` calls this machine.
HERE = "here"
COLUMNS = (
    Column("name", t("CONTEXT")),
    Column("current", t("IN USE")),
    Column("url", t("ADDRESS")),
    Column("ca", t("AUTHORITY")),
)


@click.command(
    "login",
    cls=Command,
    sentence=t(
        "Let commands work at a control plane elsewhere, with a token: what looks, plans, applies, signs and freezes."
    ),
    examples=(
        ("gasp login https://localhost:8443 --ca ca.pem", t("asks for the token and keeps it, for you only")),
        ("pass show gasp | gasp login https://console.example --name city --token-stdin", t("from a password store")),
    ),
)
@argument("url", help=t("Address of the console, such as https://localhost:8443."))
@option("--name", help=t("Name of the context."), default="default")
@option("--ca", help=t("File of the authority to trust; the system's otherwise."), type=click.Path(dir_okay=False))
@option("--token-stdin", "piped", help=t("Read the token from standard input, as from a password store."), is_flag=True)
@click.pass_obj
def login(app: App, url: str, name: str, ca: str | None, piped: bool) -> None:
    """`gasp login URL`."""
    from control_plane.cli.remote import Remote

    if name in (HERE, ""):
        text = t("No context can be called “{name}”.", name=name)
        raise Invalid([Problem("bad-name", text, t("“{here}” means this machine; take another name.", here=HERE))])
    token = sys.stdin.readline().strip() if piped else os.environ.get("GASP_TOKEN")
    if not token:
        if piped or not app.can_ask():
            raise NoConsent(
                t("Standard input holds no token.") if piped else t("Nobody is at a terminal to give the token."),
                t("Set GASP_TOKEN for this command, or pass --token-stdin and the token on standard input."),
            )
        token = click.prompt(str(t("Token")), hide_input=True, err=True)
    place = Place(name, url.rstrip("/"), token.strip(), str(Path(ca).resolve()) if ca else None)
    found = Remote(place).token()
    file = config_file()
    places, _ = read_places(file)
    write_places(file, {**places, name: place}, name)
    said = {"person": found["person"], "url": place.url, "scopes": ", ".join(found["scopes"])}
    app.out(sentence(t("Commands work at {url} as {person} from now on: {scopes}.", **said)))
    app.note(t("Next: {command}", command="gasp tenants list"), "dim")


contexts = Group(
    name="contexts",
    sentence=t("Control planes elsewhere at which commands work."),
    examples=(
        ("gasp contexts list", t("all that you signed in to")),
        ("gasp contexts use city", t("work at another one")),
    ),
)
name_argument = argument("name", help=t("Name of the context."))


@contexts.verb(
    "list",
    sentence=t("List contexts. Tokens are not shown."),
    examples=(
        ("gasp contexts list", t("all that you signed in to")),
        ("gasp contexts list -o json", t("for a program")),
    ),
)
@listing_options
@click.pass_obj
def list_contexts(app: App) -> None:
    """`gasp contexts list`."""
    places, current = read_places(config_file())
    rows = [{"name": p.name, "current": p.name == current, "url": p.url, "ca": p.ca} for p in places.values()]
    show_list(rows, COLUMNS, empty=t("Commands work on this machine: gasp login URL"), name="name")


@contexts.verb(
    "use",
    sentence=t("Work at another control plane from now on."),
    examples=(
        ("gasp contexts use city", t("at the one called so")),
        ("gasp contexts use here", t("on this machine again")),
    ),
)
@name_argument
@click.pass_obj
def use(app: App, name: str) -> None:
    """`gasp contexts use NAME`."""
    file = config_file()
    places, _ = read_places(file)
    if name == HERE:
        write_places(file, places, None)
        app.out(sentence(t("Commands work on this machine from now on.")))
        return
    write_places(file, places, _known(places, name).name)
    app.out(sentence(t("Commands work at {url} from now on.", url=places[name].url)))


@contexts.verb(
    "remove",
    sentence=t("Forget a context with its token; the token itself lives on."),
    examples=(
        ("gasp contexts remove city", t("the one called so")),
        ("gasp contexts remove city && gasp tokens revoke 12", t("and the token as well")),
    ),
)
@name_argument
@click.pass_obj
def remove(app: App, name: str) -> None:
    """`gasp contexts remove NAME`."""
    file = config_file()
    places, current = read_places(file)
    del places[_known(places, name).name]
    write_places(file, places, current if current != name else None)
    app.out(sentence(t("Context {name} is forgotten.", name=name)))


def _known(places: dict[str, Place], name: str) -> Place:
    if name not in places:
        raise NotFound(t("There is no context “{name}”.", name=name), t("See gasp contexts list."))
    return places[name]
